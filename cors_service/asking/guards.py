"""Which policies have a guard that stops requests, as far as decisions tell."""

from __future__ import annotations

from cors_service.decision import Query
from cors_service.wire.received import Received


class Guards:
    """Remembers which policies stop requests: they stop what can't be decided, too.

    Several threads may use it at once.
    """

    def __init__(self) -> None:
        self._policies: set[str] = set()

    def note(self, decision: Received) -> None:
        """Learn from a decision whether its policy stops requests.

        One that says nothing of a guard tells nothing: the guard may not be about this request.
        """
        if decision.guard is None:
            return
        if decision.guard.mode == "enforce":
            self._policies.add(decision.policy)
        else:
            self._policies.discard(decision.policy)

    def may_stop(self, query: Query) -> bool:
        """Say whether a guard may be meant; any may be where the URL finds the policy."""
        return bool(self._policies) if query.policy is None else query.policy in self._policies
