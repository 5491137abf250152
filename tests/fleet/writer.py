"""Makes the changes of a model one by one: every other one through the admin process, the others in the store."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any, Final

from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About, Kept, Outdated, StoreUnavailable
from tests.fleet.judging import Confirmed
from tests.fleet.model import Model
from tests.fleet.replicas import Fleet

_PATIENCE: Final = 120.0
"""Seconds that a change may take, whatever happens to the store."""
_PAUSE: Final = 0.1
_CONFIRMED: Final = 20
"""Of one of so many changes that the admin process makes, the writer waits until all replicas have it."""
_AGAIN: Final = (StoreUnavailable, Outdated, OSError, http.client.HTTPException)


class NotWritten(Exception):
    """A change can't be made; the text says why."""


class _Refused(OSError):
    """The admin process could not make a change now."""


class Writer:
    """Makes changes, and finds out about each whether it is made.

    Attributes:
        written: When each change was made, as its entry in the ledger has it, by the clock of all processes.
        confirmed: What the admin process said of all replicas.
        attempts: How often it was tried in all.
    """

    def __init__(self, model: Model, store: IChangeStore) -> None:
        """Make one.

        Args:
            model: Which changes to make.
            store: Where.
        """
        self.written: list[float] = []
        self.confirmed: list[Confirmed] = []
        self.attempts = 0
        self.fleet: Fleet | None = None
        self._model = model
        self._store = store
        # What turns the time of entries into that of the clock which never jumps.
        self._offset = time.time() - time.monotonic()

    def write(self) -> None:
        """Make the next change.

        Raises:
            NotWritten: It can't be made; or a change that was made is not there any more.
        """
        number = len(self.written)
        end = time.monotonic() + _PATIENCE
        why = ""
        while time.monotonic() < end:
            try:
                at = self._written(number)
            except _AGAIN as error:
                why = str(error)
            else:
                if at is not None:
                    self.written.append(self._seconds(at))
                    return
                why = "the store does not have the change before"
            Event().wait(_PAUSE)
        raise NotWritten(f"Change {number} can't be made: {why}")

    def _written(self, number: int) -> str | None:
        """Make a change unless it is made; give when that was. None if the change before is not there, or not yet."""
        kept = self._store.read()
        if kept.head.revision == self._model.states[number].revision:
            return kept.head.at
        if number and kept.head.revision != self._model.states[number - 1].revision:
            return None
        self.attempts += 1
        make: Callable[[Kept, int], str] = self._make
        if self.fleet is not None and number % 2:
            make = self._ask_for
        return make(kept, number)

    def _make(self, kept: Kept, number: int) -> str:
        about = About(author="writer", reason=f"change {number}", request_id="", wider=True, narrower=True)
        plan = self._store.plan(kept, self._model.changes[number])
        return self._store.commit(plan, about).entry.at

    def _ask_for(self, kept: Kept, number: int) -> str:
        assert self.fleet is not None
        changes: list[dict[str, Any]] = [
            {"kind": edit.key.kind, "name": edit.key.name, "document": edit.body}
            for edit in self._model.changes[number]
        ]
        body = {"reason": f"change {number}", "changes": changes}
        conditions = {"If_Match": f'"{kept.head.seq}"'}
        if number // 2 % _CONFIRMED == 0:
            conditions["Prefer"] = "wait=5"
        status, answer = self.fleet.admin("POST", "changes", body, **conditions)
        if status >= 400:
            raise _Refused(f"the admin process answers {status}: {answer.get('detail')}")
        at: str = answer["entry"]["at"]
        told = answer["fleet"]
        if (told["confirmed"], told["waiting"]) == (len(self.fleet.replicas), []):
            self.confirmed.append(Confirmed(number, self._seconds(at), time.monotonic()))
        return at

    def _seconds(self, at: str) -> float:
        """The time of an entry by the clock of all processes."""
        return datetime.fromisoformat(at).timestamp() - self._offset
