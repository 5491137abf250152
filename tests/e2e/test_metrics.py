"""Metrics of running services: the sums over all processes, also over those that were killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric

from cors_service.observe.process import Process
from cors_service.observe.store_metrics import store_families
from cors_service.reader.messages import Following
from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows, ask, is_gone, wait_for
from tests.e2e.load.client import Connection, request
from tests.e2e.requirements import need
from tests.exposed import Samples, samples

if sys.platform != "linux":
    pytest.skip("looks at processes as Linux shows them", allow_module_level=True)

POLICIES = Path(__file__).parents[2] / "etc" / "policies.toml"
Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a service with the policies that are delivered; it ends with the test."""
    with ExitStack() as stack:

        def begin(*options: str, listens: int = 1) -> Service:
            (tmp_path / "policies.toml").write_text(POLICIES.read_text())
            command = [*TWIST, "--policies", "policies.toml", "--listen", ANY_PORT, *options]
            service = Service(command, tmp_path, listens=listens)
            stack.callback(service.kill)
            return service

        yield begin


def read(port: int) -> Samples:
    """Read the metrics at a port."""
    return samples(text_of(port))


def text_of(port: int) -> bytes:
    """The metrics at a port, as they come."""
    with Connection(port) as connection:
        answer = connection.get("/metrics")
        assert answer.status == 200
        return answer.body


FORWARDED = (
    "X-Forwarded-Method: GET",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: api.example.com",
    "X-Forwarded-Uri: /",
)
ORIGINAL = ("X-Original-Method: GET", "X-Original-URL: https://api.example.com/")
PARTNER, STRANGER = "https://partner.example.net", "https://evil.example"


def requests() -> Iterator[tuple[bytes, str, int]]:
    """Give requests to every endpoint that decides: what is sent, the endpoint, and how many decisions it makes."""
    for origin in (PARTNER, STRANGER, "nonsense"):
        query = {"policy": "catalogue", "method": "GET", "origin": origin}
        preflight = {
            "policy": "catalogue",
            "method": "OPTIONS",
            "headers": {"Origin": origin, "Access-Control-Request-Method": "PUT"},
        }
        for one in (query, preflight, {"policy": "absent", "method": "GET"}, {"policy": "prices", "method": "GET"}):
            yield post("/v1/decision", one), "/v1/decision", 1
            yield post("/v1/data/cors/decision", {"input": one}), "/v1/data/cors/decision", 1
        yield request("GET", f"/v1/decision?policy=catalogue&origin={origin}"), "/v1/decision", 1
        yield post("/v1/decisions", {"queries": [query, preflight, query]}), "/v1/decisions", 3
        evaluation = {
            "subject": {"type": "origin", "id": origin},
            "action": {"name": "GET"},
            "resource": {"type": "policy", "id": "catalogue"},
        }
        yield post("/access/v1/evaluation", evaluation), "/access/v1/evaluation", 1
        yield post("/access/v1/evaluations", {"evaluations": [evaluation] * 2}), "/access/v1/evaluations", 2
        reported: dict[str, Any] = {"method": "GET", "path": "/", "scheme": "https", "host": "api.example.com"}
        reported |= {"headers": {"origin": origin}}
        yield post("/v1/data/cors/apisix/catalogue", {"input": {"request": reported}}), "/v1/data/cors/apisix", 1
        named = f"Origin: {origin}"
        asked = "Access-Control-Request-Method: PUT"
        yield request("GET", "/v1/auth-request/catalogue", b"", named, *ORIGINAL), "/v1/auth-request", 1
        yield request("GET", "/v1/forward-auth/catalogue", b"", named, *FORWARDED), "/v1/forward-auth", 1
        yield request("GET", "/v1/enforce/catalogue", b"", named, *FORWARDED), "/v1/enforce", 1
        yield request("PUT", "/v1/ext-authz/catalogue/7", b"", named), "/v1/ext-authz", 1
        yield request("OPTIONS", "/v1/preflight/catalogue/7", b"", named, asked), "/v1/preflight", 1


