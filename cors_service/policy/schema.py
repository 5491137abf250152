"""From a text to a structure that fits the schema; anything else is reported and left out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, cast

import jsonschema_rs

from cors_service.grammar.mistakes import LONGEST_PART, Path, PolicyError, cut, shown
from cors_service.grammar.toml import what_and_line
from cors_service.grammar.toml_keys import MAX_PARTS, line_of_many_parts
from cors_service.policy._report import Place, Source
from cors_service.policy._slips import slip
from cors_service.policy._unknown_keys import unknown_key
from cors_service.policy._wrong_values import max_age_error, wrong_choice, wrong_type

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.policy").joinpath("schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of a policy document."""

# Names are checked by hand: for each malformed name, the validator would copy the whole table.
_NAMED: Final = ("origin_sets", "header_sets", "policies")
_NAME: Final = re.compile(SCHEMA["properties"]["policies"]["propertyNames"]["pattern"].removesuffix("$"))
_VALIDATOR: Final = jsonschema_rs.Draft202012Validator(
    SCHEMA
    | {
        "properties": {
            key: {word: value for word, value in schema.items() if word != "propertyNames"}
            for key, schema in SCHEMA["properties"].items()
        }
    }
)
DANGERS: Final[frozenset[str]] = frozenset(SCHEMA["$defs"]["rule"]["properties"]["dangerously_allow"]["items"]["enum"])
"""What is refused unless its name is in `dangerously_allow`."""
UNPARSED: Final = object()
"""The structure of a text that can't be parsed. None would mean `null`."""

_DEEPEST: Final = 16
_MOST_ENTRIES: Final = 2_000_000
"""Keys that a document with mistakes may have: with as many, all mistakes take seconds to find, and a GiB."""
_LONGEST_WHAT: Final = 200
# No key takes numbers of this size. Infinity and NaN are not below it.
_LARGEST: Final = 1 << 53
# Keys of a rule that may name sets.
_USING: Final = frozenset({"origins", "request_headers", "expose_headers"})
Document = dict[str, Any]


def parse_text(source: Source, place: Place) -> object:
    """Parse TOML (v1.0.0) or JSON (RFC 8259); report a text that is neither, and give UNPARSED."""
    line = line_of_many_parts(source.text) if source.format == "toml" else None
    if line is not None:
        _refuse_syntax(place, source.format, f"a key has more than {MAX_PARTS} parts", line)
        return UNPARSED
    try:
        document: object = tomllib.loads(source.text) if source.format == "toml" else _JSON.decode(source.text)
        if source.format == "json" and "\\u" in source.text:
            # JSON can spell half of a surrogate pair, which is not a character (RFC 8259, 8.2).
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse_syntax(place, source.format, "it holds half of a surrogate pair")
    except json.JSONDecodeError as error:
        end = _where_it_breaks_off(error)
        what = f"{end.msg.removesuffix(' at')} in column {end.colno}"
        _refuse_syntax(place, source.format, what, end.lineno, slip(source.text, source.format, end.lineno))
    except _RepeatedKey as error:
        message = f"The key {shown(str(error))} is repeated in one object."
        place.refuse("duplicate-key", message, hint="Remove or rename one of them.", value=str(error))
    except RecursionError:
        _refuse_syntax(place, source.format, "it is nested too deeply")
    except ValueError as error:  # a TOMLDecodeError, or a number too long to be read
        what, line = what_and_line(error)
        _refuse_syntax(place, source.format, what, line, slip(source.text, source.format, line))
    else:
        return document
    return UNPARSED


def check_structure(document: object, place: Place) -> Document:
    """Hold a document against the schema, report everything that does not fit, and give the rest.

    Args:
        document: The parsed document; it is not changed.
        place: The root of the document, which takes the mistakes.

    Returns:
        The document without the parts that the schema refuses.
    """
    try:
        mistakes, are_all = _mistakes_of(document)
    except ValueError:  # a type that JSON does not have, such as a date of TOML
        is_json = False
    else:
        is_json = not mistakes and (place.report.source is not None or _is_json(document))
    if not is_json:
        # Infinity, which the validator takes for null, may be among the mistakes.
        document = _without_foreign_types(document, place)
        mistakes, are_all = _mistakes_of(document)
    if not are_all:
        what = f"The document has more than {_MOST_ENTRIES} keys, and mistakes; only the first one was looked for."
        place.refuse("too-many-mistakes", what, hint="Split it into several documents.")
        place.report.is_complete = False
    bad: set[Path] = set()
    for mistake in mistakes:
        for path, error in _translate(mistake, document, guesses=place.report.has_room):
            bad.add(path)
            place.report.is_complete &= not _is_consequential(path, error)
            # A foreign type was reported before it was replaced.
            if not place.at(*path).is_refused:
                place.at(*path).note(error)
    if not isinstance(document, Mapping):
        return {}
    _check_names(document, place)
    return cast(Document, _pruned(document, (), bad) if bad else document)


