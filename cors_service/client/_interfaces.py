"""The interface of deciders: policies in this process, or a service elsewhere."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface

from cors_service.decision import Decision, Query


class IDecider(Interface):
    """Decides about requests."""

    def decide(query: Query) -> Deferred[Decision]:
        """Decide about a request.

        Args:
            query: The request's facts.

        Returns:
            A Deferred of the decision. It does not fail: without a decision, it gives a refusal without CORS headers
            and with the reason code `undecided`, and with a guard that stops the request where one may be meant.
        """
