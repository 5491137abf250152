"""The account of the decision log, as families of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cors_service.observe.pending import Account


def log_families(accounts: Mapping[str, Account]) -> Iterator[Metric]:
    """Give the families of some accounts, by the names of what they are about.

    For each of them, the lines with the outcome `emitted` are those with `delivered`, those with `dropped`, and those
    that are queued.
    """
    if not accounts:
        return
    lines = CounterMetricFamily(
        "cors_log_lines", "Lines of the decision log, and what became of them.", labels=("log", "outcome")
    )
    queued = GaugeMetricFamily("cors_log_lines_queued", "Lines that wait to be written or sent.", labels=("log",))
    for name, account in accounts.items():
        for outcome in ("emitted", "delivered", "dropped"):
            lines.add_metric((name, outcome), getattr(account, outcome))
        queued.add_metric((name,), account.queued)
    yield lines
    yield queued
