"""What counts, as those see it that have something to count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import Attribute, Interface

from cors_service.decision import BadQuery, Decision, Query
from cors_service.observe.sights import Sights

Fact = Any
"""What counts a decision. Whoever remembers the decision keeps this with it, and does not look into it."""


class IRequests(Interface):
    """Counts the requests of an endpoint."""

    def answered(status: int) -> None:
        """Count an answer, before it is written."""

    def took(seconds: float) -> None:
        """Count how long a request took, from when it was read until its answer was written; for a sample of them."""


class ITally(Interface):
    """Counts what a process decides and answers."""

    sights: Sights = Attribute("Keeps single decisions that a log tells of; whoever answers gives them a name.")

    def fact(query: Query, decision: Decision) -> Fact:
        """Give what counts a decision."""

    def undecided(query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give what counts a query without a decision.

        Args:
            query: The query.
            error: Why there is none.
            revision: Of the policies that are active.
        """

    def made(query: Query, decision: Decision) -> None:
        """Count a decision that was made, before it is given; whoever keeps it asks for its `fact`, too."""

    def anew(fact: Fact) -> None:
        """Count what was made otherwise, before it is given."""

    def again(fact: Fact) -> None:
        """Count a decision that was remembered, before it is given."""

    def batch(facts: Sequence[Fact], anew: int) -> None:
        """Count many decisions; so many of them were made, and the rest was remembered."""

    def add(name: str, *labels: str) -> None:
        """Count something else.

        Args:
            name: What it is.
            labels: What distinguishes it from others of that name; there must be few.
        """

    def policy(name: str | None) -> str:
        """Give the name by which a policy is counted."""

    def duration(name: str, seconds: float, *labels: str) -> None:
        """Count how long something took; arguments as for `add`."""

    def requests(endpoint: str) -> IRequests:
        """Count the requests of an endpoint.

        Args:
            endpoint: What it is called.
        """
