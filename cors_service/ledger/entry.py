"""The entries of a ledger, and the head that names the newest one."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from cors_service.policy.change import Seq
from cors_service.policy.revision import VERSION

Kind = Literal["policy", "origin-set", "header-set"]
"""What a document defines, each by a name."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
TABLES: Final[dict[Kind, str]] = {"policy": "policies", "origin-set": "origin_sets", "header-set": "header_sets"}
"""The table of a document where each kind is defined."""

LONGEST_REASON: Final = 1000
"""Characters of a reason."""
NO_ENTRY: Final = ""
"""What the first entry has in the place of the hash of the one before."""

_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


class Key(Struct, frozen=True, order=True):
    """What is defined somewhere.

    Attributes:
        kind: What it is.
        name: Its name.
    """

    kind: Kind
    name: str


class Touched(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change did to one definition.

    Attributes:
        kind: What it is.
        name: Its name.
        before: The digest that it had; None if it is new.
        after: The digest that it has; None if it is gone.
    """

    kind: Kind
    name: str
    before: str | None = None
    after: str | None = None

    @property
    def key(self) -> Key:
        """What was changed."""
        return Key(self.kind, self.name)


class Witness(Struct, frozen=True):
    """A request that shows what a change lets through or keeps back.

    Attributes:
        sentence: What differs, for people.
        query: The request, as `POST /v1/decision` takes it.
    """

    sentence: str
    query: msgspec.Raw


class Entry(Struct, frozen=True, kw_only=True):
    """A change that was made.

    Attributes:
        seq: Its number; the first is 1, and none is left out.
        previous: The hash of the entry before; NO_ENTRY for the first.
        at: When it was made, as RFC 3339 has it, in UTC.
        author: Who made it; None if nobody knows.
        approver: Who approved it; None if nobody had to.
        reason: Why, in the author's words.
        request_id: Names the request that made it.
        proposal: Names the proposal that it was; None if it was none.
        revision: That of the policy set which it made.
        format: The version of the document format that can say what is in the set.
        wider: Whether it lets through what was not, or may.
        narrower: Whether it keeps back what was let through.
        witness: A request that shows that it is wider or, if it is not, narrower; None if there is none.
        changes: What it did, in the order of kinds and names.
    """

    seq: int
    previous: str
    at: str
    author: str | None
    reason: str
    request_id: str
    revision: str
    wider: bool
    narrower: bool
    changes: tuple[Touched, ...]
    approver: str | None = None
    proposal: str | None = None
    witness: Witness | None = None
    format: int = VERSION


class Signed(Struct, frozen=True):
    """An entry with its hash, as a ledger keeps it.

    Attributes:
        entry: The entry.
        hash: The SHA-256 of its canonical JSON, as hexadecimal digits.
    """

    entry: Entry
    hash: str

    @classmethod
    def of(cls, entry: Entry) -> Signed:
        """Hash an entry."""
        return cls(entry, hash_of(entry))

    @property
    def head(self) -> Head:
        """The head of a ledger that ends with this entry."""
        entry = self.entry
        return Head(seq=entry.seq, revision=entry.revision, entry=self.hash, format=entry.format, at=entry.at)


class Head(Struct, frozen=True, kw_only=True):
    """The newest change.

    Attributes:
        seq: Its number; 0 as long as there is no change.
        revision: That of the policy set which it made.
        entry: The hash of its entry.
        format: The version of the document format that can say what is in the set.
        at: When it was made.
    """

    seq: Seq
    revision: str
    entry: str
    format: int
    at: str


def hash_of(entry: Entry) -> str:
    """Hash an entry: the SHA-256 of its JSON, compact, in UTF-8, with sorted keys."""
    return hashlib.sha256(canonical(entry)).hexdigest()


def canonical(value: object) -> bytes:
    """Write a value as the one JSON that it has here."""
    return _CANONICAL.encode(value)
