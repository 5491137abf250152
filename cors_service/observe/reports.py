"""Sends the lines of the decision log to a collector, batch by batch, and says how this replica is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NoReturn, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS, IResponse

from cors_service._twisted import QuietPool
from cors_service.observe.retry import Retry, seconds_asked
from cors_service.observe.spool import Batch, Outcome, Spool
from cors_service.observe.threads import in_own_thread

PATH: Final = "/admin/v1/reports"
"""Where an admin process takes reports; for a URL without a path, or with `/` alone."""

REPORT_SECONDS: Final = 10.0
"""Seconds between two reports of a replica, also if there are no lines: who reported within 30 is alive."""

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks whether the replica has other policies, which is told at once: somebody may wait for it."""

_TIMEOUT_SECONDS: Final = 30.0
MOST_REFUSALS: Final = 5
"""So often a collector must call a batch malformed before that is dropped: it may be the collector that is wrong."""

# A batch that a collector does not understand keeps those after it waiting. Everything else may be mended: a token, a
# proxy, a disk.
_MALFORMED: Final = frozenset({400, 413, 415, 422})
_LONGEST_ANSWER: Final = 64 * 1024


class ReplicaProblem(Struct, frozen=True):
    """What is wrong with the source of a replica's policies.

    Attributes:
        code: Which kind of problem it is.
        message: What it is, for people.
    """

    code: str
    message: str


class Replica(Struct, frozen=True, kw_only=True):
    """How a replica is.

    Attributes:
        instance: Its name.
        version: That of the program.
        revision: The revision by which it decides; None if there is none.
        seq: The number of the last change; None where the source of the policies has no numbers.
        loaded_at: When the policies were loaded, as RFC 3339 writes it.
        workers: How many processes decide.
        problem: What is wrong with the store, or why it was refused; None if nothing is.
    """

    instance: str
    version: str
    revision: str | None
    seq: int | None
    loaded_at: str | None
    workers: int
    problem: ReplicaProblem | None = None


class Sending(Struct, frozen=True):
    """How sending goes.

    Attributes:
        to: Where reports are sent.
        failing_since: Since when that fails, in seconds since 1970; None if it does not.
        why: Why it fails.
    """

    to: str
    failing_since: float | None = None
    why: str | None = None


class _Failed(Exception):
    """A report was not taken; the text says why.

    Attributes:
        wait: Seconds for which the collector has asked.
        is_malformed: Whether the collector calls it malformed.
    """

    def __init__(self, why: str, *, wait: float = 0.0, is_malformed: bool = False) -> None:
        super().__init__(why)
        self.wait = wait
        self.is_malformed = is_malformed


