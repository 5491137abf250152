"""The plots of docs/performance.md, drawn of what was measured: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.figures import Part
from benchmarks.throughput import BARE, SINGLE, STARLETTE

# Colours that all eyes tell apart (Okabe and Ito), and each line has a mark of its own.
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cors-service",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "legend.frameon": False,
}
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
_MARKS: Final = "os^Dv"
_LABELS: Final = {SINGLE: "cors-service", STARLETTE: "Starlette on uvicorn", BARE: "a bare Protocol, a constant"}

_Lines = Mapping[str, Sequence[tuple[float, float]]]


def draw(parts: Mapping[str, Part], directory: Path) -> list[Path]:
    """Draw what was measured.

    Args:
        parts: What was.
        directory: For the files.

    Returns:
        The files that were written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        return [
            _write(directory / f"{name}.svg", plot(parts[part].data))
            for name, (part, plot) in PLOTS.items()
            if part in parts
        ]


def connections(data: Mapping[str, Any]) -> Figure:
    """Decisions a second, by the number of connections."""
    lines = {
        _LABELS[name]: list(zip(data["connections"], rates, strict=True)) for name, rates in data["curves"].items()
    }
    figure, axes = _axes("One decision a request, on one core", "connections", "requests a second")
    _logarithmic(axes, data["connections"])
    _plot(axes, lines)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(_formatted("{:,.0f}"))
    return figure


def latencies(data: Mapping[str, Any]) -> Figure:
    """Percentiles of latency, by the rate."""
    lines = {name: list(zip(data["rates"], found, strict=True)) for name, found in data["curves"].items()}
    figure, axes = _axes("Latency at a constant rate, from when a request was due", "requests a second", "ms")
    _plot(axes, lines)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(_formatted("{:,.0f}"))
    axes.yaxis.set_major_formatter(_formatted("{:g}"))
    return figure


def cost(data: Mapping[str, Any]) -> Figure:
    """Microseconds of a decision in process, by the number of origins and by that of policies."""
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, what in ((left, "origins"), (right, "policies")):
        _labelled(axes, f"Cost by the number of {what}", what, "µs a decision")
        _logarithmic(axes, [count for count, _ in next(iter(data[what].values()))])
        _plot(axes, data[what])
        axes.set_ylim(bottom=0)
    return figure


PLOTS: Final[dict[str, tuple[str, Callable[[Mapping[str, Any]], Figure]]]] = {
    "connections": ("throughput", connections),
    "latency": ("latency", latencies),
    "cost": ("growth", cost),
}
"""By the name of the file: the part that it is drawn of, and what draws it."""


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    _labelled(axes, title, x, y)
    return figure, axes


def _labelled(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _logarithmic(axes: Axes, ticks: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(list(ticks))
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(count: float) -> str:
    """A count in little space: 1, 10, 1k, 100k, 1M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:g}{name}"
    return f"{count:g}"


def _formatted(form: str) -> FuncFormatter:
    return FuncFormatter(lambda value, _: form.format(value))


def _plot(axes: Axes, lines: _Lines) -> None:
    for (label, points), colour, mark in zip(lines.items(), COLOURS, _MARKS, strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, marker=mark, label=label)
    # Below, where no line can be.
    axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


def _write(path: Path, figure: Figure) -> Path:
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return path
