"""Errors as answers (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cors_service.decision import BadQuery
from cors_service.web.answer import NO_STORE, Answer
from cors_service.wire.answers import PROBLEM, problem_fields
from cors_service.wire.json_text import write_json

_STATUSES: Final = {"unknown-policy": 404, "no-policy-for-url": 404, "forbidden": 403}


class Problem(Exception):
    """An answer that is an error.

    Attributes:
        status: The HTTP status.
        code: What is wrong, for programs.
        detail: What is wrong, a sentence for people.
        headers: Further headers of the answer.
        guarded: Whether nothing is decided where a guard may be meant.
    """

    guarded = False

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    @classmethod
    def of(cls, error: BadQuery) -> Problem:
        """The problem that a caller's mistake is: a 404, if something does not exist; a 400, as a rule."""
        problem = cls(_STATUSES.get(error.code, 400), error.code, error.message)
        problem.guarded = error.guarded
        return problem

    def as_dict(self) -> dict[str, object]:
        """The members of RFC 9457, 3.1, and the code."""
        fields = problem_fields(self.status, self.code, self.detail)
        return {**fields, "guarded": True} if self.guarded else fields

    def as_answer(self) -> Answer:
        """The problem as an answer."""
        headers = {"Cache-Control": NO_STORE, **self.headers}
        return Answer(self.status, PROBLEM, write_json(self.as_dict()), headers)
