"""A file with what a store asks for and nobody else may see: the URL of the store names it."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cors_service.grammar.mistakes import shown
from cors_service.ledger.kept import StoreUnavailable

OPTION: Final = "credentials"
"""The option of a URL that names the file."""
_LARGEST: Final = 1 << 16


def read_credentials(path: str, known: Collection[str]) -> dict[str, str]:
    """Read such a file: a TOML document such as `user = "cors"` and `password = "..."`, a line each.

    It is read anew for each connection, so a password can be changed while a service runs.

    Args:
        path: Its path.
        known: The keys that it may have.

    Raises:
        StoreUnavailable: It can't be read; the text never repeats what is in it.
    """
    try:
        with Path(path).open("rb") as file:
            found = tomllib.loads(file.read(_LARGEST).decode("utf-8"))
    except OSError as error:
        raise StoreUnavailable(f"The file of credentials {shown(path)} can't be read: {error.strerror}.") from None
    except ValueError:
        lines = 'user = "NAME" and password = "PASSWORD"'
        raise StoreUnavailable(f"The file of credentials {shown(path)} is not TOML: write {lines}.") from None
    unknown = sorted(found.keys() - set(known))
    if unknown:
        keys = ", ".join(sorted(known))
        raise StoreUnavailable(f"The file of credentials {shown(path)} has a key other than these: {keys}.")
    if not all(isinstance(value, str) for value in found.values()):
        raise StoreUnavailable(f"In the file of credentials {shown(path)}, each value must be a string in quotes.")
    return found
