"""Who vouches for a bundle, and from when until when: a DSSE envelope with a statement about the file.

A signature over the file alone would still be right when somebody gives out the file of last month. So, as TUF does,
what is signed also says how long it may be taken for the newest, and which change it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct, structs

from cors_service.bundle.form import Bundle, read_bundle
from cors_service.bundle.refusals import BundleRefused
from cors_service.bundle.times import SKEW_SECONDS, apart, clocks_apart, read_time, write_time
from cors_service.grammar.mistakes import cut
from cors_service.ledger.entry import Head, canonical

PAYLOAD_TYPE: Final = "application/vnd.cors-service.bundle+json"
SUFFIX: Final = ".dsse"
"""What follows the name of the bundle in that of the envelope."""
LONGEST: Final = 64 * 1024
"""Bytes of an envelope."""
MOST_SIGNATURES: Final = 16

_SHOWN: Final = 12
"""How many digits of a key's name people see."""

Verifies = Callable[[bytes, bytes], bool]
"""Says whether a signature, the first, is that of a key over the second."""


class Statement(Struct, frozen=True, kw_only=True):
    """What is signed about a bundle.

    Attributes:
        head: The change that led to its policies, with its number and their revision.
        not_before: From when on it may be taken.
        expires: Until when it may be taken for the newest.
        sha256: The SHA-256 of the file, as hexadecimal digits.
        length: How many bytes the file has.
    """

    head: Head
    not_before: str
    expires: str
    sha256: str
    length: int


class Signature(Struct, frozen=True):
    """The signature of one key.

    Attributes:
        keyid: The name of the key.
        sig: The signature, in base64.
    """

    keyid: str
    sig: str


