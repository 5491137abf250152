"""`cors-service status` says whether everybody has the newest policies, and ends with a status that says it, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cors_service.cli import main

STORE = {
    "name": "postgresql://db/cors",
    "seq": 42,
    "head_seq": 42,
    "confirmed_at": "2026-11-21T09:30:28.412+00:00",
    "confirmed_age_seconds": 1.588,
    "behind_since": None,
    "problem": None,
}
PROBLEM = {"code": "store-does-not-load", "message": "The policies of change 43 have mistakes (1): no."}
REPLICA = {"instance": "eu-1", "revision": "sha256:1f", "seq": 42, "alive": True, "current": True, "age_seconds": 2.0}
GONE = REPLICA | {
    "instance": "eu-3",
    "alive": False,
    "current": False,
    "age_seconds": 90.2,
    "seq": None,
    "problem": None,
}


def service(store: dict[str, Any] | None, *, stale: bool = False) -> dict[str, Any]:
    """What a service says."""
    source = "policies" if store is None else store["name"]
    fields: dict[str, Any] = {"source": source, "revision": "sha256:1f", "policies": 1, "mistakes": [], "stale": stale}
    return {"/v1/status": fields | {"store": store}}


def fleet(waiting: list[str], *replicas: dict[str, Any]) -> dict[str, Any]:
    """What an admin process says."""
    fields: dict[str, Any] = {
        "seq": 42,
        "revision": "sha256:1f",
        "confirmed": 1,
        "waiting": waiting,
        "replicas": [*replicas],
    }
    return {"/admin/v1/fleet": fields}


class _Answers(BaseHTTPRequestHandler):
    told: dict[str, Any]

    def do_GET(self) -> None:
        found = self.path in self.told
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.told.get(self.path, {})).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Give where it is answered."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("told", "status", "lines"),
    [
        (service(None), 0, ["policies: 1 policy, sha256:1f"]),
        (
            service(STORE),
            0,
            [
                "postgresql://db/cors: 1 policy, sha256:1f",
                "change 42, confirmed to be the newest 1.6 seconds ago",
            ],
        ),
        (
            service(STORE | {"head_seq": 43, "behind_since": "2999-01-01T00:00:00Z", "problem": PROBLEM}, stale=True),
            2,
            [
                "postgresql://db/cors: 1 policy, sha256:1f",
                "change 42 of 43, behind for 0 seconds, confirmed to be the newest 1.6 seconds ago",
                "The policies of change 43 have mistakes (1): no. [store-does-not-load]",
            ],
        ),
        (
            service(STORE | {"confirmed_at": None, "confirmed_age_seconds": None}),
            2,
            ["postgresql://db/cors: 1 policy, sha256:1f", "change 42, never confirmed to be the newest"],
        ),
        (
            fleet([], REPLICA | {"problem": None}, GONE),
            0,
            [
                "change 42, sha256:1f: 1 of 1 live replicas have it",
                "eu-1: change 42, up to date",
                "eu-3: sha256:1f, behind; last heard of 90 seconds ago",
            ],
        ),
        (
            fleet(
                ["eu-2"],
                REPLICA | {"problem": None},
                REPLICA | {"instance": "eu-2", "current": False, "problem": PROBLEM},
            ),
            2,
            [
                "change 42, sha256:1f: 1 of 2 live replicas have it",
                "eu-1: change 42, up to date",
                "eu-2: change 42, behind",
                "  The policies of change 43 have mistakes (1): no. [store-does-not-load]",
            ],
        ),
        (
            fleet([]) | {"/admin/v1/status": {"proposals": 1}},
            0,
            [
                "change 42, sha256:1f: 1 of 0 live replicas have it",
                "not published: 1 change waits for a second person",
            ],
        ),
        (fleet([]) | {"/admin/v1/status": {"proposals": 0}}, 0, ["change 42, sha256:1f: 1 of 0 live replicas have it"]),
    ],
    ids=["documents", "current", "behind", "never", "fleet", "waiting", "proposal", "no proposal"],
)
def test_says(
    address: str, capsys: pytest.CaptureFixture[str], told: dict[str, Any], status: int, lines: list[str]
) -> None:
    """What it says is in a few lines, and the exit status says whether all is well."""
    _Answers.told = told
    assert main(["status", address]) == status
    assert capsys.readouterr().out.splitlines() == lines
    assert main(["status", address, "--json"]) == status
    assert json.loads(capsys.readouterr().out) in told.values()


def test_something_else(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is neither a service nor an admin process, or is not there, is an error in a sentence."""
    nonsense: list[dict[str, Any]] = [{}, {"/v1/status": {}}, {"/v1/status": []}, {"/admin/v1/fleet": {}}]
    for told in nonsense:
        _Answers.told = told
        assert main(["status", address]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["status", "http://127.0.0.1:1"]) == 1
    assert main(["status", "nonsense"]) == 1
