"""What a second worker is worth: decisions for each second of CPU of two workers, beside those of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import questions
from benchmarks.figures import Part, table
from benchmarks.load import Load, send
from benchmarks.machine import LOAD_CORE, SERVER_CORE
from benchmarks.plan import Plan
from benchmarks.processes import Server, running, service
from benchmarks.questions import MIX
from benchmarks.targets import Target

CONNECTIONS: Final = 32
"""For each worker."""
WANTED: Final = 1.7


def measure(plan: Plan, directory: Path) -> Part:
    """Measure a service of one worker, and of two on two cores, which the load has to share with them."""
    what = "2 workers beside 1, decisions for each second that a worker computes"
    if not has_workers():
        target = Target(what, WANTED, "times", None, at_least=True, note="there is no option --workers")
        return Part("cores", "There is no option `--workers`.\n", [target], {}, plan.quick)
    requests = [questions.single(question) for question in MIX]
    policies = questions.write(questions.document(), directory / "policies.json")
    both = (SERVER_CORE, LOAD_CORE)
    with (
        running(service(policies, "--workers", "1"), directory / "1.log") as one,
        running(service(policies, "--workers", "2"), directory / "2.log", cores=both) as two,
    ):
        pairs: list[tuple[Server, int]] = [(one, 1), (two, 2)]
        for server, workers in pairs:
            send(server, requests, plan.warming, CONNECTIONS * workers)
        rounds = [
            [send(server, requests, plan.seconds, CONNECTIONS * workers) for server, workers in pairs]
            for _ in range(plan.rounds)
        ]
    return Part("cores", _text(rounds), [_target(what, rounds)], {}, plan.quick)


def worth(one: Load, two: Load) -> float:
    """What two workers give for each second that each of them computes, beside what one gives for its own.

    Two workers that compute for a second each use two seconds of CPU; if they give twice what one gives in its second,
    this is 2.
    """
    return 2 * (two.requests / two.processor) / (one.requests / one.processor)


def has_workers() -> bool:
    """Whether the service can run on several cores."""
    told = subprocess.run(
        [sys.executable, "-m", "twisted", "cors", "--help"], stdout=subprocess.PIPE, text=True, check=True
    )
    return "--workers" in told.stdout


def _target(what: str, rounds: list[list[Load]]) -> Target:
    ratio = median(worth(one, two) for one, two in rounds)
    rate = median(two.rate / one.rate for one, two in rounds)
    note = f"{rate:.2f} times the decisions a second, with the load on one of the two cores"
    return Target(what, WANTED, "times", ratio, at_least=True, note=note)


def _text(rounds: list[list[Load]]) -> str:
    rows = []
    for each, name in enumerate(("1 worker on its own core", "2 workers on two cores, one shared with the load")):
        loads = [turn[each] for turn in rounds]
        computed = median(load.processor / load.seconds for load in loads)
        rows.append(
            [
                name,
                f"{median(load.rate for load in loads):,.0f}",
                f"{computed:.2f}",
                f"{median(load.requests / load.processor for load in loads):,.0f}",
            ]
        )
    head = ["", "decisions a second", "seconds of CPU in each second", "decisions for each second of CPU"]
    return "\n".join(table(head, rows))
