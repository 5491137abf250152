"""`/history`: the changes that were made, what each let through and kept back, and the way back."""

from __future__ import annotations

from typing import ClassVar, Final

import htpy as h
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Caller
from cors_service.admin.bulk import rollback_edits
from cors_service.admin.conditions import check_head
from cors_service.admin.definitions import checked_reason
from cors_service.admin.endpoint import number, parameters, request_id
from cors_service.admin.making import Made, Order, make_change, shown_to
from cors_service.algebra import compare
from cors_service.console.asking import ask
from cors_service.console.changes import draw_entry, effects, entries_between, what, who, why
from cors_service.console.comparing import draw_comparison
from cors_service.console.console import Console
from cors_service.console.page import Page, fields, see_other
from cors_service.console.parts import count, instant, name, notice, plain, post_form, rows
from cors_service.ledger.entry import LONGEST_REASON, Entry
from cors_service.ledger.kept import Kept
from cors_service.ledger.past import set_behind
from cors_service.policy import PolicySet
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

PATH: Final = "/history"
PROGRESS: Final = "/change"
"""Where it is shown how a change spreads, and what is proposed."""
_ON_A_PAGE: Final = 20
_MOST_TOUCHED: Final = 200
_LARGEST: Final = 10**15 - 1
_MOST_BYTES: Final = 16 * 1024
_CHANGERS: Final = frozenset({"write", "propose"})


class HistoryPage(Page):
    """The page: all changes, the newest first."""

    section = PATH

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw some of them."""
        before = number(parameters(request, "before"), "before", _LARGEST, _LARGEST)

        async def make() -> Answer:
            entries = await ask(self.desk, lambda kept: _entries(self.console, kept, before))
            head = self.desk.changes.kept.head
            first = entries[-1].seq if entries else 1
            return self.draw(
                request,
                "History",
                _compare_form(head.seq),
                h.ol(".entries")[[draw_entry(one) for one in entries]],
                h.nav(aria_label="Further changes")[
                    h.p(".choices")[
                        before < head.seq and h.a(href=PATH)["The newest"],
                        first > 1 and h.a(href=f"{PATH}?before={first}", rel="next")["Earlier"],
                    ]
                ],
            )

        return self.later(make)

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One change by its number, the comparison of two, or the way back to one."""
        text = path.decode("ascii", "replace")
        if request.postpath:
            return self.nothing()
        if text == "compare":
            return ComparePage(self.console)
        if text == "rollback":
            return RollbackPage(self.console)
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))
        return ChangePage(self.console, int(text)) if is_number else self.nothing()


class ChangePage(Page):
    """One change."""

    section = PATH

    def __init__(self, console: Console, seq: int) -> None:
        super().__init__(console)
        self._seq = seq

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw it."""
        parameters(request)

        async def make() -> Answer:
            entry = await ask(self.desk, self._read)
            newest = self.desk.changes.kept.head.seq
            return self.draw(
                request,
                f"Change {entry.seq}",
                _facts(entry),
                h.p(".choices")[
                    entry.seq > 1 and h.a(href=_compare_path(entry.seq - 1, entry.seq))["What it changed"],
                    entry.seq < newest and h.a(href=_compare_path(newest, entry.seq))["Roll back to it"],
                ],
                _touched(entry),
            )

        return self.later(make)

    def _read(self, kept: Kept) -> Entry:
        return entry_of(self.console, kept, self._seq)


class _ComparingPage(Page):
    """A page that compares two moments of the policies."""

    section = PATH

    async def draw_compared(
        self, request: AnyRequest, caller: Caller, before: int, after: int, *, above: h.Node = None, reason: str = ""
    ) -> Answer:
        """Draw what leads from one to the other, and the form that leads back where the first is the newest change.

        Args:
            request: What is answered.
            caller: Who looks.
            before: The number of the one change.
            after: That of the other.
            above: What is shown above it.
            reason: The reason in the form.

        Raises:
            Problem: The ledger does not have them, or the store can't be read.
        """
        sets = await ask(self.desk, lambda kept: sets_of(self.console, kept, before, after))
        comparison = await self.desk.changes.aside(lambda: compare(*sets))
        head = self.desk.changes.kept.head
        is_back = before == head.seq and after < before and not _CHANGERS.isdisjoint(caller.verbs)
        return self.draw(
            request,
            f"From change {before} to change {after}",
            above,
            _compare_form(head.seq, before, after),
            draw_comparison(shown_to(caller, comparison)),
            is_back and _rollback_form(head.seq, after, reason),
        )


class ComparePage(_ComparingPage):
    """Two moments of the policies, compared; from the newest change back, this is what a rollback does."""

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw what leads from one to the other."""
        given = parameters(request, "from", "to")
        newest = self.desk.changes.kept.head.seq
        before, after = number(given, "from", newest, _LARGEST), number(given, "to", newest, _LARGEST)
        return self.later(lambda: self.draw_compared(request, caller, before, after))


