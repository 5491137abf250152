"""What counting costs: services that count, and that have a decision log, beside one that does neither, in turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks import questions
from benchmarks.figures import Part, table
from benchmarks.load import Load, send
from benchmarks.plan import Plan
from benchmarks.processes import Server, running, service
from benchmarks.questions import BATCH, MIX, NEVER_REPEATED
from benchmarks.targets import Target

WITHOUT: Final = "not counted"
SIDES: Final[dict[str, tuple[str, ...]]] = {
    "counted": (),
    "logged": ("--decision-log", os.devnull),
    WITHOUT: ("--no-metrics",),
}
"""The options of a service that counts, of one that has a decision log as well, and of one that does neither."""
MOST: Final = 3
"""Percent that counting may cost."""
# A percent is small beside what else a machine does: there are more rounds than of other parts.
_TIMES: Final = 4


class Asked(NamedTuple):
    """What is asked.

    Attributes:
        requests: What is sent, in turn, or the queries of the batches that are.
        batch: How many queries each of them has, or 0.
        wanted: Whether its cost has a limit.
    """

    requests: Sequence[bytes]
    batch: int = 0
    wanted: bool = False

    def measure(self, server: Server, seconds: int) -> Load:
        """Load a server for so many seconds."""
        return send(server, self.requests, seconds, batch=self.batch)


ASKED: Final = {
    "remembered": Asked([questions.single(question) for question in MIX], wanted=True),
    "new": Asked([questions.single(question) for question in NEVER_REPEATED], wanted=True),
    f"remembered, batches of {BATCH}": Asked([question.query() for question in MIX], BATCH),
    f"new, batches of {BATCH}": Asked([question.query() for question in NEVER_REPEATED], BATCH),
}
"""Decisions, by what is special about them."""


def measure(plan: Plan, directory: Path) -> Part:
    """Measure both services in turn, round after round."""
    policies = questions.write(questions.document(), directory / "policies.json")
    with ExitStack() as stack:
        servers = {
            side: stack.enter_context(running(service(policies, *options), directory / f"{side}.log"))
            for side, options in SIDES.items()
        }
        for server in servers.values():
            for asked in ASKED.values():
                asked.measure(server, plan.warming)
        rounds = [
            {
                name: {side: asked.measure(server, plan.seconds) for side, server in in_turn(servers, number)}
                for name, asked in ASKED.items()
            }
            for number in range(plan.rounds * _TIMES if not plan.quick else 1)
        ]
    costs = {
        f"{side}, {name}": percent([turn[name] for turn in rounds], side)
        for name in ASKED
        for side in SIDES
        if side != WITHOUT
    }
    rows = [
        [
            name,
            *(f"{median(turn[name][side].microseconds for turn in rounds) / (asked.batch or 1):.2f}" for side in SIDES),
            *(f"{costs[f'{side}, {name}']:.1f} %" for side in SIDES if side != WITHOUT),
        ]
        for name, asked in ASKED.items()
    ]
    text = "\n".join(table(["µs of CPU for a decision", *SIDES, "cost of counting", "and of the log"], rows))
    targets = [
        Target(f"what {what} costs a decision that is {name}", MOST, "%", costs[f"{side}, {name}"], note="by CPU time")
        for side, what in (("counted", "counting"), ("logged", "the decision log"))
        for name, asked in ASKED.items()
        if asked.wanted
    ]
    return Part("counting", text, targets, {"costs": costs}, plan.quick)


def in_turn(servers: dict[str, Server], number: int) -> list[tuple[str, Server]]:
    """Each side comes first in every other round: what warms a machine up falls on both."""
    sides = list(servers.items())
    return sides[::-1] if number % 2 else sides


def percent(rounds: Sequence[dict[str, Load]], side: str) -> float:
    """By how many percent a request costs more processor time on a side than uncounted: the median of the rounds."""
    return 100 * (median(turn[side].microseconds / turn[WITHOUT].microseconds for turn in rounds) - 1)
