"""What a middleware does with what the guard of a policy says of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cors_service.decision import Decision
from cors_service.decision.reported import Reported
from cors_service.stopped import UNDECIDED, Stopped, speaks_rpc, stopped


class Guarding:
    """Stops the requests that guards refuse, and reports those that they only report."""

    def __init__(self, guarded: bool | None, say: Callable[[str], object]) -> None:
        """Make one.

        Args:
            guarded: Whether requests are stopped about which nothing can be decided; None for where it is known that a
                guard may be meant.
            say: Takes a sentence about the first request of each kind that is only reported.
        """
        self._guarded = guarded
        self._reported = Reported(say)

    def stopped(self, decision: Decision, accepts: Iterable[str]) -> Stopped | None:
        """Give the answer to a request that must not reach the application; None for one that may.

        Args:
            decision: The decision about it.
            accepts: Its Accept lines.
        """
        if decision.guard is None and decision.reason.code != UNDECIDED:
            return None
        # A refused preflight reaches no application in any case.
        if decision.status == 403 or not self._stops(decision):
            return None
        return stopped(decision, speaks_rpc=speaks_rpc(accepts))

    def _stops(self, decision: Decision) -> bool:
        if decision.reason.code == UNDECIDED and self._guarded is not None:
            return self._guarded
        if decision.guard is None:
            return False
        self._reported.note(decision)
        return decision.guard.stops
