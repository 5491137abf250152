"""Tests of the decision log that the options ask for."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent

from cors_service.daemon.decision_log import ReportToken, instance_of, make_log, make_replica, make_tally
from cors_service.daemon.service import DecisionService
from cors_service.daemon.settings import Settings
from cors_service.observe.pending import Account
from cors_service.observe.process import Process
from cors_service.observe.sampling import SampledTally
from cors_service.observe.sights import Sights
from cors_service.observe.spool import Spool
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally, Tally
from cors_service.observe.totals import Totals
from cors_service.server.server import CannotServe
from cors_service.tap import makeService
from tests.daemon.options import parse
from tests.observing import observed_by

LISTEN = ("--listen", "tcp:0:interface=127.0.0.1")


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give the text of each event that is logged, as they come."""
    texts: list[str] = []
    with observed_by(lambda event: texts.append(formatEvent(event))):
        yield texts


def make(settings: Settings) -> Any:
    """Make the log of settings."""
    return make_log(settings, Totals(0.0), lambda: make_replica(settings, []), Clock())


def stop(service: DecisionService) -> Deferred[Any]:
    """Stop a service."""
    return maybeDeferred(service.stopService)


async def test_a_service(policies: Path, tmp_path: Path, log: list[str]) -> None:
    """A service writes what it has decided before it ends, and says what became of it."""
    path, spool = tmp_path / "decisions.log", tmp_path / "spool"
    options = parse(
        *("--policies", policies, *LISTEN, "--decision-log", path, "--instance", "eu-1"),
        *("--report-to", "http://127.0.0.1:1", "--report-spool", spool),
    )
    service = cast(DecisionService, makeService(options))
    assert service.log_told() is None
    assert [*service.log_families()] == []
    service.startService()
    try:
        answer = service.tree.children[b"v1"].children[b"decision"].answer_GET(_Asked())
        assert answer.status == 200
        await service.reload()
    finally:
        await stop(service)
    [line] = [line for line in map(json.loads, path.read_text().splitlines()) if line["type"] == "decisions"]
    assert (line["instance"], line["policy"], line["count"]) == ("eu-1", "one", 1)
    told = json.loads(service.log_told() or b"")
    assert told["file"] == {
        "emitted": 2,
        "delivered": 2,
        "dropped": 0,
        "queued": 0,
        "failing_since": None,
        "problem": None,
    }
    assert told["reports"] == {
        "emitted": 2,
        "delivered": 0,
        "dropped": 0,
        "queued": 2,
        "failing_since": None,
        "problem": None,
    }
    assert {family.name for family in service.log_families()} == {"cors_log_lines", "cors_log_lines_queued"}
    again = Spool(spool, 1 << 20)
    assert again.account == Account(emitted=2, queued=2)
    again.close()
    assert "Policy one refuses https://evil.example for the first time (origin-not-allowed)" in log


class _Asked:
    """A request about an origin that is refused."""

    uri = b"/v1/decision?policy=one&origin=https://evil.example"

    class requestHeaders:  # noqa: N801 - as requests call it
        """None."""

        @staticmethod
        def getRawHeaders(name: bytes) -> None:
            """None."""


def test_what_can_not_be_had(tmp_path: Path, log: list[str]) -> None:
    """A file that can't be opened, and a spool that is another's, end the start with a line."""
    taken = Spool(tmp_path / "spool", 1)
    (tmp_path / "file").write_text("")
    for settings, why in (
        (
            Settings(decision_log=str(tmp_path / "file" / "log")),
            f"--decision-log can't be opened: '{tmp_path / 'file' / 'log'}': Not a directory.",
        ),
        (
            Settings(report_to="http://127.0.0.1:1", report_spool=str(tmp_path / "file" / "spool")),
            f"--report-spool: '{tmp_path / 'file' / 'spool'}' can't be opened: Not a directory",
        ),
        (
            Settings(report_to="http://127.0.0.1:1", report_spool=str(tmp_path / "spool")),
            f"--report-spool: '{tmp_path / 'spool'}' is in use by another process",
        ),
    ):
        with pytest.raises(CannotServe) as end:
            make(settings)
        assert log[-1].startswith(why)
        assert (str(end.value), end.value.code) == (log[-1], 1)  # twistd prints that for a daemon
    taken.close()


async def test_a_damaged_spool(tmp_path: Path, log: list[str]) -> None:
    """A spool that a disk has spoilt is told of; the service starts with another."""
    path = tmp_path / "spool"
    spool = Spool(path, 1 << 30)
    for _ in range(100):
        spool.put([b'"%b"' % (b"x" * 5000)])
    spool.close()
    data = bytearray(path.read_bytes())
    data[8192:200_000] = random.Random(1).randbytes(200_000 - 8192)
    path.write_bytes(data)
    made = make(Settings(report_to="http://127.0.0.1:1", report_spool=str(path)))
    assert f"The spool of reports was damaged, and is now {path}.damaged; reports that were in it are not sent" in log
    assert made.accounts() == {"reports": Account()}
    made._in_thread = maybeDeferred
    await made.finish(0)


def test_a_token_that_is_replaced(tmp_path: Path, log: list[str]) -> None:
    """Reports have the token that is in the file now; while there is none, the last one, and the log says so once."""
    path = tmp_path / "token"
    path.write_text("old\n")
    token = ReportToken(path)
    assert token.headers() == {"Authorization": "Bearer old"}
    path.write_text("new\n")
    assert token.headers() == {"Authorization": "Bearer new"}
    path.write_text("")
    for _ in range(2):
        assert token.headers() == {"Authorization": "Bearer new"}
    path.unlink()
    assert token.headers() == {"Authorization": "Bearer new"}
    path.write_text("newer")
    assert token.headers() == {"Authorization": "Bearer newer"}
    kept = "Reports go on with the token that was read before."
    assert log == [
        f"--report-token '{path}' can't be used: it does not hold a token. {kept}",
        f"--report-token '{path}' can't be used: No such file or directory. {kept}",
    ]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (Settings(), Tally),
        (Settings(decision_log="-"), RowTally),
        (Settings(report_to="http://127.0.0.1:1"), RowTally),
        (Settings(decision_log="-", log_sample=0.5), SampledTally),
    ],
)
def test_tallies(settings: Settings, kind: type[Tally]) -> None:
    """What counts has rows where there is a log of them."""
    tally = make_tally(settings, Table(), Sights(float))
    assert type(tally) is kind
    assert isinstance(tally, RowTally) == settings.has_decision_log


def test_replica() -> None:
    """A service is as the process that is behind most; those that have no policies yet don't count."""
    settings = Settings(instance="eu-1")
    processes = [Process("sha256:2", 3, 20.0, stale=False), Process("sha256:1", 3, 10.0, stale=False)]
    replica = make_replica(settings, [*processes, Process(None, 0, None, stale=False)])
    assert (replica.instance, replica.revision, replica.loaded_at) == ("eu-1", "sha256:1", "1970-01-01T00:00:10+00:00")
    assert replica.workers == 2
    nobody = make_replica(settings, [])
    assert (nobody.revision, nobody.loaded_at, nobody.workers) == (None, None, 0)
    assert instance_of(Settings())
