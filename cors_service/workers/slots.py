"""The places of workers, and the processes that have them, as the supervisor sees them."""

from __future__ import annotations

from typing import Any, Final, Protocol

from msgspec import structs
from twisted.internet.interfaces import IDelayedCall

from cors_service.observe.table import Table
from cors_service.processes import Owner, PythonProcess
from cors_service.reader.frames import framed
from cors_service.reader.messages import Message, WorkerStatus

STEADY_SECONDS: Final = 10.0
"""A worker that dies sooner than that is not replaced at once if that happened before."""

MOST_SECONDS: Final = 30.0
"""How long the replacement of a worker that dies again and again is put off at most."""

ATTEMPTS: Final = 3
"""As often every worker must fail to start, one after the other and none serving, for the service to give up."""

# The descriptors of a worker. Its standard output and error are for what never became an event of the log.
SAYS, LOADS, COUNTS, FIRST_SOCKET = 3, 4, 5, 6


class Slot:
    """A place for a worker, and how those fared that had it.

    Attributes:
        number: From 1.
        worker: Who has it, but for those that are about to end.
        pending: The call that fills it, or has it filled by another one.
        replaced: How often another one took it.
        delay: Seconds until it is filled again.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: WorkerProcess | None = None
        self.pending: IDelayedCall | None = None
        self.replaced = 0
        self.delay = 0.0
        self._deaths = 0
        self._failed_starts = 0

    @property
    def cannot_start(self) -> bool:
        """Whether no worker came to serve here of late."""
        return self._failed_starts >= ATTEMPTS and self.worker is None

    def has_failed(self, worker: WorkerProcess, now: float) -> None:
        """Take note that a worker died."""
        self._failed_starts = 0 if worker.is_serving else self._failed_starts + 1
        self._deaths = 1 if now - worker.started_at >= STEADY_SECONDS else self._deaths + 1
        self.delay = 0.0 if self._deaths == 1 else min(MOST_SECONDS, 0.1 * 2.0 ** min(self._deaths, 20))

    def cancel(self) -> None:
        """Fill it no more."""
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None

    def status(self) -> WorkerStatus:
        """What is known of who has it."""
        worker = self.worker
        if worker is None:
            return WorkerStatus(number=self.number, pid=None, state="waiting", replaced=self.replaced)
        told = worker.status or WorkerStatus(number=self.number, pid=worker.pid, state="starting")
        return structs.replace(told, started_at=worker.started_at, replaced=self.replaced)


class Takes(Protocol):
    """What is told how fast a worker takes what it is sent."""

    def is_full(self, worker: WorkerProcess) -> None:
        """The worker has not taken what it was sent."""

    def is_free(self, worker: WorkerProcess) -> None:
        """The worker has taken it."""


class WorkerProcess(PythonProcess):
    """A process that serves.

    Attributes:
        slot: Its place.
        started_at: Seconds since 1970.
        has_begun: Whether it accepts connections.
        status: What it told last; None before it serves.
        table: Where it counts; None where it does not.
    """

    def __init__(self, owner: Owner, reactor: Any, slot: Slot, relay: Takes) -> None:
        """Make a worker, which is not started yet.

        Args:
            owner: What is told about it.
            reactor: The reactor.
            slot: Its place.
            relay: What is told how fast it takes what it is sent.
        """
        super().__init__(owner, reactor, SAYS)
        self.slot = slot
        self.has_begun = False
        self.status: WorkerStatus | None = None
        self.table: Table | None = None
        self.started_at: float = reactor.seconds()
        self._relay = relay

    @property
    def is_serving(self) -> bool:
        """Whether it has policies and accepts connections."""
        return self.status is not None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Worker {self.slot.number} (process {self.pid})"

    def tell(self, message: Message) -> None:
        """Tell it something."""
        self.send(framed(message))

    def connectionMade(self) -> None:
        """It runs."""
        super().connectionMade()
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """It does not take what it is sent as fast as that comes."""
        self._relay.is_full(self)

    def resumeProducing(self) -> None:
        """It has taken what it was sent."""
        self._relay.is_free(self)

    def stopProducing(self) -> None:
        """It takes nothing any more."""
        self._relay.is_free(self)
