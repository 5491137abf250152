"""The decision log: every few seconds, what was decided becomes lines, which go to a file and to a collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn, cast

from msgspec import UNSET, Struct, structs
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from cors_service.grammar.mistakes import plural
from cors_service.observe.file import LogFile
from cors_service.observe.lines import Seen, written_time
from cors_service.observe.pending import Account
from cors_service.observe.reports import Reports
from cors_service.observe.rolling import Roll, Roller
from cors_service.observe.sights import Sight
from cors_service.observe.spool import Spool
from cors_service.observe.threads import in_own_thread
from cors_service.observe.totals import Interval
from cors_service.observe.words import INTERVAL_SECONDS

MOST_NAMED: Final = 10
"""Refusals of a minute that are told in the log of the service, each with a line."""

_KEEPERS: Final = {"file": "The decision log", "reports": "The spool of reports"}
_LOOK_SECONDS: Final = 1.0
_MINUTE: Final = 60.0
# What takes longer to be written hangs, as far as anybody can tell.
_LONG_SECONDS: Final = 10.0
_TOO_LONG: Final = f"it has taken more than {_LONG_SECONDS:g} seconds"
_CLOSING_SECONDS: Final = 1.0
_MOST_SIGHTS: Final = 50_000


class _Done(Struct, frozen=True):
    """What came of an interval.

    Attributes:
        roll: Its lines.
        faults: By what could not take them, why; None if it could.
    """

    roll: Roll
    faults: dict[str, str | None]


class _Fault(Struct, frozen=True):
    """What is wrong with what should take lines.

    Attributes:
        why: What it is.
        since: Since when lines wait, in seconds since 1970.
    """

    why: str
    since: float


class DecisionLog:
    """Has what was decided written, in a thread, one interval after the other. While a disk is slow, intervals grow."""

    _log: Final = Logger()

    def __init__(
        self,
        take: Callable[[], Interval],
        roller: Roller,
        reactor: Any,
        *,
        file: LogFile | None = None,
        spool: Spool | None = None,
        reports: Reports | None = None,
        interval: float = INTERVAL_SECONDS,
        patience: float = 0.0,
        sights: Callable[[], Iterable[Sight]] = tuple,
        look: Callable[[], object] | None = None,
        when_rolled: Callable[[], object] = lambda: None,
        in_thread: Callable[..., Deferred[Any]] | None = None,
    ) -> None:
        """Make one.

        Args:
            take: Gives what was decided since it was called last.
            roller: Writes the lines.
            reactor: The reactor.
            file: Where lines go; None for no file.
            spool: Where lines wait for a collector; None for none.
            reports: Sends what the spool has.
            interval: Seconds of decisions that a line sums up.
            patience: Seconds until other processes have told of the single decisions of an interval.
            sights: Gives the single decisions of this process; others `note` theirs.
            look: Is called each second: so it is known to a second when something was decided. None for no need.
            when_rolled: Is called after each interval.
            in_thread: Runs a function where it may block; gives a Deferred of the result. A thread by default.
        """
        self._take = take
        self._roller = roller
        self._reactor = cast(IReactorTime, reactor)
        self._file = file
        self._spool = spool
        self._reports = reports
        self._interval = interval
        self._patience = patience
        self._own = sights
        self._when_rolled = when_rolled
        # Where nothing can block, there is no thread: a process that has one pays more for each of its system calls.
        self._in_thread = in_thread or (maybeDeferred if file is None and spool is None else in_own_thread)
        self._one = DeferredLock()
        self._waiting: Deferred[None] | None = None
        self._looping = LoopingCall(self._begin)
        self._look_up = look
        self._looking = LoopingCall(self._look)
        self._looping.clock = self._looking.clock = reactor
        self._sights: list[Sight] = []
        self._faults: dict[str, _Fault] = {}
        # What is being written: how many decisions, and by what; the thread says that.
        self._unwritten = 0
        self._keeping: str | None = None
        self._writing: Deferred[Any] | None = None
        # Of the lines that were dropped: how many the log of the service tells of, and when it told last.
        self._dropped = {name: account.dropped for name, account in self.accounts().items()}
        self._dropped_at = float("-inf")
        # Of the refusals of this minute: when it began, and how many there were.
        self._minute = float("-inf")
        self._named = self._unnamed = 0

    def note(self, sights: Iterable[Sight]) -> None:
        """Take single decisions, for the lines of this interval."""
        self._sights += sights
        del self._sights[_MOST_SIGHTS:]

    def start(self) -> None:
        """Begin."""
        self._looping.start(self._interval, now=False)
        if self._look_up is not None:
            self._looking.start(_LOOK_SECONDS, now=False)
        if self._reports is not None:
            self._reports.startService()

    async def finish(self, seconds: float) -> None:
        """Write what was decided last, and send what can be sent; then stop, whatever a disk does.

        Args:
            seconds: For both; what is not sent then waits in the spool, what is not written is lost.
        """
        end = self._reactor.seconds() + seconds
        for looping in (self._looping, self._looking):
            if looping.running:
                looping.stop()
        # Processes that have ended have nothing more to tell.
        self._patience = 0.0
        if self._waiting is not None:
            self._waiting.cancel()
        if await self._is_done(self._one.run(self.roll), seconds):
            if self._reports is not None:
                await self._reports.flush(max(0.0, end - self._reactor.seconds()))
            await self._is_done(self._in_thread(self._close), _CLOSING_SECONDS)
        else:
            await self._give_up()
        self._tell_dropped()
        if self._file is not None:
            self._mourn("file", self._file.account.queued)
        if self._spool is not None:
            self._mourn("reports", self._spool.unsaved)

    def reopen(self) -> Deferred[None]:
        """Open the file anew, after it was renamed."""
        return self._one.run(self._watched, self._reopen).addCallback(self._told)

    def roll(self) -> Deferred[None]:
        """Write what was decided since that was done last."""
        return Deferred.fromCoroutine(self._roll())

    def accounts(self) -> dict[str, Account]:
        """What became of the lines, by where they go."""
        accounts = {}
        if self._file is not None:
            accounts["file"] = self._file.account
        if self._spool is not None:
            accounts["reports"] = self._spool.account
        return accounts

    def as_dict(self) -> dict[str, object]:
        """The accounts as JSON types, and what is wrong."""
        said: dict[str, object] = {}
        for name, account in self.accounts().items():
            fault = self._faults.get(name)
            said[name] = {
                **structs.asdict(account),
                "failing_since": None if fault is None else written_time(fault.since),
                "problem": None if fault is None else fault.why,
            }
        if self._reports is not None:
            sending = self._reports.sending
            since = sending.failing_since
            said["sending"] = {
                "to": sending.to,
                "failing_since": None if since is None else written_time(since),
                "problem": sending.why,
            }
        return said

    def _look(self) -> None:
        assert self._look_up is not None, "it is what is called each second"
        self._look_up()
        # There is room for few of them where they are.
        self.note(self._own())

    def _begin(self) -> None:
        # While an interval is written, nothing is taken: the next has it, too.
        if not self._one.locked:
            self._one.run(self.roll)

    async def _roll(self) -> None:
        interval = self._take()
        if self._patience:
            self._waiting = deferLater(self._reactor, self._patience)
            with suppress(CancelledError):
                await self._waiting
            self._waiting = None
        self.note(self._own())
        sights, self._sights = self._sights, []
        self._unwritten = interval.decisions
        try:
            done: _Done = await self._watched(self._write, interval, sights)
        except CancelledError:
            # The service ends without it.
            return
        except Exception:  # noqa: BLE001 - the next interval is written all the same
            self._unwritten = 0
            self._log.failure("The decision log can't be written")
            return
        self._unwritten = 0
        self._told(done.faults)
        if _is_over(self._dropped_at, self._reactor.seconds()):
            self._tell_dropped()
        self._name(done.roll.refused)
        if self._reports is not None:
            # How the replica is may have changed, too.
            self._reports.wake()
        self._when_rolled()

    def _watched(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Run a function that may block, and say so if it takes long."""
        watching = self._reactor.callLater(_LONG_SECONDS, self._takes_long)

        def over(result: object) -> object:
            if watching.active():
                watching.cancel()
            return result

        self._writing = self._in_thread(function, *arguments).addBoth(over)
        return self._writing

    def _takes_long(self) -> None:
        name = self._keeping
        if name is not None:
            self._told({name: _TOO_LONG}, self._reactor.seconds() - _LONG_SECONDS)
            self._when_rolled()

    def _write(self, interval: Interval, sights: Sequence[Sight]) -> _Done:
        """Write the lines of an interval, in a thread."""
        try:
            roll = self._roller.roll(interval, sights)
        except Exception:  # noqa: BLE001 - whatever it is, no decision is lost
            self._log.failure("The lines of the decision log can't be made; decisions are only counted")
            roll = self._roller.only_counted(interval)
        faults: dict[str, str | None] = {}
        for name, keep in self._keepers():
            faults[name] = None
            self._keeping = name
            try:
                keep(roll.lines)
            except OSError as error:
                faults[name] = error.strerror or str(error)
        self._keeping = None
        return _Done(roll, faults)

    def _mourn(self, name: str, lines: int) -> None:
        if lines:
            lost = f"{lines} {plural(lines, 'line: it', 'lines: they')}"
            self._log.error("{what} has lost {lost} could not be written", what=_KEEPERS[name], lost=lost)

    def _keepers(self) -> Iterable[tuple[str, Callable[[Sequence[bytes]], None]]]:
        if self._file is not None:
            yield "file", self._file.write
        if self._spool is not None:
            yield "reports", self._spool.put

    def _reopen(self) -> dict[str, str | None]:
        """Open the file anew, in a thread."""
        if self._file is None:
            return {}
        self._keeping = "file"
        try:
            self._file.reopen()
        except OSError as error:
            return {"file": error.strerror or str(error)}
        finally:
            self._keeping = None
        return {}

    def _close(self) -> None:
        """Close everything, in a thread."""
        if self._spool is not None:
            self._spool.close()
        if self._file is not None:
            self._file.close()

    async def _is_done(self, doing: Deferred[Any], seconds: float) -> bool:
        """Wait for something for some seconds; say whether it is done."""
        try:
            await doing.addTimeout(seconds, self._reactor, _too_late)
        except TimeoutError:
            return False
        return True

    async def _give_up(self) -> None:
        """Leave the thread that writes alone: it may never end, and ends with the process."""
        decisions = self._unwritten + self._take().decisions
        self._log.error(
            "{what} takes too long to be written, and the service ends: {decisions} may be missing from it",
            what=_KEEPERS[self._keeping or "file"],
            decisions=f"{decisions} {plural(decisions, 'decision')}",
        )
        if self._writing is not None:
            self._writing.cancel()
        if self._reports is not None:
            await self._reports.stopService()

    def _told(self, faults: dict[str, str | None], began: float | None = None) -> None:
        """Say what is wrong, when it begins, and when it is over.

        Args:
            faults: What is wrong.
            began: When it began, in seconds since 1970; None for now.
        """
        since = self._reactor.seconds() if began is None else began
        for name, why in faults.items():
            before = self._faults.pop(name, None)
            what = _KEEPERS[name]
            if why is not None:
                self._faults[name] = _Fault(why, since if before is None else before.since)
            if why is not None and before is None:
                self._log.error("{what} can't be written: {why}. Lines wait in memory.", what=what, why=why)
            elif why is None and before is not None:
                # As loud as the beginning: whoever was woken by that must see the end.
                self._log.error("{what} is written again", what=what)

    def _tell_dropped(self) -> None:
        """Say how many lines were dropped since that was said last."""
        now = self._reactor.seconds()
        for name, account in self.accounts().items():
            lines = account.dropped - self._dropped[name]
            if lines:
                self._dropped[name], self._dropped_at = account.dropped, now
                dropped = f"{lines} {plural(lines, 'line: it was', 'lines: they were')}"
                why = "refused, or there is no more room"
                self._log.error("{what} has dropped {dropped} {why}", what=_KEEPERS[name], dropped=dropped, why=why)

    def _name(self, refused: Sequence[Seen]) -> None:
        """Say in the log of the service what is refused for the first time; not more than an operator can read."""
        now = self._reactor.seconds()
        if _is_over(self._minute, now):
            if self._unnamed:
                self._log.info("{count} more were refused for the first time", count=self._unnamed)
            self._minute, self._named, self._unnamed = now, 0, 0
        for one in refused:
            if self._named >= MOST_NAMED:
                self._unnamed += 1
                continue
            self._named += 1
            self._log.info(
                "Policy {policy} refuses {origin} for the first time ({reason})",
                policy=one.policy,
                origin="an origin" if one.origin is UNSET else one.origin,
                reason=one.reason,
            )


def _is_over(begin: float, now: float) -> bool:
    """Say whether a minute is over; one that has not begun yet is, too, since the clock was set back."""
    return not 0 <= now - begin < _MINUTE


def _too_late(_: object, seconds: float) -> NoReturn:
    raise TimeoutError(f"not done within {seconds:g} seconds")
