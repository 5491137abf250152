"""What makes a process one of several: what it tells its supervisor, and what it does when it is told."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Generator
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

from cors_service.observe.exposition import Written
from cors_service.policy.change import Change
from cors_service.reader.messages import (
    SIGNALS,
    Answer,
    Changed,
    Drain,
    Ending,
    Following,
    Load,
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
from cors_service.reader.parts import parts_of
from cors_service.server import DecisionSite
from cors_service.server.drain import GRACE_SECONDS
from cors_service.store import LivePolicies
from cors_service.workers.channel import Channel
from cors_service.workers.loads import Loads
from cors_service.workers.sockets import Acceptor
from cors_service.workers.store import WorkerPolicyStore

TELLS_SECONDS: Final = 0.5
"""How often a worker looks whether there is something new to tell of it."""


@implementer(IReadDescriptor)
class Worker(Service):
    """Tells the supervisor how this worker is, and does what the supervisor says.

    Attributes:
        number: Of the worker, from 1.
        log: What there is to say of the decision log, as JSON; None for nothing.
        has_failed: Whether this worker ends because it could not do what the supervisor said.
    """

    _log: Final = Logger()

    def __init__(
        self,
        reactor: Any,
        number: int,
        count: int,
        *,
        channel: Channel,
        store: WorkerPolicyStore,
        loads: Loads,
        policies: LivePolicies,
        reload: Callable[[], Deferred[None]],
        site: DecisionSite,
        acceptors: Callable[[], list[Acceptor]],
        sights: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        """Make one.

        Args:
            reactor: The reactor.
            number: Of the worker, from 1.
            count: How many there are.
            channel: Leads to the supervisor.
            store: Takes what the supervisor says about policies.
            loads: The numbers of connections.
            policies: The active policies.
            reload: Reads everything again; the Deferred fires when that is done.
            site: What is served.
            acceptors: Gives what accepts connections.
            sights: Gives the single decisions since it was called last, to be told; None for none.
        """
        self._reactor = reactor
        self.number = number
        self.log: bytes | None = None
        self.has_failed = False
        self._channel = channel
        self._store = store
        self._loads = loads
        self._policies = policies
        self._reload = reload
        self._site = site
        self._acceptors = acceptors
        self._sights = sights
        self._telling = LoopingCall(self._tell)
        self._told: WorkerStatus | None = None
        self._all = [WorkerStatus(number=each, pid=None, state="starting") for each in range(1, count + 1)]
        self._is_ending = False
        # What the supervisor was asked to write, by the numbers of the questions.
        self._measuring: dict[int, Deferred[Written]] = {}
        self._numbers = itertools.count(1)

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

    def measure(self, accept: str) -> Generator[Deferred[None] | None, None, Written]:
        """Have the supervisor write what all workers have counted.

        Args:
            accept: The formats that are taken, as an Accept header has them.
        """
        number = next(self._numbers)
        measured = self._measuring[number] = Deferred[Written]()
        written: list[Written] = []
        self._channel.send(Measure(number, accept))
        yield measured.addCallback(written.append)
        return written[0]

    def tell_sights(self) -> None:
        """Tell what was seen since."""
        if (sights := self._sights()) is not None:
            self._channel.send(Sighted(sights))

    def fileno(self) -> int:
        """The descriptor of what the supervisor says."""
        return self._channel.hears

    def logPrefix(self) -> str:
        """What the reactor calls it in its log."""
        return type(self).__name__

    def doRead(self) -> Any:
        """Hear what the supervisor says; give the exception that ends it."""
        return fdesc.readFromFD(self._channel.hears, self._heard)

    def connectionLost(self, reason: Failure) -> None:
        """The supervisor is gone: nobody would replace this worker, or tell it to end."""
        self._store.cut_off()
        self._drain(rest=True)

    def _begin(self) -> None:
        # The reactor's own handlers, which stand until now, would stop at once. SIGINT reaches all processes of a
        # terminal, and the supervisor then says what to do.
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._channel.send, Ending()))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        fdesc.setNonBlocking(self._channel.hears)
        self._reactor.addReader(self)
        self._heard(b"")
        self._telling.clock = self._reactor
        self._telling.start(TELLS_SECONDS)

    def _tell(self) -> None:
        self.tell_sights()
        if self._is_ending:
            return
        self._loads.tell(self.number, len(self._site.channels))
        status = self._status(WorkerStatus(number=self.number, pid=os.getpid(), state="serving"))
        if status != self._told:
            self._told = status
            self._channel.send(status)

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
            policies=status.policies,
            seq=status.seq,
            confirmed_at=status.confirmed_at,
        )

    def _heard(self, data: bytes) -> None:
        try:
            for message in itertools.chain(self._channel.postponed(), self._channel.receive(data)):
                self._take(message)
        except Exception:  # noqa: BLE001 - the reactor would take it for the end of the supervisor
            self._fail()

    def _fail(self) -> None:
        """Leave the place to another worker: what comes next may rest on what this one has missed."""
        self._log.failure("This worker can't do what its supervisor says, and ends")
        self._reactor.removeReader(self)
        self._store.cut_off()
        self.has_failed = True
        self._drain(rest=False)

    def _take(self, message: Message) -> None:
        if isinstance(message, Answer | Changed):
            self._store.take(message)
        elif isinstance(message, Following):
            if self._store.view is not None:
                self._store.view.tell(message, self._reactor.seconds())
        elif isinstance(message, Workers):
            self._all, self.log = list(message.workers), message.log
        elif isinstance(message, Reload):
            self._reload().addBoth(lambda _: self._channel.send(Reloaded()))
        elif isinstance(message, Drain):
            self._drain(rest=message.rest)
        elif isinstance(message, Measured):
            self._measuring.pop(message.number).callback(Written(message.media_type, message.text))
        elif isinstance(message, Load):
            deferToThread(self._give).addErrback(self._cannot_give)

    def _give(self) -> None:
        """Say everything that this worker decides by, for one that can have it from nowhere else."""
        active, status = self._policies.active, self._policies.status
        if active is None:
            self._channel.send(Refused("[]"))
            return
        change = Change.whole(
            active.policy_set,
            revision=active.revision,
            loaded_at=status.loaded_at,
            mistakes=self._policies.mistakes,
            behind=self._policies.behind,
            seq=status.seq,
        )
        for message in parts_of(change):
            self._channel.send(message)

    def _cannot_give(self, failure: Failure) -> None:
        self._log.failure("Can't hand policies on", failure=failure)
        self._channel.send(Refused("[]"))

    def _drain(self, *, rest: bool) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        if rest:
            # Nobody else will be there: the port stays open while the connections that look idle are waited for.
            self._site.retire()
            self._reactor.callLater(GRACE_SECONDS, self._end, rest=True)
        else:
            self._end(rest=False)

    def _end(self, *, rest: bool) -> None:
        self._loads.leave(self.number)
        for acceptor in self._acceptors():
            if rest:
                acceptor.take_the_rest()
            else:
                acceptor.leave()
        self._reactor.stop()
