"""For resources of a Twisted site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import NOT_DONE_YET, Request

from cors_service._twisted import render_encoded
from cors_service.asking.arguments import check_name, check_policy
from cors_service.asking.headers import Lines, decorate
from cors_service.client import Decider, IDecider
from cors_service.decision import Decision, Query
from cors_service.grammar.path import encode_bytes
from cors_service.policy import PolicySet
from cors_service.protect._answer import preflight_lines
from cors_service.protect._facts import query_of
from cors_service.protect._guarding import Guarding
from cors_service.store import FixedPolicies, IPolicies

__all__ = ["ProtectedResource"]


class ProtectedResource(Resource):
    """Answers preflights in the place of a resource and of those beneath it, and decorates all their answers.

    The decided headers are also on answers that come later or in pieces, on errors, and where there is nothing.

    What the guard of a policy refuses does not reach the resource, be it a request or the handshake of a WebSocket.
    """

    isLeaf = True
    _log: Final = Logger()

    def __init__(
        self,
        protected: IResource,
        policies: PolicySet | IPolicies | IDecider,
        *,
        policy: str | None = None,
        guarded: bool | None = None,
    ) -> None:
        """Wrap a resource.

        Args:
            protected: The resource that answers, with those beneath it.
            policies: What decides: a policy set, a holder of policies such as `LivePolicies`, or a client such as a
                `DecisionClient`.
            policy: The name of the policy; by default it is found by the URL.
            guarded: Whether requests get a 503 about which nothing can be decided; by default where it is known that a
                policy has a guard.

        Raises:
            TypeError: `policies` can't decide.
            ValueError: The policy set has no policy of this name.
        """
        check_name(policy)
        if isinstance(policies, PolicySet):
            check_policy(policy, policies)
        elif isinstance(policies, FixedPolicies):
            check_policy(policy, policies.active.policy_set)
        super().__init__()
        self._protected = protected
        self._policy = policy
        self._guarding = Guarding(guarded, lambda what: self._log.warn("{what}", what=what))
        self._decider = policies if IDecider.providedBy(policies) else Decider(policies)

    def render(self, request: Request) -> int:
        """Answer a request, once there is a decision."""
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def decided(decision: Decision) -> None:
            if not gone:
                self._answer(request, decision)

        def failed(failure: Failure) -> None:
            if gone:
                self._log.failure("A resource failed behind its client's back", failure)
            else:
                # It ends like a request to a resource that is not protected.
                request.processingFailed(failure)

        deciding: Deferred[Decision] = self._decider.decide(self._query(request))
        deciding.addCallback(decided).addErrback(failed)
        return NOT_DONE_YET

    def _answer(self, request: Request, decision: Decision) -> None:
        accepts = request.requestHeaders.getRawHeaders(b"accept") or ()
        stopped = self._guarding.stopped(decision, (value.decode("latin-1") for value in accepts))
        if stopped is not None:
            request.setResponseCode(stopped.status)
            for name, value in stopped.lines:
                request.setHeader(name, value)
            request.write(stopped.body)
            request.finish()
            return
        if decision.status is not None:
            request.setResponseCode(decision.status)
            for name, value in preflight_lines(decision):
                request.setHeader(name, value)
            request.finish()
            return
        request.responseHeaders = _Decorated.of(request.responseHeaders, decision.headers)
        render_encoded(request, getChildForRequest(self._protected, request))

    def _query(self, request: Request) -> Query:
        lines = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        hosts = [value for name, value in lines if name.lower() == "host"]
        return query_of(
            request.method.decode("latin-1"),
            lines,
            scheme="https" if request.isSecure() else "http",
            host=hosts[0] if len(hosts) == 1 else "",
            path=encode_bytes(request.path),
            policy=self._policy,
        )


class _Decorated(Headers):
    """The headers of an answer, which are decorated when they are sent."""

    _decided: Lines = ()

    @classmethod
    def of(cls, headers: Headers, decided: Lines) -> _Decorated:
        decorated = cls()
        decorated._decided = decided
        for name, values in headers.getAllRawHeaders():
            for value in values:
                decorated.addRawHeader(name, value)
        return decorated

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, list[bytes]]]:
        lines = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in super().getAllRawHeaders()
            for value in values
        ]
        for name, value in decorate(lines, self._decided):
            yield name.encode("latin-1"), [value.encode("latin-1")]
