"""Finds the rule for an origin among ranges of addresses such as `http://192.168.0.0/16`.

Two ranges are disjoint, or one is within the other. So the addresses are cut into intervals at all their ends, each
with the ports of all ranges that it is in, and bisection finds the interval of an address.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from socket import AF_INET6, inet_pton

from cors_service.decision._ports import NO_RULE, Found, Ports
from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.origin import Origin, ends_in_number


class AddressIndex:
    """The ranges of addresses of a policy, compiled."""

    __slots__ = ("_found", "_tables")

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], dict[tuple[int, int], list[Found]]] = {}
        self._tables: dict[tuple[str, int], _Intervals] = {}

    def add(self, pattern: AddressRange, index: int) -> None:
        """Add a range of the rule with an index, before `seal`."""
        network = pattern.network
        # The widest first of those that begin with the same address.
        key = int(network.network_address), -int(network.broadcast_address)
        self._found.setdefault((pattern.scheme, network.version), {}).setdefault(key, []).append(
            (*pattern.ports, index)
        )

    def seal(self) -> None:
        """Turn everything that was added into tables."""
        self._tables = {kind: _Intervals(sorted(found.items())) for kind, found in self._found.items()}
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


class _Intervals:
    """Disjoint intervals of addresses, each with the rules for its ports."""

    __slots__ = ("_ports", "_starts")

    def __init__(self, ranges: Iterable[tuple[tuple[int, int], list[Found]]]) -> None:
        """Cut ranges into intervals.

        Args:
            ranges: The first and the negated last address of each, and what it covers; in their order.
        """
        self._starts: list[int] = [-1]
        self._ports: list[Ports] = [Ports(())]
        around: list[tuple[int, list[Found]]] = []
        for (first, negated), found in ranges:
            self._close(around, first)
            around.append((-negated, found))
            self._begin(first, around)
        self._close(around, 1 << 128)

    def _close(self, around: list[tuple[int, list[Found]]], first: int) -> None:
        """End the ranges that lie before an address."""
        while around and around[-1][0] < first:
            last, _ = around.pop()
            self._begin(last + 1, around)

    def _begin(self, start: int, around: list[tuple[int, list[Found]]]) -> None:
        ports = Ports(one for _, found in around for one in found)
        if self._starts[-1] == start:
            self._ports[-1] = ports
        else:
            self._starts.append(start)
            self._ports.append(ports)

    def find(self, address: int, port: int) -> int:
        return self._ports[bisect_right(self._starts, address) - 1].find(port)
