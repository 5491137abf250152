"""Policies without a place: for tests, and for programs that make their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from cors_service.decision import ActivePolicies
from cors_service.policy import PolicySet, read_document
from cors_service.policy.change import Change
from cors_service.store._interfaces import IPolicies, IPolicyStore
from cors_service.store._status import Status


@implementer(IPolicyStore)
class MemoryPolicyStore:
    """Holds a document that can be replaced."""

    name = "memory"

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._watchers: list[Callable[[], object]] = []

    def replace(self, document: Mapping[str, Any]) -> None:
        """Put another document in place, which is checked when it is loaded, and tell whoever watches."""
        self._document = document
        for changed in list(self._watchers):
            changed()

    def read(self) -> Change:
        """Read the document.

        Raises:
            InvalidPolicies: With every mistake of the document.
        """
        return Change.whole(read_document(self._document))

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Read the document."""
        return execute(self.read)

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Call `changed()` at each `replace`."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)


@implementer(IPolicies)
class FixedPolicies:
    """Policies that never change.

    Attributes:
        active: The compiled policies.
        status: What there is to say of them.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        self.active = ActivePolicies(policy_set)
        self.status = Status(
            source="fixed",
            revision=self.active.revision,
            policies=len(policy_set.policies),
            generation=1,
            loaded_at=None,
            last_attempt=None,
            mistakes=(),
            stale=False,
        )