class Envelope(Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """An envelope of DSSE 1.0.

    Attributes:
        payload: The statement as JSON, in base64.
        payload_type: What that is.
        signatures: Who has signed it.
    """

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


class Trust(Struct, frozen=True):
    """Which signatures are asked for.

    Attributes:
        keys: The keys, by their names.
        threshold: How many of them must have signed.
    """

    keys: Mapping[str, Verifies]
    threshold: int = 1


def statement_about(data: bytes, head: Head, not_before: datetime, expires: datetime) -> Statement:
    """Make the statement about the file of a bundle."""
    return Statement(
        head=head,
        not_before=write_time(not_before),
        expires=write_time(expires),
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
    )


def seal(statement: Statement, signers: Mapping[str, Callable[[bytes], bytes]]) -> Envelope:
    """Sign a statement.

    Args:
        statement: The statement.
        signers: For each key, by its name: what signs with it.
    """
    return sign_also(Envelope(_encoded(canonical(statement)), PAYLOAD_TYPE, ()), signers)


def sign_also(envelope: Envelope, signers: Mapping[str, Callable[[bytes], bytes]]) -> Envelope:
    """Add signatures to an envelope; an earlier one of the same key is replaced."""
    message = _signed_bytes(envelope)
    new = [Signature(keyid, _encoded(sign(message))) for keyid, sign in signers.items()]
    old = [one for one in envelope.signatures if one.keyid not in signers]
    return structs.replace(envelope, signatures=tuple(sorted([*old, *new], key=lambda one: one.keyid)))


def write_envelope(envelope: Envelope) -> bytes:
    """Write an envelope, on one line."""
    return canonical(envelope) + b"\n"


def read_envelope(data: bytes) -> Envelope:
    """Read an envelope; nothing in it is believed.

    Raises:
        BundleRefused: It is something else.
    """
    if len(data) > LONGEST:
        raise BundleRefused(f"The envelope has more than {LONGEST} bytes.", "bundle-malformed")
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except (ValueError, RecursionError):
        what = "it looks like a web page" if data.lstrip()[:1] == b"<" else "it is not what DSSE says"
        raise BundleRefused(f"This is not the envelope of a bundle: {what}.", "bundle-malformed") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        what = cut(ascii(envelope.payload_type))
        raise BundleRefused(f"The envelope is about something else: {what}.", "bundle-malformed")
    if len(envelope.signatures) > MOST_SIGNATURES:
        raise BundleRefused(f"The envelope has more than {MOST_SIGNATURES} signatures.", "bundle-malformed")
    return envelope


def verified(data: bytes, trust: Trust) -> Statement:
    """Give the statement of an envelope that enough keys have signed.

    Args:
        data: The envelope.
        trust: The keys.

    Raises:
        BundleRefused: They have not.
    """
    envelope = read_envelope(data)
    message = _signed_bytes(envelope)
    known = [one for one in envelope.signatures if one.keyid in trust.keys]
    right = {one.keyid for one in known if trust.keys[one.keyid](_decoded(one.sig), message)}
    wrong = [one.keyid for one in known if one.keyid not in right]
    # What is not signed is not even parsed.
    if len(right) < trust.threshold:
        raise _not_enough(envelope.signatures, right, wrong, trust)
    return stated(envelope)


def stated(envelope: Envelope) -> Statement:
    """Read the statement in an envelope, whoever has signed it.

    Raises:
        BundleRefused: It is malformed.
    """
    try:
        statement = msgspec.json.decode(_decoded(envelope.payload), type=Statement)
        read_time(statement.not_before)
        read_time(statement.expires)
    except (ValueError, RecursionError):
        raise BundleRefused("The envelope does not hold a statement about a bundle.", "bundle-malformed") from None
    return statement


def check_times(statement: Statement, now: datetime, there: datetime | None = None) -> None:
    """Check that a bundle may be taken for the newest now.

    Args:
        statement: What is signed about it.
        now: The time of this machine.
        there: The time of the web server, if it is known.

    Raises:
        BundleRefused: It has expired, or is not valid yet.
    """
    check_not_expired(statement, now, there)
    begins = read_time(statement.not_before)
    if now < begins - timedelta(seconds=SKEW_SECONDS):
        clocks = clocks_apart(now, there) or " Compare the clocks of this machine and of the one that signs."
        raise BundleRefused(
            f"The bundle is not valid yet: it becomes valid in {apart(begins - now)}, at {statement.not_before}."
            f"{clocks}",
            "bundle-not-yet-valid",
        )


def check_not_expired(statement: Statement, now: datetime, there: datetime | None = None) -> None:
    """Check that there is time left in which a bundle may be taken; see `check_times`.

    Raises:
        BundleRefused: It has expired.
    """
    ends = read_time(statement.expires)
    if now >= ends:
        clocks = clocks_apart(now, there) or " Sign it again."
        raise BundleRefused(
            f"The bundle expired {apart(now - ends)} ago, at {statement.expires}.{clocks}", "bundle-expired"
        )


def read_stated(statement: Statement, data: bytes) -> Bundle:
    """Read the file that a statement is about.

    Raises:
        BundleRefused: It is another.
    """
    if len(data) == statement.length and hashlib.sha256(data).hexdigest() == statement.sha256:
        bundle = read_bundle(data)
        if bundle.head == statement.head:
            return bundle
    raise BundleRefused(
        f"The bundle is not the file that was signed as change {statement.head.seq}: it was changed, or its envelope "
        "belongs to another. If this lasts, publish both again.",
        "bundle-changed",
    )


def _not_enough(signatures: Sequence[Signature], right: set[str], wrong: Sequence[str], trust: Trust) -> BundleRefused:
    if wrong:
        keys = ", ".join(short_name(keyid) for keyid in wrong)
        sentence = f"The signature of the bundle by the key {keys} is wrong: the envelope was changed."
        return BundleRefused(sentence, "bundle-signature-wrong")
    if not signatures:
        return BundleRefused("The envelope of the bundle has no signature.", "bundle-unsigned")
    if not right:
        keys = ", ".join(short_name(one.keyid) for one in signatures)
        sentence = f"The bundle is signed by the key {keys}, which --policies-key does not name."
        return BundleRefused(sentence, "bundle-key-unknown")
    sentence = f"The bundle is signed by {len(right)} of the keys, and --policies-key-threshold is {trust.threshold}."
    return BundleRefused(sentence, "bundle-unsigned")


def short_name(keyid: str) -> str:
    """Name a key for people."""
    return ascii(keyid[:_SHOWN])[1:-1]


def _signed_bytes(envelope: Envelope) -> bytes:
    """What a signature is made over: the "pre-authentication encoding" of DSSE 1.0."""
    kind, payload = envelope.payload_type.encode("utf-8"), _decoded(envelope.payload)
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise BundleRefused("The envelope has something that is not base64.", "bundle-malformed") from None
