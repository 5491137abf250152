"""What is measured, as families of metrics; their names and labels are API (docs/metrics.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

import cors_service
from cors_service.decision.steps import batches
from cors_service.observe.process import Process
from cors_service.observe.tally import (
    ANEW,
    BUCKETS,
    CLOSED,
    DECISIONS,
    RELOAD_DURATIONS,
    RELOADS,
    REPORTED,
    REQUEST_DURATIONS,
    REQUESTS,
    SHADOW,
    STOPPED,
    SUM,
)
from cors_service.observe.totals import Counts, Labels, Sums

RESULTS: Final = ("changed", "unchanged", "failed")
"""What comes of a reload."""
WHY_CLOSED: Final = ("crowded", "peer", "held", "unread")
"""Why a connection is closed that a client would keep."""

# Samples of a piece of a family; writing one takes some microseconds.
_PIECE: Final = 100
_BOUNDS: Final = (*map(repr, BUCKETS), "+Inf")
# What is put into order in a step.
_STEP: Final = 1000


def families(sums: Sums, processes: Sequence[Process], restarts: int) -> Iterator[Metric | None]:
    """Give all families; a large one comes in several pieces, and None after a step that leads to them.

    Args:
        sums: What was counted.
        processes: Those that serve.
        restarts: How often one took the place of another.
    """
    counts = sums.counts
    yield from _decisions(sums)
    yield from _beside(counts)
    yield from _requests(counts)
    yield from _policies(processes, counts)
    yield from _connections(processes, counts)
    yield _gauge("cors_workers", "Processes that serve.", len(processes))
    yield CounterMetricFamily("cors_worker_restarts", "Workers that took the place of another.", restarts)
    yield InfoMetricFamily("cors_build", "The version of the service.", {"version": cors_service.__version__})


def _decisions(sums: Sums) -> Iterator[Metric | None]:
    yield from _counters(
        "cors_decisions",
        "Decisions given, made or remembered, and queries without one (kind undecided).",
        ("policy", "kind", "allowed", "reason"),
        sums.counts[DECISIONS],
    )
    unnamed_help = 'Decisions of policies beyond the first 1,000, counted as policy "other".'
    yield CounterMetricFamily("cors_decisions_unnamed", unnamed_help, sums.unnamed)
    hits: dict[Labels, int] = {("true",): sums.remembered, ("false",): sums.counts[ANEW].total()}
    yield from _counters("cors_remembered", "Decisions by whether they were remembered.", ("hit",), hits)


def _beside(counts: Counts) -> Iterator[Metric | None]:
    """Give what guards decide, and what would be decided if something else were in force."""
    yield from _counters(
        "cors_guard_stopped",
        "Requests that guards stopped, of those that gateways asked about.",
        ("policy", "reason"),
        counts[STOPPED],
    )
    yield from _counters(
        "cors_guard_reported",
        "Requests that guards in report mode would have stopped.",
        ("policy", "reason"),
        counts[REPORTED],
    )
    yield from _counters(
        "cors_shadow_differences",
        "Decisions that the shadow would make differently.",
        ("policy", "direction"),
        counts[SHADOW],
    )


def _requests(counts: Counts) -> Iterator[Metric | None]:
    yield from _counters("cors_requests", "Requests answered.", ("endpoint", "status"), counts[REQUESTS])
    yield from _histogram(
        "cors_request_duration_seconds",
        "Seconds from reading a request to writing its answer, of one request in 61.",
        ("endpoint",),
        counts[REQUEST_DURATIONS],
    )


def _policies(processes: Sequence[Process], counts: Counts) -> Iterator[Metric | None]:
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
    reloads = dict.fromkeys([(result,) for result in RESULTS], 0) | counts[RELOADS]
    yield from _counters("cors_reloads", "Reloads of policies; each worker counts its own.", ("result",), reloads)
    durations: Mapping[Labels, int] = counts[RELOAD_DURATIONS] or {(SUM,): 0}
    what = "Seconds that a reload takes, until its policies decide."
    yield from _histogram("cors_reload_duration_seconds", what, (), durations)


def _connections(processes: Sequence[Process], counts: Counts) -> Iterator[Metric | None]:
    known = [one.connections for one in processes if one.connections is not None]
    if not known:
        return
    yield _gauge("cors_connections", "Open connections.", sum(known))
    closed = dict.fromkeys([(why,) for why in WHY_CLOSED], 0) | counts[CLOSED]
    yield from _counters("cors_connections_closed", "Connections closed to make room for others.", ("why",), closed)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value)


def _counters(name: str, what: str, labels: Labels, counts: Mapping[Labels, int]) -> Iterator[Metric | None]:
    """Give a family of counters, in pieces, in the order of the labels; none of it if nothing was counted."""
    groups: defaultdict[str, list[tuple[Labels, int]]] = defaultdict(list)
    for some in batches(counts.items(), _STEP):
        for one in some:
            groups[one[0][0]].append(one)
        yield None
    family = CounterMetricFamily(name, what, labels=labels)
    for first in sorted(groups):
        if len(family.samples) >= _PIECE:
            yield family
            family = CounterMetricFamily(name, what, labels=labels)
        for values, count in sorted(groups[first]):
            family.add_metric(values, count)
    yield family


def _histogram(name: str, what: str, labels: Labels, counts: Mapping[Labels, int]) -> Iterator[Metric]:
    """Give a family of histograms, of counts by labels and the number of a bucket, or SUM."""
    if not counts:
        yield HistogramMetricFamily(name, what, labels=labels)
    for values in sorted({key[:-1] for key in counts}):
        family = HistogramMetricFamily(name, what, labels=labels)
        buckets = accumulate(counts.get((*values, str(number)), 0) for number in range(len(_BOUNDS)))
        family.add_metric(values, list(zip(_BOUNDS, buckets, strict=True)), counts.get((*values, SUM), 0) / 1e6)
        yield family
