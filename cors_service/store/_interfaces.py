"""The replaceable parts: where policies come from, and who holds those that are active."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from cors_service.decision import ActivePolicies
from cors_service.policy.change import Change
from cors_service.store._status import Status


class IPolicyStore(Interface):
    """Where policies come from.

    What a store gives is a `Change`: from policies that are active already to those that are there now, or from nothing
    (`Change.whole`), which any store may give at any time. A change can say when the policies were read, that it stands
    in for newer ones that have mistakes, and which documents are behind.
    """

    name: str = Attribute("What people call it, in logs and in `/v1/status`: a path, a URL.")

    def read() -> Change:
        """Read what is there now, before the reactor runs.

        Returns:
            The change that leads there from nothing.

        Raises:
            InvalidPolicies: With every mistake; a place that can't be read is one, with the code
                `document-unreadable`.
        """

    def load(base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Read what is there now.

        Args:
            base: The revision of the policies that are active; None if there are none.
            everything: Whether to read everything, also what does not look as if it had changed.

        Returns:
            A Deferred of the change that leads there, from that revision or from nothing. It fails with
            `InvalidPolicies`, as `read` does.
        """

    def watch(changed: Callable[[], object]) -> Callable[[], object]:
        """Begin to call `changed()` when `load()` may have something new to give.

        Args:
            changed: Is called without arguments, in the reactor's thread, as often as one likes.

        Returns:
            A function that ends it, and may give a Deferred that fires when that is done.
        """


class IPolicies(Interface):
    """Holds the active policies."""

    active: ActivePolicies | None = Attribute(
        "The policies that decide now, or None before there are any. Read it once for each request."
    )
    status: Status = Attribute("What there is to say of them.")
