"""What somebody wants to change: definitions to write and to remove."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.entry import TABLES, Key
from cors_service.policy import PolicySet
from cors_service.policy.draft import Draft
from cors_service.policy.model import Policy
from cors_service.policy.revision import digest_of

Body = Any
"""A definition as a document has it, as JSON types: a table for a policy, a list for a set."""


class Edit(Struct, frozen=True):
    """One definition to write or to remove.

    Attributes:
        key: What is defined.
        body: The definition; None to remove it.
    """

    key: Key
    body: Body | None


def digests_of(policy_set: PolicySet) -> dict[Key, str]:
    """Give the digest of each definition of a policy set."""
    return {
        **{Key("policy", name): digest_of(policy) for name, policy in policy_set.policies.items()},
        **{Key("origin-set", name): digest_of(origins) for name, origins in policy_set.origin_sets.items()},
        **{Key("header-set", name): digest_of(names) for name, names in policy_set.header_sets.items()},
    }


def read_body(key: Key, body: Body) -> Policy | tuple[Any, ...] | None:
    """Read a definition by itself, apart from what it uses of others; None if it can't be read."""
    return _read(key, _draft(key, body))


def digest_of_body(key: Key, body: Body) -> str | None:
    """Give the digest that a definition has in a policy set; None if it has mistakes by itself."""
    draft = _draft(key, body)
    read = None if draft.mistakes else _read(key, draft)
    return None if read is None else digest_of(read)


def _draft(key: Key, body: Body) -> Draft:
    return Draft(None, {"version": 1, TABLES[key.kind]: {key.name: body}})


def _read(key: Key, draft: Draft) -> Policy | tuple[Any, ...] | None:
    if key.kind == "policy":
        read = draft.policies.get(key.name)
        return None if read is None else read.policy
    sets: Mapping[str, tuple[Any, ...]] = draft.origin_sets if key.kind == "origin-set" else draft.header_sets
    return sets.get(key.name)


def check_bodies(edits: Iterable[Edit]) -> None:
    """Check definitions by themselves, apart from what they use of others.

    Raises:
        InvalidPolicies: With every mistake.
    """
    bodies = {edit.key: edit.body for edit in edits if edit.body is not None}
    mistakes = Draft(None, as_document(bodies)).mistakes
    if mistakes:
        raise InvalidPolicies(mistakes.errors, mistakes.more)


def changing(edits: Iterable[Edit], digests: Mapping[Key, str]) -> list[Edit]:
    """Give those edits that write something else than what is there, however it is put; one with mistakes always does.

    Args:
        edits: The edits.
        digests: What is there.
    """
    return [edit for edit in edits if edit.body is None or not _is_there(edit.key, edit.body, digests)]


def _is_there(key: Key, body: Body, digests: Mapping[Key, str]) -> bool:
    digest = digest_of_body(key, body)
    return digest is not None and digest == digests.get(key)


def replacing(bodies: Mapping[Key, Body], digests: Mapping[Key, str], owned: Iterable[Key]) -> list[Edit]:
    """Give what makes definitions take the place of others.

    Args:
        bodies: The definitions that there are to be.
        digests: What is there.
        owned: What of it they take the place of.
    """
    changed = changing([Edit(key, body) for key, body in sorted(bodies.items())], digests)
    return [*changed, *(Edit(key, None) for key in sorted(set(owned) - bodies.keys()))]


def bodies_of(document: Mapping[str, Any]) -> dict[Key, Body]:
    """Give the definitions of a document."""
    return {Key(kind, name): body for kind, table in TABLES.items() for name, body in document.get(table, {}).items()}


def as_document(bodies: Mapping[Key, Body]) -> dict[str, Any]:
    """Write definitions as one document."""
    document: dict[str, Any] = {"version": 1, "policies": {}}
    for key in sorted(bodies):
        document.setdefault(TABLES[key.kind], {})[key.name] = bodies[key]
    return document
