"""The file of a bundle: one JSON object, the same bytes for the same change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from cors_service.bundle.refusals import BundleRefused
from cors_service.ledger.edits import Body, as_document, bodies_of
from cors_service.ledger.entry import TABLES, Head, Key, canonical
from cors_service.policy.revision import VERSION

_ABOUT: Final = {"version"}
"""What a document has beside its tables."""


class Bundle(Struct, frozen=True):
    """All policies of a moment.

    Attributes:
        head: The change that led to them.
        bodies: All definitions.
    """

    head: Head
    bodies: Mapping[Key, Body]


class _Written(Struct, frozen=True, forbid_unknown_fields=True):
    head: Head
    document: dict[str, Any]


def write_bundle(bundle: Bundle) -> bytes:
    """Write a bundle: compact JSON with sorted keys, in UTF-8, on one line."""
    return canonical(_Written(bundle.head, as_document(bundle.bodies))) + b"\n"


def read_bundle(data: bytes) -> Bundle:
    """Read a bundle; its definitions are not looked at.

    Raises:
        BundleRefused: It is something else, or of a later version.
    """
    try:
        written = msgspec.json.decode(data, type=_Written)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"This is not a bundle: {_why(data, error)}.", "bundle-malformed") from None
    if written.head.format > VERSION or written.document.get("version") != VERSION:
        raise BundleRefused(
            f"The bundle is written for a later version of cors-service: its format is {written.head.format}, and this "
            f"version reads {VERSION}. Update this one.",
            "bundle-malformed",
        )
    return Bundle(written.head, _bodies(written.document))


def _bodies(document: Mapping[str, Any]) -> dict[Key, Body]:
    unknown = sorted(document.keys() - TABLES.values() - _ABOUT)
    if unknown:
        raise BundleRefused(f"The bundle has the unknown key {unknown[0]!a}.", "bundle-malformed")
    for table in TABLES.values():
        if not isinstance(document.get(table, {}), dict):
            raise BundleRefused(f"In the bundle, {table} is not a table.", "bundle-malformed")
    return bodies_of(document)


def _why(data: bytes, error: Exception) -> str:
    if data.lstrip()[:1] == b"<":
        return "it looks like a web page"
    return "it is nested too deeply" if isinstance(error, RecursionError) else ascii(str(error))[1:-1].rstrip(".")
