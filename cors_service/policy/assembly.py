"""From drafts to a checked policy set: what the documents define and use together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.policy._report import Findings, name_of
from cors_service.policy._rules import OriginSet, OriginSets
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft, ReadPolicy
from cors_service.policy.model import Policy, PolicySet
from cors_service.policy.revision import Digests

_Read = TypeVar("_Read")
# What is merged of all documents: each with the one that defines it.
_Merged = dict[str, tuple[Draft, _Read]]


class Assembly:
    """The documents of a policy set, few of which change at a time.

    Attributes:
        policy_set: The last good set; None before there is one.
        revision: Its name.
    """

    def __init__(self) -> None:
        self.policy_set: PolicySet | None = None
        self.revision: str | None = None
        self._documents: dict[str, Draft | PolicyError] = {}
        self._digests = Digests()
        # What the documents of the last good set define; None until one of them changes, and after a mistake.
        self._tables: _Tables | None = None
        self._is_good = False
        # What was replaced since the last read.
        self._replaced: dict[str, Draft | PolicyError | None] = {}

    def get(self, name: str) -> Draft | PolicyError | None:
        """Give the document of this name, or the reason why it can't be read; None if there is none."""
        return self._documents.get(name)

    def put(self, name: str, document: Draft | PolicyError | None) -> None:
        """Replace the document of a name; None removes it."""
        self._replaced.setdefault(name, self._documents.get(name))
        if document is None:
            self._documents.pop(name, None)
        else:
            self._documents[name] = document

    def read(self) -> Change:
        """Make a policy set of all documents.

        Returns:
            The change from the last good set. Policies of unchanged documents are the same objects as before.

        Raises:
            InvalidPolicies: With every mistake of every document, in the order of their names and lines.
        """
        change = self._read_replaced() if self._is_good else None
        if change is None:
            change = self._read_all()
        self._replaced = {}
        return change

    def _read_all(self) -> Change:
        self._is_good, self._tables, self._replaced = False, None, {}
        documents = [self._documents[name] for name in sorted(self._documents)]
        unreadable = [one for one in documents if isinstance(one, PolicyError)]
        before, self.policy_set = self.policy_set, read_drafts(_drafts(documents), unreadable=unreadable)
        base, self.revision = self.revision, self._digests.revision(self.policy_set)
        self._is_good = True
        return Change.between(base, before, self.revision, self.policy_set)

    def _read_replaced(self) -> Change | None:
        """Change the last set; None if that takes a look at all documents."""
        assert self.policy_set is not None
        if self._tables is None:
            self._tables = _Tables(self.policy_set, _drafts({**self._documents, **self._replaced}.values()))
        new = [self._documents.get(name) for name in self._replaced]
        if any(isinstance(one, PolicyError) for one in new):
            return None
        names = self._tables.replace(_drafts(self._replaced.values()), _drafts(new))
        if names is None:
            return None
        before, policies = self.policy_set.policies, self._tables.policies
        base, self.revision = self.revision, self._digests.changed(names, policies)
        self.policy_set = PolicySet(policies=MappingProxyType(policies), origin_sets=self.policy_set.origin_sets)
        return Change(
            base=base,
            revision=self.revision,
            policies=tuple(policies[name] for name in names if name in policies and policies[name] != before.get(name)),
            removed=tuple(name for name in names if name not in policies),
        )


def _drafts(documents: Iterable[Draft | PolicyError | None]) -> list[Draft]:
    return [one for one in documents if isinstance(one, Draft)]


class _Tables:
    """What the documents of a good set define and use together.

    Attributes:
        policies: By name, in the order of their names.
    """

    def __init__(self, policy_set: PolicySet, drafts: Sequence[Draft]) -> None:
        self.policies = dict(policy_set.policies)
        self._matches: dict[str, str] = {
            match.key: policy.name for policy in self.policies.values() for match in policy.match
        }
        self._sets = {name: one for draft in drafts for name, one in draft.sets.items()}
        self._uses = Counter(name for draft in drafts for read in draft.policies.values() for name in read.uses)

    def replace(self, old: Sequence[Draft], new: Sequence[Draft]) -> list[str] | None:
        """Replace some documents by others.

        Returns:
            The names of the policies that they define, sorted. None if the set is not good any more, or if only a look
            at all documents can tell: then the tables are useless.
        """
        if any(draft.sets for draft in (*old, *new)) or not all(map(self._is_good, new)):
            return None
        gone, coming = _policies(old), _policies(new)
        for read in gone.values():
            self._forget(read)
        is_clash = any(name in self.policies and name not in gone for name in coming)
        if is_clash or len(coming) < sum(len(draft.policies) for draft in new):
            return None
        if not all(map(self._take, coming.values())) or not all(self._uses[name] for name in self._sets):
            return None
        policies = self.policies.copy()  # the last set keeps its own
        for name in gone.keys() - coming.keys():
            del policies[name]
        is_in_order = coming.keys() <= policies.keys()
        policies |= {name: read.policy for name, read in coming.items() if read.policy is not None}
        self.policies = policies if is_in_order else dict(sorted(policies.items()))
        return sorted(gone.keys() | coming.keys()) if policies else None

    def _is_good(self, draft: Draft) -> bool:
        return draft.is_complete and not draft.mistakes and not draft.misuse(self._sets, is_complete=True)

    def _forget(self, read: ReadPolicy) -> None:
        self._uses.subtract(read.uses)
        for match in read.matches:
            if match is not None:
                self._matches.pop(match.key, None)

    def _take(self, read: ReadPolicy) -> bool:
        """Add what a policy uses; False if one of its matches is another's."""
        self._uses.update(read.uses)
        assert read.policy is not None
        name = read.policy.name
        return all(self._matches.setdefault(match.key, name) == name for match in read.policy.match)