def _mistakes_of(document: object) -> tuple[list[jsonschema_rs.ValidationError], bool]:
    """Give what the validator finds, and whether that is everything.

    It finds everything before it gives the first, so of a document with too much in it only the first is asked for.
    """
    if _VALIDATOR.is_valid(document):
        return [], True
    if _entries(document) <= _MOST_ENTRIES:
        return list(_VALIDATOR.iter_errors(document)), True
    try:
        _VALIDATOR.validate(document)
    except jsonschema_rs.ValidationError as first:
        return [first], False
    raise AssertionError("the validator agrees with itself")


def _entries(document: object) -> int:
    """Count whatever may be a mistake of structure, keys and items that are no strings, until there are too many."""
    count = 0
    waiting = [document]
    while waiting and count <= _MOST_ENTRIES:
        node = waiting.pop()
        inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
        others = [one for one in inner if not isinstance(one, str)]
        count += len(inner) if isinstance(node, Mapping) else len(others)
        waiting += others
    return count


def _check_names(document: Mapping[str, Any], place: Place) -> None:
    """Note every malformed name; what it names is read all the same."""
    for table in _NAMED:
        body = document.get(table)
        for name in body if isinstance(body, Mapping) else ():
            if not _NAME.fullmatch(name):
                message = (
                    f"{shown(name)} is not a valid name: letters, digits and ._- are allowed, 128 characters at most."
                )
                meant = re.sub("[^A-Za-z0-9._-]+", "-", name.strip()).strip("-") if len(name) <= LONGEST_PART else ""
                hint = f'Write "{meant}".' if meant else ""
                place.at(table, name).refuse("name-malformed", message, hint=hint, value=name)


