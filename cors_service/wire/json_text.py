"""JSON (RFC 8259): read strictly, written compactly."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import msgspec

from cors_service.decision import BadQuery

write_json: Final = msgspec.json.Encoder().encode
"""Writes JSON types, or values of msgspec, as compact JSON in UTF-8."""


def parse_json(body: bytes) -> Any:
    """Read JSON (RFC 8259) strictly: no repeated keys, no NaN, no lone surrogates.

    Raises:
        BadQuery: With the code `body-malformed`.
    """
    try:
        text = body.decode("utf-8")
        value = _parse(text)
        if "\\u" in text:
            write_json(value)  # refuses half a character, which JSON can spell but which means nothing
    except RecursionError:
        raise BadQuery("body-malformed", "The body is nested too deeply.") from None
    except ValueError as error:
        raise BadQuery("body-malformed", f"The body is not JSON: {error}.") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is repeated in one object")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value")


_parse: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode
