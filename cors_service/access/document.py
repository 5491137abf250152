"""The document that says who may ask: read as a whole, with all its mistakes at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from cors_service.access.callers import VERBS, Access, Caller, Token
from cors_service.access.files import read_small_file, why_unreadable
from cors_service.access.mistakes import AccessError, InvalidAccess
from cors_service.grammar.lines import toml_lines
from cors_service.grammar.mistakes import Path as Steps
from cors_service.grammar.mistakes import shown
from cors_service.grammar.toml import InvalidTOML, parse_toml

MOST_ENTRIES: Final = 1000
"""Tokens or certificates of a document: every request compares all tokens."""

_LONGEST: Final = 1024 * 1024
_NAME: Final = "^[A-Za-z0-9._-]{1,128}$"
_PERSON: Final = "^[!-~]{1,128}$"
_SECOND: Final = "second_person"
_STEPS: Final = {"type": "array", "minItems": 1}
_VERBS: Final = {**_STEPS, "items": {"type": "string", "enum": list(VERBS)}}
_POLICIES: Final = {**_STEPS, "maxItems": MOST_ENTRIES, "items": {"type": "string", "pattern": _NAME}}


def _entries(**properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of tables that have keys of their own, and some in common."""
    return {
        "type": "array",
        "maxItems": MOST_ENTRIES,
        "items": {
            "type": "object",
            "properties": {**properties, "verbs": _VERBS, "policies": _POLICIES, _SECOND: {"type": "boolean"}},
            "required": [*properties, "verbs"],
            "additionalProperties": False,
        },
    }


_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "tokens": _entries(
            name={"type": "string", "pattern": _NAME},
            sha256={"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
        ),
        "certificates": _entries(subject={"type": "string"}),
        "people": _entries(person={"type": "string", "pattern": _PERSON}),
    },
    "additionalProperties": False,
}
_VALIDATOR: Final = jsonschema_rs.Draft202012Validator(_SCHEMA)
_TYPES: Final = {"array": "a list", "boolean": "true or false", "object": "a table", "string": "a string"}
# What a value that does not fit its pattern is, by its key.
_MALFORMED: Final = {
    "name": ("name-malformed", "A name has letters, digits and ._- alone, 128 characters at most."),
    "sha256": ("hash-malformed", "This is not a SHA-256: 64 hexadecimal digits, as `cors-service token` prints them."),
    "person": ("person-malformed", "The name of a person has visible ASCII characters alone, 128 at most."),
    "policies": ("prefix-malformed", "This is not the beginning of the name of a policy."),
}


def read_access_file(path: Path) -> Access:
    """Read who may ask from a file.

    Raises:
        InvalidAccess: With every mistake, or the one that the file can't be read.
    """
    return read_access(access_text(path), shown_path(path))


