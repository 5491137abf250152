"""The endpoints that proxies ask.

The original request, which the proxy received, comes in the path and in headers; the decision goes out in the status
and in headers. A CORS mismatch is not a failure of authorisation: an actual request gets a 200 all the same, without
the headers that a browser needs before it lets the page read the answer. No selector is in the query string, which
proxies pass on from the client; and only those headers count that the proxies of an endpoint set themselves, so a
client gains nothing by sending those of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec import structs

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.grammar.mistakes import shown
from cors_service.grammar.path import encode_bytes
from cors_service.limits import Limits
from cors_service.store import IPolicies
from cors_service.web._remembered import Remembered
from cors_service.web.answer import NO_STORE, Answer
from cors_service.web.endpoint import RETRY_SECONDS, EndpointWithPolicies
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.warnings import Warnings

NO_POLICY: Final = "-"
"""What stands in the place of a policy's name where the policy is to be found by the URL."""

# What a browser sends, in the order of the attributes of a query.
_CORS_HEADERS: Final = (b"origin", b"access-control-request-method", b"access-control-request-headers")
_NO_LINES: Final = (None,)
_UNDECIDED: Final = "no-policy"
_DECISIONS: Final = {True: "allowed", False: "refused", None: "none"}
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
    """

    method: str
    site: str
    path: str


class Undecided(BadQuery):
    """Nothing can be decided, for a reason that only proxies see: it is never an error of its own."""


class ProxyEndpoint(EndpointWithPolicies):
    """An endpoint for a family of proxies: `.../POLICY`, with `-` or nothing to find the policy by the URL.

    Attributes:
        trusted_headers: The headers that the proxies of this endpoint set, and that are believed for that reason.
        refused_preflight: The status of a preflight that is refused.
        takes_path: Whether the path of the original request stands behind the name of the policy.
        is_cross_origin: Whether what is asked about always comes from another origin.
    """

    isLeaf = True
    trusted_headers: tuple[bytes, ...] = ()
    refused_preflight = 200
    takes_path = False
    is_cross_origin = False

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, warnings: Warnings) -> None:
        super().__init__(ids, policies, limits)
        self._warnings = warnings
        self._remembered: Remembered[_Question, Answer] = Remembered()

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Find out what the proxy received.

        Args:
            request: What the proxy asks.
            path: What stands behind the name of the policy.
        """
        raise NotImplementedError

    def decide_for_proxy(self, request: AnyRequest) -> Answer:
        """Decide about the original request; a question that was asked lately has its answer already."""
        active: ActivePolicies | None = self._policies.active
        question = self._question(request)
        if active is None or question is None:
            return self._decide_anew(request)
        remembered = self._remembered.of(active.revision)
        answer = remembered.get(question)
        if answer is None:
            answer = self._decide_anew(request)
            # What can't be decided is logged each time.
            if answer.headers["Cors-Decision"] != _UNDECIDED:
                remembered.offer(question, answer)
        return answer

    def _question(self, request: AnyRequest) -> _Question | None:
        """Everything that the answer depends on, except for the policies; None where a header is repeated."""
        question: list[bytes | int | None] = [request.method, request.path, len(request.prepath)]
        for name in (*_CORS_HEADERS, *self.trusted_headers):
            lines = request.requestHeaders.getRawHeaders(name) or _NO_LINES
            if len(lines) > 1:
                return None
            question.append(lines[0])
        return tuple(question)

    def _decide_anew(self, request: AnyRequest) -> Answer:
        policy, path = self._selectors(request)
        original = self.original(request, path)
        origins, methods, names = (_lines(request, name) for name in _CORS_HEADERS)
        asked = Query(original.method, origins=origins, request_methods=methods, request_headers=names)
        return self._answer_about(policy, original, asked)

    def _answer_about(self, policy: str | None, original: OriginalRequest, asked: Query) -> Answer:
        """Decide about an original request, given as a query without policy and URL."""
        query = structs.replace(asked, policy=policy, url=f"{original.site}/" if original.site else None)
        try:
            return self._decided(self._decide(query, original))
        except BadQuery as error:
            if error.code == "forbidden":
                raise
            return self._undecided(query, error)

    def _selectors(self, request: AnyRequest) -> tuple[str | None, str]:
        """The name of the policy, None if it is to be found, and what stands behind it."""
        segments = request.path[1:].split(b"/")[len(request.prepath) :]
        policy = request.postpath[0].decode("utf-8", "replace") if request.postpath else ""
        path = b"".join(b"/" + segment for segment in segments[1:])
        if path and not self.takes_path:
            raise Problem(404, "not-found", "Nothing stands behind the name of the policy here.")
        return None if policy in {"", NO_POLICY} else policy, encode_bytes(path)

    def _decide(self, query: Query, original: OriginalRequest) -> Decision:
        active: ActivePolicies | None = self._policies.active
        if active is None:
            raise Undecided("no-policies", "No policies are active yet.")
        if not query.method:
            raise Undecided("no-method", "The header with the method of the original request is missing or repeated.")
        if query.policy is None:
            # The path is needed for nothing else: where a policy is named, it may be as odd as it likes.
            path = original.path
            if not path.startswith(("/", "?")):
                # It would become a part of the host. A path that is missing or repeated may be any.
                raise Undecided("url-malformed", f"{shown(path)} is not the path of a URL.")
            query = structs.replace(query, policy=active.policy_for(original.site + path))
        return active.decide_cross_origin(query) if self.is_cross_origin else active.decide(query)

    def _decided(self, decision: Decision) -> Answer:
        """Write a decision into the status and the headers of an answer."""
        ttl = self._limits.ttl
        headers = {
            **dict(decision.headers),
            "Cors-Decision": _DECISIONS[decision.allowed],
            "Cors-Decision-Reason": decision.reason.code,
            "Cors-Policy-Revision": decision.revision,
            "Cache-Control": f"max-age={ttl}" if ttl else NO_STORE,
        }
        status = 200
        if decision.kind == "preflight":
            status = 204 if decision.allowed else self.refused_preflight
        return Answer(status, "", b"", headers)

    def _undecided(self, query: Query, error: BadQuery) -> Answer:
        """Give no CORS headers where somebody's configuration is wrong, but cause no outage; warn in the log."""
        # Names of policies are the proxy's; URLs are the client's, which must not fill the log with them.
        subject = error.message if error.code == "unknown-policy" else error.code
        self._warnings.warn(subject, f"A proxy asks what can't be decided: {error.message}")
        headers = {
            "Vary": _VARY_PREFLIGHT if query.is_preflight else _VARY,
            "Cors-Decision": _UNDECIDED,
            "Cors-Decision-Reason": error.code,
            "Cache-Control": NO_STORE,
        }
        active: ActivePolicies | None = self._policies.active
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

    trusted_headers = (b"x-forwarded-proto", b"host")
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
    refused_preflight = 403
    takes_path = True
    # Pages send no preflights to their own origin; a gateway may have taken the port off the Host.
    is_cross_origin = True
    answer_OPTIONS = ProxyEndpoint.decide_for_proxy

    def original(self, request: AnyRequest, path: str) -> OriginalRequest:
        """Believe the request line, and Host where it takes part in finding the policy."""
        return OriginalRequest("OPTIONS", site_of("https", _only(request, b"host")), path or "/")

    def _decide(self, query: Query, original: OriginalRequest) -> Decision:
        if not query.is_preflight:
            detail = "This is not a preflight: it has not exactly one Origin and one Access-Control-Request-Method."
            raise Problem(405, "not-a-preflight", detail, {"Allow": "OPTIONS"})
        return super()._decide(query, original)

    def _decided(self, decision: Decision) -> Answer:
        answer = super()._decided(decision)
        return Answer(decision.status or answer.status, answer.media_type, answer.body, answer.headers)


