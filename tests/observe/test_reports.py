"""Reports reach a collector, whatever befalls it, each batch once."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater

from cors_service.observe.pending import Account
from cors_service.observe.reports import MOST_REFUSALS, PATH, Replica, Reports, report_url
from cors_service.observe.retry import Retry, seconds_asked
from cors_service.observe.spool import Spool
from tests.answering import Talker, free_port, impostor, silent
from tests.observe.collectors import collecting

SOON = 0.01
LINES = [b'{"number":%d}' % number for number in range(5)]
WRITTEN = [{"number": number} for number in range(5)]
REPLICA = Replica(instance="eu-1", version="1.0", revision="sha256:12", seq=None, loaded_at=None, workers=2)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """A spool."""
    made = Spool(tmp_path / "spool", 1 << 30)
    yield made
    made.close()


@asynccontextmanager
async def sending(spool: Spool, port: int, **options: Any) -> AsyncIterator[Reports]:
    """Send what a spool has, until the block ends."""
    reports = Reports(
        f"http://127.0.0.1:{port}{PATH}", spool, lambda: REPLICA, reactor, retry=Retry(first=SOON), **options
    )
    reports.startService()
    try:
        yield reports
    finally:
        await reports.flush(SOON)
        # A connection that is given up before it began takes the reactor another turn.
        await deferLater(reactor, 0)


async def settled(spool: Spool) -> None:
    """Wait until nothing waits."""
    while spool.account.queued:
        await deferLater(reactor, SOON)


async def failing(reports: Reports) -> str:
    """Wait until sending fails, and give the reason."""
    while (why := reports.sending.why) is None:
        await deferLater(reactor, SOON)
    return why


async def test_a_report(spool: Spool) -> None:
    """A report says how the replica is, and has a batch of lines with its name; and who sends it."""
    spool.put(LINES)
    async with collecting() as collector, sending(spool, collector.port, headers=lambda: {"Authorization": "Bearer x"}):
        await settled(spool)
    [[name, report]] = collector.reports.items()
    assert report == {
        "version": 1,
        "replica": {
            "instance": "eu-1",
            "version": "1.0",
            "revision": "sha256:12",
            "seq": None,
            "loaded_at": None,
            "workers": 2,
            "problem": None,
        },
        "batch": name,
        "lines": WRITTEN,
    }
    assert (collector.paths, collector.authorizations) == ([b"/admin/v1/reports"], ["Bearer x"])
    assert spool.account == Account(emitted=5, delivered=5)


async def test_nothing_to_tell(spool: Spool) -> None:
    """Without lines, a replica still reports how it is, once in a while, and at once when that changes."""
    replica = [REPLICA]
    async with collecting() as collector:
        reports = Reports(f"http://127.0.0.1:{collector.port}{PATH}", spool, lambda: replica[0], reactor)
        reports.startService()
        await collector.until(lambda: len(collector.reports) == 1)
        reports.wake()
        replica[0] = Replica(instance="eu-1", version="1.0", revision="sha256:34", seq=None, loaded_at=None, workers=2)
        # Nobody wakes it.
        await collector.until(lambda: len(collector.reports) == 2)
        await reports.flush(1)
    assert [report["replica"]["revision"] for report in collector.reports.values()] == ["sha256:12", "sha256:34"]
    assert collector.lines == []


async def test_headers_that_change(spool: Spool) -> None:
    """Each report has the headers of its time, such as a token that was replaced."""
    tokens = iter(["Bearer old", "Bearer new"])
    async with collecting() as collector:
        collector.status = 401
        async with sending(spool, collector.port, headers=lambda: {"Authorization": next(tokens)}) as reports:
            await failing(reports)
            collector.status = 204
            await collector.until(lambda: bool(collector.reports))
    assert collector.authorizations == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [500, 503, 401, 404, 302, 429])
async def test_a_collector_that_refuses(spool: Spool, told: list[str], status: int) -> None:
    """What is not taken is sent again until it is; the log has the beginning and the end of it."""
    spool.put(LINES)
    async with collecting() as collector:
        collector.status = status
        async with sending(spool, collector.port) as reports:
            await collector.until(lambda: collector.asked == 4)
            assert (await failing(reports)).startswith(f"it answers {status} ")
            assert spool.account == Account(emitted=5, queued=5)
            collector.status = 204
            await settled(spool)
            assert reports.sending.failing_since is None
    assert collector.lines == WRITTEN
    assert spool.account == Account(emitted=5, delivered=5)
    fails, again = told
    assert f"fail: it answers {status} " in fails
    assert again.endswith(" are taken again")


async def test_a_batch_that_is_not_understood(spool: Spool, told: list[str]) -> None:
    """A batch that a collector calls malformed time and again is dropped, and counted; those behind it are sent."""
    spool.put(LINES)
    async with collecting() as collector:
        collector.status = 400
        async with sending(spool, collector.port) as reports:
            await settled(spool)
            assert collector.asked >= MOST_REFUSALS
            collector.status = 204
            spool.put(LINES[:2])
            reports.wake()
            await settled(spool)
    assert collector.lines == WRITTEN[:2]
    assert spool.account == Account(emitted=7, delivered=2, dropped=5)
    assert "5 lines of the decision log are dropped: it answers 400 Bad Request" in told


async def test_nobody_is_there(spool: Spool) -> None:
    """What can't be sent since nobody listens waits."""
    spool.put(LINES)
    async with sending(spool, free_port()) as reports:
        assert re.search(r"refused.*[^.]$", await failing(reports))
    assert spool.account == Account(emitted=5, queued=5)


