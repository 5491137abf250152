"""The decision: a pure function of the active policies and a query."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, cast

from msgspec import Struct, structs

from cors_service.decision._grant import Grant, NotGranted
from cors_service.decision._origins import MALFORMED, NOT_COVERED, OriginIndex
from cors_service.decision._urls import Router, parse_url
from cors_service.decision.decision import Decision, Headers, Kind, Reason
from cors_service.decision.memo import Memo
from cors_service.decision.query import BadQuery, Query
from cors_service.grammar.mistakes import cut, shown
from cors_service.grammar.pattern import OriginPattern, SetName
from cors_service.grammar.tokens import normalize_method
from cors_service.policy import Policy, PolicySet, Rule, revision
from cors_service.policy.change import Change
from cors_service.policy.model import RESOURCE_POLICIES

_IS_SMALL: Final = attrgetter("is_small")
_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
_TIMING: Final = "Timing-Allow-Origin"
_ANY_ORIGIN: Final = ((_ALLOW_ORIGIN, "*"),)
_ANY_TIMING: Final = ((_TIMING, "*"),)
_VARY_ORIGIN: Final = (("Vary", "Origin"),)
# What else a preflight's answer depends on; OPTIONS is not cacheable, but what sits between is not always told so.
_VARY_REQUEST: Final = "Access-Control-Request-Method, Access-Control-Request-Headers"
_PREFLIGHT_VARY: Final = (("Vary", f"Origin, {_VARY_REQUEST}"),)
_PREFLIGHT_VARY_PUBLIC: Final = (("Vary", _VARY_REQUEST),)


# Policies of more patterns take longer to compile than a thread has to wait for another to let go of the interpreter.
_LARGE: Final = 2000
_MANY: Final = 500
# Grants of the rules of policies, for the policies behind them that grant the same.
_Grants = dict[tuple[tuple[Rule, bool], ...], tuple[Grant, ...]]
Task = Callable[[], Any]
"""What takes long and can be done in a thread."""


class ActivePolicies:
    """A policy set, compiled: the function from queries to decisions. It does not change once it is built.

    Attributes:
        policy_set: What it was compiled from.
        revision: The name of that content.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        grants: _Grants = {}
        policies = {name: _compile(policy, policy_set, grants) for name, policy in policy_set.policies.items()}
        router = Router((policy.name, policy.match) for policy in policy_set.policies.values())
        self._become(policy_set, revision(policy_set), policies, router)

    def _become(
        self, policy_set: PolicySet, revision: str, policies: dict[str, _CompiledPolicy], router: Router
    ) -> None:
        self.policy_set = policy_set
        self.revision = revision
        self._policies = policies
        self._router = router
        self._memo: Memo[Query, Decision] = Memo(_IS_SMALL)

    @classmethod
    def changed(cls, before: ActivePolicies | None, change: Change) -> Generator[Task | None, Any, ActivePolicies]:
        """Make the policies that a change leads to out of those before, which stay as they are.

        What did not change is not compiled again.

        Args:
            before: Of the revision that the change begins at; anything if it begins at nothing.
            change: The change.

        Yields:
            None between two small steps, each a policy or the copy of a table; or a task whose result must be sent.

        Returns:
            The policies of the change's revision.
        """
        known: Mapping[str, Policy] = before.policy_set.policies if before else {}
        policies: dict[str, Policy] = {}
        origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
        compiled: dict[str, _CompiledPolicy] = {}
        router = Router(())
        if change.base is not None:
            assert before is not None
            assert before.revision == change.base
            policies = cast(dict[str, Policy], known).copy()  # a proxy copies what is behind it
            yield None
            origin_sets.update(before.policy_set.origin_sets)
            compiled = before._policies.copy()
            yield None
            yield from router.take(before._router)
        for name in change.removed_sets:
            del origin_sets[name]
        origin_sets.update(change.origin_sets)
        policy_set = PolicySet(policies=MappingProxyType(policies), origin_sets=MappingProxyType(origin_sets))
        for name in change.removed:
            router.remove(name, policies.pop(name).match)
            del compiled[name]
            yield None
        grants: _Grants = {}
        for policy in change.policies:
            name = policy.name
            was = known.get(name)
            if before is not None and policy == was and not _uses_sets(policy):
                policies[name], compiled[name] = was, before._policies[name]
            else:
                task = partial(_compile, policy, policy_set, grants)
                is_large = sum(len(policy_set.patterns(rule)) for rule in policy.rules) > _LARGE
                policies[name], compiled[name] = policy, (yield task) if is_large else task()
            if change.base is None:
                router.add(name, policy.match)
            elif was is None or was.match != policy.match:
                router.remove(name, was.match if was else ())
                router.add(name, policy.match)
            yield None
        after = cls.__new__(cls)
        after._become(policy_set, change.revision, compiled, router)
        return after

    def parts(self, change: Change) -> list[object]:
        """List what goes when a change has replaced these policies, to be let go piece by piece, from the end.

        To free 100,000 policies at once takes as long as hundreds of decisions.
        """
        parts: list[object] = self._memo.parts()
        if change.base is None or len(change.policies) + len(change.removed) > _MANY:
            # It does no harm to list what stays.
            parts += self.policy_set.policies.values()
            parts += self._policies.values()
        else:
            for name in (*change.removed, *(policy.name for policy in change.policies)):
                parts += (self.policy_set.policies.get(name), self._policies.get(name))
        return [*parts, self.policy_set, self._policies, *self._router.tables, self._memo]

    def decide(self, query: Query) -> Decision:
        """Decide about one request.

        Args:
            query: The request's facts.

        Returns:
            The decision; equal queries get equal decisions.

        Raises:
            BadQuery: No policy of that name, none for the URL, neither a name nor a URL, or no usable URL.
        """
        decision = self._memo.get(query)
        if decision is None:
            decision = self.decide_anew(query)
            self._memo.offer(query, decision)
        return decision

    def decide_anew(self, query: Query) -> Decision:
        """Decide as `decide` does, for callers who remember themselves what they asked."""
        url = None if query.url is None else parse_url(query.url)
        name = query.policy
        if name is None:
            if url is None:
                raise BadQuery("no-selector", "The query names neither a policy nor a URL.")
            name = self._router.find(url)
        policy = self._policies.get(name)
        if policy is None:
            raise BadQuery("unknown-policy", f"There is no policy {shown(name)}.")
        return policy.decide(query, None if url is None else url.origin, self.revision)

    def policy_for(self, url: str) -> str:
        """Find the name of the policy that decides about a URL.

        Raises:
            BadQuery: There is none, or the URL is not usable.
        """
        return self._router.find(parse_url(url))


