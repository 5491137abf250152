"""A set of policies that decides beside the active one, and never answers: it shows what a change would change.

Each decision that is made is made by both, and what they differ in is counted. A decision that is remembered was made
once, so it is compared once; what is remembered goes with the revisions of both sets. Policies that are the same in
both sets decide alike, and are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct, structs
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.algebra.answers import kinds_of_difference
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.decision.beside import Beside, beside
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet
from cors_service.store._interfaces import IPolicies
from cors_service.store._live import LivePolicies
from cors_service.store._status import Status

MOST_COUNTED: Final = 10_000
"""Policies and directions that are counted apart; the rest are counted together."""
MOST_SAMPLES: Final = 100
_OTHERS: Final = ("", "other")
# Policies that are compared by their matches in one decision.
_STEP: Final = 100


class Sample(Struct, frozen=True):
    """The first query that showed a difference of a kind.

    Attributes:
        policy: The name of the policy.
        direction: `wider` if the shadow lets through what is not let through now, `narrower` the other way round.
        what: What it is about, such as `origin`.
        query: The query, with no more of its URL than a policy needs.
    """

    policy: str
    direction: str
    what: str
    query: Query


class Tally:
    """Counts what a shadow would decide differently.

    Attributes:
        compared: How many decisions both made.
        counts: How many of them differ, by the policy and the direction.
        samples: The first of each kind.
    """

    def __init__(self, when_different: Callable[[str, str], object] = lambda *_: None) -> None:
        """Make one.

        Args:
            when_different: Is called with the policy and the direction of each difference.
        """
        self.compared = 0
        self._when_different = when_different
        self.counts: Counter[tuple[str, str]] = Counter()
        self.samples: dict[tuple[str, str, str], Sample] = {}

    def add(self, policy: str, query: Query, before: Decision | BadQuery, after: Decision | BadQuery) -> None:
        """Count what two answers differ in; each direction once."""
        kinds = kinds_of_difference(query, before, after)
        for direction in dict.fromkeys(direction for direction, _ in kinds):
            key = (policy, direction)
            self.counts[key if key in self.counts or len(self.counts) < MOST_COUNTED else _OTHERS] += 1
            self._when_different(policy, direction)
        for direction, what in kinds:
            kind = (policy, direction, what)
            if kind not in self.samples and len(self.samples) < MOST_SAMPLES:
                self.samples[kind] = Sample(policy, direction, what, _without_secrets(query))


class ShadowLive(LivePolicies):
    """Keeps the policies of a shadow. What is wrong with it is a warning, and touches nothing else."""

    _shadow_log: Final = Logger()

    def _swap(self, active: ActivePolicies, loaded_at: float) -> None:
        self._loaded_at = loaded_at
        if self.active is None or self.active.revision != active.revision:
            self.active = active
            self._generation += 1
            self.when_swapped()
            self._shadow_log.info(
                "Revision {revision} of {source} is the shadow", revision=active.revision, source=self._source
            )

    def _failed(self, invalid: InvalidPolicies) -> None:
        known = self._mistakes is not None and self._mistakes.report() == invalid.report()
        self._mistakes = invalid
        self._reported = None
        if not known:
            first = str(invalid.mistakes[0]) if invalid.mistakes else ""
            self._shadow_log.warn(
                "{message} of the shadow {source}: {first}", message=invalid.message, source=self._source, first=first
            )


@implementer(IPolicies)
class ShadowedPolicies:
    """Holds the active policies of another holder, and has a shadow decide beside them.

    Attributes:
        active: The policies that decide now; they compare what they decide.
        tally: What the shadow would decide differently since one of both sets became another.
        when_different: Is called with the policy and the direction of each difference.
    """

    def __init__(self, policies: LivePolicies, shadow: LivePolicies) -> None:
        """Make a holder.

        Args:
            policies: Holds the policies that decide.
            shadow: Holds those of the shadow.
        """
        self.active: ActivePolicies | None = None
        self.when_different: Callable[[str, str], object] = lambda *_: None
        self.tally = Tally()
        self._policies = policies
        self._shadow = shadow
        policies.when_swapped = shadow.when_swapped = self._pair
        self._pair()

    @property
    def status(self) -> Status:
        """That of the policies that decide."""
        return self._policies.status

    def _pair(self) -> None:
        """Have those that decide now and the shadow that there is now decide together."""
        active, shadow = self._policies.active, self._shadow.active
        self.tally = Tally(self._differs)
        self.active = active if active is None or shadow is None else _Shadowed(active, shadow, self.tally)

    def _differs(self, policy: str, direction: str) -> None:
        self.when_different(policy, direction)

    @property
    def shadow_status(self) -> Status:
        """That of the shadow."""
        return self._shadow.status


class _Shadowed(ActivePolicies):
    """Active policies that compare each decision with that of a shadow.

    Attributes:
        decides: The policies that decide.
        shadow: The others.
    """

    _log: Final = Logger()

    def __init__(self, decides: ActivePolicies, shadow: ActivePolicies, tally: Tally) -> None:
        # Everything is that of the policies that decide.
        self.__dict__.update(decides.__dict__)
        self.decides = decides
        self.shadow = shadow
        self.memory = f"{decides.memory} {shadow.memory}"
        self._tally = tally
        # By name: True for a policy that is the same in both, or both versions, or False if they can't be put beside
        # each other. That is found out when it first decides.
        self._both: dict[str, Beside | bool] = {}
        self._routes = _equal_matches(decides.policy_set, shadow.policy_set)
        self._is_routed_alike: bool | None = None

    def decide(self, query: Query) -> Decision:
        """Decide about one request, and compare."""
        self._tally.compared += 1
        try:
            decision = ActivePolicies.decide(self, query)
        except BadQuery as error:
            self._compare(query, query.policy or "", error)
            raise
        if query.policy is None and not self._routes_alike():
            self._compare(query, decision.policy, decision)
            return decision
        # Every decision passes here, most of them about policies that are the same.
        both = self._both.get(decision.policy)
        if both is None:
            both = self._find_out(decision.policy)
        if both is not True and not (both and both.is_alike(query, decision)):
            self._compare(query, decision.policy, decision)
        return decision

    def decide_cross_origin(self, query: Query) -> Decision:
        """Decide about a request of another origin, and compare."""
        self._tally.compared += 1
        decision = ActivePolicies.decide_cross_origin(self, query)
        both = self._find_out(decision.policy)
        if both is not True and not (both and both.is_alike(query, decision)):
            self._compare(query, decision.policy, decision, is_cross_origin=True)
        return decision

    def _compare(
        self, query: Query, policy: str, answer: Decision | BadQuery, *, is_cross_origin: bool = False
    ) -> None:
        try:
            other: Decision | BadQuery = (
                self.shadow.decide_cross_origin(query) if is_cross_origin else self.shadow.decide(query)
            )
        except BadQuery as error:
            other = error
        except Exception:  # noqa: BLE001 - whatever ails the shadow, the answer is given
            self._log.failure("The shadow can't decide")
            return
        if not _is_alike(answer, other):
            named = other.policy if not policy and isinstance(other, Decision) else policy
            self._tally.add(named, query, answer, other)

    def _find_out(self, name: str) -> Beside | bool:
        both = self._both.get(name)
        if both is None:
            is_same = _is_same(name, self.decides.policy_set, self.shadow.policy_set)
            both = self._both[name] = is_same or beside(self.decides, self.shadow, name) or False
        return both

    def _routes_alike(self) -> bool:
        """Whether every URL finds the same policy in both; no, as long as that is not known."""
        if self._is_routed_alike is None:
            some = list(islice(self._routes, _STEP))
            if not all(some):
                self._is_routed_alike = False
            elif len(some) < _STEP:
                self._is_routed_alike = True
        return self._is_routed_alike is True


def shadow_as_dict(holder: ShadowedPolicies, written: Any) -> dict[str, object]:
    """Write what a shadow would decide differently, as JSON types.

    Args:
        holder: Holds the policies and the shadow.
        written: Writes a query as JSON types.
    """
    tally, status = holder.tally, holder.shadow_status
    return {
        "source": status.source,
        "revision": status.revision,
        "policies": status.policies,
        "mistakes": list(status.mistakes),
        "more_mistakes": status.more_mistakes,
        "compared": tally.compared,
        "differences": [
            {"policy": policy, "direction": direction, "count": count}
            for (policy, direction), count in tally.counts.most_common(MOST_SAMPLES)
        ],
        "samples": [
            {"policy": one.policy, "direction": one.direction, "what": one.what, "query": written(one.query)}
            for one in tally.samples.values()
        ],
    }


def _is_alike(before: Decision | BadQuery, after: Decision | BadQuery) -> bool:
    """Whether two answers are the same to a page."""
    if isinstance(before, BadQuery) or isinstance(after, BadQuery):
        return isinstance(before, BadQuery) and isinstance(after, BadQuery) and before.code == after.code
    return (
        before.headers == after.headers
        and before.allowed is after.allowed
        and before.status == after.status
        and before.kind == after.kind
        and before.guard == after.guard
    )


def _is_same(name: str, before: PolicySet, after: PolicySet) -> bool:
    policy, other = before.policies.get(name), after.policies.get(name)
    if policy is None or policy != other:
        return False
    return all(before.origin_sets[one] == after.origin_sets.get(one) for one in policy.uses) and all(
        before.header_sets[one] == after.header_sets.get(one) for one in policy.uses_headers
    )


def _equal_matches(before: PolicySet, after: PolicySet) -> Iterator[bool]:
    """Say of one policy after the other whether URLs find it in both sets alike."""
    yield len(before.policies) == len(after.policies)
    for name, policy in before.policies.items():
        other = after.policies.get(name)
        yield other is not None and policy.match == other.match


def _without_secrets(query: Query) -> Query:
    """A query without the parts of its URL that may be secret, and on which no policy depends."""
    if query.url is None:
        return query
    try:
        parts = urlsplit(query.url)
        host = parts.netloc.rpartition("@")[2]
        return structs.replace(query, url=urlunsplit((parts.scheme, host, parts.path, "", "")))
    except ValueError:
        return structs.replace(query, url=None)
