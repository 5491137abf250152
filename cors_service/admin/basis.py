"""What a proposal rests on: all that decides what it lets through, and that others may change while it waits.

What it is shown to let through says little of it: that pages of a rule may use a method does not say which pages these
are, nor that a policy lets somebody in, what else they may do. So whoever approves it approves it for the definitions
that there were, and for no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from cors_service.algebra import Comparison
from cors_service.algebra.neighbours import neighbours
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Key, Kind, canonical
from cors_service.ledger.kept import Kept
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy


class Used(Struct, frozen=True, kw_only=True):
    """A definition that a proposal rests on.

    Attributes:
        kind: What it is.
        name: Its name.
        digest: Its digest; None if there was none of this name.
    """

    kind: Kind
    name: str
    digest: str | None


class Basis(Struct, frozen=True, kw_only=True):
    """What a proposal rests on.

    Attributes:
        definitions: What it writes and removes, the policies that it reaches, and the sets that these use before or
            after it.
        matches: A digest of the matches that keep URLs from it, or get those that it gives up. If nobody knows which
            policies it reaches, the revision of all.
    """

    definitions: tuple[Used, ...]
    matches: str

    def holds(self, kept: Kept) -> bool:
        """Say whether the definitions are what they were."""
        return all(kept.digests.get(Key(one.kind, one.name)) == one.digest for one in self.definitions)


def basis_of(kept: Kept, edits: Iterable[Edit], after: PolicySet, comparison: Comparison) -> Basis:
    """Say what a change rests on.

    Args:
        kept: What is there.
        edits: What the change writes and removes.
        after: The policies that it leads to.
        comparison: What it lets through and keeps back.
    """
    keys = {edit.key for edit in edits}
    for name in comparison.reaches or ():
        keys.add(Key("policy", name))
        for policy_set in (kept.policy_set, after):
            if name in policy_set.policies:
                keys |= sets_used_by(policy_set.policies[name])
    return Basis(
        definitions=tuple(Used(kind=key.kind, name=key.name, digest=kept.digests.get(key)) for key in sorted(keys)),
        matches=kept.head.revision if comparison.reaches is None else _digest(neighbours(kept.policy_set, after)),
    )


def sets_used_by(policy: Policy) -> set[Key]:
    """Give the sets that a policy uses."""
    return {
        *(Key("origin-set", name) for name in policy.uses),
        *(Key("header-set", name) for name in policy.uses_headers),
    }


def _digest(matches: dict[str, str]) -> str:
    return hashlib.sha256(canonical(matches)).hexdigest()
