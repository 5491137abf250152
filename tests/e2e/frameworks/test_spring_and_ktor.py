"""What only these two do: with their own error pages and contents, and with answers of JSON that are no decisions."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from cors_service.browser import preflight_check, preflight_headers
from cors_service.decision import ActivePolicies, Query
from cors_service.reader.sources import read_policies
from tests.answering import free_port
from tests.e2e.frameworks import ktor, spring_boot
from tests.e2e.frameworks.framework import ROOT, Framework, running
from tests.e2e.frameworks.further import LONG, NEVER
from tests.e2e.frameworks.world import Asking, Decider
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, STRANGER, VARY, State, page, preflight

BOTH: Final = (spring_boot.FRAMEWORK, ktor.FRAMEWORK)

GRANT: Final = {
    "policy": "catalogue",
    "kind": "actual",
    "allowed": True,
    "status": None,
    "headers": [["Access-Control-Allow-Origin", PARTNER], ["Vary", "Origin"]],
    "revision": "1",
    "ttl": 0,
}
"""A decision, as far as they need it."""

NONE: Final[dict[str, Any]] = {
    "an empty object": {},
    "a list": [],
    "a string": "allowed",
    "without ttl": {key: value for key, value in GRANT.items() if key != "ttl"},
    "headers are none": {**GRANT, "headers": None},
}
"""Answers of JSON that are no decisions."""


class Stub(ThreadingHTTPServer):
    """Answers whatever it is asked with one text, as JSON.

    Attributes:
        text: The text.
        asked: The bodies that it received.
    """

    daemon_threads = True
    text = json.dumps(GRANT).encode("ascii")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[Any] = []

    @property
    def port(self) -> int:
        """Its port."""
        return self.server_address[1]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    server: Stub

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.text)))
        self.end_headers()
        self.wfile.write(self.server.text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


ALLOWED: Final = {
    "from-ktor.md": [
        ("https://shop.example.com", "PUT", "content-type,x-catalogue-a", True),
        ("https://m.shop.example.com", "POST", "authorization", True),
        ("https://a.b.partner.example", "DELETE", "", True),
        ("https://x.shop.example.com", "GET", "", False),
        ("http://shop.example.com", "GET", "", False),
        ("https://partner.example", "GET", "", False),
        ("https://shop.example.com", "PATCH", "", False),
        ("https://shop.example.com", "PUT", "x-other", False),
    ],
    "from-spring.md": [
        ("https://shop.example.com", "PUT", "content-type,authorization", True),
        ("https://a.b.partner.example", "DELETE", "", True),
        ("http://localhost:8080", "GET", "", True),
        ("http://localhost", "GET", "", False),
        ("https://m.shop.example.com", "GET", "", False),
        ("https://shop.example.com", "POST", "", False),
        ("https://shop.example.com", "PUT", "x-other", False),
    ],
}
"""What the examples of the documents say about preflights: origin, method, names of headers, and the answer."""


@contextmanager
def stubbed() -> Iterator[Stub]:
    """Run a stub until the block ends."""
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """What both of them ask."""
    with stubbed() as started:
        yield started


@pytest.fixture(scope="module", params=BOTH, ids=lambda framework: framework.name)
def either(request: pytest.FixtureRequest) -> Framework:
    """Each of both."""
    chosen: Framework = request.param
    return chosen


@pytest.fixture(scope="module")
def misled(either: Framework, stub: Stub, deciders: dict[int, Decider]) -> Iterator[Asking]:
    """One that asks the stub."""
    with running(either, stub.port) as port:
        yield Asking(port, deciders[NEVER])


@pytest.fixture(scope="module")
def asking(either: Framework, deciders: dict[int, Decider]) -> Iterator[Asking]:
    """One that asks a service whose decisions are good for long."""
    with running(either, deciders[LONG].switch.port) as port:
        yield Asking(port, deciders[LONG])


def answer_with(stub: Stub, value: object) -> None:
    """Have a stub answer with a value from now on."""
    stub.asked.clear()
    stub.text = json.dumps(value).encode("utf-8")


def test_what_is_asked(misled: Asking, stub: Stub) -> None:
    """The method, and the headers that decide with all their values; nothing else of the request."""
    answer_with(stub, GRANT)
    requested = ("Access-Control-Request-Headers", "x-a,x-b")
    lines = [("Cookie", "session=1"), ("Origin", PARTNER), requested, requested]
    assert misled.ask("PATCH", PATH, lines).cors == {"access-control-allow-origin": PARTNER}
    headers = [["Origin", PARTNER], list(requested), list(requested)]
    assert [{"policy": "catalogue", "method": "PATCH", "headers": headers}] == stub.asked


@pytest.mark.parametrize("kind", NONE)
def test_no_decision(kind: str, misled: Asking, stub: Stub) -> None:
    """What is no decision grants nothing, and breaks nothing."""
    answer_with(stub, NONE[kind])
    answer = misled.ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.is_of_application, answer.cors, answer.vary) == (200, True, {}, VARY)
    refused = preflight(misled, page(PARTNER, "PUT"))
    assert (refused.status, refused.cors, refused.is_of_application) == (403, {}, False)
    answer_with(stub, GRANT)
    assert misled.ask("GET", PATH, [("Origin", PARTNER)]).cors == {"access-control-allow-origin": PARTNER}


def test_all_headers_of_the_decision(misled: Asking, stub: Stub) -> None:
    """Whatever it names takes the place of the application's, but for `Vary`; what it does not name stays."""
    lines = [["Cross-Origin-Resource-Policy", "same-origin"], ["Vary", "Origin, X-Other"]]
    answer_with(stub, {**GRANT, "headers": lines})
    answer = misled.ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.resource_policies, answer.vary) == (["same-origin"], ["accept-encoding", "origin", "x-other"])
    answer_with(stub, {**GRANT, "headers": []})
    answer = misled.ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.resource_policies, answer.vary) == (["cross-origin"], ["accept-encoding"])


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/catalogue/late", 200), ("/catalogue/bytes", 200), ("/catalogue/channel", 200)],
)
def test_every_way_to_answer(path: str, status: int, misled: Asking, stub: Stub) -> None:
    """A path without a handler, headers that are set at the last moment, and every kind of content."""
    answer_with(stub, GRANT)
    answer = misled.ask("GET", path, [("Origin", PARTNER)])
    assert (status, {"access-control-allow-origin": PARTNER}, VARY) == (answer.status, answer.cors, answer.vary)


