"""The endpoints that decide: one query, a form, a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.store import IPolicies
from cors_service.web._remembered import Remembered
from cors_service.web._tags import tagged, unless_held
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.endpoint import EndpointWithPolicies
from cors_service.web.limits import Limits
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.wire import (
    parse_json,
    read_form,
    read_query,
    read_query_text,
    split_queries,
    write_decision,
    write_json,
)

_Form = TypeVar("_Form")


class DecisionEndpoint(EndpointWithPolicies):
    """`/v1/decision`: one decision, asked for by JSON or by a form."""

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits) -> None:
        super().__init__(ids, policies, limits)
        self._by_body: Remembered[bytes, Answer] = Remembered()
        self._by_form: Remembered[bytes, Answer] = Remembered()

    def answer_POST(self, request: AnyRequest) -> Answer:
        """Decide about the query in the body."""
        active = self._active()
        body = _json_body(request, self._limits.body)
        remembered = self._by_body.of(active.revision)
        answer = remembered.get(body)
        if answer is None:
            decision = write_decision(active.decide(read_query_text(body)), self._limits.ttl)
            answer = Answer(200, JSON, decision, {"Cache-Control": NO_STORE})
            remembered.offer(body, answer)
        return answer

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Decide about the query in the URL; the answer may be kept, and asked about with If-None-Match."""
        active = self._active()
        form = request.uri.partition(b"?")[2]
        remembered = self._by_form.of(active.revision)
        answer = remembered.get(form)
        if answer is None:
            ttl = self._limits.ttl
            decision = write_decision(active.decide(read_form(form)), ttl)
            answer = tagged(decision, f"max-age={ttl}" if ttl else NO_STORE)
            remembered.offer(form, answer)
        return unless_held(request, answer)


class DecisionsEndpoint(EndpointWithPolicies):
    """`/v1/decisions`: a batch, decided by one revision."""

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits) -> None:
        super().__init__(ids, policies, limits)
        self._written: Remembered[bytes, bytes] = Remembered()

    def answer_POST(self, request: AnyRequest) -> Answer:
        """Decide about each query in the body; one that is bad is a problem in its place."""
        active = self._active()
        body = _json_body(request, self._limits.body)
        answers = self._by_text(active, body) or self._by_value(active, body)
        return Answer(200, JSON, b'{"decisions":[%b]}' % b",".join(answers), {"Cache-Control": NO_STORE})

    def _by_text(self, active: ActivePolicies, body: bytes) -> list[bytes] | None:
        """Decide without reading again what was read lately; None where the body must be read as a whole."""
        texts = split_queries(body)
        if texts is None or len(texts) > self._limits.batch:
            return None
        remembered = self._written.of(active.revision)
        answers = []
        for text in texts:
            answer = remembered.get(text)
            if answer is None:
                try:
                    answer = self._decide(active, text, read_query_text)
                except BadQuery:
                    return None
                remembered.offer(text, answer)
            answers.append(answer)
        return answers

    def _by_value(self, active: ActivePolicies, body: bytes) -> list[bytes]:
        fields = parse_json(body)
        queries = fields.get("queries") if isinstance(fields, dict) else None
        if not isinstance(queries, list):
            raise BadQuery("query-malformed", "The field queries must be a list of queries.")
        if len(queries) > self._limits.batch:
            raise BadQuery("too-many-queries", f"A batch has at most {self._limits.batch} queries.")
        return [self._decide(active, query, read_query) for query in queries]

    def _decide(self, active: ActivePolicies, query: _Form, read: Callable[[_Form], Query]) -> bytes:
        """Write a decision, or a problem in its place.

        Raises:
            BadQuery: The query is not JSON, so neither is the body (`body-malformed`).
        """
        try:
            return write_decision(active.decide(read(query)), self._limits.ttl)
        except BadQuery as error:
            if error.code == "body-malformed":
                raise
            return write_json({"error": Problem.of(error).as_dict()})


def _json_body(request: AnyRequest, most: int) -> bytes:
    """The body of a request that says that it is JSON.

    Raises:
        Problem: It has more bytes than `most`, or says that it is something else.
    """
    body = request.content.read(most + 1)
    if len(body) > most:
        raise Problem(413, "body-too-large", f"The body is larger than {most} bytes.")
    headers = request.requestHeaders
    media_types = headers.getRawHeaders(b"content-type") or [b""]
    media_type = (media_types[0] or b"application/json").partition(b";")[0].strip().lower()
    is_json = media_type == b"application/json" or media_type.endswith(b"+json")
    if not is_json or len(media_types) > 1 or headers.hasHeader(b"content-encoding"):
        detail = "The body must be JSON: send it with Content-Type: application/json."
        raise Problem(415, "not-json", detail, {"Accept": JSON})
    return body
