"""Tests of answers that take long: they keep their order, their limits, and nobody waiting."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from cors_service.policy import read_document, write_document
from cors_service.server import DecisionSite, ServerLimits
from cors_service.server.channel import MOST_IN_A_TURN, DecisionChannel
from cors_service.server.quick import QuickChannel
from cors_service.web import DecisionTree, decision_resource
from cors_service.wire.json_text import write_json
from fuzz.request import said
from tests.server.test_backpressure import BUFFER, Narrow
from tests.web.traversal import live, tree_of

DOCUMENT = {
    "version": 1,
    "policies": {f"policy-{number}": {"origins": [f"https://a{number}.example"]} for number in range(800)},
}
WHOLE = write_json(write_document(read_document(DOCUMENT)))
PIECE = 2**16
END = b"Host: a\r\nX-Request-ID: %d\r\n\r\n"
BATCH = 400


def batch(count: int = BATCH, policy: str = "policy-7") -> bytes:
    """The body of a batch."""
    query = {"policy": policy, "method": "GET", "origin": "https://a7.example"}
    return json.dumps({"queries": [query | {"method": f"M{number}"} for number in range(count)]}).encode("ascii")


def get(number: int, path: str = "/livez", method: str = "GET") -> bytes:
    """A request whose answer repeats its number."""
    return b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), path.encode("ascii")) + END % number


def post(number: int, body: bytes, path: str = "/v1/decisions") -> bytes:
    """A request with a body."""
    return b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n" % (path.encode("ascii"), len(body)) + END % number + body


class Wire(Narrow):
    """A transport with halves that can be closed alone."""

    def loseWriteConnection(self) -> None:
        """Take note of nothing: the other half is still open."""


class World:
    """A connection in memory to a service."""

    def __init__(self, kind: type[DecisionChannel], tree: DecisionTree | None = None, **limits: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1e9)
        self.tree = tree or decision_resource(read_document(DOCUMENT), clock=self.clock)
        self.site = DecisionSite(self.tree, self.clock, limits=ServerLimits(**limits), channel=kind)
        self.channel: Any = self.site.buildProtocol(None)
        self.wire = Wire()
        self.channel.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        """Send something."""
        self.channel.dataReceived(data)

    def turn(self, count: int = 1) -> None:
        """Let turns of the reactor pass, and no time."""
        for _ in range(count):
            self.clock.advance(0)

    def read_all(self) -> None:
        """Have the client read whatever comes."""
        while self.wire.waiting or any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.turn()
            self.wire.take(self.wire.waiting)

    def answers(self) -> list[tuple[int, int, int]]:
        """The status, the number and the length of each answer that the client has read."""
        return [
            (int(answer.status), int(dict(answer.lines)[b"x-request-id"]), len(answer.body))
            for answer in said(self.wire.taken)
        ]

    def lose(self) -> None:
        """Lose the connection, and see that nothing is left."""
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.turn(3)
        assert (self.clock.getDelayedCalls(), list(self.site.channels), self.site.held) == ([], [], 0)


each_channel = pytest.mark.parametrize("kind", [QuickChannel, DecisionChannel])


@each_channel
@pytest.mark.parametrize("size", [50, 1000, 10**6])
def test_order(kind: type[DecisionChannel], size: int) -> None:
    """Answers to pipelined requests come in their order, whether they take long or not."""
    world = World(kind)
    sent = b"".join(
        [
            get(0),
            post(1, batch()),
            get(2),
            get(3, "/v1/policies"),
            get(4, "/v1/policies", "HEAD"),
            post(5, batch(3)),
            post(6, b" " * 50_000 + b'{"policy":"policy-7","method":"GET"}', "/v1/decision"),
            post(7, b"x" * 50_000),
            get(8, "/v1/policies"),
            get(9),
        ]
    )
    for at in range(0, len(sent), size):
        if world.wire.producerState == "paused":
            world.read_all()
        world.send(sent[at : at + size])
    world.read_all()
    found = world.answers()
    assert [number for _, number, _ in found] == list(range(10))
    assert [status for status, _, _ in found] == [200] * 7 + [400] + [200] * 2
    assert [length for _, _, length in found[3:5]] == [len(WHOLE), 0]
    assert found[8][2] == len(WHOLE)
    world.lose()


@each_channel
def test_bodies(kind: type[DecisionChannel]) -> None:
    """What takes long has the same answer as what does not."""
    world = World(kind)
    world.send(post(0, batch()) + get(1, "/v1/policies"))
    world.read_all()
    decided, document = (answer.body for answer in said(world.wire.taken))
    assert document == WHOLE
    world.send(
        b"".join(post(2, json.dumps({"queries": [query]}).encode("ascii")) for query in json.loads(batch())["queries"])
    )
    world.read_all()
    alone = [json.loads(answer.body)["decisions"][0] for answer in list(said(world.wire.taken))[2:]]
    assert alone == json.loads(decided)["decisions"]
    world.lose()


@each_channel
def test_one_revision(kind: type[DecisionChannel]) -> None:
    """A batch that was begun before a change is decided by the policies before it, all of it; what comes behind it on
    the same connection is decided by those after.
    """
    clock = Clock()
    store, policies = live(DOCUMENT, clock)
    policies.startService()
    world = World(kind, tree_of(policies, clock))
    before = policies.status.revision
    world.send(post(0, batch()) + post(1, batch()))
    store.replace({"version": 1, "policies": {"policy-7": {"origins": ["*"]}}})
    clock.advance(1)
    while clock.getDelayedCalls() or world.wire.waiting:
        clock.advance(0)
        world.wire.take(world.wire.waiting)
    revisions = [
        {decision["revision"] for decision in json.loads(answer.body)["decisions"]} for answer in said(world.wire.taken)
    ]
    assert revisions == [{before}, {policies.status.revision}]
    assert before != policies.status.revision
    policies.stopService()


@each_channel
def test_no_time_limit_for_the_service(kind: type[DecisionChannel]) -> None:
    """However long an answer takes, the request was complete in time, and the connection is not idle."""
    world = World(kind, request_timeout=5.0, idle_timeout=7.0)
    world.send(get(0, "/v1/policies"))
    world.send(get(1)[:10])
    for _ in range(3):
        # The client reads too little for the answer to go on.
        world.turn(3)
        world.clock.advance(4)
    assert not world.wire.disconnecting
    world.send(get(1)[10:])
    world.read_all()
    assert [number for _, number, _ in world.answers()] == [0, 1]
    world.clock.advance(8)
    assert world.wire.disconnecting
    world.lose()


@each_channel
def test_time_limit_behind(kind: type[DecisionChannel]) -> None:
    """Half a request that came while another was answered has to be complete in time from then on."""
    world = World(kind, request_timeout=5.0)
    world.send(get(0, "/v1/policies") + get(1)[:10])
    world.read_all()
    world.clock.advance(6)
    world.read_all()
    assert b"HTTP/1.1 408 " in world.wire.taken
    world.clock.advance(3)
    world.lose()


@each_channel
def test_sent_no_faster_than_read(kind: type[DecisionChannel]) -> None:
    """Of a long answer no more waits than a buffer and a piece, however many turns pass."""
    world = World(kind)
    world.send(get(0, "/v1/policies"))
    most = 0
    while not world.wire.taken.endswith(b"}}"):
        world.turn(10)
        most = max(most, world.wire.waiting)
        world.wire.take(1 + world.wire.waiting // 2)
    assert most <= BUFFER + PIECE + 1000
    assert len(WHOLE) > 2 * PIECE
    world.lose()


@each_channel
@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("path", ["/v1/policies", "/v1/decisions"])
def test_gone(kind: type[DecisionChannel], turns: int, path: str) -> None:
    """If a client goes, whatever is done for it ends, and others are served."""
    world = World(kind)
    world.send(get(0, path) if path == "/v1/policies" else post(0, batch()) + post(1, batch()))
    world.turn(turns)
    world.lose()
    other = World(kind, world.tree)
    other.clock = world.clock
    for _ in range(6):
        # As many as can be decided at the same time, and more.
        other.send(post(1, batch()))
    other.read_all()
    assert len(other.answers()) == 6


@each_channel
def test_drained(kind: type[DecisionChannel]) -> None:
    """An answer that is under way when the service begins to stop is completed, and is the last."""
    world = World(kind)
    world.send(get(0, "/v1/policies") + get(1))
    ended = world.site.drain(20.0)
    for _ in range(5):
        world.clock.advance(0.2)
        assert not ended.called
    world.read_all()
    assert world.answers()[0] == (200, 0, len(WHOLE))
    assert world.wire.disconnecting
    world.channel.connectionLost(Failure(ConnectionDone()))
    world.clock.advance(1)
    assert ended.called


@each_channel
def test_held_while_it_waits(kind: type[DecisionChannel]) -> None:
    """What is kept for a connection counts from the first byte of a body to the last of an answer."""
    world = World(kind)
    body = batch()
    sent = post(0, body)
    world.send(sent[:20_000])
    assert 19_000 <= world.channel.held <= 21_000
    world.send(sent[20_000:])
    assert len(body) <= world.channel.held <= len(sent)
    world.turn(3)
    # In memory, a transport does not say what waits in it: the answer without its first piece.
    assert world.channel.held >= 90_000
    world.wire.take(10**6)
    world.read_all()
    assert world.channel.held == 0
    world.lose()


@each_channel
def test_too_much_is_held(kind: type[DecisionChannel]) -> None:
    """If too much waits for all connections together, the one that holds most is broken off at once."""
    world = World(kind, held=50_000)
    world.send(post(0, b" " * 60_000 + batch(1))[:-1])
    assert world.wire.disconnected
    assert world.site.closed == {"crowded": 0, "peer": 0, "held": 1, "unread": 0}
    assert world.site.held == 0
    world.send(b"}")
    world.lose()


def test_pairs_of_sizes() -> None:
    """A batch of few queries is answered at once, in the turn in which it comes."""
    world = World(QuickChannel)
    for before, after in pairwise([0, 1, 50, 100]):
        world.send(post(after, batch(after)))
        world.wire.take(10**6)
        assert world.answers()[-1][1] == after > before
    world.send(post(0, batch(101)))
    assert world.wire.waiting == 0
    world.read_all()
    assert world.answers()[-1][1] == 0
    world.lose()


@each_channel
@pytest.mark.parametrize("way", ["plain", "chunked"])
def test_many_at_once(kind: type[DecisionChannel], way: str) -> None:
    """Of many requests that come at once a few are answered before others have their turn, and nothing more is read
    until all are answered, in their order.
    """
    world = World(kind)
    line = b"Transfer-Encoding: chunked\r\n" if way == "chunked" else b""
    end = b"0\r\n\r\n" if way == "chunked" else b""
    world.send(b"".join(get(number).replace(b"Host", line + b"Host") + end for number in range(100)))
    assert world.wire.value().count(b"HTTP/1.1 200") == MOST_IN_A_TURN
    assert world.wire.producerState == "paused"
    world.read_all()
    assert world.wire.producerState == "producing"
    assert [number for _, number, _ in world.answers()] == list(range(100))
    world.send(get(100))
    world.read_all()
    assert world.answers()[-1][1] == 100
    world.lose()


@each_channel
def test_gone_between(kind: type[DecisionChannel]) -> None:
    """A client that goes while others have their turn leaves nothing behind."""
    world = World(kind)
    world.send(b"".join(map(get, range(100))))
    world.turn()
    world.lose()


@each_channel
def test_drained_between(kind: type[DecisionChannel]) -> None:
    """A service that begins to stop while others have their turn answers one more request, and says that it closes."""
    world = World(kind)
    world.send(b"".join(map(get, range(100))))
    ended = world.site.drain(20.0)
    world.clock.pump([0.5] * 4)
    world.wire.take(10**6)
    numbers = [number for _, number, _ in world.answers()]
    assert numbers == list(range(MOST_IN_A_TURN + 1))
    assert world.wire.disconnecting
    world.channel.connectionLost(Failure(ConnectionDone()))
    world.clock.advance(1)
    assert ended.called
