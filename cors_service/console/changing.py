"""`/change`: a document, edited with its mistakes shown at their lines, and published or proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, get_args
from urllib.parse import quote

import htpy as h
from msgspec import Struct
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Caller
from cors_service.admin.approving import seen_by
from cors_service.admin.definitions import checked_reason, visible
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import parameters, request_id
from cors_service.admin.making import Made, Order, make_change, needs_second
from cors_service.console.asking import ask
from cors_service.console.checking import Checked, Mistaken, Typed
from cors_service.console.console import Console
from cors_service.console.explained import answered, asked
from cors_service.console.findings import FINDINGS, draw_checked, draw_gutter, draw_mistakes
from cors_service.console.overtaking import Overtaken, draw_theirs, read_theirs
from cors_service.console.page import Page, fields, see_other
from cors_service.console.parts import name as shown_name
from cors_service.console.parts import notice, post_form
from cors_service.console.progress import ProgressPage
from cors_service.console.proposing import ProposalPage, draw_waiting
from cors_service.console.question import FIELDS, InvalidQuestion, Question
from cors_service.console.sheet import LONGEST, TEMPLATE, is_long, keys_with, overtaken, sheet_of
from cors_service.explain import Explanation
from cors_service.grammar.mistakes import shown
from cors_service.ledger.entry import LONGEST_REASON, Key, Kind
from cors_service.ledger.kept import Kept
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

PATH: Final = "/change"
CHECK: Final = f"{PATH}/check"

_LARGEST: Final = 1024 * 1024
"""Bytes of a form: a document twice, each character written as three."""
_PUBLISH: Final = "publish"
_WRITERS: Final = ("write", "propose")
_FEWEST_ROWS: Final = 16
_SETS_SHOWN: Final = 100
_TOO_LONG: Final = (
    f"The document has more than {LONGEST // 1024} KiB, which is more than a page edits: change it with "
    "cors-service pull and cors-service push."
)


class Draft(Struct, frozen=True, kw_only=True):
    """What the editor holds.

    Attributes:
        typed: What was typed.
        findings: What is shown beneath it.
        marked: The lines with mistakes.
        above: What is shown above it.
        status: The status of the answer.
    """

    typed: Typed
    findings: h.Node = None
    marked: tuple[int, ...] = ()
    above: h.Node = None
    status: int = 200


class ChangePage(Page):
    """The page."""

    section = PATH
    verbs: ClassVar = {"GET": ("read",), "POST": _WRITERS}

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """The check of what is typed, a proposal by its name, or the progress of a change by its number."""
        rest = list(request.postpath)
        if path == b"check" and not rest:
            return CheckPage(self.console)
        if path == b"proposals" and len(rest) == 1 and rest[0]:
            request.prepath.append(request.postpath.pop(0))
            return ProposalPage(self.console, rest[0].decode("ascii", "replace"))
        if path.isdigit() and len(path) < 16 and not rest:
            return ProgressPage(self.console, int(path))
        return self.nothing()

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later | Answer:
        """Begin: with a definition, with a change that lets something through, or with a choice."""
        given = parameters(request, *FIELDS, "mend", "reason", *get_args(Kind), "new")
        reason = given.get("reason", "")[:LONGEST_REASON]
        if "mend" in given:
            return self.later(lambda: self._carried(request, caller, Question.of(given), reason))
        key = next((Key(kind, given[kind]) for kind in get_args(Kind) if given.get(kind)), None)
        if key is not None:
            return self.later(lambda: self._opened(request, caller, key, reason))
        if "new" in given:
            return self._editor(request, caller, Draft(typed=Typed(text=TEMPLATE, reason=reason)))
        return self.later(lambda: self._choosing(request, caller))

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Check what was typed, or publish it."""
        given = fields(request, _LARGEST)
        typed = typed_in(given)
        publishes = given.get("do") == _PUBLISH

        async def make() -> Answer:
            try:
                check_typed(typed, publishes=publishes)
                checked = await check(self.console, caller, typed)
                if not publishes or not checked.changes:
                    findings = draw_check(caller, checked)
                    return self._editor(request, caller, Draft(typed=typed, findings=findings))
                made = await publish(self.desk, caller, request_id(request), typed, checked)
            except Mistaken as mistaken:
                return self._editor(request, caller, mistaken_draft(typed, mistaken, 422))
            except Overtaken as overtaken:
                return await self._overtaken(request, caller, typed, overtaken.keys)
            except Problem as problem:
                return self._not_done(request, caller, typed, problem)
            if made.proposal is not None:
                return see_other(f"{PATH}/proposals/{made.proposal.id}")
            # Somebody else may have changed it to just this.
            return see_other(PATH if made.signed is None else f"{PATH}/{made.signed.entry.seq}")

        return self.later(make)

    async def _opened(self, request: AnyRequest, caller: Caller, key: Key, reason: str) -> Answer:
        text = await ask(self.desk, lambda kept: _sheet(self.desk, kept, caller, key))
        return self._editor(request, caller, Draft(typed=Typed(text=text, before=text, reason=reason)))

    async def _carried(self, request: AnyRequest, caller: Caller, question: Question, reason: str) -> Answer:
        def look(kept: Kept) -> Typed:
            active = self.console.visible.to(caller, kept)
            try:
                found = answered(asked(question, active), active, kept, self.desk.changes.store.bodies)
            except InvalidQuestion as error:
                raise Problem(400, "exchange-malformed", str(error)) from None
            if found.change is None:
                raise Problem(409, "nothing-to-mend", _why_nothing(found.explanation))
            return Typed(text=found.change.text, before=found.change.before, reason=reason)

        typed = await ask(self.desk, look)
        above = notice("plain", "This lets the request through that you asked about. Nothing is published yet.")
        try:
            findings = draw_check(caller, await check(self.console, caller, typed))
        except Mistaken as mistaken:
            findings = draw_mistakes(mistaken, typed.text)
        return self._editor(request, caller, Draft(typed=typed, findings=findings, above=above))

    async def _choosing(self, request: AnyRequest, caller: Caller) -> Answer:
        """Let somebody choose what to change."""
        waiting = await ask(self.desk, lambda kept: seen_by(caller, self.desk, kept))
        return self.draw(
            request,
            "Change",
            draw_waiting(waiting),
            h.section(aria_labelledby="choose-title")[
                h.h2("#choose-title")["What do you want to change?"],
                h.form(method="get", action=PATH)[
                    h.label(for_="policy")["The policy"],
                    h.input("#policy", type="text", name="policy", required=True, autocomplete="off"),
                    h.button(type="submit")["Open"],
                ],
                h.p[h.a(href="/policies")["Find a policy"], " or ", h.a(href=f"{PATH}?new=1")["write a new one"], "."],
                _sets(self.desk, caller),
            ],
        )

    def _editor(self, request: AnyRequest, caller: Caller, draft: Draft) -> Answer:
        typed = draft.typed
        title = "Change" if typed.before else "A new policy"
        if len(typed.text) > LONGEST:
            return self.draw(request, title, notice("bad", _TOO_LONG, role="alert"), status=413)
        return self.draw(request, title, draft.above, draw_editor(draft, may_publish=_may(caller)), status=draft.status)

    async def _overtaken(self, request: AnyRequest, caller: Caller, typed: Typed, keys: Sequence[Key]) -> Answer:
        theirs = await ask(self.desk, lambda kept: read_theirs(self.desk, kept, caller, typed, keys))
        # Comparing texts may take seconds.
        above = await self.desk.changes.aside(lambda: draw_theirs(theirs, typed))
        mine = Typed(text=typed.text, before=theirs.text, reason=typed.reason)
        draft = Draft(typed=mine, above=above, status=409)
        return self._editor(request, caller, draft)

    def _not_done(self, request: AnyRequest, caller: Caller, typed: Typed, problem: Problem) -> Answer:
        """Say what is wrong, with all that was typed."""
        if len(typed.text) > LONGEST:
            typed = Typed(text=typed.text[:LONGEST], before=typed.before, reason=typed.reason)
        said = notice("bad", problem.detail, " What you typed is still here.", role="alert")
        answer = self._editor(request, caller, Draft(typed=typed, above=said, status=problem.status))
        answer.headers |= problem.headers
        return answer


