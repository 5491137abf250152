"""Asks a resource tree in memory, without a socket, and gives answers as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import treq
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from cors_service.decision import ActivePolicies
from cors_service.policy import read_document
from cors_service.store import IPolicies, LivePolicies, MemoryPolicyStore, Status
from cors_service.web import DecisionTree, Limits, decision_resource

POLICIES: dict[str, Any] = {
    "version": 1,
    "origin_sets": {"partners": ["https://partner.example", "https://*.partner.example"]},
    "policies": {
        "catalogue": {
            "match": ["api.example.com/catalogue/"],
            "rules": [
                {
                    "origins": ["@partners"],
                    "methods": ["GET", "PUT", "DELETE"],
                    "request_headers": ["content-type", "authorization", "x-catalogue-*"],
                    "expose_headers": ["x-request-id"],
                    "credentials": True,
                    "max_age": 600,
                },
                {"origins": ["*"]},
            ],
        },
        "prices": {"match": ["api.example.com/prices/"], "origins": ["*"]},
        "status": {"origins": ["https://status.example.com"]},
    },
}
"""What most tests decide by: a policy of two rules, one of an anonymous `*`, one of one origin and without `match`."""

METHODS = {
    "/v1/decision": "GET, HEAD, POST",
    "/v1/decisions": "POST",
    "/v1/policies": "GET, HEAD",
    "/v1/policies/status": "GET, HEAD",
    "/v1/policies/nothing": "GET, HEAD",
    "/v1/status": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/v1/data/cors/decision": "POST",
    "/v1/data/cors/apisix": "POST",
    "/access/v1/evaluation": "POST",
    "/access/v1/evaluations": "POST",
    "/.well-known/authzen-configuration": "GET, HEAD",
    "/livez": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/openapi.json": "GET, HEAD",
}
"""The paths of a tree, each with the methods that it has."""

Lines = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """An answer, as a client sees it.

    Attributes:
        status: Its status.
        lines: Its header lines, but for those that are the connection's business, such as Content-Length.
        body: Its body.
    """

    status: int
    lines: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that stands once at most; None if it is absent."""
        values = [value for line, value in self.lines if line.lower() == name.lower()]
        assert len(values) <= 1
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        """The status and the code of an answer that is an error."""
        assert self.header("Content-Type") == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, self.json["code"]


class Caller:
    """Sends requests to a resource without waiting: a request that is not answered at once is a failure.

    An answer that takes long has all the turns of the reactor that it needs, where the tree has a clock of tests.
    """

    def __init__(self, resource: Resource) -> None:
        self._agent = RequestTraversalAgent(resource)
        self._tree = resource if isinstance(resource, DecisionTree) else None

    def ask(self, method: str, path: str, body: bytes | None = None, lines: Lines = ()) -> Answer:
        """Send a request.

        Args:
            method: Its method.
            path: Its path and query string, as they go over the wire.
            body: Its body, or None for none.
            lines: Its header lines; no Content-Type is added.
        """
        headers = Headers()
        for name, value in lines:
            headers.addRawHeader(name.encode("ascii"), value.encode("latin-1"))
        producer = None if body is None else _Body(body)
        uri = f"http://cors.test{path}".encode("ascii")
        responding = self._agent.request(method.encode("ascii"), uri, headers, producer)
        self._take_turns()
        response: IResponse = _now(responding)
        answered = tuple(
            (name.decode("ascii"), value.decode("latin-1"))
            for name, values in response.headers.getAllRawHeaders()
            for value in values
        )
        parts: list[bytes] = []
        collecting = treq.collect(response, parts.append)
        self._take_turns()
        _now(collecting)
        return Answer(response.code, answered, b"".join(parts))

    def _take_turns(self) -> None:
        if self._tree is not None:
            take_turns(self._tree, self._agent.flush)

    def get(self, path: str, lines: Lines = (), /, **parameters: str | list[str]) -> Answer:
        """Send a GET, its parameters encoded as browsers encode them."""
        query = urlencode(parameters, doseq=True)
        return self.ask("GET", f"{path}?{query}" if query else path, lines=lines)

    def post(self, path: str, value: object, lines: Lines = ()) -> Answer:
        """Send a POST with this value as JSON."""
        return self.ask("POST", path, json.dumps(value).encode("ascii"), [("Content-Type", "application/json"), *lines])

    def decide(self, **fields: object) -> Any:
        """Ask for a decision by POST, and get one."""
        answer = self.post("/v1/decision", fields)
        assert answer.status == 200, answer.body
        return answer.json


def tree(document: dict[str, Any] = POLICIES, limits: Limits | None = None) -> DecisionTree:
    """A tree with active policies that never change."""
    return decision_resource(read_document(document), limits=limits, clock=Clock())


def live(document: dict[str, Any], clock: Clock) -> tuple[MemoryPolicyStore, LivePolicies]:
    """Policies that are not active before `startService`, and that `replace` changes at once."""
    store = MemoryPolicyStore(document)
    return store, LivePolicies(store, clock, in_thread=execute)


def tree_of(policies: IPolicies, clock: Clock | None = None) -> DecisionTree:
    """A tree that decides by whatever is active."""
    return decision_resource(policies, clock=clock or Clock())


def caller(document: dict[str, Any] = POLICIES, limits: Limits | None = None) -> Caller:
    """A caller of a tree with active policies that never change."""
    return Caller(tree(document, limits))


def take_turns(tree: DecisionTree, flush: Callable[[], object] = lambda: None) -> None:
    """Let a tree with a clock of tests do all that takes long.

    Args:
        tree: The tree.
        flush: Called behind each turn.
    """
    clock: Any = tree.turns.clock
    while any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
        clock.advance(0)
        flush()


@implementer(IPolicies)
class _BrokenPolicies:
    @property
    def active(self) -> ActivePolicies:
        raise LookupError("broken")

    @property
    def status(self) -> Status:
        raise LookupError("broken")


def broken() -> DecisionTree:
    """A tree that can't get at its policies, because of a fault. Whoever asks it finds a failure in the log."""
    return tree_of(_BrokenPolicies())


def on_the_wire(resource: Resource, sent: bytes) -> bytes:
    """What a site answers to these bytes on one connection."""
    site = Site(resource, reactor=Clock())
    channel = site.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(sent)
    channel.connectionLost(Failure(ConnectionDone()))
    return bytes(transport.value())


@implementer(IBodyProducer)
class _Body:
    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to be produced later."""

    def resumeProducing(self) -> None:
        """Nothing is left to be produced later."""

    def stopProducing(self) -> None:
        """Nothing is left to be produced later."""


def _now(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert len(results) == 1, "there is no answer yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]
