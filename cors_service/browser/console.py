"""What a console prints when it blocks a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from cors_service.browser.browsers import Behaviour
from cors_service.browser.headers import is_token
from cors_service.browser.sentences import AFTER, ASKED, BEFORE, BY_XHR, REDIRECTED, SCHEMES, SENTENCES, Sentence
from cors_service.browser.verdict import Step

_APIS: Final = {Behaviour.WEBKIT: {"fetch": "Fetch API"}}
"""What an engine calls the ways to ask, where it has a name of its own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step at which an exchange failed, with the facts that consoles name.

    Attributes:
        step: The step.
        url: The URL that was asked; of a redirected request, the last one.
        origin: The serialised origin of the page.
        value: What the step objects to, as in a :class:`~cors_service.browser.Verdict`.
        preflight: Whether it was the preflight that failed.
        status: The status of the answer that failed; None if there was no answer.
        redirected_from: The first URL of a redirected request; None of others.
        api: What the page asked with: ``fetch`` or ``XMLHttpRequest``.
        repeated: Whether the header that the step objects to came more than once.
    """

    step: Step
    url: str
    origin: str
    value: str = ""
    preflight: bool = False
    status: int | None = None
    redirected_from: str | None = None
    api: str = "fetch"
    repeated: bool = False


def console_lines(engine: Behaviour, failure: Failure) -> tuple[str, ...]:
    """Write what an engine's console prints when it blocks a page.

    Args:
        engine: Chromium, Firefox or WebKit.
        failure: What went wrong.

    Returns:
        The lines, in order; none where the step allows, or where the engine prints nothing.
    """
    sentence = _sentences(engine, repeated=failure.repeated).get(failure.step)
    if sentence is None:
        return ()
    facts = _facts(engine, failure)
    text = sentence.text.format_map(facts)
    if sentence.alone:
        return (text,)
    before, after = BEFORE[engine].format_map(facts), AFTER[engine].format_map(facts)
    if engine is Behaviour.CHROMIUM and failure.preflight and not sentence.preflight:
        before += ASKED
    return (before + text, after) if after else (before + text,)


def _facts(engine: Behaviour, failure: Failure) -> dict[str, str]:
    redirected = REDIRECTED.format(redirected_from=failure.redirected_from) if failure.redirected_from else ""
    # Firefox puts the URL into quotes in one of its sentences.
    quoted = engine is Behaviour.FIREFOX and failure.step is Step.ACAO_WILDCARD_WITH_CREDENTIALS
    return {
        "api": _APIS.get(engine, {}).get(failure.api, failure.api),
        "by_xhr": BY_XHR if failure.api == "XMLHttpRequest" else "",
        "error": failure.value,
        "origin": failure.origin,
        "redirected": redirected,
        "schemes": SCHEMES,
        "status": "(null)" if failure.status is None else str(failure.status),
        "url": f"‘{failure.url}’" if quoted else failure.url,
        "value": _printable(_value(engine, failure)),
    }


def _value(engine: Behaviour, failure: Failure) -> str:
    """What an engine says a step objects to."""
    if engine is Behaviour.FIREFOX and failure.step in {Step.ACAM_MALFORMED, Step.ACAH_MALFORMED}:
        elements = [element.strip(" \t") for element in failure.value.split(",")]
        return next((element for element in elements if element and not is_token(element)), failure.value)
    return failure.value


@cache
def _sentences(engine: Behaviour, *, repeated: bool) -> dict[Step, Sentence]:
    """The usual sentence of each step."""
    found: dict[Step, Sentence] = {}
    for sentence in SENTENCES:
        if sentence.engine is engine and (repeated or not sentence.repeated):
            for step in sentence.steps:
                found.setdefault(step, sentence)
    return found


def _printable(text: str) -> str:
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04X}" for char in text)
