"""What seeing adds to the way of a request, from the bytes that come to those that go.

Two processes can't be compared to less than a percent. Here, sites in one process that differ in nothing else get the
same requests in turn, for some milliseconds each.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, cycle, islice
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from benchmarks import questions
from benchmarks.load import NUMBER
from benchmarks.plan import Plan
from cors_service.observe.interfaces import ITally
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import NoTally, RowTally, Tally
from cors_service.policy import read_document
from cors_service.server.site import DecisionSite
from cors_service.store import IPolicies, LivePolicies, MemoryPolicyStore
from cors_service.store.shadow import ShadowedPolicies, ShadowLive
from cors_service.web import decision_resource

WITHOUT: Final = "none of it"
AGAIN: Final = "none of it, again"
"""A second one of the same kind: what it seems to cost tells how exact the figures are."""
COUNTING: Final = "counting"
LOG: Final = "the decision log"
BOTH: Final = "counting with the log"
SHADOW: Final = "a shadow"
BESIDE: Final = {
    AGAIN: (AGAIN, WITHOUT),
    COUNTING: (COUNTING, WITHOUT),
    LOG: (BOTH, COUNTING),
    BOTH: (BOTH, WITHOUT),
    SHADOW: (SHADOW, WITHOUT),
}
"""What does it, and what does not: who wants a log has it beside the metrics, which every service has."""
_TALLIES: Final[dict[str, Callable[[], ITally]]] = {
    WITHOUT: NoTally,
    AGAIN: NoTally,
    COUNTING: lambda: Tally(Table(), Sights(float)),
    BOTH: lambda: RowTally(Table(), Sights(float)),
    SHADOW: NoTally,
}
_TURNS: Final = 40
_REQUESTS: Final = 1024
"""How many a site gets in its turn."""

Document = Mapping[str, Any]
"""Policies, as JSON types."""
ByKind = dict[tuple[str, str], float]
"""A figure for each that sees something, and each kind of request."""


def measure(plan: Plan, asked: Mapping[str, Sequence[bytes]], beside: Document) -> ByKind:
    """Measure how much longer each takes than what it is BESIDE.

    Args:
        plan: How long to measure.
        asked: Requests, by their kind; each is sent again and again, a NUMBER in it is another each time.
        beside: The policies of the shadow.

    Returns:
        Microseconds.
    """
    numbers, order = count(), Random(0)
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(plan.rounds):
        connections = {
            name: Connection(policies(beside if name == SHADOW else None), tally()) for name, tally in _TALLIES.items()
        }
        gc.collect()
        for kind, requests in asked.items():
            for connection in connections.values():
                connection.seconds(_next(requests, numbers))
            for _ in range(3 if plan.quick else _TURNS):
                # Whoever comes behind one that does the same finds more in the caches.
                turn = order.sample([*_TALLIES], len(_TALLIES))
                taken = {name: connections[name].seconds(_next(requests, numbers)) for name in turn}
                for name, (one, without) in BESIDE.items():
                    found.setdefault((name, kind), []).append((taken[one] - taken[without]) / _REQUESTS * 1e6)
    return {which: median(each) for which, each in found.items()}


def _next(requests: Sequence[bytes], numbers: Iterator[int]) -> list[bytes]:
    """As many requests as a turn has."""
    turn = zip(islice(cycle(requests), _REQUESTS), numbers, strict=False)
    return [request.replace(NUMBER, b"%0*d" % (len(NUMBER), number)) for request, number in turn]


def policies(beside: Document | None) -> IPolicies:
    """Give the policies that decide, and perhaps a shadow beside them."""
    live = _active(LivePolicies, questions.document())
    return live if beside is None else ShadowedPolicies(live, _active(ShadowLive, beside))


def _active(holder: type[LivePolicies], document: Document) -> LivePolicies:
    policies = holder(MemoryPolicyStore(document), Clock())
    policies.activate(read_document(document))
    return policies


class Connection:
    """A connection to a site in this process."""

    def __init__(self, policies: IPolicies, tally: ITally) -> None:
        """Make a site, and connect to it.

        Args:
            policies: What it decides by.
            tally: What counts.
        """
        clock, client = Clock(), IPv4Address("TCP", "127.0.0.1", 1)
        site = DecisionSite(decision_resource(policies, clock=clock, tally=tally), clock)
        self._answers = _Answers(peerAddress=client)
        self._channel = site.buildProtocol(client)
        assert self._channel is not None
        self._channel.makeConnection(self._answers)

    def seconds(self, requests: Sequence[bytes]) -> float:
        """Send requests, each for itself; give how long it took until all were answered.

        Raises:
            RuntimeError: Not all were.
        """
        before = self._answers.good
        take = self._channel.dataReceived
        begun = perf_counter()
        for request in requests:
            take(request)
        seconds = perf_counter() - begun
        if self._answers.good - before != len(requests):
            raise RuntimeError(f"{self._answers.good - before} of {len(requests)} requests were answered")
        return seconds


class _Answers(StringTransport):
    """Counts the good answers that are written, and drops them."""

    good = 0

    def write(self, data: bytes) -> None:
        self.good += data.startswith(b"HTTP/1.1 200 ")
