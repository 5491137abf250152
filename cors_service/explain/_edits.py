"""Edits of a document, as values; and what they make of its structure."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple

from msgspec import structs

from cors_service.grammar.mistakes import Path
from cors_service.policy.model import Rule

RULE_KEYS: Final = tuple(field.name for field in structs.fields(Rule))
"""The keys of a rule, which a policy of one rule may have itself."""


class Put(NamedTuple):
    """Sets a key of a table, or replaces its value.

    Attributes:
        path: The table and the key.
        value: The value.
    """

    path: Path
    value: Any


class Add(NamedTuple):
    """Adds a value to the end of a list.

    Attributes:
        path: The list.
        value: The value.
    """

    path: Path
    value: str


class Take(NamedTuple):
    """Removes a key of a table, or a value of a list.

    Attributes:
        path: The table and the key, or the list and the index.
    """

    path: Path


class Insert(NamedTuple):
    """Puts a rule between the rules of a policy.

    Attributes:
        path: The list of rules, and the index of the new one.
        rule: The rule.
    """

    path: Path
    rule: dict[str, Any]


class Split(NamedTuple):
    """Gives a policy of one rule, with the keys of that rule, a list of two rules.

    Attributes:
        path: The policy.
        rule: The new rule.
        is_first: Whether it stands before the other one.
    """

    path: Path
    rule: dict[str, Any]
    is_first: bool


Edit = Put | Add | Take | Insert | Split


def weight(edit: Edit) -> int:
    """How much an edit is: the lines that it takes as people write them."""
    if isinstance(edit, Insert | Split):
        return len(edit.rule) + 1
    return len(edit.value) + 1 if isinstance(edit, Put) and isinstance(edit.value, dict) else 1


class NotEditedError(Exception):
    """A document is written in a way that is not edited here; the message says which."""


def at(document: Any, path: Path) -> Any:
    """Give what a document has at a path."""
    for part in path:
        document = document[part]
    return document


def edited(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """Make edits of the structure of a document; the document itself stays as it is."""
    document = deepcopy(document)
    for edit in edits:
        _edit(document, edit)
    return document


def _edit(document: dict[str, Any], edit: Edit) -> None:
    *above, last = edit.path
    match edit:
        case Put():
            at(document, tuple(above))[last] = deepcopy(edit.value)
        case Add():
            at(document, edit.path).append(edit.value)
        case Take():
            del at(document, tuple(above))[last]
        case Insert():
            at(document, tuple(above)).insert(last, deepcopy(edit.rule))
        case Split():
            policy = at(document, edit.path)
            rule = {key: policy.pop(key) for key in [*policy] if key in RULE_KEYS}
            policy["rules"] = [deepcopy(edit.rule), rule] if edit.is_first else [rule, deepcopy(edit.rule)]
