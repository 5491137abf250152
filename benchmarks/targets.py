"""What is to be reached, and the line that says whether it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Target(NamedTuple):
    """Something to be reached.

    Attributes:
        what: What was measured.
        wanted: The limit.
        unit: Of the limit and the figure.
        figure: What was measured, or None.
        at_least: Whether more is better.
        note: Where the figure is from, or why there is none.
    """

    what: str
    wanted: float
    unit: str
    figure: float | None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether it was reached; what was not measured was not."""
        if self.figure is None:
            return False
        return self.figure >= self.wanted if self.at_least else self.figure <= self.wanted

    @property
    def margin(self) -> float:
        """By which part of the limit the figure is better than it; negative where it is worse."""
        assert self.figure is not None
        better = self.figure - self.wanted if self.at_least else self.wanted - self.figure
        return better / self.wanted

    def __str__(self) -> str:
        limit = f"wanted {'≥' if self.at_least else '≤'} {number(self.wanted)} {self.unit}"
        note = f" ({self.note})" if self.note else ""
        if self.figure is None:
            return f"NOT MEASURED: {self.what}: {limit}{note}"
        verdict = "reached" if self.reached else "NOT REACHED"
        margin = f"{abs(self.margin):.0%} {'better' if self.reached else 'short'}"
        return f"{verdict}: {self.what}: {number(self.figure)} {self.unit}, {limit}, {margin}{note}"


def furthest(what: str, wanted: float, unit: str, figures: Mapping[str, float], *, at_least: bool = False) -> Target:
    """A target of several figures, judged by the one that is furthest from it.

    Args:
        what: What was measured.
        wanted: The limit.
        unit: Of the limit and the figures.
        figures: By where they are from.
        at_least: Whether more is better.
    """
    where, figure = (min if at_least else max)(figures.items(), key=lambda item: item[1])
    return Target(what, wanted, unit, figure, at_least, where)


def number(figure: float) -> str:
    """A figure for people: three digits of it, or all of its whole part."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
