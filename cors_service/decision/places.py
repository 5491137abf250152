"""Follows a URL along the matches of its host, segment by segment: a literal wins over `*.ext`, that over `*`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from cors_service.grammar.match import ANY, MOST_ENDINGS

# Ranks of matches are compared at the first segment that differs. A longer match wins over its own beginning.
_LITERAL: Final = "0"
_ENDING: Final = "1"
_ANY: Final = "2"
_END: Final = "3"

_Node = tuple[str, tuple[str, ...]]
"""A rank, and the keys of the prefixes that have it, for the most specific host first."""


class Found(NamedTuple):
    """A match that fits.

    Attributes:
        rank: The smallest is the best.
        name: The policy that it finds.
    """

    rank: str
    name: str


class Place(NamedTuple):
    """Where the first segments of a path lead to.

    Attributes:
        nodes: The prefixes that fit and have something beneath them.
        endings: The prefixes that fit and have an ending beneath them, whatever stands between.
        best: The best match that fits.
    """

    nodes: tuple[_Node, ...]
    endings: tuple[_Node, ...]
    best: Found | None

    @property
    def is_final(self) -> bool:
        """Whether no more segments can find another policy."""
        return not self.nodes and not self.endings


ONE_LITERAL: Final = 1
ONE_ANY: Final = 1 << 24
ONE_ENDING: Final = 1 << 48
"""Units of matches beneath a prefix: with a literal next, any segment, an ending. There are no 2 ** 24 of any."""


class Tables(NamedTuple):
    """The matches of a policy set.

    Attributes:
        names: The policy of each match, by its key.
        beneath: What is beneath a prefix, by its key, in the units above; literals beneath hosts are left out.
    """

    names: Mapping[str, str]
    beneath: Mapping[str, int]


class Places:
    """The matches for one host."""

    def __init__(self, tables: Tables, hosts: list[str], *, has_wildcards: bool) -> None:
        """Look at the tables.

        Args:
            tables: All matches.
            hosts: The authorities that a fitting match can have, the most specific first.
            has_wildcards: Whether there are matches with `*` in their path.
        """
        self._names, self._beneath = tables
        self._hosts = hosts
        self._has_wildcards = has_wildcards

    def start(self) -> Place:
        """Give the place of the empty path."""
        roots = (("", tuple(f"{host}/" for host in self._hosts)),)
        return Place(roots, self._with_endings(roots), self._better(roots, None))

    def step(self, place: Place, segment: str) -> tuple[Place, Found | None]:
        """Go on by a segment.

        Returns:
            The place that it leads to, and what is found if it is the last one.
        """
        nodes: list[_Node] = []
        for rank, keys in place.nodes:
            nodes.append((rank + _LITERAL, tuple([f"{key}{segment}/" for key in keys])))
            if self._has_wildcards:
                nodes.append((rank + _ANY, tuple([f"{key}{ANY}/" for key in keys])))
        endings = place.endings
        if nodes:
            endings += self._with_endings(nodes)
        best = self._better(nodes, place.best)
        after = Place(tuple(self._with_more(nodes)), endings, best)
        return after, self._ended(place.endings, segment, best) if place.endings else best

    def _with_more(self, nodes: list[_Node]) -> list[_Node]:
        more: list[_Node] = []
        for rank, keys in nodes:
            left = tuple([key for key in keys if key in self._beneath])
            if left:
                more.append((rank, left))
        return more

    def _with_endings(self, nodes: tuple[_Node, ...] | list[_Node]) -> tuple[_Node, ...]:
        found = [
            (rank, tuple([key for key in keys if self._beneath.get(key, 0) >= ONE_ENDING])) for rank, keys in nodes
        ]
        return tuple([node for node in found if node[1]])

    def _better(self, nodes: tuple[_Node, ...] | list[_Node], best: Found | None) -> Found | None:
        for rank, keys in nodes:
            for key in keys:
                name = self._names.get(key)
                if name is not None:
                    if best is None or rank + _END < best.rank:
                        best = Found(rank + _END, name)
                    break
        return best

    def _ended(self, endings: tuple[_Node, ...], segment: str, best: Found | None) -> Found | None:
        """Give the best match, endings included, if a segment is the last one."""
        wanted = [f"{ANY}{ending}" for ending in endings_of(segment)]
        for rank, keys in endings:
            found = [self._names[key + end] for end in wanted for key in keys if key + end in self._names]
            if found and (best is None or rank + _ENDING < best.rank):
                best = Found(rank + _ENDING, found[0])
        return best


def endings_of(segment: str) -> list[str]:
    """What a file name ends in, from a dot on: the longest first, which is not the whole name."""
    found: list[str] = []
    dot = len(segment)
    for _ in range(MOST_ENDINGS):
        dot = segment.rfind(".", 0, dot)
        if dot <= 0:
            break
        found.append(segment[dot:])
    return found[::-1]
