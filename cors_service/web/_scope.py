"""The part of the active policies that a caller may ask about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from msgspec import structs
from zope.interface import implementer

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.grammar.mistakes import shown
from cors_service.policy.model import Policy
from cors_service.store import IPolicies, Status

# Its name is none of the caller's business.
_OF_THE_URL: Final = "the policy of this URL"


@implementer(IPolicies)
class PoliciesInScope:
    """Holds the active policies of another holder, for callers that may ask about some of them.

    Endpoints that are made with it remember its answers apart from those that others get.
    """

    def __init__(self, policies: IPolicies, prefixes: tuple[str, ...]) -> None:
        """Make a holder.

        Args:
            policies: Holds all policies.
            prefixes: How the names of the policies begin that may be asked about.
        """
        self._policies = policies
        self._prefixes = prefixes
        self._view: ActiveInScope | None = None

    @property
    def active(self) -> ActivePolicies | None:
        """The policies that decide now."""
        whole: ActivePolicies | None = self._policies.active
        if whole is None:
            return None
        if self._view is None or self._view.whole is not whole:
            self._view = ActiveInScope(whole, self._prefixes)
        return self._view

    @property
    def status(self) -> Status:
        """That of the other holder."""
        status: Status = self._policies.status
        return status


class ActiveInScope(ActivePolicies):
    """Active policies that refuse to decide by some of them.

    Attributes:
        whole: All of them.
        policy_set: Those that may be asked about.
        revision: That of all of them.
        guards: How many of all have a guard.
        enforcing: How many of all have one that does more than report.
    """

    def __init__(self, whole: ActivePolicies, prefixes: tuple[str, ...]) -> None:
        self.whole = whole
        self.revision = whole.revision
        self.memory = whole.memory
        self.guards = whole.guards
        self.enforcing = whole.enforcing
        self._prefixes = prefixes
        policies = Within(whole.policy_set.policies, prefixes)
        self.policy_set = structs.replace(whole.policy_set, policies=policies)

    def decide(self, query: Query) -> Decision:
        """Decide about one request, unless that is another caller's business.

        Raises:
            BadQuery: As for all policies; or `forbidden`, whether there is such a policy or not.
        """
        if query.policy is not None:
            self._check(query.policy, f"the policy {shown(query.policy)}")
        try:
            decision = self.whole.decide(query)
        except BadQuery as error:
            raise _without_names(error) from None
        self._check(decision.policy, _OF_THE_URL)
        return decision

    def decide_cross_origin(self, query: Query) -> Decision:
        """Decide about a request of another origin.

        Raises:
            BadQuery: As for all policies; or `forbidden`.
        """
        self._check(query.policy or "", f"the policy {shown(query.policy)}")
        return self.whole.decide_cross_origin(query)

    def has_guard(self, name: str) -> bool:
        """Say whether a policy has a guard."""
        return self.whole.has_guard(name)

    def hint(self, decision: Decision, query: Query) -> str:
        """Say what to write where a request is refused."""
        return self.whole.hint(decision, query)

    def policy_for(self, url: str) -> str:
        """Find the name of the policy that decides about a URL.

        Raises:
            BadQuery: As for all policies; or `forbidden`.
        """
        try:
            name = self.whole.policy_for(url)
        except BadQuery as error:
            raise _without_names(error) from None
        self._check(name, _OF_THE_URL)
        return name

    def _check(self, name: str, called: str) -> None:
        if not name.startswith(self._prefixes):
            why = f"This caller may not ask about {called}."
            raise BadQuery("forbidden", why, guarded=self.enforcing > 0)


class Within(Mapping[str, Policy]):
    """The policies with names that begin in some ways. Making it costs nothing, however many policies there are."""

    def __init__(self, policies: Mapping[str, Policy], prefixes: tuple[str, ...]) -> None:
        self._policies = policies
        self._prefixes = prefixes

    def __getitem__(self, name: str) -> Policy:
        if not name.startswith(self._prefixes):
            raise KeyError(name)
        return self._policies[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _names(self) -> Sequence[str]:
        # Whoever asks about a name that does not exist makes somebody look for one like it, among few.
        return [name for name in self._policies if name.startswith(self._prefixes)]


def _without_names(error: BadQuery) -> BadQuery:
    """Leave the names of policies that a URL may find out of a message."""
    if error.code != "url-ambiguous":
        return error
    return BadQuery("url-ambiguous", "The path of the URL can be read in several ways.", guarded=error.guarded)
