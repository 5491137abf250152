"""Starts workers, replaces those that die, and passes on what is for all of them."""

from __future__ import annotations

import atexit
import json
import os
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from cors_service.decision.steps import at_once
from cors_service.observe.exposition import Exposition
from cors_service.observe.process import Process
from cors_service.observe.table import Table
from cors_service.observe.totals import Totals
from cors_service.processes import LINGER_SECONDS, how_it_ended
from cors_service.reader.frames import decoded, type_of
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.messages import (
    HEARS,
    PARTS_OF_ANSWERS,
    Begun,
    Drain,
    Ending,
    Following,
    Load,
    Logged,
    Measure,
    Measured,
    Message,
    Refused,
    Reload,
    Reloaded,
    Sighted,
    Workers,
    WorkerStatus,
)
from cors_service.reader.snapshot import Snapshot
from cors_service.server.server import CannotServe, Listener
from cors_service.store.reader_client import PolicySource
from cors_service.workers.loads import Loads
from cors_service.workers.log import read_event
from cors_service.workers.relay import Relay
from cors_service.workers.reloads import Reloads
from cors_service.workers.slots import COUNTS, FIRST_SOCKET, LOADS, SAYS, Slot, WorkerProcess
from cors_service.workers.sockets import Acceptor

GRACE_SECONDS: Final = 3.0
"""How much longer than the requests in flight a worker has to end."""

SETTLE_SECONDS: Final = 0.2
"""How long a worker that was sent SIGTERM goes on: if all processes were, this one is about to know it, too, and then
the worker has to take the rest of the connections."""


