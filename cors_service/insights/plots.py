"""Traffic, refusals and what preflights cost, as SVG: the same findings give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from cors_service.grammar.mistakes import cut
from cors_service.insights._tables import duration, number, plain
from cors_service.insights.findings import Findings
from cors_service.insights.lines import instant_of, seconds_of
from cors_service.insights.preflights import NONE_KNOWN, RuleCost
from cors_service.insights.timeline import Timeline

# Colours that all eyes tell apart (Okabe and Ito); each line has a pattern of its own, too.
_BLUE: Final = "#0072b2"
_RED: Final = "#d55e00"
_GREEN: Final = "#009e73"
_PURPLE: Final = "#aa4499"
_GREY: Final = "#767676"
_WIDTH: Final = 800
_LEFT: Final = 80
_TOP: Final = 56
_BAR: Final = 18
_SHOWN: Final = 10
_TICKS: Final = 4
_DRAWN: Final = 200
"""Steps of time that are drawn."""


def traffic(findings: Findings) -> str:
    """Draw requests over time: allowed ones, preflights, refused ones, and those that could not be decided."""
    timeline = _drawn(findings)
    steps, step = timeline.points(), timeline.step
    title = f"Requests per {duration(step)}"
    lines = (
        ("allowed", _BLUE, "", [one.allowed for one in steps]),
        ("preflights", _GREEN, "8 3", [one.preflights for one in steps]),
        ("refused", _RED, "3 3", [one.refused for one in steps]),
        ("undecided", _PURPLE, "12 3 3 3", [one.undecided for one in steps]),
    )
    if not steps:
        return _svg(title, "There were none.", 120, _text(_LEFT, 80, "There were none."))
    times = [one.at for one in steps]
    totals = ", ".join(f"{number(sum(counts))} {name}" for name, _, _, counts in lines)
    about = f"From {instant_of(times[0])} to {instant_of(times[-1] + step)}: {totals}."
    return _svg(title, about, 340, *_over_time(times, step, lines))


def refusals(findings: Findings) -> str:
    """Draw what was refused most, as bars."""
    shown = findings.refusals[:_SHOWN]
    bars = [
        (
            f"{plain(one.origin or '(no origin)')}, {plain(one.reason)}",
            one.count,
            f"policy {plain(one.policy or '(none found)')}",
        )
        for one in shown
    ]
    about = "; ".join(f"{label}: {number(count)}" for label, count, _ in bars) or "Nothing was refused."
    return _bars("Most refused", about, bars, _RED)


def preflights(findings: Findings) -> str:
    """Draw how many preflights there were, and would be with a longer max_age, for the most expensive rules."""
    bars = [bar for cost in findings.preflights[:_SHOWN] for bar in _bars_of(cost)]
    about = "; ".join(f"{label}: {number(count)}" for label, count, _ in bars) or NONE_KNOWN
    return _bars("Preflights now, and the least number with a longer max_age", about, bars, _GREEN)


PLOTS: Final[dict[str, Callable[[Findings], str]]] = {
    "traffic": traffic,
    "refusals": refusals,
    "preflights": preflights,
}
"""What draws each plot, by the name of its file."""


def _drawn(findings: Findings) -> Timeline:
    """The steps of traffic, in so few that each can be seen."""
    timeline = Timeline(_DRAWN)
    for one in findings.traffic.steps:
        at = seconds_of(one.at)
        timeline.add(at, "allowed", one.allowed)
        timeline.add(at, "preflights", one.preflights)
        timeline.add(at, "refused", one.refused)
        timeline.add(at, "undecided", one.undecided)
    return timeline


def _bars_of(cost: RuleCost) -> Iterator[tuple[str, int, str]]:
    for choice in cost.choices:
        counts: dict[int, list[str]] = {}
        for one in choice.browsers:
            counts.setdefault(one.preflights, []).append(one.browser)
        max_age = "none" if choice.max_age is None else f"{choice.max_age} s"
        for count, browsers in counts.items():
            who = "" if len(browsers) == len(choice.browsers) else f" ({', '.join(browsers)})"
            now = ", now" if choice is cost.choices[0] else ""
            yield f"{plain(cost.policy)}, rule {cost.rule}: {max_age}{now}{who}", count, ""


def _over_time(times: Sequence[int], step: int, lines: Sequence[tuple[str, str, str, Sequence[int]]]) -> Iterator[str]:
    right, bottom = _WIDTH - 20.0, 290.0
    begin, end = times[0], times[-1] + step
    most = max(max(counts) for _, _, _, counts in lines) or 1
    top = _nice(most)
    for place in range(_TICKS + 1):
        y = bottom - place * (bottom - _TOP) / _TICKS
        yield _line(_LEFT, y, right, y)
        yield _text(_LEFT - 8, y + 4, number(round(top * place / _TICKS)), anchor="end")
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = instant_of(begin + share * (end - begin))
        yield _text(_LEFT + share * (right - _LEFT), bottom + 20, f"{at[:10]} {at[11:16]}", anchor=anchor)
    for place, (name, colour, dashes, counts) in enumerate(lines):
        points = [
            (
                _LEFT + (time + step / 2 - begin) / (end - begin) * (right - _LEFT),
                bottom - count / top * (bottom - _TOP),
            )
            for time, count in _with_gaps(times, step, counts)
        ]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{_dashed(dashes)}/>'
        if len(points) == 1:
            [(x, y)] = points
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
        at_x = _LEFT + place * 150
        stroke = f'stroke="{colour}" stroke-width="2"{_dashed(dashes)}'
        yield f'<line x1="{at_x}" y1="328" x2="{at_x + 28}" y2="328" {stroke}/>'
        yield _text(at_x + 34, 332, name)


def _with_gaps(times: Sequence[int], step: int, counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the points of a line, with a nought at both ends of a time in which there was nothing."""
    before = times[0] - step
    for time, count in zip(times, counts, strict=True):
        if time - before > step:
            yield before + step, 0
        if time - before > 2 * step:
            yield time - step, 0
        yield time, count
        before = time


def _bars(title: str, about: str, bars: Sequence[tuple[str, int, str]], colour: str) -> str:
    if not bars:
        return _svg(title, about, 120, _text(20, 80, about))
    most = max(count for _, count, _ in bars) or 1
    parts = []
    for place, (label, count, detail) in enumerate(bars):
        y = _TOP + place * (_BAR * 2 + 8)
        width = count / most * (_WIDTH - 160)
        shown = cut(f"{label}{', ' if detail else ''}{detail}", 110)
        parts.append(_text(20, y + 10, shown))
        parts.append(f'<rect x="20" y="{y + 15}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
        parts.append(_text(26 + width, y + 29, number(count)))
    return _svg(title, about, _TOP + len(bars) * (_BAR * 2 + 8) + 12, *parts)


def _svg(title: str, about: str, height: int, *parts: str) -> str:
    drawn = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title desc" font-family="sans-serif" font-size="12">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(about)}</desc>\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="20" y="28" font-size="16" fill="#222222">{escape(title)}</text>\n{drawn}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#dddddd"/>'


def _dashed(dashes: str) -> str:
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _nice(most: int) -> int:
    """The first of 4, 8, 20, 40, 80, 200, ... that is not less."""
    scale = 1
    while True:
        for digit in (4, 8, 20):
            if digit * scale >= most:
                return digit * scale
        scale *= 10
