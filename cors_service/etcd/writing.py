"""Makes a change in etcd: in one transaction that compares the head with what the change was planned for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from msgspec import structs

from cors_service.etcd.answers import Range, Transaction
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.keys import (
    FIRST,
    Keys,
    new_generation,
    read_entry,
    read_pieces,
    read_pointer,
    write_pieces,
    write_pointer,
    write_record,
)
from cors_service.etcd.member import LONG
from cors_service.etcd.reading import At, Reading
from cors_service.etcd.refusals import Refused
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Signed, canonical
from cors_service.ledger.kept import Outdated, StoreUnavailable

MOST_OPERATIONS: Final = 128
"""Of one transaction (--max-txn-ops)."""
MOST_BYTES: Final = 1_400_000
"""Of one request: etcd takes 1.5 MiB (--max-request-bytes), in its own encoding."""

_PIECE: Final = 1_000_000
_OPERATION_BYTES: Final = 64
# How long a transaction may take that removes 100,000 keys.
_VERY_LONG: Final = 30.0


class Writing:
    """Writes a store in etcd."""

    def __init__(self, gateway: Gateway, keys: Keys, reading: Reading) -> None:
        """Write by a gateway what is below keys."""
        self._gateway = gateway
        self._keys = keys
        self._reading = reading
        self._name = gateway.address.name

    def commit(self, at: At, signed: Signed, bodies: Mapping[Key, Body]) -> None:
        """Make a change.

        Args:
            at: The head that it follows, as it was read.
            signed: Its entry.
            bodies: The definitions that it writes.

        Raises:
            Outdated: The head is another one by now.
            StoreUnavailable: It can't be written. Nothing is changed, or all will be.
        """
        generation = FIRST if at.pointer is None else at.pointer.generation
        written = {key: canonical(body) for key, body in bodies.items()}
        self._check_sizes(written)
        record = write_record(signed, bodies)
        operations = [*self._edits(generation, signed, written), _put(self._keys.change(signed.entry.seq), record)]
        if len(operations) < MOST_OPERATIONS and sum(map(_size, operations)) < MOST_BYTES:
            self._flip(at, signed, generation, operations, LONG)
        else:
            self._commit_large(at, signed, written, record)

    def restore(self, at: At, texts: Mapping[Key, bytes | None]) -> None:
        """Put definitions back, as long as no change comes between.

        Args:
            at: The head that they belong to, as it was read.
            texts: Their JSON; None for one that is to be removed.

        Raises:
            Outdated: The head is another one by now.
            StoreUnavailable: They can't be written.
        """
        assert at.pointer is not None
        places = {self._keys.definition(at.pointer.generation, key): text for key, text in texts.items()}
        self._write(at, (_remove(key) if text is None else _put(key, text) for key, text in places.items()))

    def _commit_large(self, at: At, signed: Signed, written: Mapping[Key, bytes], record: bytes) -> None:
        """Make a change by a new generation beside the one that is there."""
        old = FIRST if at.pointer is None else at.pointer.generation
        generation = new_generation(signed.entry.seq)
        pieces = [record[start : start + _PIECE] for start in range(0, len(record), _PIECE)]
        try:
            self._write(at, self._copies(at, old, generation, signed))
            self._write(at, (_put(self._keys.definition(generation, key), text) for key, text in written.items()))
            self._write(at, (_put(self._keys.piece(generation, i), piece) for i, piece in enumerate(pieces)))
        except (Outdated, StoreUnavailable):
            self._remove_generation(generation)
            raise
        named = _put(self._keys.change(signed.entry.seq), write_pieces(generation, len(pieces)))
        removed = [_remove(*some) for some in self._keys.dead(generation, signed.entry.seq, old)]
        try:
            self._flip(at, signed, generation, [named, *removed], _VERY_LONG)
        except Outdated:
            # Behind any other error, the head may still come to name it.
            self._remove_generation(generation)
            raise

    def _flip(self, at: At, signed: Signed, generation: str, operations: list[Any], seconds: float) -> None:
        """Let the head name a change, if it names still what the change follows.

        It may arrive more than once, even much later, by a member that was stopped: only the first can find the head
        that it compares with.
        """
        head, place = self._keys.head, self._keys.change(signed.entry.seq)
        body = {
            "compare": [self._is_at(at)],
            "success": [_put(head, write_pointer(signed.head, generation)), *operations],
            "failure": [_read(head), _read(place)],
        }
        try:
            answer = self._gateway.call("kv/txn", body, Transaction, seconds)
        except Refused:
            # Etcd may say that it has no space, and yet have made the change.
            if self._reading.at().head != signed.head:
                raise
            return
        except StoreUnavailable as error:
            message = f"{error} It is not known whether the change was made: look at the ledger."
            raise StoreUnavailable(message, error.code) from None
        if not answer.succeeded:
            newest, change = answer.ranges()
            self._check_made(newest, change, signed, generation)

    def _is_at(self, at: At) -> dict[str, Any]:
        """What to compare: whether the head is still the one that was read."""
        return {"key": self._keys.head, "target": "MOD", "result": "EQUAL", "mod_revision": at.mod_revision}

    def _check_made(self, newest: Range, change: Range, signed: Signed, generation: str) -> None:
        """Raise `Outdated` unless it was this very change that took the place, asked for a first time."""
        head = self._named(newest)
        value = change.kvs[0].value if change.kvs else b"{}"
        pieces = read_pieces(value)
        if pieces is None:
            is_ours = bool(change.kvs) and read_entry(value) == signed
        else:
            is_ours = pieces.generation == generation
        if not is_ours:
            raise Outdated(head)

    def _edits(self, generation: str, signed: Signed, written: Mapping[Key, bytes]) -> Iterator[Any]:
        for touched in signed.entry.changes:
            place = self._keys.definition(generation, touched.key)
            yield _remove(place) if touched.after is None else _put(place, written[touched.key])

    def _copies(self, at: At, old: str, generation: str, signed: Signed) -> Iterator[dict[str, Any]]:
        """Give what a change leaves as it is, at its new place.

        It is read at whatever revision etcd is at: it can't have changed before the head does.
        """
        touched = {self._keys.definition(old, one.key) for one in signed.entry.changes}
        start, end = self._keys.definitions(old)
        new, _ = self._keys.definitions(generation)
        for kv in self._reading.pages(start, end, structs.replace(at, revision=0)):
            if kv.key not in touched:
                yield _put(new + kv.key[len(start) :], kv.value)

    def _write(self, at: At, operations: Iterable[dict[str, Any]]) -> None:
        """Write in as many transactions as it takes, each of them only while the head is the one that was read.

        A member that was stopped may do what it was asked for long after another one has done it. Then a change may
        have been made of what this wrote.
        """
        for batch in _batches(operations):
            body = {"compare": [self._is_at(at)], "success": batch, "failure": [_read(self._keys.head)]}
            answer = self._gateway.call("kv/txn", body, Transaction, LONG)
            if not answer.succeeded:
                [newest] = answer.ranges()
                raise Outdated(self._named(newest))

    def _named(self, newest: Range) -> Head:
        """What the head names, which is not what was read."""
        if not newest.kvs:
            raise StoreUnavailable(f"Somebody has removed what {self._name} had: look at the prefix.")
        return read_pointer(newest.kvs[0].value, self._name).head

    def _remove_generation(self, generation: str) -> None:
        """Remove what no head will ever name; if that fails, the next large change does."""
        some = (self._keys.definitions(generation), self._keys.pieces(generation))
        with suppress(StoreUnavailable):
            self._gateway.call("kv/txn", {"success": [_remove(*one) for one in some]}, Transaction, LONG)

    def _check_sizes(self, written: Mapping[Key, bytes]) -> None:
        for key, text in written.items():
            if len(text) > MOST_BYTES // 2:
                message = f"The {key.kind} {key.name} is too large for etcd: write it as several, of 700 kB at most."
                raise StoreUnavailable(message)


def _batches(operations: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Group operations into transactions as large as etcd takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for operation in operations:
        size += _size(operation)
        if batch and (len(batch) == MOST_OPERATIONS or size > MOST_BYTES):
            yield batch
            batch, size = [], _size(operation)
        batch.append(operation)
    if batch:
        yield batch


def _read(key: bytes) -> dict[str, Any]:
    return {"request_range": {"key": key}}


def _put(key: bytes, value: bytes) -> dict[str, Any]:
    return {"request_put": {"key": key, "value": value}}


def _remove(key: bytes, end: bytes = b"") -> dict[str, Any]:
    return {"request_delete_range": {"key": key, "range_end": end}}


def _size(operation: dict[str, Any]) -> int:
    [fields] = operation.values()
    return _OPERATION_BYTES + sum(map(len, fields.values()))