class RollbackPage(_ComparingPage):
    """A new change that leads back to an earlier one."""

    verbs: ClassVar = {"POST": ("write", "propose")}

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Make it."""
        given = fields(request, _MOST_BYTES)
        to, known = number(given, "to", 0, _LARGEST), number(given, "from", 0, _LARGEST)
        reason = checked_reason(given.get("reason", ""))
        if not reason.strip():
            raise Problem(400, "reason-missing", "Say why, in a few words.")
        order = Order(
            caller=caller,
            request_id=request_id(request),
            reason=reason,
            edits=lambda kept: rollback_edits(self.desk, kept, to),
            condition=lambda kept: check_head(self.desk, kept, (str(known),), caller),
            place=lambda _: None,
        )

        async def make() -> Answer:
            try:
                made = await make_change(self.desk, order)
            except Problem as problem:
                return await self._not_made(request, caller, to, reason, problem)
            return self._made(request, made)

        return self.later(make)

    async def _not_made(self, request: AnyRequest, caller: Caller, to: int, reason: str, problem: Problem) -> Answer:
        """Say what is wrong, above what going back would do now, with the reason that was typed."""
        above = notice("bad", problem.detail, " What you typed is still here.", role="alert")
        newest = self.desk.changes.kept.head.seq
        try:
            answer = await self.draw_compared(request, caller, newest, to, above=above, reason=reason)
        except Problem:
            raise problem from None
        answer.status = problem.status
        answer.headers |= problem.headers
        return answer

    def _made(self, request: AnyRequest, made: Made) -> Answer:
        if made.signed is not None:
            return see_other(f"{PROGRESS}/{made.signed.entry.seq}")
        if made.proposal is not None:
            return see_other(f"{PROGRESS}/proposals/{made.proposal.id}")
        return self.draw(request, "Nothing to change", h.p["The policies are what they were then."])


def entry_of(console: Console, kept: Kept, seq: int) -> Entry:
    """Read a change; it blocks.

    Raises:
        Problem: There is none of this number, or the store can't be read.
    """
    _check(kept, seq)
    [entry] = _entries(console, kept, seq + 1, 1)
    return entry


def _check(kept: Kept, seq: int) -> None:
    if not 0 < seq <= kept.head.seq:
        raise Problem(404, "unknown-change", f"There is no change {seq}; the newest is {kept.head.seq}.")


def sets_of(console: Console, kept: Kept, *seqs: int) -> list[PolicySet]:
    """Read the policies after some changes; it blocks, and takes long where there are many.

    Raises:
        Problem: The ledger does not have them.
    """
    return [_set_of(console, kept, seq) for seq in seqs]


def _set_of(console: Console, kept: Kept, seq: int) -> PolicySet:
    _check(kept, seq)
    try:
        return set_behind(console.desk.changes.store, kept, seq)
    except LookupError as error:
        raise Problem(404, "unknown-change", str(error)) from error


def _entries(console: Console, kept: Kept, before: int, most: int = _ON_A_PAGE) -> list[Entry]:
    """Give the changes before a number, the newest first."""
    last = min(before - 1, kept.head.seq)
    first = max(last - most, 0)
    found = entries_between(console.desk.changes.store, first, last) if last > 0 else []
    return [signed.entry for signed in reversed(found)]


def _compare_path(before: int, after: int) -> str:
    return f"{PATH}/compare?from={before}&to={after}"


def _compare_form(newest: int, before: int | None = None, after: int | None = None) -> h.Element:
    return h.form(method="get", action=f"{PATH}/compare")[
        h.div(".beside")[
            [
                h.div[
                    h.label(for_=key)[title],
                    h.input(
                        id=key, type="number", name=key, min="1", max=str(newest), required=True, value=str(value or "")
                    ),
                ]
                for key, title, value in (("from", "From change", before), ("to", "to change", after or newest))
            ],
            h.button(type="submit")["Compare"],
        ]
    ]


def _rollback_form(newest: int, to: int, reason: str) -> h.Element:
    return h.section[
        h.h2[f"Roll back to change {to}"],
        h.p["This makes a new change, which restores the policies of that moment. What that changes is shown above."],
        post_form(
            f"{PATH}/rollback",
            h.input(type="hidden", name="from", value=str(newest)),
            h.input(type="hidden", name="to", value=str(to)),
            h.label(for_="reason")["Why"],
            h.input("#reason", type="text", name="reason", value=reason, required=True, maxlength=str(LONGEST_REASON)),
            h.button(type="submit")["Roll back"],
        ),
    ]


def _facts(entry: Entry) -> h.Element:
    witness = entry.witness
    return h.dl(".facts")[
        h.dt["When"],
        h.dd[instant(entry.at), " UTC"],
        h.dt["Who"],
        h.dd[who(entry)],
        h.dt["Why"],
        h.dd[why(entry)],
        h.dt["Effect"],
        h.dd[list(effects(entry)) or "neither wider nor narrower"],
        witness is not None and [h.dt["For example"], h.dd[plain(witness.sentence, LONGEST_REASON)]],
        h.dt["Revision"],
        h.dd[name(entry.revision)],
        h.dt["Request"],
        h.dd[name(entry.request_id) if entry.request_id else "-"],
        entry.proposal is not None and [h.dt["Proposal"], h.dd[name(entry.proposal)]],
    ]


def _touched(entry: Entry) -> h.Element:
    changes = entry.changes[:_MOST_TOUCHED]
    lines = [(name(one.name), one.kind.replace("-", " "), what(one)) for one in changes]
    return h.section[
        h.h2["What it touched"],
        len(entry.changes) > len(changes) and h.p[f"{count(len(entry.changes))} definitions; these are the first."],
        bool(lines) and rows("What it touched", ("Name", "Kind", "What"), lines),
    ]