async def test_a_collector_that_takes_half(spool: Spool) -> None:
    """A batch of which a collector takes a part before it breaks is sent again, as a whole and under its name."""
    spool.put([b'{"number":%d,"text":"%b"}' % (number, b"x" * 200_000) for number in range(2)])
    first = spool.first()

    def breaks(talker: Talker, data: bytes) -> None:
        talker.transport.abortConnection()

    async with impostor(breaks) as broken, sending(spool, broken.port) as reports:
        await failing(reports)
    assert spool.first() == first
    async with collecting() as collector, sending(spool, collector.port):
        await settled(spool)
    assert first is not None
    assert first.id in collector.reports
    assert [line["number"] for line in collector.lines] == [0, 1]
    assert spool.account == Account(emitted=2, delivered=2)


@pytest.mark.parametrize("close", ["loseConnection", "abortConnection"])
async def test_a_collector_that_hangs_up(close: str, spool: Spool) -> None:
    """Of a connection that ends without an answer, the log says that, however it ended."""
    spool.put(LINES)

    def hangs_up(talker: Talker, data: bytes) -> None:
        getattr(talker.transport, close)()

    async with impostor(hangs_up) as deaf, sending(spool, deaf.port) as reports:
        assert await failing(reports) == "it closed the connection before it answered"


async def test_an_answer_that_is_lost(spool: Spool) -> None:
    """A batch that was taken without an answer is sent again under its name, and counted once."""
    spool.put(LINES)
    async with collecting() as collector:

        def forwards(talker: Talker, data: bytes) -> None:
            body = data.partition(b"\r\n\r\n")[2]
            if body:
                collector.reports[json.loads(body)["batch"]] = json.loads(body)
                talker.transport.abortConnection()

        async with impostor(forwards) as lossy, sending(spool, lossy.port) as reports:
            await failing(reports)
        [taken] = collector.reports
        async with sending(spool, collector.port):
            await settled(spool)
    assert [*collector.reports] == [taken]
    assert collector.lines == WRITTEN
    assert spool.account == Account(emitted=5, delivered=5)


