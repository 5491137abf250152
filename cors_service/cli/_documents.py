"""The documents of a path, as commands publish them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cors_service.ledger.editing import read_structure
from cors_service.ledger.entry import TABLES
from cors_service.policy import PolicySet, Source
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import document_names, read_policies, read_text


def read_whole(path: Path, limits: ReaderLimits) -> tuple[dict[str, Any], PolicySet]:
    """Read all documents of a path as one, as their authors wrote them, and what that means.

    Raises:
        InvalidPolicies: They have mistakes.
    """
    policy_set = read_policies(path, limits)
    whole: dict[str, Any] = {"version": 1}
    for name in document_names(path, limits):
        source, _ = read_text(path, name, limits)
        if isinstance(source, Source):
            for table in TABLES.values():
                whole.setdefault(table, {}).update(read_structure(source).get(table, {}))
    return whole, policy_set
