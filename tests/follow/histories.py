"""Histories of stores: whole changes, each with what the policies are behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from cors_service.ledger.chain import differences, revision_by
from cors_service.ledger.edits import as_document, digests_of
from cors_service.ledger.entry import NO_ENTRY, Entry, Key, Signed, Touched
from cors_service.ledger.source import Step
from cors_service.policy import PolicySet, read_document

Bodies = Mapping[Key, Any]


def policies(**origins: str) -> dict[Key, Any]:
    """Make policies, by name, each for one origin."""
    return {Key("policy", name): {"origins": [origin]} for name, origin in origins.items()}


class History:
    """Changes of a store.

    Attributes:
        steps: The changes.
        states: The definitions behind each.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.states: list[dict[Key, Any]] = []

    @property
    def revisions(self) -> dict[int, str]:
        """The revision behind each change, by its number."""
        return {step.signed.entry.seq: step.signed.entry.revision for step in self.steps}

    def copy(self, seq: int) -> History:
        """Give the beginning of it, up to a change."""
        other = History()
        other.steps, other.states = self.steps[:seq], self.states[:seq]
        return other

    def change(self, bodies: Bodies, **fields: Any) -> Step:
        """Add a change that leads to these definitions.

        Args:
            bodies: All of them.
            fields: What the entry says otherwise than it should.
        """
        before = self.states[-1] if self.states else {}
        digests = digests_of(set_of(bodies))
        changes = differences(digests_of(set_of(before)), digests)
        entry = Entry(
            seq=len(self.steps) + 1,
            previous=self.steps[-1].signed.hash if self.steps else NO_ENTRY,
            at=f"2026-11-29T00:00:{len(self.steps) % 60:02}Z",
            author="somebody",
            reason="because",
            request_id="a",
            revision=revision_by(digests),
            wider=True,
            narrower=False,
            changes=changes,
        )
        signed = Signed.of(structs.replace(entry, **fields))
        step = Step(signed, {one.key: bodies[one.key] for one in changes if one.after is not None})
        self.steps.append(step)
        self.states.append(dict(bodies))
        return step

    def write_bad(self, key: Key, body: Any) -> Step:
        """Add a change that writes a definition with mistakes, as somebody may do by hand."""
        last = self.steps[-1].signed
        touched = Touched(kind=key.kind, name=key.name, before=digests_of(set_of(self.states[-1]))[key], after="bad")
        entry = structs.replace(
            last.entry,
            seq=last.entry.seq + 1,
            previous=last.hash,
            revision=f"sha256:{'0' * 64}",
            changes=(touched,),
        )
        step = Step(Signed.of(entry), {key: body})
        self.steps.append(step)
        # Behind it, everything but this is as it was.
        self.states.append(self.states[-1])
        return step


def set_of(bodies: Bodies) -> PolicySet:
    """Read definitions."""
    return read_document(as_document(bodies)) if bodies else PolicySet.of((), {}, {})


def history(*states: Bodies) -> History:
    """Make a history with these definitions behind its changes."""
    made = History()
    for bodies in states:
        made.change(bodies)
    return made
