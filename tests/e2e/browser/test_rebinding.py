"""A page whose name leads to the service reads none of it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import daemons
from tests.store.store_texts import toml

from .webdriver import Chromium

READ = """
const [path, done] = arguments;
fetch(path).then(answer => answer.text().then(text => done([location.host, answer.status, text])));
"""
DECISION = "/v1/decision?policy=one&origin=https://one.example"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Give the port of a running service."""
    (tmp_path / "policies.toml").write_text(toml("one"))
    words = [*daemons.TWIST, "--policies", "policies.toml", "--listen", daemons.ANY_PORT]
    service = daemons.Service(words, tmp_path)
    yield service.port
    service.kill()


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/status", DECISION])
def test_rebinding(chromium: Chromium, port: int, path: str) -> None:
    """A page of `rebound.example` gets a 421 where one of `localhost` reads everything."""
    found = {}
    for host in ("localhost", "rebound.example"):
        chromium.open(f"http://{host}:{port}/readyz")
        where, status, text = chromium.run(READ, path)
        assert where == f"{host}:{port}"
        found[host] = (status, "revision" in text or "origins" in text)
    assert found == {"localhost": (200, True), "rebound.example": (421, False)}
