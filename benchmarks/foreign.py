"""Middleware in other languages: what its decision costs in its own process, where Node and Go are installed.

Each program of peers/ reads its cases from standard input and writes its figures to standard output, as JSON. It calls
the middleware as its server would, with requests made before and a response that only keeps headers, and reads the
processor's time of its whole process, so that what its collector does beside it counts too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
BUILT: Final = HERE.parent / "build" / "benchmarks"
PEERS: Final = {"express cors": "node", "rs/cors": "go", "jub0bs/cors": "go"}
"""The middleware, and the language that it is measured by."""


class Missing(Exception):
    """What would measure is not installed, or can't be built."""


class Case(NamedTuple):
    """What is decided about.

    Attributes:
        policy: The number of the policy.
        requests: Methods, and headers by their lower-case names.
    """

    policy: int
    requests: list[dict[str, Any]]


class Foreign(NamedTuple):
    """What a middleware was measured to be.

    Attributes:
        version: Its version and that of its language.
        microseconds: Of a decision, for each case.
        answers: For each case, the Access-Control-Allow-Origin that each request gets, or None.
    """

    version: str
    microseconds: list[float]
    answers: list[list[str | None]]


def node() -> list[str]:
    """Install what the lock file pins, in a directory of its own; give the command that measures.

    Raises:
        Missing: There is no Node, or no registry.
    """
    directory = BUILT / "node"
    shutil.copytree(HERE / "peers" / "node", directory, dirs_exist_ok=True)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"], directory)
    return [found("node"), str(directory / "measure.js")]


def go() -> list[str]:
    """Build the program; give the command that measures.

    Raises:
        Missing: There is no Go, or no module proxy.
    """
    program = BUILT / "peers"
    program.parent.mkdir(parents=True, exist_ok=True)
    run(["go", "build", "-o", str(program), "."], HERE / "peers" / "go")
    return [str(program)]


BUILDS: Final = {"node": node, "go": go}


def ask(
    command: Sequence[str], policies: Sequence[Any], cases: Sequence[Case], microseconds: int
) -> dict[str, Foreign]:
    """Measure the middleware of one language, once.

    Args:
        command: Starts its program.
        policies: Rules, as our documents write them.
        cases: What is asked.
        microseconds: How long each case is measured.
    """
    asked = {"microseconds": microseconds, "policies": policies, "cases": [case._asdict() for case in cases]}
    done = subprocess.run(command, input=json.dumps(asked), check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout)
    return {
        name: Foreign(
            f"{peer['version']} ({told['runtime']})",
            [result["microseconds"] for result in peer["results"]],
            [result["answers"] for result in peer["results"]],
        )
        for name, peer in told["peers"].items()
    }


def measure(
    policies: Sequence[Any], cases: Sequence[Case], *, microseconds: int, rounds: int
) -> tuple[dict[str, Foreign], dict[str, str]]:
    """Measure everybody who can be, in turn.

    Args:
        policies: Rules, as our documents write them.
        cases: What is asked.
        microseconds: How long each case is measured in a round.
        rounds: How many to take the median of.

    Returns:
        Who was measured; and why the others were not.
    """
    commands: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for language, build in BUILDS.items():
        try:
            commands[language] = build()
        except Missing as reason:
            missing |= {name: str(reason) for name, spoken in PEERS.items() if spoken == language}
    turns = [
        {
            name: peer
            for command in commands.values()
            for name, peer in ask(command, policies, cases, microseconds).items()
        }
        for _ in range(rounds)
    ]
    return {name: _median([turn[name] for turn in turns]) for name in turns[0]}, missing


def _median(turns: Sequence[Foreign]) -> Foreign:
    figures = [median(figures) for figures in zip(*(turn.microseconds for turn in turns), strict=True)]
    return turns[0]._replace(microseconds=figures)


def found(program: str) -> str:
    """The path of a program.

    Raises:
        Missing: It is not installed.
    """
    path = shutil.which(program)
    if path is None:
        raise Missing(f"there is no {program}")
    return path


def run(command: list[str], directory: Path) -> None:
    """Run a command that builds something, in a directory.

    Raises:
        Missing: Its program is not installed, or it failed.
    """
    done = subprocess.run(
        [found(command[0]), *command[1:]],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"`{' '.join(command)}` failed: {(done.stdout.strip().splitlines() or ['in silence'])[-1]}")
