"""What was asked and what was answered, as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from cors_service.browser import Request
from cors_service.browser.headers import get

Lines: TypeAlias = tuple[tuple[str, str], ...]
"""Header lines as they came, a code point for each byte; a value has all that stands after the colon."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_NOW = frozenset({429, 502, 503, 504})


class Role(StrEnum):
    """Why something is asked."""

    PREFLIGHT = "preflight"
    ACTUAL = "actual"
    REDIRECTED_PREFLIGHT = "redirected-preflight"
    REDIRECTED = "redirected"
    ERROR = "error"
    FRESH_NO_ORIGIN = "fresh-no-origin"
    FRESH_STRANGER = "fresh-another-origin"
    FRESH_AGAIN = "fresh-again"
    FRESH_NULL = "fresh-null"
    STRANGER_PREFLIGHT = "another-origin-preflight"
    NEAR_MISS = "near-miss"

    @property
    def is_of_page(self) -> bool:
        """Whether the page's own browser would ask this."""
        return self in {Role.PREFLIGHT, Role.ACTUAL, Role.REDIRECTED_PREFLIGHT, Role.REDIRECTED}

    @property
    def is_preflight_of_page(self) -> bool:
        """Whether it is a preflight of the page."""
        return self in {Role.PREFLIGHT, Role.REDIRECTED_PREFLIGHT}

    @property
    def is_redirected(self) -> bool:
        """Whether a redirect led to it."""
        return self in {Role.REDIRECTED_PREFLIGHT, Role.REDIRECTED}


class Question(Struct, frozen=True):
    """A request to send.

    Attributes:
        role: Why it is sent.
        request: The request of the page that it stands for; its origin is the page's.
        method: What is sent.
        url: Where to.
        lines: The header lines to send; the server's name and the like are added.
    """

    role: Role
    request: Request
    method: str
    url: str
    lines: Lines

    @property
    def origin(self) -> str | None:
        """The Origin that is sent."""
        return get(self.lines, "origin")

    @property
    def is_stand_in(self) -> bool:
        """Whether a GET is sent in the place of another method."""
        return self.role in {Role.ACTUAL, Role.REDIRECTED} and self.method != self.request.method


class Answer(Struct, frozen=True):
    """What came back.

    Attributes:
        status: The status.
        phrase: What stands after it.
        lines: The header lines.
    """

    status: int
    phrase: str
    lines: Lines

    def get(self, name: str) -> str | None:
        """The value of a header, repeated lines joined, by its lower-case name."""
        return get(self.lines, name)

    @property
    def allowed_origin(self) -> str | None:
        """Access-Control-Allow-Origin."""
        return self.get("access-control-allow-origin")

    @property
    def location(self) -> str | None:
        """Where a redirect leads, as written; None if it is none, which an empty one is not in Chromium either."""
        return (self.get("location") or None) if self.status in _REDIRECTS else None


class Exchange(Struct, frozen=True):
    """A request and what came of it.

    Attributes:
        question: The request.
        answer: The answer; None if there was none.
        failure: Why there was none, a sentence.
    """

    question: Question
    answer: Answer | None
    failure: str = ""

    @property
    def allowed_origin(self) -> str | None:
        """Access-Control-Allow-Origin of the answer."""
        return None if self.answer is None else self.answer.allowed_origin

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing came, or only what limits and gateways say where the site does not answer for now."""
        return self.answer is None or self.answer.status in _FOR_NOW

    @property
    def grants(self) -> bool:
        """Whether the answer names the origin that was asked for."""
        return self.question.origin is not None and self.allowed_origin == self.question.origin

    @property
    def grants_credentials(self) -> bool:
        """Whether it does so with credentials."""
        return self.grants and self.answer is not None and self.answer.get(CREDENTIALS) == "true"


CREDENTIALS = "access-control-allow-credentials"
