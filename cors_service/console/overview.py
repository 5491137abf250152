"""`/`: which replicas have which policies, what they decide, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

import htpy as h

from cors_service.access.callers import Caller
from cors_service.admin.decisions_file import DAY, HOUR, MINUTE
from cors_service.admin.endpoint import parameters
from cors_service.admin.kept_sums import KeptSums, RefusedOrigin
from cors_service.console.alarms import alarms
from cors_service.console.console import Console
from cors_service.console.page import Page
from cors_service.console.parts import badge, count, duration, instant, moment, name, notice, plain, policy_link, rows
from cors_service.insights.timeline import Point
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

PATH: Final = "/"
EVENTS: Final = "/events"
"""Where what has changed on the page is sent."""

_MOST_REPLICAS: Final = 100
_MOST_REFUSED: Final = 10
_SHOWN_DIGITS: Final = 12
"""Digits of a revision that are shown."""


class Span(NamedTuple):
    """A time that traffic is shown of.

    Attributes:
        words: What people call it.
        seconds: How long it is.
        step: Seconds of a step.
    """

    words: str
    seconds: int
    step: int


SPANS: Final = {
    "3h": Span("3 hours", 3 * HOUR, MINUTE),
    "24h": Span("24 hours", DAY, 10 * MINUTE),
    "7d": Span("7 days", 7 * DAY, HOUR),
}
_USUAL: Final = "3h"
_STEPS: Final = {MINUTE: "minute", 10 * MINUTE: "ten minutes", HOUR: "hour"}


class OverviewPage(Page):
    """The page."""

    section = PATH
    scripts: ClassVar = ("uplot.min.js", "live.js")
    styles: ClassVar = ("uplot.min.css",)

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw it."""
        span = read_span(request)

        async def make() -> Answer:
            parts = await draw_parts(self.console, caller, span)
            return self.draw(request, "Overview", h.div("#live", data_events=f"{EVENTS}?of={span}")[parts.values()])

        return self.later(make)


def read_span(request: AnyRequest) -> str:
    """Read which time is asked about.

    Raises:
        Problem: There is no such time.
    """
    span = parameters(request, "of").get("of", _USUAL)
    if span not in SPANS:
        raise Problem(400, "parameter-malformed", f"The parameter of must be one of: {', '.join(SPANS)}.")
    return span


async def draw_parts(console: Console, caller: Caller, span: str) -> dict[str, h.Element]:
    """Draw the parts of the page that change while one looks at it.

    Args:
        console: What pages share.
        caller: Who looks.
        span: A key of SPANS.

    Returns:
        Each by its id.
    """
    now = int(console.desk.clock.seconds())
    wanted = None if caller.policies is None else lambda policy: policy is not None and caller.may_touch(policy)
    _, seconds, step = SPANS[span]
    if wanted is not None:
        # By policy it is known for each hour alone.
        seconds, step = max(seconds, DAY), HOUR
    # The step that is under way is not complete.
    end = now - now % step
    begin = end - seconds
    begin_hour = begin - begin % HOUR

    def look(file: KeptSums) -> tuple[list[Point], list[RefusedOrigin]]:
        if wanted is None:
            points = list(file.traffic(begin, end, step))
            return points, file.refused(begin_hour, now + 1, _MOST_REFUSED)
        return list(file.hours(begin_hour, end, wanted)), file.refused(begin_hour, now + 1, _MOST_REFUSED, wanted)

    points, refused = await console.decisions.look(look)
    replicas = console.desk.replicas.as_list()
    return {
        "alarms": _alarms(console, replicas),
        "traffic": _traffic(span, filled(points, begin, end, step), step),
        "refused": _refused(span, refused),
        "replicas": _replicas(console, replicas),
    }


def filled(points: Sequence[Point], begin: int, end: int, step: int) -> list[Point]:
    """Give a point for each step, also where nothing happened.

    Args:
        points: Those of the steps in which something did.
        begin: When the first step began, a multiple of `step`.
        end: When the last one ended.
        step: Seconds of each.
    """
    known = {point.at: point for point in points}
    return [known.get(at, Point(at)) for at in range(begin, end, step)]


