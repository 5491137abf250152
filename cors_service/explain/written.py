"""An explanation as JSON for programs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

import msgspec

from cors_service.explain.explanation import Allowed, Explanation
from cors_service.wire.json_text import write_json
from cors_service.wire.queries import query_as_dict

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.explain").joinpath("schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of what `in_json` and `in_json_all` write, and of what a message means."""


def in_json(explanation: Explanation) -> bytes:
    """Write an explanation."""
    return write_json(as_dict(explanation))


def in_json_all(explanations: list[Explanation]) -> bytes:
    """Write the explanations of a recorded session."""
    exchanges = [{**_exchange(one), **as_dict(one)} for one in explanations]
    return write_json({"exchanges": exchanges})


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Give an explanation as JSON types."""
    mending = explanation.mending
    return {
        "steps": msgspec.to_builtins(explanation.steps),
        "decisions": msgspec.to_builtins(explanation.decisions),
        "engines": msgspec.to_builtins(explanation.engines),
        "mending": mending and {"patch": mending.patch, "also_allows": [*map(_allowed, mending.also_allows)]},
    }


def _allowed(one: Allowed) -> dict[str, Any]:
    witness = None if one.witness is None else query_as_dict(one.witness)
    return {"policy": one.policy, "what": one.what, "sentence": one.sentence, "witness": witness}


def _exchange(explanation: Explanation) -> dict[str, Any]:
    """What was asked; a recorded session has no values of headers but those that matter."""
    written: dict[str, Any] = msgspec.to_builtins(explanation.exchange)
    if written["redirected_from"] is None:
        del written["redirected_from"]
    return {"exchange": written}
