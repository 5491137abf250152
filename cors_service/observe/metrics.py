"""What is measured, as families of metrics; their names and labels are API (docs/metrics.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

import cors_service
from cors_service.observe.counted import Series
from cors_service.observe.process import Process
from cors_service.observe.tally import (
    ANEW,
    BUCKETS,
    CLOSED,
    OTHERS,
    RELOAD_DURATIONS,
    RELOADS,
    REPORTED,
    REQUEST_DURATIONS,
    REQUESTS,
    SHADOW,
    SUM,
)
from cors_service.observe.totals import Labels, Totals

OTHER: Final = "other"
"""The label of the policies that are not counted by their names."""
RESULTS: Final = ("changed", "unchanged", "failed")
"""What comes of a reload."""
WHY_CLOSED: Final = ("crowded", "peer", "held", "unread")
"""Why a connection is closed that a client would keep."""

# Samples of a piece of a family; writing one takes some microseconds.
_PIECE: Final = 100
_BOUNDS: Final = (*map(repr, BUCKETS), "+Inf")
_Labels = tuple[str, ...]


def families(totals: Totals, processes: Sequence[Process], restarts: int) -> Iterator[Metric]:
    """Give all families; a large one comes in several pieces.

    Args:
        totals: What was counted.
        processes: Those that serve.
        restarts: How often one took the place of another.
    """
    decisions = totals.decisions()
    series = totals.series()
    yield from _decisions(totals, decisions, series)
    yield from _beside(totals, series)
    yield from _requests(series)
    yield from _policies(processes, series)
    yield from _connections(processes, series)
    yield _gauge("cors_workers", "Processes that serve.", len(processes))
    yield CounterMetricFamily("cors_worker_restarts", "Workers that took the place of another.", restarts)
    yield InfoMetricFamily("cors_build", "The version of the service.", {"version": cors_service.__version__})


def _decisions(totals: Totals, decisions: Counter[Labels], series: Counter[Series]) -> Iterator[Metric]:
    unnamed = sum(count for (policy, *_), count in decisions.items() if policy == OTHERS)
    yield from _counters(
        "cors_decisions",
        "Decisions given, made or remembered, and queries without one (kind undecided).",
        ("policy", "kind", "allowed", "reason"),
        _named(decisions, totals),
    )
    unnamed_help = 'Decisions of policies beyond the first 1,000, counted as policy "other".'
    yield CounterMetricFamily("cors_decisions_unnamed", unnamed_help, unnamed)
    hits: dict[_Labels, int] = {
        ("true",): totals.remembered(decisions, series),
        ("false",): series[Series(ANEW)],
    }
    yield from _counters("cors_remembered", "Decisions by whether they were remembered.", ("hit",), hits)


def _beside(totals: Totals, series: Counter[Series]) -> Iterator[Metric]:
    """Give what would be decided if something else were in force."""
    yield from _counters(
        "cors_guard_reported",
        "Requests that guards in report mode would have stopped.",
        ("policy", "reason"),
        _named(_labelled(series, REPORTED), totals),
    )
    yield from _counters(
        "cors_shadow_differences",
        "Decisions that the shadow would make differently.",
        ("policy", "direction"),
        _named(_labelled(series, SHADOW), totals),
    )


def _requests(series: Counter[Series]) -> Iterator[Metric]:
    yield from _counters("cors_requests", "Requests answered.", ("endpoint", "status"), _labelled(series, REQUESTS))
    yield from _histogram(
        "cors_request_duration_seconds",
        "Seconds from reading a request to writing its answer, of one request in 61.",
        ("endpoint",),
        _labelled(series, REQUEST_DURATIONS),
    )


def _policies(processes: Sequence[Process], series: Counter[Series]) -> Iterator[Metric]:
    yield _gauge("cors_policies", "Active policies.", max((one.policies for one in processes), default=0))
    info = InfoMetricFamily("cors_policy", "Revisions of the active policies: one, unless workers differ.")
    for revision in sorted({one.revision for one in processes if one.revision is not None}):
        info.add_metric([], {"revision": revision})
    yield info
    loaded = GaugeMetricFamily(
        "cors_policy_loaded_timestamp_seconds", "When the active policies were read, in the worker furthest behind."
    )
    times = [one.loaded_at for one in processes if one.loaded_at is not None]
    if times:
        loaded.add_metric([], min(times))
    yield loaded
    stale = any(one.stale for one in processes)
    yield _gauge("cors_policy_stale", "Whether newer policies have mistakes, or can't be read.", int(stale))
    reloads = dict.fromkeys([(result,) for result in RESULTS], 0) | _labelled(series, RELOADS)
    yield from _counters("cors_reloads", "Reloads of policies, each in each worker.", ("result",), reloads)
    durations = _labelled(series, RELOAD_DURATIONS) or {(SUM,): 0}
    yield from _histogram("cors_reload_duration_seconds", "Seconds that a reload takes, compiled.", (), durations)


def _connections(processes: Sequence[Process], series: Counter[Series]) -> Iterator[Metric]:
    known = [one.connections for one in processes if one.connections is not None]
    if not known:
        return
    yield _gauge("cors_connections", "Open connections.", sum(known))
    closed = dict.fromkeys([(why,) for why in WHY_CLOSED], 0) | _labelled(series, CLOSED)
    yield from _counters("cors_connections_closed", "Connections closed to make room for others.", ("why",), closed)


def _named(counts: Mapping[Any, int], totals: Totals) -> dict[_Labels, int]:
    """Call the policies OTHER that are not told by their names; one may really be called that."""
    found: Counter[_Labels] = Counter()
    for (policy, *rest), count in counts.items():
        name = totals.named(policy)
        found[OTHER if name == OTHERS else name, *rest] += count
    return found


def _labelled(series: Counter[Series], name: str) -> dict[_Labels, int]:
    """Give the counts of a name by their labels."""
    return {one.labels: count for one, count in series.items() if one.name == name}


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value)


def _counters(name: str, what: str, labels: _Labels, counts: dict[_Labels, int]) -> Iterator[Metric]:
    """Give a family of counters, in pieces; none of it if nothing was counted."""
    ordered = sorted(counts.items())
    for at in range(0, max(len(ordered), 1), _PIECE):
        family = CounterMetricFamily(name, what, labels=labels)
        for values, count in ordered[at : at + _PIECE]:
            family.add_metric(values, count)
        yield family


def _histogram(name: str, what: str, labels: _Labels, counts: dict[_Labels, int]) -> Iterator[Metric]:
    """Give a family of histograms, of counts by labels and the number of a bucket, or SUM."""
    if not counts:
        yield HistogramMetricFamily(name, what, labels=labels)
    for values in sorted({key[:-1] for key in counts}):
        family = HistogramMetricFamily(name, what, labels=labels)
        buckets = accumulate(counts.get((*values, str(number)), 0) for number in range(len(_BOUNDS)))
        family.add_metric(values, list(zip(_BOUNDS, buckets, strict=True)), counts.get((*values, SUM), 0) / 1e6)
        yield family
