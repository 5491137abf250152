"""Reads what is in etcd: each time at one revision of etcd, by reads of a quorum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import Struct

from cors_service.etcd.answers import KeyValue, Range, Transaction
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.keys import Keys, Pointer, damaged, read_pieces, read_pointer, read_record
from cors_service.etcd.member import LONG
from cors_service.etcd.refusals import Refused
from cors_service.ledger.entry import Head, Key
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Step

MOST_STEPS: Final = 2000
"""Changes that are read one by one; more are read as everything that they lead to."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""What these may take, for the same reason."""

_FIRST_PAGE: Final = 64
_LARGEST_PAGE: Final = 5000
_PAGE_BYTES: Final = 2 * 1024 * 1024
_AT_ONCE: Final = 16
_TRIES: Final = 3


class At(Struct, frozen=True, kw_only=True):
    """The head, and where in the history of etcd it was read.

    Attributes:
        pointer: What stands at the head; None if nothing does.
        cluster: Names the cluster.
        revision: The revision of etcd that it was read at.
        mod_revision: The revision that wrote it; 0 if nothing stands there.
    """

    pointer: Pointer | None
    cluster: str
    revision: int
    mod_revision: int

    @property
    def head(self) -> Head | None:
        """The newest change."""
        return None if self.pointer is None else self.pointer.head


class Reading:
    """Reads a store in etcd."""

    def __init__(self, gateway: Gateway, keys: Keys) -> None:
        """Read by a gateway what is below keys."""
        self._gateway = gateway
        self._keys = keys
        self._name = gateway.address.name

    def at(self) -> At:
        """Read the head.

        Raises:
            StoreUnavailable: A quorum does not answer, or what is there can't be used.
        """
        return self._at(self._gateway.call("kv/range", {"key": self._keys.head}, Range))

    def definitions(self) -> tuple[At, dict[Key, bytes]]:
        """Read all definitions.

        Returns:
            The head that they belong to, and the JSON of each.

        Raises:
            StoreUnavailable: They can't be read.
        """
        for _ in range(_TRIES):
            at = self.at()
            if at.pointer is None:
                return at, {}
            try:
                return at, self._definitions(at, at.pointer.generation)
            except Refused as error:
                if not error.is_history:
                    raise
        raise StoreUnavailable(f"{self._name} is compacted faster than it can be read: compact it less often.")

    def since(self, head: Head) -> tuple[At, list[Step] | None]:
        """Read the changes after one.

        Returns:
            The head that they lead to, and the changes; None if they can't be had.

        Raises:
            StoreUnavailable: They can't be read.
        """
        start, end = self._keys.changes(head.seq)
        operations = [{"key": self._keys.head}, {"key": start, "range_end": end, "limit": _AT_ONCE}]
        body = {"success": [{"request_range": operation} for operation in operations]}
        answer = self._gateway.call("kv/txn", body, Transaction)
        newest, changes = answer.ranges()
        at = self._at(Range(answer.header, newest.kvs))
        if at.head is None or at.head.seq < head.seq or at.head.seq - head.seq > MOST_STEPS:
            return at, None
        more = self.pages(changes.kvs[-1].key + b"\0", end, at, _AT_ONCE) if changes.more else ()
        try:
            steps = self._steps(chain(changes.kvs, more), at)
        except Refused as error:
            if not error.is_history:
                raise
            return at, None
        return at, steps if steps is not None and _leads_on(head, steps, at.head) else None

    def changes(self, after: int, most: int) -> Iterator[bytes]:
        """Give the records of changes in their order.

        Args:
            after: The number of the one before the first.
            most: How many at most.

        Raises:
            StoreUnavailable: They can't be read.
        """
        at = self.at()
        start, _ = self._keys.changes(after)
        last = min(after + most, 0 if at.head is None else at.head.seq)
        for kv in self.pages(start, self._keys.change(last + 1), at):
            yield self._whole(kv.value, at)

    def pages(self, start: bytes, end: bytes, at: At, most: int = _LARGEST_PAGE) -> Iterator[KeyValue]:
        """Read keys in pages, at one revision.

        Args:
            start: The first key.
            end: The first key after them.
            at: Where in the history of etcd; revision 0 for the newest.
            most: The keys of a page; few, where the next ones may be far larger.

        Raises:
            Refused: Etcd does not have this revision any more.
            StoreUnavailable: They can't be read.
        """
        limit = min(_FIRST_PAGE, most)
        while start < end:
            body = {"key": start, "range_end": end, "limit": limit, "revision": at.revision}
            page = self._gateway.call("kv/range", body, Range, LONG)
            if str(page.header.cluster_id) != at.cluster:
                raise StoreUnavailable(f"{self._name} names endpoints of different clusters: name those of one.")
            yield from page.kvs
            if not page.more or not page.kvs:
                return
            start = page.kvs[-1].key + b"\0"
            size = sum(len(kv.value) + len(kv.key) for kv in page.kvs)
            limit = max(1, min(most, _PAGE_BYTES * len(page.kvs) // size))

    def _at(self, answer: Range) -> At:
        [kv] = answer.kvs or (KeyValue(),)
        return At(
            pointer=read_pointer(kv.value, self._name) if answer.kvs else None,
            cluster=str(answer.header.cluster_id),
            revision=answer.header.revision,
            mod_revision=kv.mod_revision,
        )

    def _definitions(self, at: At, generation: str) -> dict[Key, bytes]:
        start, end = self._keys.definitions(generation)
        return {self._keys.defined_at(generation, kv.key): kv.value for kv in self.pages(start, end, at)}

    def _steps(self, kvs: Iterable[KeyValue], at: At) -> list[Step] | None:
        """Read changes; None if that is too much."""
        steps: list[Step] = []
        size = 0
        for kv in kvs:
            record = self._whole(kv.value, at)
            size += len(record)
            if size > MOST_BYTES:
                return None
            steps.append(read_record(record).step)
        return steps

    def _whole(self, value: bytes, at: At) -> bytes:
        """Give the record of a change, with all its pieces."""
        found = read_pieces(value)
        if found is None:
            return value
        pieces = [kv.value for kv in self.pages(*self._keys.pieces(found.generation), at)]
        if len(pieces) != found.count:
            raise StoreUnavailable("The ledger lacks pieces of an entry.", "store-ledger-broken")
        return b"".join(pieces)


def read_bodies(name: str, written: dict[Key, bytes]) -> dict[Key, Any]:
    """Read the JSON of definitions.

    Args:
        name: What people call the store.
        written: The JSON.

    Raises:
        StoreUnavailable: Something else is there.
    """
    try:
        return {key: msgspec.json.decode(text) for key, text in written.items()}
    except ValueError:
        raise damaged(f"{name} has a definition that is not JSON") from None


def _leads_on(head: Head, steps: list[Step], newest: Head) -> bool:
    """Whether changes follow one another, from one head to another."""
    for step in steps:
        if step.signed.entry.previous != head.entry or step.signed.entry.seq != head.seq + 1:
            return False
        head = step.signed.head
    return head == newest
