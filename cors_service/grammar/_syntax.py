"""Regular expressions as RE2 reads them, taken apart (https://github.com/google/re2/wiki/Syntax).

The parser reads a part of that syntax, and says so where it meets the rest.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

CHARS: Final = frozenset(map(chr, range(0x21, 0x7F)))
"""What origins consist of; no other character of an expression matters."""
DIGITS: Final = frozenset("0123456789")

_WORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") | DIGITS
_CLASSES: Final = {"d": DIGITS, "w": _WORD, "s": frozenset[str]()}
_POSIX: Final = {
    "alnum": _WORD - {"_"},
    "alpha": _WORD - {"_"} - DIGITS,
    "ascii": CHARS,
    "blank": frozenset[str](),
    "cntrl": frozenset[str](),
    "digit": DIGITS,
    "graph": CHARS,
    "lower": frozenset(char for char in CHARS if char.islower()),
    "print": CHARS,
    "punct": CHARS - (_WORD - {"_"}),
    "space": frozenset[str](),
    "upper": frozenset(char for char in CHARS if char.isupper()),
    "word": _WORD,
    "xdigit": frozenset("ABCDEFabcdef") | DIGITS,
}
_PUNCTUATION: Final = CHARS - (_WORD - {"_"})
_FLAGS: Final = re.compile(r"\(\?[imsU]+\)")
_GROUP: Final = re.compile(r"\((?:\?:|\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?))")
_REPETITION: Final = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}|[*+?]")
_POSIX_CLASS: Final = re.compile(r"\[:(\^?)([a-z]+):\]")
_MAX_DEPTH: Final = 50


class NotReadError(Exception):
    """The expression has something that this parser doesn't know."""


class Chars(Struct, frozen=True):
    """One character out of some."""

    chars: frozenset[str]


class Edge(Struct, frozen=True):
    """No character: the beginning of the text, its end, or a place that may be anywhere in it.

    Attributes:
        place: `^`, `$`, or nothing.
    """

    place: str


class Sequence(Struct, frozen=True):
    """Parts that follow each other."""

    parts: tuple[Node, ...]


class Choice(Struct, frozen=True):
    """One part out of some."""

    parts: tuple[Node, ...]


class Repetition(Struct, frozen=True):
    """A part, so many times; any number of times from the least on if there is no most."""

    part: Node
    least: int
    most: int | None


Node = Chars | Edge | Sequence | Choice | Repetition


def parse(expression: str) -> Node:
    """Take an expression apart that RE2 can compile.

    Raises:
        NotReadError: It has something that this parser doesn't know.
    """
    flags = _FLAGS.match(expression)
    return _Parser(expression, flags.end() if flags else 0, folds=flags is not None and "i" in flags[0]).read()


class _Parser:
    """Reads an expression from left to right."""

    def __init__(self, text: str, start: int, *, folds: bool) -> None:
        self._text = text
        self._folds = folds
        self._pos = start
        self._depth = 0

    def read(self) -> Node:
        node = self._choice()
        if self._pos < len(self._text):
            raise NotReadError
        return node

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotReadError
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._depth -= 1
        return Choice(tuple(parts)) if len(parts) > 1 else parts[0]

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._pos < len(self._text) and self._text[self._pos] not in "|)":
            parts.append(self._repeated(self._atom()))
        return Sequence(tuple(parts))

    def _take(self, char: str) -> bool:
        found = self._text.startswith(char, self._pos)
        self._pos += len(char) if found else 0
        return found

    def _atom(self) -> Node:
        if group := _GROUP.match(self._text, self._pos):
            self._pos = group.end()
            node = self._choice()
            if not self._take(")"):
                raise NotReadError
            return node
        char = self._text[self._pos]
        if char == "[":
            return self._class()
        self._pos += 1
        if char == "\\":
            return self._escape()
        if char in "(*+?":
            raise NotReadError
        if char in "^$":
            return Edge(char)
        return Chars(CHARS) if char == "." else self._of({char})

    def _of(self, chars: set[str]) -> Chars:
        if not self._folds:
            return Chars(frozenset(chars))
        if not all(map(str.isascii, chars)):
            raise NotReadError  # it can be another case of one that is
        return Chars(frozenset(case for char in chars for case in (char.lower(), char.upper())))

    def _escape(self) -> Node:
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if char in {"A", "z", "b", "B"}:
            return Edge({"A": "^", "z": "$"}.get(char, ""))
        if (members := _class_of(char)) is not None:
            return Chars(members)
        if char not in _PUNCTUATION:
            raise NotReadError
        return self._of({char})

    def _class(self) -> Node:
        """Read `[...]`."""
        self._pos += 1
        is_negated = self._take("^")
        members: set[str] = set()
        is_first = True
        while is_first or not self._text.startswith("]", self._pos):
            is_first = False
            members |= self._member()
        self._pos += 1
        chars = self._of(members).chars
        return Chars(CHARS - chars if is_negated else chars)

    def _member(self) -> frozenset[str]:
        """The characters of one member of a class."""
        if posix := _POSIX_CLASS.match(self._text, self._pos):
            self._pos = posix.end()
            members = _POSIX[posix[2]]
            return CHARS - members if posix[1] else members
        if self._text.startswith("[:", self._pos):
            raise NotReadError
        if self._text[self._pos : self._pos + 1] == "\\":
            members_of = _class_of(self._text[self._pos + 1 : self._pos + 2])
            if members_of is not None:
                self._pos += 2
                return members_of
        low = self._char()
        if self._text[self._pos : self._pos + 1] != "-" or self._text.startswith("-]", self._pos):
            return frozenset({low})
        self._pos += 1
        high = self._char()
        if self._folds and not high.isascii():
            raise NotReadError
        return frozenset(char for char in CHARS if low <= char <= high)

    def _char(self) -> str:
        is_escaped = self._take("\\")
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if not char or (is_escaped and char not in _PUNCTUATION):
            raise NotReadError
        return char

    def _repeated(self, node: Node) -> Node:
        count = 0
        while found := _REPETITION.match(self._text, self._pos):
            count += 1
            if count > _MAX_DEPTH:
                raise NotReadError
            self._pos = found.end()
            self._take("?")
            low, comma, high = found.groups()
            least = int(low) if low else int(found[0] == "+")
            most = (int(high) if high else None) if comma else int(low) if low else {"?": 1}.get(found[0])
            node = Repetition(node, least, most)
        return node


def _class_of(char: str) -> frozenset[str] | None:
    r"""The characters of a class such as `\d`; None if the letter does not stand for one."""
    members = _CLASSES.get(char.lower())
    return members if members is None or char.islower() else CHARS - members
