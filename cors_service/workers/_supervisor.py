"""Starts workers, replaces those that die, and passes on what is for all of them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IStreamServerEndpoint
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.internet.tcp import Port
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from cors_service.web import CannotServe, Listener, WorkerStatus
from cors_service.workers._lines import HELD_BACK, Lines, read, write
from cors_service.workers._loads import Loads
from cors_service.workers._log import LOG, read_event

STEADY_SECONDS: Final = 10.0
"""A worker that dies sooner than that is not replaced at once if that happened before."""

MOST_SECONDS: Final = 30.0
"""How long the replacement of a worker that dies again and again is put off at most."""

ATTEMPTS: Final = 3
"""As often every worker must fail to start, one after the other and none serving, for the service to give up."""

GRACE_SECONDS: Final = 3.0
"""How much longer than the requests in flight a worker has to end."""

SETTLE_SECONDS: Final = 0.2
"""How long a worker that was sent SIGTERM goes on: if all processes were, this one is about to know it, too, and then
the worker has to take the rest of the connections."""

LINGER_SECONDS: Final = 1.0
"""How long it takes at most until what a worker says is heard, also if it has ended and a child of its own holds its
pipes open."""

# The descriptors of a worker. Its standard output and error are for what never became an event of the log.
_HEARS, _SAYS, _LOADS, _FIRST_SOCKET = 0, 3, 4, 5


class Supervisor(Service):
    """Listens on sockets, and has workers serve them. It takes up no connection itself.

    Attributes:
        ports: What is listened on now.
    """

    _log: Final = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        command: Sequence[str],
        *,
        drain_timeout: float,
    ) -> None:
        """Make a supervisor.

        Args:
            reactor: The reactor.
            count: How many workers there shall be.
            endpoints: Where to listen, each with its description.
            command: The arguments of Python that start a worker; one more, as JSON, tells it what it is given.
            drain_timeout: Seconds that requests in flight have to end when the service stops.
        """
        self._listener = Listener(endpoints, Workers())
        self._reactor = reactor
        self._count = count
        self._command = command
        self._drain_timeout = drain_timeout
        self._loads_file = -1
        self._slots = [_Slot(number) for number in range(1, count + 1)]
        self._leaving: set[_Worker] = set()
        self._telling: IDelayedCall | None = None
        self._directory: Path | None = None
        self._wanting: list[tuple[_Worker, _Worker, str]] = []
        self._ended: Deferred[None] | None = None

    @property
    def ports(self) -> Sequence[Port]:
        """What is listened on now."""
        return [cast(Port, port) for port, _ in self._listener.ports]

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind to any port."""
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """Listen, and start the workers as soon as the reactor runs.

        Raises:
            CannotServe: An endpoint can't be had, or not by several processes.
        """
        super().startService()
        self._listen()
        self._loads_file = Loads.make(self._count)
        self._loads = Loads(self._loads_file, self._count)
        # Not before: by then a daemon has left its parent, and given up its privileges.
        self._reactor.callWhenRunning(self._start_all)

    def stopService(self) -> Deferred[Any]:
        """Have the workers take up what waits, answer what was asked, and end; then close the sockets."""
        super().stopService()
        ended = self._ended = Deferred()
        for slot in self._slots:
            slot.cancel()
            if slot.worker is not None:
                slot.worker.tell("drain", True)
        # One that still reads the policies hears nothing, but it may also have begun this very moment.
        calls = [
            self._reactor.callLater(LINGER_SECONDS, self._kill_those_that_start),
            self._reactor.callLater(self._drain_timeout + GRACE_SECONDS, self._kill_all),
        ]
        self._end_if_all_have()

        def close(_: None) -> Deferred[Any]:
            for call in calls:
                if call.active():
                    call.cancel()
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
            self._loads.close()
            os.close(self._loads_file)
            return self._listener.stop()

        return ended.addCallback(close)

    def reload(self) -> None:
        """Have all workers read the policies."""
        for slot in self._slots:
            if slot.worker is not None and slot.worker.is_serving:
                slot.worker.tell("reload")

    def status(self) -> list[WorkerStatus]:
        """What is known of all workers."""
        return [slot.status() for slot in self._slots]

    def _listen(self) -> None:
        self._listener.listen()
        for port, _ in self._listener.ports:
            if not isinstance(port, Port):
                raise CannotServe.because(f"several workers can't share {port}; use --workers=1")
            # The workers accept; this process only holds the socket open while they come and go.
            port.stopReading()

    def _start_all(self) -> None:
        for slot in self._slots:
            self._start(slot)

    def _start(self, slot: _Slot) -> None:
        slot.pending = None
        if not self.running:
            return
        worker = slot.worker = _Worker(self, slot)
        sockets = {_FIRST_SOCKET + index: port.fileno() for index, port in enumerate(self.ports)}
        given = {
            "number": slot.number,
            "workers": self._count,
            "reactor": type(self._reactor).__module__,
            "hears": _HEARS,
            "says": _SAYS,
            "loads": _LOADS,
            "sockets": list(sockets),
        }
        # What is in the working directory is not to be imported, unless it is here too.
        arguments = [sys.executable, "-P", *self._command, json.dumps(given)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        descriptors: dict[int, int | str] = {_HEARS: "w", 1: "r", 2: "r", _SAYS: "r", _LOADS: self._loads_file}
        # What is blocked here is blocked there, until the worker has made up its mind about it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            self._reactor.spawnProcess(
                worker, sys.executable, arguments, env=environment, childFDs=descriptors | sockets
            )
        except OSError as error:
            self._has_ended(worker, f"can't be started: {error}")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    # What workers do.

    def is_heard(self, worker: _Worker, word: str, value: Any) -> None:
        """Take what a worker says."""
        match word:
            case "begins":
                worker.has_begun = True
            case "log":
                globalLogPublisher(value)
            case "status":
                worker.status = value
                self._tell_all_soon()
            case "ending" if self._ended is None and worker.slot.worker is worker and worker.slot.pending is None:
                worker.slot.pending = self._reactor.callLater(SETTLE_SECONDS, self._let_end, worker)
            case "wanting":
                self._hand_policies_to(worker)
            case "kept":
                self._have_been_kept(worker, value)
            case _:
                pass

    def _let_end(self, worker: _Worker) -> None:
        slot = worker.slot
        slot.pending = None
        self._log.info("{worker} shall end; another one takes its place", worker=worker.name)
        self._leaving.add(worker)
        worker.tell("drain", False)
        slot.replaced += 1
        self._start(slot)

    def has_said(self, worker: _Worker, line: bytes) -> None:
        """Put into the log what a worker wrote elsewhere than into its log."""
        if line:
            text = line.decode("utf-8", "replace")
            self._log.error("[worker {worker}] {text}", worker=worker.slot.number, text=text)

    def has_exited(self, worker: _Worker, reason: Failure) -> None:
        """A worker is no more; others take its connections, and another one its place."""
        self._has_ended(worker, f"ended: {_how(reason)}")

    def is_closed(self, worker: _Worker) -> None:
        """Nothing more comes of a worker that has ended."""
        self._leaving.discard(worker)
        self._end_if_all_have()

    def _has_ended(self, worker: _Worker, how: str) -> None:
        slot = worker.slot
        self._forget_wanting(worker)
        if slot.worker is not worker:
            self._log.info("{worker} {how}", worker=worker.name, how=how)
            return
        slot.worker = None
        slot.cancel()
        self._loads.leave(slot.number)
        if worker.is_running:
            self._leaving.add(worker)
        if self._ended is not None:
            self._log.info("{worker} {how}", worker=worker.name, how=how)
            self._end_if_all_have()
            return
        slot.replaced += 1
        slot.has_failed(worker, self._reactor.seconds())
        self._log.error(
            "{worker} {how}; another one is started in {seconds:g} seconds",
            worker=worker.name,
            how=how,
            seconds=slot.delay,
        )
        if all(slot.cannot_start for slot in self._slots):
            self._give_up()
            return
        slot.pending = self._reactor.callLater(slot.delay, self._start, slot)
        self._tell_all_soon()

    def _give_up(self) -> None:
        why = "no worker can be started; the log says why"
        self._log.critical("{why}", why=why)
        if sys.__stderr__ is not None:
            sys.__stderr__.write(f"cors-service: {why}\n")
        for slot in self._slots:
            slot.cancel()
        # Neither twist nor twistd have a way to end with another status once the reactor runs.
        atexit.register(_exit)
        self._reactor.stop()

    def _end_if_all_have(self) -> None:
        is_over = not self._leaving and not any(slot.worker for slot in self._slots)
        if is_over and self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def _kill_those_that_start(self) -> None:
        for slot in self._slots:
            if slot.worker is not None and not slot.worker.has_begun:
                slot.worker.kill()

    def _kill_all(self) -> None:
        for worker in [*self._leaving, *(slot.worker for slot in self._slots if slot.worker is not None)]:
            self._log.error("{worker} did not end in time, and is killed", worker=worker.name)
            worker.kill()

    def _tell_all_soon(self) -> None:
        if self._telling is None and self._ended is None:
            self._telling = self._reactor.callLater(0, self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        status = self.status()
        for slot in self._slots:
            if slot.worker is not None and slot.worker.is_serving:
                slot.worker.tell("workers", status)

    # The last good policies, for a worker that finds bad ones.

    def _hand_policies_to(self, worker: _Worker) -> None:
        holders = [slot.worker for slot in self._slots if slot.worker is not None and slot.worker.is_serving]
        if not holders:
            worker.tell("policies")
            return
        try:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(prefix="cors-service-"))
        except OSError as error:
            self._log.error("No file for the policies of {worker}: {error}", worker=worker.name, error=str(error))
            worker.tell("policies")
            return
        path = str(self._directory / f"{worker.pid}.json")
        self._wanting.append((worker, holders[0], path))
        holders[0].tell("keep", path)

    def _have_been_kept(self, holder: _Worker, is_good: bool) -> None:
        for wanting in self._wanting:
            worker, asked, path = wanting
            if asked is holder:
                self._wanting.remove(wanting)
                worker.tell("policies", path if is_good else None)
                return

    def _forget_wanting(self, ended: _Worker) -> None:
        lost = [wanting for wanting in self._wanting if ended in wanting[:2]]
        self._wanting = [wanting for wanting in self._wanting if wanting not in lost]
        for worker, _, _ in lost:
            if worker is not ended:
                worker.tell("policies")


