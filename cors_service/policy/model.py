"""The parts of a policy document as immutable values; reading a document makes and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct, structs

from cors_service.grammar.match import Match
from cors_service.grammar.pattern import ANY, OriginPattern, Pattern, SetName, write_pattern

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST")
# From the most to the least restrictive (Fetch, #cross-origin-resource-policy-header).
RESOURCE_POLICIES: Final = ("same-origin", "same-site", "cross-origin")


class Rule(Struct, frozen=True, kw_only=True, gc=False):
    """The origins that a rule covers, and what it grants them.

    Attributes:
        origins: Origin patterns, and the names of origin sets.
        methods: Normalised; `("*",)` for every method that is not forbidden; HEAD follows GET.
        request_headers: Lower-case names, `prefix-*`, or `*`.
        expose_headers: Lower-case names, or `*`.
        credentials: Whether pages may send cookies and the like.
        max_age: Seconds for which a browser may cache a preflight's answer; None to send no such header.
        timing: Whether pages may read resource timing.
        resource_policy: One of RESOURCE_POLICIES, or None to send no such header.
        dangerously_allow: The refusals that the author has lifted.
    """

    origins: tuple[Pattern, ...]
    methods: tuple[str, ...] = DEFAULT_METHODS
    request_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int | None = None
    timing: bool = False
    resource_policy: str | None = None
    dangerously_allow: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The rule as JSON types, with every default spelled out."""
        written = {**structs.asdict(self), "origins": [*map(write_pattern, self.origins)]}
        # Absent headers have no value to write, so their keys are left out.
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in written.items()
            if value is not None
        }


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """A name and an ordered list of rules.

    Attributes:
        name: Unique in its set.
        rules: At least one; the first that covers an origin decides.
        match: URL prefixes that find this policy.
        preflight_status: The status of an allowed preflight, 204 or 200.
    """

    name: str
    rules: tuple[Rule, ...]
    match: tuple[Match, ...] = ()
    preflight_status: int = 204

    def as_dict(self) -> dict[str, object]:
        """The policy as JSON types, with every default spelled out but without its name."""
        return {
            "match": [match.text for match in self.match],
            "preflight_status": self.preflight_status,
            "rules": [rule.as_dict() for rule in self.rules],
        }

    @property
    def uses(self) -> set[str]:
        """The names of the origin sets that its rules use."""
        return {origin.name for rule in self.rules for origin in rule.origins if isinstance(origin, SetName)}


class PolicySet(Struct, frozen=True, kw_only=True):
    """Everything that a service decides by.

    Attributes:
        policies: By name.
        origin_sets: Lists of origin patterns by name.
    """

    policies: Mapping[str, Policy]
    origin_sets: Mapping[str, tuple[OriginPattern, ...]]

    @classmethod
    def of(cls, policies: Iterable[Policy], origin_sets: Mapping[str, tuple[OriginPattern, ...]]) -> Self:
        """Make a set of policies and origin sets that were checked together."""
        named = {policy.name: policy for policy in policies}
        return cls(policies=MappingProxyType(named), origin_sets=MappingProxyType(dict(origin_sets)))

    def patterns(self, rule: Rule) -> list[OriginPattern]:
        """The origin patterns of a rule, with origin sets written out."""
        patterns: list[OriginPattern] = []
        for pattern in rule.origins:
            if isinstance(pattern, SetName):
                patterns += self.origin_sets[pattern.name]
            else:
                patterns.append(pattern)
        return patterns

    def is_for_everybody(self, rule: Rule) -> bool:
        """Say whether a rule covers every origin, `null` too, without credentials."""
        return not rule.credentials and ANY in self.patterns(rule)
