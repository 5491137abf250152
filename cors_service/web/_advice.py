"""Decides with hints for people, who ask little: what they cost must not slow down anybody else."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query

MOST_HINTS: Final = 1000
"""Hints in a second. One takes ten times as long as a decision, and whoever asks something new each time gets one."""


class Advice:
    """Decides, and says what to write where a request is refused, as long as few are refused."""

    def __init__(self, clock: IReactorTime) -> None:
        """Give advice.

        Args:
            clock: The reactor.
        """
        self._clock = clock
        self._second = 0
        self._given = 0

    def decide(self, active: ActivePolicies, query: Query) -> Decision:
        """Decide about one request, with a hint if it is refused and no thousand of them were given in this second.

        Raises:
            BadQuery: As `decide` and `advise` of the policies do.
        """
        try:
            decision = active.decide(query)
        except BadQuery as error:
            if error.code != "unknown-policy" or not self._may_be_given():
                raise
            raise active.suggested(error, query) from None
        is_refused = decision.allowed is False or (decision.guard is not None and not decision.guard.passes)
        return active.hinted(decision, query) if is_refused and self._may_be_given() else decision

    def _may_be_given(self) -> bool:
        second = int(self._clock.seconds())
        if second != self._second:
            self._second, self._given = second, 0
        self._given += 1
        return self._given <= MOST_HINTS
