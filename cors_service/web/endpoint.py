"""What all endpoints have in common: methods, errors as problem+json, the headers of every answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.limits import Limits
from cors_service.observe.interfaces import Fact, IRequests, ITally
from cors_service.observe.sights import Sights
from cors_service.observe.tally import NoRequests, NoTally, samples
from cors_service.store import IPolicies
from cors_service.web.answer import Answer
from cors_service.web.head import malformed_head
from cors_service.web.hosts import Hosts
from cors_service.web.later import Later, Reply
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.warnings import Warnings

RETRY_SECONDS: Final = 1
_ABOUT_NAMES: Final = frozenset({"unknown-policy", "forbidden"})
NOWHERE: Final = "none"
"""What is counted as the endpoint of requests that reach none."""

# AuthZEN takes any string (https://openid.net/specs/authorization-api-1_0.html, section 10.1.3). Whatever else a client
# sends is not worth repeating.
_REQUEST_ID: Final = re.compile(rb"[!-~](?:[ -~]{0,1022}[!-~])?")
# In any form but this one a target is not about a path here, or not ASCII (RFC 9112, 3.2.1).
_TARGET: Final = re.compile(rb"/[!-~]*")


UNREADABLE: Final = Query("")
"""Stands for a query that can't be read: it has no facts that could be counted."""
_Form = TypeVar("_Form")

_MISDIRECTED: Final = "The service is not known by the Host of the request; --host adds a name."


class Endpoint(Resource):
    """A resource that answers only with JSON, and at once unless that would keep other callers waiting.

    Sub-classes define `answer_GET`, `answer_POST` and so on, which take a request and give an `Answer`, or a `Later`
    that leads to one, or raise `Problem` or `BadQuery`. HEAD is answered where GET is.

    There are two ways in. Any Twisted site calls `render`, which writes the answer to its request. `QuickChannel` calls
    `answer` with a request that it has read itself, and writes the answer itself; where that is a `Later`, it leaves
    the request to the other way.

    Attributes:
        wants_transport: Whether a request must have the transport of its connection.
        hosts: The names by which it is asked; None for any.
        ids: The names of its answers.
        tally: Counts what it decides.
        requests: Counts its answers, before they are written.
        sights: Keeps single decisions of the answer that is being made.
    """

    wants_transport = False
    hosts: Hosts | None = None
    tally: ITally = NoTally()
    requests: IRequests = NoRequests()
    sights: Sights = NoTally.sights

    _log: Final = Logger()
    _samples: Final = samples()

    def __init__(self, ids: Iterator[bytes]) -> None:
        super().__init__()
        self.ids = ids

    def count_by(self, tally: ITally, name: str) -> None:
        """Have everything counted.

        Args:
            tally: Counts it.
            name: What the endpoint is called.
        """
        self.tally = tally
        self.requests = tally.requests(name)
        self.sights = tally.sights

    def render(self, request: IRequest) -> int:
        """Answer a request of a Twisted site.

        A site reads no further before the answer is complete, so pipelined answers keep their order.
        """
        if next(self._samples):
            self._measure(request)
        detail = malformed_head(request.requestHeaders, getattr(request, "clientproto", b""))
        problem = detail and Problem(400, "request-malformed", detail)
        answer = problem.as_answer() if problem else self.answer(cast(AnyRequest, request))
        if isinstance(answer, Later):
            Reply(request, answer, partial(self._begin, request), partial(self._refusal, request))
            return NOT_DONE_YET
        self._begin(request, answer)
        # An empty write sends the headers; Twisted leaves out the bodies of HEAD and 304, but complains in its log.
        request.write(b"" if request.method == b"HEAD" else answer.body)
        request.finish()
        return NOT_DONE_YET

    def answer(self, request: AnyRequest) -> Answer | Later:
        """Give the answer to a request, or what leads to it, without writing it.

        Args:
            request: All readers agree where it ends (see `malformed_head`).
        """
        method = request.method.decode("ascii", "replace")
        try:
            hosts = self.hosts
            if hosts is not None:
                given = request.requestHeaders.getRawHeaders(b"host")
                # Every request passes here; the call is for Hosts that are new.
                if given and given[0] not in hosts.known and not hosts.answer(given[0]):
                    raise Problem(421, "misdirected", _MISDIRECTED)  # noqa: TRY301 - answered below, as the rest is
            detail = self._malformed(request)
            if detail is not None:
                raise Problem(400, "request-malformed", detail)  # noqa: TRY301 - answered below, as the rest is
            return self._method_for(method)(request)
        except Exception as error:  # noqa: BLE001 - no fault of ours may become an answer that grants anything
            return self._refusal(request, error)

    def own_headers(self, request: AnyRequest) -> list[tuple[bytes, bytes]]:
        """The names and values of the headers that only the answer to this request has."""
        name = next(self.ids)
        if self.sights.fresh:
            self.sights.name(name, request.requestHeaders.getRawHeaders(b"traceparent"))
        headers = [(b"Cors-Decision-Id", name)]
        asked = request.requestHeaders.getRawHeaders(b"x-request-id")
        if asked and _REQUEST_ID.fullmatch(asked[0]):
            headers.append((b"X-Request-ID", asked[0]))
        return headers

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """Nothing lies beneath an endpoint, unless a sub-class says so."""
        return self.nothing()

    def nothing(self) -> NotFound:
        """Give what answers where nothing is."""
        nothing = NotFound(self.ids)
        nothing.count_by(self.tally, NOWHERE)
        return nothing

    def _malformed(self, request: AnyRequest) -> str | None:
        """Find what no honest client sends to us, and what another reader might take for something else."""
        if not _TARGET.fullmatch(request.uri):
            # Twisted takes off the first character of a target, whatever it is.
            return "The target of the request is not a path of visible ASCII."
        origins = request.requestHeaders.getRawHeaders(b"origin")
        if not origins:
            return None
        if len(origins) > 1:
            return "The request has more than one Origin."
        return None if origins[0].isascii() else "The Origin of the request is not ASCII."

    def _refusal(self, request: AnyRequest | IRequest, error: Exception) -> Answer:
        """The answer to a request that led to an error."""
        return self._problem(request, error).as_answer()

    def _problem(self, request: AnyRequest | IRequest, error: Exception) -> Problem:
        """What a client may know of an error."""
        match error:
            case BadQuery():
                return Problem.of(error)
            case Problem():
                return error
            case _:
                method = request.method.decode("ascii", "replace")
                self._log.failure("Can't answer {method} {uri}", Failure(error), method=method, uri=repr(request.uri))
                return Problem(500, "internal", "Internal error; the service's log has the details.")

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer | Later]:
        name = f"answer_{'GET' if method == 'HEAD' else method}"
        found: Callable[[AnyRequest], Answer | Later] | None = getattr(self, name, None)
        if found is None:
            allowed = [each.removeprefix("answer_") for each in dir(self) if each.startswith("answer_")]
            if "GET" in allowed:
                allowed.append("HEAD")
            detail = f"This resource does not support the method {method}."
            raise Problem(405, "method-not-allowed", detail, {"Allow": ", ".join(sorted(allowed))})
        return found

    def _measure(self, request: IRequest) -> None:
        """Count how long a request takes, unless its client gives up."""
        began = perf_counter()
        # It has more methods than its interface says.
        ended: Deferred[None] = cast(Any, request).notifyFinish()
        ended.addCallbacks(lambda _: self.requests.took(perf_counter() - began), lambda _: None)

    def _begin(self, request: IRequest, answer: Answer) -> None:
        """Set the status and the headers of an answer."""
        self.requests.answered(answer.status)
        request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode("ascii"))
        headers = request.responseHeaders
        # Twisted's own site puts its version there.
        headers.removeHeader(b"Server")
        # Where there is no body, it has no type either.
        headers.removeHeader(b"Content-Type")
        for name, value in answer.all_headers().items():
            headers.setRawHeaders(name, [value])
        for own, said in self.own_headers(cast(AnyRequest, request)):
            headers.setRawHeaders(own, [said])


