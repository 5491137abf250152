"""In which domains the origins that an expression covers can end, proven on the expression as RE2 reads it.

The parser reads a part of RE2's syntax (https://github.com/google/re2/wiki/Syntax), and says so where it meets the
rest. What it says of an expression holds of more texts than the expression matches, and never of fewer: a class of
characters stands for any text, and anchors for nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cors_service.grammar._registrants import has_strangers, is_registrable
from cors_service.grammar.origin import ends_in_number, is_loopback

_MAX_ENDINGS: Final = 256
_MAX_LENGTH: Final = 512
_MAX_DEPTH: Final = 50

# Stands for any number of digits, none included.
_NUMBER: Final = "\0"
_FLAGS: Final = re.compile(r"\(\?[imsU]+\)")
_GROUP: Final = re.compile(r"\((?:\?:|\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?))")
_REPETITION: Final = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}|[*+?]")
_POSIX_CLASS: Final = re.compile(r"\[:\^?[a-z]+:\]")
_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~")
_DIGITS: Final = frozenset("0123456789")
_PORT: Final = re.compile(rf":[0-9{_NUMBER}]*\Z")
_HOST: Final = re.compile(r"[a-z0-9._-]+\Z")


class _Ending(NamedTuple):
    """How a text ends.

    Attributes:
        text: Its last characters; `_NUMBER` among them.
        is_whole: Whether these are all of it.
    """

    text: str
    is_whole: bool


_Endings = frozenset[_Ending]
_NOTHING: Final[_Endings] = frozenset({_Ending("", is_whole=True)})
_ANYTHING: Final[_Endings] = frozenset({_Ending("", is_whole=False)})


class _NotReadError(Exception):
    """The expression has something that this parser doesn't know."""


def may_be_strangers(expression: str) -> bool:
    """Say whether an expression may cover origins of domains that its author did not write.

    Args:
        expression: The expression, which RE2 can compile.

    Returns:
        False if each origin that it covers is proven to be of a host that is written out, or of a domain that is
        written out and that somebody has registered, on any port.
    """
    flags = _FLAGS.match(expression)
    text = expression[flags.end() :] if flags else expression
    try:
        endings = _Parser(text, folds=flags is not None and "i" in flags[0]).read()
    except _NotReadError:
        return True
    return not all(map(_is_bound, endings))


def _is_bound(ending: _Ending) -> bool:
    """Say whether all origins that end so are of one domain that is written out."""
    _, separator, host = _PORT.sub("", ending.text).rpartition("://")
    _, number, rest = host.rpartition(_NUMBER)
    if not number and (separator or ending.is_whole):
        # A host that is written out, or no origin at all.
        return True
    # The first label may go on to the left.
    domain = rest.partition(".")[2].removesuffix(".")
    if not _HOST.match(domain) or ends_in_number(domain.encode("ascii")):
        return False
    return is_loopback(domain) or (is_registrable(domain) and not has_strangers(domain, any_depth=True))


