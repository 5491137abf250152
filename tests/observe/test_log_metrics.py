"""The account of the decision log, as Prometheus reads it."""

from __future__ import annotations

from cors_service.observe.log_metrics import log_families
from cors_service.observe.pending import Account


def test_accounts() -> None:
    """Each account has its lines by outcome, and those that wait; without a log, there is nothing."""
    accounts = {"file": Account(emitted=3, delivered=3), "reports": Account(9, 4, 2, 3)}
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in log_families(accounts)
        for sample in family.samples
    }
    assert found == {
        ("cors_log_lines_total", "file", "emitted"): 3,
        ("cors_log_lines_total", "file", "delivered"): 3,
        ("cors_log_lines_total", "file", "dropped"): 0,
        ("cors_log_lines_queued", "file"): 0,
        ("cors_log_lines_total", "reports", "emitted"): 9,
        ("cors_log_lines_total", "reports", "delivered"): 4,
        ("cors_log_lines_total", "reports", "dropped"): 2,
        ("cors_log_lines_queued", "reports"): 3,
    }
    assert [*log_families({})] == []
