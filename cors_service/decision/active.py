"""The decision: a pure function of the active policies and a query."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, cast

from cors_service.decision._compiled import CompiledPolicy, Grants, compile_policy
from cors_service.decision._urls import Router, parse_url
from cors_service.decision.decision import Decision
from cors_service.decision.query import BadQuery, Query
from cors_service.grammar.mistakes import shown
from cors_service.grammar.pattern import OriginPattern
from cors_service.policy import PolicySet, revision
from cors_service.policy.change import Change
from cors_service.policy.model import Policy

# Policies of more patterns take longer to compile than a thread has to wait for another to let go of the interpreter.
_LARGE: Final = 2000
_MANY: Final = 500
Task = Callable[[], Any]
"""What takes long and can be done in a thread."""


class ActivePolicies:
    """A policy set, compiled: the function from queries to decisions. It does not change once it is built.

    Attributes:
        policy_set: What it was compiled from.
        revision: The name of that content.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        grants: Grants = {}
        policies = {name: compile_policy(policy, policy_set, grants) for name, policy in policy_set.policies.items()}
        router = Router((policy.name, policy.match) for policy in policy_set.policies.values())
        self._become(policy_set, revision(policy_set), policies, router)

    def _become(
        self, policy_set: PolicySet, revision: str, policies: dict[str, CompiledPolicy], router: Router
    ) -> None:
        self.policy_set = policy_set
        self.revision = revision
        self._policies = policies
        self._router = router

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
        compiled: dict[str, CompiledPolicy] = {}
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
        grants: Grants = {}
        for policy in change.policies:
            name = policy.name
            was = known.get(name)
            if before is not None and policy == was and not policy.uses:
                policies[name], compiled[name] = was, before._policies[name]
            else:
                task = partial(compile_policy, policy, policy_set, grants)
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
        parts: list[object] = []
        if change.base is None or len(change.policies) + len(change.removed) > _MANY:
            # It does no harm to list what stays.
            parts += self.policy_set.policies.values()
            parts += self._policies.values()
        else:
            for name in (*change.removed, *(policy.name for policy in change.policies)):
                parts += (self.policy_set.policies.get(name), self._policies.get(name))
        return [*parts, self.policy_set, self._policies, *self._router.tables]

    def decide(self, query: Query) -> Decision:
        """Decide about one request.

        Args:
            query: The request's facts.

        Returns:
            The decision; equal queries get equal decisions.

        Raises:
            BadQuery: No policy of that name, none for the URL, neither a name nor a URL, or no usable URL.
        """
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
