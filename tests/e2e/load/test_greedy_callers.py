"""Callers that want much at once, or take nothing of what they are given, beside an honest one."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import wait_for
from tests.e2e.load.client import Connection, request
from tests.e2e.load.figures import latency, tell
from tests.e2e.load.service import Service, running

IS_SOAK = os.environ.get("CORS_SOAK") == "1"
POLICIES = 20_000 if IS_SOAK else 10_000
SECONDS = 10.0 if IS_SOAK else 2.0
GREEDY = 16
BATCH = 1000
PIPELINED = 500
LEAST_A_SECOND = 20
"""Honest answers. A calm machine gives thousands; where one stalls all, there are ten at most."""
UNREAD = 400 if IS_SOAK else 60
MIB = 2**20
HELD = 8 * MIB
Want = Callable[[Connection, int], object]
LONG = ",".join(f"x-{number:040}" for number in range(20))

HONEST = request("POST", "/v1/decision", b'{"policy": "p7", "method": "GET", "origin": "https://a7.example"}')


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document of many policies."""
    path = tmp_path_factory.mktemp("policies") / "policies.json"
    document = {
        "version": 1,
        "policies": {
            f"p{number}": {
                "origins": [f"https://a{number}.example", f"https://*.b{number}.example"],
                "methods": ["GET", "PUT"],
                "request_headers": ["x-*"],
                "max_age": 600,
            }
            for number in range(POLICIES)
        },
    }
    path.write_text(json.dumps(document), encoding="ascii")
    return path


def batch(turn: int, names: str = "x-a") -> bytes:
    """A request with a batch of queries that nobody has asked before."""
    queries = [
        {
            "policy": f"p{number}",
            "method": "OPTIONS",
            "origin": f"https://a{turn}-{number}.b{number}.example",
            "headers": {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": names},
        }
        for number in range(BATCH)
    ]
    return request("POST", "/v1/decisions", json.dumps({"queries": queries}, separators=(",", ":")).encode("ascii"))


@contextmanager
def greedy(service: Service, count: int, want: Want) -> Iterator[Sequence[int]]:
    """Have so many clients, in a process of their own, want something again and again; give how often each got it."""
    spawning = multiprocessing.get_context("spawn")
    got = spawning.Array("L", count, lock=False)
    process = spawning.Process(target=be_greedy, args=(service.port, want, got), daemon=True)
    process.start()
    try:
        wait_for(lambda: any(got), "a greedy client that gets something")
        yield got
    finally:
        process.terminate()
        process.join(60)


def be_greedy(port: int, want: Want, got: MutableSequence[int]) -> None:
    """Want something over as many connections as there are numbers, in threads."""

    def run(number: int) -> None:
        with Connection(port) as connection:
            while True:
                want(connection, got[number] * len(got) + number)
                got[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(got))]
    for thread in threads:
        thread.start()


def asked(service: Service, seconds: float) -> list[float]:
    """Ask as an honest client does; give the seconds that each answer took."""
    took = []
    with service.connect() as connection:
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            connection.send(HONEST)
            assert connection.receive().status == 200
            took.append(time.perf_counter() - began)
    return took


def read_policies(connection: Connection, _: int) -> None:
    """Want all policies."""
    assert connection.get("/v1/policies").status == 200


def revalidate(connection: Connection, _: int) -> None:
    """Want to know whether the policies are others."""
    connection.send(request("GET", "/v1/policies", b"", "If-None-Match: *"))
    assert connection.receive().status == 304


def decide_many(connection: Connection, turn: int) -> None:
    """Want many decisions."""
    connection.send(batch(turn))
    answer = connection.receive()
    assert answer.status == 200
    assert len(answer.json["decisions"]) == BATCH


def pipeline(connection: Connection, turn: int) -> None:
    """Want many answers, and ask for all of them at once."""
    connection.send(
        b"".join(
            request("GET", f"/v1/decision?policy=p{number}&origin=https://a{turn}.b{number}.example")
            for number in range(PIPELINED)
        )
    )
    for _ in range(PIPELINED):
        assert connection.receive().status == 200


