"""A hundred thousand policies in one file: what they take to load, in seconds and memory, and what they cost then."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import questions
from benchmarks.figures import Part, table
from benchmarks.latency import check
from benchmarks.load import send
from benchmarks.plan import Plan
from benchmarks.processes import running, service
from benchmarks.questions import MIX, ORIGINS
from benchmarks.targets import Target, number

# Seconds until it is given up.
_PATIENCE: Final = 240


def measure(plan: Plan, directory: Path) -> Part:
    """Measure a service of many policies beside one of a single policy."""
    one = questions.write(questions.document(), directory / "one.json")
    many = questions.write(questions.many_policies(plan.policies), directory / "many.json")
    single = [questions.single(question) for question in MIX]
    asked = questions.asked_of_many(plan.policies)
    spread = [questions.single(question) for question in asked]
    with (
        running(service(one), directory / "one.log") as few,
        running(service(many), directory / "many.log", patience=_PATIENCE) as server,
    ):
        check(server, asked)
        pairs = ((few, single), (server, spread))
        for contender, requests in pairs:
            send(contender, requests, plan.warming)
        rounds = [
            [send(contender, requests, plan.seconds) for contender, requests in pairs] for _ in range(plan.rounds)
        ]
        memory = max(server.peak, server.memory()) / 2**20
        settled = server.memory() / 2**20
    rates = [median(loads[each].rate for loads in rounds) for each in (0, 1)]
    costs = [median(loads[each].microseconds for loads in rounds) for each in (0, 1)]
    ratio = median(loads[1].rate / loads[0].rate for loads in rounds)
    name = f"{plan.policies:,} policies of {ORIGINS} origins, {many.stat().st_size / 2**20:.0f} MiB of JSON"
    text = "\n".join(
        table(
            [
                "",
                "start to first answer, s",
                "peak MiB",
                "MiB afterwards",
                "decisions a second",
                "µs of CPU each",
            ],
            [
                [
                    "one policy",
                    f"{few.started:.2f}",
                    f"{few.peak / 2**20:.0f}",
                    "",
                    f"{rates[0]:,.0f}",
                    f"{costs[0]:.2f}",
                ],
                [
                    name,
                    f"{server.started:.2f}",
                    f"{memory:.0f}",
                    f"{settled:.0f}",
                    f"{rates[1]:,.0f}",
                    f"{costs[1]:.2f}",
                ],
            ],
        )
    )
    policies = f"{plan.policies:,} policies"
    targets = [
        Target(f"loading {policies} from JSON, to the first answer", 20, "s", server.started),
        Target(f"memory of all processes with {policies}", 1536, "MiB", memory),
        Target(
            f"the rate with {policies}, beside one policy",
            0.9,
            "times",
            ratio,
            at_least=True,
            note=f"{number(costs[0] / costs[1])} by CPU time",
        ),
    ]
    return Part("scale", text, targets, {}, plan.quick)