class EnforceEndpoint(ForwardAuthEndpoint):
    """`/v1/enforce/POLICY`: as `/v1/forward-auth`, but a refused request gets a 403 in place of an answer.

    So does one with an Origin that can't be decided. Without an Origin no decision would refuse it, so it goes on.
    """

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer]:
        return self.decide_for_proxy

    def _decided(self, decision: Decision) -> Answer:
        answer = super()._decided(decision)
        if decision.allowed is not False:
            return answer
        what = "has no access at all" if decision.reason.is_about_origin else "may not do this"
        return _stopped(Problem(403, decision.reason.code, f"This origin {what}."), answer)

    def _undecided(self, query: Query, error: BadQuery) -> Answer:
        answer = super()._undecided(query, error)
        if not query.origins:
            return answer
        if error.code == "no-policies":
            retry = {"Retry-After": str(RETRY_SECONDS)}
            return _stopped(Problem(503, "no-policies", "No policies are active yet.", retry), answer)
        return _stopped(Problem(403, error.code, "Nothing can be decided about this request."), answer)


def _stopped(problem: Problem, answer: Answer) -> Answer:
    """Give a problem in the place of an answer, with the headers of both."""
    said = problem.as_answer()
    return Answer(said.status, said.media_type, said.body, {**said.headers, **answer.headers})


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