def _policies(drafts: Iterable[Draft]) -> dict[str, ReadPolicy]:
    return {name: read for draft in drafts for name, read in draft.policies.items()}


def read_drafts(drafts: Sequence[Draft], *, unreadable: Iterable[PolicyError] = ()) -> PolicySet:
    """Make a policy set of documents.

    Args:
        drafts: The documents.
        unreadable: A mistake for each document that could not be read; whatever such a document may define is not
            reported as missing.

    Raises:
        InvalidPolicies: With every mistake of every document, in the order of their names and lines.
    """
    found = Findings()
    found.add(None, unreadable)
    is_complete = not found and all(draft.is_complete for draft in drafts)
    for draft in drafts:
        if draft.mistakes:
            found.add(draft.source, draft.mistakes)
    defined = _merge(((draft, draft.sets) for draft in drafts), "origin_sets", "origin-set-duplicate", found)
    sets = {name: defined[name][1] for name in sorted(defined)}
    for draft in drafts:
        found.add(draft.source, draft.misuse(sets, is_complete=is_complete))
    policies = _merge(((draft, draft.policies) for draft in drafts), "policies", "policy-duplicate", found)
    policies = {name: policies[name] for name in sorted(policies)}
    _check_matches(policies, found)
    if is_complete:
        _check_used(defined, policies, found)
    if is_complete and not policies:
        hint = 'The smallest: [policies.public] and under it origins = ["*"]'
        source = drafts[0].source if len(drafts) == 1 else None
        found.refuse(source, (), "no-policies", "There are no policies.", hint=hint)
    if found:
        raise found.as_error()
    return _as_set({name: read.policy for name, (_, read) in policies.items() if read.policy}, sets)


def _as_set(policies: dict[str, Policy], sets: OriginSets) -> PolicySet:
    origin_sets = {name: sets[name].patterns for name in sorted(sets)}
    return PolicySet(policies=MappingProxyType(policies), origin_sets=MappingProxyType(origin_sets))


def _merge(tables: Iterable[tuple[Draft, Mapping[str, _Read]]], key: str, code: str, found: Findings) -> _Merged[_Read]:
    """Merge one table of all documents; a name that is defined twice is a mistake that names both documents."""
    merged: _Merged[_Read] = {}
    for draft, table in tables:
        for name, read in table.items():
            first, _ = merged.setdefault(name, (draft, read))
            if first is not draft:
                message = f"{shown(name)} is already defined in {name_of(first.source)}."
                found.refuse(draft.source, (key, name), code, message, hint="Rename or remove one of them.", value=name)
    return merged


def _check_matches(policies: _Merged[ReadPolicy], found: Findings) -> None:
    """Note every `match` that finds the URLs of another policy equally well."""
    owners: dict[str, str] = {}
    for name, (draft, read) in policies.items():
        for index, match in enumerate(read.matches):
            owner = name if match is None else owners.setdefault(match.key, name)
            if match is not None and owner != name:
                message = f"{shown(match.text)} already finds the policy {shown(owner)}."
                hint = "Give one of the two a longer path or a more specific host."
                path = ("policies", name, "match", index)
                found.refuse(draft.source, path, "match-ambiguous", message, hint=hint, value=match.text)


def _check_used(sets: _Merged[OriginSet], policies: _Merged[ReadPolicy], found: Findings) -> None:
    """Note every origin set that no rule uses."""
    used: set[str] = set().union(*(read.uses for _, read in policies.values())) if sets else set()
    for name, (draft, read) in sorted(sets.items()):
        if name not in used and not read.is_refused:
            message = f"No policy uses the origin set {shown(name)}."
            hint = f'Use it in a rule as "@{name}", or remove it.'
            found.refuse(draft.source, ("origin_sets", name), "origin-set-unused", message, hint=hint, value=name)
