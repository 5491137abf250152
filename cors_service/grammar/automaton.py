"""Expressions as deterministic automata, which read an origin from its end, and whose states are made as needed.

An origin ends in what matters most, its domain; so what two sets of patterns share is read first.

The construction is Thompson's: a state of the automaton is a set of states of one that may be in several at once. What
an anchor or a word boundary asks of the next character is kept beside each of these states until that is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cors_service.grammar.syntax import CHARS, WORD, Chars, Choice, Edge, Node, NotReadError, Sequence, parse

MAX_PARTS: Final = 5_000
"""States of the automaton that may be in several at once."""
MAX_STATES: Final = 20_000
"""States of the deterministic one: beyond this, an expression is not taken apart."""
DEAD: Final = 0
"""The state from which no text is accepted."""

_ANYTHING: Final = 0
_WORD_NEXT: Final = 1
_NO_WORD_NEXT: Final = 2
_NOTHING_NEXT: Final = 4
"""What may be next, as bits: a word character, something else or the end, only the end."""


class UnreadableError(Exception):
    """An expression has something that is not taken apart."""


class TooLargeError(Exception):
    """An automaton has more states than it is worth to make."""


class _Part(NamedTuple):
    """A state of the automaton that may be in several at once: where it leads, by a character or without one."""

    taking: list[tuple[frozenset[str], int]]
    free: list[tuple[str, int]]


Way = tuple[int, int]
"""One of the states of the automaton that may be in several at once, and what it wants to be next."""


class Automaton:
    """An expression, read from its end.

    Attributes:
        start: The state at the end of a text.
    """

    def __init__(self, node: Node) -> None:
        """Make the automaton of a part of an expression.

        Raises:
            TooLargeError: It is too large.
        """
        self._parts: list[_Part] = []
        # The parts that can be gone through any number of times.
        self._looped: set[int] = set()
        first = self._part()
        self._last = self._add(node, first)
        self._atom_of = _atoms({chars for part in self._parts for chars, _ in part.taking})
        self._letters = sorted(set(self._atom_of.values()))
        self._sets: list[frozenset[tuple[int, int]]] = [frozenset()]
        self._numbers = {self._sets[0]: DEAD}
        self._tables: list[dict[str, int]] = [dict.fromkeys(self._letters, DEAD)]
        self.start = self._number(self._closed({(first, _ANYTHING)}, is_word=False, is_first=True))

    @classmethod
    def of(cls, expression: str) -> Automaton:
        """Make the automaton of an expression, which RE2 can compile.

        Raises:
            UnreadableError: It has something that the parser doesn't know.
            TooLargeError: It is too large.
        """
        try:
            return cls(parse(expression))
        except NotReadError:
            raise UnreadableError from None

    def step(self, state: int, char: str) -> int:
        """The state after a character, which stands before what was read."""
        letter = self._atom_of.get(char)
        if letter is None:
            return DEAD
        table = self._tables[state]
        found = table.get(letter)
        if found is None:
            found = table[letter] = self._step(state, letter)
        return found

    def read(self, state: int, text: str) -> int:
        """The state after a text, which stands before what was read."""
        for char in reversed(text):
            state = self.step(state, char)
        return state

    def accepts(self, state: int) -> bool:
        """Say whether what was read is a whole text that the expression matches."""
        return any(part == self._last and wanted != _WORD_NEXT for part, wanted in self._sets[state])

    def matches(self, text: str) -> bool:
        """Say whether the expression matches a text as a whole."""
        return self.accepts(self.read(self.start, text))

    def ways(self) -> Iterable[Way]:
        """The ways in which a text can end."""
        return self._closed({(0, _ANYTHING)}, is_word=False, is_first=True)

    def choices(self, way: Way, chars: frozenset[str]) -> Iterator[tuple[list[str], bool, frozenset[Way]]]:
        """How a way goes on.

        Args:
            way: The way.
            chars: The characters to go on with.

        Yields:
            Characters, one of which is next; whether it is next any number of times; and the ways from there on.
        """
        part, wanted = way
        for taken, following in self._parts[part].taking:
            for is_word in (True, False):
                if wanted in {_ANYTHING, _WORD_NEXT if is_word else _NO_WORD_NEXT}:
                    some = sorted(char for char in taken & chars if (char in WORD) == is_word)
                    after = self._closed({(following, _ANYTHING)}, is_word=is_word, is_first=False)
                    if some:
                        yield some, part in self._looped, after

    def is_end(self, way: Way) -> bool:
        """Whether what was read this way is a whole text."""
        part, wanted = way
        return part == self._last and wanted != _WORD_NEXT

    @property
    def letters(self) -> list[str]:
        """The smallest of each class of characters that it does not tell apart."""
        return self._letters

    def letter_of(self, char: str) -> str:
        """The smallest character that it does not tell from this one."""
        return self._atom_of[char]

    def _part(self) -> int:
        if len(self._parts) >= MAX_PARTS:
            raise TooLargeError
        self._parts.append(_Part([], []))
        return len(self._parts) - 1

    def _add(self, node: Node, start: int) -> int:
        """Add what stands before a state, read from the end, and give the state before it."""
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                start = self._add(part, start)
            return start
        if isinstance(node, Chars | Edge | Choice):
            end = self._part()
            if isinstance(node, Chars):
                self._parts[start].taking.append((node.chars, end))
            elif isinstance(node, Edge):
                self._parts[start].free.append((node.place, end))
            else:
                for part in node.parts:
                    self._join(self._add(part, self._after(start)), end)
            return end
        for _ in range(node.least):
            start = self._add(node.part, start)
        if node.most is None:
            loop = self._after(start)
            self._join(self._add(node.part, loop), loop)
            self._looped.update(range(loop, len(self._parts)))
            return self._after(loop)
        end = self._part()
        for _ in range(node.most - node.least):
            self._join(start, end)
            start = self._add(node.part, start)
        self._join(start, end)
        return end

    def _join(self, start: int, end: int) -> None:
        self._parts[start].free.append(("", end))

    def _after(self, start: int) -> int:
        part = self._part()
        self._join(start, part)
        return part

    def _closed(self, states: set[tuple[int, int]], *, is_word: bool, is_first: bool) -> frozenset[tuple[int, int]]:
        """These states, and all that are reached without a character; and what each wants to be next.

        Args:
            states: The states.
            is_word: Whether the character that was just read is one of a word.
            is_first: Whether none was read.
        """
        found, waiting = set(states), list(states)
        while waiting:
            state, wanted = waiting.pop()
            for place, after in self._parts[state].free:
                needed = _needed(place, is_word=is_word, is_first=is_first)
                if needed is None or {needed, wanted} == {_WORD_NEXT, _NO_WORD_NEXT}:
                    continue
                if {needed, wanted} == {_WORD_NEXT, _NOTHING_NEXT}:
                    continue
                following = after, max(needed, wanted)
                if following not in found:
                    found.add(following)
                    waiting.append(following)
        return frozenset(found)

    def _number(self, states: frozenset[tuple[int, int]]) -> int:
        number = self._numbers.get(states)
        if number is None:
            if len(self._sets) >= MAX_STATES:
                raise TooLargeError
            number = self._numbers[states] = len(self._sets)
            self._sets.append(states)
            self._tables.append({})
        return number

    def _step(self, state: int, char: str) -> int:
        is_word = char in WORD
        passing = {_ANYTHING, _WORD_NEXT if is_word else _NO_WORD_NEXT}
        after = {
            (following, _ANYTHING)
            for part, wanted in self._sets[state]
            if wanted in passing
            for chars, following in self._parts[part].taking
            if char in chars
        }
        return self._number(self._closed(after, is_word=is_word, is_first=False)) if after else DEAD


def _needed(place: str, *, is_word: bool, is_first: bool) -> int | None:
    """What an edge needs to be next; None if it can't be here."""
    if place == "^":
        return _NOTHING_NEXT
    if place == "$":
        return _ANYTHING if is_first else None
    if place == "":
        return _ANYTHING
    return _WORD_NEXT if is_word == (place == "B") else _NO_WORD_NEXT


def _atoms(classes: Iterable[frozenset[str]]) -> dict[str, str]:
    """For each character the smallest of those that no class tells from it."""
    by_membership: dict[tuple[bool, ...], str] = {}
    classes = [*classes, WORD]
    return {char: by_membership.setdefault(tuple(char in chars for chars in classes), char) for char in sorted(CHARS)}
