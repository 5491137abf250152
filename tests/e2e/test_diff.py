"""What `cors-service diff` says of two sets is what two services answer, one with each."""

from __future__ import annotations

import http.client
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service

COMMAND = str(Path(sys.executable).with_name("cors-service"))
POLICIES = Path(__file__).parents[2] / "etc" / "policies.toml"
EDITS = (
    ('"https://*.partner.example.net"', '"https://*.example.net"'),
    ('methods = ["GET", "PUT", "PATCH", "DELETE"]', 'methods = ["GET", "PUT", "PURGE"]'),
    ('"x-csrf-token"', '"x-csrf-*"'),
    ('expose_headers = ["x-next-page"]', 'expose_headers = ["x-next-page", "x-total"]'),
    ("pr-[0-9]{1,6}", "(pr|mr)-[0-9]{1,5}"),
    ("127.0.0.1:8000-8999", "127.0.0.1:8000-9000"),
    ("192.168.0.0/16", "192.168.0.0/15"),
    ('"https://<tenant>.app.example.com"', '"https://<tenant>.app.example.com", "https://<tenant>.apps.example.com"'),
    ("refuse = true", 'methods = ["GET"]'),
    ("max_age = 3600", "max_age = 60"),
    ("preflight_status = 200", "preflight_status = 204"),
    ('match = ["lab.example.com/"]', 'match = ["lab.example.com/", "lab2.example.com/"]'),
    ('resource_policy = "cross-origin"', 'resource_policy = "same-site"'),
    ("static = true", "static = false"),
)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Give a service with the policies that are delivered, and one with every edit."""
    directory = tmp_path_factory.mktemp("diff")
    text = POLICIES.read_text()
    (directory / "old.toml").write_text(text)
    for old, new in EDITS:
        assert old in text
        text = text.replace(old, new)
    (directory / "new.toml").write_text(text)
    with ExitStack() as stack:
        started = []
        for name in ("old.toml", "new.toml"):
            service = Service([*TWIST, "--policies", name, "--listen", ANY_PORT], directory)
            stack.callback(service.kill)
            started.append(service)
        yield started


def diff(old: Service, new: Service, *options: str) -> str:
    """Compare what two services decide by."""
    sources = [f"http://127.0.0.1:{service.port}" for service in (old, new)]
    done = subprocess.run([COMMAND, "diff", *sources, *options], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def answer(service: Service, query: Any) -> Any:
    """Ask a service about a query."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        connection.request("POST", "/v1/decision", json.dumps(query), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def essence(said: Any) -> object:
    """What matters of an answer: everything but what only says which set it came from."""
    if "code" in said:
        return said["code"]
    return {key: said[key] for key in ("kind", "allowed", "status", "headers", "policy")}


def test_witnesses(services: list[Service]) -> None:
    """Each witness is answered differently by the two, and each as the difference says."""
    old, new = services
    differences = json.loads(diff(old, new, "--json"))["differences"]
    assert len(differences) > len(EDITS)
    assert {"wider", "narrower", "other"} == {one["direction"] for one in differences}
    for one in differences:
        answers = [answer(service, one["witness"]) for service in services]
        assert essence(answers[0]) != essence(answers[1]), one
        for said, key in zip(answers, ("before", "after"), strict=True):
            told = one[key].get("error", one[key])
            assert essence(told) == essence(said)
            assert "code" in said or told["revision"] == said["revision"]


def test_directions(services: list[Service]) -> None:
    """A change back is as wide as the change is narrow."""
    old, new = services
    there, back = (json.loads(diff(*pair, "--json"))["differences"] for pair in ((old, new), (new, old)))
    opposite = {"wider": "narrower", "narrower": "wider", "other": "other"}
    assert {(opposite[one["direction"]], one["policy"], one["what"]) for one in there} == {
        (one["direction"], one["policy"], one["what"]) for one in back
    }


def test_curl(services: list[Service]) -> None:
    """The commands that a reviewer may copy ask the new service, and show what it answers after the change."""
    old, new = services
    lines = [line.split("see it", 1)[1] for line in diff(old, new).splitlines() if line.startswith("  see it")]
    written = json.loads(diff(old, new, "--json"))["differences"]
    assert len(lines) == len(written)
    chosen = [*zip(lines, written, strict=True)][:: max(1, len(lines) // 8)]
    for line, one in chosen:
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
        assert essence(json.loads(done.stdout)) == essence(one["after"].get("error", one["after"]))