class EndpointWithPolicies(Endpoint):
    """An endpoint that needs active policies."""

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits) -> None:
        super().__init__(ids)
        self._policies = policies
        self._limits = limits

    def _active(self) -> ActivePolicies:
        """The policies for the whole of one answer.

        Raises:
            Problem: There are none yet.
        """
        active: ActivePolicies | None = self._policies.active
        if active is None:
            detail = "No policies are active yet; the log of the service says why."
            raise Problem(503, "no-policies", detail, {"Retry-After": str(RETRY_SECONDS)})
        return active


class DecidingEndpoint(EndpointWithPolicies):
    """An endpoint that decides. The log says what it is asked that can't be decided.

    Attributes:
        asked_by: Who asks it, for the log.
    """

    asked_by = "A caller"

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, warnings: Warnings) -> None:
        super().__init__(ids, policies, limits)
        self._warnings = warnings

    def _made(
        self,
        active: ActivePolicies,
        form: _Form,
        read: Callable[[_Form], Query],
        decide: Callable[[ActivePolicies, Query], Decision],
        *,
        is_kept: bool = False,
    ) -> tuple[Decision, Fact]:
        """Read a query, decide about it, and count that; give the decision with what counts it again, if it is kept.

        Raises:
            BadQuery: There is no decision.
        """
        query = UNREADABLE
        try:
            query = read(form)
            decision = decide(active, query)
        except BadQuery as error:
            # What is not even JSON is not a query.
            if error.code != "body-malformed":
                self.tally.anew(self._undecided_fact(query, error, active))
            raise
        self.tally.made(query, decision)
        return decision, self.tally.fact(query, decision) if is_kept else None

    def _undecided_fact(self, query: Query, error: BadQuery, active: ActivePolicies | None) -> Fact:
        """Warn of a query that can't be decided: somebody's configuration is wrong. Give what counts it."""
        # Callers and proxies are configured with names of policies. URLs are the clients', who must not fill the log.
        subject = error.message if error.code in _ABOUT_NAMES else error.code
        self._warnings.warn(
            f"{self.asked_by}: {subject}", f"{self.asked_by} asks what can't be decided: {error.message}"
        )
        return self.tally.undecided(query, error, active.revision if active else None)


class NotFound(Endpoint):
    """Answers where nothing is."""

    def answer(self, request: AnyRequest) -> Answer:
        """Answer any method with 404."""
        detail = "There is nothing at this path; /openapi.json lists what there is."
        return Problem(404, "not-found", detail).as_answer()
