"""Tests of what the log says about questions that can't be decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from cors_service.policy import read_document
from cors_service.web import decision_resource
from tests.observing import observed_by
from tests.web.traversal import POLICIES, Caller

PAGE = "https://partner.example"
ABSENT: dict[str, Any] = {"policy": "nothing", "method": "GET", "origin": PAGE}
ELSEWHERE: dict[str, Any] = {"url": "https://nowhere.example/a?secret=1", "method": "GET", "origin": PAGE}
UNREAD: dict[str, Any] = {"policy": 1, "method": "GET"}


def evaluation(query: dict[str, Any]) -> dict[str, Any]:
    """Ask the same as AuthZEN has it."""
    kind = "policy" if "policy" in query else "url"
    return {
        "subject": {"type": "origin", "id": query.get("origin", PAGE)},
        "action": {"name": query["method"]},
        "resource": {"type": kind, "id": query[kind]},
    }


ENDPOINTS: dict[str, Any] = {
    "form": lambda query: ("GET", f"/v1/decision?{urlencode(query)}", None),
    "query": lambda query: ("POST", "/v1/decision", query),
    "batch": lambda query: ("POST", "/v1/decisions", {"queries": [query]}),
    "long batch": lambda query: ("POST", "/v1/decisions", {"queries": [{**query, "headers": {"x": "\\"}}]}),
    "data": lambda query: ("POST", "/v1/data/cors/decision", {"input": query}),
    "evaluation": lambda query: ("POST", "/access/v1/evaluation", evaluation(query)),
    "evaluations": lambda query: ("POST", "/access/v1/evaluations", {"evaluations": [evaluation(query)]}),
}
"""What asks each endpoint about a query: the method, the target and the body."""


class Asked:
    """Asks a service, and keeps its warnings."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        self._caller = Caller(decision_resource(read_document(POLICIES), clock=self.clock))

    def observe(self, event: LogEvent) -> None:
        """Keep a line of the log."""
        if event["log_level"].name == "warn":
            self.told.append(event["what"])

    def ask(self, name: str, query: dict[str, Any]) -> None:
        """Ask an endpoint."""
        method, target, value = ENDPOINTS[name](query)
        body = None if value is None else json.dumps(value).encode()
        self._caller.ask(method, target, body, [("Content-Type", "application/json")])


@pytest.fixture
def asked() -> Iterator[Asked]:
    """Give a service whose log is read."""
    asked = Asked()
    with observed_by(asked.observe):
        yield asked


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_log_names_what_is_wrong(asked: Asked, name: str) -> None:
    """The log names a policy that is not there, and a URL that none matches, once a minute while it is asked about."""
    for _ in range(2):
        for query in (ABSENT, ELSEWHERE) * 3:
            asked.ask(name, query)
        assert asked.told == [
            "A caller asks what can't be decided: There is no policy 'nothing'.",
            "A caller asks what can't be decided: No policy matches 'https://nowhere.example/a'.",
        ]
        asked.told.clear()
        asked.clock.advance(60)


@pytest.mark.parametrize("name", ["query", "batch", "data"])
def test_queries_that_are_none(asked: Asked, name: str) -> None:
    """The log says what is wrong with a query that can't be read, too."""
    asked.ask(name, UNREAD)
    assert asked.told == ["A caller asks what can't be decided: The field policy must be a string."]


def test_nobody_fills_the_log(asked: Asked) -> None:
    """However many names somebody asks about, the log has a few hundred of them a minute at most."""
    for number in range(500):
        asked.ask("batch", {**ABSENT, "policy": f"policy-{number}"})
    assert len(asked.told) == 256


def test_what_is_decided_is_no_warning(asked: Asked) -> None:
    """A refusal is a decision, and its origin is nothing for the log."""
    for name in ENDPOINTS:
        asked.ask(name, {"policy": "catalogue", "method": "GET", "origin": "https://stranger.example"})
    assert asked.told == []
