"""What comes of an exchange, step by step, as data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cors_service.algebra import Difference
from cors_service.decision import Decision, Query
from cors_service.explain.exchange import PageRequest

Engine = Literal["chromium", "firefox", "webkit"]
Outcome = Literal["readable", "opaque", "blocked", "unknown"]
StepName = Literal[
    "page",
    "preflight",
    "preflight-answer",
    "request",
    "answer",
    "no-decision",
    "guard",
    "browser",
    "engines",
    "cookies",
    "headers",
    "kept",
    "elsewhere",
    "mending",
]
"""What a step is about; a closed set."""


class ExchangeStep(Struct, frozen=True, omit_defaults=False):
    """A step of an exchange.

    Attributes:
        step: What it is about.
        outcome: `passes` or `stops`; `note` for what is good to know.
        message: What happens, for people.
        sent: The lines that the browser sends, if it sends any.
        received: The lines that come back.
    """

    step: StepName
    outcome: Literal["passes", "stops", "note"]
    message: str
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()


class Seen(Struct, frozen=True):
    """What an engine makes of an exchange.

    Attributes:
        outcome: `readable`; `opaque` if the page asked for an answer that it can't read; `blocked`; or `unknown` if the
            browser answered from its cache, and what it had there is not known.
        message: What the console prints; None if it prints nothing, or nothing that is known.
    """

    outcome: Outcome
    message: str | None = None


class Allowed(Struct, frozen=True):
    """Something else that an edit would allow.

    Attributes:
        policy: The name of the policy.
        what: What it is about, as differences have it.
        sentence: What it is, for people.
        witness: A query that shows it; None if something could not be compared.
    """

    policy: str
    what: str
    sentence: str
    witness: Query | None

    @classmethod
    def of(cls, difference: Difference) -> Allowed:
        """Make one of a difference."""
        return cls(difference.policy, difference.what, difference.sentence, difference.witness)


class Mending(Struct, frozen=True):
    """The smallest edit of a document that lets an exchange through.

    Attributes:
        patch: A unified diff of the document, which `patch FILE` applies.
        also_allows: What else it would allow.
        document: The text of the document with the edit.
    """

    patch: str
    also_allows: tuple[Allowed, ...] = ()
    document: str = ""


class Explanation(Struct, frozen=True):
    """What comes of an exchange.

    Attributes:
        exchange: What the page asked.
        steps: What happens, in order.
        decisions: What the policies decide: about the preflight, if there is one, and about the request.
        engines: What each engine makes of it.
        mending: The edit that mends it; None if nothing is blocked, or if no edit helps: then a step says why.
    """

    exchange: PageRequest
    steps: tuple[ExchangeStep, ...]
    decisions: tuple[Decision, ...]
    engines: dict[Engine, Seen]
    mending: Mending | None = None

    @property
    def outcome(self) -> Outcome:
        """What comes of it, in a word: blocked if any engine blocks it, or a guard stops it."""
        outcomes = {seen.outcome for seen in self.engines.values()}
        return outcomes.pop() if len(outcomes) == 1 and self.passes else "blocked"

    @property
    def passes(self) -> bool:
        """Whether no engine blocks it, and no guard stops it."""
        is_stopped = any(decision.is_stopped for decision in self.decisions)
        return not is_stopped and all(seen.outcome != "blocked" for seen in self.engines.values())
