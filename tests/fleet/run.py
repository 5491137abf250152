"""One run: a fleet on a store, a writer, clients and faults, and what came of it."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, Final, NamedTuple

from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.urls import open_store, prepare_store
from tests.fleet.client import Asking, ask, clients
from tests.fleet.faults import Faults
from tests.fleet.judging import Answer, Judge, read_answers
from tests.fleet.model import Model, all_questions
from tests.fleet.replicas import Fleet, Replica, fleet
from tests.fleet.servers import Servers
from tests.fleet.writer import NotWritten, Writer

SETTLE_SECONDS: Final = 1.0
_REPLICA_KILLED: Final = "replica killed and restarted"
_SWEPT: Final = 100
_TOLD: Final = 100


class Plan(NamedTuple):
    """How large a run is.

    Attributes:
        seed: What everything is drawn from.
        calm: How many changes are made before the faults.
        changes: How many are made during them.
        rate: Changes a second.
        every: One of so many changes brings a fault.
        replicas: How many replicas.
        clients: How many clients.
    """

    seed: int
    calm: int = 150
    changes: int = 1000
    rate: float = 8.0
    every: int = 40
    replicas: int = 5
    clients: int = 3


class Part(NamedTuple):
    """What was measured during a part of a run.

    Attributes:
        enforced: Seconds from when each change was written to when all replicas had answered by it.
        late: Seconds that each answer took.
    """

    enforced: Sequence[float]
    late: Sequence[float]


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        store: What people call the store.
        calm: What was measured before the faults.
        faulty: What was measured during them.
        changes: How many changes were made, the first one included.
        edits: How many definitions they wrote and removed.
        attempts: How often the writer tried.
        confirmed: Of how many changes the admin process said that all replicas have them.
        answers: How many answers were judged.
        faults: How often each fault came, by its name.
        wrong: How often something was found that must not be, by its word out of WRONG.
        examples: Some of that, in words.
    """

    store: str
    calm: Part
    faulty: Part
    changes: int
    edits: int
    attempts: int
    confirmed: int
    answers: int
    faults: Counter[str]
    wrong: Counter[str]
    examples: Sequence[str]


def run(servers: Servers, plan: Plan, directory: Path, tell: Callable[[str], object]) -> Outcome:
    """Run a fleet on a store.

    Args:
        servers: The store.
        plan: How large the run is.
        directory: For what everybody keeps.
        tell: Is told how it goes.
    """
    one = Run(servers, plan, directory, tell)
    url = servers.url()
    prepare_store(url)
    with opened(url) as store:
        one.go(url, store)
    return one.outcome()


