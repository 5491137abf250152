"""A shadow under a running service: it sees what is decided, and no answer changes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for

POLICIES = Path(__file__).parents[2] / "etc" / "policies.toml"
ORIGINS = (
    "https://app.example.com",
    "https://partner.example.net",
    "https://x.partner.example.net",
    "https://evil.example",
    "null",
    "nonsense",
)
# Of each answer, the date and the name are its own.
OWN = {"date", "cors-decision-id"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Give a service without a shadow, one with, and one of two processes with."""
    directory = tmp_path_factory.mktemp("shadow")
    text = POLICIES.read_text()
    (directory / "policies.toml").write_text(text)
    (directory / "shadow.toml").write_text(
        text.replace('"https://*.partner.example.net"', '"https://x.partner.example.net"')
    )
    command = [*TWIST, "--policies", "policies.toml", "--listen", ANY_PORT]
    with ExitStack() as stack:
        started = []
        for more in ([], ["--shadow", "shadow.toml"], ["--shadow", "shadow.toml", "--workers", "2"]):
            service = Service([*command, *more], directory)
            stack.callback(service.kill)
            started.append(service)
        for service in started[1:]:
            wait_for(partial(revision, service), "the shadow")
        yield started


def revision(service: Service) -> str | None:
    """The revision of the shadow of a service, or of one of its processes."""
    found: str | None = status(service)["shadow"]["revision"]
    return found


def status(service: Service) -> Any:
    """Ask a service, or one of its processes, how it is."""
    return ask(service.port, "/v1/status").json


def raw(service: Service, method: str, path: str, body: str | None, headers: dict[str, str]) -> object:
    """Ask a service, and give everything of its answer but what is its own."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        lines = sorted((name, value) for name, value in response.getheaders() if name.lower() not in OWN)
        return response.status, lines, response.read()
    finally:
        connection.close()


def questions() -> Iterator[tuple[str, str, str | None, dict[str, str]]]:
    """Give questions of every kind."""
    for origin in ORIGINS:
        for policy in ("catalogue", "prices", "app", "absent"):
            yield "GET", f"/v1/decision?policy={policy}&origin={origin}", None, {}
            query = {
                "policy": policy,
                "method": "OPTIONS",
                "headers": {"Origin": origin, "Access-Control-Request-Method": "PUT"},
            }
            yield "POST", "/v1/decision", json.dumps(query), {"Content-Type": "application/json"}
            yield "GET", f"/v1/auth-request/{policy}", None, {"X-Original-Method": "GET", "Origin": origin}
        for url in ("https://api.example.com/catalogue/7", "https://app.example.com/api/", "https://nowhere.example/"):
            yield "GET", f"/v1/decision?url={url}&origin={origin}", None, {}


def test_no_answer_changes(services: list[Service]) -> None:
    """A service with a shadow answers as one without, byte for byte, whatever is asked, and however often."""
    asked = 0
    for question in [*questions()] * 3:
        first, *others = [raw(service, *question) for service in services]
        assert others == [first, first], question
        asked += 1
    assert asked > 200


def test_status(services: list[Service]) -> None:
    """The status says how often the shadow would decide differently, and gives a query that shows it."""
    alone, shadowed, _ = services
    for number in range(3):
        ask(shadowed.port, f"/v1/decision?policy=catalogue&origin=https://y{number}.partner.example.net&method=PUT")
    shadow = status(shadowed)["shadow"]
    assert "shadow" not in status(alone)
    assert shadow["compared"] >= 3
    counts = {(one["policy"], one["direction"]): one["count"] for one in shadow["differences"]}
    assert counts["catalogue", "narrower"] >= 3
    assert set(counts) <= {("catalogue", "narrower"), ("catalogue", "other")}
    sample = next(one for one in shadow["samples"] if one["what"] == "method")
    assert sample["query"]["policy"] == "catalogue"


def test_a_shadow_that_does_not_load(tmp_path: Path) -> None:
    """A shadow with mistakes, or without a file, is a warning; the service starts and decides."""
    (tmp_path / "policies.toml").write_text(POLICIES.read_text())
    service = Service(
        [*TWIST, "--policies", "policies.toml", "--shadow", "absent.toml", "--listen", ANY_PORT], tmp_path
    )
    try:
        service.said("1 mistake in the policies of the shadow absent.toml: absent.toml: The document can't be read")
        assert ask(service.port, "/v1/decision?policy=prices&origin=https://a.example").json["allowed"]
        shadow = status(service)["shadow"]
        assert (shadow["revision"], shadow["compared"], len(shadow["mistakes"])) == (None, 0, 1)
        assert not status(service)["mistakes"]
        (tmp_path / "absent.toml").write_text('version = 1\n[policies.prices]\norigins = ["https://a.example"]\n')
        wait_for(partial(revision, service), "the shadow")
        ask(service.port, "/v1/decision?policy=prices&origin=https://b.example")
        [difference] = [one for one in status(service)["shadow"]["differences"] if one["direction"] == "narrower"]
        assert difference["policy"] == "prices"
    finally:
        service.kill()
