"""The decision: a pure function of the active policies and a query."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from cors_service.decision._decision import Decision, Headers, Kind, Reason
from cors_service.decision._grant import Grant, NotGranted
from cors_service.decision._memo import Memo
from cors_service.decision._origins import MALFORMED, NOT_COVERED, OriginIndex
from cors_service.decision._query import BadQuery, Query
from cors_service.decision._urls import Router, parse_url
from cors_service.policy import Policy, PolicySet, cut, revision, shown
from cors_service.policy._model import RESOURCE_POLICIES
from cors_service.policy._tokens import normalize_method

_IS_SMALL: Final = attrgetter("is_small")
_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
_TIMING: Final = "Timing-Allow-Origin"
_ANY_ORIGIN: Final = ((_ALLOW_ORIGIN, "*"),)
_ANY_TIMING: Final = ((_TIMING, "*"),)
_VARY_ORIGIN: Final = (("Vary", "Origin"),)
# What else a preflight's answer depends on; OPTIONS is not cacheable, but what sits between is not always told so.
_VARY_REQUEST: Final = "Access-Control-Request-Method, Access-Control-Request-Headers"


class ActivePolicies:
    """A policy set, compiled: the function from queries to decisions. It does not change once it is built.

    Attributes:
        policy_set: What it was compiled from.
        revision: The name of that content.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        self.policy_set = policy_set
        self.revision = revision(policy_set)
        self._policies = {
            name: _CompiledPolicy(policy, policy_set, self.revision) for name, policy in policy_set.policies.items()
        }
        self._router = Router((policy.name, policy.match) for policy in policy_set.policies.values())
        self._memo: Memo[Query, Decision] = Memo(_IS_SMALL)

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
            decision = self._decide(query)
            self._memo.offer(query, decision)
        return decision

    def policy_for(self, url: str) -> str:
        """Find the name of the policy that decides about a URL.

        Raises:
            BadQuery: There is none, or the URL is not usable.
        """
        return self._router.find(parse_url(url))

    def _decide(self, query: Query) -> Decision:
        url = None if query.url is None else parse_url(query.url)
        name = query.policy
        if name is None:
            if url is None:
                raise BadQuery("no-selector", "The query names neither a policy nor a URL.")
            name = self._router.find(url)
        policy = self._policies.get(name)
        if policy is None:
            raise BadQuery("unknown-policy", f"There is no policy {shown(name)}.")
        return policy.decide(query, None if url is None else url.origin)


