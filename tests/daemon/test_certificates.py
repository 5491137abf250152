"""Tests of warnings about certificates while the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent

from cors_service.daemon.certificates import DAY_SECONDS, Certificates
from tests.certificates import Authority, written
from tests.observing import observed_by

AUTHORITY = Authority("the authority")


def watch(directory: Path, hours: float, clock: Clock, *, warns: bool = True) -> Certificates:
    """Watch an endpoint whose certificate is valid for so long."""
    key, certificate = written(directory, AUTHORITY.sign("service", hours=hours))
    reactor: Any = MemoryReactorClock()
    description = f"https:8443:key={key}:cert={certificate}"
    plain = serverFromString(reactor, "tcp:0")
    return Certificates([("tcp:0", plain), (description, serverFromString(reactor, description))], clock, warns=warns)


@pytest.mark.parametrize(("hours", "word"), [(24, "expires"), (-1, "expired")])
def test_warnings(tmp_path: Path, hours: float, word: str) -> None:
    """There is a warning at the start, daily, and after each reading, with the file and the date."""
    clock, lines = Clock(), list[str]()
    watched = watch(tmp_path, hours, clock)
    with observed_by(lambda event: lines.append(formatEvent(event))):
        watched.startService()
        assert len(lines) == 1
        clock.advance(DAY_SECONDS)
        assert len(lines) == 2
        watched.reload()
        assert (len(lines), lines[2]) == (4, "https:8443 has read its certificates")
        watched.stopService()
        clock.advance(DAY_SECONDS)
    assert len(lines) == 4
    assert {line.partition(" on ")[0] for line in (lines[0], lines[1], lines[3])} == {
        f"https:8443: cert={tmp_path}/service.crt {word}"
    }
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(("hours", "warns"), [(24 * 365, True), (24, False)])
def test_no_warnings(tmp_path: Path, hours: float, warns: bool) -> None:
    """There is none of a certificate that is valid for long, nor where another worker warns."""
    clock, lines = Clock(), list[str]()
    watched = watch(tmp_path, hours, clock, warns=warns)
    with observed_by(lambda event: lines.append(formatEvent(event))):
        watched.startService()
        clock.advance(DAY_SECONDS)
        watched.stopService()
    assert lines == []
