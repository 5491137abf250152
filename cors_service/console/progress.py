"""`/change/NUMBER`: which replicas have a change, and until when what it took back lives on."""

from __future__ import annotations

from typing import Any, Final

import htpy as h
from msgspec import Struct

from cors_service.access.callers import Caller
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import parameters
from cors_service.browser.browsers import FIREFOX_MAX_AGE_CAP
from cors_service.console.asking import ask
from cors_service.console.changes import effects, who, why
from cors_service.console.console import Console
from cors_service.console.findings import changes_in_words
from cors_service.console.page import Page, is_part
from cors_service.console.parts import badge, counted, duration, instant, moment, notice, plain, rows
from cors_service.console.parts import name as shown_name
from cors_service.ledger.entry import Entry
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

_MOST_REPLICAS: Final = 200
_OFTEN: Final = "every 1s"
_SELDOM: Final = "every 10s"


class Clock(Struct, frozen=True, kw_only=True):
    """Until when what a change took back lives on; times are seconds since 1970.

    Attributes:
        now: The time.
        everywhere: Since when all replicas have the change; None as long as one has not.
        decisions: Until when the callers of replicas may use an older decision.
        preflights: Until when a browser may use an older answer to a preflight.
    """

    now: float
    everywhere: float | None
    decisions: float | None = None
    preflights: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it lives on."""
        return self.everywhere is not None and self.now >= max(self.decisions or 0, self.preflights or 0)


class ProgressPage(Page):
    """The page of a change."""

    section = "/change"

    def __init__(self, console: Console, seq: int) -> None:
        """Make one.

        Args:
            console: What it has in common with the others.
            seq: The number of the change.
        """
        super().__init__(console)
        self._seq = seq

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw it, or only what goes on."""
        parameters(request)

        async def make() -> Answer:
            signed = await ask(
                self.desk, lambda _: self.desk.changes.store.entries(self._seq - 1, 1) if self._seq else []
            )
            if not signed:
                raise Problem(404, "unknown-change", f"There is no change {self._seq}.")
            entry = signed[0].entry
            progress = draw_progress(self.desk, entry)
            if is_part(request):
                return self.draw_part(progress)
            return self.draw(request, f"Change {entry.seq}", _about(entry), progress)

        return self.later(make)


def draw_progress(desk: Desk, entry: Entry) -> h.Node:
    """Draw how far a change is; it asks for itself again as long as something goes on."""
    replicas = [one for one in desk.replicas.as_list() if one["alive"]]
    is_newest = desk.changes.kept.head.seq == entry.seq
    have = [one for one in replicas if _has(one, entry, is_newest=is_newest)]
    clock = clock_of(desk, entry) if is_newest else None
    is_over = bool(replicas) and len(have) == len(replicas) and (clock is None or not entry.narrower or clock.is_over)
    again = {} if is_over else {"hx-get": f"/change/{entry.seq}", "hx-swap": "outerHTML"}
    trigger = {} if is_over else {"hx-trigger": _SELDOM if len(have) == len(replicas) else _OFTEN}
    return h.section(again, trigger, id="progress", aria_labelledby="progress-title")[
        h.h2("#progress-title")["Over the fleet"],
        not is_newest and notice("plain", "There is a newer change now: replicas go on to that one."),
        _fleet(replicas, have),
        entry.narrower and clock is not None and draw_clock(clock),
        not is_over and h.p[h.a(href=f"/change/{entry.seq}")["Look again"]],
    ]


def clock_of(desk: Desk, entry: Entry) -> Clock:
    """Say until when what the newest change took back lives on."""
    now, everywhere = desk.clock.seconds(), desk.replicas.everywhere_since
    if everywhere is None or not entry.narrower:
        return Clock(now=now, everywhere=everywhere)
    # Of a change that another process made, nobody knows what it took back: at most what browsers keep.
    seconds = desk.preflights.get(entry.seq, FIREFOX_MAX_AGE_CAP)
    return Clock(
        now=now, everywhere=everywhere, decisions=everywhere + desk.decision_ttl, preflights=everywhere + seconds
    )


def draw_clock(clock: Clock) -> h.Node:
    """Draw until when what was taken back lives on."""
    if clock.everywhere is None:
        return h.section("#clock", aria_labelledby="clock-title")[
            h.h2("#clock-title")["Until it is gone for good"],
            h.p["The clock starts when every replica has the change."],
        ]
    lines = (
        ("No replica allows it any more", clock.everywhere),
        ("Proxies and services may reuse an older decision", clock.decisions),
        ("Browsers may reuse an older answer to a preflight", clock.preflights),
    )
    return h.section("#clock", aria_labelledby="clock-title")[
        h.h2("#clock-title")["Until it is gone for good"],
        h.dl(".clock")[
            (
                [h.dt[words], h.dd[_until(at, clock.now, is_since=at == clock.everywhere)]]
                for words, at in lines
                if at is not None
            )
        ],
        clock.is_over and notice("good", "Nothing of it is left."),
    ]


def _until(at: float, now: float, *, is_since: bool) -> h.Node:
    if is_since:
        return ["since ", moment(at)]
    return ["over since ", moment(at)] if at <= now else ["until ", moment(at), f", {duration(at - now)} from now"]


def _has(one: dict[str, Any], entry: Entry, *, is_newest: bool) -> bool:
    """Whether a replica has a change, or a newer one."""
    return bool(one["current"]) or (not is_newest and (one["seq"] or 0) >= entry.seq)


def _fleet(replicas: list[dict[str, Any]], have: list[dict[str, Any]]) -> h.Node:
    if not replicas:
        return notice(
            "plain",
            "No replica reports here, so nobody knows which of them have it: start services with ",
            h.code["--report-to"],
            ".",
        )
    names = {one["instance"] for one in have}
    return [
        h.p("#reached", role="status")[
            f"{len(have)} of {counted(len(replicas), 'replica')} {'has' if len(have) == 1 else 'have'} it."
        ],
        h.progress(max=str(len(replicas)), value=str(len(have)), aria_labelledby="reached"),
        rows(
            "Replicas",
            ("Replica", "Has it", "Revision", "Reported"),
            (
                (
                    shown_name(one["instance"]),
                    badge("good", "yes") if one["instance"] in names else badge("warn", "not yet"),
                    h.code[plain(one["revision"] or "none", 15)],
                    f"{duration(one['age_seconds'])} ago",
                )
                for one in replicas[:_MOST_REPLICAS]
            ),
        ),
    ]


def _about(entry: Entry) -> h.Node:
    return [
        h.p("#published")["Published by ", who(entry), ", ", instant(entry.at), " UTC: ", why(entry)],
        h.p[f"It changes {changes_in_words(entry.changes)}. ", effects(entry)],
        h.p[h.a(href=f"/history/{entry.seq}")["What it lets through and keeps back"]],
    ]