def test_nothing_to_send(misled: Asking, stub: Stub) -> None:
    """An answer without a body is one that can be read to its end, and the connection goes on."""
    answer_with(stub, GRANT)
    with misled.connected() as connection:
        for _ in range(2):
            answer = connection.ask("GET", "/catalogue/empty", [("Origin", PARTNER)])
            assert (answer.status, answer.body, answer.vary) == (204, b"", VARY)
            assert answer.cors == {"access-control-allow-origin": PARTNER}
            assert connection.is_open


def test_slow_service(asking: Asking) -> None:
    """Nobody waits for a service that does not answer: without an end of their own, these would have none."""
    with asking.service(State.SLOW):
        for number in range(3):
            assert asking.ask("GET", PATH, [("Origin", f"https://slow{number}.example")]).cors == {}


def test_long_questions_are_not_kept(asking: Asking) -> None:
    """What clients send does not fill the memory: 1000 decisions are kept, about questions of 2000 characters."""
    short, long = ("x-catalogue-a", "x-catalogue-" + "a" * 2000)
    for name in (short, long):
        request = page(PARTNER, "PUT", name)
        answer = preflight(asking, request)
        assert preflight_check(request, answer.status, answer.lines).allowed
    with asking.service(State.DOWN):
        assert [preflight(asking, page(PARTNER, "PUT", name)).status for name in (short, long)] == [204, 403]


def test_start_without_the_service(either: Framework, deciders: dict[int, Decider]) -> None:
    """It starts, and serves its site."""
    with running(either, free_port()) as port:
        subject = Asking(port, deciders[NEVER])
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert (200, True, DECIDED[STRANGER]) == (answer.status, answer.is_of_application, answer.cors)
        assert subject.ask("OPTIONS", PATH, preflight_headers(page(PARTNER, "PUT"))).status == 403


@pytest.mark.parametrize("name", ALLOWED)
def test_documents(name: str, tmp_path: Path) -> None:
    """The policy of a document allows what the configuration before it does, and nothing else."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    [policy] = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "policies.toml"
    path.write_text(policy, encoding="utf-8")
    active = ActivePolicies(read_policies(path))
    for origin, method, names, expected in ALLOWED[name]:
        lines = [("Origin", origin), ("Access-Control-Request-Method", method)]
        lines += [("Access-Control-Request-Headers", names)] * bool(names)
        decision = active.decide(Query.received("OPTIONS", lines, policy="catalogue"))
        assert (origin, method, names, expected) == (origin, method, names, decision.allowed)
