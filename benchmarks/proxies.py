"""What asking for a decision adds to the latency of each proxy, beside the same proxy that does not ask.

Each proxy runs twice, with its configuration from etc/: as it is, and with the one line that asks taken out. The same
application and the same service are behind all. Rounds alternate between everybody who is measured, so that what else
the machine does falls on all alike; each has one connection that is kept alive, and one request on its way at a time.

Needs what tests/e2e/install-packages.sh installs, and the extra `test`; proxies that are missing are left out.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Final, NamedTuple

if __name__ == "__main__":
    # In place of this directory, whose http.py is not the library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pytest

from tests.e2e.gateways.gateway import Gateway, running
from tests.e2e.gateways.registry import GATEWAYS
from tests.e2e.gateways.world import GatewaySubject, World, running_world
from tests.e2e.load.client import Connection, request
from tests.e2e.scenarios import PARTNER, PATH

ACTUAL: Final = request("GET", PATH, b"", f"Origin: {PARTNER}")
SUBREQUEST: Final = request(
    "GET",
    "/v1/forward-auth/catalogue",
    b"",
    f"Origin: {PARTNER}",
    "X-Forwarded-Method: GET",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: cors.test",
    f"X-Forwarded-Uri: {PATH}",
)
WARM_UP: Final = 100
"""Requests before the first that counts: connections are made, and decisions remembered."""


class Figures(NamedTuple):
    """Milliseconds of a request: half of all take less than the first, 99 of 100 less than the second."""

    p50: float
    p99: float


class Contender:
    """Somebody who is asked over a connection that is kept alive."""

    def __init__(self, stack: ExitStack, port: int, asked: bytes) -> None:
        """Connect.

        Args:
            stack: What closes the connection.
            port: Where to ask.
            asked: The request.
        """
        self._port = port
        self._asked = asked
        self._seconds: list[float] = []
        self._connection = Connection(port)
        stack.callback(self._close)

    def ask(self, times: int) -> None:
        """Send so many requests, one after the other."""
        for _ in range(times):
            start = perf_counter()
            self._connection.send(self._asked)
            answer = self._connection.receive()
            self._seconds.append(perf_counter() - start)
            if answer.status != 200:
                raise RuntimeError(f"the answer is {answer}")
            if answer.closes:  # nginx does that with every thousandth
                self._close()
                self._connection = Connection(self._port)

    def _close(self) -> None:
        self._connection.close()

    def forget(self) -> None:
        """Forget what was measured until now."""
        self._seconds.clear()

    @property
    def figures(self) -> Figures:
        """What its requests took."""
        percentiles = quantiles(self._seconds, n=100)
        return Figures(percentiles[49] * 1e3, percentiles[98] * 1e3)


class Pair(NamedTuple):
    """A proxy, twice."""

    title: str
    asking: Contender
    not_asking: Contender


def start(stack: ExitStack, gateway: Gateway, world: World) -> Pair:
    """Start a proxy twice, and make sure that it asks once.

    Args:
        stack: What ends it.
        gateway: The proxy.
        world: What is behind it.
    """
    found = []
    for replaced, origin in (({}, PARTNER), (gateway.undecided, None)):
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(running(gateway, directory, world.application, world.service, replaced))
        answer = GatewaySubject(port, world.switch).ask("GET", PATH, [("Origin", PARTNER)])
        if answer.cors.get("access-control-allow-origin") != origin:
            raise RuntimeError(f"{gateway.title} answers {answer}")
        found.append(Contender(stack, port, ACTUAL))
    return Pair(gateway.title, *found)


def installed(stack: ExitStack, world: World) -> Iterator[Pair]:
    """Start all proxies that are installed."""
    for gateway in GATEWAYS:
        try:
            yield start(stack, gateway, world)
        except pytest.skip.Exception as missing:
            print(f"{gateway.title} is left out: it {missing}", file=sys.stderr)


def table(pairs: Iterable[Pair], alone: dict[str, Contender]) -> Iterator[str]:
    """The figures, in Markdown."""
    head = ["ms", "without: p50", "p99", "asking: p50", "p99", "added: p50", "p99", "times p50"]
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for pair in pairs:
        less, more = pair.not_asking.figures, pair.asking.figures
        cells = [*less, *more, more.p50 - less.p50, more.p99 - less.p99, more.p50 / less.p50]
        yield f"| {pair.title} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"
    for title, contender in alone.items():
        yield f"| {title} | {' | '.join(f'{cell:.2f}' for cell in contender.figures)} |{' |' * (len(head) - 3)}"


def report(rounds: int, requests: int) -> str:
    """Measure everybody, and write it down.

    Args:
        rounds: How often everybody is measured in turn.
        requests: Requests of each round.
    """
    with ExitStack() as stack:
        world = stack.enter_context(running_world(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        pairs = list(installed(stack, world))
        alone = {
            "the application, without a proxy": Contender(stack, world.application, ACTUAL),
            "the service, asked without a proxy": Contender(stack, world.service, SUBREQUEST),
        }
        everybody = [*alone.values(), *(contender for _, *two in pairs for contender in two)]
        for contender in everybody:
            contender.ask(WARM_UP)
            contender.forget()
        gc.disable()
        for _ in range(rounds):
            for contender in everybody:
                contender.ask(requests)
        gc.enable()
        what = f"{rounds} rounds of {requests} requests; Python {platform.python_version()} on {platform.machine()}."
        return "\n".join([what, "", *table(pairs, alone)]) + "\n"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: it shows that it works, and little else")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file, too")
    arguments = parser.parse_args()
    text = report(3, 50) if arguments.quick else report(40, 100)
    print(text, end="")
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