class CheckPage(Page):
    """What is wrong with what somebody types, and what it would do: a part of the page, again and again."""

    section = PATH
    is_audited = False
    verbs: ClassVar = {"POST": _WRITERS}

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Check it."""
        typed = typed_in(fields(request, _LARGEST))

        async def make() -> Answer:
            marked: tuple[int, ...] = ()
            try:
                check_typed(typed, publishes=False)
                findings = draw_check(caller, await check(self.console, caller, typed))
            except Mistaken as mistaken:
                draft = mistaken_draft(typed, mistaken)
                findings, marked = draft.findings, draft.marked
            except Problem as problem:
                findings = notice("bad", problem.detail)
            return self.draw_part(findings, draw_gutter(typed.text, marked, is_swapped=True))

        return self.later(make)


def typed_in(given: Mapping[str, str]) -> Typed:
    """Take what was typed out of the fields of a form."""
    return Typed(text=given.get("text", ""), before=given.get("before", ""), reason=given.get("reason", "").strip())


def check_typed(typed: Typed, *, publishes: bool) -> None:
    """Check the lengths of what was typed.

    Raises:
        Problem: It is too long; or the reason is missing.
    """
    if max(len(typed.text), len(typed.before)) > LONGEST:
        raise Problem(413, "body-too-large", _TOO_LONG)
    checked_reason(typed.reason)
    if publishes and not typed.reason:
        raise Problem(422, "change-malformed", "Say why, in a few words: the ledger keeps it.")


def mistaken_draft(typed: Typed, mistaken: Mistaken, status: int = 200) -> Draft:
    """Show mistakes."""
    marked = tuple(one.line for one in mistaken.mistakes if one.line is not None)
    return Draft(typed=typed, findings=draw_mistakes(mistaken, typed.text), marked=marked, status=status)


async def check(console: Console, caller: Caller, typed: Typed) -> Checked:
    """Say what would become of what was typed.

    Raises:
        Mistaken: The policies would have mistakes.
        Problem: The caller may not change that, or nobody can now.
    """
    store = console.desk.changes.store
    return await ask(console.desk, lambda kept: console.checks.typed(store, kept, caller, typed))


async def publish(desk: Desk, caller: Caller, request_id: str, typed: Typed, checked: Checked) -> Made:
    """Make the change, or propose it where somebody else has to approve it.

    Raises:
        Overtaken: Somebody else has changed the same meanwhile.
        Problem: It can't be done.
    """

    def condition(kept: Kept) -> None:
        keys = overtaken(typed.before, checked.edits, kept)
        if keys:
            raise Overtaken(keys)

    order = Order(
        caller=caller,
        request_id=request_id,
        reason=typed.reason,
        edits=lambda _: checked.edits,
        condition=condition,
        place=lambda _: None,
    )
    return await make_change(desk, order)


def draw_check(caller: Caller, checked: Checked) -> h.Node:
    """Draw what a change would do."""
    may_change = not caller.verbs.isdisjoint(_WRITERS)
    return draw_checked(checked, needs_second=may_change and needs_second(caller, checked.comparison))


def draw_editor(draft: Draft, *, may_publish: str) -> h.Node:
    """Draw the editor.

    Args:
        draft: What it holds.
        may_publish: What the button says that publishes; empty for nobody who may.
    """
    typed = draft.typed
    rows = max(typed.text.count("\n") + 4, _FEWEST_ROWS)
    checking = {
        "hx-post": CHECK,
        "hx-trigger": "input changed delay:400ms",
        "hx-target": f"#{FINDINGS}",
        "hx-include": "closest form",
        "hx-sync": "this:replace",
    }
    return post_form(
        PATH,
        h.input(type="hidden", name="before", value=typed.before),
        h.label(for_="text")["The document, in TOML"],
        h.div(".sheet")[
            draw_gutter(typed.text, draft.marked),
            h.textarea(
                "#text",
                checking,
                name="text",
                rows=str(rows),
                wrap="off",
                spellcheck="false",
                autocapitalize="off",
                autocomplete="off",
                aria_describedby=FINDINGS,
                readonly=not may_publish,
                # The first line end after the tag is not part of the text.
            )["\n", typed.text],
        ],
        bool(may_publish)
        and h.div(".buttons")[
            h.button(".quiet", type="submit", name="do", value="check", formnovalidate=True)["Check"],
        ],
        h.div(id=FINDINGS, aria_live="polite")[draft.findings],
        _publishing(typed, may_publish),
        id="editor",
    )


def _publishing(typed: Typed, may_publish: str) -> h.Node:
    if not may_publish:
        return notice("plain", "You may read this but not change it: that needs the verb write or propose.")
    return h.div(".publishing")[
        h.label(for_="reason")["Why? The ledger keeps it"],
        h.input(
            "#reason",
            type="text",
            name="reason",
            value=typed.reason,
            required=True,
            maxlength=str(LONGEST_REASON),
            autocomplete="off",
        ),
        h.div(".buttons")[h.button(type="submit", name="do", value=_PUBLISH)[may_publish]],
    ]


def _why_nothing(explanation: Explanation) -> str:
    """Say why there is nothing to carry into a change."""
    if explanation.passes:
        return "It passes: nothing has to be changed."
    # Where no policy is looked at, nothing says why.
    found = (one.message for one in explanation.steps if one.step == "mending")
    return next(found, "Nothing in your policies can mend it.")


def _may(caller: Caller) -> str:
    """What the button says that publishes; empty if there is none."""
    if "write" in caller.verbs:
        return "Publish"
    return "Propose" if "propose" in caller.verbs else ""


def _sheet(desk: Desk, kept: Kept, caller: Caller, key: Key) -> str:
    """Write a definition and the sets that it uses as a document.

    Raises:
        Problem: There is none that the caller may see.
    """
    if key not in kept.digests or key not in visible(kept, caller):
        what = key.kind.replace("-", " ")
        raise Problem(404, f"unknown-{key.kind}", f"There is no {what} {shown(key.name)} that you may see.")
    keys = keys_with(key, kept)
    if is_long(keys, kept):
        raise Problem(413, "body-too-large", _TOO_LONG)
    return sheet_of(desk.changes.store.bodies(keys))


def _sets(desk: Desk, caller: Caller) -> h.Node:
    keys = sorted(key for key in visible(desk.changes.kept, caller) if key.kind != "policy")
    if not keys:
        return None
    return h.details[
        h.summary["Or a set that several policies share"],
        h.ul[
            (
                h.li[
                    h.a(href=f"{PATH}?{key.kind}={quote(key.name, safe='')}")[shown_name(key.name)], f" ({_what(key)})"
                ]
                for key in keys[:_SETS_SHOWN]
            )
        ],
    ]


def _what(key: Key) -> str:
    return key.kind.replace("-", " ")
