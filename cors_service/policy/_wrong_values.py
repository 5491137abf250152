"""Values of the wrong type, or none of the possible ones: what is wrong with them, and what to write."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cors_service.grammar.match import parse_match
from cors_service.grammar.mistakes import Path, PolicyError, dotted, shown
from cors_service.grammar.pattern import read_pattern
from cors_service.grammar.tokens import is_token

MAX_AGE: Final = 86400
"""Seconds: the longest max_age of any browser."""
_ARTICLES: Final = {
    "array": "a list",
    "object": "a table",
    "string": "a string",
    "integer": "an integer",
    "boolean": "true or false",
}
_HEADERS: Final = frozenset({"request_headers", "expose_headers", "header_sets"})
_ORIGINS: Final = frozenset({"origins", "origin_sets"})
_BOOLEANS: Final = {
    word: meant
    for meant, words in {
        "true": "true yes on 1 include same-origin always *",
        "false": "false no off 0 omit never none",
    }.items()
    for word in words.split()
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(
    r"(?:p?t)?([0-9]{1,6})\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)"
)
# Behind the name of the header that lists them.
_LISTED: Final = re.compile(r"\A\s*access-control-(?:allow|expose)-[a-z]+\s*:", re.IGNORECASE)
# Hints are no longer than that, and nobody writes a longer value by hand.
_LONGEST: Final = 400
# Names that are written with a blank for the hyphen.
_KNOWN: Final = frozenset(
    {
        "accept-language",
        "cache-control",
        "content-language",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "x-api-key",
        "x-csrf-token",
        "x-request-id",
        "x-requested-with",
    }
)


def wrong_type(wanted: str, path: Path, value: object) -> PolicyError:
    """The mistake that a value is of a type that its key does not take.

    Args:
        wanted: The name of the right type in JSON Schema.
        path: Of the value.
        value: The value.
    """
    hint = _HINTS.get(wanted, _no_hint)(path, value)
    return PolicyError(
        "wrong-type", f"{_written(value)} is not {_ARTICLES.get(wanted, wanted)}.", hint=hint, value=value
    )


def wrong_choice(path: Path, choices: Sequence[object], value: object) -> PolicyError:
    """The mistake that a value is none of the possible ones.

    Args:
        path: Of the value.
        choices: The possible ones.
        value: The value.
    """
    words = [json.dumps(choice) for choice in choices]
    if path == ("version",):
        hint = "Write version = 1."
    else:
        hint = _near_choice(words, value) if isinstance(value, str) and len(value) <= _LONGEST else ""
    return PolicyError("wrong-value", f"{_written(value)} is not {' or '.join(words)}.", hint=hint, value=value)


def _near_choice(words: Sequence[str], text: str) -> str:
    """The word that is like a text, or that begins so."""
    known = {word.strip('"'): word for word in words}
    meant = re.sub(r"[\s_]+", "-", text.strip().lower())
    near = difflib.get_close_matches(meant, known, n=1) or [word for word in known if meant and word.startswith(meant)]
    if not near:
        return ""
    return f"Write {known[near[0]]}{'' if near[0] != text else ' without quotation marks'}."


def max_age_error(value: object) -> PolicyError:
    """The mistake of a `max_age` that is out of range."""
    message = f"{shown(value)} is not a number of seconds from 0 to {MAX_AGE}."
    hint = "Leave max_age out to send no such header, or write 0 to have every request preflighted."
    if isinstance(value, int | float) and value > MAX_AGE:
        hint = f"Write {MAX_AGE}: no browser keeps an answer for longer."
    return PolicyError("max-age-out-of-range", message, hint=hint, value=value)


def header_items(text: str) -> str:
    """Write the names of headers in a text as the items of a list; nothing if these are not all names.

    The text may be a header itself, `Content-Type: application/json`, or one that lists names.
    """
    words = [part.partition(":")[0].strip() for part in re.split(r"[,;|\n]+", _LISTED.sub("", text))]
    names = [name for word in words for name in _names_in(word)]
    return _items(names) if all(is_token(name.removesuffix("*") or "x") for name in names) else ""


def method_items(text: str) -> str:
    """Write the methods in a text as the items of a list; nothing if these are not all methods."""
    words = list(filter(None, re.split(r"[,;|/\s]+", text)))
    return _items(words) if all(map(is_token, words)) else ""


def _names_in(words: str) -> list[str]:
    names = words.split()
    joined = "-".join(names)
    return [joined] if joined.lower() in _KNOWN else names


def _items(words: Sequence[str]) -> str:
    if [word.lower() for word in words] in (["all"], ["any"]):
        words = ["*"]
    return ", ".join(f'"{word}"' for word in words)


def _written(value: object) -> str:
    """A value for a message, as documents have it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else shown(value)


