"""What seeing costs: services that count, have a decision log or a shadow, beside one that does none of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
# Where a process has its memory makes a percent: all are started anew so many times.
_STARTS: Final = 6

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
        "counting": Side((), {"remembered": 3, "new": 3}),
        "the decision log": Side(("--decision-log", os.devnull), {"remembered": 3, "new": 3}),
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
    rows = [
        [
            kind,
            f"{median(turn[f'{AGAIN}, {kind}'][1].microseconds for turn in rounds):.2f}",
            *(f"{costs[f'{name}, {kind}']:.1f} %" for name in (AGAIN, *found)),
        ]
        for kind in ASKED
    ]
    heads = ["a decision", f"µs of CPU with {WITHOUT}", *(f"cost of {name}" for name in (AGAIN, *found))]
    targets = [
        Target(f"what {name} costs a decision that is {kind}", most, "%", costs[f"{name}, {kind}"], note="by CPU time")
        for name, side in found.items()
        for kind, most in side.most.items()
    ]
    return Part("counting", "\n".join(table(heads, rows)), targets, {"costs": costs}, plan.quick)


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
