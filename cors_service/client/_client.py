"""Asks a decision service over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS, IResponse
from zope.interface import implementer

from cors_service._twisted import QuietPool
from cors_service.asking.address import CONNECTIONS, TIMEOUT, parse_address
from cors_service.asking.arguments import check_limits
from cors_service.asking.cache import CACHE_SIZE, DecisionCache
from cors_service.asking.guards import Guards
from cors_service.asking.token import authorization
from cors_service.asking.undecided import undecided
from cors_service.asking.words import in_words
from cors_service.client._body import read_body
from cors_service.client._endpoints import ServiceEndpoint
from cors_service.client._interfaces import IDecider
from cors_service.client._patience import in_time
from cors_service.client._sharing import Sharing
from cors_service.decision import Decision, Query
from cors_service.wire.queries import write_queries, write_query
from cors_service.wire.received import Received, ReceivedProblem, read_decision, read_decisions, read_problem

BATCH: Final = 1000
"""The most queries in one request."""

# Less than the service's own limit, so that the service seldom closes a connection first.
_KEPT_SECONDS: Final = 50
# Bytes: no answer to a thousand queries is longer.
_LONGEST: Final = 16 * 1024 * 1024

_Answer = TypeVar("_Answer")


class _CannotAsk(Exception):
    """There is no decision; the text says why.

    Attributes:
        guarded: Whether a guard may be meant.
    """

    def __init__(self, why: str, *, guarded: bool = False) -> None:
        super().__init__(why)
        self.guarded = guarded


class _Refused(Exception):
    """The service answers that the question is wrong.

    Attributes:
        guarded: Whether a guard may be meant.
    """

    def __init__(self, problem: ReceivedProblem) -> None:
        super().__init__(problem.detail)
        self.guarded = problem.guarded


@implementer(IDecider)
class DecisionClient:
    """Asks a decision service, and remembers its decisions for as long as it allows.

    While the service is down, slow or talks nonsense, requests are refused, without CORS headers: no answer means no
    access; the site still works. The log reports the first of them, and the service's return.

    Attributes:
        guards: The policies that were seen to stop requests. They stop what can't be decided, too.
    """

    _log: Final = Logger()

    def __init__(
        self,
        service: str,
        *,
        timeout: float = TIMEOUT,
        cache_size: int = CACHE_SIZE,
        tls: IPolicyForHTTPS | None = None,
        token: str | None = None,
        reactor: Any = None,
    ) -> None:
        """Make a client. It connects when it is asked.

        Args:
            service: Where the service is: `http://127.0.0.1:8080`, `https://cors.internal`, or
                `unix:/run/cors-service.sock`. A path after the host is put before `/v1/decision`.
            timeout: Seconds that a decision may take, from the question to the end of the answer.
            cache_size: How many decisions are remembered; 0 for none.
            tls: The certificates for TLS, such as a `ClientTLS`.
            token: What is shown to a service that knows its callers.
            reactor: The reactor; the global one by default.

        Raises:
            TypeError: An argument has another type.
            ValueError: `service` is none of these, `token` is not a token, or a number is negative.
            ImportError: treq is not installed.
        """
        try:
            from treq.client import HTTPClient
        except ImportError as error:
            raise ImportError(
                'DecisionClient needs treq: pip install "cors-service[client]"', name=error.name
            ) from error
        address = parse_address(service)
        check_limits(timeout, cache_size)
        if reactor is None:
            from twisted.internet import reactor
        self._reactor = cast(IReactorTime, reactor)
        self._service = service
        self._url = address.url
        self._timeout = timeout
        self._headers = Headers({"Content-Type": ["application/json"]})
        for name, value in authorization(token).items():
            self._headers.addRawHeader(name, value)
        self._cache = DecisionCache(self._reactor.seconds, cache_size)
        self._pool = _pool(reactor)
        endpoint = ServiceEndpoint(address, tls or BrowserLikePolicyForHTTPS(), timeout, reactor)
        self._http = HTTPClient(Agent.usingEndpointFactory(reactor, endpoint, pool=self._pool))
        self._sharing: Sharing[Query, Decision] = Sharing(lambda query: Deferred.fromCoroutine(self._decide(query)))
        self._turns = DeferredSemaphore(CONNECTIONS)
        self.guards = Guards()
        self._is_silent = False

    def decide(self, query: Query) -> Deferred[Decision]:
        """Ask about one request, unless an earlier decision still holds."""
        decision = self._cache.get(query)
        return self._sharing.ask(query) if decision is None else succeed(decision)

    def decide_all(self, queries: Sequence[Query]) -> Deferred[list[Decision]]:
        """Ask about many requests at once.

        Returns:
            A Deferred of their decisions, in order. Each thousand has one revision. It does not fail.
        """
        return Deferred.fromCoroutine(self._decide_all(queries))

    def close(self) -> Deferred[None]:
        """Close the open connections."""
        closing: Deferred[None] = self._pool.closeCachedConnections()
        return closing

    async def _decide(self, query: Query) -> Decision:
        try:
            received = await self._ask("/v1/decision", partial(write_query, query), partial(read_decision, query=query))
        except _CannotAsk as error:
            return undecided(query, str(error), guarded=self.guards.may_stop(query) or error.guarded)
        self.guards.note(received)
        self._cache.keep(query, received)
        return received

    async def _decide_all(self, queries: Sequence[Query]) -> list[Decision]:
        decisions: list[Decision] = []
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            read = partial(read_decisions, queries=batch)
            answers: Sequence[Received | ReceivedProblem]
            try:
                answers = await self._ask("/v1/decisions", partial(write_queries, batch), read)
            except _CannotAsk as error:
                answers = [ReceivedProblem(str(error), error.guarded)] * len(batch)
            for query, answer in zip(batch, answers, strict=True):
                if isinstance(answer, ReceivedProblem):
                    guarded = self.guards.may_stop(query) or answer.guarded
                    decisions.append(undecided(query, answer.detail, guarded=guarded))
                else:
                    self.guards.note(answer)
                    decisions.append(answer)
        return decisions

    async def _ask(self, path: str, write: Callable[[], bytes], read: Callable[[bytes], _Answer]) -> _Answer:
        """Ask, within the timeout.

        Raises:
            _CannotAsk: There is no answer.
        """
        try:
            # No more at once than connections are kept: a burst would make each of the others for one question.
            asking: Deferred[bytes] = self._turns.run(self._insist, path, write())
            answer = read(await in_time(asking, self._timeout, self._reactor))
        except CancelledError:
            raise
        except _Refused as error:
            self._take_back()
            why = f"The decision service at {self._service} refuses the question: {in_words(error)}."
            self._log.warn("{why}", why=why)
            raise _CannotAsk(why, guarded=error.guarded) from None
        except Exception as error:  # noqa: BLE001 - however a network fails, no answer means no access
            if isinstance(error, TimeoutError):
                # If one connection is silently dead, the others may be, too.
                self.close()
            why = f"The decision service at {self._service} can't be asked: {in_words(_cause(error))}."
            self._complain(why)
            raise _CannotAsk(why) from None
        self._take_back()
        return answer

    async def _insist(self, path: str, body: bytes) -> bytes:
        """Ask, and once more if the connection was closed: that may have happened while the question was on its way."""
        try:
            return await self._ask_once(path, body)
        except (RequestTransmissionFailed, ResponseFailed) as error:
            if any(reason.check(CancelledError) for reason in error.reasons):
                raise CancelledError from None
        return await self._ask_once(path, body)

    async def _ask_once(self, path: str, body: bytes) -> bytes:
        response: IResponse = await self._http.post(
            self._url + path,
            data=body,
            headers=self._headers,
            allow_redirects=False,
            unbuffered=True,
        )
        content = await read_body(response, _LONGEST)
        if response.code == 200:
            return content
        problem = read_problem(content)
        if response.code == 503:
            raise ConnectionError(problem.detail)
        raise _Refused(problem)

    def _complain(self, why: str) -> None:
        if not self._is_silent:
            self._is_silent = True
            self._log.error("{why}", why=why)

    def _take_back(self) -> None:
        if self._is_silent:
            self._is_silent = False
            # As loud as the beginning: whoever was woken by that must see the end.
            self._log.error("The decision service at {service} answers again", service=self._service)


def _pool(reactor: Any) -> HTTPConnectionPool:
    pool = QuietPool(reactor, persistent=True)
    pool.maxPersistentPerHost = CONNECTIONS
    pool.cachedConnectionTimeout = _KEPT_SECONDS
    # That is done here, within the timeout.
    pool.retryAutomatically = False
    return pool


def _cause(error: Exception) -> BaseException:
    """The error that Twisted has wrapped."""
    reasons = getattr(error, "reasons", None)
    return cast(BaseException, reasons[0].value) if reasons else error
