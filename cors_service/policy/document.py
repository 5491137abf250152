"""Documents in and out: from one or several documents to a checked policy set, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import structs

from cors_service.grammar.match import Match
from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.policy._report import Place, Report, Source, name_of, raise_all
from cors_service.policy._structure import Document
from cors_service.policy.draft import Draft, ReadPolicy, ReadSet
from cors_service.policy.model import Policy, PolicySet, Rule

VERSION: Final = 1
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
_Found = list[tuple[Source | None, PolicyError]]
_Read = TypeVar("_Read")


def read_sources(sources: Sequence[Source], *, unreadable: Iterable[PolicyError] = ()) -> PolicySet:
    """Read the documents that together make up a policy set.

    Names are shared: a policy of one document may use the origin set of another.

    Args:
        sources: The texts.
        unreadable: A mistake for each document whose text could not be had; nothing is said to be missing
            that may stand in one of them.

    Raises:
        InvalidPolicies: With every mistake of every document, in the order of their names and lines.
    """
    return read_drafts([Draft(source) for source in sources], unreadable=unreadable)


def read_document(document: Mapping[str, Any]) -> PolicySet:
    """Read a policy document that is a structure already, such as one built by a program.

    Args:
        document: As `json.loads` would give it.

    Raises:
        InvalidPolicies: With every mistake of the document.
    """
    return read_drafts([Draft(None, document)])


def read_drafts(drafts: Sequence[Draft], *, unreadable: Iterable[PolicyError] = ()) -> PolicySet:
    """Read the policy set that documents make up of which some, or most, were read before.

    Args:
        drafts: The documents; what was read of them is kept in them for the next time.
        unreadable: A mistake for each document whose text could not be had.

    Returns:
        The set. Policies of documents that stayed as they were are the same objects as before.

    Raises:
        InvalidPolicies: With every mistake of every document, in the order of their names and lines.
    """
    found: _Found = [(None, error) for error in unreadable]
    is_complete = not found and all(draft.is_complete for draft in drafts)
    for draft in drafts:
        found += [(draft.source, error) for error in draft.mistakes]
    sets = _collect(((draft, draft.sets) for draft in drafts), "origin_sets", "origin-set-duplicate", found)
    origins = {name: read.origins for name, (_, read) in sorted(sets.items())}
    for draft in drafts:
        draft.finish(origins, is_complete=is_complete)
    policies = _collect(((draft, draft.policies) for draft in drafts), "policies", "policy-duplicate", found)
    policies = {name: policies[name] for name in sorted(policies)}
    _gather({name: sets[name] for name in origins}, found)
    _gather(policies, found)
    _check_matches(policies, found)
    if is_complete:
        _check_used(sets, policies, found)
        if not policies:
            hint = 'The smallest: [policies.public] and under it origins = ["*"]'
            source = drafts[0].source if len(drafts) == 1 else None
            _refuse(found, source, (), PolicyError("no-policies", "There are no policies.", hint=hint))
    if found:
        raise_all(found)
    return PolicySet.of(
        (read.policy for _, read in policies.values() if read.policy),
        {name: one.patterns for name, one in origins.items()},
    )


def write_document(policy_set: PolicySet, names: Iterable[str] | None = None) -> Document:
    """Write a policy set as a document; reading it gives an equal set of the same revision.

    Args:
        policy_set: What is to be written.
        names: The policies wanted, with the origin sets that they use; all of both by default.

    Returns:
        JSON types, every default spelled out.
    """
    wanted = policy_set.policies if names is None else {name: policy_set.policies[name] for name in names}
    used = {pattern[1:] for policy in wanted.values() for pattern in _used(policy)}
    return {
        "version": VERSION,
        "origin_sets": {
            name: list(origins) for name, origins in sorted(policy_set.origin_sets.items()) if name in used
        },
        "policies": {name: _write_policy(wanted[name]) for name in sorted(wanted)},
    }


def revision(policy_set: PolicySet) -> str:
    """Name a policy set by its content: see `revision_of`."""
    used = {pattern[1:] for policy in policy_set.policies.values() for pattern in _used(policy)}
    return revision_of(
        {name: digest_of(policy) for name, policy in policy_set.policies.items()},
        {name: digest_of(origins) for name, origins in sorted(policy_set.origin_sets.items()) if name in used},
    )


def revision_of(policies: Mapping[str, str], origin_sets: Mapping[str, str]) -> str:
    """Name a policy set by the digests of its parts.

    It is `sha256:` and the hash, in hexadecimal, of the canonical document in which the digest of each part stands in
    the place of the part; so that a change costs the hash of what changed, and not of everything.

    Args:
        policies: The digest of each policy, by name.
        origin_sets: The digest of each origin set that is used, by name.
    """
    document = {"version": VERSION, "policies": policies, "origin_sets": origin_sets}
    return f"sha256:{_sha256(document)}"


def digest_of(part: Policy | tuple[str, ...]) -> str:
    """Hash a policy, or the patterns of an origin set, as it is written in the canonical document.

    Returns:
        The SHA-256, in hexadecimal, of compact JSON in UTF-8 with sorted keys.
    """
    return _sha256(_write_policy(part) if isinstance(part, Policy) else part)


def _sha256(value: object) -> str:
    return hashlib.sha256(_CANONICAL.encode(value)).hexdigest()


def _used(policy: Policy) -> Iterable[str]:
    return (pattern for rule in policy.rules for pattern in rule.origins if pattern[:1] == "@")


def _write_policy(policy: Policy) -> Document:
    return {
        "match": list(policy.match),
        "preflight_status": policy.preflight_status,
        "rules": [_write_rule(rule) for rule in policy.rules],
    }


def _write_rule(rule: Rule) -> Document:
    # An absent header has no value to write, so these two keys are left out instead.
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in structs.asdict(rule).items()
        if value is not None
    }


class _HasMistakes(Protocol):
    @property
    def mistakes(self) -> tuple[PolicyError, ...]: ...


_HasThem = TypeVar("_HasThem", bound=_HasMistakes)


def _refuse(found: _Found, source: Source | None, path: Path, error: PolicyError) -> None:
    found.append((source, Place(Report(), source, path).mark(error)))


def _gather(named: Mapping[str, tuple[Draft, _HasThem]], found: _Found) -> None:
    for draft, read in named.values():
        if read.mistakes:
            found += [(draft.source, error) for error in read.mistakes]


def _collect(
    tables: Iterable[tuple[Draft, Mapping[str, _Read]]], key: str, code: str, found: _Found
) -> dict[str, tuple[Draft, _Read]]:
    """Merge one table of all documents; a name defined twice is a mistake that names both places."""
    merged: dict[str, tuple[Draft, _Read]] = {}
    for draft, table in tables:
        for name, read in table.items():
            first, _ = merged.setdefault(name, (draft, read))
            if first is not draft:
                message = f"{shown(name)} is defined in {name_of(first.source)} already."
                error = PolicyError(code, message, hint="Rename or remove one of them.", value=name)
                _refuse(found, draft.source, (key, name), error)
    return merged


def _check_matches(policies: Mapping[str, tuple[Draft, ReadPolicy]], found: _Found) -> None:
    """Note every `match` that is malformed, or that finds the URLs of another policy equally well."""
    owners: dict[Match, str] = {}
    for name, (draft, read) in policies.items():
        for index, text, match in read.matches:
            if isinstance(match, PolicyError):
                found.append((draft.source, match))
                continue
            owner = owners.setdefault(match, name)
            if owner != name:
                message = f"{shown(text)} finds the policy {shown(owner)} already."
                hint = "Give one of the two a longer path or a more specific host."
                error = PolicyError("match-ambiguous", message, hint=hint, value=text)
                _refuse(found, draft.source, ("policies", name, "match", index), error)


def _check_used(
    sets: Mapping[str, tuple[Draft, ReadSet]], policies: Mapping[str, tuple[Draft, ReadPolicy]], found: _Found
) -> None:
    """Note every origin set that no rule uses."""
    used: set[str] = set().union(*(read.uses for _, read in policies.values() if read.uses)) if sets else set()
    for name, (draft, read) in sorted(sets.items()):
        if name not in used and not read.is_refused:
            message = f"No policy uses the origin set {shown(name)}."
            hint = f'Use it in a rule as "@{name}", or remove it.'
            error = PolicyError("origin-set-unused", message, hint=hint, value=name)
            _refuse(found, draft.source, ("origin_sets", name), error)
