"""The replaceable parts: where policies come from, and who holds those that are active."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from cors_service.decision import ActivePolicies
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
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

    def watch(changed: Callable[[], object]) -> Callable[[], object]:
        """Begin to call `changed()` when `load()` may have something new to give.

        Args:
            changed: Is called without arguments, in the reactor's thread, as often as one likes.

        Returns:
            A function that ends it, and may give a Deferred that fires when that is done.
        """


class IChangeStore(IPolicyStore):
    """Where policies come from, if it can tell what changed and need not tell everything each time."""

    def load_change(base: str | None, *, everything: bool) -> Deferred[Change]:
        """Read what is there now, and tell how to get there.

        Args:
            base: The revision of the policies that are active; None if there are none.
            everything: Whether to read everything, also what does not look as if it had changed.

        Returns:
            A Deferred of the change, which begins at that revision or at nothing. It fails as that of `load` does.
        """

    def save(path: Path, revision: str, loaded_at: float) -> Deferred[bool]:
        """Write a snapshot of what was loaded last, where that keeps nobody waiting.

        Args:
            path: The file.
            revision: What is to be written.
            loaded_at: When it was loaded, in seconds since 1970.

        Returns:
            A Deferred that tells whether it was done; if not, the store has another revision. It fails with an OSError
            if the file can't be written.
        """


class IPolicies(Interface):
    """Who holds the policies that are active."""

    active: ActivePolicies | None = Attribute(
        "The policies that decide now, or None before there are any. Read it once for each request."
    )
    status: Status = Attribute("What there is to say of them.")
