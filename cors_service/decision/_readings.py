"""All the ways in which servers read a path that has more than one, and the policies that they lead to.

Nobody knows what decodes, merges or cuts a path on its way. What is known to happen somewhere may happen at each place
or not: so each reading is a list of segments, and these are followed along the matches, all at once. Whatever is read
in the same way from here on is followed once. A reading may, at each place,

* decode escapes, twice at most, `%u002f` and overlong UTF-8 included;
* take an encoded slash, and a backslash, encoded or not, for a slash or for a character;
* leave out the parameters of a segment, from any semicolon, encoded or not, to the next slash of any kind;
* leave out an empty segment or a dot, and two dots together with the segment before them;
* end the path at an encoded question mark or number sign, a blank, or a control character that is encoded twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cors_service.decision.places import Found, Place, Places
from cors_service.grammar.path import upper_escapes

# More than any path of honest clients takes; a bound on the work for others.
_MOST_STEPS: Final = 1000

ODD: Final = re.compile(
    r"//|/\.\.?(?:/|\Z)|[;\\ ]|%(?!20|22|2A|3C|3E|5B|5D|5E|60|7B|7C|7D|[89ABDF][0-9A-F]|C[2-9A-F]|E[0-9A-F])"
    r"|%E0%[89]|%F0%8"
)
"""Finds a place in a path, as `fold_path` gives it, that can be read in several ways."""

# An escape of one of the characters that a reading may decode; in UTF-8 with one to four bytes, or as Microsoft has it.
_ESCAPE: Final = re.compile(
    r"%(?:u00|U00)?([0-7][0-9A-Fa-f])|%(?:C|c|E0%8|e0%8|F0%80%8|f0%80%8)([01])%([89ABab][0-9A-Fa-f])"
)
# Characters that no match has and no server looks for: they may stay encoded.
_OTHERS: Final = frozenset(' "*<>[]^`{|}')
# Where a reading may end the path, once it is decoded.
_END: Final = "\0"
_SLASHES: Final = re.compile(r"[/\\]")
# A slash within a segment: no match has one.
_NO_SLASH: Final = "%2F"


class TooManyReadings(Exception):
    """A path can be read in more ways than are followed."""


class _Text(NamedTuple):
    """What may be read as one segment.

    Attributes:
        spellings: The texts that it may have.
        bare: Decoded and without parameters.
    """

    spellings: tuple[str, ...]
    bare: str


class _Part(NamedTuple):
    """What stands between two slashes of any kind.

    Attributes:
        text: All of it.
        heads: What is left of it where the path may end within.
        has_parameters: Whether it may end in parameters, which may go on behind such a slash.
    """

    text: _Text
    heads: tuple[_Text, ...] = ()
    has_parameters: bool = False


class _State:
    """Where several readings have come to together: what follows means the same to them.

    Attributes:
        place: The matches that may still fit.
        found: What they find if the path ends here.
        parent: Where they came from, if a later `..` can lead back.
    """

    __slots__ = ("found", "parent", "place")

    def __init__(self, place: Place, found: Found | None, parent: _State | None) -> None:
        self.place = place
        self.found = found
        self.parent = parent


_States = dict[_State, None]


class _Readings:
    """Follows all readings of a path from part to part.

    Attributes:
        policies: The names of the policies that were found, and None if a reading finds none.
    """

    def __init__(self, places: Places, path: str) -> None:
        self.policies: dict[str | None, None] = {}
        self._places = places
        self._segments = path.split("/")[1:]
        self._returns = _last_return(path, self._segments)
        self._steps = 0
        self._can_return = False
        self._known: dict[object, _State] = {}

    def follow(self) -> None:
        """Find the policies, two at least if there are several."""
        here: _States = {}
        self._can_return = self._returns >= 0
        root = self._places.start()
        self._arrive(root, root.best, None, here)
        for index, segment in enumerate(self._segments):
            self._can_return = index <= self._returns
            if not segment and index == len(self._segments) - 1:
                self._close(here)
                break
            here = self._read(segment, here)
            if len(self.policies) > 1 or not here:
                return
        for state in here:
            self._finish(state.found)

    def _read(self, segment: str, apart: _States) -> _States:
        """Read what stands between two slashes, perhaps as several segments."""
        # Where readings are within a segment that began earlier, and within parameters.
        within: _States = {}
        skipping: _States = {}
        for part in _parts_of(segment):
            here, apart = apart, {}
            for state in here:
                self._take(state, part.text, apart)
                for head in part.heads:
                    self._end(state, head)
            for state in within:
                self._take(state, _within(part.text), apart)
                for head in part.heads:
                    self._end(state, _within(head))
            for state in skipping:
                self._count()
                apart[state] = None
                if part.heads:
                    self._finish(state.found)
            within |= here
            if part.has_parameters:
                skipping |= apart
        return apart

    def _take(self, state: _State, text: _Text, then: _States) -> None:
        """Read a text as a segment, or leave it out."""
        for spelling in text.spellings:
            place, found = self._places.step(state.place, spelling)
            self._arrive(place, found, state, then)
        if text.bare in {"", "."}:
            self._arrive(state.place, state.found, state.parent, then)
        elif text.bare == "..":
            back = state.parent or state
            self._arrive(back.place, back.found, back.parent, then)

    def _end(self, state: _State, text: _Text) -> None:
        """Read a text as the last segment."""
        last: _States = {}
        self._take(state, text, last)
        for each in last:
            self._finish(each.found)

    def _arrive(self, place: Place, found: Found | None, parent: _State | None, then: _States) -> None:
        self._count()
        if not self._can_return:
            if place.is_final:
                self._finish(place.best)
                return
            parent = None
        key = (place, found, id(parent))
        state = self._known.get(key)
        if state is None:
            state = self._known[key] = _State(place, found, parent)
        then[state] = None

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TooManyReadings

    def _close(self, states: _States) -> None:
        """A path that ends in a slash ends in no name, or in the name before it."""
        for state in states:
            self._finish(state.place.best)

    def _finish(self, found: Found | None) -> None:
        self.policies[found.name if found else None] = None


def policies_of(places: Places, path: str) -> Sequence[str | None]:
    """Find the policies of all readings of a path.

    Args:
        places: The matches for its host.
        path: As `fold_path` gives it.

    Returns:
        Their names, and None where a reading finds none; of many, at least two.

    Raises:
        TooManyReadings: It was not worth it to follow all of them.
    """
    readings = _Readings(places, path)
    readings.follow()
    return list(readings.policies)


def _last_return(path: str, segments: Sequence[str]) -> int:
    """The index of the last segment that may be two dots; -1 if there is none."""
    if ".." not in _decoded_twice(path):
        return -1
    return max((i for i, each in enumerate(segments) if ".." in _decoded_twice(each)), default=-1)


def _within(text: _Text) -> _Text:
    """The text as the end of a segment that began before a slash."""
    return _Text(tuple(_NO_SLASH + spelling for spelling in text.spellings), _NO_SLASH)


def _parts_of(segment: str) -> Iterator[_Part]:
    """Cut what stands between two plain slashes at the other slashes."""
    if not ODD.search(segment):
        yield _Part(_Text((segment,), segment))
        return
    pieces = _SLASHES.split(_decoded_twice(segment.replace(" ", _END)))
    for number, piece in enumerate(pieces, start=1):
        # What is not decoded is the name of no match, but it may have an ending.
        encoded = segment if number == len(pieces) else "%"
        yield _Part(_text(piece, encoded), _heads(piece), ";" in piece)


def _heads(piece: str) -> tuple[_Text, ...]:
    """Give what is left of a piece at each place where the path may end; of too many, not even the texts are made."""
    heads: list[_Text] = []
    spellings = 0
    for found in re.finditer(_END, piece):
        text = _text(head := piece[: found.start()], head)
        spellings += len(text.spellings)
        if spellings > _MOST_STEPS:
            raise TooManyReadings
        heads.append(text)
    return tuple(heads)


def _text(decoded: str, encoded: str) -> _Text:
    bare, *parameters = decoded.split(";")
    # What is cut at a later semicolon is the name of no match, either, but may have an ending.
    cut = [f"%{each}" for each in parameters[:-1]]
    return _Text(tuple(dict.fromkeys((bare, decoded, encoded, *cut))), bare)


def _decoded_twice(text: str) -> str:
    if "%" not in text:
        return text
    return upper_escapes(_ESCAPE.sub(_character, _ESCAPE.sub(_character, text)))


def _character(escape: re.Match[str]) -> str:
    plain, high, low = escape.groups()
    code = int(plain, 16) if plain else int(high) * 64 + int(low, 16) % 64
    char = chr(code)
    if char in _OTHERS:
        return f"%{code:02X}"
    return _END if char in "?#" or code < 32 or code == 127 else char
