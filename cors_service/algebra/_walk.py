"""Divides the classes of origins further, by the expressions of two policies.

An origin is read from its end, by all expressions at once and along the tree of the hosts and suffixes that other
patterns name. Wherever a host can end, an origin that ends so is given, if it is the first one in its class that these
expressions cover. Only such ways are followed as lead to origins about which the policies can differ.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from cors_service.algebra._addresses import TooMany, address, intervals, ipv4_hosts, ipv6_states
from cors_service.algebra._extents import Entry, Extents, SchemeExtents, covers_host, written
from cors_service.algebra._product import Product, States
from cors_service.algebra._suffixes import NOWHERE, Tree
from cors_service.grammar.automaton import DEAD, Automaton
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.expression import REGEX
from cors_service.grammar.origin import DEFAULT_PORTS, NO_PORT, Origin, is_cleartext, read_origin

_MOST_STATES: Final = 50_000
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_IN_SCHEMES: Final = frozenset(f"{_LOWER}0123456789+-.")
# What browsers send in hosts: of schemes without a network, and of those with one.
_OPAQUE: Final = frozenset(map(chr, range(0x21, 0x7F))) - frozenset("#/:<>?@[\\]^|")
_NETWORK: Final = _OPAQUE - frozenset(f"%{_LOWER.upper()}")
_PLAIN: Final = frozenset(f"{_LOWER}{_LOWER.upper()}0123456789-_")
# What has its own meaning at some place; of other characters, one of each kind is tried.
_KINDS: Final = (frozenset("."), frozenset("0"), frozenset("123456789"), frozenset("x"), frozenset("abcdef"))
_KINDS_OF_LABELS: Final = (frozenset(_LOWER) - frozenset("abcdefx"), frozenset("-"), frozenset("_"), _PLAIN)

_NETWORK_SCHEMES: Final = tuple(dict.fromkeys(("https", "http", *DEFAULT_PORTS)))
# The names and IPv4 addresses of the machine itself, for which cleartext is as good as anything else.
_LOOPBACK: Final = r"(http|ws|ftp)://(([^:/]*\.)?localhost|127(\.[0-9]+){3})(:[0-9]+)?"
_LOOPBACK_IPV6: Final = "[::1]"

_Key = tuple[frozenset[int], int, frozenset[int], bool]
"""A class.

