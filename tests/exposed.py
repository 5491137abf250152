"""Metrics as a service gives them, read as values."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
"""What a reader of that format accepts."""

Samples = dict[str, dict[tuple[str, ...], float]]
"""The samples of each name, by the values of their labels in the order of the labels' names."""


def samples(text: bytes, *, openmetrics: bool = False) -> Samples:
    """Read metrics."""
    found: Samples = {}
    for family in (read_openmetrics if openmetrics else read_text)(text.decode("utf-8")):
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            assert key not in found.setdefault(sample.name, {}), sample
            found[sample.name][key] = sample.value
    return found


def increases(before: Samples, after: Samples, name: str) -> Mapping[tuple[str, ...], float]:
    """What was counted under a name from one reading to another."""
    earlier = before.get(name, {})
    grown = {key: count - earlier.get(key, 0) for key, count in after.get(name, {}).items()}
    return {key: count for key, count in grown.items() if count}
