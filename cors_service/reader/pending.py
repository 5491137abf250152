"""A change of a directory of documents that is made, and not all in its place yet.

Whoever writes several documents as one change puts all of them beside the others, and then each into its place. If it
is killed in between, some would be new and some old. So what waits there is read as if it were in its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

LEDGER: Final = ".ledger"
"""The directory of the ledger, beside the documents."""
PENDING: Final = f"{LEDGER}/pending"
"""Where a change waits in it."""
PLAN: Final = "plan.json"
DOCUMENTS: Final = "documents"


class PlannedDocument(Struct, frozen=True):
    """What a change does to a document.

    Attributes:
        before: The hash of its text; None if there was no such document.
        is_gone: Whether it is removed.
    """

    before: str | None
    is_gone: bool = False


class Planned(Struct, frozen=True):
    """What a change does.

    Attributes:
        seq: Its number.
        documents: By their names.
    """

    seq: int
    documents: dict[str, PlannedDocument]


_NOTHING: Final[Mapping[str, PlannedDocument]] = MappingProxyType({})


def pending(directory: Path) -> Mapping[str, PlannedDocument]:
    """Give the documents of the change that waits; none as a rule."""
    waiting = f"{directory}/{PENDING}"
    # Asked at every look, so it has to be quick.
    if not os.path.exists(waiting):  # noqa: PTH110
        return _NOTHING
    with suppress(OSError, ValueError):
        return msgspec.json.decode(Path(waiting, PLAN).read_bytes(), type=Planned).documents
    return _NOTHING


def waiting_document(directory: Path, name: str) -> str:
    """The path at which a document waits."""
    return f"{directory}/{PENDING}/{DOCUMENTS}/{name}"
