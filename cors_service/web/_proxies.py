"""The endpoints that proxies ask.

The original request, which the proxy received, comes in the path and in headers; the decision goes out in the status
and in headers. A CORS mismatch is not a failure of authorisation: an actual request gets a 200 all the same, without
the headers that a browser needs before it lets the page read the answer. No selector is in the query string, which
proxies pass on from the client; and only those headers count that the proxies of an endpoint set themselves, so a
client gains nothing by sending those of another.

The host that was called is the one in the URL that the proxy reports. The Host of its question is that only where the
endpoint says so; elsewhere it is the service's own name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec import structs

from cors_service.decision import ActivePolicies, BadQuery, Circumstances, Decision, Query
from cors_service.decision.enforced import without_grants
from cors_service.decision.query import CIRCUMSTANCES, CORS_HEADERS
from cors_service.decision.reported import Reported
from cors_service.grammar.mistakes import shown
from cors_service.grammar.path import encode_bytes
from cors_service.limits import Limits
from cors_service.observe.interfaces import ITally
from cors_service.observe.tally import REPORTED, STOPPED
from cors_service.stopped import detail_of, error_body, speaks_rpc
from cors_service.store import IPolicies
from cors_service.web._remembered import Remembered
from cors_service.web.answer import NO_STORE, Answer
from cors_service.web.endpoint import RETRY_SECONDS, DecidingEndpoint
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.warnings import Warnings

NO_POLICY: Final = "-"
"""What stands in the place of a policy's name where the policy is to be found by the URL."""

_CORS_HEADERS: Final = tuple(name.encode("ascii") for name in CORS_HEADERS)
# The Host is that of the question, not of the request that it is about.
_GUARDED_HEADERS: Final = tuple(name.encode("ascii") for name in CIRCUMSTANCES if name != "host")
_NO_LINES: Final = (None,)
_UNDECIDED: Final = "no-policy"
_DECISIONS: Final = {True: "allowed", False: "refused", None: "none"}
_GUARD: Final = "Cors-Guard"
_PASSES, _STOPS, _REPORTS = "pass", "refuse", "report"
_VARY: Final = "Origin"
_VARY_PREFLIGHT: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_AUTHORITY: Final = re.compile(r"[^/?#\\]+")
# Scheme and authority of a URL; what follows them.
_URL: Final = re.compile(r"([^:/?#]*://[^/?#]*)(.*)", re.DOTALL)


_Question = tuple[bytes | int | None, ...]


class OriginalRequest(NamedTuple):
    """What a proxy reports about the request that it received.

    Attributes:
        method: Its method; empty where the proxy does not report it.
        site: Scheme and authority of its URL; empty where the proxy does not report them.
        path: The path of its URL, encoded as it came, perhaps with a query; empty where the proxy does not report it.
        speaks_rpc: Whether its client takes errors as JSON-RPC has them.
    """

    method: str
    site: str
    path: str
    speaks_rpc: bool = False


class Undecided(BadQuery):
    """Nothing can be decided, for a reason that only proxies see: it is never an error of its own."""


