"""Tests of what is said of certificates that are not valid, or not for long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cors_service.server.validity import Validities, Validity

BEGINS, ENDS = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 3, 31, 12, tzinfo=UTC)
OWN = Validity("cert=a.pem", BEGINS, ENDS)
EXPIRED = Validity("clientCA=b.pem", BEGINS, BEGINS + timedelta(days=1))
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("now", "warning", "is_valid"),
    [
        (BEGINS - SECOND, "cert=a.pem is not valid before 2030-01-01 00:00 UTC", False),
        (BEGINS, None, True),
        (ENDS - timedelta(days=14), None, True),
        (ENDS - timedelta(days=14) + SECOND, "cert=a.pem expires on 2030-03-31 12:00 UTC", True),
        (ENDS, "cert=a.pem expires on 2030-03-31 12:00 UTC", True),
        (ENDS + SECOND, "cert=a.pem expired on 2030-03-31 12:00 UTC", False),
    ],
)
def test_own(now: datetime, warning: str | None, is_valid: bool) -> None:
    """A certificate is warned of before it begins, in its last fourteen days, and after its end."""
    validities = Validities(OWN)
    assert [*validities.warnings(now)] == ([] if warning is None else [warning])
    assert (validities.why_not(now) is None) == is_valid


def test_authorities() -> None:
    """Each authority is warned of; clients with certificates can connect while one authority is valid."""
    now = BEGINS + timedelta(days=2)
    warning = "clientCA=b.pem expired on 2030-01-02 00:00 UTC"
    some = Validities(OWN, [EXPIRED, OWN._replace(file="clientCA=b.pem")])
    assert ([*some.warnings(now)], some.why_not(now)) == ([warning], None)
    assert Validities(OWN, [EXPIRED]).why_not(now) == warning
