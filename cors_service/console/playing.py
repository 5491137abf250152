"""`/playground`: what comes of a page's request, and what mends it. A message or a recording can be pasted."""

from __future__ import annotations

from typing import ClassVar, Final

import htpy as h

from cors_service.access.callers import Caller
from cors_service.admin.endpoint import parameters
from cors_service.console.asking import ask
from cors_service.console.drawing import draw_answer
from cors_service.console.explained import Answered, answered, asked
from cors_service.console.page import Page, fields_of, form_body
from cors_service.console.parts import counted, notice, plain, post_form
from cors_service.console.pasted import Message, NotUnderstood, Recording, Row, read_pasted
from cors_service.console.question import FIELDS, InvalidQuestion, Question
from cors_service.explain.exchange import Credentials, Mode
from cors_service.explain.explanation import Outcome
from cors_service.ledger.kept import Kept
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.request import AnyRequest

PATH: Final = "/playground"
_LARGEST: Final = 24 * 1024 * 1024
"""Bytes of a form: a recording of some megabytes, each character written as up to three."""
_WRITERS: Final = frozenset({"write", "propose"})
_CREDENTIALS: Final[dict[Credentials, str]] = {
    "same-origin": "to its own origin only, as fetch() does by itself",
    "include": "with cookies",
    "omit": "without cookies",
}
_MODES: Final[dict[Mode, str]] = {
    "cors": "cors, as fetch() does by itself",
    "no-cors": "no-cors, as an image does",
    "same-origin": "same-origin",
    "navigate": "navigate, as a link or a form does",
    "websocket": "a WebSocket",
}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_LONGEST: Final = 300
_MARKS: Final[dict[Outcome, str]] = {"readable": "good", "opaque": "good", "blocked": "bad", "unknown": "warn"}
_CONSOLE_EXAMPLE: Final = "Access to fetch at 'https://…' from origin 'https://…' has been blocked by CORS policy: …"


