"""The worker's side of what it has to say to its supervisor, and to hear of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet import fdesc
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from cors_service.policy import PolicySet
from cors_service.reader.snapshot import Snapshot
from cors_service.server import DecisionSite
from cors_service.store import LivePolicies
from cors_service.web.workers import WorkerStatus
from cors_service.workers._lines import HELD_BACK, Lines, Pipe, read
from cors_service.workers._loads import Loads
from cors_service.workers._sockets import Acceptor

TELLS_SECONDS: Final = 0.5
"""How often a worker looks whether there is something new to tell of it."""


@implementer(IReadDescriptor)
class Crew(Service):
    """Makes a process one of several: tells the supervisor how it is, and does what it is told.

    Attributes:
        number: Of the worker, from 1.
    """

    _log: Final = Logger()

    def __init__(
        self,
        reactor: Any,
        number: int,
        count: int,
        *,
        hears: int,
        pipe: Pipe,
        loads: Loads,
        policies: LivePolicies,
        reload: Callable[[], Deferred[None]],
        site: DecisionSite,
        acceptors: Callable[[], list[Acceptor]],
    ) -> None:
        """Make one.

        Args:
            reactor: The reactor.
            number: Of the worker, from 1.
            count: How many there are.
            hears: The descriptor at which the supervisor says something; it ends with the supervisor.
            pipe: Where to say something to it.
            loads: The numbers of connections.
            policies: What decides.
            reload: Reads everything again; the Deferred fires when that is done.
            site: What is served.
            acceptors: Gives what accepts connections.
        """
        self._reactor = reactor
        self.number = number
        self._hears = hears
        self._pipe = pipe
        self._loads = loads
        self._policies = policies
        self._reload = reload
        self._site = site
        self._acceptors = acceptors
        self._lines = Lines()
        self._telling = LoopingCall(self._tell)
        self._told: WorkerStatus | None = None
        self._all = [WorkerStatus(number=each, pid=None, state="starting") for each in range(1, count + 1)]
        self._is_ending = False

    def startService(self) -> None:
        """Begin to tell and to hear."""
        super().startService()
        self._reactor.callWhenRunning(self._begin)

    def stopService(self) -> None:
        """End it."""
        super().stopService()
        self._loads.leave(self.number)
        self._reactor.removeReader(self)
        if self._telling.running:
            self._telling.stop()

    def workers(self) -> list[WorkerStatus]:
        """What is known of all workers; of this one, how it is now."""
        return [self._status(other) if other.number == self.number else other for other in self._all]

    def fileno(self) -> int:
        """The descriptor of what the supervisor says."""
        return self._hears

    def logPrefix(self) -> str:
        """What the reactor calls it in its log."""
        return type(self).__name__

    def doRead(self) -> Any:
        """Hear what the supervisor says; give the exception that ends it."""
        return fdesc.readFromFD(self._hears, self._heard)

    def connectionLost(self, reason: Failure) -> None:
        """The supervisor is gone: nobody would replace this worker, or tell it to end."""
        self._drain(rest=True)

    def _begin(self) -> None:
        # The reactor's own handlers, which stand until now, would stop at once. SIGINT reaches all processes of a
        # terminal, and the supervisor then says what to do.
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._pipe.say, "ending"))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        fdesc.setNonBlocking(self._hears)
        self._reactor.addReader(self)
        self._telling.clock = self._reactor
        self._telling.start(TELLS_SECONDS)

    def _tell(self) -> None:
        if self._is_ending:
            return
        self._loads.tell(self.number, len(self._site.channels))
        status = self._status(WorkerStatus(number=self.number, pid=os.getpid(), state="serving"))
        if status != self._told:
            self._told = status
            self._pipe.say("status", status)

    def _status(self, known: WorkerStatus) -> WorkerStatus:
        status = self._policies.status
        return WorkerStatus(
            number=self.number,
            pid=os.getpid(),
            state="ending" if self._is_ending else "serving",
            started_at=known.started_at,
            replaced=known.replaced,
            revision=status.revision,
            generation=status.generation,
            loaded_at=status.loaded_at,
            stale=status.stale,
            connections=len(self._site.channels),
        )

    def _heard(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            word, value = read(line)
            getattr(self, f"_hear_{word}")(value)

    def _hear_workers(self, value: object) -> None:
        self._all = WorkerStatus.all_of(value)

    def _hear_reload(self, value: object) -> None:
        self._reload().addBoth(lambda _: self._pipe.say("reloaded"))

    def _hear_drain(self, rest: bool) -> None:
        self._drain(rest=rest)

    def _hear_keep(self, path: str) -> None:
        Deferred.fromCoroutine(self._keep(path))

    async def _keep(self, path: str) -> None:
        """Write the active policies to a file, for a worker that can't read good ones from their place."""
        active, loaded_at = self._policies.active, self._policies.status.loaded_at
        if active is None or loaded_at is None:
            self._pipe.say("kept", False)
            return
        try:
            await deferToThread(Snapshot(Path(path)).save, active.policy_set, loaded_at)
        except Exception:  # noqa: BLE001 - whatever it is, another worker waits for an answer
            self._log.failure("Can't hand the policies on")
            self._pipe.say("kept", False)
        else:
            self._pipe.say("kept", True)

    def _drain(self, *, rest: bool) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        self._loads.leave(self.number)
        for acceptor in self._acceptors():
            if rest:
                acceptor.take_the_rest()
            else:
                acceptor.leave()
        self._reactor.stop()


def last_good(pipe: Pipe, hears: int) -> tuple[PolicySet, float] | None:
    """Have another worker hand on the policies that are active there; before the reactor runs.

    Args:
        pipe: Where to say something to the supervisor.
        hears: The descriptor at which it answers.

    Returns:
        The policy set and when it was loaded; None if nobody has one.
    """
    pipe.say("wanting")
    lines = Lines()
    while data := os.read(hears, 1 << 16):
        for line in lines.feed(data):
            word, value = read(line)
            if word == "policies":
                return None if value is None else _taken(Path(value))
    return None


def _taken(path: Path) -> tuple[PolicySet, float]:
    try:
        return Snapshot(path).load()
    finally:
        path.unlink()
