"""Which workers are still reading the policies because they were told to."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred

from cors_service.workers.slots import WorkerProcess


class Reloads:
    """Says when all workers have done what a reload asked of them."""

    def __init__(self) -> None:
        self._open: list[tuple[set[WorkerProcess], Deferred[None]]] = []

    def begin(self, workers: Iterable[WorkerProcess]) -> Deferred[None]:
        """Expect an end from each of some workers; the Deferred fires after the last one."""
        waiting = (set(workers), Deferred[None]())
        self._open.append(waiting)
        self._close()
        return waiting[1]

    def waits_for(self, worker: WorkerProcess) -> bool:
        """Whether a worker has yet to do what a reload asked of it."""
        return any(worker in workers for workers, _ in self._open)

    def has_reloaded(self, worker: WorkerProcess) -> None:
        """A worker has done what the first reload asked that still waits for it."""
        for workers, _ in self._open:
            if worker in workers:
                workers.remove(worker)
                break
        self._close()

    def has_ended(self, worker: WorkerProcess) -> None:
        """Wait no more for a worker that is gone."""
        for workers, _ in self._open:
            workers.discard(worker)
        self._close()

    def _close(self) -> None:
        done = [deferred for workers, deferred in self._open if not workers]
        self._open = [each for each in self._open if each[0]]
        for deferred in done:
            deferred.callback(None)
