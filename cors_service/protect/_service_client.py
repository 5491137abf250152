"""Asks a decision service from a thread, which waits for the answer."""

from __future__ import annotations

import logging
import os
import queue
import ssl
import time
from contextlib import suppress
from http.client import HTTPException
from typing import Final

from cors_service.asking.address import CONNECTIONS, TIMEOUT, parse_address
from cors_service.asking.arguments import check_limits
from cors_service.asking.cache import CACHE_SIZE, DecisionCache
from cors_service.asking.guards import Guards
from cors_service.asking.lookup import Lookup
from cors_service.asking.token import authorization
from cors_service.asking.undecided import undecided
from cors_service.asking.words import in_words
from cors_service.decision import Decision, Query
from cors_service.protect._connection import Connection
from cors_service.wire.queries import write_query
from cors_service.wire.received import Received, ReceivedProblem, read_decision, read_problem

_PATH: Final = "/v1/decision"
_log: Final = logging.getLogger(__name__)


class _Refused(Exception):
    """The service answers that the question is wrong.

    Attributes:
        guarded: Whether a guard may be meant.
    """

    def __init__(self, problem: ReceivedProblem) -> None:
        super().__init__(problem.detail)
        self.guarded = problem.guarded


class ServiceClient:
    """Asks a decision service. Several threads may use it at once.

    While the service is down, slow or talks nonsense, requests are refused, without CORS headers: no answer means no
    access; the site still works. The log reports the first of them, and the service's return.

    Attributes:
        address: The address of the service, as it was given.
        timeout: Seconds that a decision may take.
        guards: The policies that were seen to stop requests. They stop what can't be decided, too.
    """

    def __init__(
        self,
        service: str,
        *,
        timeout: float = TIMEOUT,
        cache_size: int = CACHE_SIZE,
        tls: ssl.SSLContext | None = None,
        token: str | None = None,
    ) -> None:
        """Make a client. It connects when it is asked.

        Args:
            service: `http://127.0.0.1:8080`, `https://cors.internal`, or `unix:/run/cors-service.sock`. A path
                after the host is put before `/v1/decision`.
            timeout: Seconds that a decision may take, from the question to the end of the answer.
            cache_size: How many decisions are remembered; 0 for none.
            tls: The certificates for TLS, such as the application's own.
            token: What is shown to a service that knows its callers.

        Raises:
            TypeError: An argument has another type.
            ValueError: `service` is none of these, `token` is not a token, or a number is negative.
        """
        check_limits(timeout, cache_size)
        self.address = service
        self.timeout = timeout
        self._address = parse_address(service)
        self._tls = tls
        self._headers = authorization(token)
        self._cache = DecisionCache(time.monotonic, cache_size)
        self.guards = Guards()
        self._is_silent = False
        self._forget_connections()

    def kept(self, query: Query) -> Decision | None:
        """A decision that still holds, without asking."""
        return self._cache.get(query)

    def decide(self, query: Query) -> Decision:
        """Ask about a request, unless an earlier decision still holds."""
        decision = self._cache.get(query)
        if decision is not None:
            return decision
        try:
            received = self._ask(query)
        except _Refused as error:
            self._take_back()
            why = f"The decision service at {self.address} refuses the question: {in_words(error)}."
            _log.warning("%s", why)
            return undecided(query, why, guarded=self.guards.may_stop(query) or error.guarded)
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, TimeoutError):
                # If one connection is silently dead, the others may be, too.
                self.close()
            why = f"The decision service at {self.address} can't be asked: {in_words(error)}."
            self._complain(why)
            return undecided(query, why, guarded=self.guards.may_stop(query))
        self._take_back()
        self.guards.note(received)
        self._cache.keep(query, received)
        return received

    def too_late(self, query: Query) -> Decision:
        """Refuse a request whose decision was not there in time, and report that."""
        why = f"The decision service at {self.address} did not answer within {self.timeout:g} seconds."
        self._complain(why)
        return undecided(query, why, guarded=self.guards.may_stop(query))

    def close(self) -> None:
        """Close the open connections."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _ask(self, query: Query) -> Received:
        status, content = self._exchange(write_query(query), time.monotonic() + self.timeout)
        if status == 200:
            return read_decision(content, query)
        problem = read_problem(content)
        if status == 503:
            raise ConnectionError(problem.detail)
        raise _Refused(problem)

    def _exchange(self, body: bytes, until: float) -> tuple[int, bytes]:
        if self._process != os.getpid():
            self._forget_connections()
        # There may be no open one, or the service may have closed it.
        with suppress(queue.Empty, ConnectionError, HTTPException):
            return self._exchange_over(self._idle.get_nowait(), body, until)
        return self._exchange_over(Connection(self._address, self._lookup, self._tls, self._headers), body, until)

    def _exchange_over(self, connection: Connection, body: bytes, until: float) -> tuple[int, bytes]:
        answer = connection.exchange(_PATH, body, until)
        if connection.is_open:
            try:
                self._idle.put_nowait(connection)
            except queue.Full:
                connection.close()
        return answer

    def _forget_connections(self) -> None:
        # A forked process must not read the answers to its parent's questions; nor has it the thread of a look-up.
        self._process = os.getpid()
        self._lookup = Lookup(self._address.host, self._address.tcp_port)
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue(CONNECTIONS)

    def _complain(self, why: str) -> None:
        if not self._is_silent:
            self._is_silent = True
            _log.error("%s", why)

    def _take_back(self) -> None:
        if self._is_silent:
            self._is_silent = False
            # As loud as the beginning: whoever was woken by that must see the end.
            _log.error("The decision service at %s answers again", self.address)
