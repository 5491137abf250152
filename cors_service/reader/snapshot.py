"""The last good policy set, kept in a file for a start while its source can't be read."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, read_document, write_document
from cors_service.policy.change import Change
from cors_service.policy.revision import VERSION
from cors_service.reader.sources import read_policies, shown_path

UNREADABLE: Final = "document-unreadable"
_BATCH: Final = 1000


class Snapshot:
    """A file that holds the last good policy set and when it was loaded.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, policy_set: PolicySet, loaded_at: float) -> None:
        """Replace the file, so that it is whole at any moment.

        Args:
            policy_set: The active policies.
            loaded_at: Seconds since 1970.

        Raises:
            OSError: The file can't be written.
        """
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(_written(policy_set, loaded_at))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink()
            raise

    def load(self) -> tuple[PolicySet, float]:
        """Read the file.

        Returns:
            The policy set, and when it was loaded from its store, in seconds since 1970.

        Raises:
            OSError: There is none.
            ValueError: The file holds something else.
        """
        text = self.path.read_bytes()
        try:
            kept = json.loads(text)
            policy_set, loaded_at = read_document(kept["document"]), float(kept["loaded_at"])
            datetime.fromtimestamp(loaded_at, UTC)
        except (ArithmeticError, LookupError, TypeError, ValueError, OSError, RecursionError, InvalidPolicies):
            raise ValueError(f"{str(self.path)!r} is not a snapshot of policies") from None
        return policy_set, loaded_at

    def in_place_of(self, invalid: InvalidPolicies) -> Change:
        """Give the policies of the snapshot in place of those of a source that can't be read.

        Args:
            invalid: What is wrong with the source.

        Returns:
            The change that leads from nothing to the policies, with the mistakes of the source.

        Raises:
            InvalidPolicies: The source was read and has mistakes; or the snapshot can't be used either, which is then
                one of the mistakes.
        """
        if any(mistake.code != UNREADABLE for mistake in invalid.mistakes):
            raise invalid
        try:
            policy_set, loaded_at = self.load()
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            message = f"The snapshot can't be used either: {what}."
            mistake = PolicyError(UNREADABLE, message, file=shown_path(self.path))
            raise InvalidPolicies([*invalid.mistakes, mistake]) from None
        return Change.whole(policy_set, loaded_at=loaded_at, mistakes=invalid)


def read_at_start(path: Path, snapshot: Snapshot | None) -> Change:
    """Read the policies of a file or directory, or the snapshot of them if they can't be read.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    try:
        return Change.whole(read_policies(path), loaded_at=time.time())
    except InvalidPolicies as invalid:
        if snapshot is None:
            raise
        return snapshot.in_place_of(invalid)


def _written(policy_set: PolicySet, loaded_at: float) -> Iterator[bytes]:
    """Write a snapshot piece by piece: as a whole, its structure would take up more memory than the policies."""
    names = list(policy_set.policies)
    origin_sets: dict[str, object] = {}
    yield b'{"loaded_at":%b,"document":{"version":%d,"policies":{' % (msgspec.json.encode(loaded_at), VERSION)
    for start in range(0, len(names), _BATCH):
        document = write_document(policy_set, names[start : start + _BATCH])
        origin_sets |= document["origin_sets"]
        yield b"," * (start > 0) + msgspec.json.encode(document["policies"])[1:-1]
    yield b'},"origin_sets":%b}}' % msgspec.json.encode(origin_sets)
