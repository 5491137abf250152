"""What a request takes at a constant rate: at rest, while policies change, and while all of them are replaced."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from benchmarks import open_loop, questions
from benchmarks.figures import Part, table
from benchmarks.load import send
from benchmarks.open_loop import Latencies
from benchmarks.plan import Plan
from benchmarks.processes import Server, running, service, wait_for
from benchmarks.questions import MIX, Question
from benchmarks.targets import Target

PARTS: Final = (0.5, 0.9, 0.99, 0.999)
FRACTIONS: Final = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9)
"""Of the maximal rate, for the plot."""
CHANGES: Final = 20
"""Files that change in a second."""
# Seconds that a start or a reload of all policies may take before it counts as failed.
_PATIENCE: Final = 240


def measure(plan: Plan, directory: Path) -> Part:
    """Measure a service of one policy, and one of many files."""
    one = one_policy(plan, directory)
    rows = {"one policy (the median of three runs)": _milliseconds(one.half)}
    notes: list[str] = []
    targets = [Target("p99 at half of the maximal rate", 2, "ms", median(run.milliseconds(0.99) for run in one.half))]
    try:
        many = many_files(plan, directory, one.most / 2)
    except RuntimeError as reason:
        targets += verdicts(plan, None, str(reason))
    else:
        rows[f"{plan.policies:,} files, {CHANGES} change every second"] = _milliseconds([many.changing.latencies])
        rows[f"{plan.policies:,} files, all replaced"] = _milliseconds([many.reloading.latencies])
        targets += verdicts(plan, many)
        notes += [
            f"The first change after the start decides after {many.settled:.1f} s, without load: until then the reader",
            "reads the files for itself. The measurements here begin after that.",
        ]
    runs = (*one.half, *one.curve)
    late, latest = (max(figures) * 1e3 for figures in ([run.late for run in runs], [run.latest for run in runs]))
    text = "\n".join(
        [
            f"All rows: {one.most / 2:,.0f} requests a second over 32 connections, half of the highest rate before.",
            "Milliseconds count from when a request was due.",
            f"The load was late by at most {late:.3f} ms for 99 of 100 requests, and by {latest:.1f} ms for one.",
            *notes,
            "",
            *table(["ms", *map(_named, PARTS)], [[name, *map("{:.2f}".format, row)] for name, row in rows.items()]),
        ]
    )
    curves = {_named(part): [latencies.milliseconds(part) for latencies in one.curve] for part in PARTS}
    data = {"rates": [one.most * part for part in FRACTIONS], "curves": curves}
    return Part("latency", text, targets, data, plan.quick)


class OnePolicy(NamedTuple):
    """How requests fared at a service of one policy.

    Attributes:
        most: Requests a second that it answers at most.
        half: Runs at half of that.
        curve: Runs at FRACTIONS of it.
    """

    most: float
    half: list[Latencies]
    curve: list[Latencies]


def one_policy(plan: Plan, directory: Path) -> OnePolicy:
    """Measure a service of one policy."""
    requests = [questions.single(question) for question in MIX]
    policies = questions.write(questions.document(), directory / "policies.json")
    with running(service(policies), directory / "ours.log") as server:
        send(server, requests, plan.warming)
        most = median(send(server, requests, plan.seconds).rate for _ in range(plan.rounds))

        def at(part: float, seconds: float) -> Latencies:
            return open_loop.measure(server.port, requests, most * part, seconds, directory)

        half = [at(0.5, plan.steady / 2) for _ in range(3)]
        return OnePolicy(most, half, [at(part, plan.short * 2) for part in FRACTIONS])


class Changed(NamedTuple):
    """How requests fared while something changed.

    Attributes:
        latencies: Of the requests.
        seconds: Until the change was active.
    """

    latencies: Latencies
    seconds: float


class ManyFiles(NamedTuple):
    """What was measured of a service of many files.

    Attributes:
        settled: Seconds until the first change after the start decides.
        changing: While some files changed.
        reloading: While all of them were replaced.
        at_rest: Seconds until all of them decided that were replaced without load.
    """

    settled: float
    changing: Changed
    reloading: Changed
    at_rest: float


def many_files(plan: Plan, directory: Path, rate: float) -> ManyFiles:
    """Measure a service of many files: while some of them change, and while all of them are replaced.

    Raises:
        RuntimeError: It does not start, does not reload, or does not answer.
    """
    first, second, place = directory / "first", directory / "second", directory / "files"
    for files, generation in ((first, 0), (second, 1)):
        write_files(files, plan.policies, generation)
    # Where they are on a disk, the system would put them there later, on the core of the service.
    os.sync()
    place.symlink_to(first)
    asked = questions.asked_of_many(plan.policies)
    requests = [questions.single(question) for question in asked]
    # The reader shares the core of the service: the load spins, so that it has no time to give.
    with running(service(place), directory / "many.log", patience=_PATIENCE) as server:
        check(server, asked)
        settled = _settle(server, first)
        send(server, requests, plan.warming)
        return ManyFiles(
            settled,
            _change_some(plan, server, requests, rate, first),
            _replace_all(server, requests, rate, second, place),
            _lead_to(server, first, place, 0),
        )


def verdicts(plan: Plan, many: ManyFiles | None, missing: str = "") -> list[Target]:
    """What is to be reached with many files.

    Args:
        plan: How many there are.
        many: What was measured.
        missing: Why there are no figures, if there are none.
    """
    files = f"{plan.policies:,} files"
    some, all_, at_rest = (None, None, None) if many is None else (many.changing, many.reloading, many.at_rest)
    return [
        Target(
            f"p99.9 with {files}, {CHANGES} changing a second", 10, "ms", *_judged(some, "the last decides", missing)
        ),
        Target(f"p99.9 while {files} are replaced", 50, "ms", *_judged(all_, "all of them decide", missing)),
        Target(f"{files}, all replaced without load, decide after", 15, "s", at_rest, note=missing),
    ]


def _judged(changed: Changed | None, what: str, missing: str) -> tuple[float | None, bool, str]:
    """The figure of a target, that less of it is better, and its note."""
    if changed is None:
        return None, False, missing
    return changed.latencies.milliseconds(0.999), False, f"{what} after {changed.seconds:.1f} s"


def write_files(directory: Path, number: int, generation: int) -> None:
    """Write many documents of a policy each."""
    directory.mkdir()
    for each in range(number):
        (directory / f"{each:06}.json").write_text(questions.numbered_file(each, generation), encoding="ascii")


def check(server: Server, asked: Sequence[Question]) -> None:
    """Make sure that the answers are right, but for the revision, which all of the policies make up.

    Raises:
        RuntimeError: One is not.
    """
    active = questions.active(questions.some_of_many(asked))
    for question in asked:
        expected = questions.expected(active, question) | {"revision": None}
        answer = _answer(server, question) | {"revision": None}
        if answer != expected:
            raise RuntimeError(f"{question} is answered with {answer}")


def _settle(server: Server, files: Path) -> float:
    """Wait until the service follows changes; give how many seconds that takes."""
    begin = time.monotonic()
    _put(files, 1, 1)
    _wait_for_change(server, 1, 1)
    return time.monotonic() - begin


def _wait_for_change(
    server: Server, number: int, generation: int, what: str = "a change to decide", look: float = 0.05
) -> None:
    origin = f"https://generation{generation}.site{number:06}.example"
    question = Question(origin, "GET", None, f"catalogue{number:06}")
    wait_for(lambda: _answer(server, question)["allowed"] is True, _PATIENCE, what, look=look)


def _put(files: Path, number: int, generation: int) -> None:
    """Replace a file."""
    changed = files / f".{number:06}"
    changed.write_text(questions.numbered_file(number, generation), encoding="ascii")
    changed.replace(files / f"{number:06}.json")


def _change_some(plan: Plan, server: Server, requests: Sequence[bytes], rate: float, files: Path) -> Changed:
    directory = files.parent
    with (
        open_loop.started(server.port, requests, rate, plan.steady, directory) as load,
        changing(files, plan.policies) as last,
    ):
        latencies = load.finished()
    begin = time.monotonic()
    _wait_for_change(server, *last[-1])
    return Changed(latencies, time.monotonic() - begin)


def _replace_all(server: Server, requests: Sequence[bytes], rate: float, files: Path, place: Path) -> Changed:
    """Have the path of the service lead to other files under load."""
    with open_loop.started(server.port, requests, rate, _PATIENCE, files.parent) as load:
        time.sleep(1)
        begin = time.monotonic()
        seconds = _lead_to(server, files, place, 1)
        load.stop()
        latencies = load.finished()
    return Changed(latencies.between(begin, begin + seconds), seconds)


def _lead_to(server: Server, files: Path, place: Path, generation: int) -> float:
    """Have the path of the service lead to other files, all at once; give how many seconds it takes until they decide.

    Args:
        server: The service.
        files: Where they are.
        place: The path.
        generation: Theirs.
    """
    before = revision(server)
    begin = time.monotonic()
    (link := place.with_name("link")).symlink_to(files)
    link.replace(place)
    server.signal(signal.SIGHUP)
    # The last changes of the files before may become active in the meantime.
    _wait_for_change(server, 0, generation, "all policies to be replaced", look=0.25)
    assert revision(server) != before
    return time.monotonic() - begin


@contextmanager
def changing(files: Path, number: int) -> Iterator[list[tuple[int, int]]]:
    """Change one file after another while a block runs; gives a list of the numbers and generations, which grows."""
    ended, done = threading.Event(), [(0, 0)]

    def change() -> None:
        for generation in count(2):
            if ended.wait(1 / CHANGES):
                return
            # All over the directory, and the first never: it shows when all are replaced.
            which = 1 + generation * 7919 % (number - 1)
            _put(files, which, generation)
            done.append((which, generation))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()


def revision(server: Server) -> str:
    """The revision of the policies that are active."""
    told: str = json.loads(server.ask("GET", "/v1/status")[2])["revision"]
    return told


def _answer(server: Server, question: Question) -> Any:
    body = server.ask("POST", "/v1/decision", question.query(), {"Content-Type": "application/json"})[2]
    return questions.answered(body)


def _milliseconds(runs: Sequence[Latencies]) -> list[float]:
    return [median(run.milliseconds(part) for run in runs) for part in PARTS]


def _named(part: float) -> str:
    return f"p{part * 100:g}"
