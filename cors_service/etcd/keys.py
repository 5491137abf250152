"""Where everything is in etcd, and what it holds.

    <prefix>/head                                the newest change, and the generation that holds the definitions
    <prefix>/d/<generation>/<kind>/<name>        a definition, as its author wrote it
    <prefix>/ledger/<seq, 16 digits>             a change: its entry, and what it wrote
    <prefix>/pieces/<generation>/<8 digits>      the same of a change that is too large for one request

A change that fits into one transaction writes the definitions into the generation that is there. A larger one copies
everything into a new generation beside, with the change in pieces; then one transaction lets the head name it, and
removes the old one. A generation is named after the number of the change that made it, and a random number: of two
writers that are at it, each has its own.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from cors_service.ledger.edits import Body
from cors_service.ledger.entry import KINDS, Entry, Head, Key, Kind, Signed, canonical
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Step

LAYOUT: Final = 1
"""The version of all this."""
FIRST: Final = "0"
"""The generation of a store that never had a large change."""

_DIGITS: Final = 16
_PIECE_DIGITS: Final = 8
# What is below these keys and sorts before letters is read, and removed, as generations and changes.
_OWN: Final = re.compile(r"(.+?)/(?:d|ledger|pieces)/[ -9]")

_T = TypeVar("_T")


class Pointer(Struct, frozen=True, kw_only=True):
    """What stands at the head.

    Attributes:
        layout: The version of the keys.
        head: The newest change.
        generation: Where the definitions are.
    """

    layout: int
    head: Head
    generation: str


class _Layout(Struct, frozen=True):
    layout: int


class Written(Struct, frozen=True):
    """A definition that a change wrote."""

    kind: Kind
    name: str
    body: msgspec.Raw


class Record(Struct, frozen=True, kw_only=True):
    """A change, as the ledger has it."""

    entry: Entry
    hash: str
    bodies: tuple[Written, ...]

    @property
    def step(self) -> Step:
        """Give the change with what it wrote."""
        bodies = {Key(one.kind, one.name): msgspec.json.decode(one.body) for one in self.bodies}
        return Step(Signed(self.entry, self.hash), bodies)


class Pieces(Struct, frozen=True, kw_only=True):
    """Where the record of a large change is.

    Attributes:
        generation: The generation that was made with it.
        count: How many pieces there are.
    """

    generation: str
    count: int


class _Large(Struct, frozen=True, omit_defaults=True):
    """What the ledger has of a large change; of another one, this leaves out everything."""

    pieces: Pieces | None = None


class Keys:
    """The keys of a store."""

    def __init__(self, prefix: str) -> None:
        """Make those that begin with a prefix."""
        self.prefix = prefix
        self.head = f"{prefix}/head".encode()

    def definition(self, generation: str, key: Key) -> bytes:
        """Where a definition is."""
        return f"{self.prefix}/d/{generation}/{key.kind}/{key.name}".encode()

    def definitions(self, generation: str) -> tuple[bytes, bytes]:
        """Where all of them are."""
        return below(f"{self.prefix}/d/{generation}/")

    def defined_at(self, generation: str, place: bytes) -> Key:
        """Say what is defined at a place.

        Raises:
            StoreUnavailable: Nothing that we know.
        """
        kind, _, name = place.decode("utf-8", "replace").removeprefix(f"{self.prefix}/d/{generation}/").partition("/")
        if kind not in KINDS:
            raise damaged(f"There is a key {self.prefix}/d/{generation}/... for what is not a definition")
        return Key(kind, name)

    def change(self, seq: int) -> bytes:
        """Where a change of the ledger is."""
        return f"{self.prefix}/ledger/{seq:0{_DIGITS}}".encode()

    def changes(self, after: int) -> tuple[bytes, bytes]:
        """Where the changes after one are."""
        # Digits alone: another store may begin with this.
        return self.change(after + 1), f"{self.prefix}/ledger/:".encode()

    def piece(self, generation: str, index: int) -> bytes:
        """Where a piece of a large change is."""
        return f"{self.prefix}/pieces/{generation}/{index:0{_PIECE_DIGITS}}".encode()

    def pieces(self, generation: str) -> tuple[bytes, bytes]:
        """Where all of them are."""
        return below(f"{self.prefix}/pieces/{generation}/")

    def dead(self, generation: str, seq: int, old: str) -> list[tuple[bytes, bytes]]:
        """Where nobody looks once a change has made a generation.

        Args:
            generation: The new one.
            seq: The number of the change.
            old: The one before.

        Returns:
            All other generations of changes up to this one: nobody can make these any more. Of the pieces, those of
            writers that did not get to make their change.
        """
        end = f"{self.prefix}/{{}}/{seq:0{_DIGITS}}."
        definitions, end_of_definitions = self.definitions(generation)
        pieces, end_of_pieces = self.pieces(generation)
        return [
            (f"{self.prefix}/d/".encode(), definitions),
            (end_of_definitions, end.format("d").encode()),
            (self.pieces(old)[1], pieces),
            (end_of_pieces, end.format("pieces").encode()),
        ]


def owner(prefix: str) -> str | None:
    """Give the prefix of the store that would take keys with another prefix for its own; None if none would."""
    found = _OWN.match(prefix)
    return None if found is None else found[1]


def new_generation(seq: int) -> str:
    """Name a generation that nobody else makes."""
    return f"{seq:0{_DIGITS}}-{secrets.token_hex(8)}"


def below(start: str) -> tuple[bytes, bytes]:
    """Give the first key that begins with something, and the first one behind all of these."""
    first = start.encode()
    return first, first[:-1] + bytes([first[-1] + 1])


def write_pointer(head: Head, generation: str) -> bytes:
    """Write what stands at the head."""
    return canonical(Pointer(layout=LAYOUT, head=head, generation=generation))


def read_pointer(value: bytes, name: str) -> Pointer:
    """Read what stands at the head.

    Args:
        value: What stands there.
        name: What people call the store.

    Raises:
        StoreUnavailable: Another version, or somebody else, wrote it.
    """
    try:
        layout = msgspec.json.decode(value, type=_Layout).layout
        if layout == LAYOUT:
            return msgspec.json.decode(value, type=Pointer)
    except ValueError:
        raise damaged(f"What {name} has at the key `head` was not written by cors-service") from None
    is_newer = layout > LAYOUT
    what = "Update cors-service" if is_newer else "Copy the policies with `cors-service pull` and `push`"
    message = (
        f"{name} is of {'a newer' if is_newer else 'an older'} version, {layout}; this one knows {LAYOUT}. {what}."
    )
    raise StoreUnavailable(message, "store-does-not-load")


def write_record(signed: Signed, bodies: Mapping[Key, Body]) -> bytes:
    """Write a change for the ledger."""
    written = tuple(Written(key.kind, key.name, msgspec.Raw(canonical(bodies[key]))) for key in sorted(bodies))
    return canonical(Record(entry=signed.entry, hash=signed.hash, bodies=written))


def write_pieces(generation: str, count: int) -> bytes:
    """Write for the ledger where a change is."""
    return canonical(_Large(Pieces(generation=generation, count=count)))


def read_pieces(value: bytes) -> Pieces | None:
    """Say where a change of the ledger is; None if it is here.

    Raises:
        StoreUnavailable: Somebody else wrote it.
    """
    return _read(value, _Large).pieces


def read_record(value: bytes) -> Record:
    """Read a change of the ledger with what it wrote.

    Raises:
        StoreUnavailable: Somebody else wrote it.
    """
    return _read(value, Record)


def read_entry(value: bytes) -> Signed:
    """Read a change of the ledger without what it wrote.

    Raises:
        StoreUnavailable: Somebody else wrote it.
    """
    return _read(value, Signed)


def _read(value: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(value, type=kind)
    except ValueError:
        raise StoreUnavailable("The ledger has what is not an entry.", "store-ledger-broken") from None


def damaged(what: str) -> StoreUnavailable:
    """Somebody else has written what is there; a sentence without its end."""
    return StoreUnavailable(f"{what}: remove it, or choose another prefix.", "store-does-not-load")
