"""Finds the rule for an origin among globs such as `https://app-*.example.com`.

The suffix after the label is looked up. Of the beginnings of all globs with that suffix, those that a label has are
the longest one, which bisection finds, and the beginnings of that one; so it is with the ends. What is walked is as
deep as they stand within each other, and does not grow with their number. The walk ends where no shorter one can do
better: where none has a rule before the one that was found, or any rule for the port.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from cors_service.decision._ports import NO_RULE, NO_SPAN, Ports, Span
from cors_service.decision.steps import BATCH, batches, sorted_in_steps
from cors_service.grammar.origin import Origin, is_label
from cors_service.grammar.wildcard import Glob


class _Spanned(Protocol):
    """What has rules and ports."""

    @property
    def span(self) -> Span: ...


_Value = TypeVar("_Value", bound=_Spanned)


class GlobIndex(Struct, eq=False, gc=False):
    """The globs of a policy, compiled."""

    _found: dict[tuple[str, str], dict[str, dict[str, Ports]]] = {}
    _suffixes: dict[tuple[str, str], _Beginnings[_Beginnings[Ports]]] = {}

    def add(self, glob: Glob, index: int) -> None:
        """Add a glob of the rule with an index, before `seal`."""
        ends = self._found.setdefault((glob.scheme, glob.host), {}).setdefault(glob.before, {})
        ends.setdefault(glob.behind[::-1], Ports()).add(*glob.ports, index)

    def seal(self) -> Iterator[None]:
        """Turn everything that was added into tables, in steps; many suffixes have the same one."""
        tables: dict[object, _Beginnings[_Beginnings[Ports]]] = {}
        for suffix, beginnings in self._found.items():
            for some in batches(ports for ends in beginnings.values() for ports in ends.values()):
                for ports in some:
                    ports.seal()
                yield
            key = _content(beginnings)
            if key is None or key not in tables:
                tables[key] = yield from _table(beginnings)
            self._suffixes[suffix] = tables[key]
        self._found = {}

    def find(self, origin: Origin) -> int:
        """The first rule that covers an origin, or NO_RULE."""
        label, _, suffix = origin.host.partition(".")
        beginnings = self._suffixes.get((origin.scheme, suffix))
        if beginnings is None or not is_label(label.encode("ascii")):
            return NO_RULE
        best = NO_RULE
        for length, ends, span in beginnings.of(label):
            if not span.has_before(best, origin.port):
                break
            best = min(best, _first(ends, label[length:], origin.port, best))
        return best


def _first(ends: _Beginnings[Ports], rest: str, port: int, best: int) -> int:
    """The first rule with an end that leaves some of a text free, but no underscore; any if none is before the best."""
    most = rest.find("_") if "_" in rest else len(rest)
    for length, ports, span in ends.of(rest[::-1]):
        free = len(rest) - length
        if free > most or not span.has_before(best, port):
            break
        if free:
            best = min(best, ports.find(port))
    return best


def _content(beginnings: Mapping[str, Mapping[str, Ports]]) -> object:
    """What a table of these says, to compare it with others; None for one so large that there are not many."""
    if sum(map(len, beginnings.values())) > BATCH:
        return None
    return tuple(
        (before, tuple((end, ports.content) for end, ports in ends.items())) for before, ends in beginnings.items()
    )


def _table(
    beginnings: Mapping[str, Mapping[str, Ports]],
) -> Generator[None, None, _Beginnings[_Beginnings[Ports]]]:
    sealed: dict[str, _Beginnings[Ports]] = {}
    for before, ends in beginnings.items():
        sealed[before] = yield from _Beginnings.of_all(ends)
    found: _Beginnings[_Beginnings[Ports]] = yield from _Beginnings.of_all(sealed)
    return found


class _Beginnings(Struct, Generic[_Value], eq=False, gc=False):
    """Texts that others may begin with, each with a value.

    Attributes:
        span: Of all texts.
    """

    span: Span
    _texts: tuple[str, ...]
    _values: tuple[_Value, ...]
    # Of each text and those that it begins with.
    _spans: tuple[Span, ...]
    # The position of the longest other text that each begins with; -1 if there is none.
    _longest: tuple[int, ...]

    @classmethod
    def of_all(cls, values: Mapping[str, _Value]) -> Generator[None, None, _Beginnings[_Value]]:
        """Make them of these texts and their values, in steps."""
        texts = yield from sorted_in_steps(values)
        spans: list[Span] = []
        longest: list[int] = []
        span = NO_SPAN
        within: list[int] = []
        known: dict[Span, Span] = {}  # nearly all have the same
        for some in batches(texts):
            for position, text in enumerate(some, start=len(spans)):
                while within and not text.startswith(texts[within[-1]]):
                    within.pop()
                own = values[text].span
                span = own.joined(span)
                joined = own.joined(spans[within[-1]]) if within else own
                spans.append(known.setdefault(joined, joined))
                longest.append(within[-1] if within else -1)
                within.append(position)
            yield
        return cls(span, tuple(texts), tuple(map(values.__getitem__, texts)), tuple(spans), tuple(longest))

    def of(self, text: str) -> Iterator[tuple[int, _Value, Span]]:
        """The texts that a text begins with, the longest first.

        Yields:
            The length of each, its value, and what it and all shorter ones have.
        """
        position = bisect_right(self._texts, text) - 1
        while position >= 0:
            beginning = self._texts[position]
            if text.startswith(beginning):
                yield len(beginning), self._values[position], self._spans[position]
            position = self._longest[position]
