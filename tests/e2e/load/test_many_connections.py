"""Connections that cost the service something and give it nothing: silent ones, and those that drip."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.load.client import ClosedBefore, request
from tests.e2e.load.documents import Batch, GoodDocument
from tests.e2e.load.figures import latency, tell
from tests.e2e.load.service import Service, running

SILENT = 1000
BURST = 40
HONEST = 500
REQUEST = request("POST", "/v1/decision", b'{"policy": "catalogue", "method": "GET", "origin": "https://a.example"}')

soak = pytest.mark.skipif(
    os.environ.get("CORS_SOAK") != "1", reason="measures time: needs a quiet machine and CORS_SOAK=1"
)

document = GoodDocument(1)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document to decide by."""
    path = tmp_path_factory.mktemp("policies") / "policies.toml"
    path.write_text(document.text, encoding="ascii")
    return path


@contextmanager
def silent(service: Service, number: int) -> Iterator[None]:
    """Hold connections open that send nothing."""
    with ExitStack() as held:
        for opened in range(number):
            held.enter_context(service.connect())
            if opened % BURST == 0:
                # What comes while the queue of the system is full would be tried again after a second.
                assert service.status()["stale"] is False
        yield


def asked(service: Service, name: str, *, reuse: bool) -> list[float]:
    """Ask as an honest client does, and give the seconds that each answer took, from the connection on if it is new.

    Args:
        service: Who is asked.
        name: What no other client is called.
        reuse: Whether all questions go over one connection.
    """
    seconds: list[float] = []
    with ExitStack() as held:
        kept = held.enter_context(service.connect()) if reuse else None
        for turn in range(HONEST):
            batch = Batch(f"{name}-{turn}", 1)
            began = time.perf_counter()
            with ExitStack() as once:
                connection = kept or once.enter_context(service.connect())
                connection.send(request("POST", "/v1/decision", next(batch.queries())))
                answer = connection.receive()
            seconds.append(time.perf_counter() - began)
            assert (answer.status, answer.body) == (200, next(batch.decisions(document)))
    return seconds


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("reuse", [True, False], ids=["one connection", "a connection each"])
def test_honest_clients_are_served_beside_silent_connections(reuse: bool, policies: Path) -> None:
    """While a thousand connections that send nothing are open, as many as there may be, clients get right answers."""
    with running(policies) as service:
        without = latency(asked(service, "without", reuse=reuse))
        with silent(service, SILENT):
            beside = latency(asked(service, "beside", reuse=reuse))
    tell(f"{without} without, {beside} beside {SILENT} silent connections")


@soak
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("reuse", [True, False], ids=["one connection", "a connection each"])
def test_p99_at_most_doubles_beside_silent_connections(reuse: bool, policies: Path) -> None:
    """Beside a thousand silent connections, the slowest hundredth of the answers takes at most twice as long."""
    without: list[float] = []
    beside: list[float] = []
    with running(policies) as service:
        asked(service, "warm", reuse=reuse)
        for turn in range(10):
            without += asked(service, f"without-{turn}", reuse=reuse)
            with silent(service, SILENT):
                beside += asked(service, f"beside-{turn}", reuse=reuse)
    tell(f"{latency(without)} without, {latency(beside)} beside {SILENT} silent connections")
    assert latency(beside).p99 <= 2 * latency(without).p99


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("cap", [100, 900])
def test_the_cap_on_connections_holds(cap: int, policies: Path) -> None:
    """There are never more connections open than there may be, also if many come at once; who is new is served, and
    who asks now and then is not closed.
    """
    with running(policies, f"--max-connections={cap}") as service, ExitStack() as held:
        regular = held.enter_context(service.connect())
        counts = []
        for _ in range(SILENT // BURST):
            service.signal(signal.SIGSTOP)
            for _ in range(BURST):
                held.enter_context(service.connect())
            service.signal(signal.SIGCONT)
            # Connections are taken up in order: this one comes behind the others.
            assert service.status()["stale"] is False
            assert regular.get("/livez").status == 200
            counts.append(service.connections())
        assert max(counts) <= cap, counts


@pytest.mark.parametrize("first", [b"", request("GET", "/livez")], ids=["first request", "second request"])
@pytest.mark.parametrize(("sent", "dripped"), [(b"", REQUEST), (REQUEST[:-40], REQUEST[-40:])], ids=["head", "body"])
def test_a_request_that_drips_is_cut(first: bytes, sent: bytes, dripped: bytes, dripping: Service) -> None:
    """A request that comes by a byte each second, each well before the connection counts as idle, gets a 408 once
    its time is over, and the connection ends.
    """
    with dripping.connect() as connection:
        if first:
            connection.send(first)
            assert connection.receive().status == 200
        connection.send(sent)
        for byte in dripped:
            connection.send(bytes([byte]))
            # What is waited for here is that a second passes, or that an answer comes before.
            if select.select([connection.socket], [], [], 1)[0]:
                break
        else:
            pytest.fail("the whole request was taken")
        answer = connection.receive()
        assert (answer.status, answer.json["code"], answer.closes) == (408, "request-timeout", True)
        with pytest.raises(ClosedBefore):
            connection.receive()


@pytest.fixture(scope="module")
def dripping(policies: Path) -> Iterator[Service]:
    """A service that gives each request two seconds, and each connection sixty."""
    with running(policies, "--request-timeout=2", "--idle-timeout=60") as service:
        yield service
