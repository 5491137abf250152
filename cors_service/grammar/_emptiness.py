"""Whether an expression, and each alternative in it, covers any origin: decided on its automaton and that of origins.

An origin, for this purpose, is a scheme, a host of the characters that browsers send in hosts of that scheme, and
perhaps a port. Both automata go along the same text, as far as there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from cors_service.grammar.origin import DEFAULT_PORTS
from cors_service.grammar.syntax import CHARS, DIGITS, Chars, Choice, Edge, Node, NotReadError, Sequence, parse

_MAX_STATES: Final = 2_000
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
_IN_SCHEMES: Final = _LETTERS | DIGITS | frozenset("+-.")
_IN_OPAQUE_HOSTS: Final = CHARS - frozenset("#/:<>?@[\\]^|")
_IN_HOSTS: Final = frozenset(char for char in _IN_OPAQUE_HOSTS - {"%"} if not char.isupper())
_IN_ADDRESSES: Final = DIGITS | frozenset("abcdef:")
# States of the automaton of origins, beside the beginnings of known schemes.
_OTHER: Final = "other"
_ENDS: Final = frozenset({"host", "opaque host", "address", "port"})
_FILE: Final = "file"

_Steps = list[tuple[frozenset[str], str]]
_Place = tuple[int, str, bool]
_Alternative = tuple[int, int, str]


class Idle(NamedTuple):
    """What of an expression is proven to cover no origin.

    Attributes:
        is_all: Whether nothing of it covers one.
        alternatives: How those are written that no covered origin takes, in the order in which they end.
    """

    is_all: bool
    alternatives: list[str]


def idle(expression: str) -> Idle:
    """Say what of an expression is proven to cover no origin.

    Args:
        expression: The expression, which RE2 can compile.
    """
    try:
        automaton = _Automaton(parse(expression))
    except NotReadError:
        return Idle(is_all=False, alternatives=[])
    return automaton.idle()


@cache
def _origins() -> dict[str, _Steps]:
    """The automaton of origins: the steps from each state, by character. Expressions don't cover files."""
    known = {*DEFAULT_PORTS, _FILE}
    beginnings = {scheme[:end] for scheme in known for end in range(len(scheme) + 1)}
    steps: dict[str, _Steps] = {
        _OTHER: [(_IN_SCHEMES, _OTHER), (frozenset(":"), "opaque /")],
        "special /": [(frozenset("/"), "special //")],
        "special //": [(frozenset("/"), "special")],
        "special": [(_IN_HOSTS, "host"), (frozenset("["), "[")],
        "host": [(_IN_HOSTS, "host"), (frozenset(":"), ":")],
        "opaque /": [(frozenset("/"), "opaque //")],
        "opaque //": [(frozenset("/"), "opaque")],
        "opaque": [(_IN_OPAQUE_HOSTS, "opaque host"), (frozenset("["), "[")],
        "opaque host": [(_IN_OPAQUE_HOSTS, "opaque host"), (frozenset(":"), ":")],
        "[": [(_IN_ADDRESSES, "["), (frozenset("]"), "address")],
        "address": [(frozenset(":"), ":")],
        ":": [(DIGITS, "port")],
        "port": [(DIGITS, "port")],
    }
    for beginning in beginnings:
        following = {scheme[len(beginning)] for scheme in known if scheme.startswith(beginning) and scheme != beginning}
        rest = (_IN_SCHEMES if beginning else _LETTERS) - following
        steps[f"scheme {beginning}"] = [
            (rest, _OTHER),
            *((frozenset(char), f"scheme {beginning}{char}") for char in following),
        ]
        if beginning in DEFAULT_PORTS:
            steps[f"scheme {beginning}"].append((frozenset(":"), "special /"))
        elif beginning not in {"", _FILE}:
            steps[f"scheme {beginning}"].append((frozenset(":"), "opaque /"))
    return steps


class _Automaton:
    """An automaton of an expression: from a state, it takes a character, or a step without one."""

    def __init__(self, node: Node) -> None:
        self._taking: list[list[tuple[frozenset[str], int]]] = []
        self._free: list[list[tuple[str, int]]] = []
        # The last state of each alternative: whoever takes it, comes through. Repeated ones have several.
        self._lasts: dict[_Alternative, list[int]] = {}
        self._start = self._state()
        self._end = self._add(node, self._start)

    def _state(self) -> int:
        if len(self._free) >= _MAX_STATES:
            raise NotReadError
        self._taking.append([])
        self._free.append([])
        return len(self._free) - 1

    def _add(self, node: Node, start: int) -> int:
        """Add a part after a state, and give the state after it."""
        if isinstance(node, Sequence):
            for part in node.parts:
                start = self._add(part, start)
            return start
        if isinstance(node, Chars | Edge | Choice):
            end = self._state()
            if isinstance(node, Chars):
                self._taking[start].append((node.chars, end))
            elif isinstance(node, Edge):
                self._free[start].append((node.place, end))
            else:
                for number, part in enumerate(node.parts):
                    last = self._after(self._add(part, self._after(start)))
                    self._lasts.setdefault((id(node), number, node.texts[number]), []).append(last)
                    self._free[last].append(("", end))
            return end
        for _ in range(node.least):
            start = self._add(node.part, start)
        if node.most is None:
            loop = self._after(start)
            self._free[self._add(node.part, loop)].append(("", loop))
            return self._after(loop)
        end = self._state()
        for _ in range(node.most - node.least):
            self._free[start].append(("", end))
            start = self._add(node.part, start)
        self._free[start].append(("", end))
        return end

    def _after(self, start: int) -> int:
        """A new state that a step without a character leads to."""
        state = self._state()
        self._free[start].append(("", state))
        return state

    def idle(self) -> Idle:
        """Go along all origins, and back from their ends: what was not passed both times covers none."""
        first = (self._start, "scheme ", False)
        before: dict[_Place, list[_Place]] = {first: []}
        waiting = [first]
        while waiting:
            place = waiting.pop()
            for following in self._following(*place):
                if following not in before:
                    before[following] = []
                    waiting.append(following)
                before[following].append(place)
        waiting = [place for place in before if place[0] == self._end and place[1] in _ENDS]
        passed = set(waiting)
        while waiting:
            for place in before[waiting.pop()]:
                if place not in passed:
                    passed.add(place)
                    waiting.append(place)
        states = {state for state, _, _ in passed}
        alternatives = [text for (_, _, text), lasts in self._lasts.items() if states.isdisjoint(lasts)]
        return Idle(is_all=not passed, alternatives=alternatives)

    def _following(self, state: int, origin: str, is_over: bool) -> Iterator[_Place]:
        for place, after in self._free[state]:
            if place != "^" or origin == "scheme ":
                yield after, origin, is_over or place == "$"
        if is_over:
            return
        for chars, after in self._taking[state]:
            for members, following in _origins()[origin]:
                if not chars.isdisjoint(members):
                    yield after, following, False
