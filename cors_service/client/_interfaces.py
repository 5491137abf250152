"""Who decides: policies in this process, or a service elsewhere."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface

from cors_service.decision import Decision, Query


class IDecider(Interface):
    """Who decides about requests."""

    def decide(query: Query) -> Deferred[Decision]:
        """Decide about a request.

        Args:
            query: The request's facts.

        Returns:
            A Deferred of the decision. It does not fail: where none can be had, it is a refusal without CORS headers,
            whose reason has the code `undecided`.
        """
