"""Finds the rule for an origin among ranges of addresses such as `http://192.168.0.0/16`.

Two ranges are disjoint, or one is within the other. So the addresses are cut into intervals at all their ends, each
with the narrowest range that it is in, and bisection finds the interval of an address. From there on the ranges around
are looked at: no more than an address has bits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from socket import AF_INET6, inet_pton
from typing import Final

from msgspec import Struct

from cors_service.decision._ports import NO_RULE, Ports
from cors_service.decision.steps import batches, sorted_in_steps
from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.origin import Origin, ends_in_number

_BEHIND: Final = 1 << 128
# The first and the negated last address of a range: the widest first of those that begin with the same address.
_Key = tuple[int, int]


class AddressIndex(Struct, eq=False, gc=False):
    """The ranges of addresses of a policy, compiled."""

    _found: dict[tuple[str, int], dict[_Key, Ports]] = {}
    _tables: dict[tuple[str, int], _Intervals] = {}

    def add(self, pattern: AddressRange, index: int) -> None:
        """Add a range of the rule with an index, before `seal`."""
        network = pattern.network
        key = int(network.network_address), -int(network.broadcast_address)
        found = self._found.setdefault((pattern.scheme, network.version), {})
        found.setdefault(key, Ports()).add(*pattern.ports, index)

    def seal(self) -> Iterator[None]:
        """Turn everything that was added into tables, in steps."""
        for kind, found in self._found.items():
            table = self._tables[kind] = _Intervals()
            keys = yield from sorted_in_steps(found)
            for some in batches(keys):
                for key in some:
                    found[key].seal()
                    table.add(key, found[key])
                yield
            table.end()
        self._found = {}

    def find(self, origin: Origin) -> int:
        """The first rule that covers an origin, or NO_RULE."""
        host = origin.host
        if host[:1] == "[":
            table, text = self._tables.get((origin.scheme, 6)), host[1:-1]
        else:
            table, text = self._tables.get((origin.scheme, 4)), host
            if table is not None and not ends_in_number(host.encode("ascii")):
                return NO_RULE
        return NO_RULE if table is None else table.find(_number_of(text), origin.port)


def _number_of(address: str) -> int:
    """The number of an address, which the parser has found to be one."""
    if ":" in address:
        return int.from_bytes(inet_pton(AF_INET6, address))
    first, second, third, fourth = map(int, address.split("."))
    return (first << 24) + (second << 16) + (third << 8) + fourth


class _Range(Struct, frozen=True, eq=False, gc=False):
    """The ports of a range, and the range around it."""

    last: int
    ports: Ports
    around: _Range | None


class _Intervals:
    """Disjoint intervals of addresses, each with the narrowest range that it is in."""

    __slots__ = ("_around", "_ranges", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = [-1]
        self._ranges: list[_Range | None] = [None]
        self._around: _Range | None = None

    def add(self, key: _Key, ports: Ports) -> None:
        """Add a range, after all with lesser keys."""
        first, negated = key
        self._close(first)
        self._around = _Range(-negated, ports, self._around)
        self._begin(first)

    def end(self) -> None:
        """End all ranges, once everything was added."""
        self._close(_BEHIND)

    def find(self, address: int, port: int) -> int:
        """The first rule that covers an address and a port, or NO_RULE."""
        best = NO_RULE
        found = self._ranges[bisect_right(self._starts, address) - 1]
        while found is not None:
            best = min(best, found.ports.find(port))
            found = found.around
        return best

    def _close(self, first: int) -> None:
        """End the ranges that lie before an address."""
        while self._around is not None and self._around.last < first:
            last, self._around = self._around.last, self._around.around
            self._begin(last + 1)

    def _begin(self, start: int) -> None:
        if self._starts[-1] == start:
            self._ranges[-1] = self._around
        else:
            self._starts.append(start)
            self._ranges.append(self._around)
