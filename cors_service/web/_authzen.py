"""The Authorization API of AuthZEN, for callers that speak it.

See https://openid.net/specs/authorization-api-1_0.html, sections 6, 7, 9 and 10. An origin that may do this is
permitted; so is a request without an Origin, since no decision about CORS would stop it. Where the policy has a guard,
that decides what is permitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import DeferredSemaphore

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.decision.steps import at_once
from cors_service.limits import Limits
from cors_service.store import IPolicies
from cors_service.web._advice import Advice
from cors_service.web._decisions import FEW, SHORT, in_turn
from cors_service.web._evaluations import completed, defaults_of, evaluations_of, read_evaluation, stop_of
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.body import json_body
from cors_service.web.endpoint import DecidingEndpoint, Endpoint
from cors_service.web.later import Later, Steps
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.turns import Turns, seated
from cors_service.web.warnings import Warnings
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import parse_json, write_json

WELL_KNOWN: Final = b"/.well-known/authzen-configuration"
EVALUATION: Final = b"/access/v1/evaluation"
EVALUATIONS: Final = b"/access/v1/evaluations"

# What is wrong with the request itself, or with whoever sends it; about all else there is a decision, a denial.
_REFUSED: Final = frozenset({"body-malformed", "query-malformed", "forbidden"})


class EvaluationEndpoint(DecidingEndpoint):
    """`/access/v1/evaluation`: one decision."""

    def __init__(
        self,
        ids: Iterator[bytes],
        policies: IPolicies,
        limits: Limits,
        warnings: Warnings,
        turns: Turns,
        advice: Advice,
    ) -> None:
        super().__init__(ids, policies, limits, warnings)
        self._turns = turns
        self._advice = advice

    def answer_POST(self, request: AnyRequest) -> Answer | Later:
        """Decide about the evaluation in the body."""
        active = self._active()
        body = self._body(request)
        if len(body) > SHORT:
            return in_turn(self._turns, lambda: self._evaluate_alone(active, _object(body)))
        return self._evaluate_alone(active, _object(body))

    def _evaluate_alone(self, active: ActivePolicies, fields: dict[str, Any]) -> Answer:
        try:
            body, _ = self._evaluate(active, self._advice.decide, fields)
        except BadQuery as error:
            if error.code in _REFUSED:
                raise
            body = _denied(error)
        return Answer(200, JSON, body, {"Cache-Control": NO_STORE})

    def _evaluate(
        self, active: ActivePolicies, decide: Callable[[ActivePolicies, Query], Decision], fields: object
    ) -> tuple[bytes, bool]:
        """Write a decision as AuthZEN has it, and give it."""
        decision, _ = self._made(active, fields, read_evaluation, decide)
        permitted = active.takes(decision)
        context = write_decision(decision, self._limits.ttl)
        return b'{"decision":%b,"context":%b}' % (b"true" if permitted else b"false", context), permitted

    def _body(self, request: AnyRequest) -> bytes:
        try:
            return json_body(request, self._limits.body)
        except Problem as problem:
            if problem.status != 415:
                raise
            # There is no such status (section 10.1.2; https://github.com/openid/authzen, certification, 2.4.3).
            raise Problem(400, "not-json", problem.detail) from None


class EvaluationsEndpoint(EvaluationEndpoint):
    """`/access/v1/evaluations`: a batch, decided by one revision; or one decision, if there is no batch."""

    def __init__(
        self,
        ids: Iterator[bytes],
        policies: IPolicies,
        limits: Limits,
        warnings: Warnings,
        turns: Turns,
        advice: Advice,
        seats: DeferredSemaphore,
    ) -> None:
        super().__init__(ids, policies, limits, warnings, turns, advice)
        self._seats = seats

    def answer_POST(self, request: AnyRequest) -> Answer | Later:
        """Decide about each evaluation in the body, up to where the batch is to end."""
        active = self._active()
        body = self._body(request)
        # Each evaluation is an object, or costs next to nothing.
        if len(body) <= SHORT and body.count(b"{") <= FEW:
            return at_once(self._evaluate_all(active, body))
        return Later(self._turns, self._in_turns(active, body))

    def _in_turns(self, active: ActivePolicies, body: bytes) -> Steps:
        yield from seated(self._seats)
        try:
            return (yield from self._evaluate_all(active, body))
        finally:
            self._seats.release()

    def _evaluate_all(self, active: ActivePolicies, body: bytes) -> Steps:
        fields = _object(body)
        items, stop = evaluations_of(fields), stop_of(fields)
        yield None
        if not items:
            return self._evaluate_alone(active, fields)
        if len(items) > self._limits.batch:
            raise BadQuery("too-many-queries", f"A batch has at most {self._limits.batch} queries.")
        defaults = defaults_of(fields)
        # They are read once for each evaluation.
        if len(items) * len(write_json(defaults)) > self._limits.body:
            detail = f"With its defaults in each evaluation, the body is larger than {self._limits.body} bytes."
            raise Problem(413, "body-too-large", detail)
        answers = []
        for item in items:
            yield None
            try:
                answer, permitted = self._evaluate(active, _decide, completed(item, defaults))
            except BadQuery as error:
                answer, permitted = _denied(error), False
            answers.append(answer)
            if permitted is stop:
                break
        return Answer(200, JSON, b'{"evaluations":[%b]}' % b",".join(answers), {"Cache-Control": NO_STORE})


class ConfigurationEndpoint(Endpoint):
    """`/.well-known/authzen-configuration`: where the two others are.

    Callers compare the base of these URLs with that of the URL that they asked (section 9.2.3). So it is made of the
    request: its Host, and https where it came over TLS, be it to a proxy that says so. No cache keeps it.
    """

    wants_transport = True

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give the metadata."""
        hosts = request.requestHeaders.getRawHeaders(b"host") or [b""]
        if not hosts[0]:
            raise Problem(400, "request-malformed", "The request must have a Host, to make URLs of.")
        proxied = request.requestHeaders.getRawHeaders(b"x-forwarded-proto") == [b"https"]
        transport = getattr(request, "transport", None)
        scheme = "https" if proxied or hasattr(transport, "getPeerCertificate") else "http"
        *above, _, _ = request.path.split(b"/")
        base = f"{scheme}://{(hosts[0] + b'/'.join(above)).decode('ascii')}"
        metadata = {
            "policy_decision_point": base,
            "access_evaluation_endpoint": f"{base}{EVALUATION.decode('ascii')}",
            "access_evaluations_endpoint": f"{base}{EVALUATIONS.decode('ascii')}",
        }
        return Answer(200, JSON, write_json(metadata), {"Cache-Control": NO_STORE})


def _decide(active: ActivePolicies, query: Query) -> Decision:
    return active.decide(query)


def _object(body: bytes) -> dict[str, Any]:
    """Read a body.

    Raises:
        BadQuery: It is not an object.
    """
    fields = parse_json(body)
    if not isinstance(fields, dict):
        raise BadQuery("query-malformed", "The body must be an object.")
    return fields


def _denied(error: BadQuery) -> bytes:
    """Write a denial for want of a decision (section 7.2.1)."""
    problem = Problem.of(error)
    said = {"status": problem.status, "code": problem.code, "message": problem.detail}
    return b'{"decision":false,"context":{"error":%b}}' % write_json(said)