class _Parser:
    """Reads an expression from left to right, and gives the endings of what it matches."""

    def __init__(self, text: str, *, folds: bool) -> None:
        self._text = text
        # Hosts are in lower case, so of the two cases that a letter has, one is of interest.
        self._folds = folds
        self._pos = 0
        self._depth = 0

    def read(self) -> _Endings:
        endings = self._alternatives()
        if self._pos < len(self._text):
            raise _NotReadError
        return endings

    def _alternatives(self) -> _Endings:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotReadError
        endings = self._sequence()
        while self._take("|"):
            endings |= self._sequence()
        self._depth -= 1
        return _bounded(endings)

    def _sequence(self) -> _Endings:
        parts: list[_Endings] = []
        while self._pos < len(self._text) and self._text[self._pos] not in "|)":
            parts.append(self._repeated(self._atom()))
        endings = _NOTHING
        for part in reversed(parts):
            if not any(ending.is_whole for ending in endings):
                break
            endings = _joined(part, endings)
        return endings

    def _take(self, char: str) -> bool:
        found = self._text.startswith(char, self._pos)
        self._pos += len(char) if found else 0
        return found

    def _atom(self) -> _Endings:
        if group := _GROUP.match(self._text, self._pos):
            self._pos = group.end()
            endings = self._alternatives()
            if not self._take(")"):
                raise _NotReadError
            return endings
        char = self._text[self._pos]
        if char == "[":
            return self._class()
        self._pos += 1
        if char == "\\":
            return self._escape()
        if char in "(*+?":
            raise _NotReadError
        if char in "^$":
            return _NOTHING
        return _ANYTHING if char == "." else _of(char.lower() if self._folds else char)

    def _escape(self) -> _Endings:
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if char in {"A", "z", "b", "B"}:
            return _NOTHING
        if char == "d":
            return _of(_NUMBER)
        if char and char in "DwWsS":
            return _ANYTHING
        if char not in _PUNCTUATION:
            raise _NotReadError
        return _of(char)

    def _class(self) -> _Endings:
        """Read `[...]`: digits, one character, or any text."""
        self._pos += 1
        is_negated = self._take("^")
        members: set[str] | None = set()
        is_first = True
        while is_first or not self._text.startswith("]", self._pos):
            is_first = False
            found = self._member()
            members = None if members is None or found is None else members | found
        self._pos += 1
        if is_negated or not members:
            return _ANYTHING
        if self._folds:
            members = {char.lower() for char in members}
        if members <= _DIGITS:
            return _of(_NUMBER)
        # Of several characters each is written out, but nobody means `[a-z]` as a list of domains.
        return _of(members.pop()) if len(members) == 1 else _ANYTHING

    def _member(self) -> set[str] | None:
        """The characters of one member of a class; None if they are many."""
        if posix := _POSIX_CLASS.match(self._text, self._pos):
            self._pos = posix.end()
            return None
        if self._text.startswith("[:", self._pos):
            raise _NotReadError
        if self._take("\\d"):
            return set(_DIGITS)
        if self._text[self._pos : self._pos + 2] in {"\\D", "\\w", "\\W", "\\s", "\\S"}:
            self._pos += 2
            return None
        low = self._char()
        if self._text[self._pos : self._pos + 1] != "-" or self._text.startswith("-]", self._pos):
            return {low}
        self._pos += 1
        high = self._char()
        return set(map(chr, range(ord(low), ord(high) + 1))) if ord(high) - ord(low) < _MAX_ENDINGS else None

    def _char(self) -> str:
        is_escaped = self._take("\\")
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if not char or (is_escaped and char not in _PUNCTUATION):
            raise _NotReadError
        return char

    def _repeated(self, endings: _Endings) -> _Endings:
        while found := _REPETITION.match(self._text, self._pos):
            self._pos = found.end()
            self._take("?")
            low, comma, high = found.groups()
            least = int(low) if low else int(found[0] == "+")
            most = (int(high) if high else None) if comma else int(low) if low else {"?": 1}.get(found[0])
            endings = _many(endings, least, most)
        return endings


def _of(char: str) -> _Endings:
    return frozenset({_Ending(char, is_whole=True)})


def _many(endings: _Endings, least: int, most: int | None) -> _Endings:
    """The endings of texts that follow each other, so many times."""
    if all(ending.is_whole and not ending.text.strip(_NUMBER) for ending in endings):
        return endings
    if most is None or most > 1:
        endings = frozenset(_Ending(ending.text, is_whole=False) for ending in endings)
    if most == 0:
        return _NOTHING
    return endings if least else endings | _NOTHING


def _joined(before: _Endings, behind: _Endings) -> _Endings:
    """The endings of texts that are made of two."""
    if len(before) * len(behind) > _MAX_ENDINGS:
        return frozenset(_Ending(text, is_whole=False) for text, _ in behind)
    joined: set[_Ending] = set()
    for ending in behind:
        if ending.is_whole:
            joined.update(_Ending(text + ending.text, is_whole) for text, is_whole in before)
        else:
            joined.add(ending)
    return _bounded(frozenset(joined))


def _bounded(endings: _Endings) -> _Endings:
    """Say less, and nothing wrong, where there is too much to say."""
    if len(endings) > _MAX_ENDINGS:
        return _ANYTHING
    return frozenset(_Ending(text[-_MAX_LENGTH:], is_whole and len(text) <= _MAX_LENGTH) for text, is_whole in endings)
