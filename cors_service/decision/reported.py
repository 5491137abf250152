"""What guards would have stopped that only report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from cors_service.decision.decision import Decision

# Kinds that are counted apart from the others, and logged.
_MOST: Final = 1000


class Reported:
    """Counts the requests that guards in `report` mode would have stopped. Several threads may use it at once.

    Attributes:
        counts: How many, by the name of the policy and the code of the reason.
        others: How many of kinds that came when there were too many already.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        """Make one.

        Args:
            say: Takes a sentence about the first request of each kind.
        """
        self.counts: dict[tuple[str, str], int] = {}
        self.others = 0
        self._say = say
        self._lock = threading.Lock()

    def note(self, decision: Decision) -> None:
        """Count a request, if its guard would have stopped it."""
        guard = decision.guard
        if guard is None or not guard.would_stop:
            return
        kind = decision.policy, guard.reason.code
        with self._lock:
            before = self.counts.get(kind, 0)
            if before or len(self.counts) < _MOST:
                self.counts[kind] = before + 1
            else:
                self.others += 1
                return
        if not before:
            policy, code = kind
            self._say(f"The guard of the policy {policy} would stop requests ({code}): {guard.reason.message}")

    def as_dict(self) -> dict[str, object]:
        """The counts as JSON types; nothing before the first request."""
        if not self.counts:
            return {}
        kinds = [{"policy": policy, "code": code, "requests": count} for (policy, code), count in self.counts.items()]
        return {"reported": {"kinds": kinds, "others": self.others}}