class _Slot:
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
        self.worker: _Worker | None = None
        self.pending: IDelayedCall | None = None
        self.replaced = 0
        self.delay = 0.0
        self._deaths = 0
        self._failed_starts = 0

    @property
    def cannot_start(self) -> bool:
        """Whether no worker came to serve here of late."""
        return self._failed_starts >= ATTEMPTS and self.worker is None

    def has_failed(self, worker: _Worker, now: float) -> None:
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


class _Worker(ProcessProtocol):
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

    def __init__(self, supervisor: Supervisor, slot: _Slot) -> None:
        self.slot = slot
        self.has_begun = False
        self.status: WorkerStatus | None = None
        self.pid: int | None = None
        self.started_at: float = supervisor._reactor.seconds()
        self.is_running = False
        self._hears = False
        self._supervisor = supervisor
        self._lines = {descriptor: Lines() for descriptor in (1, 2, _SAYS)}
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
            self.transport.writeToChild(_HEARS, write(word, value))

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
        if childFD == _HEARS:
            self._hears = False
        if childFD in self._lines and (rest := self._lines[childFD].end()):
            self._said(childFD, rest)

    def processExited(self, reason: Failure) -> None:
        """It is no more, but something that it said may be on its way."""
        self._closing = self._supervisor._reactor.callLater(LINGER_SECONDS, self.transport.loseConnection)
        self._supervisor.has_exited(self, reason)

    def processEnded(self, reason: Failure) -> None:
        """All that it said is heard."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.is_running = False
        self._supervisor.is_closed(self)

    def _said(self, descriptor: int, line: bytes) -> None:
        if descriptor == _SAYS:
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


class Workers(Factory):
    """Whose a socket is at which this process accepts nothing; its name is in the log."""

    noisy = False


def _how(reason: Failure) -> str:
    """Say how a process ended."""
    by, status = getattr(reason.value, "signal", None), getattr(reason.value, "exitCode", None)
    return f"signal {by}" if by else f"exit status {status}"


def _exit() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(1)
