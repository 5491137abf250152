"""The places of workers, and the processes that have them, as the supervisor sees them."""

from __future__ import annotations

from typing import Any, Final, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from cors_service.web.workers import WorkerStatus
from cors_service.workers._lines import Lines, read, write
from cors_service.workers._log import LOG, read_event

STEADY_SECONDS: Final = 10.0
"""A worker that dies sooner than that is not replaced at once if that happened before."""

MOST_SECONDS: Final = 30.0
"""How long the replacement of a worker that dies again and again is put off at most."""

ATTEMPTS: Final = 3
"""As often every worker must fail to start, one after the other and none serving, for the service to give up."""

LINGER_SECONDS: Final = 1.0
"""How long it takes at most until what a worker says is heard, also if it has ended and a child of its own holds its
pipes open."""

# The descriptors of a worker. Its standard output and error are for what never became an event of the log.
HEARS, SAYS, LOADS, FIRST_SOCKET = 0, 3, 4, 5


class Hears(Protocol):
    """Who is told what workers do; `Supervisor` is."""

    def is_heard(self, worker: Worker, word: str, value: Any) -> None:
        """Take what a worker says."""

    def has_said(self, worker: Worker, line: bytes) -> None:
        """Take what a worker wrote elsewhere than into its log."""

    def has_exited(self, worker: Worker, reason: Failure) -> None:
        """A worker is no more."""

    def is_closed(self, worker: Worker) -> None:
        """Nothing more comes of a worker that has ended."""


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
        self.worker: Worker | None = None
        self.pending: IDelayedCall | None = None
        self.replaced = 0
        self.delay = 0.0
        self._deaths = 0
        self._failed_starts = 0

    @property
    def cannot_start(self) -> bool:
        """Whether no worker came to serve here of late."""
        return self._failed_starts >= ATTEMPTS and self.worker is None

    def has_failed(self, worker: Worker, now: float) -> None:
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
        return told.with_history(started_at=worker.started_at, replaced=self.replaced)


class Worker(ProcessProtocol):
    """A process that serves.

    Attributes:
        transport: Its process.
        slot: Its place.
        started_at: Seconds since 1970.
        is_running: Whether there may be more to hear of it.
        has_begun: Whether it accepts connections.
        status: What it told last; None before it serves.
        pid: Its process id.
    """

    transport: IProcessTransport

    def __init__(self, supervisor: Hears, slot: Slot, reactor: Any) -> None:
        self.slot = slot
        self.has_begun = False
        self.status: WorkerStatus | None = None
        self.pid: int | None = None
        self.started_at: float = reactor.seconds()
        self.is_running = False
        self._hears = False
        self._supervisor = supervisor
        self._reactor = reactor
        self._lines = {descriptor: Lines() for descriptor in (1, 2, SAYS)}
        self._closing: IDelayedCall | None = None

    @property
    def is_serving(self) -> bool:
        """Whether it has policies and accepts connections."""
        return self.status is not None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Worker {self.slot.number} (process {self.pid})"

    def tell(self, word: str, value: object = None) -> None:
        """Tell it something."""
        if self._hears:
            self.transport.writeToChild(HEARS, write(word, value))

    def kill(self) -> None:
        """End it at once."""
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def connectionMade(self) -> None:
        """It runs."""
        self.is_running = self._hears = True
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Hear it."""
        for line in self._lines[childFD].feed(data):
            self._said(childFD, line)

    def childConnectionLost(self, childFD: int) -> None:
        """Hear the last of it."""
        if childFD == HEARS:
            self._hears = False
        if childFD in self._lines and (rest := self._lines[childFD].end()):
            self._said(childFD, rest)

    def processExited(self, reason: Failure) -> None:
        """It is no more, but something that it said may be on its way."""
        self._closing = self._reactor.callLater(LINGER_SECONDS, self.transport.loseConnection)
        self._supervisor.has_exited(self, reason)

    def processEnded(self, reason: Failure) -> None:
        """All that it said is heard."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.is_running = False
        self._supervisor.is_closed(self)

    def _said(self, descriptor: int, line: bytes) -> None:
        if descriptor == SAYS:
            try:
                word, value = self._read(line)
            except Exception:  # noqa: BLE001 - half a line, of a worker that was killed
                self._supervisor.has_said(self, line)
            else:
                self._supervisor.is_heard(self, word, value)
        else:
            self._supervisor.has_said(self, line)

    def _read(self, line: bytes) -> tuple[str, Any]:
        if line.startswith(LOG):
            return "log", read_event(line, self.slot.number)
        word, value = read(line)
        return word, WorkerStatus.all_of([value])[0] if word == "status" else value


def how_it_ended(reason: Failure) -> str:
    """Say how a process ended."""
    by, status = getattr(reason.value, "signal", None), getattr(reason.value, "exitCode", None)
    return f"signal {by}" if by else f"exit status {status}"
