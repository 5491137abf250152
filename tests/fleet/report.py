"""Writes what was found: a table, a line for each target, and a plot, into docs/fleet.md and beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from benchmarks import plots
from benchmarks.figures import table
from benchmarks.machine import processor
from benchmarks.open_loop import percentile
from benchmarks.report import written
from benchmarks.targets import Target, number
from tests.e2e.stores.scale import Scale
from tests.fleet.judging import WRONG
from tests.fleet.run import Outcome

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "fleet.md"
MARK: Final = "fleet"
PLOT: Final = "enforced.svg"
_TITLE: Final = "Changes that are in force at all replicas"
_WORDS: Final = {
    "lost": "changes lost",
    "mixed": "answers that no revision gives",
    "wider": "answers wider than their revision",
    "back": "answers older than one before",
    "overdue": "answers older than what all had confirmed",
    "differing": "replicas that differ in the end",
}
_START_SECONDS: Final = {"PostgreSQL": 10.0, "etcd": 30.0}
_NONE: Final = "-"
_STEPS: Final = 200
_LEAST_SECONDS: Final = 1e-3


class Found(NamedTuple):
    """All that was found about a store.

    Attributes:
        outcome: Of the run.
        scale: Of many policies; None if that was not measured.
    """

    outcome: Outcome
    scale: Scale | None


def is_wrong(found: Iterable[Found]) -> bool:
    """Say whether something was found that must never be."""
    return any(one.outcome.wrong.total() for one in found)


def text_of(found: Sequence[Found]) -> str:
    """Write the table and the targets."""
    cells = [*map(_cells, found)]
    names = dict.fromkeys(name for some in cells for name in some)
    rows = [[name, *(some.get(name, _NONE) for some in cells)] for name in names]
    head = ["", *(one.outcome.store for one in found)]
    targets = [f"* {target}" for one in found for target in targets_of(one)]
    return "\n".join([*table(head, rows), _machine(), "", *targets, "", f"![{_TITLE}](fleet/{PLOT})"])


def targets_of(found: Found) -> list[Target]:
    """Hold what was found against what was to be reached."""
    outcome, scale = found
    store = outcome.store
    targets = [
        Target(
            f"{store}: written to enforced everywhere, p99, without faults", 1, "s", _at(outcome.calm.enforced, 0.99)
        ),
        Target(f"{store}: decisions, p99.9, without faults", 10, "ms", _at(outcome.calm.late, 0.999, 1e3)),
        Target(f"{store}: decisions, p99.9, with faults", 10, "ms", _at(outcome.faulty.late, 0.999, 1e3)),
    ]
    if scale is not None:
        many = f"{scale.policies:,} policies"
        targets += [
            Target(f"{store}: {many}, to the first answer", _START_SECONDS[store], "s", scale.start),
            Target(f"{store}: a change among {many}, p99", 500, "ms", _at(scale.in_force, 0.99, 1e3)),
        ]
    return targets


def write(found: Sequence[Found], document: Path = DOCUMENT) -> None:
    """Write the document and its plot."""
    document.write_text(written(document.read_text(encoding="utf-8"), {MARK: text_of(found)}), encoding="utf-8")
    draw(found, document.with_suffix("") / PLOT)


def draw(found: Sequence[Found], path: Path) -> None:
    """Draw how many of the changes were in force everywhere after how long."""
    path.parent.mkdir(exist_ok=True)
    with rc_context(plots.STYLE):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.set_title(_TITLE, loc="left", fontsize=11)
        axes.set_xlabel("seconds after the write")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        for one, colour in zip(found, plots.COLOURS, strict=False):
            for part, style, what in (
                (one.outcome.calm, "-", "without faults"),
                (one.outcome.faulty, "--", "with faults"),
            ):
                shares = [number / _STEPS for number in range(_STEPS + 1)]
                seconds = [max(_at(part.enforced, share) or 0, _LEAST_SECONDS) for share in shares]
                axes.step(seconds, shares, where="post", color=colour, ls=style, label=f"{one.outcome.store}, {what}")
        axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _cells(found: Found) -> dict[str, str]:
    """What the table has of a store, by the names of the rows."""
    outcome, scale = found
    cells = {
        "changes": f"{outcome.changes:,}",
        "definitions that they wrote and removed": f"{outcome.edits:,}",
        "attempts that they took": f"{outcome.attempts:,}",
        "changes of which all replicas confirmed that they have them": f"{outcome.confirmed:,}",
        "answers that were judged": f"{outcome.answers:,}",
        **{f"**{_WORDS[word]}**": f"**{outcome.wrong[word]:,}**" for word in WRONG},
    }
    parts = (("without faults", outcome.calm), ("with faults", outcome.faulty))
    for what, part in parts:
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            cells[f"written to enforced everywhere, {what}: {name}"] = _shown(part.enforced, share, "s")
    for what, part in parts:
        for name, share in (("p50", 0.5), ("p99.9", 0.999)):
            cells[f"decisions, {what}: {name}"] = _shown(part.late, share, "ms")
    if scale is not None:
        many = f"{scale.policies:,} policies"
        cells[f"{many}, from a start to the first answer"] = f"{scale.start:.1f} s"
        cells[f"{many}, from there to the first change"] = f"{scale.first:.1f} s"
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            cells[f"{many}, a change of one: {name}"] = _shown(scale.in_force, share, "ms")
    return cells | {f"fault: {kind}": f"{count:,}" for kind, count in sorted(outcome.faults.items())}


def _shown(figures: Sequence[float], share: float, unit: str) -> str:
    figure = _at(figures, share, 1e3 if unit == "ms" else 1)
    return _NONE if figure is None else f"{number(figure)} {unit}"


def _at(figures: Sequence[float], share: float, factor: float = 1) -> float | None:
    return percentile(figures, share) * factor if figures else None


def _machine() -> str:
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    what = f"{processor()}, {os.cpu_count()} cores, {gibibytes:.0f} GiB, Python {platform.python_version()}"
    return f"All of it, servers and clients too, ran on one machine: {what}."
