"""What honest callers notice of hostile ones, who never ask the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import questions
from benchmarks.figures import Part, table
from benchmarks.load import NUMBER, finished, send, started
from benchmarks.plan import Plan
from benchmarks.processes import Server, running, service
from benchmarks.questions import MIX, NEVER_REPEATED, post
from benchmarks.targets import Target

CONNECTIONS: Final = 16
"""Of the honest; as many are those beside them."""
# MiB by which memory may grow while some hundred thousand queries come that no one asked before.
GROWTH: Final = 8

_N: Final = NUMBER.decode("ascii")
HOSTILE: Final[list[dict[str, Any]]] = [
    {"policy": "catalogue", "origin": f"https://app.{_N}.stranger.example", "method": "GET"},
    {"policy": "catalogue", "origin": f"https://{_N}.partner.example", "method": "PUT"},
    {"policy": "catalogue", "origin": f"https://PARTNER.example:{_N}/", "method": "POST"},
    {"policy": "catalogue", "origin": "https://app.partner.example", "method": f"M{_N}"},
    {"policy": f"p{_N}", "origin": "https://app.partner.example", "method": "GET"},
    {"url": f"https://api.example.com/catalogue/{_N}", "origin": "https://app.partner.example", "method": "GET"},
    {"url": f"https://{_N}.example.com/", "origin": "https://app.partner.example", "method": "GET"},
    {
        "policy": "catalogue",
        "origin": "https://app.partner.example",
        "method": "OPTIONS",
        "headers": {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": f"content-type,x-{_N}"},
    },
]
"""Queries of an ordinary size, never the same twice: in the origin, the method, the policy, the URL or the names."""
LONG: Final[list[dict[str, Any]]] = [
    {
        "policy": "catalogue",
        "origin": f"https://{_N}.partner.example",
        "method": "OPTIONS",
        "headers": {
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": ",".join([f"x-{_N}", *(f"x-name-{number:03}" for number in range(340))]),
        },
    }
]
"""The same with 4 KiB of header names."""


def measure(plan: Plan, directory: Path) -> Part:
    """Measure honest callers beside others: as honest ones, hostile ones, and hostile ones with long queries."""
    policies = questions.write(questions.document(), directory / "policies.json")
    honest = [questions.single(question) for question in MIX]
    beside = {
        "as many honest ones": honest,
        "as many honest ones, each query new": [questions.single(question) for question in NEVER_REPEATED],
        "hostile ones, each query new": [post("/v1/decision", questions.written(query)) for query in HOSTILE],
        "hostile ones, each query new and with 4 KiB of header names": [
            post("/v1/decision", questions.written(query)) for query in LONG
        ],
    }
    with running(service(policies), directory / "ours.log") as server:
        send(server, honest, plan.warming)
        for others in beside.values():
            together(server, honest, others, plan.warming)
        before = server.memory()
        rounds = [
            {name: together(server, honest, others, plan.seconds) for name, others in beside.items()}
            for _ in range(plan.rounds)
        ]
        grown = (server.memory() - before) / 2**20
    calm, new, hostile, long = beside
    ratios = {name: median(turn[name][0] / turn[calm][0] for turn in rounds) for name in beside}
    rows = [
        [name, *(f"{median(turn[name][each] for turn in rounds):,.0f}" for each in (0, 1)), f"{ratios[name]:.2f}"]
        for name in beside
    ]
    sent = sum(turn[name][1] for turn in rounds for name in (hostile, long)) * plan.seconds
    text = "\n".join(
        [
            f"{CONNECTIONS} connections of honest callers, and {CONNECTIONS} others beside them.",
            f"Memory grew by {grown:.1f} MiB over {sent:,.0f} hostile queries.",
            "",
            *table(["beside", "honest decisions a second", "others'", "relative to honest ones"], rows),
        ]
    )
    note = (
        f"{ratios[hostile] / ratios[new]:.2f} beside honest ones with new queries; "
        f"{ratios[long]:.2f} where the hostile ones send 4 KiB each"
    )
    targets = [
        Target("honest callers beside hostile ones", 0.8, "times", ratios[hostile], at_least=True, note=note),
        Target("memory grown by queries that never repeat", GROWTH, "MiB", grown, note=f"{sent:,.0f} of them"),
    ]
    return Part("hostile", text, targets, {}, plan.quick)


def together(server: Server, honest: Sequence[bytes], others: Sequence[bytes], seconds: int) -> tuple[float, float]:
    """Load a server from two sides; give the rate of each."""
    with (
        started(server.port, others, CONNECTIONS, seconds) as beside,
        started(server.port, honest, CONNECTIONS, seconds) as first,
    ):
        rate = finished(first).rate
        return rate, finished(beside, refusals=True).rate
