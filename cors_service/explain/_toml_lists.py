"""Edits a list of a TOML document in which comments have lines of their own.

A comment right above an item is about that item, and so is one behind it on its line. tomlkit does not know that, and
leaves them where another item then stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

import tomlkit
from tomlkit.items import Array, Item

from cors_service.explain._edits import NotEditedError

# What stands between the items of a list.
_GAP: Final = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_COMMENT: Final = re.compile(r"#[^\n]*")
_COMMENT_LINE: Final = re.compile(r"\n[ \t]*#")
_COMMA: Final = re.compile(r"[ \t]*,")
_BLANK_LINE: Final = re.compile(r"[ \t]*\r?\n")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n")


def commented(array: Array) -> CommentedList | None:
    """Take a list apart; None if no comment between its items has a line of its own.

    Raises:
        NotEditedError: It can't be.
    """
    if not _COMMENT_LINE.search(array.as_string()):
        return None
    listed = CommentedList(array)
    return listed if listed.has_comment_lines else None


class _Lead(NamedTuple):
    """What stands above an item that begins a line.

    Attributes:
        start: Where the comments right above it begin, or else its line.
        indent: Its indentation.
    """

    start: int
    indent: str


class CommentedList:
    """A list as it is written."""

    def __init__(self, array: Array) -> None:
        """Take it apart."""
        self._text = array.as_string()
        self._spans: list[tuple[int, int]] = []
        end = 1
        for item in array:
            start, written = self._gap(end), item.as_string()
            end = start + len(written)
            if self._text[start:end] != written:
                _refuse()
            self._spans.append((start, end))

    @property
    def has_comment_lines(self) -> bool:
        """Whether a comment between its items has a line of its own."""
        return any(map(_COMMENT_LINE.search, self._gaps()))

    def without(self, index: int) -> Item:
        """Give the list without an item, and without what is said about it."""
        (start, end), lead = self._spans[index], self._lead(index)
        after = self._after(index)
        rest = _REST_OF_LINE.match(self._text, after)
        if rest is None and index < len(self._spans) - 1:
            return self._value(start, self._gap(after), "")  # another one is on its line
        end = self._gap(after) if rest is None else rest.end()
        if lead is not None:
            blank = _BLANK_LINE.match(self._text, end)
            if blank is not None and self._text[: lead.start - 1].rstrip(" \t\r").endswith("\n"):
                end = blank.end()  # one blank line is left, not two
            return self._value(lead.start, end, "")
        # It is the last one of its line.
        return self._value(self._after(index - 1) if index else start, after, "")

    def inserted(self, index: int, written: str) -> Item:
        """Give the list with another item, above what is said about the one that stands there."""
        if index == len(self._spans):
            return self._appended(written)
        start, lead = self._spans[index][0], self._lead(index)
        if lead is None:
            return self._value(start, start, f"{written}, ")
        return self._value(lead.start, lead.start, f"{lead.indent}{written},\n")

    def _appended(self, written: str) -> Item:
        """Give the list with another item behind the last one, and before the comments that end the list."""
        if not self._spans:
            _refuse()
        last = len(self._spans) - 1
        end, after, lead = self._spans[last][1], self._after(last), self._lead(last)
        rest = _REST_OF_LINE.match(self._text, after)
        comma = "," if after > end else ""
        if lead is None or rest is None:
            return self._value(end, after, f", {written}{comma}")
        return self._value(end, rest.end(), f",{rest[0]}{lead.indent}{written}{comma}\n")

    def _gaps(self) -> Iterator[str]:
        for end in (1, *(end for _, end in self._spans)):
            yield self._text[end : self._gap(end)]

    def _gap(self, start: int) -> int:
        """Where the next item starts, or the bracket that closes the list."""
        gap = _GAP.match(self._text, start)
        return start if gap is None else gap.end()

    def _after(self, index: int) -> int:
        """Where an item ends with its comma; the last one may have none."""
        _, end = self._spans[index]
        comma = _COMMA.match(self._text, end)
        if comma is None and "," in _COMMENT.sub("", self._text[end : self._gap(end)]):
            _refuse()
        return end if comma is None else comma.end()

    def _lead(self, index: int) -> _Lead | None:
        """What stands above an item; None if it does not begin a line."""
        start = self._spans[index][0]
        first = self._after(index - 1) if index else 1
        line = self._text.rfind("\n", first, start) + 1
        indent = self._text[line:start]
        if not line or indent.strip():
            return None
        while above := self._text.rfind("\n", first, line - 1) + 1:
            if not self._text[above:line].lstrip(" \t").startswith("#"):
                break
            line = above
        return _Lead(line, indent)

    def _value(self, start: int, end: int, new: str) -> Item:
        return tomlkit.value(f"{self._text[:start]}{new}{self._text[end:]}")


def _refuse() -> NoReturn:
    raise NotEditedError(
        "a list of it has comments that can't be kept beside what they are about. Write each item on a line of its "
        "own, with a comma right behind it"
    )
