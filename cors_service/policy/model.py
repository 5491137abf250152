"""The words of a policy document as immutable values; they are made by reading a document, which checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST")
# From the most to the least restrictive (Fetch, #cross-origin-resource-policy-header).
RESOURCE_POLICIES: Final = ("same-origin", "same-site", "cross-origin")


class Rule(Struct, frozen=True, kw_only=True, gc=False):
    """The origins that a rule speaks for, and what it grants them.

    Attributes:
        origins: Origin patterns as written, `@name` for the patterns of a set.
        methods: Normalised; `("*",)` for every method that is not forbidden; HEAD stands behind GET.
        request_headers: Lower-case names, `prefix-*`, or `*`.
        expose_headers: Lower-case names, or `*`.
        credentials: Whether pages may send cookies and the like.
        max_age: Seconds for which a browser may keep a preflight's answer; None to send no such header.
        timing: Whether pages may read resource timing.
        resource_policy: One of RESOURCE_POLICIES, or None to send no such header.
        dangerously_allow: The refusals that the rule's author has lifted.
    """

    origins: tuple[str, ...]
    methods: tuple[str, ...] = DEFAULT_METHODS
    request_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int | None = None
    timing: bool = False
    resource_policy: str | None = None
    dangerously_allow: tuple[str, ...] = ()


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """A name and an ordered list of rules.

    Attributes:
        name: Unique in its set.
        rules: At least one; the first that covers an origin decides.
        match: URL prefixes that find this policy, as written.
        preflight_status: The status of an allowed preflight, 204 or 200.
    """

    name: str
    rules: tuple[Rule, ...]
    match: tuple[str, ...] = ()
    preflight_status: int = 204


class PolicySet(Struct, frozen=True, kw_only=True):
    """Everything that a service decides by.

    Attributes:
        policies: By name.
        origin_sets: Lists of origin patterns by name.
    """

    policies: Mapping[str, Policy]
    origin_sets: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, policies: Iterable[Policy], origin_sets: Mapping[str, tuple[str, ...]]) -> Self:
        """Make a set of policies and origin sets that were checked together."""
        named = {policy.name: policy for policy in policies}
        return cls(policies=MappingProxyType(named), origin_sets=MappingProxyType(dict(origin_sets)))

    def patterns(self, rule: Rule) -> list[str]:
        """The origin patterns of a rule of this set, `@name` replaced by what it stands for."""
        written: list[str] = []
        for pattern in rule.origins:
            if pattern[:1] == "@":
                written.extend(self.origin_sets[pattern[1:]])
            else:
                written.append(pattern)
        return written

    def is_for_everybody(self, rule: Rule) -> bool:
        """Say whether a rule of this set speaks for every origin, `null` too, without credentials."""
        return not rule.credentials and "*" in self.patterns(rule)