class ProxyEndpoint(DecidingEndpoint):
    """An endpoint for a family of proxies: `.../POLICY`, with `-` or nothing to find the policy by the URL.

    Attributes:
        trusted_headers: The headers that the proxies of this endpoint set, and that are believed for that reason.
        guarded_headers: The further headers of the client that a guard looks at.
        refused_preflight: The status of a preflight that is refused.
        takes_path: Whether the path of the original request stands after the name of the policy.
        is_cross_origin: Whether what is asked about always comes from another origin.
    """

    isLeaf = True
    asked_by = "A proxy"
    trusted_headers: tuple[bytes, ...] = ()
    guarded_headers: tuple[bytes, ...] = _GUARDED_HEADERS
    refused_preflight = 200
    takes_path = False
    is_cross_origin = False

    def __init__(
        self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, warnings: Warnings, reported: Reported
    ) -> None:
        super().__init__(ids, policies, limits, warnings)
        self._reported = reported
        self._remembered: Remembered[_Question, Answer] = Remembered()
        self._names = (*_CORS_HEADERS, *self.trusted_headers)
        self._guarded_names = (*self._names, *self.guarded_headers)

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Find out what the proxy received.

        Args:
            request: What the proxy asks.
            path: What stands after the name of the policy.
        """
        raise NotImplementedError

    def decide_for_proxy(self, request: AnyRequest) -> Answer:
        """Decide about the original request; a question that was asked lately has its answer already."""
        active: ActivePolicies | None = self._policies.active
        if active is None:
            return self._decide_anew(request, active)
        question = self._guarded_question(request) if active.guards else self._question(request, self._names)
        if question is None:
            return self._decide_anew(request, active)
        remembered = self._remembered.of(active.memory)
        answer = remembered.get(question)
        if answer is not None:
            self.tally.again(answer.fact)
            if answer.stopped is not None:
                self.tally.add(STOPPED, *answer.stopped)
            return answer
        is_kept = remembered.wants(question)
        answer = self._decide_anew(request, active, is_kept=is_kept)
        # What can't be decided is logged each time, and what is only reported is counted.
        if is_kept and answer.headers["Cors-Decision"] != _UNDECIDED and answer.headers.get(_GUARD) != _REPORTS:
            remembered.keep(question, answer)
        return answer

    def _question(self, request: AnyRequest, names: tuple[bytes, ...]) -> _Question | None:
        """Everything that the answer depends on, except for the policies; None where a header is repeated."""
        question: list[bytes | int | None] = [request.method, request.path, len(request.prepath)]
        for name in names:
            lines = request.requestHeaders.getRawHeaders(name) or _NO_LINES
            if len(lines) > 1:
                return None
            question.append(lines[0])
        return tuple(question)

    def _guarded_question(self, request: AnyRequest) -> _Question | None:
        """The same where a policy has a guard, which looks at more."""
        return self._question(request, self._guarded_names)

    def _decide_anew(self, request: AnyRequest, active: ActivePolicies | None, *, is_kept: bool = False) -> Answer:
        policy, path = self._selectors(request)
        original = self.original(request, path)
        origins, methods, names = (_lines(request, name) for name in _CORS_HEADERS)
        asked = Query(original.method, origins=origins, request_methods=methods, request_headers=names)
        if active is not None and active.guards and self.guarded_headers:
            looked_at = {CIRCUMSTANCES[name.decode()]: _lines(request, name) for name in self.guarded_headers}
            circumstances = Circumstances(**looked_at)
            asked = structs.replace(asked, circumstances=circumstances)
            original = original._replace(speaks_rpc=speaks_rpc(_lines(request, b"accept")))
        return self._answer_about(active, policy, original, asked, is_kept=is_kept)

    def _answer_about(
        self,
        active: ActivePolicies | None,
        policy: str | None,
        original: OriginalRequest,
        asked: Query,
        *,
        is_kept: bool = False,
    ) -> Answer:
        """Decide about an original request, given as a query without policy and URL."""
        query = structs.replace(asked, policy=policy, url=f"{original.site}/" if original.site else None)
        try:
            if active is None:
                raise Undecided("no-policies", "No policies are active yet.")
            decision = self._decide(active, query, original)
        except BadQuery as error:
            self.tally.anew(self._undecided_fact(query, error, active))
            if error.code == "forbidden":
                raise
            return self._undecided(active, query, original, error)
        self.tally.made(query, decision)
        answer = self._decided(active, decision, original)
        if is_kept:
            answer.fact = self.tally.fact(query, decision)
        guard = decision.guard
        if guard is not None and not guard.passes:
            labels = self.tally.policy(decision.policy), guard.reason.code
            if guard.would_stop:
                self._reported.note(decision)
                self.tally.add(REPORTED, *labels)
            else:
                answer.stopped = labels
                self.tally.add(STOPPED, *labels)
        return answer

    def _selectors(self, request: AnyRequest) -> tuple[str | None, str]:
        """The name of the policy, None if it is to be found, and what stands after it."""
        segments = request.path[1:].split(b"/")[len(request.prepath) :]
        policy = request.postpath[0].decode("utf-8", "replace") if request.postpath else ""
        path = b"".join(b"/" + segment for segment in segments[1:])
        if path and not self.takes_path:
            raise Problem(404, "not-found", "This path must end after the name of the policy.")
        return None if policy in {"", NO_POLICY} else policy, encode_bytes(path)

    def _decide(self, active: ActivePolicies, query: Query, original: OriginalRequest) -> Decision:
        if not query.method:
            raise Undecided("no-method", "The header with the method of the original request is missing or repeated.")
        if query.policy is None:
            # The path is needed for nothing else: where a policy is named, it may be as odd as it likes.
            path = original.path
            if not path.startswith(("/", "?")):
                # It would become a part of the host. A path that is missing or repeated may be any.
                named = path.partition("?")[0]
                raise Undecided("url-malformed", f"{shown(named)} is not the path of a URL.")
            query = structs.replace(query, policy=active.policy_for(original.site + path))
        return active.decide_cross_origin(query) if self.is_cross_origin else active.decide(query)

    def _decided(self, active: ActivePolicies, decision: Decision, original: OriginalRequest) -> Answer:
        """Write a decision into the status and the headers of an answer."""
        ttl = self._limits.ttl
        if active.guards and active.has_guard(decision.policy):
            # A gateway that keeps answers may not know that a guard looks at more than CORS does.
            ttl = 0
        headers = {
            **dict(decision.headers),
            "Cors-Decision": _DECISIONS[decision.allowed],
            "Cors-Decision-Reason": decision.reason.code,
            "Cors-Policy-Revision": decision.revision,
            "Cache-Control": f"max-age={ttl}" if ttl else NO_STORE,
        }
        if decision.guard is not None:
            stops = _STOPS if decision.guard.stops else _REPORTS
            headers[_GUARD] = _PASSES if decision.guard.passes else stops
        status = 200
        if decision.kind == "preflight":
            status = 204 if decision.allowed else self.refused_preflight
        return Answer(status, "", b"", headers)

    def _undecided(
        self, active: ActivePolicies | None, query: Query, original: OriginalRequest, error: BadQuery
    ) -> Answer:
        """Give no CORS headers where somebody's configuration is wrong, but cause no outage."""
        headers = {
            "Vary": _VARY_PREFLIGHT if query.is_preflight else _VARY,
            "Cors-Decision": _UNDECIDED,
            "Cors-Decision-Reason": error.code,
            "Cache-Control": NO_STORE,
        }
        if active is not None:
            headers["Cors-Policy-Revision"] = active.revision
        return Answer(403 if query.is_preflight else 200, "", b"", headers)

    def _malformed(self, request: AnyRequest) -> str | None:
        # The rest comes from the client: refusing it would be an outage, and the decision deals with it.
        return None if request.uri.startswith(b"/") else "The target of the request is not a path."


