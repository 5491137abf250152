"""The writer of a fleet makes each change once, whatever it is told meanwhile; faults come one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest

from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.entry import Signed
from cors_service.ledger.kept import About, Plan, StoreUnavailable
from tests.e2e.daemons import wait_for
from tests.fleet.faults import Faults
from tests.fleet.judging import Judge
from tests.fleet.model import Model
from tests.fleet.writer import Writer

MODEL = Model(5, 8)


class Unreliable(DirectoryStore):
    """A store that can't be reached now and then, before a change is made or behind that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._fails = self._failures()

    def commit(self, plan: Plan, about: About) -> Signed:
        """Make a change, perhaps, and perhaps say so."""
        when = next(self._fails)
        if when == "before":
            raise StoreUnavailable("It does not answer.")
        signed = super().commit(plan, about)
        if when == "behind":
            raise StoreUnavailable("Nobody knows whether it was made.")
        return signed

    def _failures(self) -> Iterator[str]:
        while True:
            yield from ("", "behind", "before")


@pytest.mark.parametrize("kind", [DirectoryStore, Unreliable])
def test_each_change_is_made_once(tmp_path: Path, kind: type[DirectoryStore]) -> None:
    """Each change is in the ledger once and in its order, also where a store does not say that it has made it."""
    store = kind(tmp_path)
    writer = Writer(MODEL, store)
    for _ in MODEL.states:
        writer.write()
    assert writer.written == sorted(writer.written)
    judge = Judge(MODEL, 0)
    kept = store.read()
    judge.read_ledger(store.entries(0, 100), kept.head)
    assert judge.examples == []


def test_faults_come_one_at_a_time() -> None:
    """Nothing is done while something is being done, each kind comes before one comes again, and errors come out."""
    mended, done = Event(), []

    def hold(chance: Random) -> None:
        done.append("hold")
        assert mended.wait(30)

    with Faults({"hold": hold, "again": lambda _: done.append("again")}, Random(1)) as faults:
        for count in range(1, 5):
            faults.strike()
            faults.strike()
            mended.set()
            wait_for(lambda count=count: faults.counts.total() == count, "the fault")  # type: ignore[misc]
    assert faults.counts == {"hold": 2, "again": 2}
    assert sorted(done[:2]) == sorted(done[2:]) == ["again", "hold"]

    def fail(chance: Random) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Faults({"fail": fail}, Random(1)) as faults:
        faults.strike()
