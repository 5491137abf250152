"""The data API of the Open Policy Agent, for callers that speak it: of two documents, and no other.

See https://www.openpolicyagent.org/docs/rest-api#get-a-document-with-input. What is not defined is a 404 here, where
the agent answers `{}`: a path with a slip must not pass for an answer.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.decision.enforced import without_grants
from cors_service.decision.reported import Reported
from cors_service.limits import Limits
from cors_service.store import IPolicies
from cors_service.web._advice import Advice
from cors_service.web._decisions import SHORT, in_turn
from cors_service.web._proxies import OriginalRequest, ProxyEndpoint, site_of
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.body import json_body
from cors_service.web.endpoint import DecidingEndpoint
from cors_service.web.ids import PeekedIds
from cors_service.web.later import Later
from cors_service.web.request import AnyRequest
from cors_service.web.turns import Turns
from cors_service.web.warnings import Warnings
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import parse_json, write_json
from cors_service.wire.queries import read_query


class DataDecisionEndpoint(DecidingEndpoint):
    """`/v1/data/cors/decision`: `/v1/decision` with an `input` and a `result`."""

    ids: PeekedIds

    def __init__(
        self,
        ids: PeekedIds,
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
        """Decide about the query in the body."""
        active = self._active()
        body = json_body(request, self._limits.body)
        decide = partial(self._decide, active, body)
        return in_turn(self._turns, decide) if len(body) > SHORT else decide()

    def _decide(self, active: ActivePolicies, body: bytes) -> Answer:
        decision, _ = self._made(active, _input(body), read_query, self._advice.decide)
        return _result(write_decision(decision, self._limits.ttl), self.ids)


class ApisixEndpoint(ProxyEndpoint):
    """`/v1/data/cors/apisix[/POLICY]`: what the plugin `opa` of APISIX asks.

    A result with `allow` lets the request through. The plugin answers all others itself, with `status_code`, `headers`,
    and `reason` as the body: that is how preflights are answered.
    """

    ids: PeekedIds

    def __init__(
        self,
        ids: PeekedIds,
        policies: IPolicies,
        limits: Limits,
        warnings: Warnings,
        reported: Reported,
        turns: Turns,
    ) -> None:
        super().__init__(ids, policies, limits, warnings, reported)
        self._turns = turns

    def answer_POST(self, request: AnyRequest) -> Answer | Later:
        """Decide about the request in the body."""
        policy, _ = self._selectors(request)
        body = json_body(request, self._limits.body)
        decide = partial(self._decide_reported, policy, body)
        return in_turn(self._turns, decide) if len(body) > SHORT else decide()

    def _decide_reported(self, policy: str | None, body: bytes) -> Answer:
        # The plugin writes what clients send as it comes, UTF-8 or not.
        reported = _input(body.decode("utf-8", "replace").encode("utf-8")).get("request")
        if not isinstance(reported, dict):
            raise BadQuery("query-malformed", "The field request of the input must be an object.")
        site = site_of(_text(reported, "scheme"), _authority(reported))
        # It is decoded; APISIX finds the route by it.
        path = quote(_text(reported, "path"), safe="/!$&'()*+,;=:@~")
        original = OriginalRequest(_text(reported, "method"), site, path)
        query = read_query({"method": original.method, "headers": reported.get("headers")})
        return self._answer_about(self._policies.active, policy, original, query)

    def _decided(self, active: ActivePolicies, decision: Decision, original: OriginalRequest) -> Answer:
        answer = super()._decided(active, decision, original)
        if decision.guard is not None and decision.guard.stops:
            answer.headers = dict(without_grants(tuple(answer.headers.items())))
            return self._write_result(answer, 403, decision.guard.reason.code)
        return self._write_result(answer, decision.status, decision.reason.code)

    def _undecided(
        self, active: ActivePolicies | None, query: Query, original: OriginalRequest, error: BadQuery
    ) -> Answer:
        answer = super()._undecided(active, query, original, error)
        # This plugin asks nowhere else, so this endpoint enforces guards, and what may be guarded.
        stops = query.is_preflight or active is None or active.enforcing > 0
        return self._write_result(answer, 403 if stops else None, error.code)

    def _write_result(self, answer: Answer, status: int | None, reason: str) -> Answer:
        """Write what proxies get into a result.

        Args:
            answer: What other proxies get.
            status: That of the answer to a preflight; None for requests that go on.
            reason: The code of the decision, or why there is none.
        """
        result: dict[str, Any] = {"allow": status is None}
        if status is not None:
            result["status_code"] = status
        if status == 403:
            result["reason"] = reason
        result["headers"] = {name: value for name, value in answer.headers.items() if name != "Cache-Control"}
        return _result(write_json(result), self.ids)


def _input(body: bytes) -> dict[str, Any]:
    """The input in a body.

    Raises:
        BadQuery: There is none, or it is not an object.
    """
    fields = parse_json(body)
    found = fields.get("input") if isinstance(fields, dict) else None
    if not isinstance(found, dict):
        raise BadQuery("query-malformed", "The body must be an object, and its field input an object, too.")
    return found


def _result(result: bytes, ids: PeekedIds) -> Answer:
    body = b'{"result":%b,"decision_id":"%b"}' % (result, ids.peek())
    return Answer(200, JSON, body, {"Cache-Control": NO_STORE})


def _text(reported: dict[str, Any], name: str) -> str:
    """A string of a request; empty where it is missing."""
    value = reported.get(name)
    if value is not None and not isinstance(value, str):
        raise BadQuery("query-malformed", f"The field {name} of the request must be a string.")
    return value or ""


def _authority(reported: dict[str, Any]) -> str:
    """What the client calls the host, with its port; the plugin's own `host` has none, and its `port` is APISIX's."""
    headers = reported.get("headers")
    line, host = headers.get("host") if isinstance(headers, dict) else None, _text(reported, "host")
    return line if isinstance(line, str) else host
