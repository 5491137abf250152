"""Starts workers, replaces those that die, and passes on what is for all of them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from cors_service.server import CannotServe, Listener
from cors_service.web.workers import WorkerStatus
from cors_service.workers._lines import HELD_BACK
from cors_service.workers._loads import Loads
from cors_service.workers._places import FIRST_SOCKET, HEARS, LINGER_SECONDS, LOADS, SAYS, Slot, Worker, how_it_ended
from cors_service.workers._reloads import Reloads

GRACE_SECONDS: Final = 3.0
"""How much longer than the requests in flight a worker has to end."""

SETTLE_SECONDS: Final = 0.2
"""How long a worker that was sent SIGTERM goes on: if all processes were, this one is about to know it, too, and then
the worker has to take the rest of the connections."""


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
        when_serving: Callable[[], object] = lambda: None,
    ) -> None:
        """Make a supervisor.

        Args:
            reactor: The reactor.
            count: How many workers there shall be.
            endpoints: Where to listen, each with its description.
            command: The arguments of Python that start a worker; one more, as JSON, tells it what it is given.
            drain_timeout: Seconds that requests in flight have to end when the service stops.
            when_serving: Is called once, when the first worker serves.
        """
        self._listener = Listener(endpoints, Workers())
        self._reactor = reactor
        self._count = count
        self._command = command
        self._drain_timeout = drain_timeout
        self._when_serving = when_serving
        self._has_served = False
        self._reloads = Reloads()
        self._loads_file = -1
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._leaving: set[Worker] = set()
        self._telling: IDelayedCall | None = None
        self._directory: Path | None = None
        self._wanting: list[tuple[Worker, Worker, str]] = []
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

    def reload(self) -> Deferred[None]:
        """Have all workers read the policies; the Deferred fires when they have done so, well or badly."""
        workers = [slot.worker for slot in self._slots if slot.worker is not None and slot.worker.is_serving]
        for worker in workers:
            worker.tell("reload")
        return self._reloads.begin(workers)

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

    def _start(self, slot: Slot) -> None:
        slot.pending = None
        if not self.running:
            return
        worker = slot.worker = Worker(self, slot, self._reactor)
        sockets = {FIRST_SOCKET + index: port.fileno() for index, port in enumerate(self.ports)}
        given = {
            "number": slot.number,
            "workers": self._count,
            "reactor": type(self._reactor).__module__,
            "hears": HEARS,
            "says": SAYS,
            "loads": LOADS,
            "sockets": list(sockets),
        }
        # What is in the working directory is not to be imported, unless it is here too.
        arguments = [sys.executable, "-P", *self._command, json.dumps(given)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        descriptors: dict[int, int | str] = {HEARS: "w", 1: "r", 2: "r", SAYS: "r", LOADS: self._loads_file}
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

    def is_heard(self, worker: Worker, word: str, value: Any) -> None:
        """Take what a worker says."""
        match word:
            case "begins":
                worker.has_begun = True
            case "log":
                globalLogPublisher(value)
            case "status":
                worker.status = value
                self._tell_all_soon()
                if not self._has_served:
                    self._has_served = True
                    self._when_serving()
            case "reloaded":
                self._reloads.has_reloaded(worker)
            case "ending" if self._ended is None and worker.slot.worker is worker and worker.slot.pending is None:
                worker.slot.pending = self._reactor.callLater(SETTLE_SECONDS, self._let_end, worker)
            case "wanting":
                self._hand_policies_to(worker)
            case "kept":
                self._have_been_kept(worker, value)
            case _:
                pass

    def _let_end(self, worker: Worker) -> None:
        slot = worker.slot
        slot.pending = None
        self._log.info("{worker} shall end; another one takes its place", worker=worker.name)
        self._leaving.add(worker)
        worker.tell("drain", False)
        slot.replaced += 1
        self._start(slot)

    def has_said(self, worker: Worker, line: bytes) -> None:
        """Put into the log what a worker wrote elsewhere than into its log."""
        if line:
            text = line.decode("utf-8", "replace")
            self._log.error("[worker {worker}] {text}", worker=worker.slot.number, text=text)

    def has_exited(self, worker: Worker, reason: Failure) -> None:
        """A worker is no more; others take its connections, and another one its place."""
        self._has_ended(worker, f"ended: {how_it_ended(reason)}")

    def is_closed(self, worker: Worker) -> None:
        """Nothing more comes of a worker that has ended."""
        self._leaving.discard(worker)
        self._end_if_all_have()

    def _has_ended(self, worker: Worker, how: str) -> None:
        slot = worker.slot
        self._forget_wanting(worker)
        self._reloads.has_ended(worker)
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

    def _hand_policies_to(self, worker: Worker) -> None:
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

    def _have_been_kept(self, holder: Worker, is_good: bool) -> None:
        for wanting in self._wanting:
            worker, asked, path = wanting
            if asked is holder:
                self._wanting.remove(wanting)
                worker.tell("policies", path if is_good else None)
                return

    def _forget_wanting(self, ended: Worker) -> None:
        lost = [wanting for wanting in self._wanting if ended in wanting[:2]]
        self._wanting = [wanting for wanting in self._wanting if wanting not in lost]
        for worker, _, _ in lost:
            if worker is not ended:
                worker.tell("policies")


class Workers(Factory):
    """Whose a socket is at which this process accepts nothing; its name is in the log."""

    noisy = False


def _exit() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(1)
