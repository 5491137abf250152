"""How closely a store is followed, as families of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cors_service.observe.process import Process
from cors_service.reader.messages import Following


def store_families(following: Following, processes: Sequence[Process], now: float) -> Iterator[Metric]:
    """Give the families of a store.

    Args:
        following: What its reader said last.
        processes: Those that serve; the one furthest behind counts.
        now: Seconds since 1970.
    """
    numbers = [one.seq for one in processes if one.seq is not None]
    if numbers:
        yield GaugeMetricFamily("cors_policy_seq", "The change that made the active policies.", min(numbers))
    if following.head_seq is not None:
        yield GaugeMetricFamily("cors_store_head_seq", "The newest change of the store.", following.head_seq)
    if processes:
        ages = [inf if one.confirmed_at is None else max(now - one.confirmed_at, 0.0) for one in processes]
        yield GaugeMetricFamily(
            "cors_store_confirmed_age_seconds",
            "Seconds since the store was known to hold nothing newer than the active policies.",
            max(ages),
        )
    problem = GaugeMetricFamily("cors_store_problem", "1 for what is wrong with the store now.", labels=("code",))
    for code in sorted({*following.problems, following.problem or ""} - {""}):
        problem.add_metric((code,), float(code == following.problem))
    yield problem
    problems = CounterMetricFamily(
        "cors_store_problems", "How often something came to be wrong with the store.", labels=("code",)
    )
    for code, count in sorted(following.problems.items()):
        problems.add_metric((code,), count)
    yield problems
