"""Edits JSON so that what stays the same keeps its form."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any, Final

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_MOST_COMPARED: Final = 1000
"""Items of a list that are compared one by one: longer ones are written anew, on one line."""
_decoder: Final = json.JSONDecoder()


class _Node:
    """A value in a text.

    Attributes:
        value: The value.
        text: Its text.
        end: Where that ends.
    """

    def __init__(self, text: str, start: int) -> None:
        self.value, self.end = _decoder.raw_decode(text, start)
        self.text = text[start : self.end]


class _Inside:
    """What is in a list or an object. Most of a document stays as it is, and is not taken apart.

    Attributes:
        before: The blanks between the bracket that opens it and what is first in it.
        gaps: What stands before each member but the first.
        leads: The text of each name, with what stands between it and its value.
        after: The blanks before the bracket that closes it.
        members: What is in it, by name or index.
    """

    def __init__(self, text: str) -> None:
        self.before, self.after = "", ""
        self.gaps: dict[str | int, str] = {}
        self.leads: dict[str | int, str] = {}
        self.members: dict[str | int, _Node] = {}
        if text[0] in "{[":
            self._read(text)

    def _read(self, text: str) -> None:
        position = _over_blanks(text, 1)
        self.before = gap = text[1:position]
        while text[position] not in "}]":
            key: str | int = len(self.members)
            if text[0] == "{":
                key, end = _decoder.raw_decode(text, position)
                value = _over_blanks(text, text.index(":", end) + 1)
                self.leads[key], position = text[position:value], value
            if self.members:
                self.gaps[key] = gap
            self.members[key] = member = _Node(text, position)
            position = _over_blanks(text, member.end)
            if text[position] == ",":
                following = _over_blanks(text, position + 1)
                gap, position = text[member.end : following], following
            else:
                self.after = text[member.end : position]

    @property
    def gap(self) -> str:
        """What stands between two members, as a rule."""
        usual = f",{self.before}" if "\n" in self.before else ", "
        return next(iter(self.gaps.values()), usual)


def edit_json(text: str, value: Any) -> str:
    """Write another value in place of that of a document, with as few changes of the text as possible.

    Args:
        text: The document, which is valid.
        value: What it is to hold.
    """
    start = _over_blanks(text, 0)
    node = _Node(text, start)
    return text[:start] + _written(value, node, _indent(text)) + text[node.end :]


def _over_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    assert blanks is not None
    return blanks.end()


def _indent(text: str) -> str:
    """The indent of one level; that of the first line that has one."""
    found = re.search(r"\n([ \t]+)", text)
    return found[1] if found else "  "


def _written(value: Any, node: _Node, indent: str) -> str:
    if node.value == value and type(node.value) is type(value):
        return node.text
    if not isinstance(value, dict | list) or type(node.value) is not type(value) or not value or not node.value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and len(value) + len(node.value) > _MOST_COMPARED:
        return json.dumps(value, ensure_ascii=False)
    inside = _Inside(node.text)
    names = {id(member): name for name, member in inside.members.items()}
    before = dict(pairwise([None, *inside.members][::-1]))
    pairs = [*(value.items() if isinstance(value, dict) else enumerate(value))]
    text, last = inside.before, None
    for key, one in pairs:
        old = _old(key, one, inside)
        place = None if old is None else names[id(old)]
        if last is not None:
            follows = place is not None and last == before[place]
            text += inside.gaps[place] if follows and place is not None else inside.gap
        text += _member(key, one, old, inside, indent)
        last = place if place is not None else key
    return f"{node.text[0]}{text}{inside.after}{node.text[-1]}"


def _old(key: str | int, value: Any, inside: _Inside) -> _Node | None:
    """What was there before: of a list, the same value wherever it stood, or what is most like it."""
    if isinstance(key, str):
        return inside.members.get(key)
    same = [one for one in inside.members.values() if one.value == value]
    if same:
        return same[0]
    # A rule keeps its origins in every edit that changes something else of it, or its first origin.
    if isinstance(value, dict):
        return next((one for one in inside.members.values() if _is_like(one.value, value)), None)
    return None


def _is_like(one: Any, other: dict[str, Any]) -> bool:
    if not isinstance(one, dict):
        return False
    return any(one.get(key) == value for key, value in other.items()) and (
        one.get("origins") == other.get("origins") or one.get("origins", [None])[:1] == other.get("origins", [None])[:1]
    )


def _member(key: str | int, value: Any, old: _Node | None, inside: _Inside, indent: str) -> str:
    margin = inside.before.rpartition("\n")[2] if "\n" in inside.before else None
    text = _written(value, old, indent) if old is not None else _new(value, margin, indent)
    if isinstance(key, int):
        return text
    return f"{inside.leads.get(key) or f'{json.dumps(key, ensure_ascii=False)}{_colon(inside)}'}{text}"


def _colon(inside: _Inside) -> str:
    """What stands between a name and its value, as a rule."""
    lead = next(iter(inside.leads.values()), ": ")
    return ":" if lead[-1] == ":" else ": "


def _new(value: Any, margin: str | None, indent: str) -> str:
    """Write a value that was not there; the lines of a table are indented as those around it."""
    if margin is None or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return json.dumps(value, ensure_ascii=False)
    inner = f"{margin}{indent}"
    if isinstance(value, list):
        parts = [_new(one, inner, indent) for one in value]
        opened, closed = "[", "]"
    else:
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_new(one, inner, indent)}" for key, one in value.items()]
        opened, closed = "{", "}"
    lines = f",\n{inner}".join(parts)
    return f"{opened}\n{inner}{lines}\n{margin}{closed}"
