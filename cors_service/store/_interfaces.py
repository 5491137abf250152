"""The replaceable parts: where policies come from, and who holds those that are active."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from cors_service.decision import ActivePolicies
from cors_service.policy import PolicySet
from cors_service.store._status import Status


class IPolicyStore(Interface):
    """Where policies come from."""

    name: str = Attribute("What people call it, in logs and in `/v1/status`: a path, a URL.")

    def load() -> Deferred[PolicySet]:
        """Read what is there now.

        Returns:
            A Deferred of the policy set. It fails with `InvalidPolicies`, which holds every mistake; a place
            that can't be read is one, with the code `document-unreadable`.
        """

    def watch(changed: Callable[[], object]) -> Callable[[], None]:
        """Begin to call `changed()` when `load()` may have something new to give.

        Args:
            changed: Is called without arguments, in the reactor's thread, as often as one likes.

        Returns:
            A function that ends it.
        """


class IPolicies(Interface):
    """Who holds the policies that are active."""

    active: ActivePolicies | None = Attribute(
        "The policies that decide now, or None before there are any. Read it once for each request."
    )
    status: Status = Attribute("What there is to say of them.")
