"""`/admin/v1/explain`: why a page is blocked, step by step, and what mends it."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred, DeferredLock

from cors_service.access.callers import Caller
from cors_service.admin.definitions import document, visible
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint, parameters
from cors_service.decision import ActivePolicies
from cors_service.explain import Answer as ServiceAnswer
from cors_service.explain import Answers, Documents, Explanation, PageRequest, explain, explain_answers
from cors_service.explain.exchange import Credentials, Mode, origin_of, url_of
from cors_service.explain.written import in_json
from cors_service.ledger.kept import Kept
from cors_service.policy import PolicySet, Source
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.body import json_body
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

NAME: Final = "policies.json"
"""What a patch calls the document, which is what `/admin/v1/policies` gives, indented by two."""
_LARGEST: Final = 64 * 1024
_LONGEST: Final = 8192
_EMPTY: Final = PolicySet.of((), {}, {})

_Text = Annotated[str, Meta(max_length=_LONGEST)]
_Lines = Annotated[tuple[tuple[_Text, _Text], ...], Meta(max_length=200)]


class _Answered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a live service answered."""

    status: Annotated[int, Meta(ge=100, le=599)]
    headers: _Lines = ()


class _Answers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answers of a live service."""

    preflight: _Answered | None = None
    actual: _Answered | None = None


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be explained; the members are those of `PageRequest`.

    Attributes:
        page: The URL of the page, or its origin.
        answers: What a live service answered; then the policies have no part in it.
    """

    page: _Text
    url: _Text
    method: _Text = "GET"
    headers: _Lines = ()
    credentials: Credentials = "same-origin"
    mode: Mode = "cors"
    policy: _Text | None = None
    answers: _Answers | None = None


class ExplainEndpoint(AdminEndpoint):
    """`/admin/v1/explain`: explains an exchange by the policies that its caller may see."""

    verbs: ClassVar = {"POST": ("read",)}
    is_audited = False

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        # Looking for an edit takes a processor for a while: one at a time.
        self._one = DeferredLock()

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Explain it."""
        parameters(request)
        exchange, answers = _read(json_body(request, _LARGEST, None))

        async def make() -> Answer:
            if answers is not None:
                explanation = explain_answers(exchange, answers)
            else:
                text = await self.desk.changes.ask(lambda kept: self._document(kept, caller))
                explanation = await self._explained(exchange, text)
            return Answer(200, JSON, in_json(explanation), {"Cache-Control": NO_STORE})

        return self.later(make)

    def _document(self, kept: Kept, caller: Caller) -> str | None:
        """The policies that a caller may see; None if there are none."""
        keys = sorted(visible(kept, caller))
        if not any(key.kind == "policy" for key in keys):
            return None
        return json.dumps(document(self.desk, keys, "policy"), indent=2, ensure_ascii=False) + "\n"

    def _explained(self, exchange: PageRequest, text: str | None) -> Deferred[Explanation]:
        def make() -> Explanation:
            if text is None:
                return explain(exchange, ActivePolicies(_EMPTY))
            return explain(exchange, Documents([Source(NAME, "json", text)]))

        return self._one.run(self.desk.changes.aside, make)


def _read(body: bytes) -> tuple[PageRequest, Answers | None]:
    """Read what is to be explained.

    Raises:
        Problem: It can't be read, or no page can ask it.
    """
    try:
        asked = msgspec.json.decode(body, type=Asked)
        exchange = PageRequest(
            page=origin_of(asked.page),
            url=url_of(asked.url),
            method=asked.method,
            headers=asked.headers,
            credentials=asked.credentials,
            mode=asked.mode,
            policy=asked.policy,
        )
        assert exchange.request is not None
    except (ValueError, RecursionError) as error:
        raise Problem(400, "exchange-malformed", f"The exchange can't be explained: {error}.") from None
    return exchange, None if asked.answers is None else _answers(asked.answers)


def _answers(given: _Answers) -> Answers:
    actual, preflight = (
        None if one is None else ServiceAnswer(one.status, one.headers) for one in (given.actual, given.preflight)
    )
    return Answers(actual, preflight)
