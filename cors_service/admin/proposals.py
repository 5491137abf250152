"""Changes that wait for a second person: each in a file of its own."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from cors_service.admin.basis import Basis
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Touched

MOST_PROPOSALS: Final = 1000
LARGEST_PROPOSAL: Final = 1024 * 1024
"""Bytes of a proposal, with what it would let through."""
_ID: Final = re.compile("[0-9a-f]{16}")


class Proposal(Struct, frozen=True, kw_only=True):
    """A change that somebody wants.

    Attributes:
        id: Its name.
        at: When it was proposed.
        author: Who proposed it.
        reason: Why.
        request_id: Names the request that proposed it.
        base: The number of the newest change at that time.
        edits: What it writes and removes.
        changes: What it would do.
        wider: Whether it lets through what was not, or may.
        narrower: Whether it keeps back what was let through.
        differences: What it lets through and keeps back, with requests that show it, as JSON types.
        unknown: What was too large to be compared.
        reaches: The names of the policies that would decide otherwise, or about other URLs; None if nobody knows, as of
            proposals of earlier versions.
        basis: What it rests on; None for proposals of earlier versions, which are outdated.
    """

    id: str
    at: str
    author: str
    reason: str
    request_id: str
    base: int
    edits: tuple[Edit, ...]
    changes: tuple[Touched, ...]
    wider: bool
    narrower: bool
    differences: Sequence[Any]
    unknown: Sequence[Any]
    reaches: tuple[str, ...] | None = None
    basis: Basis | None = None

    @property
    def told(self) -> set[tuple[str, ...]]:
        """What it lets through and keeps back, and what was too large to be compared, in words."""
        told = {(one["direction"], one["policy"], one["what"], one["sentence"]) for one in self.differences}
        return told | {(one["policy"], one["sentence"]) for one in self.unknown}

    def is_again(self, other: Proposal) -> bool:
        """Whether another proposal is the same, made at another time."""
        if (self.author, self.reason, self.basis, self.told) != (other.author, other.reason, other.basis, other.told):
            return False
        return {edit.key: edit.body for edit in self.edits} == {edit.key: edit.body for edit in other.edits}


class ProposalTooLarge(Exception):
    """It is more than a second person would read."""


class TooManyProposals(Exception):
    """There are so many that somebody has to look at them first."""


class Proposals:
    """The files of proposals. Its methods block."""

    def __init__(self, directory: Path) -> None:
        """Make one.

        Args:
            directory: Where the files are; it is made if there is none.
        """
        directory.mkdir(exist_ok=True)
        self._directory = directory

    @staticmethod
    def new_id() -> str:
        """Make a name for a proposal."""
        return secrets.token_hex(8)

    def add(self, proposal: Proposal) -> None:
        """Keep a proposal.

        Raises:
            TooManyProposals: There are too many.
            ProposalTooLarge: It is too large.
            OSError: It can't be written.
        """
        if sum(1 for _ in self._directory.glob("*.json")) >= MOST_PROPOSALS:
            raise TooManyProposals
        written = msgspec.json.encode(proposal)
        if len(written) > LARGEST_PROPOSAL:
            raise ProposalTooLarge
        new = self._directory / f".{proposal.id}.new"
        with new.open("xb") as file:
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._path(proposal.id))

    def get(self, name: str) -> Proposal | None:
        """Give a proposal; None if there is none of this name."""
        if not _ID.fullmatch(name):
            return None
        with suppress(FileNotFoundError, ValueError):
            return msgspec.json.decode(self._path(name).read_bytes(), type=Proposal)
        return None

    def all(self) -> list[Proposal]:
        """Give all proposals, the oldest first."""
        return sorted(self._all(), key=lambda proposal: (proposal.at, proposal.id))

    def remove(self, name: str) -> None:
        """Forget a proposal."""
        self._path(name).unlink(missing_ok=True)

    def __len__(self) -> int:
        return sum(1 for _ in self._directory.glob("*.json"))

    def _all(self) -> Iterator[Proposal]:
        for path in self._directory.glob("*.json"):
            found = self.get(path.stem)
            if found is not None:
                yield found

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"
