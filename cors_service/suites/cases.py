"""Suites and their cases as values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from msgspec import Struct

from cors_service.browser.verdict import Step
from cors_service.decision.decision import REASONS, REFUSALS

Lines = tuple[tuple[str, str], ...]
"""Names and values of headers."""

CODES: Final = frozenset(REASONS | REFUSALS | {str(step) for step in Step})
"""What a case may expect as the reason: codes of decisions, of guards, and of the steps of browsers."""


class Page(Struct, frozen=True):
    """What a page asks.

    Attributes:
        policy: The policy that is named, or None.
        url: The URL, or None.
        origin: The origin of the page.
        method: The method.
        headers: The headers that it sets.
        credentials: Whether it sends cookies.
    """

    policy: str | None
    url: str | None
    origin: str
    method: str
    headers: Lines
    credentials: bool

    def in_words(self) -> str:
        """What it asks, for people."""
        headers = f" with {', '.join(name for name, _ in self.headers)}" if self.headers else ""
        cookies = " with cookies" if self.credentials else ""
        target = self.url if self.url is not None else f"policy {self.policy}"
        by = f" (policy {self.policy})" if self.url is not None and self.policy is not None else ""
        return f"{self.origin} asks {self.method} {target}{by}{headers}{cookies}"


class Expectation(Struct, frozen=True, kw_only=True):
    """What a case expects of each of its requests; None where it says nothing.

    Attributes:
        readable: Whether the page can read the answer.
        reason: A code of a decision, or of a browser's step.
        rule: The number of the rule that decides.
        may_read: Headers of the answer that the page can read.
        may_not_read: Headers that it can't.
        timing: Whether it can measure.
    """

    readable: bool
    reason: str | None = None
    rule: int | None = None
    may_read: tuple[str, ...] = ()
    may_not_read: tuple[str, ...] = ()
    timing: bool | None = None


class Case(Struct, frozen=True, kw_only=True):
    """Requests of pages, and what each expects.

    Attributes:
        name: For people.
        line: Where it begins in the suite.
        policy: The policy that is named, or None.
        urls: The URLs; one that is None if there are none.
        origins: The origins.
        methods: The methods.
        headers: For each request that lists multiply by, the headers that are set.
        credentials: With or without cookies.
        expectation: What comes of each.
    """

    name: str
    line: int | None
    policy: str | None
    urls: tuple[str | None, ...]
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[Lines, ...]
    credentials: tuple[bool, ...]
    expectation: Expectation

    def pages(self) -> Iterator[Page]:
        """Everything that is asked: lists multiply."""
        for facts in product(self.urls, self.origins, self.methods, self.headers, self.credentials):
            yield Page(self.policy, *facts)


class Suite(Struct, frozen=True):
    """A suite.

    Attributes:
        name: What people call it, such as its path.
        cases: In order.
    """

    name: str
    cases: tuple[Case, ...]