def _where_it_breaks_off(error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Place a mistake where the next token was expected; Python 3.13 gives the place of a trailing comma."""
    if not error.msg.startswith("Illegal trailing comma"):
        return error
    rest = error.doc[error.pos + 1 :]
    return json.JSONDecodeError(error.msg, error.doc, len(error.doc) - len(rest.lstrip(" \t\n\r")))


class _RepeatedKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        raise _RepeatedKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return table


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _refuse_syntax(place: Place, form: str, what: str, line: int | None = None, hint: str = "") -> None:
    what = cut(what, _LONGEST_WHAT)
    place.note(PolicyError("syntax", f"The document is not valid {form.upper()}: {what}.", hint=hint, line=line))


def _is_consequential(path: Path, error: PolicyError) -> bool:
    """Say whether the part left out at this path could have defined or used a name."""
    if error.code in {"unknown-key", "missing-key"}:
        return False
    return len(path) <= 2 or not _USING.isdisjoint(path) or path[-1] == "rules" or path[-2] == "rules"


def _path_of(mistake: jsonschema_rs.ValidationError, document: object) -> Path:
    """Find the path as the document has it.

    The validator leaves out empty keys, and gives keys of digits as numbers. The right path leads to the
    instance. Most documents have no such keys, and asking for instances is costly.
    """
    steps = mistake.instance_path
    node: Any = document
    for step in steps:
        if isinstance(node, Mapping) and (isinstance(step, int) or "" in node):
            return _search(steps, document, mistake.instance) or ()
        node = node[step]
    if isinstance(node, Mapping) and "" in node:
        return _search(steps, document, mistake.instance) or ()
    return tuple(steps)


def _search(steps: Sequence[str | int], node: Any, instance: object) -> Path | None:
    if not steps and node == instance:
        return ()
    for key, rest in _next_keys(steps, node):
        found = _search(rest, node[key], instance)
        if found is not None:
            return (key, *found)
    return None


def _next_keys(steps: Sequence[str | int], node: Any) -> Iterator[tuple[Any, Sequence[str | int]]]:
    if isinstance(node, Mapping):
        if steps and str(steps[0]) in node:
            yield str(steps[0]), steps[1:]
        if "" in node:
            yield "", steps
        if steps and isinstance(steps[0], int):
            yield from ((key, steps[1:]) for key in node if re.fullmatch(r"\+?[0-9]+", key) and int(key) == steps[0])
    elif steps and isinstance(node, list | tuple):
        yield steps[0], steps[1:]


def _translate(
    mistake: jsonschema_rs.ValidationError, document: object, *, guesses: bool
) -> Iterable[tuple[Path, PolicyError]]:
    """Turn a finding of the validator into a mistake, at the place that has to be changed."""
    path = _path_of(mistake, document)
    kind = mistake.kind.as_dict()
    match mistake.kind.name:
        case "additionalProperties":
            table = cast(Document, mistake.instance)
            for key in kind["unexpected"]:
                where = (*path, key)
                yield where, unknown_key(where, table[key], _known_keys(mistake), guesses=guesses)
        case "required":
            name = kind["property"]
            hint = "Write version = 1 at the top." if name == "version" else ""
            yield path, PolicyError("missing-key", f"The key {name} is missing.", hint=hint)
        case "type":
            yield path, wrong_type(kind["types"][0], path, mistake.instance)
        case "maximum" | "minimum":
            yield path, max_age_error(mistake.instance)
        case "minItems":
            yield path, _empty_list(path)
        case "anyOf":  # only `requests` of a guard can be written in two ways
            yield path, _unknown_requests(mistake.instance)
        case "maxItems":
            hint = "Split the policy." if path[-1] in {"match", "rules"} else "Write a prefix, or *."
            message = f"The list has more than {kind['limit']} items."
            yield path, PolicyError("wrong-value", message, hint=hint)
        case _:
            choices = kind.get("options") or [kind.get("expected_value")]
            yield path, wrong_choice(path, choices, mistake.instance)


def _unknown_requests(value: object) -> PolicyError:
    kinds: list[str] = SCHEMA["$defs"]["requests"]["enum"]
    wrong = [one for one in value if one not in kinds] if isinstance(value, list) else [value]
    message = f"{shown(wrong[0])} is not a kind of requests." if wrong else "The list is empty."
    known = ", ".join(json.dumps(kind) for kind in kinds)
    return PolicyError("wrong-value", message, hint=f"Write one of {known}, or a list of them.", value=value)


def _empty_list(path: Path) -> PolicyError:
    if path[0] == "origin_sets":
        return PolicyError(
            "no-origins", "The origin set is empty.", hint="List at least one origin, or remove the set."
        )
    if path[0] == "header_sets":
        return PolicyError(
            "wrong-value", "The header set is empty.", hint="List at least one header, or remove the set."
        )
    if path[-1] == "rules":
        return PolicyError("no-origins", "The policy has no rules.", hint="Give it at least one rule with origins.")
    return PolicyError("wrong-value", "The list is empty.", hint="Leave the key out for the default.")


def _known_keys(mistake: jsonschema_rs.ValidationError) -> list[str]:
    """The keys that a table can have."""
    schema: Any = SCHEMA
    for step in mistake.schema_path[:-1]:
        schema = schema[step]
    return list(schema["properties"])


def _pruned(node: Any, path: Path, bad: set[Path]) -> Any:
    """Copy a structure without its bad parts. It is as deep as the schema: anything deeper is a bad part itself."""
    if isinstance(node, Mapping):
        return {key: _pruned(value, (*path, key), bad) for key, value in node.items() if (*path, key) not in bad}
    if isinstance(node, list):
        # None keeps the indices of the items that follow.
        return [
            None if (*path, index) in bad else _pruned(item, (*path, index), bad) for index, item in enumerate(node)
        ]
    return node


def _without_foreign_types(node: Any, place: Place) -> Any:
    """Report values of types that JSON lacks, and replace them by null."""
    if len(place.path) > _DEEPEST:
        place.refuse("wrong-type", "The document is nested too deeply.")
        return None
    if isinstance(node, Mapping):
        for key in node:
            if not _is_text(key):
                place.refuse("wrong-type", f"{shown(key)} is not a key of a document.")
        return {key: _without_foreign_types(value, place.at(key)) for key, value in node.items() if _is_text(key)}
    if isinstance(node, list | tuple):
        return [_without_foreign_types(item, place.at(index)) for index, item in enumerate(node)]
    if node is None or (isinstance(node, bool | int | float) and abs(node) < _LARGEST):
        return node
    if _is_text(node):
        return node
    place.refuse("wrong-type", f"{shown(node)} is of a type that no key takes.")
    return None


def _is_json(document: object) -> bool:
    """Say whether a structure made by a program can be written as JSON; parsed texts can."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_text(node: object) -> bool:
    """Say whether this is a string of whole characters."""
    return isinstance(node, str) and not any("\ud800" <= char <= "\udfff" for char in node)