class AuthRequestEndpoint(ProxyEndpoint):
    """`/v1/auth-request[/POLICY]`: what nginx asks with `auth_request`."""

    trusted_headers = (b"x-original-method", b"x-original-url")
    answer_GET = ProxyEndpoint.decide_for_proxy

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe X-Original-Method and X-Original-URL."""
        url = _URL.fullmatch(_only(request, b"x-original-url"))
        site, path = url.groups() if url else ("", "")
        return OriginalRequest(_only(request, b"x-original-method"), site, path or "/")


class ForwardAuthEndpoint(ProxyEndpoint):
    """`/v1/forward-auth[/POLICY]`: what HAProxy, Caddy, Traefik and APISIX ask."""

    trusted_headers = (b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri")
    answer_GET = ProxyEndpoint.decide_for_proxy

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe X-Forwarded-Method, -Proto, -Host and -Uri."""
        site = site_of(_only(request, b"x-forwarded-proto"), _only(request, b"x-forwarded-host"))
        return OriginalRequest(_only(request, b"x-forwarded-method"), site, _only(request, b"x-forwarded-uri"))


class ExtAuthzEndpoint(ProxyEndpoint):
    """`/v1/ext-authz/POLICY/ORIGINAL-PATH`: what Envoy asks. Exactly 200 goes on, the rest is what the client gets."""

    trusted_headers: tuple[bytes, ...] = (b"x-forwarded-proto", b"host")
    refused_preflight = 403
    takes_path = True

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe the request line, Host and X-Forwarded-Proto."""
        site = site_of(_only(request, b"x-forwarded-proto") or "https", _only(request, b"host"))
        return OriginalRequest(request.method.decode("latin-1"), site, path or "/")

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer]:
        return self.decide_for_proxy


class PreflightEndpoint(ProxyEndpoint):
    """`/v1/preflight/POLICY[/ORIGINAL-PATH]`: a preflight that a proxy routes to us; the client gets the answer."""

    trusted_headers = (b"host",)
    guarded_headers = ()
    refused_preflight = 403
    takes_path = True
    # Pages send no preflights to their own origin; a gateway may have taken the port off the Host.
    is_cross_origin = True
    answer_OPTIONS = ProxyEndpoint.decide_for_proxy

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe the request line, and Host where it takes part in finding the policy."""
        return OriginalRequest("OPTIONS", site_of("https", _only(request, b"host")), path or "/")

    def _decide(self, active: ActivePolicies, query: Query, original: OriginalRequest) -> Decision:
        if not query.is_preflight:
            detail = "This is not a preflight: it lacks exactly one Origin and one Access-Control-Request-Method."
            raise Problem(405, "not-a-preflight", detail, {"Allow": "OPTIONS"})
        # It reaches no application, so there is nothing to guard.
        decision = super()._decide(active, query, original)
        return decision if decision.guard is None else structs.replace(decision, guard=None)

    def _decided(self, active: ActivePolicies, decision: Decision, original: OriginalRequest) -> Answer:
        answer = super()._decided(active, decision, original)
        return Answer(decision.status or answer.status, answer.media_type, answer.body, answer.headers)


