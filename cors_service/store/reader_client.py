"""The process that reads policies, as whoever asks it sees it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.follow.store import StoreToFollow
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError, without_userinfo
from cors_service.policy.change import Change
from cors_service.processes import LINGER_SECONDS, PythonProcess, how_it_ended, nameless_file, run
from cors_service.reader.frames import Frames, decoded, encoded, framed, type_of
from cors_service.reader.limits import DEFAULT_LIMITS, OUT_OF_MEMORY, ReaderLimits
from cors_service.reader.messages import (
    ENDS_OF_ANSWERS,
    Changed,
    Failed,
    Following,
    Load,
    Ping,
    Refused,
    Reread,
    Working,
)
from cors_service.reader.parts import IncomingChange, read_mistakes, write_mistakes
from cors_service.reader.responder import Known
from cors_service.reader.snapshot import SharedSnapshot, Snapshot
from cors_service.reader.sources import shown_path
from cors_service.store._signs import SignsOfLife
from cors_service.store.following import FollowingReports

FOLLOWS = "cors_service.follow"
"""The module that follows a store, in a process of its own."""

_FAILED: Final = "reader-failed"
_SHARED: Final = 3
"""The descriptor at which a reader has the last good set in memory."""
_LONGEST_PAUSE: Final = 60.0
_PATIENCE: Final = 2
"""How often the process has to end in a row for those who ask to be told."""
_STEADY_SECONDS: Final = 30.0
"""How long a process has to run for its end not to count with those before. An answer is not enough: it may come from
what was kept, and what is read next may end the process again."""

_END_SECONDS: Final = 10.0
"""How long a process may take to end, while it keeps the last good set in the snapshot."""

# What ends a process that wants more memory than there is: the kernel, or a library that can't do without it.
_FOR_WANT_OF_MEMORY: Final = {"signal 9", "signal 6"}

Take = Callable[[bytes], object]
PolicySource = Path | StoreToFollow
"""Where policies come from: a file, a directory, or a store."""


class ReaderClient:
    """Keeps the process that reads policies running, and asks it.

    If it ends it is started again, after pauses that grow, and what was asked is asked again. If it ends time and
    again, can't be started, or shows no sign of life, the answer is that policies can't be read, and why. Of a store,
    that is reported until a process has run for a while.

    Attributes:
        name: What people call the source.
    """

    _log: Final = Logger()

    def __init__(
        self,
        source: PolicySource,
        reactor: Any,
        changed: Callable[[], object],
        *,
        snapshot: Snapshot | None = None,
        limits: ReaderLimits = DEFAULT_LIMITS,
        told: Callable[[Following], object] = lambda _: None,
    ) -> None:
        """Make a client, without a process.

        Args:
            source: Where policies come from.
            reactor: Provides `IReactorProcess` and `IReactorTime`.
            changed: Is called when there may be something new.
            snapshot: Where the process keeps each good set; in memory, if nothing is given.
            limits: What reading may take.
            told: Takes what is said of a store.
        """
        self.name = name_of(source)
        self._source = source
        self._reports = None if isinstance(source, Path) else FollowingReports(self.name, told)
        self._shared = snapshot if isinstance(snapshot, SharedSnapshot) else None
        self._given = snapshot if self._shared is None else None
        self._limits = limits
        self._reactor = reactor
        self._changed = changed
        self._signs = SignsOfLife(reactor, limits.timeout, self._ask_for_a_sign, self._give_up)
        self._is_given_up = False
        self._is_wanted = False
        # Requests without an answer, in their order, with those who wait for it.
        self._asked: deque[tuple[Load, Take]] = deque()
        self._process: PythonProcess | None = None
        self._ending: PythonProcess | None = None
        # How many processes ended in a row, and when the last one was started.
        self._failures = 0
        self._started_at = 0.0
        self._why: InvalidPolicies | None = None
        self._restart: IDelayedCall | None = None
        self._killing: IDelayedCall | None = None
        self._ended: list[Deferred[None]] = []

    def start(self, known: Known | None = None) -> None:
        """Start the process, and keep it running.

        Args:
            known: What is active already: as long as the source has that, there is nothing to tell.
        """
        self._is_wanted = True
        self._run(known)

    def stop(self) -> Deferred[None]:
        """Let the process end, as soon as it has answered what it was asked.

        Returns:
            A Deferred that fires when the process has ended.
        """
        self._is_wanted = False
        self._failures, self._why = 0, None
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        self._rest()
        return ended

    def ask(self, request: Load, take: Take) -> None:
        """Ask.

        Args:
            request: What is asked.
            take: Takes each message of the answer, as it came.
        """
        if self._why is not None:
            take(encoded(Refused(write_mistakes(self._why))))
            return
        self._asked.append((request, take))
        if self._process is not None:
            self._process.send(framed(request))
        self._run()

    def reread(self) -> None:
        """Have all documents read, and be told of it as of a change."""
        if self._process is not None:
            self._process.send(framed(Reread()))

    def forget(self) -> None:
        """Wait for no answers any more."""
        self._asked.clear()

    def pause(self) -> None:
        """Take nothing from the process for the time being."""
        if self._process is not None:
            self._process.pause()
            self._signs.end()

    def resume(self) -> None:
        """Take what the process has to say."""
        if self._process is not None:
            self._process.resume()
            self._signs.begin()

    def process_said(self, process: PythonProcess, message: bytes) -> None:
        """Pass on what the process says."""
        self._signs.note()
        if self._reports is not None and self._is_steady:
            self._reports.works()
        kind = type_of(message)
        if kind is Working:
            return
        self._why = None
        if kind is Following:
            self._take_following(message)
        elif kind is Changed:
            self._changed()
        elif self._asked:
            _, take = self._asked[0]
            if kind in ENDS_OF_ANSWERS:
                self._asked.popleft()
            take(message)
            self._rest()
        elif kind is Failed:
            self._log.error(
                "The reader of {path} failed: {fault}", path=self.name, fault=without_userinfo(str(decoded(message)))
            )

    def _take_following(self, message: bytes) -> None:
        told = decoded(message)
        assert isinstance(told, Following)
        assert self._reports is not None
        if told.confirmed is not None and isinstance(self._source, StoreToFollow):
            # What is accepted at a start is not accepted ever after: the next process does without.
            self._source = structs.replace(self._source, accept_rollback=False)
        self._reports.take(told)

    def process_wrote(self, process: PythonProcess, line: str) -> None:
        """Log what the process complains of."""
        self._log.error("The reader of {path}: {line}", path=self.name, line=line)

    def process_exited(self, process: PythonProcess, reason: Failure) -> None:
        """Start another process, if this one was not to end."""
        if process is self._process:
            self._process = None
            self._signs.end()
            self._has_ended(how_it_ended(reason))

    def process_closed(self, process: PythonProcess) -> None:
        """Tell that the process has ended, if that was wanted."""
        if process is not self._ending:
            return
        self._has_closed()

    def _run(self, known: Known | None = None) -> None:
        """Start the process if it does not run."""
        if self._process or self._ending or self._restart:
            return
        self._started_at = self._reactor.seconds()
        self._process = PythonProcess(self, self._reactor, says=1)
        options = [] if known is None else ["--known", known.revision, repr(known.loaded_at)]
        files = {}
        try:
            if isinstance(self.snapshot, SharedSnapshot):
                options += ["--shared", str(_SHARED)]
                files[_SHARED] = self.snapshot.fileno()
            self._process.start(_arguments(self._source, self._given, self._limits, *options), files)
        except OSError as error:
            self._process = None
            self._lost(f"can't be started: {_why(error)}")
            return
        self._is_given_up = False
        self._signs.begin()
        for request, _ in self._asked:
            self._process.send(framed(request))

    def _run_again(self) -> None:
        self._restart = None
        self._run()

    def _rest(self) -> None:
        """Let the process end if nobody needs it."""
        if self._is_wanted or self._asked:
            return
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._process is not None:
            self._ending, self._process = self._process, None
            self._signs.end()
            self._killing = self._reactor.callLater(_END_SECONDS, self._kill)
            self._ending.end()
        if self._ending is None:
            self._forget_shared()
            ended, self._ended = self._ended, []
            for one in ended:
                one.callback(None)

    @property
    def snapshot(self) -> Snapshot:
        """Where the last good set is kept; in memory, if nowhere else."""
        if self._given is not None:
            return self._given
        if self._shared is None:
            self._shared = in_memory()
        return self._shared

    def _forget_shared(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _kill(self) -> None:
        """End a process that does not end by itself; one that is stuck in the kernel is left behind."""
        assert self._ending is not None
        self._log.error("The reader of {path} does not end, and is killed", path=self.name)
        self._ending.kill()
        self._killing = self._reactor.callLater(LINGER_SECONDS, self._has_closed)

    def _has_closed(self) -> None:
        self._ending = None
        if self._killing is not None and self._killing.active():
            self._killing.cancel()
        self._killing = None
        if self._is_wanted or self._asked:
            self._run()
        self._rest()

    def _ask_for_a_sign(self) -> None:
        if self._process is not None:
            self._process.send(framed(Ping()))

    def _give_up(self) -> None:
        assert self._process is not None
        self._is_given_up = True
        what = f"shows no sign of life for {self._limits.timeout:g} seconds (--reader-timeout), and is killed"
        self._log.error("The reader of {path} {what}", path=self.name, what=what)
        # It may be stuck in the kernel, and not even end.
        self._refuse_all(f"The process that reads the policies {what}.")
        self._process.kill()

    def _has_ended(self, how: str) -> None:
        if how == f"exit status {OUT_OF_MEMORY}":
            self._lost(f"needs more than {self._limits.memory} MiB of memory (--reader-memory)", at_once=True)
        elif how in _FOR_WANT_OF_MEMORY and not self._is_given_up:
            self._lost(f"has ended: {how}, perhaps for want of memory")
        else:
            self._lost(f"has ended: {how}")

    def _lost(self, what: str, *, at_once: bool = False) -> None:
        self._log.error("The reader of {path} {what}", path=self.name, what=what)
        if not self._is_wanted and not self._asked:
            self._rest()
            return
        if self._is_steady:
            self._failures = 0
        pause = min(2.0**self._failures, _LONGEST_PAUSE)
        self._failures += 1
        self._restart = self._reactor.callLater(pause, self._run_again)
        if (at_once or self._failures >= _PATIENCE) and not self._is_given_up:
            self._refuse_all(f"The process that reads the policies {what}; it is started again in {pause:g} seconds.")

    @property
    def _is_steady(self) -> bool:
        """Whether the process has run, or had run, for so long that it was not started in vain."""
        return bool(self._reactor.seconds() - self._started_at >= _STEADY_SECONDS)

    def _refuse_all(self, message: str) -> None:
        self._why = InvalidPolicies([PolicyError(_FAILED, message, file=self.name)])
        asked, self._asked = self._asked, deque()
        answer = encoded(Refused(write_mistakes(self._why)))
        for _, take in asked:
            take(answer)
        if self._reports is not None:
            self._reports.has_failed(_FAILED, message)
        # Whoever does not wait for an answer has to ask, to hear of it.
        self._changed()


def in_memory() -> SharedSnapshot:
    """Make a snapshot that readers share, and that is gone with them and with this process."""
    return SharedSnapshot(nameless_file("cors-service-policies"))


def name_of(source: PolicySource) -> str:
    """What people call what policies come from."""
    return shown_path(source) if isinstance(source, Path) else source.name


def check_in_process(source: PolicySource, snapshot: Snapshot, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
    """Have a process that ends with it read policies, so that nothing of them stays in this one.

    Args:
        source: Where policies come from.
        snapshot: Keeps the good set, for the process that reads next: there may be mistakes by then.
        limits: What reading may take.

    Raises:
        InvalidPolicies: With every mistake, if the policies can't be what a service starts with.
    """
    for data in _checked(source, snapshot, limits):
        if type_of(data) is Refused:
            raise read_mistakes(cast(Refused, decoded(data)).mistakes)


def read_in_process(store: StoreToFollow, snapshot: Snapshot, limits: ReaderLimits = DEFAULT_LIMITS) -> Change:
    """Have a process that ends with it read the policies to start with, so that nothing here speaks to a store.

    Args:
        store: The store.
        snapshot: Keeps the good set, for the process that reads next.
        limits: What reading may take.

    Raises:
        InvalidPolicies: With every mistake, if the policies can't be what a service starts with.
    """
    incoming = IncomingChange()
    for data in _checked(store, snapshot, limits):
        change = incoming.take(decoded(data))
        if change is not None:
            return change
    raise InvalidPolicies([PolicyError(_FAILED, "The process that reads the policies says nothing.", file=store.name)])


def _checked(source: PolicySource, snapshot: Snapshot, limits: ReaderLimits) -> Iterator[bytes]:
    """Give what a process says that reads policies once."""
    try:
        # The process itself says what takes it too long, unless it can't.
        arguments, files = _arguments(source, snapshot, limits, "--check"), []
        if isinstance(snapshot, SharedSnapshot):
            files = [snapshot.fileno()]
            arguments = _arguments(source, None, limits, "--check", "--shared", str(snapshot.fileno()))
        output = run(arguments, timeout=limits.timeout + _END_SECONDS, files=files)
    except OSError as error:
        why = f"The process that reads the policies failed: {_why(error)}."
        raise InvalidPolicies([PolicyError(_FAILED, why, file=name_of(source))]) from None
    yield from Frames().take(output)


def _why(error: OSError) -> str:
    """Say why a process can't be started, or has failed."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.strerror}: {os.fsdecode(error.filename)}"


def _arguments(source: PolicySource, snapshot: Snapshot | None, limits: ReaderLimits, *options: str) -> list[str]:
    keeping = [] if snapshot is None else ["--snapshot", str(snapshot.path)]
    if snapshot is not None and snapshot.max_age is not None:
        keeping += ["--max-snapshot-age", repr(snapshot.max_age)]
    within = [f"--memory={limits.memory}", f"--timeout={limits.timeout!r}"]
    if isinstance(source, StoreToFollow):
        return ["-m", FOLLOWS, *keeping, *within, *source.arguments(), *options, "--", source.url]
    within += ["--follow-links"] if limits.follow_links else []
    return ["-m", "cors_service.reader", *keeping, *within, *options, "--", str(source)]
