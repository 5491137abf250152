"""Whether a ledger is whole: its entries follow each other, and lead to the revisions that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from cors_service.ledger.entry import NO_ENTRY, Head, Key, Kind, Signed, Touched, hash_of
from cors_service.policy.revision import revision_of

Digests = Mapping[Key, str]
"""The digest of each definition of a policy set."""


class Broken(Struct, frozen=True):
    """Something that does not fit.

    Attributes:
        seq: The number of the entry.
        sentence: What does not fit, for people.
    """

    seq: int
    sentence: str


def verify(entries: Iterable[Signed], head: Head | None) -> Iterator[Broken]:
    """Check the entries of a ledger, from the first to the last.

    Args:
        entries: All of them, in their order.
        head: What the ledger gives as its newest change; None if it gives nothing.

    Yields:
        What does not fit.
    """
    hash_before, digests, seq = NO_ENTRY, dict[Key, str](), 0
    newest: Head | None = None
    for signed in entries:
        entry = signed.entry
        seq += 1
        yield from _misfits(seq, hash_before, signed)
        for touched in entry.changes:
            if digests.get(touched.key) != touched.before:
                yield Broken(seq, f"The {touched.kind} {touched.name} was not what the entry says.")
            put(digests, touched)
        if revision_by(digests) != entry.revision:
            yield Broken(seq, "The revision is not that of the definitions that the entries lead to.")
        hash_before, newest = signed.hash, signed.head
    last = 0 if newest is None else newest.seq
    if head is not None and head.seq > last:
        yield missing(last + 1, head)
    elif head != newest:
        names = "nothing" if head is None else f"entry {head.seq}, {head.entry[:12]}"
        yield Broken(seq, f"The head names {names}, which is not the newest entry.")


def missing(seq: int, head: Head) -> Broken:
    """Say that there is no entry of a number, although the head names it or a later one."""
    return Broken(seq, f"This entry is missing; the head names entry {head.seq}.")


def does_not_follow(head: Head, entries: Iterable[Signed]) -> Broken | None:
    """Find the first entry that does not follow what was before it.

    Args:
        head: The change before the first one.
        entries: Some entries of a ledger, in their order.

    Returns:
        What does not fit; None if everything does.
    """
    seq, hash_before = head.seq, head.entry
    for signed in entries:
        seq += 1
        for broken in _misfits(seq, hash_before, signed):
            return broken
        hash_before = signed.hash
    return None


def digests_of_entries(entries: Iterable[Signed]) -> dict[Key, str]:
    """Give the digests that entries lead to, from the first on."""
    digests: dict[Key, str] = {}
    for signed in entries:
        for touched in signed.entry.changes:
            put(digests, touched)
    return digests


def _misfits(seq: int, hash_before: str, signed: Signed) -> Iterator[Broken]:
    """Say what of an entry does not fit its place in the chain."""
    entry = signed.entry
    if entry.seq != seq:
        yield Broken(seq, f"This entry says that it is number {entry.seq}.")
    if hash_of(entry) != signed.hash:
        yield Broken(seq, "The entry was changed: its hash is not that of its content.")
    if entry.previous != hash_before:
        yield Broken(seq, f"The entry does not follow the one before: either that or entry {seq} was replaced.")


def put(digests: dict[Key, str], touched: Touched) -> None:
    """Follow a change."""
    if touched.after is None:
        digests.pop(touched.key, None)
    else:
        digests[touched.key] = touched.after


def revision_by(digests: Digests) -> str:
    """Name a policy set by the digests of its definitions, none of which is without use."""
    tables: dict[Kind, dict[str, str]] = {"policy": {}, "origin-set": {}, "header-set": {}}
    for key, digest in digests.items():
        tables[key.kind][key.name] = digest
    return revision_of(tables["policy"], tables["origin-set"], tables["header-set"])


def differences(before: Digests, after: Digests) -> tuple[Touched, ...]:
    """Say what leads from one set to another, in the order of kinds and names."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return tuple(Touched(kind=key.kind, name=key.name, before=before.get(key), after=after.get(key)) for key in keys)
