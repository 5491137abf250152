"""What people paste into the playground: a sentence of a console, or a recorded session."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, structs

from cors_service.browser import Behaviour, Recognised, Step
from cors_service.browser.recognition import recognise
from cors_service.console.question import Question
from cors_service.explain import explain_answers
from cors_service.explain.explanation import Outcome
from cors_service.explain.har import InvalidRecordingError, Recorded, read_har
from cors_service.explain.messages import message_as_dict, unrecognised

MOST_SHOWN: Final = 200
"""Requests of a session that are judged and listed."""
ENGINE_NAMES: Final = {Behaviour.CHROMIUM: "Chromium", Behaviour.FIREFOX: "Firefox", Behaviour.WEBKIT: "WebKit"}
_WITH_COOKIES: Final = frozenset({Step.ACAC_NOT_TRUE, Step.ACAO_WILDCARD_WITH_CREDENTIALS})


class NotUnderstood(Exception):
    """What was pasted is neither of the two; the text is a sentence for people."""


class Message(Struct, frozen=True):
    """A sentence that a console printed.

    Attributes:
        engine: The name of the browser engine that prints it.
        meanings: What it means, and what to look at, the usual meaning first.
        question: What it lets us ask.
        is_open: Whether the sentence does not say what the page sent, so that somebody has to add it.
    """

    engine: str
    meanings: tuple[tuple[str, str], ...]
    question: Question
    is_open: bool


class Row(Struct, frozen=True):
    """A request of a recorded session.

    Attributes:
        question: The same request as a question.
        outcome: What browsers make of the answer that was recorded.
    """

    question: Question
    outcome: Outcome

    @property
    def passes(self) -> bool:
        """Whether no browser blocks it."""
        return self.outcome != "blocked"


class Recording(Struct, frozen=True):
    """A recorded session.

    Attributes:
        rows: Its first requests, what is blocked before the rest.
        left_out: How many are not listed.
    """

    rows: tuple[Row, ...]
    left_out: int


def read_pasted(text: str) -> Message | Recording:
    """Understand what somebody has pasted.

    Raises:
        NotUnderstood: It is nothing that a console prints, and not a recording.
    """
    text = text.strip().removeprefix("\ufeff")
    return _recording(text) if text[:1] == "{" else _message(text)


def _message(text: str) -> Message:
    recognised = recognise(text)
    if recognised is None:
        raise NotUnderstood(unrecognised())
    told: dict[str, Any] = message_as_dict(recognised)
    question = _asked(recognised)
    return Message(
        engine=ENGINE_NAMES[recognised.engine],
        meanings=tuple((one["means"], one["look_at"]) for one in told["steps"]),
        question=question,
        is_open=recognised.preflight is not False and not (question.headers or question.method != "GET"),
    )


def _asked(recognised: Recognised) -> Question:
    """Ask about what a sentence names, and add what its step says that the page did."""
    question = Question(page=recognised.origin or "", url=recognised.url or "")
    step = recognised.steps[0] if recognised.steps else None
    if step in _WITH_COOKIES:
        question = structs.replace(question, credentials="include")
    if step is Step.METHOD_NOT_IN_ACAM and recognised.value:
        question = structs.replace(question, method=recognised.value)
    elif step is Step.AUTHORIZATION_NOT_IN_ACAH:
        question = structs.replace(question, headers="authorization")
    elif step is Step.HEADER_NOT_IN_ACAH and recognised.value:
        question = structs.replace(question, headers=recognised.value)
    return question


def _recording(text: str) -> Recording:
    try:
        session = read_har(text.encode("utf-8", "replace"))
    except InvalidRecordingError as error:
        raise NotUnderstood(str(error)) from None
    rows = sorted(map(_row, session.recorded[:MOST_SHOWN]), key=lambda row: row.passes)
    return Recording(tuple(rows), session.left_out + max(len(session.recorded) - MOST_SHOWN, 0))


def _row(recorded: Recorded) -> Row:
    explanation = explain_answers(recorded.exchange, recorded.answers)
    return Row(Question.about(recorded.exchange), explanation.outcome)
