"""What the lines say, as JSON for programs."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import msgspec

from cors_service.insights.findings import Findings

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)
_RENAMED: Final = {"begin": "from", "end": "to"}


def components(template: str) -> dict[str, Any]:
    """Give the JSON Schemas of all that findings are made of, by the names of the classes.

    Args:
        template: How one schema refers to another, with `{name}`.
    """
    _, found = msgspec.json.schema_components([Findings], ref_template=template)
    return {name: _described(schema) for name, schema in found.items()}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Tell the properties of a schema what the docstring of its class says of its attributes."""
    text, _, attributes = inspect.cleandoc(schema.get("description", "")).partition("\n\nAttributes:\n")
    properties = {name: dict(told) for name, told in schema["properties"].items()}
    for name, words in _ATTRIBUTE.findall(attributes):
        properties[_RENAMED.get(name, name)]["description"] = " ".join(words.split())
    return {**schema, "description": " ".join(text.split()), "properties": properties}


SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "cors-service insights --json",
    "$ref": f"#/$defs/{Findings.__name__}",
    "$defs": components("#/$defs/{name}"),
}
"""The JSON Schema (2020-12) of what `in_json` writes."""


def in_json(findings: Findings) -> bytes:
    """Write findings."""
    return _encode(findings)


_encode: Final = msgspec.json.Encoder().encode