def decide_by_names(connection: Connection, turn: int) -> None:
    """Want a decision about as many names as a body holds."""
    names = ",".join(f"x-{turn}-{number}" for number in range(80_000))
    query = {"policy": "p7", "method": "OPTIONS", "origin": "https://a7.example"}
    headers = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": names}
    connection.send(request("POST", "/v1/decision", json.dumps(query | {"headers": headers}).encode("ascii")))
    assert connection.receive().status == 200


WANTS: dict[str, tuple[int, Want]] = {
    "all policies": (1, read_policies),
    "whether all policies are the same": (1, revalidate),
    "batches of 1000": (GREEDY, decide_many),
    "500 pipelined requests": (GREEDY, pipeline),
    "decisions about 80,000 names": (GREEDY, decide_by_names),
}


@pytest.mark.parametrize(("count", "want"), WANTS.values(), ids=WANTS)
def test_honest_callers_beside_greedy_ones(count: int, want: Want, policies: Path) -> None:
    """Whatever takes long is done in slices, so honest callers are answered meanwhile, again and again."""
    with running(policies) as service:
        without = asked(service, SECONDS)
        with greedy(service, count, want) as got:
            done = -sum(got)
            beside = asked(service, SECONDS)
            done += sum(got)
    tell(f"{latency(without)} without, {latency(beside)} beside; {done} times, {len(beside)} honest answers")
    assert done
    assert len(beside) >= LEAST_A_SECOND * SECONDS


def unread(service: Service, count: int, sent: bytes) -> ExitStack:
    """Have so many clients send something, and read no answer."""
    held = ExitStack()
    for _ in range(count):
        connection = held.enter_context(Connection(service.port, receive_buffer=4096))
        # The service may close it while the batch is sent.
        with suppress(ConnectionError):
            connection.send(sent)
    return held


def test_answers_that_nobody_reads(policies: Path) -> None:
    """However many clients read nothing, what is kept for all of them is bounded: who holds most is closed, which the
    status counts, and honest callers are answered.
    """
    with running(policies, f"--max-held={HELD}") as service:
        with service.connect() as connection:
            connection.send(batch(0, LONG))
            size = len(connection.receive().body)
        before = service.memory()
        with unread(service, UNREAD, batch(0, LONG)):
            asked(service, SECONDS)
            connections: Any = service.status()["connections"]
            grown = service.memory() - before
    tell(f"{grown / MIB:.0f} MiB for {UNREAD} answers of {size / MIB:.1f} MiB; {connections}")
    assert connections["closed"]["held"] >= 1
    assert connections["held"] <= HELD
    assert size * UNREAD > 5 * HELD
    assert grown < 5 * HELD


def test_answers_that_are_read_too_late(policies: Path) -> None:
    """A client that reads nothing for the time that it has is closed, and the status counts it."""
    # More than the system takes for a client that does not read.
    sent = request("GET", "/v1/policies") * 20
    with running(policies, "--send-timeout=1") as service, unread(service, 3, sent):
        wait_for(lambda: service.status()["connections"]["closed"]["unread"] == 3, "three connections that are closed")


def test_a_burst_of_silent_connections(policies: Path) -> None:
    """While the service does something else, hundreds of silent connections and an honest one behind them find a place
    in the queue at once: none has to try again.
    """
    with running(policies) as service, ExitStack() as held:
        service.signal(signal.SIGSTOP)
        try:
            for _ in range(400):
                client = held.enter_context(socket.socket())
                # The system of a client tries again after a second.
                client.settimeout(0.5)
                client.connect(("127.0.0.1", service.port))
            honest = held.enter_context(service.connect())
            honest.send(HONEST)
        finally:
            service.signal(signal.SIGCONT)
        assert honest.receive().status == 200


def test_half_requests_push_out_no_one(policies: Path) -> None:
    """Who sends half a request goes before those that have asked something, however idle these are."""
    with running(policies, "--max-connections=40") as service, ExitStack() as held:
        honest = [held.enter_context(service.connect()) for _ in range(20)]
        for connection in honest:
            assert connection.get("/livez").status == 200
        for _ in range(200):
            half = held.enter_context(service.connect())
            half.send(HONEST[:20])
        assert service.status()["connections"]["closed"]["crowded"] >= 180
        for connection in honest:
            assert connection.get("/livez").status == 200
