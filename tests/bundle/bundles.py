"""Bundles for tests: real policies, real keys, real signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cors_service.bundle.envelope import SUFFIX, seal, statement_about, write_envelope
from cors_service.bundle.form import Bundle, write_bundle
from cors_service.bundle.keys import new_key, read_signer
from cors_service.ledger.edits import as_document
from cors_service.ledger.entry import NO_ENTRY, Head, Key
from cors_service.policy import read_document, revision

FILE = "/policies.json"
ENVELOPE = FILE + SUFFIX
HOUR = timedelta(hours=1)


class KeyPair(NamedTuple):
    """The files of a key."""

    private: Path
    public: Path

    @property
    def name(self) -> str:
        """What signatures call it."""
        return read_signer(self.private)[0]


def key_pair(directory: Path, name: str) -> KeyPair:
    """Make a key."""
    private, public, _ = new_key()
    pair = KeyPair(directory / name, directory / f"{name}.pub")
    pair.private.write_bytes(private)
    pair.public.write_bytes(public)
    return pair


def bundle(seq: int, **origins: str) -> Bundle:
    """Make a bundle of policies, each with one origin: `shop="https://shop.example.com"`."""
    bodies: dict[Key, Any] = {Key("policy", name): {"origins": [origin]} for name, origin in origins.items()}
    name = revision(read_document(as_document(bodies)))
    return Bundle(Head(seq=seq, revision=name, entry=NO_ENTRY, format=1, at="2026-11-29T00:00:00Z"), bodies)


def shop(seq: int) -> Bundle:
    """Make a bundle that differs from those of other changes."""
    return bundle(seq, shop=f"https://number-{seq}.example.com")


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def sealed(
    data: bytes,
    head: Head,
    keys: Sequence[KeyPair],
    *,
    begins: timedelta = -HOUR,
    ends: timedelta = HOUR,
    at: datetime | None = None,
) -> bytes:
    """Write the envelope of a file, signed by keys, valid from one time to another from a moment, which is now."""
    moment = at or now()
    statement = statement_about(data, head, moment + begins, moment + ends)
    return write_envelope(seal(statement, dict(read_signer(pair.private) for pair in keys)))


def files(
    one: Bundle, keys: Sequence[KeyPair], *, begins: timedelta = -HOUR, ends: timedelta = HOUR
) -> dict[str, bytes]:
    """What a web server has of a bundle."""
    data = write_bundle(one)
    return {FILE: data, ENVELOPE: sealed(data, one.head, keys, begins=begins, ends=ends)}
