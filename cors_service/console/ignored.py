"""Origins that somebody does not want to see in the inbox any more, kept in a file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

MOST: Final = 10_000
"""How many are kept; the oldest make room."""

Knocker = tuple[str | None, str | None]
"""The name of a policy and an origin, as the log has it."""


class Ignored(Struct, frozen=True, kw_only=True):
    """An origin that is not shown.

    Attributes:
        policy: The policy that it knocked at; None if none was found.
        origin: The origin; None if there was none.
        by: Who said so.
        at: When.
    """

    policy: str | None
    origin: str | None
    by: str
    at: str

    @property
    def key(self) -> Knocker:
        """What is ignored."""
        return self.policy, self.origin


class IgnoredOrigins:
    """The file. Its methods may block; one thread at a time calls them."""

    def __init__(self, path: Path) -> None:
        """Make one, with what the file has.

        Args:
            path: The file; it is made with the first origin.
        """
        self._path = path
        self._all: dict[Knocker, Ignored] = {}
        with suppress(OSError, ValueError):
            self._all = {one.key: one for one in msgspec.json.decode(path.read_bytes(), type=list[Ignored])}

    def __contains__(self, key: object) -> bool:
        return key in self._all

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> list[Ignored]:
        """Give all of them, the newest first."""
        return [*reversed(self._all.values())]

    def add(self, one: Ignored) -> None:
        """Ignore an origin.

        Raises:
            OSError: The file can't be written; then it is not ignored.
        """
        others = [other for other in self._all.values() if other.key != one.key]
        self._write([*others, one][-MOST:])

    def remove(self, key: Knocker) -> None:
        """Show an origin again.

        Raises:
            OSError: The file can't be written; then it is still ignored.
        """
        self._write([one for one in self._all.values() if one.key != key])

    def _write(self, all_of_them: list[Ignored]) -> None:
        new = self._path.with_name(f".{self._path.name}.new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(all_of_them))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._all = {one.key: one for one in all_of_them}
