"""The parts of a policy document as immutable values; reading a document makes and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct, structs

from cors_service.grammar.match import Match
from cors_service.grammar.pattern import ANY, SET, OriginPattern, Pattern, SetName, write_pattern

DEFAULT_METHODS: Final = ("GET", "HEAD", "POST")
ALL_REQUESTS: Final = "all"
STATE_CHANGING: Final = "state-changing"
WEBSOCKET: Final = "websocket"
# From the most to the least restrictive (Fetch, #cross-origin-resource-policy-header).
RESOURCE_POLICIES: Final = ("same-origin", "same-site", "cross-origin")


class Rule(Struct, frozen=True, kw_only=True, gc=False):
    """The origins that a rule covers, and what it grants them, or that it refuses them.

    Attributes:
        origins: Origin patterns, and the names of origin sets.
        methods: Normalised; `("*",)` for every method that is not forbidden; HEAD follows GET.
        request_headers: Lower-case names, `prefix-*`, or `*`, and `@name` for a header set.
        expose_headers: Lower-case names, or `*`, and `@name` for a header set.
        credentials: Whether pages may send cookies and the like.
        max_age: Seconds for which a browser may cache a preflight's answer; None to send no such header.
        timing: Whether pages may read resource timing.
        resource_policy: One of RESOURCE_POLICIES, or None to send no such header.
        dangerously_allow: The refusals that the author has lifted.
        refuse: Whether these origins have no access, whatever later rules say; then it grants nothing.
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
    refuse: bool = False

    @property
    def covers_cleartext(self) -> bool:
        """Whether its expressions cover the cleartext origins that they match: not with credentials, unless allowed."""
        return not self.credentials or "insecure-origins" in self.dangerously_allow

    def as_dict(self) -> dict[str, object]:
        """The rule as JSON types, with every default spelled out but for a rule that does not refuse."""
        origins = [*map(write_pattern, self.origins)]
        if self.refuse:
            return {"origins": origins, "refuse": True}
        written = {**structs.asdict(self), "origins": origins}
        # Rules were written, and named by their hash, before some of them refused.
        del written["refuse"]
        # Absent headers have no value to write, so their keys are left out.
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in written.items()
            if value is not None
        }


class Guard(Struct, frozen=True, kw_only=True, gc=False):
    """Which requests a service refuses to take, whether or not a page could read the answers.

    Attributes:
        requests: What it is about: `("all",)`, or some of `state-changing`, which is any method but GET, HEAD and
            OPTIONS, and `websocket`.
        without_origin: Whether a request without an Origin passes that says nothing else of where it comes from:
            `allow` or `refuse`.
        hosts: By which hosts the service may be called: `host`, `host:port`, `host:*`; nothing for those of `match`.
        mode: `enforce`, or `report`: then all pass, and it is said which should not.
    """

    requests: tuple[str, ...] = (ALL_REQUESTS,)
    without_origin: str = "allow"
    hosts: tuple[str, ...] = ()
    mode: str = "enforce"

    def as_dict(self) -> dict[str, object]:
        """The guard as JSON types, with every default spelled out but the hosts."""
        written: dict[str, object] = {
            "requests": list(self.requests),
            "without_origin": self.without_origin,
            "mode": self.mode,
        }
        return {**written, "hosts": list(self.hosts)} if self.hosts else written


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """A name and an ordered list of rules.

    Attributes:
        name: Unique in its set.
        rules: At least one; the first that covers an origin decides.
        match: URL prefixes that find this policy.
        preflight_status: The status of an allowed preflight, 204 or 200.
        static: Whether every answer names the one origin that it has, so that none depends on Origin.
        guard: Which requests are refused altogether; None if it only says which answers pages may read.
    """

    name: str
    rules: tuple[Rule, ...]
    match: tuple[Match, ...] = ()
    preflight_status: int = 204
    static: bool = False
    guard: Guard | None = None

    def as_dict(self) -> dict[str, object]:
        """The policy as JSON types, with every default spelled out but `static`, and without its name."""
        written: dict[str, object] = {
            "match": [match.text for match in self.match],
            "preflight_status": self.preflight_status,
            "rules": [rule.as_dict() for rule in self.rules],
        }
        # Policies were written, and named by their hash, before some of them were static or guarded.
        if self.static:
            written["static"] = True
        if self.guard is not None:
            written["guard"] = self.guard.as_dict()
        return written

    @property
    def uses_headers(self) -> set[str]:
        """The names of the header sets that its rules use."""
        listed = (name for rule in self.rules for name in (*rule.request_headers, *rule.expose_headers))
        return {name.removeprefix(SET) for name in listed if name[:1] == SET}

    @property
    def uses(self) -> set[str]:
        """The names of the origin sets that its rules use."""
        return {origin.name for rule in self.rules for origin in rule.origins if isinstance(origin, SetName)}


class PolicySet(Struct, frozen=True, kw_only=True):
    """Everything that a service decides by.

    Attributes:
        policies: By name.
        origin_sets: Lists of origin patterns by name.
        header_sets: Lists of header names by name, as rules have them.
    """

    policies: Mapping[str, Policy]
    origin_sets: Mapping[str, tuple[OriginPattern, ...]]
    header_sets: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @classmethod
    def of(
        cls,
        policies: Iterable[Policy],
        origin_sets: Mapping[str, tuple[OriginPattern, ...]],
        header_sets: Mapping[str, tuple[str, ...]],
    ) -> Self:
        """Make a set of policies, origin sets and header sets that were checked together."""
        return cls(
            policies=MappingProxyType({policy.name: policy for policy in policies}),
            origin_sets=MappingProxyType(dict(origin_sets)),
            header_sets=MappingProxyType(dict(header_sets)),
        )

    def patterns(self, rule: Rule) -> list[OriginPattern]:
        """The origin patterns of a rule, with origin sets written out."""
        return list(self.each_pattern(rule))

    def each_pattern(self, rule: Rule) -> Iterator[OriginPattern]:
        """The same one by one: there may be a million."""
        for pattern in rule.origins:
            if isinstance(pattern, SetName):
                yield from self.origin_sets[pattern.name]
            else:
                yield pattern

    def size(self, rule: Rule) -> int:
        """The number of origin patterns of a rule, with origin sets written out."""
        if SetName not in set(map(type, rule.origins)):  # asked of a million origins at once
            return len(rule.origins)
        names = [pattern.name for pattern in rule.origins if isinstance(pattern, SetName)]
        return len(rule.origins) - len(names) + sum(len(self.origin_sets[name]) for name in names)

    def headers(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The headers that a rule lists, each once, with header sets written out."""
        if not any(name[:1] == SET for name in names):
            return names
        lists = (self.header_sets[name.removeprefix(SET)] if name[:1] == SET else (name,) for name in names)
        return tuple(dict.fromkeys(name for names in lists for name in names))

    def is_for_everybody(self, rule: Rule) -> bool:
        """Say whether a rule grants something to every origin, `null` too, without credentials."""
        return not rule.credentials and not rule.refuse and ANY in self.patterns(rule)
