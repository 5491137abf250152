"""A client of a decision service without the service, for tests.

Use it in the place of a `DecisionClient`::

    client = MemoryClient({"version": 1, "policies": {"app": {"origins": ["https://app.example"]}}})
    site = ProtectedResource(MyResource(), client, policy="app")
    ...
    assert [query.method for query in client.asked] == ["GET"]
    client.is_down = True  # from now on, no decision can be had

It decides at once, so tests that use it need no reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from cors_service.asking.undecided import undecided
from cors_service.client import IDecider
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.policy import read_document

__all__ = ["MemoryClient"]


@implementer(IDecider)
class MemoryClient:
    """Decides by a policy document, like a `DecisionClient` without a cache that asks a service.

    Attributes:
        asked: Every query until now, including those that came while it was down.
        is_down: Whether it refuses for want of a decision, like a client that can't ask its service.
        is_closed: Whether it was closed.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Make a client.

        Args:
            document: The policies, as `json.loads` or `tomllib.loads` would give them.

        Raises:
            InvalidPolicies: The document has mistakes.
        """
        self.asked: list[Query] = []
        self.is_down = False
        self.is_closed = False
        self.replace(document)

    def replace(self, document: Mapping[str, Any]) -> None:
        """Decide by another document from now on.

        Raises:
            InvalidPolicies: The document has mistakes; the last one stays.
        """
        self._active = ActivePolicies(read_document(document))

    def decide(self, query: Query) -> Deferred[Decision]:
        """Decide about one request."""
        return succeed(self._decide(query, ActivePolicies.advise))

    def decide_all(self, queries: Sequence[Query]) -> Deferred[list[Decision]]:
        """Decide about many requests."""
        return succeed([self._decide(query, ActivePolicies.decide) for query in queries])

    def close(self) -> Deferred[None]:
        """Note that it was closed."""
        self.is_closed = True
        return succeed(None)

    def _decide(self, query: Query, decide: Callable[[ActivePolicies, Query], Decision]) -> Decision:
        self.asked.append(query)
        if self.is_down:
            guarded = self._active.enforcing > 0
            return undecided(query, "The decision service can't be asked: it is down.", guarded=guarded)
        try:
            return decide(self._active, query)
        except BadQuery as error:
            why = f"The decision service refuses the question: {error.message}"
            return undecided(query, why, guarded=error.guarded)