class _CompiledPolicy(Struct, frozen=True, eq=False, gc=False):
    """One policy, ready to decide. There may be 100,000: none of them is of interest to the garbage collector.

    Attributes:
        name: Of the policy.
        preflight_status: The status of an allowed preflight.
        grants: What the rules grant.
        origins: Finds the rule.
        public: The grant of an anonymous `*` that is all there is, so that no answer depends on Origin.
        uncovered: The headers for a request that no rule covers, or that names no origin: the strictest that the
            policy sends, since browsers check Cross-Origin-Resource-Policy where they send no Origin at all (Fetch,
            #cross-origin-resource-policy-check).
    """

    name: str
    preflight_status: int
    grants: tuple[Grant, ...]
    origins: OriginIndex
    public: Grant | None
    vary: Headers
    preflight_vary: Headers
    uncovered: Headers

    def decide(self, query: Query, own_origin: str | None, revision: str) -> Decision:
        origins = query.origins
        if not origins:
            return self._without_page("no-origin", None, Reason("no-origin", _NO_ORIGIN), query.method, revision)
        if own_origin is not None and origins == (own_origin,):
            reason = Reason("same-origin", f"{own_origin} is the origin of the URL itself.")
            return self._without_page("same-origin", True, reason, query.method, revision)
        # `query.is_preflight`, written out: the call would be a twentieth of a refusal.
        if len(origins) == 1 and len(query.request_methods) == 1 and normalize_method(query.method) == "OPTIONS":
            return self._preflight(origins[0], query.request_methods[0], query.request_headers, revision)
        return self._actual(origins, query.method, revision)

    def _without_page(self, kind: Kind, allowed: bool | None, reason: Reason, method: str, revision: str) -> Decision:
        headers = self.uncovered
        if self.public is not None:
            # The same headers as with any Origin, since no Vary tells them apart.
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
            return self._refuse("actual", self._not_this(error, origins[0], method, grant), grant, revision)
        origin = origins[0]
        if grant.anonymous:
            allow, timing = _ANY_ORIGIN, _ANY_TIMING if grant.timing else ()
        else:
            allow, timing = ((_ALLOW_ORIGIN, origin),), ((_TIMING, origin),) if grant.timing else ()
        headers = allow + grant.credentials + grant.exposed + timing + grant.resource_policy + self.vary
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
            return self._refuse("preflight", self._not_this(error, origin, method, grant), grant, revision)
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
        # What a rule covers is well-formed, and can be shown as it is; a public policy does not even look.
        return f"'{origin}'" if self.public is None else shown(origin)

    def _refuse(self, kind: Kind, reason: Reason, grant: Grant | None, revision: str) -> Decision:
        if kind == "preflight":
            status, headers = 403, self.preflight_vary
        else:
            status, headers = None, grant.resource_policy + self.vary if grant else self.uncovered
        number = grant.number if grant else None
        return Decision(kind, False, status, reason, headers, self.name, number, revision)

    def _no_access(self, index: int, origin: str) -> Reason:
        if index == MALFORMED:
            return Reason("origin-malformed", f"{shown(origin)} is not an origin as browsers serialise it.")
        assert index == NOT_COVERED
        # It is well-formed, so it can be shown as it is.
        return Reason("origin-not-allowed", f"No rule of policy {self.name} covers the origin '{origin}'.")

    def _not_this(self, error: NotGranted, origin: str, method: str, grant: Grant) -> Reason:
        rule = f"Rule {grant.number} of policy {self.name} covers {shown(origin)}"
        return Reason(error.code, f"{rule}, which asks for {shown(method)} {error.what}.")


