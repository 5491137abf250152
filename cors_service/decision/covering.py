"""Which pattern of a rule covers an origin. To decide, it is enough to know the rule."""

from __future__ import annotations

from msgspec import Struct

from cors_service.decision._origins import OriginIndex
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import OriginPattern, expanded, write_pattern
from cors_service.policy.model import PolicySet, Rule


class RulePatterns(Struct, frozen=True, eq=False):
    """The patterns of a rule, to find the one that covers an origin.

    Attributes:
        exact: The origins that it lists one by one, with alternatives written out.
        others: Its other patterns.
    """

    exact: frozenset[str]
    others: tuple[str, ...]
    _index: OriginIndex

    @classmethod
    def of(cls, rule: Rule, policy_set: PolicySet) -> RulePatterns:
        """Prepare the patterns of a rule.

        Args:
            rule: The rule.
            policy_set: The set, with the rule's origin sets.
        """
        exact: set[str] = set()
        others: dict[OriginPattern, None] = {}
        for pattern in expanded(policy_set.each_pattern(rule)):
            if isinstance(pattern, str):
                exact.add(pattern)
            else:
                others[pattern] = None
        index = OriginIndex.of(([pattern], rule.covers_cleartext) for pattern in others)
        return cls(frozenset(exact), tuple(map(write_pattern, others)), index)

    def find(self, origin: str) -> str | None:
        """Find the pattern that covers an origin: the origin itself if it is listed, or else the first that does.

        Args:
            origin: An origin that the rule covers.

        Returns:
            The pattern in words of a document; None if none of them covers it.
        """
        if origin in self.exact:
            return origin
        place = self._index.find(origin)
        if place >= 0:
            return self.others[place]
        parsed = read_origin(origin)
        # The host of the request is not known; of a covered origin, it must have been one that fits.
        bound = self._index.bound.may_find(parsed) if parsed is not None and self._index.bound is not None else ()
        return self.others[min(bound)] if bound else None