def _no_hint(*_: object) -> str:
    return ""


def _instead_of_list(path: Path, value: object) -> str:
    key = path[0] if path[0] in {"origin_sets", "header_sets"} else path[-1]  # no list is the document itself
    if isinstance(value, str):
        items = _as_items(str(key), value.strip()) if len(value) <= _LONGEST else ""
        return f"Write [{items}]." if items else ""
    if isinstance(value, Mapping):
        where = dotted(path)
        return f"Write [[{where}]], with two brackets." if key == "rules" else f"Write {path[-1]} = [...], a list."
    if value is True:
        return {
            "origins": 'Write ["*"] for everybody, or list the origins.',
            "methods": 'Write ["*"].',
            "request_headers": 'Write ["*"].',
            "expose_headers": "List the headers that pages may read.",
            "dangerously_allow": 'Name each danger, as in ["null-origin"].',
        }.get(str(key), "")
    return "List the origins, or remove the policy." if key == "origins" else "Leave the key out for the default."


def _as_items(key: str, text: str) -> str:
    """Write a text as the items of a list, corrected where the key says what it may be."""
    if key in _HEADERS:
        return header_items(text)
    if key == "methods":
        return method_items(text)
    if key not in _ORIGINS and key != "match":
        return ", ".join(f'"{word}"' for word in re.split(r"[,;\s]+", text) if word)
    if text.startswith("re:") or set(text) & set('{"\\'):
        return json.dumps(text)
    read: Callable[[str], object] = parse_match if key == "match" else read_pattern
    return ", ".join(_corrected(word, read) for word in re.split(r"[,;\s]+", text) if word)


def _corrected(word: str, read: Callable[[str], object]) -> str:
    try:
        read(word)
    except PolicyError as error:
        found = re.fullmatch(r"Write ([\"'].*[\"'])\.", error.hint)
        if found:
            return found[1]
    return json.dumps(word)


def _instead_of_table(path: Path, value: object) -> str:
    if path == ("policies",):
        return "Write [policies.NAME] for each policy." if isinstance(value, list) else ""
    if len(path) == 2 and path[0] == "policies":
        return "A policy has a name: write [policies.NAME] above its keys."
    return ""


def _instead_of_string(path: Path, value: object) -> str:
    return "Write it as a string alone." if isinstance(value, Mapping | list) and isinstance(path[-1], int) else ""


def _instead_of_boolean(path: Path, value: object) -> str:
    if isinstance(value, str):
        text = value.strip().lower()
        meant = _BOOLEANS.get(text)
        if meant:
            return f"Write {meant} without quotation marks." if text == meant else f"Write {meant}."
    if isinstance(value, int) and value in {0, 1}:
        return f"Write {'true' if value else 'false'}."
    if path[-1] == "timing" and isinstance(value, list):
        return "Write true: the origins of the rule may measure."
    return ""


def _instead_of_integer(_: Path, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    text = value.strip().lower()
    if text.isdecimal():
        return f"Write {text} without quotation marks."
    found = _DURATION.fullmatch(text)
    return f"Write {min(int(found[1]) * _SECONDS[found[2][0]], MAX_AGE)}." if found else ""


_HINTS: Final[Mapping[str, Callable[[Path, object], str]]] = {
    "array": _instead_of_list,
    "object": _instead_of_table,
    "string": _instead_of_string,
    "boolean": _instead_of_boolean,
    "integer": _instead_of_integer,
}
