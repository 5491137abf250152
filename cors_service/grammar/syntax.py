"""Regular expressions as RE2 reads them, taken apart (https://github.com/google/re2/wiki/Syntax).

The parser reads a part of that syntax, and says so where it meets the rest.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category

from msgspec import Struct

CHARS: Final = frozenset(map(chr, range(0x21, 0x7F)))
"""What origins consist of; no other character of an expression matters."""
DIGITS: Final = frozenset("0123456789")
WORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") | DIGITS
"""What words consist of, to `\\b` and `\\w`."""

_CLASSES: Final = {"d": DIGITS, "w": WORD, "s": frozenset[str]()}
_POSIX: Final = {
    "alnum": WORD - {"_"},
    "alpha": WORD - {"_"} - DIGITS,
    "ascii": CHARS,
    "blank": frozenset[str](),
    "cntrl": frozenset[str](),
    "digit": DIGITS,
    "graph": CHARS,
    "lower": frozenset(char for char in CHARS if char.islower()),
    "print": CHARS,
    "punct": CHARS - (WORD - {"_"}),
    "space": frozenset[str](),
    "upper": frozenset(char for char in CHARS if char.isupper()),
    "word": WORD,
    "xdigit": frozenset("ABCDEFabcdef") | DIGITS,
}
_PUNCTUATION: Final = CHARS - (WORD - {"_"})
_FLAGS: Final = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_QUOTE: Final = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_GROUP: Final = re.compile(r"\((?:\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?))")
_CODE: Final = re.compile(r"x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]+)\}|([1-7][0-7]{1,2}|0[0-7]{0,2})")
_UNICODE: Final = re.compile(r"([pP])(?:([A-Z])|\{(\^?)([A-Za-z]+)\})")
# What a letter stands for that is none of the characters of origins.
_CONTROLS: Final = frozenset("afnrtv")
_REPETITION: Final = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}|[*+?]")
# RE2 takes other numbers, such as `01`, for text, or refuses them.
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,3}")
_POSIX_CLASS: Final = re.compile(r"\[:(\^?)([a-z]+):\]")
_MAX_DEPTH: Final = 50


class NotReadError(Exception):
    """The expression has something that this parser doesn't know."""


class Chars(Struct, frozen=True):
    """One character out of some."""

    chars: frozenset[str]


class Edge(Struct, frozen=True):
    """No character: the beginning of the text, its end, the edge of a word, or a place that is no such edge.

    Attributes:
        place: `^`, `$`, `b`, `B`.
    """

    place: str


class Sequence(Struct, frozen=True):
    """Parts that follow each other."""

    parts: tuple[Node, ...]


class Choice(Struct, frozen=True):
    """One part out of some.

    Attributes:
        parts: The parts.
        texts: How each of them is written.
    """

    parts: tuple[Node, ...]
    texts: tuple[str, ...]


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
    return _Parser(expression).read()


def beginning_of(expression: str) -> str:
    """Give the characters with which all begins that an expression matches; nothing if it is not taken apart."""
    try:
        node = parse(expression)
    except NotReadError:
        return ""
    text = ""
    for part in node.parts if isinstance(node, Sequence) else (node,):
        if isinstance(part, Chars) and len(part.chars) == 1:
            text += min(part.chars)
        elif not isinstance(part, Edge):
            break
    return text


