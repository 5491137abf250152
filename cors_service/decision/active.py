"""The decision: a pure function of the active policies and a query."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from msgspec import structs

from cors_service.decision._compiled import CompiledPolicy, Grants, GuardedPolicy, compile_policy
from cors_service.decision._guard import Guards, with_hint
from cors_service.decision._hints import hint_of
from cors_service.decision._router import Router
from cors_service.decision._tables import Tables
from cors_service.decision._urls import NO_ORIGIN, URL, parse_site, parse_url
from cors_service.decision.decision import Decision
from cors_service.decision.query import BadQuery, Query
from cors_service.decision.steps import at_once
from cors_service.grammar.mistakes import shown
from cors_service.grammar.nearest import nearest
from cors_service.policy import PolicySet, revision
from cors_service.policy.change import Change

_MANY: Final = 500


class ActivePolicies:
    """A policy set, compiled: the function from queries to decisions. It does not change once it is built.

    Attributes:
        policy_set: The policies that it was compiled from.
        revision: The revision of that set.
        compiled: The policies by their names, ready to decide; only this package knows what that is.
        guards: How many of them have a guard. Without any, nothing depends on the circumstances of a query.
        enforcing: How many of them have one that does more than report.
        memory: What its answers are remembered by: the revision, unless more than the answer depends on being asked.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        grants: Grants = {}
        policies = {
            name: at_once(compile_policy(policy, policy_set, grants)) for name, policy in policy_set.policies.items()
        }
        router = Router((policy.name, policy.match) for policy in policy_set.policies.values())
        guards = Guards()
        for policy in policy_set.policies.values():
            guards.count(policy)
        self._become(policy_set, revision(policy_set), policies, router, guards)

    def _become(
        self, policy_set: PolicySet, revision: str, policies: dict[str, CompiledPolicy], router: Router, guards: Guards
    ) -> None:
        self.policy_set = policy_set
        self.revision = self.memory = revision
        self.guards = guards.all
        self.enforcing = guards.enforcing
        self.compiled = policies
        self._router = router

    @classmethod
    def changed(cls, before: ActivePolicies | None, change: Change) -> Generator[None, None, ActivePolicies]:
        """Compile a change; policies that did not change are not compiled again, and the ones before stay as they are.

        Args:
            before: The policies that the change starts from; any if it starts from nothing.
            change: The change.

        Yields:
            None between two small steps, each a policy, a part of one, or the copy of a table.

        Returns:
            The policies of the new revision.
        """
        tables = Tables()
        if change.base is not None:
            assert before is not None
            assert before.revision == change.base
            tables = yield from Tables.copied(before.policy_set, before.compiled, before._router)
            tables.guards = Guards(before.guards, before.enforcing)
        tables.change_sets(change)
        yield from tables.remove(change.removed)
        yield from tables.put(change, before.policy_set.policies if before else {}, before.compiled if before else {})
        after = cls.__new__(cls)
        after._become(tables.policy_set, change.revision, tables.compiled, tables.router, tables.guards)
        return after

    def parts(self, change: Change) -> list[object]:
        """List everything that a change makes superfluous, to be freed piece by piece, from the end.

        Freeing 100,000 policies at once takes as long as hundreds of decisions.
        """
        parts: list[object] = []
        if change.base is None or len(change.policies) + len(change.removed) > _MANY:
            # It does no harm to list parts that stay.
            parts += self.policy_set.policies.values()
            parts += self.compiled.values()
        else:
            for name in (*change.removed, *(policy.name for policy in change.policies)):
                parts += (self.policy_set.policies.get(name), self.compiled.get(name))
        return [*parts, self.policy_set, self.compiled, *self._router.tables]

    def decide(self, query: Query) -> Decision:
        """Decide about one request.

        Args:
            query: The request's facts.

        Returns:
            The decision; equal queries get equal decisions.

        Raises:
            BadQuery: There is no such policy; or none is named, and the URL is missing, not usable, or finds none.
        """
        try:
            name = query.policy
            if name is None:
                if query.url is None:
                    # A call, to raise it elsewhere, would cost a fiftieth of a decision.
                    raise BadQuery("no-selector", "The query names neither a policy nor a URL.")  # noqa: TRY301
                url: URL | None = (found := parse_url(query.url))
                name = self._router.find(found)
            else:
                # Whatever the URL is, the policy is known.
                url = None if query.url is None else parse_site(query.url)
            policy = self.compiled.get(name)
            if policy is None:
                raise self._unknown(name)
        except BadQuery as error:
            error.guarded = self.enforcing > 0
            raise
        return policy.decide(query, url, self.revision)

    def has_guard(self, name: str) -> bool:
        """Say whether a policy has a guard."""
        return isinstance(self.compiled.get(name), GuardedPolicy)

    def takes(self, decision: Decision) -> bool:
        """Say whether a service should take a request, whatever a page may read of the answer.

        The guard of its policy says it. A preflight, and what a policy without a guard decides, is not taken if it is
        refused.

        Args:
            decision: What these policies decided about the request.
        """
        if decision.guard is not None and decision.guard.stops:
            return False
        return decision.allowed is not False or (decision.kind != "preflight" and self.has_guard(decision.policy))

    def decide_cross_origin(self, query: Query) -> Decision:
        """Decide, by the policy that is named, about a request of another origin, whatever its URL says of its own.

        Raises:
            BadQuery: There is no such policy.
        """
        name = query.policy or ""
        policy = self.compiled.get(name)
        if policy is None:
            raise self._unknown(name)
        url = None if query.url is None else parse_site(query.url)
        return policy.decide(query, url and structs.replace(url, origin=NO_ORIGIN), self.revision)

    def _unknown(self, name: str) -> BadQuery:
        return BadQuery("unknown-policy", f"There is no policy {shown(name)}.")

    def advise(self, query: Query) -> Decision:
        """Decide about one request for a person, and say what to write where it is refused.

        Args:
            query: The request's facts.

        Returns:
            The same decision as that of `decide`, with a `hint` in the reason of a refusal.

        Raises:
            BadQuery: As `decide` does; for a policy that does not exist, the message names the nearest.
        """
        try:
            decision = self.decide(query)
        except BadQuery as error:
            raise self.suggested(error, query) from None
        return self.hinted(decision, query)

    def suggested(self, error: BadQuery, query: Query) -> BadQuery:
        """Say which policy may be meant, if a query that has no decision names one that does not exist."""
        unknown = query.policy if error.code == "unknown-policy" else None
        near = nearest(unknown or "", self.policy_set.policies)
        if near is None:
            return error
        return BadQuery("unknown-policy", f"{error.message} The nearest is '{near}'.", guarded=error.guarded)

    def hinted(self, decision: Decision, query: Query) -> Decision:
        """Say what to write, where a decision that was made refuses."""
        if decision.guard is not None:
            decision = structs.replace(decision, guard=with_hint(decision.guard))
        if decision.allowed is not False:
            return decision
        return structs.replace(decision, reason=structs.replace(decision.reason, hint=self.hint(decision, query)))

    def hint(self, decision: Decision, query: Query) -> str:
        """Say what to write, in a policy or in the request, where the request is refused."""
        return hint_of(decision, query, self.compiled[decision.policy], self.policy_set)

    def policy_for(self, url: str) -> str:
        """Find the name of the policy for a URL.

        Raises:
            BadQuery: There is none, or the URL is not usable.
        """
        return self._router.find(parse_url(url))