def access_text(path: Path) -> str:
    """Read the text of a file.

    Raises:
        InvalidAccess: It can't be read, or is not text.
    """
    try:
        # Some editors begin a file with a byte order mark.
        return read_small_file(path, _LONGEST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        message = f"The document can't be read: {why_unreadable(error)}."
        raise InvalidAccess([AccessError("document-unreadable", message, file=shown_path(path))]) from None


def shown_path(path: Path) -> str:
    """Write a path for people and for JSON: bytes that are not text are written out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def read_access(text: str, name: str | None = None) -> Access:
    """Read who may ask.

    Args:
        text: The document, in TOML.
        name: What people call it, such as the path of its file.

    Raises:
        InvalidAccess: With every mistake, in the order of their lines.
    """
    document, mistakes = _parsed(text)
    if not mistakes:
        mistakes = [*_misfits(document), *_repeated(document), *_bad_subjects(document)]
    if not mistakes and not any(document.get(key) for key in ("tokens", "certificates", "people")):
        hint = "Add an entry of [[tokens]], as `cors-service token NAME` prints it."
        mistakes.append(AccessError("nobody", "The document has no token and no certificate.", hint=hint))
    if mistakes:
        raise InvalidAccess(_placed(mistakes, text, name))
    return Access(
        tokens=tuple(Token(entry["sha256"].lower(), _caller(entry, "name")) for entry in document.get("tokens", ())),
        certificates={
            canonical_subject(entry["subject"]): _caller(entry, "subject") for entry in document.get("certificates", ())
        },
        people={entry["person"]: _caller(entry, "person") for entry in document.get("people", ())},
    )


def canonical_subject(subject: str) -> str:
    """Write the subject of a certificate (RFC 4514) as that of every certificate is written.

    Raises:
        ValueError: It is not one.
        ImportError: The libraries for certificates are not installed.
    """
    from cryptography.x509 import Name

    return Name.from_rfc4514_string(subject).rfc4514_string()


def _caller(entry: dict[str, Any], key: str) -> Caller:
    policies = entry.get("policies")
    return Caller(
        name=entry[key],
        verbs=frozenset(entry["verbs"]),
        policies=None if policies is None else tuple(policies),
        needs_second=entry.get(_SECOND, False),
    )


def _parsed(text: str) -> tuple[dict[str, Any], list[AccessError]]:
    """Parse the text; give the mistake that keeps it from being parsed, too."""
    try:
        return parse_toml(text, "document"), []
    except InvalidTOML as error:
        return {}, [AccessError("syntax", str(error), line=error.line)]


def _misfits(document: dict[str, Any]) -> Iterator[AccessError]:
    """Hold the document against the schema."""
    # Dates, which JSON has not, are wrong wherever they stand.
    plain = json.loads(json.dumps(document, default=lambda _: None))
    for mistake in _VALIDATOR.iter_errors(plain):
        steps = tuple(mistake.instance_path)
        kind = mistake.kind.as_dict()
        match mistake.kind.name:
            case "additionalProperties":
                for key in kind["unexpected"]:
                    yield AccessError("unknown-key", f"The key {shown(key)} is unknown.", path=(*steps, key))
            case "required":
                yield AccessError("missing-key", f"The key {kind['property']} is missing.", path=steps)
            case "type":
                yield AccessError("wrong-type", f"This is not {_TYPES[kind['types'][0]]}.", path=steps)
            case "minItems":
                yield AccessError("empty-list", "The list is empty.", path=steps)
            case "maxItems":
                yield AccessError("too-many", f"The list has more than {MOST_ENTRIES} items.", path=steps)
            case "enum":
                hint = f"The verbs are {', '.join(VERBS[:-1])} and {VERBS[-1]}."
                yield AccessError("unknown-verb", "There is no such verb.", hint=hint, path=steps)
            case _:
                code, message = _MALFORMED[next(str(step) for step in reversed(steps) if isinstance(step, str))]
                yield AccessError(code, message, path=steps)


def _repeated(document: dict[str, Any]) -> Iterator[AccessError]:
    """Find what only one entry may have."""
    for table, key, normal in (
        ("tokens", "name", str),
        ("tokens", "sha256", str.lower),
        ("certificates", "subject", _canonical_or_none),
        ("people", "person", str),
    ):
        yield from _repeated_in(document, table, key, normal)


def _repeated_in(
    document: dict[str, Any], table: str, key: str, normal: Callable[[str], str | None]
) -> Iterator[AccessError]:
    seen: set[str] = set()
    for index, value in _values(document, table, key):
        one = normal(value)
        if one in seen:
            yield AccessError("duplicate", f"Another entry has the same {key}.", path=(table, index, key))
        elif one is not None:
            seen.add(one)


def _bad_subjects(document: dict[str, Any]) -> Iterator[AccessError]:
    for index, subject in _values(document, "certificates", "subject"):
        path: Steps = ("certificates", index, "subject")
        try:
            is_subject = bool(canonical_subject(subject))
        except ImportError:
            hint = 'pip install "cors-service[tls]"'
            message = "Certificates can't be read here: a library is missing."
            yield AccessError("subject-malformed", message, hint=hint, path=path)
            continue
        except ValueError:
            is_subject = False
        if not is_subject:
            message = f"{shown(subject)} is not the subject of a certificate as RFC 4514 writes it."
            hint = "Write something like CN=gateway,O=Example."
            yield AccessError("subject-malformed", message, hint=hint, path=path)


def _canonical_or_none(subject: str) -> str | None:
    try:
        return canonical_subject(subject)
    except (ValueError, ImportError):
        return None


def _values(document: dict[str, Any], table: str, key: str) -> Iterator[tuple[int, str]]:
    """The texts at a key of each entry, also where other things are wrong."""
    entries = document.get(table)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, str):
            yield index, value


def _placed(mistakes: list[AccessError], text: str, name: str | None) -> list[AccessError]:
    """Give each mistake its file and its line, and put them in order."""
    lines = toml_lines(text, {mistake.path for mistake in mistakes if mistake.line is None})
    for mistake in mistakes:
        mistake.file = name
        mistake.line = mistake.line or lines.get(mistake.path)
    return sorted(mistakes, key=lambda mistake: mistake.line or 0)