class _CompiledPolicy:
    """One policy, ready to decide."""

    def __init__(self, policy: Policy, policy_set: PolicySet, revision: str) -> None:
        self._name = policy.name
        self._revision = revision
        self._preflight_status = policy.preflight_status
        self._grants = [
            Grant(number, rule, anonymous=policy_set.is_for_everybody(rule))
            for number, rule in enumerate(policy.rules, start=1)
        ]
        self._origins = OriginIndex(
            (policy_set.patterns(rule), not rule.credentials or "insecure-origins" in rule.dangerously_allow)
            for rule in policy.rules
        )
        # Where one anonymous `*` is all there is, no answer depends on Origin; nothing can be reached behind it.
        self._public = self._grants[0] if self._grants[0].anonymous else None
        self._vary: Headers = () if self._public else _VARY_ORIGIN
        self._preflight_vary: Headers = (("Vary", _VARY_REQUEST if self._public else f"Origin, {_VARY_REQUEST}"),)
        # A request that no rule covers, or that names no origin, gets the strictest that the policy sends:
        # browsers check it where they send no Origin at all (Fetch, #cross-origin-resource-policy-check).
        sent = [rule.resource_policy for rule in policy.rules if rule.resource_policy]
        strictest = min(sent, key=RESOURCE_POLICIES.index, default=None)
        corp: Headers = (("Cross-Origin-Resource-Policy", strictest),) if strictest else ()
        self._uncovered = corp + self._vary

    def decide(self, query: Query, own_origin: str | None) -> Decision:
        origins = query.origins
        if not origins:
            return self._without_page("no-origin", None, Reason("no-origin", _NO_ORIGIN), query.method)
        if own_origin is not None and origins == (own_origin,):
            reason = Reason("same-origin", f"{own_origin} is the origin of the URL itself.")
            return self._without_page("same-origin", True, reason, query.method)
        # `query.is_preflight`, written out: the call would be a twentieth of a refusal.
        if len(origins) == 1 and len(query.request_methods) == 1 and normalize_method(query.method) == "OPTIONS":
            return self._preflight(origins[0], query.request_methods[0], query.request_headers)
        return self._actual(origins, query.method)

    def _without_page(self, kind: Kind, allowed: bool | None, reason: Reason, method: str) -> Decision:
        headers = self._uncovered
        if self._public is not None:
            # The same headers as with any Origin, since no Vary tells them apart.
            headers = self._actual(("null",), method).headers
        return Decision(kind, allowed, None, reason, headers, self._name, None, self._revision)

    def _actual(self, origins: tuple[str, ...], method: str) -> Decision:
        grant = self._public
        if grant is None:
            if len(origins) != 1:
                reason = Reason("multiple-origins", f"The request has {len(origins)} Origin lines; browsers send one.")
                return self._refuse("actual", reason, None)
            index = self._origins.find(origins[0])
            if index < 0:
                return self._refuse("actual", self._no_access(index, origins[0]), None)
            grant = self._grants[index]
        try:
            method = grant.check_method(method)
        except NotGranted as error:
            return self._refuse("actual", self._not_this(error, origins[0], method, grant), grant)
        origin = origins[0]
        if grant.anonymous:
            allow, timing = _ANY_ORIGIN, _ANY_TIMING if grant.timing else ()
        else:
            allow, timing = ((_ALLOW_ORIGIN, origin),), ((_TIMING, origin),) if grant.timing else ()
        headers = allow + grant.credentials + grant.exposed + timing + grant.resource_policy + self._vary
        return self._allow("actual", None, headers, grant, f"{cut(method)} from {self._origin_in_words(origin)}")

    def _preflight(self, origin: str, method: str, lines: tuple[str, ...]) -> Decision:
        grant = self._public
        if grant is None:
            index = self._origins.find(origin)
            if index < 0:
                return self._refuse("preflight", self._no_access(index, origin), None)
            grant = self._grants[index]
        try:
            granted = grant.preflight(method, lines)
        except NotGranted as error:
            return self._refuse("preflight", self._not_this(error, origin, method, grant), grant)
        allow = _ANY_ORIGIN if grant.anonymous else ((_ALLOW_ORIGIN, origin),)
        headers = allow + grant.credentials + granted + self._preflight_vary
        return self._allow(
            "preflight", self._preflight_status, headers, grant, f"{cut(method)} from {self._origin_in_words(origin)}"
        )

    def _allow(self, kind: Kind, status: int | None, headers: Headers, grant: Grant, what: str) -> Decision:
        reason = Reason("allowed", f"Rule {grant.number} of policy {self._name} allows {what}.")
        return Decision(kind, True, status, reason, headers, self._name, grant.number, self._revision)

    def _origin_in_words(self, origin: str) -> str:
        # What a rule covers is well-formed, and can be shown as it is; a public policy does not even look.
        return f"'{origin}'" if self._public is None else shown(origin)

    def _refuse(self, kind: Kind, reason: Reason, grant: Grant | None) -> Decision:
        if kind == "preflight":
            status, headers = 403, self._preflight_vary
        else:
            status, headers = None, grant.resource_policy + self._vary if grant else self._uncovered
        number = grant.number if grant else None
        return Decision(kind, False, status, reason, headers, self._name, number, self._revision)

    def _no_access(self, index: int, origin: str) -> Reason:
        if index == MALFORMED:
            return Reason("origin-malformed", f"{shown(origin)} is not an origin as browsers serialise it.")
        assert index == NOT_COVERED
        # It is well-formed, so it can be shown as it is.
        return Reason("origin-not-allowed", f"No rule of policy {self._name} covers the origin '{origin}'.")

    def _not_this(self, error: NotGranted, origin: str, method: str, grant: Grant) -> Reason:
        rule = f"Rule {grant.number} of policy {self._name} covers {shown(origin)}"
        return Reason(error.code, f"{rule}, which asks for {shown(method)} {error.what}.")


_NO_ORIGIN: Final = "The request has no Origin: it is not a cross-origin request of a page."
