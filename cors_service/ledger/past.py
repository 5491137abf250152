"""The policies of another moment: those of today, with what has changed since as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cors_service.ledger.edits import Body, read_body
from cors_service.ledger.entry import Key
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import Kept
from cors_service.policy import PolicySet


def set_behind(store: IChangeStore, kept: Kept, seq: int) -> PolicySet:
    """Give the policies as they were after a change; only what is different today is read.

    Args:
        store: Where the ledger is. It blocks.
        kept: What it holds.
        seq: The number of the change.

    Raises:
        LookupError: The ledger does not have them.
        StoreUnavailable: The store can't be read.
    """
    then: dict[Key, str | None] = {}
    later = store.entries(seq, kept.head.seq - seq)
    if not 0 < seq <= kept.head.seq or len(later) != kept.head.seq - seq:
        raise LookupError(f"The ledger does not lead back to change {seq}.")
    for signed in reversed(later):
        then |= {touched.key: touched.before for touched in signed.entry.changes}
    changed = [key for key, digest in then.items() if kept.digests.get(key) != digest]
    if not changed:
        return kept.policy_set
    bodies = store.bodies_at(seq)
    return _with(kept.policy_set, {key: bodies.get(key) for key in changed})


def _with(policy_set: PolicySet, bodies: Mapping[Key, Body | None]) -> PolicySet:
    """Replace some definitions of a set by others, which were checked when they were made.

    Raises:
        LookupError: One of them can't be read any more.
    """
    policies: dict[str, Any] = dict(policy_set.policies)
    origins: dict[str, Any] = dict(policy_set.origin_sets)
    headers: dict[str, Any] = dict(policy_set.header_sets)
    for key, body in bodies.items():
        table: dict[str, Any] = {"policy": policies, "origin-set": origins, "header-set": headers}[key.kind]
        table.pop(key.name, None)
        if body is not None:
            table[key.name] = read_body(key, body)
            if table[key.name] is None:
                raise LookupError(f"What the ledger has of {key.kind} {key.name} can't be read.")
    return PolicySet.of(policies.values(), origins, headers)
