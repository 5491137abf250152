"""The endpoints that decide: one query, a form, a batch."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from twisted.web.iweb import IRequest

from cors_service.decision import ActivePolicies, BadQuery
from cors_service.store import IPolicies
from cors_service.web._endpoint import JSON, NO_STORE, Answer, DecisionIds, Endpoint, Problem
from cors_service.web._limits import Limits
from cors_service.wire import parse_json, read_form, read_query, write_decision, write_json

RETRY_SECONDS: Final = 1

# An entity tag in a list of them, compared weakly (RFC 9110, 8.8.3): a comma may stand in it.
_TAG: Final = re.compile(rb'(?<![^\s,])(?:W/)?("[!#-~\x80-\xff]*")')


class Deciding(Endpoint):
    """An endpoint that needs active policies."""

    def __init__(self, ids: DecisionIds, policies: IPolicies, limits: Limits) -> None:
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

    def _json(self, request: IRequest) -> Any:
        """The JSON of a request's body.

        Raises:
            Problem: It is too large, or said to be something else than JSON.
            BadQuery: It is not JSON.
        """
        body = request.content.read(self._limits.body + 1)
        if len(body) > self._limits.body:
            raise Problem(413, "body-too-large", f"The body is larger than {self._limits.body} bytes.")
        media_types = request.requestHeaders.getRawHeaders(b"content-type") or [b""]
        media_type = (media_types[0] or b"application/json").partition(b";")[0].strip().lower()
        is_json = media_type == b"application/json" or media_type.endswith(b"+json")
        if not is_json or len(media_types) > 1 or request.requestHeaders.hasHeader(b"content-encoding"):
            detail = "The body must be JSON: send it with Content-Type: application/json."
            raise Problem(415, "not-json", detail, {"Accept": JSON})
        return parse_json(body)


class DecisionEndpoint(Deciding):
    """`/v1/decision`: one decision, asked for by JSON or by a form."""

    def answer_POST(self, request: IRequest) -> Answer:
        """Decide about the query in the body."""
        active = self._active()
        decision = active.decide(read_query(self._json(request)))
        return 200, JSON, write_decision(decision, self._limits.ttl), {"Cache-Control": NO_STORE}

    def answer_GET(self, request: IRequest) -> Answer:
        """Decide about the query in the URL; the answer may be kept, and asked about with If-None-Match."""
        active = self._active()
        query = read_form(request.uri.partition(b"?")[2])
        body = write_decision(active.decide(query), self._limits.ttl)
        ttl = self._limits.ttl
        return validated(request, body, f"max-age={ttl}" if ttl else NO_STORE)


class DecisionsEndpoint(Deciding):
    """`/v1/decisions`: a batch, decided by one revision."""

    def answer_POST(self, request: IRequest) -> Answer:
        """Decide about each query in the body; one that is bad is a problem in its place."""
        active = self._active()
        fields = self._json(request)
        queries = fields.get("queries") if isinstance(fields, dict) else None
        if not isinstance(queries, list):
            raise BadQuery("query-malformed", "The field queries must be a list of queries.")
        if len(queries) > self._limits.batch:
            raise BadQuery("too-many-queries", f"A batch has at most {self._limits.batch} queries.")
        answers = b",".join(self._decide(active, query) for query in queries)
        return 200, JSON, b'{"decisions":[%b]}' % answers, {"Cache-Control": NO_STORE}

    def _decide(self, active: ActivePolicies, fields: object) -> bytes:
        try:
            return write_decision(active.decide(read_query(fields)), self._limits.ttl)
        except BadQuery as error:
            return write_json({"error": Problem.of(error).as_dict()})


def validated(request: IRequest, body: bytes, cache_control: str) -> Answer:
    """Answer with an ETag of the body, or with 304 where the client holds that body (RFC 9110, 13.1.2)."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": cache_control}
    held = b",".join(request.requestHeaders.getRawHeaders(b"if-none-match") or ())
    if held.strip() == b"*" or tag.encode("ascii") in _TAG.findall(held):
        return 304, JSON, b"", headers
    return 200, JSON, body, headers