def post(path: str, value: object) -> bytes:
    """Write a request with this value as JSON."""
    return request("POST", path, json.dumps(value).encode("ascii"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_sums_are_exact(start: Start, workers: str) -> None:
    """Of requests of every kind over every endpoint, the metrics have each once, also those of a worker that was killed
    by SIGKILL, and whichever worker is asked for them.
    """
    service = start("--workers", workers)
    expected: Counter[tuple[str, ...]] = Counter()
    decisions = 0
    for _ in range(3):
        with ExitStack() as held:
            connections = [held.enter_context(Connection(service.port)) for _ in range(6)]
            for connection, (sent, endpoint, count) in zip(cycle(connections), requests(), strict=False):
                connection.send(sent)
                expected[endpoint, str(connection.receive().status)] += 1
                decisions += count
            connections[0].send(b"GET nonsense\r\n\r\n")
            expected["none", str(connections[0].receive().status)] += 1
        if workers == "2":
            kill_a_worker(service)
    for _ in range(4):
        found = read(service.port)
        asked = {key: count for key, count in found["cors_requests_total"].items() if key in expected}
        assert asked == expected
        assert sum(found["cors_decisions_total"].values()) == decisions
        assert sum(found["cors_remembered_total"].values()) == decisions
    if workers == "2":
        assert found["cors_worker_restarts_total"] == {(): 3}
        assert found["cors_workers"] == {(): 2}


def kill_a_worker(service: Service) -> None:
    """Kill one of two workers, and wait until another has taken its place."""
    told = ask(service.port, "/v1/status").json["workers"]
    pid = next(worker["pid"] for worker in told if worker["pid"] is not None)
    os.kill(pid, signal.SIGKILL)
    wait_for(partial(is_gone, pid), "the end of the worker")

    def is_replaced() -> bool:
        now = ask(service.port, "/v1/status").json["workers"]
        return all(worker["state"] == "serving" and worker["pid"] != pid for worker in now)

    wait_for(is_replaced, "another worker")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """Give the metrics of a service that has everything that is measured, and was asked."""
    directory = tmp_path_factory.mktemp("metrics")
    (directory / "policies.toml").write_text(POLICIES.read_text())
    options = ["--policies", "policies.toml", "--shadow", "policies.toml", "--decision-log", "log", "--workers", "2"]
    service = Service([*TWIST, *options, "--listen", ANY_PORT], directory)
    try:
        with Connection(service.port) as connection:
            for sent, _, _ in requests():
                connection.send(sent)
                connection.receive()
        yield text_of(service.port)
    finally:
        service.kill()


class OfAStore:
    """What only a service has that follows a store."""

    def collect(self) -> Iterator[Metric]:
        """Give it as it is soon after a start."""
        return store_families(Following(head_seq=1), [Process(None, 0, None, stale=False, seq=1)], 0)


OF_A_STORE = generate_latest(OfAStore())


def types(text: bytes) -> list[str]:
    """The names of the metrics that have a type."""
    return re.findall(r"^# TYPE (\w+) ", text.decode("utf-8"), re.MULTILINE)


def test_every_metric_has_a_line(text: bytes) -> None:
    """The page about metrics lists those that there are, and no others."""
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    tables = page.partition("\n## The metrics\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE)
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted([*types(text), *types(OF_A_STORE)])


def test_promtool_finds_nothing(text: bytes) -> None:
    """Names, help and types follow the conventions of Prometheus, as promtool knows them."""
    [promtool] = need("promtool")
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_metrics_can_have_their_own_listener(start: Start) -> None:
    """With --metrics-listen, the metrics are there and nowhere else, also of several workers."""
    service = start("--metrics-listen", ANY_PORT, "--operator-listen", ANY_PORT, "--workers", "2", listens=3)
    main, operators, metrics = service.ports
    assert allows(main, "prices", "https://a.example")
    assert [ask(port, "/metrics").status for port in (main, operators)] == [404, 404]
    assert [ask(port, "/livez").status for port in (main, operators, metrics)] == [200, 200, 200]
    assert ask(metrics, "/v1/status").status == 404
    # Prometheus asks an instance by its address; a page whose name leads to it does not.
    for host, status in (("192.0.2.7:9090", 200), ("rebound.example", 421)):
        with Connection(metrics) as connection:
            connection.send(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
            assert connection.receive().status == status
    found = read(metrics)
    assert found["cors_decisions_total"] == {("true", "actual", "prices", "allowed"): 1}
    assert found["process_resident_memory_bytes"][()] > 2**24


def test_operators_have_the_metrics(start: Start) -> None:
    """With --operator-listen alone, the metrics are with what else operators read."""
    service = start("--operator-listen", ANY_PORT, listens=2)
    main, operators = service.ports
    assert ask(main, "/metrics").status == 404
    assert read(operators)["cors_workers"] == {(): 1}


def test_nothing_is_counted(start: Start) -> None:
    """With --no-metrics, a service answers, and there are no metrics."""
    service = start("--no-metrics", "--workers", "2")
    assert allows(service.port, "prices", "https://a.example")
    assert ask(service.port, "/metrics").status == 404
