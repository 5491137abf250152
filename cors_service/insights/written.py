"""What the lines say, as JSON for programs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cors_service.insights.findings import Findings

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "cors-service insights --json",
    **msgspec.json.schema(Findings),
}
"""The JSON Schema (2020-12) of what `in_json` writes."""


def in_json(findings: Findings) -> bytes:
    """Write findings."""
    return _encode(findings)


_encode: Final = msgspec.json.Encoder().encode
