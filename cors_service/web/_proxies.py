"""The endpoints that proxies ask.

The request that a proxy received comes in the path and in headers, the decision goes out in the status and in headers.
A mismatch of CORS is no failure of authorisation: an actual request gets a 200 all the same, without the headers that a
browser needs before it lets the page read the answer. No selector is in the query string, which proxies pass on from
the client; and of the headers only those count that the proxies of an endpoint set themselves, so that a client gains
nothing by sending those of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.grammar.mistakes import shown
from cors_service.store import IPolicies
from cors_service.web._decisions import Deciding, Remembered
from cors_service.web.endpoint import NO_STORE, Answer, Asked, DecisionIds, Problem
from cors_service.web.limits import Limits

NO_POLICY: Final = "-"
"""What stands in the place of a policy's name where the policy is to be found by the URL."""

# The headers that a browser asks with, in the order of the attributes of a query.
_ASKED_WITH: Final = (b"origin", b"access-control-request-method", b"access-control-request-headers")
_NO_LINES: Final = (None,)
_UNDECIDED: Final = "no-policy"
_DECISIONS: Final = {True: "allowed", False: "refused", None: "none"}
_VARY: Final = "Origin"
_VARY_PREFLIGHT: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_SILENCE_SECONDS: Final = 60.0
_MAX_WARNINGS: Final = 256
_AUTHORITY: Final = re.compile(r"[^/?#\\]+")
# Scheme and authority of a URL, and what follows them.
_URL: Final = re.compile(r"([^:/?#]*://[^/?#]*)(.*)", re.DOTALL)


_Question = tuple[bytes | int | None, ...]


class Received(NamedTuple):
    """What a proxy tells of the request that it received.

    Attributes:
        method: Its method; empty where the proxy does not tell it.
        site: Scheme and authority of its URL; empty where the proxy does not tell them.
        path: The path of its URL, encoded as it came, perhaps with a query.
    """

    method: str
    site: str
    path: str


class Undecided(BadQuery):
    """Nothing can be decided, for a reason that only proxies are told: it is never an error of its own."""


class Warnings:
    """Lines in the log about what callers do wrong: each once a minute at most, and not too many of them."""

    _log: Final = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def warn(self, subject: str, what: str) -> None:
        """Say what is wrong, unless something was said on that subject within the last minute."""
        now = self._clock.seconds()
        if len(self._told) >= _MAX_WARNINGS:
            self._told = {one: when for one, when in self._told.items() if now - when < _SILENCE_SECONDS}
        if now - self._told.get(subject, -_SILENCE_SECONDS) >= _SILENCE_SECONDS and len(self._told) < _MAX_WARNINGS:
            self._told[subject] = now
            self._log.warn("{what}", what=what)


class ProxyEndpoint(Deciding):
    """An endpoint for a family of proxies: `.../POLICY`, with `-` or nothing to find the policy by the URL.

    Attributes:
        hears: The headers that the proxies of this endpoint set, and that are believed for that reason.
        refused_preflight: The status of a preflight that is refused.
        takes_path: Whether the path of the request that was received stands behind the name of the policy.
    """

    isLeaf = True
    hears: tuple[bytes, ...] = ()
    refused_preflight = 200
    takes_path = False

    def __init__(self, ids: DecisionIds, policies: IPolicies, limits: Limits, warnings: Warnings) -> None:
        super().__init__(ids, policies, limits)
        self._warnings = warnings
        self._answers: Remembered[_Question, Answer] = Remembered()

    def received(self, request: Asked, path: str) -> Received:
        """Find out what the proxy received.

        Args:
            request: What the proxy asks.
            path: What stands behind the name of the policy.
        """
        raise NotImplementedError

    def answer(self, request: Asked) -> Answer:
        """Decide about the request that the proxy tells of."""
        active: ActivePolicies | None = self._policies.active
        question = self._question(request)
        if active is None or question is None:
            return self._answer(request)
        remembered = self._answers.by(active)
        answer = remembered.get(question)
        if answer is None:
            answer = self._answer(request)
            # What can't be decided is told in the log each time.
            if answer.headers["Cors-Decision"] != _UNDECIDED:
                remembered.offer(question, answer)
        return answer

    def _question(self, request: Asked) -> _Question | None:
        """All that the answer depends on but the policies; None where a header stands there twice."""
        question: list[bytes | int | None] = [request.method, request.path, len(request.prepath)]
        for name in (*_ASKED_WITH, *self.hears):
            lines = request.requestHeaders.getRawHeaders(name) or _NO_LINES
            if len(lines) > 1:
                return None
            question.append(lines[0])
        return tuple(question)

    def _answer(self, request: Asked) -> Answer:
        policy, path = self._selectors(request)
        received = self.received(request, path)
        query = Query(
            received.method,
            policy,
            f"{received.site}/" if received.site else None,
            *(_lines(request, name) for name in _ASKED_WITH),
        )
        try:
            return self._decided(self._decide(query, received))
        except BadQuery as error:
            return self._undecided(query, error)

    def _selectors(self, request: Asked) -> tuple[str | None, str]:
        """The name of the policy, None if it is to be found, and what stands behind it."""
        segments = request.path[1:].split(b"/")[len(request.prepath) :]
        policy = request.postpath[0].decode("utf-8", "replace") if request.postpath else ""
        path = b"".join(b"/" + segment for segment in segments[1:])
        if path and not self.takes_path:
            raise Problem(404, "not-found", "Nothing stands behind the name of the policy here.")
        return None if policy in {"", NO_POLICY} else policy, path.decode("latin-1")

    def _decide(self, query: Query, received: Received) -> Decision:
        active: ActivePolicies | None = self._policies.active
        if active is None:
            raise Undecided("no-policies", "No policies are active yet.")
        if not query.method:
            raise Undecided("no-method", "The header that tells the method is missing, or stands there twice.")
        if query.policy is None:
            # All that the path is for: where a policy is named, it may be as odd as it likes.
            path = received.path or "/"
            if path[0] not in "/?":
                # It would become a part of the host.
                raise Undecided("url-malformed", f"{shown(path)} is not the path of a URL.")
            query = structs.replace(query, policy=active.policy_for(received.site + path))
        try:
            return active.decide_anew(query)
        except BadQuery as error:
            if error.code != "url-malformed":
                raise
            # It has no origin of its own that could be compared, and the rules speak about all others.
            return active.decide_anew(structs.replace(query, url=None))

    def _decided(self, decision: Decision) -> Answer:
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
        """No headers of CORS where somebody's configuration is wrong, but no outage, and a line in the log."""
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

    def _oddity(self, request: Asked) -> str | None:
        # The rest is the client's, and to refuse that would be an outage: the decision speaks about it.
        return None if request.uri.startswith(b"/") else "The target of the request is not a path."


