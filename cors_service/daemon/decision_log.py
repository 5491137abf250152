"""The decision log of a service, as its settings want it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.usage import UsageError

import cors_service
from cors_service.asking.token import authorization
from cors_service.daemon.settings import Settings
from cors_service.observe.file import STANDARD_OUTPUT, LogFile
from cors_service.observe.interfaces import ITally
from cors_service.observe.log import DecisionLog
from cors_service.observe.masking import Masking
from cors_service.observe.process import Process
from cors_service.observe.reports import Replica, ReplicaProblem, Reports, report_url
from cors_service.observe.rolling import Roller
from cors_service.observe.sampling import SampledTally
from cors_service.observe.sights import Sight, Sights
from cors_service.observe.spool import CannotSpool, Spool
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally, Tally
from cors_service.observe.totals import Totals
from cors_service.reader.messages import Following
from cors_service.server.server import CannotServe
from cors_service.web.workers import iso

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LINGER_SECONDS: Final = 3.0
"""Seconds that writing and sending the last lines may take when the service ends: with those of --drain-timeout, less
than a service manager waits."""

_MIB: Final = 1 << 20
_log: Final = Logger()


def check_log(settings: Settings) -> None:
    """See that the decision log can work, before the service starts.

    Raises:
        UsageError: It can't; the text is a sentence that names the option.
    """
    for option, path in (("decision-log", settings.decision_log), ("report-spool", settings.report_spool)):
        if path is not None and path != STANDARD_OUTPUT:
            _check_place(option, path)
    if settings.report_to is None:
        return
    try:
        report_url(settings.report_to)
    except ValueError as error:
        # Without its text, in which a password or a token may be.
        raise UsageError(f"--report-to is not the URL of a collector: {error}.") from None
    _report_token(settings)
    try:
        import treq  # noqa: F401 - only whether it is there
    except ImportError:
        raise UsageError('--report-to needs treq: pip install "cors-service[client]"') from None


def instance_of(settings: Settings) -> str:
    """The name of this service, among its like."""
    return settings.instance or socket.gethostname()


def make_tally(settings: Settings, table: Table, sights: Sights) -> ITally:
    """Make what counts in a process that decides.

    Args:
        settings: The settings.
        table: Where to count.
        sights: Keeps single decisions for the log.
    """
    if not settings.has_decision_log:
        return Tally(table, sights)
    return SampledTally(table, sights, settings.log_sample) if settings.log_sample else RowTally(table, sights)


def make_log(
    settings: Settings,
    totals: Totals,
    replica: Callable[[], Replica],
    reactor: Any,
    *,
    sights: Callable[[], Iterable[Sight]] = tuple,
    when_rolled: Callable[[], object] = lambda: None,
    patience: float = 0.0,
) -> DecisionLog:
    """Make the decision log of a service; without options, it only tells what is refused for the first time.

    Args:
        settings: The settings.
        totals: Sums up what was decided.
        replica: Says how this service is.
        reactor: The reactor, which may run already: a spool can't be handed on to a process that goes on as a daemon.
        sights: Gives single decisions, where this process decides.
        when_rolled: Is called after each interval.
        patience: Seconds until other processes have told of the single decisions of an interval.

    Raises:
        CannotServe: The file or the spool can't be had.
    """
    masking = Masking(settings.log_origins, reactor.seconds, lambda what: _log.warn("{what}", what=what))
    spool = reports = None
    if settings.report_to is not None:
        spool = _make_spool(settings)
        token = _report_token(settings)
        url, headers = report_url(settings.report_to), None if token is None else token.headers
        reports = Reports(url, spool, replica, reactor, headers=headers)
    return DecisionLog(
        lambda: totals.take(reactor.seconds()),
        Roller(instance_of(settings), masking, settings.log_sample, settings.log_lines),
        reactor,
        file=_make_file(settings),
        spool=spool,
        reports=reports,
        interval=settings.log_interval,
        patience=patience,
        sights=sights,
        look=(lambda: totals.look(reactor.seconds())) if settings.has_decision_log else None,
        when_rolled=when_rolled,
    )


def make_replica(settings: Settings, processes: Iterable[Process], following: Following | None = None) -> Replica:
    """Say how this service is.

    Args:
        settings: The settings.
        processes: How those are that decide. If they differ, the service is as the one that is behind most.
        following: What is known of its store; None of documents.
    """
    ready = [process for process in processes if process.loaded_at is not None]
    last = min(ready, key=lambda process: (process.seq or 0, process.loaded_at or 0.0), default=None)
    problem = None
    if following is not None and following.problem is not None:
        problem = ReplicaProblem(following.problem, following.message or "")
    return Replica(
        instance=instance_of(settings),
        version=cors_service.__version__,
        revision=None if last is None else last.revision,
        seq=None if last is None else last.seq,
        loaded_at=None if last is None else iso(last.loaded_at),
        workers=len(ready),
        problem=problem,
    )


class NoToken(Exception):
    """The file with the token has none; the text says why."""


class ReportToken:
    """The token of reports, which is read anew for each of them: it may be replaced at any time."""

    def __init__(self, path: Path) -> None:
        """Read it for the first time.

        Args:
            path: Of its file.

        Raises:
            NoToken: There is none.
        """
        self._path = path
        self._headers = self._read()
        self._problem: str | None = None

    def headers(self) -> dict[str, str]:
        """Give the headers that show it; while the file has no token, as when it is being replaced, the last one."""
        try:
            self._headers = self._read()
            self._problem = None
        except NoToken as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("{problem} Reports go on with the token that was read before.", problem=self._problem)
        return self._headers

    def _read(self) -> dict[str, str]:
        try:
            return authorization(self._path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it does not hold a token"
            raise NoToken(f"--report-token {str(self._path)!a} can't be used: {why}.") from None


class LoggedService(MultiService):
    """Services with a decision log, which has the last word: it stops when everything was answered.

    Attributes:
        make_log: Makes the log when the service starts; None for no log.
        log: The log; None before that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.make_log: Callable[[], DecisionLog] | None = None
        self.log: DecisionLog | None = None

    def startService(self) -> None:
        """Start the log and the services."""
        if self.make_log is not None:
            self.log = self.make_log()
            self.log.start()
        super().startService()

    def stopService(self) -> Deferred[Any]:
        """Stop the services, and then the log."""
        stopping: Deferred[Any] = super().stopService()
        return stopping.addCallback(self._finish)

    def reopen_log(self) -> None:
        """Open the file of the log anew, after it was renamed; nobody waits for a disk that takes long."""
        if self.log is not None:
            self.log.reopen()

    def log_told(self) -> bytes | None:
        """What there is to say of the log, as JSON; None for nothing."""
        said = None if self.log is None else self.log.as_dict()
        return msgspec.json.encode(said) if said else None

    def log_families(self) -> Iterable[Metric]:
        """The metrics of the log."""
        from cors_service.observe.log_metrics import log_families

        return () if self.log is None else log_families(self.log.accounts())

    def _finish(self, _: object) -> Deferred[None] | None:
        return None if self.log is None else Deferred.fromCoroutine(self.log.finish(LINGER_SECONDS))