class _Parser:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folds = False
        self._pos = 0
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
        starts = [self._pos]
        parts = [self._sequence()]
        while self._take("|"):
            starts.append(self._pos)
            parts.append(self._sequence())
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        ends = [*(start - 1 for start in starts[1:]), self._pos]
        return Choice(tuple(parts), tuple(self._text[start:end] for start, end in zip(starts, ends, strict=True)))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._pos < len(self._text) and self._text[self._pos] not in "|)":
            some = self._parts()
            if repetition := _REPETITION.match(self._text, self._pos):
                if not some:
                    raise NotReadError  # RE2 repeats what is before it
                some.append(self._repeated(some.pop(), repetition))
            parts += some
        return Sequence(tuple(parts))

    def _parts(self) -> list[Node]:
        """Read what is quoted, which is a part for each character, or flags, which are none, or one part."""
        if quote := _QUOTE.match(self._text, self._pos):
            self._pos = quote.end()
            return [self._of({char}) for char in quote[1]]
        if (flags := _FLAGS.match(self._text, self._pos)) and flags[3] == ")":
            self._pos = flags.end()
            self._set(flags)
            return []
        return [self._atom()]

    def _set(self, flags: re.Match[str]) -> None:
        """Set the flags; of all of them, only case matters here."""
        if "i" in (flags[2] or ""):
            self._folds = False
        elif "i" in flags[1]:
            self._folds = True

    def _take(self, char: str) -> bool:
        found = self._text.startswith(char, self._pos)
        self._pos += len(char) if found else 0
        return found

    def _group(self, start: re.Match[str]) -> Node:
        """Read a group, whose flags end with it."""
        self._pos = start.end()
        folds = self._folds
        if start.re is _FLAGS:
            self._set(start)
        node = self._choice()
        self._folds = folds
        if not self._take(")"):
            raise NotReadError
        return node

    def _atom(self) -> Node:
        if start := _FLAGS.match(self._text, self._pos) or _GROUP.match(self._text, self._pos):
            return self._group(start)
        char = self._text[self._pos]
        if char == "(" or _REPETITION.match(self._text, self._pos):
            raise NotReadError
        if char == "[":
            return self._class()
        self._pos += 1
        if char == "\\":
            return self._escape()
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
        if char in {"A", "z", "b", "B"}:
            self._pos += 1
            return Edge({"A": "^", "z": "$"}.get(char, char))
        if (members := self._class_of()) is not None:
            return Chars(members)
        if char == "C":
            self._pos += 1
            return Chars(CHARS)
        return self._of({self._escaped()})

    def _class_of(self) -> frozenset[str] | None:
        r"""Read what stands behind the backslash of a class such as `\d` or `\pL`; None if it is not one."""
        char = self._text[self._pos : self._pos + 1]
        if found := _UNICODE.match(self._text, self._pos):
            self._pos = found.end()
            members = _of_category(found[2] or found[4])
            is_negated = (found[1] == "P") != bool(found[3])
        elif (plain := _CLASSES.get(char.lower())) is not None:
            self._pos += 1
            return CHARS - plain if char.isupper() else plain
        else:
            return None
        members = self._of(set(members)).chars
        return CHARS - members if is_negated else members

    def _escaped(self) -> str:
        """Read what stands behind the backslash of one character."""
        if code := _CODE.match(self._text, self._pos):
            self._pos = code.end()
            return chr(int(code[3], 8) if code[3] else int(code[1] or code[2], 16))
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if char in _CONTROLS:
            return "\0"
        if char not in _PUNCTUATION:
            raise NotReadError
        return char

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
        chars = frozenset(members & CHARS)
        return Chars(CHARS - chars if is_negated else chars)

    def _member(self) -> frozenset[str]:
        """The characters of one member of a class."""
        if posix := _POSIX_CLASS.match(self._text, self._pos):
            self._pos = posix.end()
            members = self._of(set(_POSIX[posix[2]])).chars
            return CHARS - members if posix[1] else members
        if self._text.startswith("[:", self._pos):
            raise NotReadError
        if self._take("\\"):
            members_of = self._class_of()
            if members_of is not None:
                return members_of
            self._pos -= 1
        low = self._char()
        if self._text[self._pos : self._pos + 1] != "-" or self._text.startswith("-]", self._pos):
            return self._of({low}).chars
        self._pos += 1
        high = self._char()
        if self._folds and not high.isascii():
            raise NotReadError
        return self._of({char for char in CHARS if low <= char <= high}).chars

    def _char(self) -> str:
        if self._take("\\"):
            return self._escaped()
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if not char:
            raise NotReadError
        return char

    def _repeated(self, node: Node, repetition: re.Match[str]) -> Node:
        self._pos = repetition.end()
        self._take("?")
        low, comma, high = repetition.groups()
        if not all(map(_COUNT.fullmatch, filter(None, (low, high)))):
            raise NotReadError
        least = int(low) if low else int(repetition[0] == "+")
        most = (int(high) if high else None) if comma else int(low) if low else {"?": 1}.get(repetition[0])
        return Repetition(node, least, most)


def _of_category(name: str) -> frozenset[str]:
    """The characters of a general category of Unicode, or of a script."""
    if name in _CATEGORIES:
        return frozenset(char for char in CHARS if category(char).startswith(name))
    if name not in _GROUPS:
        raise NotReadError
    return _GROUPS[name]


_SUBCATEGORIES: Final = (
    *("Cc", "Cf", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"),
)
_CATEGORIES: Final = {*_SUBCATEGORIES, *(name[0] for name in _SUBCATEGORIES)}
_LETTERS: Final = frozenset(char for char in CHARS if char.isalpha())
# All characters of origins are of one of two scripts.
_GROUPS: Final = {"Any": CHARS, "Latin": _LETTERS, "Common": CHARS - _LETTERS}
