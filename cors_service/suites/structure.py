"""From the text of a suite to a structure that fits the schema, with everything that does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import jsonschema_rs

from cors_service.grammar.mistakes import Path, shown
from cors_service.grammar.similar import similar_first
from cors_service.grammar.toml import InvalidTOML, parse_toml
from cors_service.suites.mistakes import SuiteError

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.suites").joinpath("schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of a suite."""

_VALIDATOR: Final = jsonschema_rs.Draft202012Validator(SCHEMA)
_CASE_KEYS: Final = tuple(SCHEMA["$defs"]["case"]["properties"])
_KEYS: Final = tuple(SCHEMA["properties"])
_TYPES: Final = {
    "array": "a list",
    "object": "a table",
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
}


def parse(text: str) -> tuple[dict[str, Any], list[SuiteError]]:
    """Parse a suite.

    Returns:
        What fits the schema, and what is wrong with the rest. Cases keep their indices: one that does not fit is None.
    """
    try:
        document = parse_toml(text, "suite")
    except InvalidTOML as error:
        return {}, [SuiteError("syntax", str(error), line=error.line)]
    # Dates, which JSON lacks, are wrong wherever they stand.
    document = json.loads(json.dumps(document, default=lambda _: None))
    mistakes = list(_misfits(document))
    bad = {mistake.path[1] for mistake in mistakes if mistake.path[:1] == ("cases",) and len(mistake.path) > 1}
    cases = document.get("cases")
    fitting = enumerate(cases) if isinstance(cases, list) else ()
    policies = document.get("policies")
    return {
        "policies": policies if isinstance(policies, str) and policies else None,
        "cases": [None if index in bad else case for index, case in fitting],
    }, mistakes


def _misfits(document: Mapping[str, Any]) -> Iterator[SuiteError]:
    for mistake in _VALIDATOR.iter_errors(document):
        path: Path = tuple(mistake.instance_path)
        kind = mistake.kind.as_dict()
        match mistake.kind.name:
            case "additionalProperties":
                for key in kind["unexpected"]:
                    near = similar_first(key, _CASE_KEYS if path else _KEYS)
                    message, hint = f"The key {shown(key)} is unknown.", f"The keys here are {', '.join(near)}."
                    yield SuiteError("unknown-key", message, hint=hint, path=(*path, key))
            case "required":
                yield _missing(kind["property"], path)
            case "type":
                wanted = " or ".join(_TYPES[name] for name in kind["types"])
                hint = f"Write [{json.dumps(mistake.instance)}]." if isinstance(mistake.instance, str) else ""
                yield SuiteError("wrong-type", f"{shown(mistake.instance)} is not {wanted}.", hint=hint, path=path)
            case "minItems" | "minLength":
                hint = "Leave the key out for the default." if len(path) > 1 else ""
                yield SuiteError("empty-list", "There is nothing in it.", hint=hint, path=path)
            case "maxItems":
                message = f"The list has more than {kind['limit']} items."
                yield SuiteError("too-many", message, hint="Write several suites.", path=path)
            case _:
                yield _wrong_value(mistake.instance, kind, path)


def _missing(key: str, path: Path) -> SuiteError:
    hint = {
        "version": "Write version = 1 at the top.",
        "cases": "Write a table [[cases]] for each case.",
        "origins": 'Write origins = ["https://app.example.com"].',
        "expect": 'Write expect = "readable" or expect = "blocked".',
    }[key]
    return SuiteError("missing-key", f"The key {key} is missing.", hint=hint, path=path)


def _wrong_value(value: object, kind: Mapping[str, Any], path: Path) -> SuiteError:
    choices = kind.get("options") or [kind.get("expected_value", "a number from 1")]
    wanted = " or ".join(one if one == "a number from 1" else json.dumps(one) for one in choices)
    return SuiteError("wrong-value", f"{shown(value)} is not {wanted}.", path=path)