class _Enforces(ProxyEndpoint):
    """Gives a 403 to a request that the service should not take, and to one that can't be decided.

    Where no guard can be meant, a request without an Origin goes on: no decision would refuse it.
    """

    def _guarded_question(self, request: AnyRequest) -> _Question | None:
        question = super()._guarded_question(request)
        return None if question is None else (*question, speaks_rpc(_lines(request, b"accept")))

    def _decided(self, active: ActivePolicies, decision: Decision, original: OriginalRequest) -> Answer:
        answer = super()._decided(active, decision, original)
        if (decision.guard is None and decision.allowed is not False) or active.takes(decision):
            return answer
        if decision.guard is None or decision.guard.passes:
            return _stopped(Problem(403, decision.reason.code, detail_of(decision.reason)), answer)
        reason = decision.guard.reason
        problem = Problem(403, reason.code, detail_of(reason))
        answer.headers = dict(without_grants(tuple(answer.headers.items())))
        return _stopped(problem, answer, speaks_rpc=original.speaks_rpc)

    def _undecided(
        self, active: ActivePolicies | None, query: Query, original: OriginalRequest, error: BadQuery
    ) -> Answer:
        answer = super()._undecided(active, query, original, error)
        if active is None:
            retry = {"Retry-After": str(RETRY_SECONDS)}
            return _stopped(Problem(503, "no-policies", "No policies are active yet.", retry), answer)
        # A policy that is meant, and that a wrong name or a foreign host does not find, may have a guard.
        if not (query.origins or active.enforcing):
            return answer
        problem = Problem(403, error.code, "Nothing can be decided about this request.")
        return _stopped(problem, answer, speaks_rpc=original.speaks_rpc and active.enforcing > 0)


class _EnforceByPathEndpoint(_Enforces, ExtAuthzEndpoint):
    """`/v1/enforce/POLICY/ORIGINAL-PATH`: what Envoy asks."""

    trusted_headers = (*ExtAuthzEndpoint.trusted_headers, b"x-forwarded-method")

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe the request line, Host and X-Forwarded-Proto."""
        if request.requestHeaders.hasHeader(b"x-forwarded-method"):
            # Its method is not that of the question, and a slash at the end of an address is no path.
            detail = "The request has X-Forwarded-Method, and a path after the name of the policy."
            raise Problem(404, "not-found", detail)
        return super().original(request, path)


class EnforceEndpoint(_Enforces, ForwardAuthEndpoint):
    """`/v1/enforce/POLICY`: as `/v1/forward-auth`, but a request that is not to be taken gets a 403.

    With a path after the name of the policy it is as `/v1/ext-authz`.
    """

    def __init__(
        self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, warnings: Warnings, reported: Reported
    ) -> None:
        super().__init__(ids, policies, limits, warnings, reported)
        self._by_path = _EnforceByPathEndpoint(ids, policies, limits, warnings, reported)

    def count_by(self, tally: ITally, name: str) -> None:
        """Have everything counted."""
        super().count_by(tally, name)
        self._by_path.count_by(tally, name)

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer]:
        return self._answer

    def _answer(self, request: AnyRequest) -> Answer:
        endpoint = self if len(request.postpath) < 2 else self._by_path
        return endpoint.decide_for_proxy(request)


def _stopped(problem: Problem, answer: Answer, *, speaks_rpc: bool = False) -> Answer:
    """Give an error in the place of an answer, with the headers of both."""
    media_type, body = error_body(problem.status, problem.code, problem.detail, speaks_rpc=speaks_rpc)
    headers = {**problem.as_answer().headers, **answer.headers}
    return Answer(problem.status, media_type, body, headers)


def _lines(request: AnyRequest, name: bytes) -> tuple[str, ...]:
    """The value of each line of a header; no rule covers what is not ASCII."""
    return tuple(value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(name) or ())


def _only(request: AnyRequest, name: bytes) -> str:
    """The value of a header that a proxy sets, as text of a URL; nothing where it is missing or repeated."""
    lines = request.requestHeaders.getRawHeaders(name) or ()
    return encode_bytes(lines[0]) if len(lines) == 1 else ""


def site_of(scheme: str, authority: str) -> str:
    """Scheme and authority of a URL; nothing where one of them is missing or odd."""
    return f"{scheme}://{authority}" if scheme and _AUTHORITY.fullmatch(authority) else ""