class Reports(Service):
    """Sends what the spool has, the oldest batch first, one at a time, and each until it is taken.

    Attributes:
        sending: How that goes.
    """

    _log: Final = Logger()

    def __init__(
        self,
        url: str,
        spool: Spool,
        replica: Callable[[], Replica],
        reactor: Any,
        *,
        headers: Callable[[], Mapping[str, str]] | None = None,
        tls: IPolicyForHTTPS | None = None,
        retry: Retry | None = None,
        in_thread: Callable[..., Deferred[Any]] = in_own_thread,
    ) -> None:
        """Make a sender.

        Args:
            url: Where a collector takes reports.
            spool: What is to be sent.
            replica: Says how the replica is.
            reactor: The reactor.
            headers: Gives further headers of a report, such as Authorization; it may block. None for none.
            tls: The certificates for TLS.
            retry: When to try again.
            in_thread: Runs a function where it may block; gives a Deferred of the result.
        """
        from treq.client import HTTPClient

        self.sending = Sending(url)
        self._url = url
        self._spool = spool
        self._replica = replica
        self._reactor = cast(IReactorTime, reactor)
        self._further_headers = headers
        self._retry = retry or Retry()
        self._in_thread = in_thread
        self._pool = QuietPool(reactor, persistent=True)
        # A batch that is sent again is sent by this module.
        self._pool.retryAutomatically = False
        agent = Agent(reactor, tls or BrowserLikePolicyForHTTPS(), connectTimeout=_TIMEOUT_SECONDS, pool=self._pool)
        self._http = HTTPClient(agent)
        self._told: Replica | None = None
        self._told_at = float("-inf")
        # The batch that was called malformed last, and how often.
        self._refused = (0, 0)
        self._running: Deferred[None] | None = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = self._reactor
        # The wait for something to send, or for the time to try again, which nothing shortens.
        self._waiting: Deferred[None] | None = None
        self._is_retrying = False

    def startService(self) -> None:
        """Begin to send."""
        super().startService()
        self._looking.start(LOOK_SECONDS, now=False)
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._ended)

    def stopService(self) -> Deferred[None]:
        """Send no more. What was not taken stays in the spool."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
        closing: Deferred[None] = self._pool.closeCachedConnections()
        return closing

    def wake(self) -> None:
        """There may be something to send."""
        waiting = self._waiting
        if waiting is not None and not self._is_retrying:
            self._waiting = None
            waiting.callback(None)

    def _look(self) -> None:
        if self._told is not None and self._replica() != self._told:
            self.wake()

    async def flush(self, seconds: float) -> None:
        """Stop, but first send what there is if that works and takes no longer than some seconds."""
        if self._running is not None:
            self._running.cancel()
        if self.sending.failing_since is None:
            sending = Deferred.fromCoroutine(self._send_all())
            sending.addTimeout(seconds, self._reactor, _too_late)
            # That it takes too long is an OSError, too. The next start goes on with what is left.
            with suppress(_Failed, OSError):
                await sending
        await self.stopService()

    async def _run(self) -> None:
        while True:
            seconds = await self._step()
            if seconds > 0:
                await self._wait(seconds)

    async def _step(self) -> float:
        """Send a report if there is anything to say; give the seconds to wait before the next."""
        replica = self._replica()
        try:
            batch = await self._in_thread(self._spool.first)
            if batch is None:
                due = self._told_at + REPORT_SECONDS - self._reactor.seconds()
                if replica == self._told and due > 0:
                    return due
            await self._send(batch, replica)
        except _Failed as failed:
            return self._retry.failed(failed.wait)
        except OSError as error:
            self._complain(f"the spool can't be read or written: {error}")
            return self._retry.failed()
        return 0

    async def _send_all(self) -> None:
        while (batch := await self._in_thread(self._spool.first)) is not None:
            await self._send(batch, self._replica())

    async def _send(self, batch: Batch | None, replica: Replica) -> None:
        """Send a batch, or only how the replica is, and take note of the outcome.

        Raises:
            _Failed: It is to be sent again.
            OSError: The outcome can't be written down yet.
        """
        outcome: Outcome = "delivered"
        try:
            await self._post(batch, replica)
        except _Failed as failed:
            self._complain(str(failed))
            if batch is None or not failed.is_malformed or not self._is_refused(batch):
                raise
            self._log.error("{lines} lines of the decision log are dropped: {why}", lines=batch.lines, why=str(failed))
            outcome = "dropped"
        else:
            self._told, self._told_at = replica, self._reactor.seconds()
            self._retry.succeeded()
            self._take_back()
        if batch is not None:
            await self._in_thread(self._spool.settle, batch, outcome)

    def _is_refused(self, batch: Batch) -> bool:
        """Take note that a batch was called malformed; say whether that is for good."""
        number, times = self._refused
        self._refused = batch.number, times + 1 if number == batch.number else 1
        return self._refused[1] >= MOST_REFUSALS

    async def _post(self, batch: Batch | None, replica: Replica) -> None:
        """Hand a report over.

        Raises:
            _Failed: It was not taken, or nobody knows.
        """
        name, lines = (secrets.token_hex(8), b"") if batch is None else (batch.id, batch.body)
        body = b'{"version":1,"replica":%b,"batch":"%b","lines":[%b]}' % (
            msgspec.json.encode(replica),
            name.encode("ascii"),
            lines,
        )
        try:
            asking = Deferred.fromCoroutine(self._ask(body))
            status, wait = await asking.addTimeout(_TIMEOUT_SECONDS, self._reactor, _too_late)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - however a network fails, it is tried again
            reasons = getattr(error, "reasons", None)
            cause = reasons[0].value if reasons else error
            if isinstance(cause, CancelledError):
                raise cause from None
            if isinstance(cause, ConnectionClosed):
                raise _Failed("it closed the connection before it answered") from None
            # Twisted's own sentences end with a stop, and ours goes on.
            raise _Failed(str(cause).removesuffix(".") or type(cause).__name__) from None
        if not 200 <= status < 300:
            raise _Failed(f"it answers {_in_words(status)}", wait=wait, is_malformed=status in _MALFORMED)

    async def _ask(self, body: bytes) -> tuple[int, float]:
        """Give the status of the answer, and for how long the collector wants to be left alone."""
        headers = Headers({"Content-Type": ["application/json"]})
        if self._further_headers is not None:
            for name, value in (await self._in_thread(self._further_headers)).items():
                headers.addRawHeader(name, value)
        response: IResponse = await self._http.post(
            self._url, data=body, headers=headers, allow_redirects=False, unbuffered=True
        )
        response.deliverBody(_Unread())
        [asked] = response.headers.getRawHeaders(b"retry-after", [b""])[:1]
        return response.code, seconds_asked(asked, self._reactor.seconds())

    def _wait(self, seconds: float) -> Deferred[None]:
        self._is_retrying = self.sending.failing_since is not None
        waiting: Deferred[None] = Deferred()
        call = self._reactor.callLater(seconds, self._go_on)

        def over(result: object) -> object:
            self._waiting = None
            if call.active():
                call.cancel()
            return result

        self._waiting = waiting
        return waiting.addBoth(over)

    def _go_on(self) -> None:
        assert self._waiting is not None, "the call ends with the wait"
        self._waiting.callback(None)

    def _complain(self, why: str) -> None:
        since = self.sending.failing_since
        if since is None:
            since = self._reactor.seconds()
            self._log.error("Reports to {to} fail: {why}. They are kept, and sent again.", to=self._url, why=why)
        self.sending = Sending(self._url, since, why)

    def _take_back(self) -> None:
        if self.sending.failing_since is not None:
            self.sending = Sending(self._url)
            # As loud as the beginning: whoever was woken by that must see the end.
            self._log.error("Reports to {to} are taken again", to=self._url)

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("Reports are not sent any more", failure=failure)


class _Unread(Protocol):
    """Passes over the body of an answer, and breaks off a long one."""

    transport: Any
    _received = 0

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > _LONGEST_ANSWER:
            self.transport.loseConnection()


def report_url(text: str) -> str:
    """Check the URL of a collector; without a path, or with `/` alone, it is that of an admin process.

    Raises:
        ValueError: It is none, or holds what could be secret; the text says what to write.
    """
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good or not text.isascii() or not text.isprintable() or set(text) & set(" @?#"):
        raise ValueError("write http://HOST:PORT or https://HOST/PATH, without user, query and fragment")
    return text if parts.path.strip("/") else f"{text.rstrip('/')}{PATH}"


def _too_late(result: object, seconds: float) -> NoReturn:
    raise TimeoutError(f"it did not answer within {seconds:g} seconds")


def _in_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
