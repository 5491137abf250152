"""Policies in files that another process looks at and reads, so that reading them never keeps a decision waiting."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from cors_service.reader.messages import (
    ANSWERS,
    IGNORED,
    Begin,
    Changed,
    Failed,
    Frames,
    Load,
    Loaded,
    Part,
    Refused,
    Request,
    Save,
    Saved,
    framed,
    read_mistakes,
    whole,
)
from cors_service.reader.reading import mark_of
from cors_service.reader.sources import read_policies, shown_path, state_of
from cors_service.store._interfaces import IChangeStore

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class ReaderFailed(Exception):
    """The process that reads policies has come to an end, or can't do what it is asked for."""


@implementer(IChangeStore)
class ReaderPolicyStore:
    """A file or a directory that is looked at, read and checked by a process of its own.

    The process runs while the store is watched, or asked; it is started again if it dies, and ends with this process
    however that ends. What it tells is what changed.
    """

    _log: Final = Logger()

    def __init__(self, path: Path, reactor: Any) -> None:
        """Make a store.

        Args:
            path: The file or directory.
            reactor: Provides `IReactorProcess` and `IReactorTime`.
        """
        self.name = shown_path(path)
        self._path = path
        self._reactor = reactor
        self._mark: str | None = None
        self._changed: Callable[[], object] | None = None
        self._has_stopped = False
        # Requests without an answer, in their order, with those who wait for it.
        self._asked: deque[tuple[Request, Deferred[Any]]] = deque()
        self._process: _Process | None = None
        self._pause = _FIRST_PAUSE
        self._restart: IDelayedCall | None = None
        self._ended: list[Deferred[None]] = []
        self._parts: list[Part] = []

    def read(self) -> PolicySet:
        """Read the documents that are there now, in this thread of this process, as at the start of a program.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        # The state is taken first: what changes while we read is found by the process.
        self._mark = mark_of(state_of(self._path))
        return read_policies(self._path)

    def load(self) -> Deferred[PolicySet]:
        """Read the documents that are there now."""
        loading = self.load_change(None, everything=True)
        return loading.addCallback(lambda change: PolicySet.of(change.policies, change.origin_sets))

    def load_change(self, base: str | None, *, everything: bool) -> Deferred[Change]:
        """Read what changed, or everything."""
        loading = self._ask(Load(base, everything))
        self._run()
        return loading

    def save(self, path: Path, revision: str, loaded_at: float) -> Deferred[bool]:
        """Have a snapshot written; before the first watch it waits for the process, behind the last there is none."""
        if self._has_stopped:
            return succeed(False)
        return self._ask(Save(str(path), revision, loaded_at))

    def watch(self, changed: Callable[[], object]) -> Callable[[], Deferred[None]]:
        """Start the process, which looks at the documents now and then."""
        self._changed = changed
        self._has_stopped = False
        self._run()
        return self._unwatch

    def _unwatch(self) -> Deferred[None]:
        self._changed = None
        self._has_stopped = True
        ended: Deferred[None] = Deferred()
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._process is None:
            self._fail("does not run")
            ended.callback(None)
        else:
            self._ended.append(ended)
            self._rest()
        return ended

    def _ask(self, request: Request) -> Deferred[Any]:
        answered: Deferred[Any] = Deferred()
        self._asked.append((request, answered))
        if self._process is not None:
            self._process.say(request)
        return answered

    def _run(self) -> None:
        """Start the process if it does not run."""
        if self._process is not None or self._restart is not None:
            return
        self._process = _Process(self._received, self._gone)
        arguments = [sys.executable, "-P", "-m", "cors_service.reader", str(self._path)]
        # Where modules come from may have been changed since this process was started.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        # Until the process has made up its mind about them, they would have it complain of its end.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
        try:
            cast(IReactorProcess, self._reactor).spawnProcess(
                self._process,
                os.fsencode(sys.executable),
                [os.fsencode(argument) for argument in arguments],
                env={os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
            )
        except OSError as error:
            self._process = None
            self._lost(f"it can't be started: {error}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process.say(Begin(self._mark))
        # The next one does not know what this one has told.
        self._mark = None
        for request, _ in self._asked:
            self._process.say(request)

    def _rest(self) -> None:
        """Let the process end if nobody needs it."""
        if self._process is not None and self._changed is None and not self._asked:
            self._process.end()

    def _received(self, message: object) -> None:
        self._pause = _FIRST_PAUSE
        if isinstance(message, Changed):
            if self._changed is not None:
                self._changed()
        elif isinstance(message, Part):
            self._parts.append(message)
        elif isinstance(message, Failed) and not self._asked:
            self._log.error("The reader of {path}: {traceback}", path=self.name, traceback=message.traceback)
        else:
            self._answered(message)

    def _answered(self, message: object) -> None:
        parts, self._parts = self._parts, []
        _, asked = self._asked.popleft()
        if isinstance(message, Loaded):
            asked.callback(whole(parts, message))
        elif isinstance(message, Refused):
            asked.errback(read_mistakes(message))
        elif isinstance(message, Saved):
            if message.error:
                asked.errback(OSError(message.error))
            else:
                asked.callback(message.is_known)
        elif isinstance(message, Failed):
            asked.errback(ReaderFailed(message.traceback))
        self._rest()

    def _gone(self, reason: Failure) -> None:
        process, self._process, self._parts = self._process, None, []
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(None)
        if process is not None and process.is_ending:
            if self._changed is not None or self._asked:
                self._run()
            return
        self._lost(reason.getErrorMessage())

    def _lost(self, what: str) -> None:
        self._log.error("The reader of {path} has ended: {reason}", path=self.name, reason=what)
        if self._changed is not None:
            self._restart = cast(IReactorTime, self._reactor).callLater(self._pause, self._run_again)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._fail(f"has ended: {what}")

    def _run_again(self) -> None:
        self._restart = None
        self._run()

    def _fail(self, what: str) -> None:
        asked, self._asked = self._asked, deque()
        for request, one in asked:
            if isinstance(request, Save):
                one.callback(False)
                continue
            one.errback(ReaderFailed(f"the process that reads {self.name} {what}"))


class _Process(ProcessProtocol):
    """The other process, as this one sees it.

    Attributes:
        is_ending: Whether it was told to end.
    """

    _log: Final = Logger()

    def __init__(self, received: Callable[[object], None], gone: Callable[[Failure], None]) -> None:
        self._frames = Frames()
        self._received = received
        self._gone = gone
        self.is_ending = False

    def say(self, request: Request) -> None:
        """Send a request; in vain if it is to end."""
        if not self.is_ending:
            cast(IProcessTransport, self.transport).writeToChild(0, framed(request))

    def end(self) -> None:
        """Let it end."""
        self.is_ending = True
        cast(IProcessTransport, self.transport).closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Take what it tells."""
        for message in self._frames.take(data):
            self._received(ANSWERS.decode(message))

    def errReceived(self, data: bytes) -> None:
        """Log what it complains of."""
        self._log.error("The reader: {text}", text=ascii(data.decode("utf-8", "replace"))[1:-1])

    def processEnded(self, reason: Failure) -> None:
        """Tell that it is gone, and has been taken away."""
        self._gone(reason)