The patterns for its hosts, where its ports begin, the expressions that match it, and whether that is not enough for all
of these to cover it: some leave cleartext origins out.
"""


class _Place(NamedTuple):
    """Where a host has been read to.

    Attributes:
        node: The place in the tree of hosts; NOWHERE outside it.
        suffix: The longest suffix with patterns that was left behind; NOWHERE if no wildcard can cover the host.
        labels: How many labels are before it: 1, or 2 for more.
        is_empty: Whether the label that is read is empty so far.
        globs: The states of the globs of the suffix.
        number: What the last label can be; see `_number`.
        states: The states of the expressions.
    """

    node: int
    suffix: int
    labels: int
    is_empty: bool
    globs: States
    number: str
    states: States


class Walk:
    """The expressions of two policies, and all their other patterns."""

    def __init__(self, extents: Extents, changed: set[Entry] | None, *, tells_cleartext: bool) -> None:
        """Make the automata.

        Args:
            extents: The patterns.
            changed: Those that only one policy has; None if they differ otherwise, too.
            tells_cleartext: Whether an expression may match cleartext origins that it does not cover.

        Raises:
            UnreadableError: An expression has something that is not taken apart.
            TooLargeError: An automaton is too large.
        """
        self._extents = extents
        entries: dict[str, list[Entry]] = {}
        for entry in extents.expressions:
            entries.setdefault(entry.text.removeprefix(REGEX), []).append(entry)
        for scheme in extents.schemes.values():
            for entry in scheme.bound:
                entries.setdefault(_as_expression(entry.pattern), []).append(entry)
        self._tells_cleartext = tells_cleartext
        # The last one is of no rule: it tells hosts apart that are loopback from others.
        self._product = Product([Automaton.of(text) for text in (*entries, *[_LOOPBACK] * tells_cleartext)])
        self._changed = changed
        others = changed is None or any(entry in changed for entry in extents.others)
        self._is_whole = others
        self._wanted = [
            number
            for number, each in enumerate(entries.values())
            if changed is not None and not changed.isdisjoint(each)
        ]
        self._seen: set[_Key] = set()
        self._needs_uncovered = False
        # By scheme, the hosts with patterns of their own that were only seen where an expression matches, too.
        self._matched: dict[str, set[str]] = {}
        self._ports = [*self._product.after_ports(self._product.start)]
        self._count = 0
        self.is_exact = True

    def see(self, origins: Iterable[str]) -> None:
        """Note origins that need not be given."""
        classes: set[tuple[frozenset[int], int]] = set()
        uncovered: set[tuple[frozenset[int], int]] = set()
        for text in origins:
            origin = read_origin(text)
            if origin is None or origin.host == "":
                continue
            accepted = self._product.accepted(self._product.read(self._product.start, text))
            of_scheme = self._extents.of(origin.scheme)
            key = self._class(of_scheme, origin)
            starts = [
                low for low, high in self._extents.ports(origin.scheme, origin.host) if low <= origin.port <= high
            ]
            self._seen.add((key, starts[0], accepted, self._is_cleartext(origin.scheme, origin.host)))
            if accepted and origin.host in of_scheme.hosts:
                self._matched.setdefault(origin.scheme, set()).add(origin.host)
            if origin.host not in of_scheme.hosts:
                classes.add((key, starts[0]))
                if not accepted:
                    uncovered.add((key, starts[0]))
        self._needs_uncovered = classes != uncovered

    def origins(self) -> Iterator[str]:
        """Give an origin of each class, but for those that were noted.

        Raises:
            TooMany: There are too many classes.
        """
        for schemes in self._schemes_alike():
            of_scheme = self._extents.of(schemes[0])
            region = _Region(of_scheme, self._changed)
            self._tree = Tree(of_scheme, region.texts)
            for states, ports in self._ports:
                usable = {scheme: some for scheme in schemes if (some := _usable(scheme, ports))}
                if not usable or (self._is_dead(states) and not region.texts and schemes[0] not in self._matched):
                    continue
                for host, before in self._hosts(tuple(usable), of_scheme, region, states):
                    for scheme, some in usable.items():
                        yield from self._of_host(scheme, host, before, some)
        yield from self._of_other_schemes()

    def _schemes_alike(self) -> Iterator[tuple[str, ...]]:
        """The schemes that are known; those with a network that only expressions name go along the same hosts."""
        named = {scheme for scheme, of_scheme in self._extents.schemes.items() if of_scheme.is_used}
        for scheme in [*self._extents.schemes]:
            if scheme in named or scheme not in DEFAULT_PORTS:
                yield (scheme,)
        others = tuple(scheme for scheme in _NETWORK_SCHEMES if scheme not in named)
        if others:
            yield others

    def _is_cleartext(self, scheme: str, host: str) -> bool:
        return self._tells_cleartext and is_cleartext(scheme, host)

    def _is_dead(self, states: States) -> bool:
        """Whether no expression can match any more, which is of no interest where all that none matches was seen."""
        return states == self._product.dead and not self._needs_uncovered

    def _is_alive(self, states: States, *, matters: bool) -> bool:
        """Whether a way leads to origins about which the policies can differ, and that expressions tell apart."""
        if self._is_dead(states):
            return False
        return self._is_whole or matters or any(states[number] != DEAD for number in self._wanted)

    def _hosts(
        self, schemes: Sequence[str], extents: SchemeExtents, region: _Region, states: States
    ) -> Iterator[tuple[str, States]]:
        is_dead = self._is_dead(states)
        # They are few: nobody knows yet whether there is a port on which no expression covers one.
        for host in region.hosts | self._matched.get(schemes[0], set()) if is_dead else extents.hosts:
            before = self._product.read(states, host)
            if is_dead or host in region.hosts or region.is_whole or self._is_alive(before, matters=False):
                yield host, before
        matters = region.is_whole or region.has_ranges
        if schemes[0] in DEFAULT_PORTS:
            yield from ipv4_hosts(extents, self._product, states, lambda each: self._is_alive(each, matters=matters))
        yield from self._ipv6_hosts(schemes, extents, states, matters=matters)
        yield from self._names(schemes[0], extents, region, states)

    def _ipv6_hosts(
        self, schemes: Sequence[str], extents: SchemeExtents, states: States, *, matters: bool
    ) -> Iterator[tuple[str, States]]:
        """Addresses are not taken apart; if expressions tell some of them apart, it is not known which."""
        every = ipv6_states(self._product, states)
        ways = [each for each in every if self._is_alive(each, matters=matters)]
        for scheme in schemes if ways else ():
            if len({self._product.accepted(self._product.read(each, f"{scheme}://")) for each in every}) > 1:
                self.is_exact = False
        own = {_LOOPBACK_IPV6} - extents.hosts.keys() if self._tells_cleartext and ways else ()
        for host in own:
            yield host, self._product.read(states, host)
        for first, last in intervals(extents, 6) if ways else ():
            number = first
            while number <= last and ((host := address(6, number)) in extents.hosts or host in own):
                number += 1
            if number <= last:
                yield host, self._product.read(states, host)

    def _names(
        self, scheme: str, extents: SchemeExtents, region: _Region, states: States
    ) -> Iterator[tuple[str, States]]:
        """Walk along hosts that are not addresses."""
        tree = self._tree
        chars = _NETWORK if scheme in DEFAULT_PORTS else _OPAQUE
        number = "start" if scheme in DEFAULT_PORTS else "ok"
        groups = _groups(self._product, chars)
        first = _Place(0, NOWHERE, 0, True, (), number, states)
        seen, waiting = {first}, deque([(first, "")])
        while waiting:
            place, host = waiting.popleft()
            if host and place.number not in {"digits", "0x"}:
                yield host, place.states
            for char in tree.chars(groups, place.node, place.suffix if place.labels == 1 else NOWHERE, chars):
                after = self._next(tree, place, char)
                if after is None or after in seen:
                    continue
                matters = region.is_whole or tree.matters(after.node, after.suffix, after.labels)
                if self._is_alive(after.states, matters=matters):
                    seen.add(after)
                    waiting.append((after, char + host))
                    self._count += 1
                    if self._count > _MOST_STATES:
                        raise TooMany

    def _next(self, tree: Tree, place: _Place, char: str) -> _Place | None:
        number = place.number if place.number == "ok" else _number(place.number, char)
        if number == "":
            return None
        node = tree.step(place.node, char)
        states = self._product.step(place.states, char)
        suffix, labels, globs = place.suffix, place.labels, place.globs
        if char == ".":
            if not place.is_empty and tree.is_suffix(place.node):
                suffix, labels, globs = place.node, 1, tree.globs(place.node).start
            elif place.is_empty or suffix == NOWHERE:
                suffix, labels, globs = NOWHERE, 0, ()
            else:
                labels, globs = 2, ()
        elif suffix != NOWHERE and char not in _PLAIN:
            suffix, labels, globs = NOWHERE, 0, ()
        elif labels == 1:
            globs = tree.globs(suffix).step(globs, char)
        return _Place(node, suffix, labels, char == ".", globs, number, states)

    def _of_host(self, scheme: str, host: str, states: States, ports: list[int]) -> Iterator[str]:
        """Give an origin for each of the intervals of ports of a host."""
        accepted = self._product.accepted(self._product.read(states, f"{scheme}://"))
        extents = self._extents.of(scheme)
        hosts, is_left_out = self._class(extents, Origin(scheme, host, NO_PORT)), self._is_cleartext(scheme, host)
        for low, high in self._extents.ports(scheme, host):
            key = hosts, low, accepted, is_left_out
            place = bisect_left(ports, low) if key not in self._seen else len(ports)
            if place < len(ports) and ports[place] <= high:
                self._seen.add(key)
                yield written(scheme, host, ports[place])

    def _class(self, extents: SchemeExtents, origin: Origin) -> frozenset[int]:
        return frozenset(id(entry) for entry in extents.near(origin.host) if covers_host(entry.pattern, origin))

    def _of_other_schemes(self) -> Iterator[str]:
        """Give origins of schemes that no pattern names."""
        known = {*self._extents.schemes, *DEFAULT_PORTS, "file"}
        for states, ports in self._ports:
            usable = _usable("", ports)
            if not usable or not self._is_alive(states, matters=False):
                continue
            endings: dict[States, str] = {}
            self._tree = Tree(SchemeExtents(), ())
            for host, before in self._names("", SchemeExtents(), _Region(SchemeExtents(), set()), states):
                endings.setdefault(self._product.read(before, "://"), host)
            for before, host in endings.items():
                for scheme, accepted in self._schemes(before, known):
                    if (key := (frozenset[int](), NO_PORT, accepted, False)) not in self._seen:
                        self._seen.add(key)
                        yield written(scheme, host, usable[0])

    def _schemes(self, states: States, known: set[str]) -> Iterator[tuple[str, frozenset[int]]]:
        groups = [group[0] for group in self._product.letters(_IN_SCHEMES).values()]
        chars = sorted({*groups, *(char for scheme in known for char in scheme), "q"})
        seen: set[tuple[States, str]] = set()
        waiting: deque[tuple[States, str]] = deque([(states, "")])
        while waiting:
            before, text = waiting.popleft()
            if text[:1].isalpha() and text not in known:
                yield text, self._product.accepted(before)
            for char in chars:
                longer = char + text
                after = self._product.step(before, char)
                # What no known scheme ends in may be any text.
                key = after, longer if any(scheme.endswith(longer) for scheme in known) else min("a", char)
                if key not in seen and self._is_alive(after, matters=False):
                    seen.add(key)
                    waiting.append((after, longer))


class _Region:
    """Which hosts of a scheme the patterns are about that only one policy has.

    Attributes:
        is_whole: Whether it is all of them.
        has_ranges: Whether ranges of addresses are among the patterns.
        hosts: The hosts that these patterns name.
        texts: These, and the suffixes.
    """

    def __init__(self, extents: SchemeExtents, changed: set[Entry] | None) -> None:
        self.is_whole = changed is None or any(entry in changed for entry in extents.any_host)
        self.has_ranges = self.is_whole
        self.hosts: set[str] = set()
        self.texts: set[str] = set()
        if changed is None:
            return
        self.has_ranges = any(not changed.isdisjoint(entries) for entries in extents.ranges.values())
        self.hosts, *suffixes = (
            {text for text, entries in table.items() if not changed.isdisjoint(entries)}
            for table in (extents.hosts, extents.one_label, extents.labels)
        )
        self.texts = self.hosts.union(*suffixes)


def _as_expression(pattern: object) -> str:
    """Write what may be covered by a pattern for what is bound as an expression."""
    assert isinstance(pattern, BoundHost)
    chars = "[a-z0-9_.-]" if pattern.name == WHOLE else "[a-z0-9_-]"
    return f"{re.escape(f'{pattern.scheme}://{pattern.before}')}{chars}+{re.escape(pattern.behind)}(:[0-9]+)?"


def _usable(scheme: str, ports: list[int]) -> list[int]:
    """The effective ports that origins of a scheme have, of some as they are written; both in order."""
    default = DEFAULT_PORTS.get(scheme, NO_PORT)
    if default == NO_PORT:
        return ports
    # There may be 65,536 of them, with NO_PORT in front.
    usable = ports.copy()
    place = bisect_left(usable, default)
    if usable[place : place + 1] == [default]:
        del usable[place]  # it is never written
    if usable[:1] == [NO_PORT]:
        usable.insert(place, default)
        del usable[0]
    return usable


def _groups(product: Product, chars: frozenset[str]) -> list[list[str]]:
    """Characters by what neither expressions nor any other pattern can tell apart."""
    found: dict[object, list[str]] = {}
    for letters, group in product.letters(chars).items():
        for char in group:
            kind = next((n for n, kind in enumerate((*_KINDS, *_KINDS_OF_LABELS)) if char in kind), NOWHERE)
            found.setdefault((letters, kind), []).append(char)
    return list(found.values())


def _number(before: str, char: str) -> str:
    """What the last label can be, read from its end (URL, #ends-in-a-number-checker).

    It is `digits`; `hex`, with letters; `x`, after which all were hexadecimal digits; `0x` and such digits, a number
    if it is all; `ok` if it is no number. Nothing is a label that is a number, which addresses alone may end in.
    """
    if before in {"start", "dot"}:
        if char == ".":
            return "dot" if before == "start" else "ok"
        before = "digits"
        return "digits" if char.isdigit() else "hex" if char in "abcdef" else "x" if char == "x" else "ok"
    if char == ".":
        return "" if before in {"digits", "0x"} else "ok"
    if before == "x":
        return "0x" if char == "0" else "ok"
    if before == "0x":
        return "ok"
    if char.isdigit():
        return before
    return "hex" if char in "abcdef" else "x" if char == "x" else "ok"
