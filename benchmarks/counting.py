"""What seeing costs: services that count, have a decision log or a shadow, beside one that does none of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from benchmarks import questions
from benchmarks.figures import Part, table
from benchmarks.load import NUMBER, Load, send
from benchmarks.plan import Plan
from benchmarks.processes import Server, running, service
from benchmarks.questions import MIX, NEVER_REPEATED
from benchmarks.targets import Target
from cors_service.observe.interfaces import ITally
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import NoTally, RowTally, Tally
from cors_service.policy import PolicySet, read_document
from cors_service.server.site import DecisionSite
from cors_service.web import decision_resource

ASKED: Final = {
    "remembered": [questions.single(question) for question in MIX],
    "new": [questions.single(question) for question in NEVER_REPEATED],
}
"""Requests of one decision, by what is special about it."""


class Side(NamedTuple):
    """A service that does something besides deciding.

    Attributes:
        options: Its options.
        most: The percent that this may cost a decision, by the names of ASKED; none where the hot path tells more.
    """

    options: Sequence[str]
    most: dict[str, float]


WITHOUT: Final = "none of it"
AGAIN: Final = "none of it, again"
"""A second service of the same kind: what it seems to cost tells how exact the figures are."""
# Where a process has its memory makes a percent: all are started anew so many times.
_STARTS: Final = 6
_HOT: Final[dict[str, Callable[[], ITally]]] = {
    WITHOUT: NoTally,
    AGAIN: NoTally,
    "counting": lambda: Tally(Table(), Sights(float)),
    "the decision log": lambda: RowTally(Table(), Sights(float)),
}
"""What counts on the way of a request, by who is measured."""
_HOT_MOST: Final = 3
"""The percent of a decision that counting it may take on its way."""
_HOT_TURNS: Final = 40
_HOT_REQUESTS: Final = 1024

Pair = tuple[Load, Load]
"""What came of the same requests to a service, and to one that does nothing besides deciding, at the same time."""


def sides(directory: Path) -> dict[str, Side]:
    """Who is measured, by what it does.

    Args:
        directory: For the policies of the shadow.
    """
    document = questions.document()
    # The policy that is asked about differs, or there would be nothing to compare.
    document["policies"]["catalogue"]["rules"][0]["origins"].append("https://another.example")
    shadow = questions.write(document, directory / "shadow.json")
    return {
        "counting": Side((), {}),
        "the decision log": Side(("--decision-log", os.devnull), {}),
        "a shadow": Side(("--no-metrics", "--shadow", str(shadow)), {"remembered": 1, "new": 5}),
    }


def measure(plan: Plan, directory: Path) -> Part:
    """Measure each service beside one that does nothing of the kind."""
    policies = questions.write(questions.document(), directory / "policies.json")
    found = sides(directory)
    nothing = ("--no-metrics",)
    options = {WITHOUT: nothing, AGAIN: nothing, **{name: side.options for name, side in found.items()}}
    commands = {name: service(policies, *given) for name, given in options.items()}
    rounds = [turn for _ in range(1 if plan.quick else _STARTS) for turn in measured(commands, plan, directory)]
    costs = {which: percent([turn[which] for turn in rounds]) for which in rounds[0]}
    whole = {kind: median(turn[f"{AGAIN}, {kind}"][1].microseconds for turn in rounds) for kind in ASKED}
    rows = [
        [kind, f"{whole[kind]:.2f}", *(f"{costs[f'{name}, {kind}']:.1f} %" for name in (AGAIN, *found))]
        for kind in ASKED
    ]
    heads = ["a decision", f"µs of CPU with {WITHOUT}", *(f"cost of {name}" for name in (AGAIN, *found))]
    added = hot_path(plan)
    hot_names = [name for name in _HOT if name != WITHOUT]
    hot_rows = [
        [f"{kind}, on its way", "", *(f"{added[f'{name}, {kind}']:.2f} µs" for name in hot_names), ""] for kind in ASKED
    ]
    hot = [
        Target(
            f"what {name} takes on the way of a decision that is {kind}",
            _HOT_MOST,
            "%",
            100 * added[f"{name}, {kind}"] / whole[kind],
            note=f"{added[f'{name}, {kind}']:.2f} of {whole[kind]:.1f} µs",
        )
        for name in hot_names
        if name != AGAIN
        for kind in ASKED
    ]
    targets = [
        Target(f"what {name} costs a decision that is {kind}", most, "%", costs[f"{name}, {kind}"], note="by CPU time")
        for name, side in found.items()
        for kind, most in side.most.items()
    ]
    data = {"costs": costs, "added": added}
    return Part("counting", "\n".join(table(heads, [*rows, *hot_rows])), [*hot, *targets], data, plan.quick)


def hot_path(plan: Plan) -> dict[str, float]:
    """Measure what counting adds to the way of a request, from the bytes that come to those that go.

    Two processes can't be compared as exactly as that. Here, sites in one process that differ in nothing but in what
    counts get the same requests in turn, some milliseconds each.

    Returns:
        Microseconds by who is measured and the kind of request.
    """
    policies = read_document(questions.document())
    numbers, order = count(), Random(0)
    found: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        connections = {name: Connection(policies, tally()) for name, tally in _HOT.items()}
        gc.collect()
        for kind in ASKED:
            for connection in connections.values():
                connection.seconds(_fresh(kind, numbers))
            for _ in range(3 if plan.quick else _HOT_TURNS):
                # Whoever comes behind one that counts in the same way finds more in the caches.
                names = order.sample([*_HOT], len(_HOT))
                taken = {name: connections[name].seconds(_fresh(kind, numbers)) for name in names}
                for name in names:
                    more = (taken[name] - taken[WITHOUT]) / _HOT_REQUESTS
                    found.setdefault(f"{name}, {kind}", []).append(more * 1e6)
    return {name: median(each) for name, each in found.items()}


def _fresh(kind: str, numbers: Iterator[int]) -> list[bytes]:
    """The next requests of a kind; those of new decisions were never sent."""
    asked = ASKED[kind]
    requests = (asked[index % len(asked)] for index in range(_HOT_REQUESTS))
    return [
        request.replace(NUMBER, b"%0*d" % (len(NUMBER), number))
        for request, number in zip(requests, islice(numbers, _HOT_REQUESTS), strict=True)
    ]


class Connection:
    """A connection to a site in this process."""

    def __init__(self, policies: PolicySet, tally: ITally) -> None:
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
        """Send requests, each for itself; give how long all of them took.

        Raises:
            RuntimeError: Not all were answered.
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


