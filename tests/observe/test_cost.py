"""Tests of what counting costs, in instructions of Python: the same on every machine, however busy it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from cors_service.decision.steps import at_once
from cors_service.observe.exposition import Exposition
from cors_service.observe.interfaces import ITally
from cors_service.observe.process import Process
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import DECISIONS, NoTally, RowTally, Tally
from cors_service.observe.totals import Totals
from cors_service.policy import read_document
from cors_service.server import DecisionSite
from cors_service.web import decision_resource
from tests.decision.test_cost import instructions
from tests.observe.counting import POLICIES, stranger

DOCUMENT = {"version": 1, "policies": {"shop": {"origins": ["https://*.shop.example"], "methods": ["GET"]}}}
HEADERS = {"Host": "api.example.com", "Content-Type": "application/json"}


def asked(number: int) -> bytes:
    """A question of an origin."""
    origin = f"https://{number:06}.shop.example"
    body = json.dumps({"policy": "shop", "origin": origin, "method": "GET", "headers": HEADERS})
    return f"POST /v1/decision HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode("ascii")


class Caller:
    """A connection to a service that counts in some way."""

    def __init__(self, tally: ITally) -> None:
        tree = decision_resource(read_document(DOCUMENT), clock=Clock(), tally=tally)
        self._channel: Any = DecisionSite(tree, Clock()).buildProtocol(None)
        self._channel.makeConnection(StringTransport())

    def remembered(self) -> int:
        """What an answer costs that is remembered."""
        sent = asked(0)
        return self._least(lambda _: sent)

    def new(self) -> int:
        """What an answer costs that was never given."""
        return self._least(lambda number: asked(1 + number))

    def _least(self, sent: Callable[[int], bytes]) -> int:
        """The least that one of many answers costs: names of answers come by the many, and durations are sampled."""
        requests = [sent(number) for number in range(20)]
        return min(instructions(partial(self._channel.dataReceived, one)) for one in requests)


def watched() -> ITally:
    """What counts in a service."""
    return Tally(Table(), Sights(float))


def logged() -> ITally:
    """What counts in a service that has a decision log."""
    return RowTally(Table(), Sights(float))


def crowded() -> ITally:
    """The same after so many new ones that no more of them have rows in this interval."""
    tally = RowTally(Table())
    for number in range(2000):
        tally.made(stranger(number), POLICIES.decide(stranger(number)))
    return tally


@pytest.mark.parametrize(
    ("make", "remembered", "new"), [(watched, 0.04, 0.05), (logged, 0.05, 0.25), (crowded, 0.05, 0.05)]
)
def test_counting_is_cheap(make: Callable[[], ITally], remembered: float, new: float) -> None:
    """Counting for metrics takes a twentieth at most of what Python executes for an answer without it; a new row takes
    more, but there is an end to rows in each interval.
    """
    plain, counting = Caller(NoTally()), Caller(make())
    assert counting.remembered() <= (1 + remembered) * plain.remembered()
    assert counting.new() <= (1 + new) * plain.new()


def longest_step(policies: int) -> int:
    """What the longest step of writing metrics costs, where so many policies were asked about in twelve ways each."""
    table, totals = Table(), Totals(0)
    totals.open(table)
    tally = Tally(table)
    for policy, way in product(range(policies), range(12)):
        tally.add(DECISIONS, f"policy-{policy:04}", "actual", "true", f"reason-{way}")
    exposition = Exposition(totals, lambda: 1, lambda: [Process("sha256:1", policies, 1, stale=False)])
    # What is done once is imported, and read.
    at_once(exposition.steps(""))
    steps, costs = exposition.steps(""), []
    with suppress(StopIteration):
        while True:
            costs.append(instructions(partial(next, steps)))
    return max(costs)


def test_the_steps_of_metrics_are_short() -> None:
    """However much is counted, no step of writing it takes longer."""
    assert longest_step(200) <= 1.1 * longest_step(100)