class Supervisor(Service):
    """Listens on sockets, and has workers serve them. It takes up no connection itself.

    Attributes:
        ports: What is listened on now.
        exposition: Writes what the workers have counted; None if they count nothing.
    """

    _log: Final = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        command: Sequence[str],
        *,
        policies: PolicySource,
        snapshot: Snapshot | None = None,
        limits: ReaderLimits = DEFAULT_LIMITS,
        drain_timeout: float,
        when_serving: Callable[[], object] = lambda: None,
        kept_file: int | None = None,
        totals: Totals | None = None,
        when_sighted: Callable[[bytes], object] = lambda _: None,
        log: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        """Make a supervisor.

        Args:
            reactor: The reactor.
            count: How many workers there are to be.
            endpoints: Where to listen, each with its description.
            command: The arguments of Python that start a worker; one more, as JSON, tells it what it is given.
            policies: Where the policies come from.
            snapshot: Keeps each good set of policies.
            limits: What reading them may take.
            drain_timeout: Seconds that requests in flight have to end when the service stops.
            when_serving: Is called once, when the first worker serves.
            kept_file: The descriptor of a file that all workers get; None for none.
            totals: Sums up what the workers count; None if they count nothing.
            when_sighted: Takes single decisions of a worker.
            log: Gives what there is to say of the decision log, as JSON; None for nothing.
        """
        self._listener = Listener(endpoints, SharedFactory())
        self._reactor = reactor
        self._count = count
        self._command = command
        self._drain_timeout = drain_timeout
        self._when_serving = when_serving
        self._kept_file = kept_file
        self._totals = totals
        self._when_sighted = when_sighted
        self._log_told = log
        self.exposition = (
            None if totals is None else Exposition(totals, reactor.seconds, self.processes, self._replaced)
        )
        self._has_served = False
        self._reloads = Reloads()
        self._loads_file = -1
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._leaving: set[WorkerProcess] = set()
        self._relay = Relay(reactor, policies, self._workers, snapshot=snapshot, limits=limits)
        self._telling: IDelayedCall | None = None
        self._ended: Deferred[None] | None = None

    @property
    def ports(self) -> Sequence[Port | Acceptor]:
        """What is listened on now."""
        return [cast(Port | Acceptor, port) for port, _ in self._listener.ports]

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
                slot.worker.tell(Drain(rest=True))
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
            self._loads.close()
            os.close(self._loads_file)
            return gatherResults([self._relay.stop(), self._listener.stop()])

        return ended.addCallback(close)

    def reload(self) -> Deferred[None]:
        """Have the reader read all policies, once, and all workers load them.

        Returns:
            A Deferred that fires when the workers have done so, well or badly.
        """
        self._relay.reread()
        workers = [worker for worker in self._workers() if worker.is_serving]
        for worker in workers:
            worker.tell(Reload())
        return self._reloads.begin(workers)

    def status(self) -> list[WorkerStatus]:
        """What is known of all workers."""
        return [slot.status() for slot in self._slots]

    @property
    def following(self) -> Following | None:
        """What the reader of a store said of it last; None of documents."""
        return self._relay.following

    def tell_all_soon(self) -> None:
        """Tell the workers how all of them are, and the log."""
        if self._telling is None and self._ended is None:
            self._telling = self._reactor.callLater(0, self._tell_all)

    def processes(self) -> list[Process]:
        """How the workers are that serve."""
        return [Process.of(one, one.connections) for one in self.status() if one.state == "serving"]

    def _replaced(self) -> int:
        return sum(slot.replaced for slot in self._slots)

    def _listen(self) -> None:
        self._listener.listen()
        for port, _ in self._listener.ports:
            if not isinstance(port, Port | Acceptor):
                raise CannotServe.because(f"several workers can't share {port}; use --workers=1")
            # The workers accept; this process only holds the socket open while they come and go.
            port.stopReading()

    def _workers(self) -> list[WorkerProcess]:
        """The workers that have a place."""
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _start_all(self) -> None:
        self._relay.start()
        self._start_from(0)

    def _start_from(self, index: int) -> None:
        """Start the workers from this place on, one in each turn of the reactor: signals must be heard meanwhile."""
        self._start(self._slots[index])
        following = index + 1
        if following < self._count:
            self._slots[following].pending = self._reactor.callLater(0, self._start_from, following)

    def _start(self, slot: Slot) -> None:
        slot.pending = None
        if not self.running:
            return
        worker = slot.worker = WorkerProcess(self, self._reactor, slot, self._relay)
        try:
            self._run(worker)
        except OSError as error:
            self._has_ended(worker, f"can't be started: {error}")

    def _run(self, worker: WorkerProcess) -> None:
        sockets = {FIRST_SOCKET + index: port.fileno() for index, port in enumerate(self.ports)}
        files = {LOADS: self._loads_file, **sockets}
        kept = None
        if self._kept_file is not None:
            kept = FIRST_SOCKET + len(sockets)
            files[kept] = self._kept_file
        given = {
            "number": worker.slot.number,
            "workers": self._count,
            "reactor": type(self._reactor).__module__,
            "hears": HEARS,
            "says": SAYS,
            "loads": LOADS,
            "counts": None if self._totals is None else COUNTS,
            "sockets": list(sockets),
            "kept": kept,
        }
        with ExitStack() as stack:
            if self._totals is not None:
                files[COUNTS] = Table.make()
                stack.callback(os.close, files[COUNTS])
                worker.table = Table(files[COUNTS])
                self._totals.open(worker.table)
            worker.start([*self._command, json.dumps(given)], files)

    # What workers do.

    def process_said(self, process: WorkerProcess, message: bytes) -> None:
        """Take what a worker says."""
        if type_of(message) in (*PARTS_OF_ANSWERS, Refused):
            self._relay.give(process, message)
        else:
            self._take(process, decoded(message))

    def _take(self, worker: WorkerProcess, message: Message) -> None:
        match message:
            case Logged():
                globalLogPublisher(read_event(message.event, worker.slot.number))
            case Load():
                # The reader was told already to read everything.
                is_told = self._reloads.waits_for(worker)
                self._relay.ask(worker, Load(message.base) if is_told else message)
            case Begun():
                worker.has_begun = True
            case WorkerStatus():
                worker.status = message
                self.tell_all_soon()
                if not self._has_served:
                    self._has_served = True
                    self._when_serving()
            case Sighted():
                self._when_sighted(message.sights)
            case Reloaded():
                self._reloads.has_reloaded(worker)
            case Measure() if self.exposition is not None:
                written = at_once(self.exposition.steps(message.accept))
                worker.tell(Measured(message.number, *written))
            case Ending() if self._ended is None and worker.slot.worker is worker and worker.slot.pending is None:
                worker.slot.pending = self._reactor.callLater(SETTLE_SECONDS, self._let_end, worker)
            case _:
                pass

    def _let_end(self, worker: WorkerProcess) -> None:
        slot = worker.slot
        slot.pending = None
        self._log.info("{worker} is to end; another one takes its place", worker=worker.name)
        self._leaving.add(worker)
        worker.tell(Drain(rest=False))
        slot.replaced += 1
        self._start(slot)

    def process_wrote(self, process: WorkerProcess, line: str) -> None:
        """Put into the log what a worker wrote elsewhere than into its log."""
        self._log.error("[worker {worker}] {text}", worker=process.slot.number, text=line)

    def process_exited(self, process: WorkerProcess, reason: Failure) -> None:
        """A worker has ended; others take its connections, and another one its place."""
        self._has_ended(process, f"ended: {how_it_ended(reason)}")

    def process_closed(self, process: WorkerProcess) -> None:
        """Nothing more comes of a worker that has ended."""
        self._leaving.discard(process)
        self._end_if_all_have()

    def _has_ended(self, worker: WorkerProcess, how: str) -> None:
        slot = worker.slot
        if self._totals is not None and worker.table is not None:
            self._totals.close(worker.table, self._reactor.seconds())
            worker.table = None
        self._relay.lose(worker)
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
            self._give_up("no worker can be started; the log says why")
            return
        if any(map(_is_shut, self.ports)):
            self._give_up("nobody can connect any more: a worker has shut the socket")
            return
        slot.pending = self._reactor.callLater(slot.delay, self._start, slot)
        self.tell_all_soon()

    def _give_up(self, why: str) -> None:
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

    def _tell_all(self) -> None:
        self._telling = None
        status = Workers(tuple(self.status()), self._log_told())
        for worker in self._workers():
            if worker.is_serving:
                worker.tell(status)


class SharedFactory(Factory):
    """The factory of a socket at which this process accepts nothing; its name is in the log."""

    noisy = False


def _is_shut(port: Port | Acceptor) -> bool:
    """Whether a socket listens no more, which a process that shares it can bring about."""
    poll = select.poll()
    poll.register(port.fileno(), 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def _exit() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(1)
