"""What a change of policies lets through, as JSON for programs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

import msgspec

from cors_service.algebra import Comparison, Difference
from cors_service.decision import BadQuery, Decision
from cors_service.policy import PolicySet, revision
from cors_service.wire.json_text import write_json
from cors_service.wire.queries import write_query

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.review").joinpath("schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of what `in_json` writes."""


def in_json(comparison: Comparison, old: PolicySet, new: PolicySet) -> bytes:
    """Write a comparison of two sets."""
    return write_json(as_dict(comparison, revision(old), revision(new)))


def as_dict(comparison: Comparison, old: str, new: str) -> dict[str, object]:
    """Give a comparison for `write_json`.

    Args:
        comparison: What was found.
        old: The revision of the first set.
        new: The revision of the second set.
    """
    return {
        "differences": [_difference(one, old, new) for one in comparison.differences],
        "unknown": [{"policy": one.policy, "sentence": one.sentence} for one in comparison.unknown],
    }


def _difference(one: Difference, old: str, new: str) -> dict[str, object]:
    return {
        "direction": one.direction,
        "policy": one.policy,
        "what": one.what,
        "sentence": one.sentence,
        "witness": msgspec.Raw(write_query(one.witness)),
        "before": _answer(one.before, old),
        "after": _answer(one.after, new),
    }


def _answer(answer: Decision | BadQuery, revision_of_all: str) -> object:
    """A decision as the API writes it, or why there is none."""
    if isinstance(answer, BadQuery):
        return {"error": {"code": answer.code, "detail": answer.message}}
    # The comparison may have decided by a part of the set.
    return msgspec.structs.replace(answer, revision=revision_of_all)
