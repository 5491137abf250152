"""A million questions over HTTP: `make soak` asks them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.load.client import Connection, request
from tests.e2e.load.figures import tell
from tests.e2e.load.service import Service, running
from tests.e2e.test_decision_log import decided, lines_of

MILLION = 1_000_000
AT_ONCE = 8
BURST = 100
ORIGINS = [f"https://{name}.example" for name in ("one", "two", "three", "four", "five")]

soak = pytest.mark.skipif(os.environ.get("CORS_SOAK") != "1", reason="takes minutes: needs CORS_SOAK=1")


def ask_many(service: Service, times: int) -> None:
    """Ask about all origins so many times, over one connection."""
    burst = b"".join(request("GET", f"/v1/decision?policy=shop&origin={origin}") for origin in ORIGINS)
    each = len(ORIGINS)
    with Connection(service.port) as connection:
        for _ in range(times // BURST):
            connection.send(burst * BURST)
            for _ in range(BURST * each):
                assert connection.receive().status == 200


@soak
def test_a_million(tmp_path: Path) -> None:
    """A million questions of five origins, over HTTP and to two workers, are counted to the last, in tens of lines."""
    (policies := tmp_path / "policies.toml").write_text(
        'version = 1\n[policies.shop]\norigins = ["https://one.example", "https://two.example"]\n'
    )
    path = tmp_path / "decisions.log"
    with running(policies, "--workers", "2", "--decision-log", str(path)) as service:
        with ThreadPoolExecutor(AT_ONCE) as clients:
            for client in [
                clients.submit(ask_many, service, MILLION // AT_ONCE // len(ORIGINS)) for _ in range(AT_ONCE)
            ]:
                client.result()
        assert service.stop() == -signal.SIGTERM
    lines = lines_of(path)
    intervals = len({line["from"] for line in lines if line["type"] == "decisions"})
    tell(f"{MILLION} decisions: {len(lines)} lines of {intervals} intervals, {path.stat().st_size} bytes")
    assert decided(lines) == MILLION
    assert len(lines) <= (intervals + 1) * len(ORIGINS)
