"""The last good policy set, kept in a file for a start while the store can't be read."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet, read_document, write_document


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
            policy_set: What is now active.
            loaded_at: Seconds since 1970.

        Raises:
            OSError: The file can't be written.
        """
        text = json.dumps({"loaded_at": loaded_at, "document": write_document(policy_set)})
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
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