class AuthRequestEndpoint(ProxyEndpoint):
    """`/v1/auth-request[/POLICY]`: what nginx asks with `auth_request`."""

    hears = (b"x-original-method", b"x-original-url")
    answer_GET = ProxyEndpoint.answer

    def received(self, request: Asked, path: str) -> Received:
        """Believe X-Original-Method and X-Original-URL."""
        url = _URL.fullmatch(_only(request, b"x-original-url"))
        return Received(_only(request, b"x-original-method"), *(url.groups() if url else ("", "")))


class ForwardAuthEndpoint(ProxyEndpoint):
    """`/v1/forward-auth[/POLICY]`: what HAProxy, Caddy, Traefik and APISIX ask."""

    hears = (b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri")
    answer_GET = ProxyEndpoint.answer

    def received(self, request: Asked, path: str) -> Received:
        """Believe X-Forwarded-Method, -Proto, -Host and -Uri."""
        site = _site(_only(request, b"x-forwarded-proto"), _only(request, b"x-forwarded-host"))
        return Received(_only(request, b"x-forwarded-method"), site, _only(request, b"x-forwarded-uri"))


class ExtAuthzEndpoint(ProxyEndpoint):
    """`/v1/ext-authz/POLICY/ORIGINAL-PATH`: what Envoy asks. Exactly 200 goes on, the rest is what the client gets."""

    hears = (b"x-forwarded-proto", b"host")
    refused_preflight = 403
    takes_path = True

    def received(self, request: Asked, path: str) -> Received:
        """Believe the request line, Host and X-Forwarded-Proto."""
        site = _site(_only(request, b"x-forwarded-proto") or "https", _only(request, b"host"))
        return Received(request.method.decode("latin-1"), site, path)

    def _answerer(self, method: str) -> Callable[[Asked], Answer]:
        return self.answer


class PreflightEndpoint(ProxyEndpoint):
    """`/v1/preflight/POLICY[/ORIGINAL-PATH]`: a preflight that a proxy routes to us; the client gets the answer."""

    hears = (b"host",)
    refused_preflight = 403
    takes_path = True
    answer_OPTIONS = ProxyEndpoint.answer

    def received(self, request: Asked, path: str) -> Received:
        """Believe the request line, and Host where it takes part in finding the policy."""
        return Received("OPTIONS", _site("https", _only(request, b"host")), path)

    def _decide(self, query: Query, received: Received) -> Decision:
        if not query.is_preflight:
            detail = "This is no preflight: it has not exactly one Origin and one Access-Control-Request-Method."
            raise Problem(405, "not-a-preflight", detail, {"Allow": "OPTIONS"})
        # Pages send none to where they come from, so there is no origin of our own to compare with.
        return super()._decide(structs.replace(query, url=None), received)

    def _decided(self, decision: Decision) -> Answer:
        told = super()._decided(decision)
        return Answer(decision.status or told.status, told.media_type, told.body, told.headers)


class EnforceEndpoint(ForwardAuthEndpoint):
    """`/v1/enforce/POLICY`: as `/v1/forward-auth`, but whoever is refused gets a 403 in place of an answer."""

    def _answerer(self, method: str) -> Callable[[Asked], Answer]:
        return self.answer

    def _decided(self, decision: Decision) -> Answer:
        told = super()._decided(decision)
        if decision.allowed is not False:
            return told
        what = "has no access at all" if decision.reason.is_about_origin else "may not do this"
        problem = Problem(403, decision.reason.code, f"This origin {what}.").answer()
        return Answer(403, problem.media_type, problem.body, {**problem.headers, **told.headers})


def _lines(request: Asked, name: bytes) -> tuple[str, ...]:
    """The value of each line of a header; no rule covers what is not ASCII."""
    return tuple(value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(name) or ())


def _only(request: Asked, name: bytes) -> str:
    """The value of a header that a proxy sets; nothing where it is missing, or stands there twice."""
    lines = _lines(request, name)
    return lines[0] if len(lines) == 1 else ""


def _site(scheme: str, authority: str) -> str:
    return f"{scheme}://{authority}" if scheme and _AUTHORITY.fullmatch(authority) else ""
