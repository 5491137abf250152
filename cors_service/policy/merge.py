"""The documents of a policy set, put together and checked: what they define and use of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, TypeVar

from cors_service.grammar.match import Match
from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.policy._report import Findings, Found, name_of
from cors_service.policy._rules import HEADER_SETS, ORIGIN_SETS, HeaderSet, OriginSet, SetKey, Sets
from cors_service.policy.draft import MOST_ORIGINS, Draft, ReadPolicy, too_many_origins
from cors_service.policy.model import Policy, PolicySet

_KINDS: Final = {"policies": "policy", ORIGIN_SETS: "origin-set", HEADER_SETS: "header-set"}
"""What the tables of a document define, as codes call it."""

_Key = TypeVar("_Key")
_Read = TypeVar("_Read")
# What is merged of all documents: each with the one that defines it.
_Merged = dict[_Key, tuple[Draft, _Read]]


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
    found.add(None, Found(tuple(unreadable)))
    is_complete = not found and all(draft.is_complete for draft in drafts)
    for draft in drafts:
        if draft.mistakes:
            found.add(draft.source, draft.mistakes)
    defined = _merge(((draft, draft.sets) for draft in drafts), lambda key: key, found)
    sets = {key: defined[key][1] for key in sorted(defined)}
    if sum(draft.weight_with(sets) for draft in drafts) > MOST_ORIGINS:
        # It is not looked at any further: that would take as long.
        found.add(None, Found((too_many_origins(),)))
        raise found.as_error()
    for draft in drafts:
        found.add(draft.source, draft.misuse(sets, is_complete=is_complete))
    policies = _merge(((draft, draft.policies) for draft in drafts), lambda name: ("policies", name), found)
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


def _as_set(policies: dict[str, Policy], sets: Sets) -> PolicySet:
    origin_sets = {name: one.patterns for (_, name), one in sets.items() if isinstance(one, OriginSet)}
    header_sets = {name: one.names for (_, name), one in sets.items() if isinstance(one, HeaderSet)}
    return PolicySet.of(policies.values(), origin_sets, header_sets)


def _merge(
    tables: Iterable[tuple[Draft, Mapping[_Key, _Read]]], path_of: Callable[[_Key], Path], found: Findings
) -> _Merged[_Key, _Read]:
    """Merge one table of all documents; a name that is defined twice is a mistake that names both documents."""
    merged: _Merged[_Key, _Read] = {}
    for draft, table in tables:
        for key, read in table.items():
            first, _ = merged.setdefault(key, (draft, read))
            if first is not draft:
                path = path_of(key)
                message = f"{shown(path[1])} is already defined in {name_of(first.source)}."
                hint = "Rename or remove one of them."
                found.refuse(draft.source, path, f"{_kind(path)}-duplicate", message, hint=hint, value=path[1])
    return merged


def _kind(path: Path) -> str:
    return _KINDS[str(path[0])]


def _check_matches(policies: _Merged[str, ReadPolicy], found: Findings) -> None:
    """Note every `match` that finds the URLs of another policy equally well."""
    for name, index, match, owner in ambiguous({name: read for name, (_, read) in policies.items()}):
        message = f"{shown(match.text)} already finds the policy {shown(owner)}."
        hint = "Give one of the two a longer path or a more specific host."
        path = ("policies", name, "match", index)
        found.refuse(policies[name][0].source, path, "match-ambiguous", message, hint=hint, value=match.text)


def ambiguous(policies: Mapping[str, ReadPolicy]) -> Iterator[tuple[str, int, Match, str]]:
    """Give the name of each policy and the index of each `match` of it that is also another's, and the other's name."""
    owners: dict[str, str] = {}
    for name, read in policies.items():
        for index, match in enumerate(read.matches):
            if match is not None and (owner := owners.setdefault(match.key, name)) != name:
                yield name, index, match, owner


def _check_used(
    sets: _Merged[SetKey, OriginSet | HeaderSet], policies: _Merged[str, ReadPolicy], found: Findings
) -> None:
    """Note every set that no rule uses."""
    used: set[SetKey] = set().union(*(read.uses for _, read in policies.values())) if sets else set()
    for key, (draft, read) in sorted(sets.items(), key=itemgetter(0)):
        if key not in used and not read.is_refused:
            name = key[1]
            message = f"No policy uses the {_kind(key).replace('-', ' ')} {shown(name)}."
            hint = f'Use it in a rule as "@{name}", or remove it.'
            found.refuse(draft.source, key, f"{_kind(key)}-unused", message, hint=hint, value=name)


def first_of_each(tables: Iterable[Mapping[_Key, _Read]]) -> dict[_Key, _Read]:
    """Merge tables; of what has the same name, the first counts."""
    merged: dict[_Key, _Read] = {}
    for table in tables:
        for key, read in table.items():
            merged.setdefault(key, read)
    return merged
