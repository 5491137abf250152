"""What seeing costs: services that count, have a decision log or a shadow, each beside one that does not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import hot_path, questions
from benchmarks.figures import Part, table
from benchmarks.hot_path import AGAIN, BESIDE, BOTH, COUNTING, LOG, SHADOW, WITHOUT, ByKind
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

MOST: Final = {
    COUNTING: {"remembered": 3, "new": 3},
    LOG: {"remembered": 3, "new": 3},
    BOTH: {"remembered": 3, "new": 3},
    SHADOW: {"remembered": 1, "new": 5},
}
"""The percent that each may cost a decision."""
# Where a process has its memory makes a percent: all are started anew so many times.
_STARTS: Final = 10

Pair = tuple[Load, Load]
"""What came of the same requests to a service and to the one beside it, at the same time."""


def measure(plan: Plan, directory: Path) -> Part:
    """Measure each service beside one that does not do it, and what it adds to the way of a request."""
    policies = questions.write(questions.document(), directory / "policies.json")
    shadow = questions.write(beside(), directory / "shadow.json")
    options = {
        WITHOUT: ["--no-metrics"],
        AGAIN: ["--no-metrics"],
        COUNTING: [],
        BOTH: ["--decision-log", os.devnull],
        SHADOW: ["--no-metrics", "--shadow", str(shadow)],
    }
    commands = {name: service(policies, *given) for name, given in options.items()}
    rounds = [turn for _ in range(1 if plan.quick else _STARTS) for turn in measured(commands, plan, directory)]
    costs = {which: percent([turn[which] for turn in rounds]) for which in rounds[0]}
    whole = {kind: median(turn[AGAIN, kind][1].microseconds for turn in rounds) for kind in ASKED}
    added = hot_path.measure(plan, ASKED, beside())
    rows = [[kind, f"{whole[kind]:.2f}", *(f"{costs[name, kind]:.1f} %" for name in BESIDE)] for kind in ASKED]
    rows += [[f"{kind}, on its way", "", *(f"{added[name, kind]:.2f} µs" for name in BESIDE)] for kind in ASKED]
    text = "\n".join(table(["a decision", f"µs of CPU with {WITHOUT}", *(f"cost of {name}" for name in BESIDE)], rows))
    data = {
        title: {f"{name}, {kind}": figure for (name, kind), figure in found.items()}
        for title, found in (("costs", costs), ("added", added))
    }
    return Part("counting", text, verdicts(costs, added, whole), data, plan.quick)


def beside() -> dict[str, Any]:
    """The document of the shadow: the policy that is asked about differs, or there would be nothing to compare."""
    document = questions.document()
    document["policies"]["catalogue"]["rules"][0]["origins"].append("https://another.example")
    return document


def verdicts(costs: ByKind, added: ByKind, whole: Mapping[str, float]) -> list[Target]:
    """Whether each costs as little as it may, as a whole service and on the way of a decision.

    Args:
        costs: By how many percent more processor time each service takes.
        added: What each adds on the way.
        whole: Microseconds of a decision without any of it, by its kind.
    """
    limits = [(name, kind, most) for name, kinds in MOST.items() for kind, most in kinds.items()]
    services = [
        Target(f"what {name} costs a decision that is {kind}", most, "%", costs[name, kind], note="by CPU time")
        for name, kind, most in limits
    ]
    on_the_way = [
        Target(
            f"what {name} takes on the way of a decision that is {kind}",
            most,
            "%",
            100 * added[name, kind] / whole[kind],
            note=f"{added[name, kind]:.2f} of {whole[kind]:.1f} µs",
        )
        for name, kind, most in limits
    ]
    return [*services, *on_the_way]


def measured(commands: dict[str, list[str]], plan: Plan, directory: Path) -> list[dict[tuple[str, str], Pair]]:
    """Start all services, and measure them: of each round, what came of each kind of request to each service.

    A percent is small beside what else a machine does from one second to the next. So a service and the one beside it
    are asked at the same time, and share their core.
    """
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(running(command, directory / f"{number}.log"))
            for number, (name, command) in enumerate(commands.items())
        }
        pool = stack.enter_context(ThreadPoolExecutor(len(commands)))

        def at_once(kind: str, seconds: int, *asked: Server) -> list[Load]:
            return list(pool.map(lambda server: send(server, ASKED[kind], seconds), asked))

        def pair(kind: str, one: str, without: str) -> Pair:
            with_it, without_it = at_once(kind, plan.seconds, servers[one], servers[without])
            return with_it, without_it

        for kind in ASKED:
            at_once(kind, plan.warming, *servers.values())
        return [
            {(name, kind): pair(kind, *which) for kind in ASKED for name, which in BESIDE.items()}
            for _ in range(max(1, plan.rounds // 2))
        ]


def percent(rounds: Sequence[Pair]) -> float:
    """By how many percent more processor time a service takes for a request: the median of the rounds."""
    return 100 * (median(one.microseconds / without.microseconds for one, without in rounds) - 1)
