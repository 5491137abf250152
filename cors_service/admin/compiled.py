"""The policies of the store, compiled: for whoever wants to know what they decide."""

from __future__ import annotations

from threading import Lock

from cors_service.decision import ActivePolicies
from cors_service.decision.steps import at_once
from cors_service.policy import PolicySet, revision
from cors_service.policy.change import Change


class Compiled:
    """Keeps what was compiled last. Several threads may use it at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._policy_set: PolicySet | None = None
        self._active: ActivePolicies | None = None

    def of(self, policy_set: PolicySet) -> ActivePolicies:
        """Compile a policy set, unless it is the one that was compiled last; of another, only what differs.

        Args:
            policy_set: The set.
        """
        with self._lock:
            before = self._active
            if before is None or self._policy_set is None:
                self._active = ActivePolicies(policy_set)
            elif policy_set is not self._policy_set:
                change = Change.between(before.revision, self._policy_set, revision(policy_set), policy_set)
                self._active = at_once(ActivePolicies.changed(before, change))
            self._policy_set = policy_set
            assert self._active is not None
            return self._active
