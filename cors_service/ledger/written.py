"""Whether what a store holds is what the entries of its ledger wrote, and what is to be put back where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from cors_service.ledger.chain import Broken, revision_by
from cors_service.ledger.edits import Body, digest_of_body
from cors_service.ledger.entry import Entry, Head, Key, Signed
from cors_service.ledger.kept import StoreUnavailable

_MOST_NAMED: Final = 3
_UNREADABLE: Final = ""
"""Stands for the digest of what can't be read: nothing has it."""


def other_definitions(entries: Iterable[Signed], bodies: Mapping[Key, Body]) -> Iterator[Broken]:
    """Find definitions in a store that are not those that its ledger leads to."""
    last: dict[Key, tuple[int, str]] = {}
    newest = 0
    for signed in entries:
        newest = signed.entry.seq
        for touched in signed.entry.changes:
            last.pop(touched.key, None)
            if touched.after is not None:
                last[touched.key] = signed.entry.seq, touched.after
    for key, (seq, digest) in last.items():
        if key not in bodies:
            yield Broken(seq, f"The {key.kind} {key.name} that it wrote is gone, and no entry says why.")
        elif digest_of_body(key, bodies[key]) != digest:
            yield _is_another(seq, key)
    for key in sorted(bodies.keys() - last.keys()):
        yield Broken(newest, f"There is the {key.kind} {key.name}, which no entry has written.")


def other_bodies(entries: Iterable[Signed], kept: Iterable[tuple[int, Mapping[Key, Body | None]]]) -> Iterator[Broken]:
    """Find what a ledger keeps of its changes and is not what these wrote.

    Args:
        entries: The entries of the ledger.
        kept: The number of each change with the definitions that are kept of it; None, or nothing, for one that it
            removed.
    """
    expected = {signed.entry.seq: signed.entry for signed in entries}
    for seq, bodies in kept:
        entry = expected.pop(seq, None)
        if entry is None:
            yield Broken(seq, "There is what a change wrote, and no entry of it.")
        else:
            yield from _others(entry, bodies)
    for entry in expected.values():
        yield from _others(entry, {})


class Repair(Struct, frozen=True):
    """What makes a store hold again what its ledger leads to.

    Attributes:
        texts: The JSON of the definitions to put back; None for one to remove.
        broken: What can't be put back, since the ledger does not have it any more; what is there is right.
    """

    texts: Mapping[Key, bytes | None]
    broken: tuple[Broken, ...]

    @property
    def sentences(self) -> list[str]:
        """Say what it does, for people."""
        done = []
        if self.texts:
            names = [f"{key.kind} {key.name}" for key in self.texts]
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            done.append(f"Restored what was changed by hand: {', '.join(names[:_MOST_NAMED])}{more}.")
        if self.broken:
            done.append(f"The policies are right, but their ledger was changed by hand. {_named(self.broken)}")
        return done


def repair(
    name: str, head: Head, entries: Iterable[Signed], kept: Mapping[Key, bytes], there: Mapping[Key, bytes]
) -> Repair:
    """Find out what to put back in a store that somebody may have changed by hand.

    Args:
        name: What people call the store.
        head: Its newest change.
        entries: All entries of its ledger, in their order.
        kept: The JSON of all definitions that the ledger keeps as the newest.
        there: The JSON of all definitions that the store holds.

    Raises:
        StoreUnavailable: What the head names is not there any more; the text names the entries that were changed.
    """
    known = list(entries)
    last = {touched.key: (signed.entry.seq, touched.after) for signed in known for touched in signed.entry.changes}
    result = dict(there)
    texts: dict[Key, bytes | None] = {}
    broken = list[Broken]()
    for key in sorted(last.keys() | kept.keys() | there.keys()):
        text = kept.get(key)
        if text == there.get(key):
            continue
        seq, after = last.get(key, (head.seq, None))
        if (None if text is None else _digest(key, text)) != after:
            broken.append(_is_another(seq, key))
            continue
        texts[key] = text
        if text is None:
            result.pop(key)
        else:
            result[key] = text
    if revision_by({key: _digest(key, text) for key, text in result.items()}) != head.revision:
        lost = list(other_definitions(known, {key: _read(text) for key, text in result.items()}))
        raise StoreUnavailable(
            f"Nothing was restored: {name} does not hold what change {head.seq} wrote, and its ledger does not have it "
            f"any more. {_named(lost)} Restore a backup, or push the policies into another store.",
            "store-ledger-broken",
        )
    return Repair(texts, tuple(broken))


def _others(entry: Entry, bodies: Mapping[Key, Body | None]) -> Iterator[Broken]:
    for touched in entry.changes:
        body = bodies.get(touched.key)
        digest = None if body is None else digest_of_body(touched.key, body) or _UNREADABLE
        if digest != touched.after:
            yield _is_another(entry.seq, touched.key)
    for key in sorted(bodies.keys() - {touched.key for touched in entry.changes}):
        yield Broken(entry.seq, f"There is the {key.kind} {key.name}, which it did not write.")


def _is_another(seq: int, key: Key) -> Broken:
    return Broken(seq, f"What is kept of the {key.kind} {key.name} is not what it wrote.")


def _digest(key: Key, text: bytes) -> str:
    return digest_of_body(key, _read(text)) or _UNREADABLE


def _read(text: bytes) -> Body:
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return None


def _named(broken: Iterable[Broken]) -> str:
    return " ".join(f"Entry {one.seq}: {one.sentence}" for one in islice(broken, _MOST_NAMED))