def _make_file(settings: Settings) -> LogFile | None:
    if settings.decision_log is None:
        return None
    file = LogFile(settings.decision_log)
    try:
        file.reopen()
    except OSError as error:
        raise CannotServe.because(
            f"--decision-log can't be opened: {settings.decision_log!a}: {error.strerror}."
        ) from None
    return file


def _make_spool(settings: Settings) -> Spool:
    assert settings.report_spool is not None, "whoever reports has a spool"
    try:
        spool = Spool(Path(settings.report_spool), settings.report_spool_size * _MIB)
    except CannotSpool as error:
        raise CannotServe.because(f"--report-spool: {error}") from None
    if spool.damaged is not None:
        _log.error(
            "The spool of reports was damaged, and is now {path}; reports that were in it are not sent",
            path=str(spool.damaged),
        )
    return spool


def _report_token(settings: Settings) -> ReportToken | None:
    """The token of reports; None for none.

    Raises:
        UsageError: There is no token in the file that should have one.
    """
    if settings.report_token is None:
        return None
    try:
        return ReportToken(Path(settings.report_token))
    except NoToken as error:
        raise UsageError(str(error)) from None


def _check_place(option: str, path: str) -> None:
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--{option}: the directory {str(Path(path).absolute().parent)!a} does not exist.")
    if Path(path).is_dir() or (Path(path).exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"--{option} {path!a} can't be written.")