def measured(commands: dict[str, list[str]], plan: Plan, directory: Path) -> list[dict[str, Pair]]:
    """Start all services, and measure them: of each round, what came of each kind of request to each service.

    A percent is small beside what else a machine does from one second to the next. So a service and the one beside it
    are asked at the same time, and share their core.
    """
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(running(command, directory / f"{number}.log"))
            for number, (name, command) in enumerate(commands.items())
        }
        without = servers.pop(WITHOUT)
        pool = stack.enter_context(ThreadPoolExecutor(len(commands)))

        def at_once(kind: str, seconds: int, *asked: Server) -> list[Load]:
            return list(pool.map(lambda server: send(server, ASKED[kind], seconds), asked))

        def pair(kind: str, server: Server) -> Pair:
            with_it, without_it = at_once(kind, plan.seconds, server, without)
            return with_it, without_it

        for kind in ASKED:
            at_once(kind, plan.warming, without, *servers.values())
        return [
            {f"{name}, {kind}": pair(kind, server) for kind in ASKED for name, server in servers.items()}
            for _ in range(max(1, plan.rounds // 2))
        ]


def percent(rounds: Sequence[Pair]) -> float:
    """By how many percent more processor time a service takes for a request: the median of the rounds."""
    return 100 * (median(one.microseconds / without.microseconds for one, without in rounds) - 1)
