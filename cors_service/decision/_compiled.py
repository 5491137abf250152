"""One policy, ready to decide."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from msgspec import Struct, structs

from cors_service.decision._bound import Binding
from cors_service.decision._grant import Grant, NotGranted
from cors_service.decision._guard import CompiledGuard
from cors_service.decision._origins import MALFORMED, NEEDS_URL, NOT_COVERED, BoundOrigins, OriginIndex, Origins
from cors_service.decision._urls import URL, is_own
from cors_service.decision.decision import Decision, Headers, Kind, Reason
from cors_service.decision.query import Query
from cors_service.grammar.flaw import flaw_of
from cors_service.grammar.match import Match
from cors_service.grammar.mistakes import cut, shown
from cors_service.grammar.pattern import expanded
from cors_service.grammar.tokens import normalize_method
from cors_service.policy import PolicySet
from cors_service.policy.model import RESOURCE_POLICIES, Policy, Rule

_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
_TIMING: Final = "Timing-Allow-Origin"
_ANY_ORIGIN: Final = ((_ALLOW_ORIGIN, "*"),)
_ANY_TIMING: Final = ((_TIMING, "*"),)
# Bytes of the list of origins that may measure; browsers and proxies take several times as much in all headers.
_LONGEST_TIMING: Final = 1024
_MOST_TIMING: Final = 2000
_VARY_ORIGIN: Final = (("Vary", "Origin"),)
# What else a preflight's answer depends on; OPTIONS is not cacheable, but not everything in between knows that.
_VARY_REQUEST: Final = "Access-Control-Request-Method, Access-Control-Request-Headers"
_PREFLIGHT_VARY: Final = (("Vary", f"Origin, {_VARY_REQUEST}"),)
_PREFLIGHT_VARY_PUBLIC: Final = (("Vary", _VARY_REQUEST),)
_NO_ORIGIN: Final = "The request has no Origin: it is not a cross-origin request from a page."

# Prefixes of a policy that are looked through in less time than a decision takes.
_FEW: Final = 8
_NONE: Final = frozenset[str]()

Grants = dict[tuple[tuple[Rule, bool], ...], tuple[Grant, ...]]
"""Compiled grants by the rules they were made of, shared by policies that grant the same."""


class CompiledPolicy(Struct, frozen=True, eq=False, gc=False):
    """One policy, ready to decide. There may be 100,000, so the garbage collector does not track them.

    Attributes:
        name: The name of the policy.
        match: The prefixes that find it.
        authorities: Their hosts as keys have them, where they are too many to look through them each time, or bind.
        preflight_status: The status of an allowed preflight.
        grants: What the rules grant.
        origins: Finds the rule.
        public: The grant of an anonymous `*`, if that is the only rule: then no answer depends on Origin.
        every: The headers of every actual answer: Timing-Allow-Origin, if it lists all origins that may measure, and
            Vary.
        preflight_vary: The Vary of every answer to a preflight.
        uncovered: The headers for requests without an origin, or with one that no rule covers: the strictest of the
            policy, since browsers also check Cross-Origin-Resource-Policy if they sent no Origin (Fetch,
            #cross-origin-resource-policy-check).
    """

    name: str
    match: tuple[Match, ...]
    authorities: frozenset[str]
    preflight_status: int
    grants: tuple[Grant, ...]
    origins: Origins
    public: Grant | None
    every: Headers
    preflight_vary: Headers
    uncovered: Headers

    def decide(self, query: Query, url: URL | None, revision: str) -> Decision:
        origins = query.origins
        if not origins:
            return self._without_page("no-origin", None, Reason("no-origin", _NO_ORIGIN), query.method, revision)
        if url is not None and url.origin == origins[0] and len(origins) == 1 and self._is_own(url, query):
            reason = Reason("same-origin", f"{url.origin} is the origin of the URL itself.")
            return self._without_page("same-origin", True, reason, query.method, revision)
        # `query.is_preflight`, written out: the call would cost a twentieth of a refusal.
        if len(origins) == 1 and len(query.request_methods) == 1 and normalize_method(query.method) == "OPTIONS":
            return self._preflight(origins[0], query.request_methods[0], query.request_headers, revision)
        return self._actual(origins, query.method, revision)

    def _is_own(self, url: URL, query: Query) -> bool:
        """Whether the host of a URL is one of this policy: the Host of a request may say anything.

        The policy of a query without its name was found by the host.
        """
        return (
            query.policy is None
            or not self.match
            or is_own(url, self.authorities or [match.authority for match in self.match])
        )

    def _without_page(self, kind: Kind, allowed: bool | None, reason: Reason, method: str, revision: str) -> Decision:
        headers = self.uncovered
        if self.public is not None:
            # The same headers as for any Origin, since there is no Vary to distinguish them.
            headers = self._actual(("null",), method, revision).headers
        return Decision(kind, allowed, None, reason, headers, self.name, None, revision)

    def _actual(self, origins: tuple[str, ...], method: str, revision: str) -> Decision:
        grant = self.public
        if grant is None:
            if len(origins) != 1:
                reason = Reason("multiple-origins", f"The request has {len(origins)} Origin lines; browsers send one.")
                return self._refuse("actual", reason, None, revision)
            index = self.origins.find(origins[0])
            if index < 0:
                return self._refuse("actual", self._no_access(index, origins[0]), None, revision)
            grant = self.grants[index]
        try:
            method = grant.check_method(method)
        except NotGranted as error:
            return self._refuse("actual", self._not_this(error, origins[0], grant), grant, revision)
        origin = origins[0]
        if grant.anonymous:
            allow, timing = _ANY_ORIGIN, _ANY_TIMING if grant.timing else ()
        else:
            allow, timing = ((_ALLOW_ORIGIN, origin),), ((_TIMING, origin),) if grant.timing else ()
        headers = allow + grant.credentials + grant.exposed + timing + grant.resource_policy + self.every
        return self._allow(
            "actual", None, headers, grant, f"{cut(method)} from {self._origin_in_words(origin)}", revision
        )

    def _preflight(self, origin: str, method: str, lines: tuple[str, ...], revision: str) -> Decision:
        grant = self.public
        if grant is None:
            index = self.origins.find(origin)
            if index < 0:
                return self._refuse("preflight", self._no_access(index, origin), None, revision)
            grant = self.grants[index]
        try:
            granted = grant.preflight(method, lines)
        except NotGranted as error:
            return self._refuse("preflight", self._not_this(error, origin, grant), grant, revision)
        allow = _ANY_ORIGIN if grant.anonymous else ((_ALLOW_ORIGIN, origin),)
        headers = allow + grant.credentials + granted + self.preflight_vary
        return self._allow(
            "preflight",
            self.preflight_status,
            headers,
            grant,
            f"{cut(method)} from {self._origin_in_words(origin)}",
            revision,
        )

    def _allow(
        self, kind: Kind, status: int | None, headers: Headers, grant: Grant, what: str, revision: str
    ) -> Decision:
        reason = Reason("allowed", f"Rule {grant.number} of policy {self.name} allows {what}.")
        return Decision(kind, True, status, reason, headers, self.name, grant.number, revision)

    def _origin_in_words(self, origin: str) -> str:
        # An origin that a rule covers is well-formed and can be shown as it is; a public policy does not look at it.
        return f"'{origin}'" if self.public is None else shown(origin)

    def _refuse(self, kind: Kind, reason: Reason, grant: Grant | None, revision: str) -> Decision:
        if kind == "preflight":
            status, headers = 403, self.preflight_vary
        else:
            status, headers = None, grant.resource_policy + self.every if grant else self.uncovered
        number = grant.number if grant else None
        return Decision(kind, False, status, reason, headers, self.name, number, revision)

    def _no_access(self, index: int, origin: str) -> Reason:
        if index == NOT_COVERED:
            # It is well-formed, so it can be shown as it is.
            return Reason("origin-not-allowed", f"No rule of policy {self.name} covers '{origin}'.")
        if index == MALFORMED:
            flaw = flaw_of(origin)
            message = f"{shown(origin)} is not an origin as browsers send it{': ' if flaw else ''}{flaw}."
            return Reason("origin-malformed", message)
        assert index == NEEDS_URL
        message = (
            f"No rule of policy {self.name} covers '{origin}' without the URL of the request, "
            "because its origins depend on the host."
        )
        return Reason("origin-needs-url", message)

    def _not_this(self, error: NotGranted, origin: str, grant: Grant) -> Reason:
        rule = f"Rule {grant.number} of policy {self.name}"
        return Reason(error.code, f"{rule} {error.verb} {shown(origin)}{error.but}.")


class StaticPolicy(CompiledPolicy, frozen=True, eq=False, gc=False):
    """A policy with one origin, which every answer names (Fetch, #cors-protocol-and-http-caches).

    No answer depends on the Origin of its request, so that a shared cache may give it to everybody; in a browser it is
    of use to that origin alone.

    Attributes:
        origin: The origin.
    """

    origin: str

    def decide(self, query: Query, url: URL | None, revision: str) -> Decision:
        decision = super().decide(query, url, revision)
        if decision.allowed and decision.rule is not None:
            return decision
        if decision.kind == "preflight":
            named = self._preflight(self.origin, query.request_methods[0], query.request_headers, revision)
        else:
            named = self._actual((self.origin,), query.method, revision)
        return structs.replace(decision, headers=named.headers)


class BoundPolicy(CompiledPolicy, frozen=True, eq=False, gc=False):
    """A policy with origins that use what its matches bind of the request's host.

    Attributes:
        index: All its origins.
        binding: What is bound.
        refusing: The indices of the rules that refuse.
    """

    index: OriginIndex
    binding: Binding
    refusing: frozenset[int]

    def decide(self, query: Query, url: URL | None, revision: str) -> Decision:
        bound = None if url is None else self.binding.bound(url)
        origins = BoundOrigins(self.index, bound, self.refusing if url is None else None)
        decision = super(BoundPolicy, structs.replace(self, origins=origins)).decide(query, url, revision)
        if query.url is not None and decision.reason.code == "origin-needs-url":
            return structs.replace(decision, reason=self._unreadable(query.url, query.origins[0]))
        return decision

    def _unreadable(self, url: str, origin: str) -> Reason:
        """The reason where there is a URL, and no host in it that could be bound."""
        message = (
            f"No rule of policy {self.name} covers '{origin}' without the host of the request's URL, and "
            f"{shown(url)} has none that can be read."
        )
        return Reason("origin-needs-url", message)


class GuardedPolicy(CompiledPolicy, frozen=True, eq=False, gc=False):
    """A policy with a guard, which says more about a request and changes nothing else of a decision.

    Attributes:
        inner: The policy without it.
        guard: The guard.
    """

    inner: CompiledPolicy
    guard: CompiledGuard

    def decide(self, query: Query, url: URL | None, revision: str) -> Decision:
        decision = self.inner.decide(query, url, revision)
        return structs.replace(decision, guard=self.guard.judge(query, url, decision))


def compile_policy(policy: Policy, policy_set: PolicySet, grants: Grants) -> Generator[None, None, CompiledPolicy]:
    """Make a policy ready to decide, in steps of at most a few milliseconds.

    Args:
        policy: The policy.
        policy_set: The set, with the policy's origin sets.
        grants: Grants of other policies; new ones are added.

    Yields:
        None between two steps.

    Returns:
        The policy.
    """
    origins = yield from OriginIndex.in_steps(
        (policy_set.each_pattern(rule), rule.covers_cleartext) for rule in policy.rules
    )
    timing = _all_timing(policy, policy_set, origins)
    sent = [rule.resource_policy for rule in policy.rules if rule.resource_policy]
    strictest = min(sent, key=RESOURCE_POLICIES.index, default=None)
    key = tuple(
        (
            _as_granted(rule, policy_set, strictest, timing),
            index in origins.rules_for_any and not rule.credentials and not rule.refuse,
        )
        for index, rule in enumerate(policy.rules)
    )
    granted = grants.get(key)
    if granted is None:
        granted = grants[key] = tuple(
            Grant(number, rule, anonymous=anonymous) for number, (rule, anonymous) in enumerate(key, start=1)
        )
    # No rule behind an anonymous `*` can be reached.
    public = granted[0] if granted[0].anonymous else None
    is_same = public is not None or policy.static
    every = timing if is_same else timing + _VARY_ORIGIN
    corp: Headers = (("Cross-Origin-Resource-Policy", strictest),) if strictest else ()
    compiled = CompiledPolicy(
        policy.name,
        policy.match,
        _authorities(policy.match),
        policy.preflight_status,
        granted,
        origins,
        public,
        every,
        _PREFLIGHT_VARY_PUBLIC if is_same else _PREFLIGHT_VARY,
        corp + every if corp else every,
    )
    parts = structs.asdict(compiled)
    if policy.static:
        (origin,) = policy.rules[0].origins
        assert isinstance(origin, str)
        compiled = StaticPolicy(**parts, origin=origin)
    elif origins.bound is not None:
        refusing = frozenset(index for index, rule in enumerate(policy.rules) if rule.refuse)
        compiled = BoundPolicy(**parts, index=origins, binding=Binding.of(policy.match), refusing=refusing)
    if policy.guard is None:
        return compiled
    return GuardedPolicy(**parts, inner=compiled, guard=CompiledGuard.of(policy.guard, policy))


def _authorities(matches: tuple[Match, ...]) -> frozenset[str]:
    if len(matches) <= _FEW and not any(match.binds for match in matches):
        return _NONE
    return frozenset(match.key.partition("/")[0] for match in matches)


def _all_timing(policy: Policy, policy_set: PolicySet, origins: OriginIndex) -> Headers:
    """Timing-Allow-Origin with all origins that may measure; nothing unless they are exact, few and always the same.

    Browsers measure images and scripts that they ask for without an Origin, too, so there is none to answer with.
    """
    listed: dict[str, None] = {}
    looked_at = 0
    for index, rule in enumerate(policy.rules):
        if rule.timing and origins.bound is not None and min(origins.bound.rules) <= index:
            # On some hosts, an earlier rule decides about some of these.
            return ()
        for pattern in expanded(policy_set.each_pattern(rule)) if rule.timing else ():
            looked_at += 1
            if not isinstance(pattern, str) or looked_at > _MOST_TIMING:
                return ()
            if policy.rules[origins.find(pattern)].timing:
                listed[pattern] = None
            if len(", ".join(listed)) > _LONGEST_TIMING:
                return ()
    return ((_TIMING, ", ".join(listed)),) if listed else ()


def _as_granted(rule: Rule, policy_set: PolicySet, strictest: str | None, timing: Headers) -> Rule:
    """What a rule grants, whoever it covers; an origin that it refuses gets what one gets that no rule covers."""
    return structs.replace(
        rule,
        origins=(),
        request_headers=policy_set.headers(rule.request_headers),
        expose_headers=policy_set.headers(rule.expose_headers),
        resource_policy=strictest if rule.refuse else rule.resource_policy,
        timing=rule.timing and not timing,
    )