def _part(key: str, title: str, *content: h.Node) -> h.Element:
    return h.section(id=key, class_="part")[h.h2[title], content]


def _alarms(console: Console, replicas: Sequence[dict[str, object]]) -> h.Element:
    found = list(alarms(console.desk, replicas))
    if not found:
        return _part("alarms", "Alarms", notice("good", "Nothing is wrong.", role="status"))
    return _part("alarms", "Alarms", [notice(kind, plain(sentence, 600), role="status") for kind, sentence in found])


def _traffic(span: str, points: Sequence[Point], step: int) -> h.Element:
    last = points[-1] if points else Point(0)
    titles = ("From (UTC)", "allowed", "preflights", "refused", "other", "undecided")
    lines: list[list[h.Node]] = [[moment(point.at), *(_rate(each, step) for each in point[1:])] for point in points]
    now = ", ".join(f"{_rate(each, step)} {title}" for each, title in zip(last[1:], titles[1:], strict=True) if each)
    return _part(
        "traffic",
        "Decisions a second",
        h.p(".choices")[
            [
                h.a(href=f"{PATH}?of={key}", aria_current="true" if key == span else None)[one.words]
                for key, one in SPANS.items()
            ]
        ],
        h.p[f"In the last {_STEPS[step]}: {now or 'none'}."],
        h.div("#plot", role="img", aria_label="Decisions a second over time; the table has the same figures."),
        h.details[h.summary["The figures"], rows("Decisions a second", titles, lines, right=(1, 2, 3, 4, 5))],
    )


def _rate(number: int, seconds: int) -> str:
    """Write how many a second there were."""
    return f"{number / seconds:.3g}" if number < 1000 * seconds else f"{number / seconds:.0f}"


def _refused(span: str, refused: Sequence[RefusedOrigin]) -> h.Element:
    words = SPANS[span].words
    if not refused:
        return _part("refused", "Most refused origins", h.p[f"Nothing was refused in the last {words}."])
    lines = [
        (
            "(no origin)" if one.origin is None else name(one.origin),
            "(none)" if one.policy is None else policy_link(one.policy),
            plain(one.reason),
            count(one.count),
            instant(one.last),
        )
        for one in refused
    ]
    table = rows("Most refused origins", ("Origin", "Policy", "Reason", "Requests", "Last (UTC)"), lines, right=(3,))
    return _part("refused", "Most refused origins", h.p[f"In the last {words}."], table)


def _replicas(console: Console, replicas: Sequence[dict[str, object]]) -> h.Element:
    head = console.desk.changes.kept.head
    first = h.p[
        "The newest change is ",
        h.a(href=f"/history/{head.seq}")[f"number {head.seq}"],
        ", of ",
        instant(head.at),
        " UTC.",
    ]
    # Those that somebody has to look at come first.
    ordered = sorted(replicas, key=lambda one: (bool(one["alive"]) and bool(one["current"]), str(one["instance"])))
    lines = [
        (
            name(str(one["instance"])),
            _state(one),
            "-" if one["revision"] is None else name(str(one["revision"]).removeprefix("sha256:")[:_SHOWN_DIGITS]),
            # Of documents it reports the revision alone.
            str(one["seq"] or (head.seq if one["current"] else "-")),
            f"{duration(float(str(one['age_seconds'])))} ago",
            "-" if one["behind_since"] is None else instant(str(one["behind_since"])),
        )
        for one in ordered[:_MOST_REPLICAS]
    ]
    more = len(replicas) - len(lines)
    titles = ("Replica", "State", "Revision", "Change", "Reported", "Behind since (UTC)")
    return _part(
        "replicas",
        "Replicas",
        first,
        bool(lines) and rows("Replicas", titles, lines, right=(3,)),
        more > 0 and h.p[f"{count(more)} more are not shown."],
    )


def _state(replica: dict[str, object]) -> h.Element:
    if not replica["alive"]:
        return badge("bad", "silent")
    return badge("good", "current") if replica["current"] else badge("warn", "behind")
