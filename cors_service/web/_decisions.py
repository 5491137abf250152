"""The endpoints that decide: one query, a form, a batch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision.memo import Memo
from cors_service.decision.steps import at_once
from cors_service.limits import Limits
from cors_service.observe.interfaces import Fact
from cors_service.store import IPolicies
from cors_service.web._advice import Advice
from cors_service.web._remembered import Remembered
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.body import json_body
from cors_service.web.endpoint import UNREADABLE, DecidingEndpoint
from cors_service.web.later import Later, Steps
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.tags import tagged, unless_held
from cors_service.web.turns import Turns, seated
from cors_service.web.warnings import Warnings
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import parse_json, write_json
from cors_service.wire.queries import read_form, read_query, read_query_text, split_queries

FEW: Final = 100
"""A batch of no more queries is decided at once."""
SHORT: Final = 32 * 1024
"""What stands in no more bytes is decided at once."""

# What a step takes: bytes of queries that are new, and as many for each of them as it costs beside its bytes.
_STEP: Final = 2048
_COSTS: Final = 200
_Form = TypeVar("_Form")
_Written = tuple[bytes, Fact]
"""A decision, or a problem in its place, and what counts it."""


class DecisionEndpoint(DecidingEndpoint):
    """`/v1/decision`: one decision, asked for by JSON or by a form."""

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
        self._by_body: Remembered[bytes, Answer] = Remembered()
        self._by_form: Remembered[bytes, Answer] = Remembered()

    def answer_POST(self, request: AnyRequest) -> Answer | Later:
        """Decide about the query in the body."""
        active = self._active()
        body = json_body(request, self._limits.body)
        remembered = self._by_body.of(active.memory)
        answer = remembered.get(body)
        if answer is not None:
            self.tally.again(answer.fact)
            return answer
        if len(body) > SHORT:
            return in_turn(self._turns, partial(self._decide, active, body))
        is_kept = remembered.wants(body)
        answer = self._decide(active, body, is_kept=is_kept)
        if is_kept:
            remembered.keep(body, answer)
        return answer

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Decide about the query in the URL; the answer may be kept, and asked about with If-None-Match."""
        active = self._active()
        form = request.uri.partition(b"?")[2]
        remembered = self._by_form.of(active.memory)
        answer = remembered.get(form)
        if answer is not None:
            self.tally.again(answer.fact)
        else:
            ttl = self._limits.ttl
            is_kept = remembered.wants(form)
            decision, fact = self._made(active, form, read_form, self._advice.decide, is_kept=is_kept)
            answer = tagged(write_decision(decision, ttl), f"max-age={ttl}" if ttl else NO_STORE)
            answer.fact = fact
            if is_kept:
                remembered.keep(form, answer)
        return unless_held(request, answer)

    def _decide(self, active: ActivePolicies, body: bytes, *, is_kept: bool = False) -> Answer:
        decision, fact = self._made(active, body, read_query_text, self._advice.decide, is_kept=is_kept)
        return Answer(200, JSON, write_decision(decision, self._limits.ttl), {"Cache-Control": NO_STORE}, fact=fact)


class DecisionsEndpoint(DecidingEndpoint):
    """`/v1/decisions`: a batch, decided by one revision."""

    def __init__(
        self,
        ids: Iterator[bytes],
        policies: IPolicies,
        limits: Limits,
        warnings: Warnings,
        turns: Turns,
        seats: DeferredSemaphore,
    ) -> None:
        super().__init__(ids, policies, limits, warnings)
        self._turns = turns
        self._seats = seats
        self._written: Remembered[bytes, _Written] = Remembered()

    def answer_POST(self, request: AnyRequest) -> Answer | Later:
        """Decide about each query in the body; one that is bad is a problem in its place."""
        active = self._active()
        body = json_body(request, self._limits.body)
        # By the end of a long batch, other policies may be active, which have a memory of their own.
        remembered = self._written.of(active.memory)
        if len(body) <= SHORT:
            texts = split_queries(body)
            # Each item but the last has a comma after it.
            if len(texts) <= FEW if texts is not None else body.count(b",") < FEW:
                return at_once(self._answer(active, remembered, body, texts))
        return Later(self._turns, self._in_turns(active, remembered, body))

    def _in_turns(self, active: ActivePolicies, remembered: Memo[bytes, _Written], body: bytes) -> Steps:
        yield from seated(self._seats)
        try:
            texts = split_queries(body)
            yield None
            return (yield from self._answer(active, remembered, body, texts))
        finally:
            self._seats.release()

    def _answer(
        self, active: ActivePolicies, remembered: Memo[bytes, _Written], body: bytes, texts: list[bytes] | None
    ) -> Steps:
        answers: Sequence[bytes] | None = None
        if texts is not None and len(texts) <= self._limits.batch:
            answers = yield from self._by_text(active, remembered, texts)
        if answers is None:
            answers = yield from self._by_value(active, body)
        return Answer(200, JSON, b'{"decisions":[%b]}' % b",".join(answers), {"Cache-Control": NO_STORE})

    def _by_text(
        self, active: ActivePolicies, remembered: Memo[bytes, _Written], texts: list[bytes]
    ) -> Generator[Deferred[None] | None, None, Sequence[bytes] | None]:
        """Decide without reading again what was read lately; None where the body must be read as a whole."""
        found = []
        taken = anew = 0
        for text in texts:
            written = remembered.get(text)
            if written is None:
                try:
                    written = self._decide(active, text, read_query_text, remembered)
                except BadQuery:
                    return None
                anew += 1
                taken += len(text) + _COSTS
                if taken > _STEP:
                    taken = 0
                    yield None
            found.append(written)
        return self._counted(found, anew)

    def _counted(self, found: Sequence[_Written], anew: int) -> Sequence[bytes]:
        """Count decisions, which are about to be given; give them as they are written."""
        if not found:
            return ()
        answers, facts = zip(*found, strict=True)
        self.tally.batch(facts, anew)
        return answers

    def _by_value(self, active: ActivePolicies, body: bytes) -> Generator[Deferred[None] | None, None, Sequence[bytes]]:
        fields = parse_json(body)
        queries = fields.get("queries") if isinstance(fields, dict) else None
        if not isinstance(queries, list):
            raise BadQuery("query-malformed", "The field queries must be a list of queries.")
        if len(queries) > self._limits.batch:
            raise BadQuery("too-many-queries", f"A batch has at most {self._limits.batch} queries.")
        found = []
        for query in queries:
            yield None
            found.append(self._decide(active, query, read_query))
        return self._counted(found, len(found))

    def _decide(
        self,
        active: ActivePolicies,
        form: _Form,
        read: Callable[[_Form], Query],
        remembered: Memo[_Form, _Written] | None = None,
    ) -> _Written:
        """Write a decision, or a problem in its place. A decision is remembered; a problem is found, and told, anew.

        Raises:
            BadQuery: The query is not JSON, so neither is the body (`body-malformed`).
        """
        query = UNREADABLE
        try:
            query = read(form)
            decision = active.decide(query)
        except BadQuery as error:
            if error.code == "body-malformed":
                raise
            return write_json({"error": Problem.of(error).as_dict()}), self._undecided_fact(query, error, active)
        written = write_decision(decision, self._limits.ttl), self.tally.fact(query, decision)
        if remembered is not None:
            remembered.offer(form, written)
        return written


def in_turn(turns: Turns, decide: Callable[[], Answer]) -> Later:
    """Decide about what stands in many bytes, in the next turn."""

    def steps() -> Steps:
        # One step takes milliseconds at most, and no other of the kind is taken in the same turn.
        yield None
        return decide()

    return Later(turns, steps())