class PlaygroundPage(Page):
    """The page. A link to it holds the whole question, and what is pasted is sent as a form."""

    section = PATH
    verbs: ClassVar = {"GET": ("read",), "POST": ("read",)}
    is_audited = False

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later | Answer:
        """Answer the question of a link; without one, ask for it."""
        question = Question.of(parameters(request, *FIELDS))
        if question.is_empty:
            return self.draw(request, "Playground", _form(question), _pasting())

        def look(kept: Kept) -> Answered | InvalidQuestion:
            active = self.console.visible.to(caller, kept)
            try:
                return answered(asked(question, active), active, kept, self.desk.changes.store.bodies)
            except InvalidQuestion as error:
                return error

        async def make() -> Answer:
            found = await ask(self.desk, look)
            if isinstance(found, InvalidQuestion):
                return self.draw(request, "Playground", _form(question, found), _pasting(), status=400)
            may_carry = found.change is not None and not _WRITERS.isdisjoint(caller.verbs)
            carry = question.link("/change", mend="1") if may_carry else None
            return self.draw(request, "Playground", _form(question), draw_answer(found, carry), _pasting())

        return self.later(make)

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Understand what was pasted."""
        body = form_body(request, _LARGEST)

        def read() -> Message | Recording | NotUnderstood:
            try:
                return read_pasted(fields_of(body).get("pasted", ""))
            except NotUnderstood as error:
                return error

        async def make() -> Answer:
            found = await self.desk.changes.aside(read)
            if isinstance(found, NotUnderstood):
                said = notice("bad", str(found), role="alert")
                return self.draw(request, "Playground", said, _pasting(), _form(Question()), status=422)
            if isinstance(found, Recording):
                return self.draw(request, "Playground", _recording(found), _pasting())
            return self.draw(request, "Playground", _message(found), _form(found.question), _pasting())

        return self.later(make)


def _form(question: Question, error: InvalidQuestion | None = None) -> h.Node:
    """Draw the form of a question."""
    return h.form("#question", method="get", action=PATH)[
        _field("page", "The page that asks", question, error, "its URL, or its origin"),
        _field("url", "The URL that it asks for", question, error, "https://api.example.com/things/7"),
        _field("policy", "Or the policy that decides", question, error, "if you know its name"),
        _field("method", "Method", question, error, "GET", listed="methods"),
        h.datalist("#methods")[(h.option(value=one) for one in _METHODS)],
        h.label(for_="headers")["Headers that the page sets, a line for each"],
        h.textarea(
            "#headers",
            _marked("headers", error),
            name="headers",
            rows="3",
            spellcheck="false",
            placeholder="Name: value",
        )["\n", question.headers],
        _said("headers", error),
        _choice("credentials", "Cookies", question.credentials, _CREDENTIALS),
        _choice("mode", "Mode", question.mode, _MODES),
        h.div(".buttons")[h.button(type="submit")["What does the browser do?"]],
    ]


def _field(
    name: str, label: str, question: Question, error: InvalidQuestion | None, hint: str, *, listed: str | None = None
) -> h.Node:
    value: str = getattr(question, name)
    return [
        h.label(for_=name)[label],
        h.input(
            _marked(name, error),
            id=name,
            type="text",
            name=name,
            value=value,
            placeholder=hint,
            autocomplete="off",
            spellcheck="false",
            list=listed,
        ),
        _said(name, error),
    ]


def _marked(name: str, error: InvalidQuestion | None) -> dict[str, str]:
    if error is None or error.field != name:
        return {}
    return {"aria-invalid": "true", "aria-describedby": f"{name}-mistake"}


def _said(name: str, error: InvalidQuestion | None) -> h.Node:
    if error is None or error.field != name:
        return None
    return notice("bad", h.span(id=f"{name}-mistake")[plain(str(error), _LONGEST)], role="alert")


def _choice(name: str, label: str, chosen: str, words: dict[Credentials, str] | dict[Mode, str]) -> h.Node:
    return [
        h.label(for_=name)[label],
        h.select(id=name, name=name)[
            (h.option(value=value, selected=value == chosen)[text] for value, text in words.items())
        ],
    ]


def _pasting() -> h.Node:
    return h.section(aria_labelledby="paste-title")[
        h.h2("#paste-title")["Or paste what you have"],
        post_form(
            PATH,
            h.label(for_="pasted")["A message of a browser's console, or a recorded session (HAR)"],
            h.textarea(
                "#pasted", name="pasted", rows="4", required=True, spellcheck="false", placeholder=_CONSOLE_EXAMPLE
            ),
            h.p(".hint")["Of a recording, cookies, tokens and bodies are dropped while it is read. Nothing is kept."],
            h.button(type="submit")["Explain it"],
        ),
    ]


def _message(message: Message) -> h.Node:
    return h.section(aria_labelledby="message-title", id="message")[
        h.h2("#message-title")[f"{message.engine} printed this"],
        [h.dl[h.dt[plain(means, _LONGEST)], h.dd[plain(look_at, _LONGEST)]] for means, look_at in message.meanings],
        message.is_open
        and notice("warn", "It does not say which method and headers the page sent: add them below, then ask."),
        not message.question.is_empty
        and h.p[h.a(".button", href=message.question.link(PATH))["Ask about this request"]],
    ]


def _recording(recording: Recording) -> h.Node:
    blocked = sum(not row.passes for row in recording.rows)
    return h.section(aria_labelledby="recording-title", id="recording")[
        h.h2("#recording-title")[f"{counted(len(recording.rows), 'request')}, {blocked:,} of them blocked"],
        h.ol(".recording")[(_row(row) for row in recording.rows)],
        bool(recording.left_out) and h.p[f"{recording.left_out:,} more are not listed."],
    ]


def _row(row: Row) -> h.Node:
    question = row.question
    what = f"{plain(question.method, 40)} {plain(question.url, _LONGEST)}"
    return h.li(class_=_MARKS[row.outcome])[
        f"{row.outcome}: " if row.passes else h.strong["blocked: "],
        h.a(href=question.link(PATH))[what],
        f" from {plain(question.page, _LONGEST)}",
    ]
