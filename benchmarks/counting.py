"""What seeing costs: services that count, have a decision log or a shadow, beside one that does none of it, in turn."""

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
from benchmarks.questions import MIX, NEVER_REPEATED
from benchmarks.targets import Target

ASKED: Final = {
    "remembered": [questions.single(question) for question in MIX],
    "new": [questions.single(question) for question in NEVER_REPEATED],
}
"""Requests of one decision, by what is special about it."""


class Side(NamedTuple):
    """A service that does something besides deciding.

    Attributes:
        options: Its options.
        most: The percent that this may cost a decision, by the names of ASKED.
    """

    options: Sequence[str]
    most: dict[str, float]


WITHOUT: Final = "none of it"
AGAIN: Final = "none of it, again"
"""A second service of the same kind: what it seems to cost tells how exact the figures are."""
# A percent is small beside what else a machine does, and where a process has its memory makes several: all are started
# anew so many times, for a few short rounds.
_STARTS: Final = 12


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
        "counting": Side((), {"remembered": 3, "new": 3}),
        "the decision log": Side(("--decision-log", os.devnull), {"remembered": 3, "new": 3}),
        "a shadow": Side(("--no-metrics", "--shadow", str(shadow)), {"remembered": 1, "new": 5}),
    }


def measure(plan: Plan, directory: Path) -> Part:
    """Measure all services in turn, round after round."""
    policies = questions.write(questions.document(), directory / "policies.json")
    found = sides(directory)
    nothing = ("--no-metrics",)
    options = {WITHOUT: nothing, AGAIN: nothing, **{name: side.options for name, side in found.items()}}
    commands = {name: service(policies, *given) for name, given in options.items()}
    rounds = [turn for _ in range(1 if plan.quick else _STARTS) for turn in measured(commands, plan, directory)]
    named = (AGAIN, *found)
    costs = {f"{name}, {kind}": percent([turn[kind] for turn in rounds], name) for kind in ASKED for name in named}
    rows = [
        [
            kind,
            f"{median(turn[kind][WITHOUT].microseconds for turn in rounds):.2f}",
            *(f"{costs[f'{name}, {kind}']:.1f} %" for name in named),
        ]
        for kind in ASKED
    ]
    text = "\n".join(table(["a decision", f"µs of CPU with {WITHOUT}", *(f"cost of {name}" for name in named)], rows))
    targets = [
        Target(f"what {name} costs a decision that is {kind}", most, "%", costs[f"{name}, {kind}"], note="by CPU time")
        for name, side in found.items()
        for kind, most in side.most.items()
    ]
    return Part("counting", text, targets, {"costs": costs}, plan.quick)


def measured(commands: dict[str, list[str]], plan: Plan, directory: Path) -> list[dict[str, dict[str, Load]]]:
    """Start all services, and measure them: of each round, what came of each kind of request to each service."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(running(command, directory / f"{number}.log"))
            for number, (name, command) in enumerate(commands.items())
        }
        for server in servers.values():
            for requests in ASKED.values():
                send(server, requests, plan.warming)
        return [
            {
                kind: {name: send(server, requests, plan.short) for name, server in in_turn(servers, number)}
                for kind, requests in ASKED.items()
            }
            for number in range(max(1, plan.rounds // 2))
        ]


def in_turn(servers: dict[str, Server], number: int) -> list[tuple[str, Server]]:
    """Each service comes first in every other round: what warms a machine up falls on all."""
    both = list(servers.items())
    return both[::-1] if number % 2 else both


def percent(rounds: Sequence[dict[str, Load]], name: str) -> float:
    """By how many percent more processor time a service takes for a request: the median of the rounds."""
    return 100 * (median(turn[name].microseconds / turn[WITHOUT].microseconds for turn in rounds) - 1)
