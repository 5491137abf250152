"""Keys of Ed25519: the only module that imports `cryptography`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cors_service.access.files import read_small_file, why_unreadable
from cors_service.bundle.envelope import Trust, Verifies
from cors_service.bundle.refusals import KeyUnusable

_LONGEST: Final = 64 * 1024
_SECRET: Final = b"PRIVATE KEY-----"

_Key = TypeVar("_Key")


def read_trust(paths: Sequence[Path], threshold: int) -> Trust:
    """Read the public keys that signatures are checked against.

    Args:
        paths: Their files.
        threshold: How many of them must have signed.

    Raises:
        KeyUnusable: A file holds none, or there are not enough.
    """
    keys = dict(_public(path) for path in paths)
    if not 1 <= threshold <= len(keys):
        count = "one key" if len(keys) == 1 else f"{len(keys)} different keys"
        raise KeyUnusable(f"The threshold is {threshold}, and there {'is' if len(keys) == 1 else 'are'} {count}.")
    return Trust(keys, threshold)


def read_signer(path: Path) -> tuple[str, Callable[[bytes], bytes]]:
    """Read a private key.

    Args:
        path: Its file.

    Returns:
        Its name, and what signs with it.

    Raises:
        KeyUnusable: The file holds none.
    """
    key = _read(path, "private", lambda text: load_pem_private_key(text, None))
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{str(path)!a} has a key of another kind than Ed25519.")
    return name_of(key.public_key()), key.sign


def new_key() -> tuple[bytes, bytes, str]:
    """Make a key.

    Returns:
        The private key and the public one, both as PEM, and their name.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key()
    return private, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), name_of(public)


def name_of(key: Ed25519PublicKey) -> str:
    """Name a key: the SHA-256 of its DER, which `openssl pkey -pubin -outform DER | sha256sum` prints, too."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _public(path: Path) -> tuple[str, Verifies]:
    key = _read(path, "public", load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{str(path)!a} has a key of another kind than Ed25519.")

    def verifies(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return name_of(key), verifies


def _read(path: Path, kind: str, load: Callable[[bytes], _Key]) -> _Key:
    try:
        text = read_small_file(path, _LONGEST)
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"The {kind} key {str(path)!a} can't be read: {why_unreadable(error)}.") from None
    if kind == "public" and _SECRET in text:
        raise KeyUnusable(
            f"{str(path)!a} is a private key, which only whoever signs may have: name the public one, *.pub."
        )
    try:
        return load(text)
    except TypeError:
        raise KeyUnusable(f"The {kind} key {str(path)!a} is encrypted: give it without a password.") from None
    except (ValueError, UnsupportedAlgorithm):
        # Its own message might show what is in the file.
        raise KeyUnusable(f"{str(path)!a} is not a {kind} key in PEM.") from None