class Run:
    """A run."""

    def __init__(self, servers: Servers, plan: Plan, directory: Path, tell: Callable[[str], object]) -> None:
        self._servers = servers
        self._plan = plan
        self._directory = directory
        self._tell = tell
        self._model = Model(plan.seed, plan.calm + plan.changes)
        self._judge = Judge(self._model, plan.replicas)
        self._faults: Counter[str] = Counter()
        self._written: list[float] = []
        self._attempts = self._confirmed = 0
        self._begun = self._ended = float("inf")

    def go(self, url: str, store: IChangeStore) -> None:
        """Start everybody, make all changes, and judge what was answered."""
        writer = Writer(self._model, store)
        writer.write()
        with fleet(url, self._directory, self._plan.replicas) as fleet_:
            writer.fleet = fleet_
            fleet_.wait(self._model.states[0].revision)
            askings = self._askings(fleet_)
            with clients(askings):
                Event().wait(SETTLE_SECONDS)
                try:
                    self._write(writer, fleet_)
                except NotWritten as error:
                    self._judge.found("lost", str(error))
                fleet_.wait(self._model.last.revision)
                Event().wait(SETTLE_SECONDS)
            self._written, self._attempts = writer.written, writer.attempts
            self._look_at(fleet_)
        kept = store.read()
        self._judge.read_ledger(store.entries(0, kept.head.seq + 1), kept.head)
        self._tell("judging")
        for asking in askings:
            with asking.path.open("rb") as lines:
                for answer in read_answers(lines):
                    self._judge.hear(answer)
        self._judge.follow([replica.starts for replica in fleet_.replicas], writer.confirmed)
        self._confirmed = len(writer.confirmed)

    def outcome(self) -> Outcome:
        """Give what came of it."""
        calm = self._plan.calm + 1
        return Outcome(
            store=self._servers.name,
            calm=Part(self._enforced(range(1, calm)), self._judge.late(0, self._begun)),
            faulty=Part(self._enforced(range(calm, len(self._written))), self._judge.late(self._begun, self._ended)),
            changes=len(self._written),
            edits=sum(map(len, self._model.changes)),
            attempts=self._attempts,
            confirmed=self._confirmed,
            answers=self._judge.answers,
            faults=self._faults,
            wrong=self._judge.counts,
            examples=self._judge.examples,
        )

    def _askings(self, fleet_: Fleet) -> list[Asking]:
        ports = [replica.port for replica in fleet_.replicas]
        return [
            Asking(f"{self._plan.seed}/{number}", ports, self._directory / f"client-{number}")
            for number in range(self._plan.clients)
        ]

    def _write(self, writer: Writer, fleet_: Fleet) -> None:
        """Make all changes."""
        paces = self._paces()
        for _ in range(self._plan.calm):
            next(paces)
            writer.write()
        fleet_.wait(self._model.states[self._plan.calm].revision)
        self._tell(f"{self._plan.calm:,} changes are made, now with faults")
        self._begun = time.monotonic()
        kinds = {**self._servers.faults, _REPLICA_KILLED: fleet_.kill_one}
        chance = Random(f"faults/{self._plan.seed}")
        with Faults(kinds, chance) as faults:
            for number in range(self._plan.changes):
                if number % _TOLD == 0 and number:
                    self._tell(f"{number:,} changes are made, {faults.counts.total()} faults")
                if number % self._plan.every == 0:
                    faults.strike()
                next(paces)
                writer.write()
        self._faults = faults.counts
        self._ended = time.monotonic()

    def _paces(self) -> Iterator[None]:
        """Wait before each change, so that so many come in a second; what takes longer is not made up for."""
        chance = Random(f"pace/{self._plan.seed}")
        due = time.monotonic()
        while True:
            due = max(due + chance.expovariate(self._plan.rate), time.monotonic())
            Event().wait(due - time.monotonic())
            yield

    def _look_at(self, fleet_: Fleet) -> None:
        """Judge what all replicas have in the end, and what the admin process knows of them."""
        for replica in fleet_.replicas:
            self._judge.hear_status(replica.number, replica.revision())
            for line in replica.complaints():
                self._judge.found("differing", f"replica {replica.number} wrote: {line}")
            for answer in _swept(replica):
                self._judge.hear(answer)
        for name, known in fleet_.reported().items():
            self._judge.found("differing", f"the admin process knows of {name}: {known}")

    def _enforced(self, numbers: Sequence[int]) -> list[float]:
        """Seconds until each change was in force everywhere; what never was is judged elsewhere."""
        times = [(self._judge.enforced(number), self._written[number]) for number in numbers]
        return [max(enforced - written, 0) for enforced, written in times if enforced is not None]


def _swept(replica: Replica) -> Iterator[Answer]:
    """Ask a replica everything that can be asked."""
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=30)
    with closing(connection):
        questions = list(all_questions())
        for first in range(0, len(questions), _SWEPT):
            asked = questions[first : first + _SWEPT]
            sent = time.monotonic()
            verdicts, revisions = ask(connection, asked)
            received = time.monotonic()
            yield Answer(replica.number, sent, received, received - sent, asked, verdicts, revisions)


@contextmanager
def opened(url: str) -> Iterator[IChangeStore]:
    """Open a store, and close it."""
    store: Any = open_store(url)
    try:
        yield store
    finally:
        store.close()