async def test_a_collector_that_is_slow(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that does not answer in time is asked again, and lines wait meanwhile."""
    monkeypatch.setattr("cors_service.observe.reports._TIMEOUT_SECONDS", 10 * SOON)
    spool.put(LINES)
    async with impostor(silent) as mute, sending(spool, mute.port) as reports:
        assert await failing(reports) == "it did not answer within 0.1 seconds"
        spool.put(LINES)
        assert spool.account == Account(emitted=10, queued=10)


async def test_flush(spool: Spool) -> None:
    """At the end, what waits is sent, if that works and does not take too long."""
    async with collecting() as collector:
        reports = Reports(f"http://127.0.0.1:{collector.port}{PATH}", spool, lambda: REPLICA, reactor)
        reports.startService()
        await collector.until(lambda: collector.asked == 1)
        spool.put(LINES)
        await reports.flush(60)
        assert spool.account == Account(emitted=5, delivered=5)
        collector.status = None
        spool.put(LINES)
        late = Reports(f"http://127.0.0.1:{collector.port}{PATH}", spool, lambda: REPLICA, reactor)
        late.startService()
        await late.flush(SOON)
        assert spool.account == Account(emitted=10, delivered=5, queued=5)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("17", 17),
        ("in a while", 0),
        ("-5", 0),
        ("\N{SUPERSCRIPT TWO}", 0),
        ("9" * 400, math.inf),
        ("Mon, 30 Nov 2026 23:00:17 GMT", 17),
        ("Monday, 30-Nov-26 23:00:17 GMT", 17),
        ("Mon Nov 30 23:00:17 2026", 17),
        ("Mon, 30 Nov 2026 22:00:00 GMT", 0),
        ("Mon, 30 Nov 99999 23:00:00 GMT", 0),
    ],
)
def test_seconds_asked(written: str, seconds: float) -> None:
    """`Retry-After` is a number of seconds or a date; anything else asks for nothing."""
    now = datetime(2026, 11, 30, 23, tzinfo=UTC).timestamp()
    assert seconds_asked(written.encode(), now) == seconds


async def test_what_a_collector_asks_for(spool: Spool) -> None:
    """A collector that says for how long it wants to be left alone is left alone for so long."""
    asked: list[float] = []

    class Noting(Retry):
        def failed(self, asked_for: float = 0.0) -> float:
            asked.append(asked_for)
            return SOON

    async with collecting() as collector:
        collector.status, collector.headers = 429, {"Retry-After": "17"}
        reports = Reports(f"http://127.0.0.1:{collector.port}{PATH}", spool, lambda: REPLICA, reactor, retry=Noting())
        reports.startService()
        await collector.until(lambda: collector.asked == 2)
        collector.headers = {"Retry-After": formatdate(time.time() + 100, usegmt=True)}
        await collector.until(lambda: collector.asked == 4)
        await reports.flush(SOON)
    assert asked[0] == 17
    assert 90 < asked[2] <= 100


def test_retry() -> None:
    """Each wait is about twice as long as the one before, up to a minute, and never without chance."""
    least, most = Retry(lambda: 0.0), Retry(lambda: 1.0)
    assert [most.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [least.failed() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    least.succeeded()
    assert (least.failed(), least.failed(asked=100), least.failed(asked=1e9)) == (0.5, 100, 600)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081/admin/v1/reports"),
        ("https://admin.internal", "https://admin.internal/admin/v1/reports"),
        ("https://admin.internal:8081/", "https://admin.internal:8081/admin/v1/reports"),
        ("https://collector.internal/a/b", "https://collector.internal/a/b"),
        ("http://[::1]:8081", "http://[::1]:8081/admin/v1/reports"),
    ],
)
def test_url(text: str, url: str) -> None:
    """Without a path, or with `/` alone, reports go where an admin process takes them."""
    assert report_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "admin.internal",
        "ftp://admin.internal",
        "https://",
        "https://alice:secret@admin.internal",
        "https://admin.internal/?token=secret",
        "https://admin.internal/#a",
        "https://admin.internal:0",
        "https://admin.internal:99999",
        "https://admin.internal/a b",
        "https://[::1",
        "https://é.example",
    ],
)
def test_not_a_url(text: str) -> None:
    """What is not the URL of a collector, or could hold a secret, is refused."""
    with pytest.raises(ValueError, match="write http://HOST:PORT"):
        report_url(text)