_NO_ORIGIN: Final = "The request has no Origin: it is not a cross-origin request of a page."


def _compile(policy: Policy, policy_set: PolicySet, grants: _Grants) -> _CompiledPolicy:
    """Make a policy ready to decide.

    Args:
        policy: The policy.
        policy_set: Has its origin sets.
        grants: What rules of other policies grant, shared by those that grant the same.
    """
    key = tuple((structs.replace(rule, origins=()), policy_set.is_for_everybody(rule)) for rule in policy.rules)
    granted = grants.get(key)
    if granted is None:
        granted = grants[key] = tuple(
            Grant(number, rule, anonymous=anonymous) for number, (rule, anonymous) in enumerate(key, start=1)
        )
    origins = OriginIndex(
        (policy_set.patterns(rule), not rule.credentials or "insecure-origins" in rule.dangerously_allow)
        for rule in policy.rules
    )
    # Nothing can be reached behind an anonymous `*`.
    public = granted[0] if granted[0].anonymous else None
    vary: Headers = () if public else _VARY_ORIGIN
    sent = [rule.resource_policy for rule in policy.rules if rule.resource_policy]
    strictest = min(sent, key=RESOURCE_POLICIES.index, default=None)
    corp: Headers = (("Cross-Origin-Resource-Policy", strictest),) if strictest else ()
    return _CompiledPolicy(
        policy.name,
        policy.preflight_status,
        granted,
        origins,
        public,
        vary,
        _PREFLIGHT_VARY_PUBLIC if public else _PREFLIGHT_VARY,
        corp + vary if corp else vary,
    )


def _uses_sets(policy: Policy) -> bool:
    return any(isinstance(pattern, SetName) for rule in policy.rules for pattern in rule.origins)
