"""Passes on what workers ask about policies, to the one process that reads them, and its answers back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from cors_service.reader.frames import frame_of, framed, type_of
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.messages import ENDS_OF_ANSWERS, Changed, End, Following, Load, Refused
from cors_service.reader.snapshot import Snapshot
from cors_service.store.reader_client import PolicySource, ReaderClient
from cors_service.workers.slots import WorkerProcess

PATIENCE_SECONDS: Final = 5.0
"""How long the others wait for a worker that does not take its answer: what comes of it then is kept for it here."""


class Relay:
    """Connects workers and the reader.

    It reads no policies, and keeps none: it sees what kind of message something is, and whom it is for. A worker that
    starts can have policies that the reader does not have, beside documents that are bad: another worker gives them.

    Attributes:
        following: What the reader of a store said of it last; None of documents, and before it said something.
    """

    def __init__(
        self,
        reactor: Any,
        source: PolicySource,
        workers: Callable[[], list[WorkerProcess]],
        *,
        snapshot: Snapshot | None = None,
        limits: ReaderLimits = DEFAULT_LIMITS,
    ) -> None:
        """Make a relay.

        Args:
            reactor: The reactor.
            source: Where the policies come from.
            workers: Gives the workers.
            snapshot: Where the reader keeps each good set.
            limits: What reading may take.
        """
        self._reactor = reactor
        self.following: Following | None = None
        self._reader = ReaderClient(
            source, reactor, self._changed, snapshot=snapshot, limits=limits, told=self._has_told
        )
        self._workers = workers
        # The worker that is being answered, whether it is worth waiting for, and the call that ends the wait.
        self._receiver: WorkerProcess | None = None
        self._is_patient = True
        self._waiting: IDelayedCall | None = None
        # By the worker that gives its policies, the worker that they are for and what it is told if they don't come.
        self._gifts: dict[WorkerProcess, tuple[WorkerProcess, bytes]] = {}

    def start(self) -> None:
        """Have the documents read."""
        self._reader.start()

    def stop(self) -> Deferred[None]:
        """Read no more; fires when the reader has ended."""
        self._reader.forget()
        self._free()
        return self._reader.stop()

    def reread(self) -> None:
        """Have all documents read again, once, and the workers told."""
        self._reader.reread()

    def ask(self, worker: WorkerProcess, request: Load) -> None:
        """Ask for a worker."""
        self._reader.ask(request, partial(self._pass_on, worker, request))

    def give(self, giver: WorkerProcess, message: bytes) -> None:
        """Pass on what a worker gives to another one."""
        worker, _ = self._gifts.get(giver, (None, b""))
        if worker is None:
            return
        kind = type_of(message)
        if kind is Refused:
            self.lose(giver)
            return
        worker.send(frame_of(message))
        if kind is End:
            del self._gifts[giver]
            # What is wrong with the documents, it asks for itself.
            worker.tell(Changed())

    def lose(self, ended: WorkerProcess) -> None:
        """Expect nothing of a worker any more."""
        if ended in self._gifts:
            worker, instead = self._gifts.pop(ended)
            self._give_or_refuse(worker, instead, but=ended)

    def is_full(self, worker: WorkerProcess) -> None:
        """Have the reader wait for a worker, for a while."""
        if worker is self._receiver and self._waiting is None and self._is_patient:
            self._reader.pause()
            self._waiting = self._reactor.callLater(PATIENCE_SECONDS, self._lose_patience)

    def is_free(self, worker: WorkerProcess) -> None:
        """Let the reader go on."""
        if worker is self._receiver:
            self._free()

    def _pass_on(self, worker: WorkerProcess, request: Load, message: bytes) -> None:
        kind = type_of(message)
        self._receiver = worker
        if kind is Refused and request.base is None:
            self._give_or_refuse(worker, message)
        else:
            worker.send(frame_of(message))
        if kind in ENDS_OF_ANSWERS:
            self._free()
            self._receiver, self._is_patient = None, True
            if self.following is not None:
                # A worker that has just started was told nothing.
                worker.tell(self.following)

    def _give_or_refuse(self, worker: WorkerProcess, instead: bytes, but: WorkerProcess | None = None) -> None:
        """Have a worker that serves give its policies to one that starts; if there is none, say what is wrong."""
        for giver in self._workers():
            if giver.is_serving and giver not in (worker, but) and giver not in self._gifts:
                self._gifts[giver] = worker, instead
                giver.send(framed(Load(None)))
                return
        worker.send(frame_of(instead))

    def _changed(self) -> None:
        """Tell all workers that there may be something to load."""
        for worker in self._workers():
            worker.tell(Changed())

    def _has_told(self, told: Following) -> None:
        """Tell all workers how closely the store is followed."""
        self.following = told
        for worker in self._workers():
            worker.tell(told)

    def _free(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._reader.resume()

    def _lose_patience(self) -> None:
        self._waiting, self._is_patient = None, False
        self._reader.resume()
