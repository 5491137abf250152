"""By which names a running service is asked, and what is on a listener of its own; asked by curl."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service
from tests.e2e.requirements import need
from tests.store.store_texts import toml

EVERYWHERE = "tcp:0"
Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a service and waits until it listens; it is ended with the test."""
    services: list[Service] = []
    policies = tmp_path / "policies.toml"
    policies.write_text(toml("one"))

    def begin(*arguments: str | Path, listens: int = 1) -> Service:
        words = [*TWIST, "--policies", policies, *arguments]
        services.append(Service([str(word) for word in words], tmp_path, listens=listens))
        return services[-1]

    yield begin
    for service in services:
        service.kill()


def status(where: int | Path, path: str, host: str | None = None) -> int:
    """The status of what curl gets."""
    [curl] = need("curl")
    words: list[Any] = [curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"]
    words += ["-H", f"Host: {host}"] if host else []
    words += ["--unix-socket", where, f"http://localhost{path}"] if isinstance(where, Path) else []
    words += [f"http://127.0.0.1:{where}{path}"] if isinstance(where, int) else []
    return int(subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, check=True).stdout)


DECISION = "/v1/decision?policy=one&origin=https://one.example"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_loopback(start: Start, workers: str) -> None:
    """On a loopback address only loopback names are answered, and what gateways ask by any name."""
    service = start("--listen", ANY_PORT, "--workers", workers)
    service.said("is active" if workers == "1" else "Revision")
    for path in (DECISION, "/v1/policies", "/v1/status"):
        assert status(service.port, path) == 200
        assert status(service.port, path, "localhost:1") == 200
        assert status(service.port, path, "rebound.example") == 421
    assert status(service.port, "/v1/enforce/one", "app.example") != 421
    assert status(service.port, "/livez", "10.0.0.1:8080") == 200
    assert not any("Any name is answered" in line for line in service.out)


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    """So it is on a Unix socket."""
    path = tmp_path / "cors.sock"
    service = start("--listen", f"unix:{path}", listens=0)
    service.said("Listening on UNIXAddress")
    assert [status(path, DECISION, host) for host in (None, "localhost", "rebound.example")] == [200, 200, 421]


def test_listed_names(start: Start) -> None:
    """Names that an operator lists are answered beside loopback names, on any address."""
    for where in (ANY_PORT, EVERYWHERE):
        service = start("--listen", where, "--host", "cors.internal", "--host", "other.internal:8080")
        hosts = (None, "cors.internal:1", "other.internal:8080", "other.internal", "rebound.example")
        assert [status(service.port, DECISION, host) for host in hosts] == [200, 200, 200, 421, 421]


def test_any_name_with_a_warning(start: Start) -> None:
    """Where other machines connect and no name is listed, any name is answered, and the log warns."""
    service = start("--listen", EVERYWHERE)
    service.said(r"Any name is answered on .*--host NAME")
    assert status(service.port, DECISION, "rebound.example") == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_listener_for_operators(start: Start, workers: str) -> None:
    """What operators read is answered there and not on the other listener, however a path is spelled."""
    service = start("--listen", ANY_PORT, "--operator-listen", ANY_PORT, "--workers", workers, listens=2)
    main, operators = service.ports
    for path in ("/v1/policies", "/v1/policies/one", "/v1/status", "/v1/%70olicies"):
        assert (status(main, path), status(operators, path)) == (404, 200)
        assert status(operators, path, "rebound.example") == 421
    for path in (DECISION, "/v1/enforce/one"):
        assert status(operators, path) == 404
    assert status(main, DECISION) == 200
    assert (status(main, "/readyz"), status(operators, "/readyz")) == (200, 200)
    assert service.stop() in {0, -signal.SIGTERM}


def test_no_such_name(start: Start, tmp_path: Path) -> None:
    """A name that no Host can have is refused at the start."""
    with pytest.raises(AssertionError, match="is not a name or an address"):
        start("--host", "http://cors.internal")
