"""What a prefix in etcd needs before it can hold policies: a ledger that begins, and definitions that it led to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

from cors_service.etcd.address import read_address
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.keys import Keys, read_record
from cors_service.etcd.reading import At, Reading
from cors_service.etcd.writing import Writing
from cors_service.ledger.definitions import begun
from cors_service.ledger.entry import Key, Signed, canonical
from cors_service.ledger.kept import Outdated, StoreUnavailable
from cors_service.ledger.written import repair


def prepare_store(url: str) -> list[str]:
    """Let a ledger begin, if there is none, and put back what somebody changed past it; it may be repeated.

    Args:
        url: The URL of the store; its user must be allowed to write below the prefix.

    Returns:
        What was done, a sentence each.

    Raises:
        NoSuchStore: The URL names no store in etcd.
        StoreUnavailable: It can't be done; the text is a sentence that says why.
    """
    address = read_address(url)
    keys = Keys(address.prefix)
    with closing(Gateway(address)) as gateway:
        reading = Reading(gateway, keys)
        writing = Writing(gateway, keys, reading)
        at, written = reading.definitions()
        try:
            if at.pointer is None:
                writing.commit(at, begun(time.time()), {})
                return [f"Began the ledger below {address.prefix}: there are no policies yet."]
            count = f"{at.pointer.head.seq} {'entry' if at.pointer.head.seq == 1 else 'entries'}"
            done = [f"The ledger below {address.prefix} is there already, with {count}."]
            return done + _restore(address.name, reading, writing, at, written)
        except Outdated:
            raise StoreUnavailable(f"Somebody has changed {address.name} meanwhile: try again.") from None


def _restore(name: str, reading: Reading, writing: Writing, at: At, written: Mapping[Key, bytes]) -> list[str]:
    """Put back what somebody changed by hand, out of what each change wrote."""
    assert at.head is not None
    kept: dict[Key, bytes] = {}
    entries = list[Signed]()
    for record in reading.changes(0, at.head.seq):
        step = read_record(record).step
        entries.append(step.signed)
        for touched in step.signed.entry.changes:
            kept.pop(touched.key, None)
            if touched.key in step.bodies:
                kept[touched.key] = canonical(step.bodies[touched.key])
    found = repair(name, at.head, entries, kept, written)
    if found.texts:
        writing.restore(at, found.texts)
    return found.sentences
