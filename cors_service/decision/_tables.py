"""What active policies look up, and how a change makes new tables out of those before."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from cors_service.decision._compiled import CompiledPolicy, Grants, compile_policy
from cors_service.decision._guard import Guards
from cors_service.decision._router import Router
from cors_service.grammar.match import Match
from cors_service.grammar.pattern import OriginPattern
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from cors_service.policy.model import Policy


class Tables:
    """Tables of policies, which grow in short steps.

    Attributes:
        policies: The policies by their names.
        origin_sets: The origin sets by theirs.
        header_sets: The header sets by theirs.
        compiled: The policies, ready to decide.
        router: Finds the name of a policy by the URL. As long as no match changes, it is that of the tables before.
        guards: Counts the policies that have a guard.
    """

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
        self.header_sets: dict[str, tuple[str, ...]] = {}
        self.compiled: dict[str, CompiledPolicy] = {}
        self.router = Router(())
        self.guards = Guards()
        self._is_own_router = True

    @classmethod
    def copied(
        cls, policy_set: PolicySet, compiled: dict[str, CompiledPolicy], router: Router
    ) -> Generator[None, None, Tables]:
        """Copy the tables of a policy set, one in each step."""
        tables = cls()
        # The copy of a proxy is a dictionary.
        tables.policies = cast(dict[str, Policy], policy_set.policies).copy()
        yield
        tables.origin_sets.update(policy_set.origin_sets)
        tables.header_sets.update(policy_set.header_sets)
        tables.compiled = compiled.copy()
        yield
        tables.router, tables._is_own_router = router, False
        return tables

    @property
    def policy_set(self) -> PolicySet:
        """The policies and sets, which become others with the tables."""
        return PolicySet(
            policies=MappingProxyType(self.policies),
            origin_sets=MappingProxyType(self.origin_sets),
            header_sets=MappingProxyType(self.header_sets),
        )

    def change_sets(self, change: Change) -> None:
        """Replace and remove sets."""
        for name in change.removed_sets:
            del self.origin_sets[name]
        self.origin_sets.update(change.origin_sets)
        for name in change.removed_header_sets:
            del self.header_sets[name]
        self.header_sets.update(change.header_sets)

    def remove(self, names: Sequence[str]) -> Iterator[None]:
        """Remove policies, one in each step."""
        for name in names:
            gone = self.policies.pop(name)
            yield from self._route(name, gone.match, ())
            self.guards.count(gone, -1)
            del self.compiled[name]
            yield

    def put(
        self, change: Change, known: Mapping[str, Policy], compiled: Mapping[str, CompiledPolicy]
    ) -> Iterator[None]:
        """Compile the policies of a change that are not the same as before.

        Args:
            change: The change; its sets are in the tables.
            known: The policies before.
            compiled: The same, ready to decide.
        """
        policy_set = self.policy_set
        grants: Grants = {}
        has_sets = bool(change.origin_sets or change.removed_sets)
        for policy in change.policies:
            name, was = policy.name, known.get(policy.name)
            self.guards.count(self.policies.get(name), -1)
            self.guards.count(policy)
            if was is not None and policy == was and not (has_sets and policy.uses) and not policy.uses_headers:
                self.policies[name], self.compiled[name] = was, compiled[name]
            else:
                self.policies[name] = policy
                self.compiled[name] = yield from compile_policy(policy, policy_set, grants)
            matches = was.match if was is not None and change.base is not None else ()
            if matches != policy.match:
                yield from self._route(name, matches, policy.match)
            yield

    def _route(self, name: str, before: Sequence[Match], after: Sequence[Match]) -> Iterator[None]:
        """Replace the matches of a policy."""
        if not self._is_own_router:
            shared, self.router, self._is_own_router = self.router, Router(()), True
            yield from self.router.take(shared)
        self.router.remove(name, before)
        self.router.add(name, after)
