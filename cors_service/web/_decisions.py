"""The endpoints that decide: one query, a form, a batch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision.memo import Memo
from cors_service.store import IPolicies
from cors_service.web.endpoint import JSON, NO_STORE, Answer, Asked, DecisionIds, Endpoint, Problem
from cors_service.web.limits import Limits
from cors_service.wire import (
    parse_json,
    read_form,
    read_query,
    read_query_text,
    split_queries,
    write_decision,
    write_json,
)

RETRY_SECONDS: Final = 1

# An entity tag in a list of them, compared weakly (RFC 9110, 8.8.3): a comma may stand in it.
_TAG: Final = re.compile(rb'(?<![^\s,])(?:W/)?("[!#-~\x80-\xff]*")')


# What is longer is not remembered: so many bytes as written, or characters of headers.
_MOST_REMEMBERED: Final = 1024

_Question = TypeVar("_Question", bound=Hashable)
_Said = TypeVar("_Said")
_Form = TypeVar("_Form")


class Remembered(Generic[_Question, _Said]):
    """What was answered lately, for as long as the policies stay that it was answered by.

    At most 4,096 questions of 1,024 bytes with their answers, which are a few times as long.
    """

    def __init__(self) -> None:
        self._active: ActivePolicies | None = None
        self._memo = self._empty()

    def by(self, active: ActivePolicies) -> Memo[_Question, _Said]:
        """What was answered by these policies."""
        if active is not self._active:
            self._active, self._memo = active, self._empty()
        return self._memo

    @staticmethod
    def _empty() -> Memo[_Question, _Said]:
        return Memo(_is_short, size=2048)


def _is_short(question: Hashable) -> bool:
    parts = question if isinstance(question, tuple) else (question,)
    return sum(len(part) for part in parts if isinstance(part, bytes)) <= _MOST_REMEMBERED


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

    def _body(self, request: Asked) -> bytes:
        """The body of a request, which is said to be JSON.

        Raises:
            Problem: It is too large, or said to be something else.
        """
        body = request.content.read(self._limits.body + 1)
        if len(body) > self._limits.body:
            raise Problem(413, "body-too-large", f"The body is larger than {self._limits.body} bytes.")
        headers = request.requestHeaders
        media_types = headers.getRawHeaders(b"content-type") or [b""]
        media_type = (media_types[0] or b"application/json").partition(b";")[0].strip().lower()
        is_json = media_type == b"application/json" or media_type.endswith(b"+json")
        if not is_json or len(media_types) > 1 or headers.hasHeader(b"content-encoding"):
            detail = "The body must be JSON: send it with Content-Type: application/json."
            raise Problem(415, "not-json", detail, {"Accept": JSON})
        return body


class DecisionEndpoint(Deciding):
    """`/v1/decision`: one decision, asked for by JSON or by a form."""

    def __init__(self, ids: DecisionIds, policies: IPolicies, limits: Limits) -> None:
        super().__init__(ids, policies, limits)
        self._by_body: Remembered[bytes, Answer] = Remembered()
        self._by_form: Remembered[bytes, Answer] = Remembered()

    def answer_POST(self, request: Asked) -> Answer:
        """Decide about the query in the body."""
        active = self._active()
        body = self._body(request)
        remembered = self._by_body.by(active)
        answer = remembered.get(body)
        if answer is None:
            decision = write_decision(active.decide_anew(read_query_text(body)), self._limits.ttl)
            answer = Answer(200, JSON, decision, {"Cache-Control": NO_STORE})
            remembered.offer(body, answer)
        return answer

    def answer_GET(self, request: Asked) -> Answer:
        """Decide about the query in the URL; the answer may be kept, and asked about with If-None-Match."""
        active = self._active()
        form = request.uri.partition(b"?")[2]
        remembered = self._by_form.by(active)
        answer = remembered.get(form)
        if answer is None:
            ttl = self._limits.ttl
            decision = write_decision(active.decide_anew(read_form(form)), ttl)
            answer = tagged(decision, f"max-age={ttl}" if ttl else NO_STORE)
            remembered.offer(form, answer)
        return unless_held(request, answer)


class DecisionsEndpoint(Deciding):
    """`/v1/decisions`: a batch, decided by one revision."""

    def __init__(self, ids: DecisionIds, policies: IPolicies, limits: Limits) -> None:
        super().__init__(ids, policies, limits)
        self._written: Remembered[bytes, bytes] = Remembered()

    def answer_POST(self, request: Asked) -> Answer:
        """Decide about each query in the body; one that is bad is a problem in its place."""
        active = self._active()
        body = self._body(request)
        answers = self._by_text(active, body) or self._by_value(active, body)
        return Answer(200, JSON, b'{"decisions":[%b]}' % b",".join(answers), {"Cache-Control": NO_STORE})

    def _by_text(self, active: ActivePolicies, body: bytes) -> list[bytes] | None:
        """Decide without reading again what was read lately; None where the body must be read as a whole."""
        texts = split_queries(body)
        if texts is None or len(texts) > self._limits.batch:
            return None
        remembered = self._written.by(active)
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
            BadQuery: The query is no JSON, and so the body is none (`body-malformed`).
        """
        try:
            return write_decision(active.decide_anew(read(query)), self._limits.ttl)
        except BadQuery as error:
            if error.code == "body-malformed":
                raise
            return write_json({"error": Problem.of(error).as_dict()})


def tagged(body: bytes, cache_control: str) -> Answer:
    """Make an answer of JSON that has an ETag of its body."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Answer(200, JSON, body, {"ETag": tag, "Cache-Control": cache_control})


def unless_held(request: Asked, answer: Answer) -> Answer:
    """Put a 304 in the place of a tagged answer where the client holds its body (RFC 9110, 13.1.2)."""
    held = b",".join(request.requestHeaders.getRawHeaders(b"if-none-match") or ())
    if held and (held.strip() == b"*" or answer.headers["ETag"].encode("ascii") in _TAG.findall(held)):
        return Answer(304, JSON, b"", answer.headers)
    return answer


def validated(request: Asked, body: bytes, cache_control: str) -> Answer:
    """Answer with an ETag of the body, or with 304 where the client holds that body."""
    return unless_held(request, tagged(body, cache_control))
