"""Several automata that read the same text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cors_service.grammar.automaton import DEAD, Automaton
from cors_service.grammar.origin import NO_PORT

States = tuple[int, ...]
"""A state of each automaton."""

PORTS = range(65536)


class Product:
    """Automata that go along the same text, from its end.

    Attributes:
        start: Their states at the end.
        dead: The states from which none of them accepts anything.
    """

    def __init__(self, automata: Sequence[Automaton]) -> None:
        self._automata = tuple(automata)
        self.start: States = tuple(each.start for each in automata)
        self.dead: States = (DEAD,) * len(self._automata)
        self._tables: dict[States, dict[str, States]] = {}

    def step(self, states: States, char: str) -> States:
        """The states after a character."""
        table = self._tables.setdefault(states, {})
        found = table.get(char)
        if found is None:
            found = table[char] = tuple(
                each.step(state, char) if state else DEAD for each, state in zip(self._automata, states, strict=True)
            )
        return found

    def read(self, states: States, text: str) -> States:
        """The states after a text, which stands before what was read."""
        for char in reversed(text):
            if states == self.dead:
                break
            states = self.step(states, char)
        return states

    def accepted(self, states: States) -> frozenset[int]:
        """Which of them accept what was read as a whole text."""
        return frozenset(
            number
            for number, (each, state) in enumerate(zip(self._automata, states, strict=True))
            if state and each.accepts(state)
        )

    def letters(self, chars: Collection[str]) -> dict[tuple[str, ...], list[str]]:
        """Characters by what the automata can't tell apart."""
        found: dict[tuple[str, ...], list[str]] = {}
        for char in sorted(chars):
            found.setdefault(tuple(each.letter_of(char) for each in self._automata), []).append(char)
        return found

    def after_ports(self, states: States) -> Iterator[tuple[States, list[int]]]:
        """The states after each port with its colon, and all ports after which they are the same, in order.

        NO_PORT stands for no port at all.
        """
        found: dict[States, list[int]] = {states: [NO_PORT]}
        # By the last digits of a port, which are read first.
        behind: dict[str, States] = {"": states}
        for length in range(1, 6):
            longer = {digit + text: self.step(after, digit) for text, after in behind.items() for digit in "0123456789"}
            behind = {text: after for text, after in longer.items() if after != self.dead}
            for text, after in behind.items():
                if (length == 1 or text[0] != "0") and int(text) in PORTS:
                    found.setdefault(self.step(after, ":"), []).append(int(text))
        living = {port for after, ports in found.items() if after != self.dead for port in ports}
        found.pop(self.dead, None)
        for after, ports in found.items():
            yield after, sorted(ports)
        yield self.dead, [port for port in (NO_PORT, *PORTS) if port not in living]
