"""The tree of the hosts and suffixes that the patterns of a scheme name, character by character, from the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from cors_service.algebra._addresses import TooMany
from cors_service.algebra._extents import SchemeExtents
from cors_service.algebra._product import Product
from cors_service.grammar.automaton import Automaton
from cors_service.grammar.wildcard import Glob

NOWHERE: Final = -1
_MOST_GLOBS: Final = 100
"""For one suffix, which are followed side by side with expressions."""


class Tree:
    """Hosts and suffixes."""

    def __init__(self, extents: SchemeExtents, wanted: Iterable[str]) -> None:
        """Make the tree.

        Args:
            extents: The patterns.
            wanted: The hosts and suffixes that matter.
        """
        self._extents = extents
        self._children: list[dict[str, int]] = [{}]
        self._suffixes: dict[int, str] = {}
        self._globs: dict[int, tuple[Product, frozenset[str]]] = {}
        for host in extents.hosts:
            if host[:1] != "[":
                self._add(host)
        for suffix in {*extents.one_label, *extents.labels}:
            self._suffixes[self._add(suffix)] = suffix
        self._wanted = set(wanted)
        self._on_the_way: set[int] = set()
        for text in self._wanted:
            node = 0
            self._on_the_way.add(node)
            for char in reversed(text):
                node = self._children[node].get(char, 0)
                self._on_the_way.add(node)

    def _add(self, text: str) -> int:
        node = 0
        for char in reversed(text):
            child = self._children[node].get(char)
            if child is None:
                child = self._children[node][char] = len(self._children)
                self._children.append({})
            node = child
        return node

    def step(self, node: int, char: str) -> int:
        """The node after a character; NOWHERE if there is none."""
        return NOWHERE if node == NOWHERE else self._children[node].get(char, NOWHERE)

    def is_suffix(self, node: int) -> bool:
        """Whether there are patterns for what is before this suffix."""
        return node in self._suffixes

    def matters(self, node: int, suffix: int, labels: int) -> bool:
        """Whether a host at a place can be one of those that matter."""
        if node in self._on_the_way:
            return True
        if suffix == NOWHERE:
            return False
        text = self._suffixes[suffix]
        if labels == 1 and text in self._wanted:
            return True
        while text:
            if text in self._wanted and text in self._extents.labels:
                return True
            text = text.partition(".")[2]
        return False

    def globs(self, suffix: int) -> Product:
        """The globs for the label before a suffix."""
        return self._globs_of(suffix)[0]

    def chars(self, groups: list[list[str]], node: int, suffix: int, known: frozenset[str]) -> Iterator[str]:
        """The characters to go on with: those of the tree, those of globs, and one of each other group."""
        special = set(self._children[node]) if node != NOWHERE else set()
        if suffix != NOWHERE:
            special |= self._globs_of(suffix)[1]
        for group in groups:
            other = next((char for char in reversed(group) if char not in special), None)
            if other is not None:
                yield other
        yield from sorted(special & known)

    def _globs_of(self, suffix: int) -> tuple[Product, frozenset[str]]:
        found = self._globs.get(suffix)
        if found is None:
            entries = self._extents.one_label.get(self._suffixes[suffix], ())
            globs = {(each.before, each.behind) for entry in entries if isinstance(each := entry.pattern, Glob)}
            if len(globs) > _MOST_GLOBS:
                raise TooMany
            texts = [f"{re.escape(before)}[A-Za-z0-9-]+{re.escape(behind)}" for before, behind in sorted(globs)]
            chars = frozenset("".join(before + behind for before, behind in globs))
            found = self._globs[suffix] = Product([Automaton.of(text) for text in texts]), chars
        return found
