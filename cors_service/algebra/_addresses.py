"""Divides addresses by the expressions that cover them, and by ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Final

from cors_service.algebra._extents import SchemeExtents
from cors_service.algebra._product import Product, States
from cors_service.grammar.origin import canonical_ipv6

_BITS: Final = {4: 32, 6: 128}
_MOST_WAYS: Final = 5_000
_IN_IPV6: Final = "0123456789abcdef:"
_SHORTEST_IPV6: Final = 2

Octets = list[list[int]]
"""For each of the four numbers of an address, what it may be."""


class TooMany(Exception):
    """There are more classes than it is worth to try."""


class ToldApartError(Exception):
    """Expressions tell apart IPv6 addresses, which are not divided by them."""


def intervals(extents: SchemeExtents, version: int) -> list[tuple[int, int]]:
    """The intervals of addresses, first and last, that ranges tell apart."""
    ranges = [key for key in extents.ranges if key[0] == version]
    starts = {0, *(first for _, first, _ in ranges), *(last + 1 for _, _, last in ranges)}
    end = 1 << _BITS[version]
    return [(start, behind - 1) for start, behind in pairwise([*sorted(start for start in starts if start < end), end])]


def addresses(extents: SchemeExtents) -> Iterator[str]:
    """Give an address of each class, if there are ranges."""
    for version in {version for version, _, _ in extents.ranges}:
        for first, last in intervals(extents, version):
            texts = (address(version, number) for number in range(first, last + 1))
            found = next((text for text in texts if text not in extents.hosts), None)
            if found is not None:
                yield found


def address(version: int, number: int) -> str:
    """Write an address as browsers do."""
    if version == 4:
        return str(IPv4Address(number))
    pieces = ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    canonical = canonical_ipv6(f"[{pieces}]".encode("ascii"))
    assert canonical is not None
    return canonical.decode("ascii")


def ipv4_hosts(
    extents: SchemeExtents, product: Product, states: States, is_alive: Callable[[States], bool]
) -> Iterator[tuple[str, States]]:
    """Give an IPv4 address of each class that ranges and expressions tell apart, and the states before it.

    Args:
        extents: The patterns of the scheme.
        product: The expressions.
        states: Their states after the address.
        is_alive: Says of states whether they are of interest.

    Raises:
        TooMany: There are too many ways.
    """
    ways: list[tuple[States, Octets]] = [(states, [])]
    for place in range(4):
        longer: list[tuple[States, Octets]] = []
        for before, octets in ways:
            for after, values in _after_octet(product, before, "." if place else "").items():
                if is_alive(after):
                    longer.append((after, [values, *octets]))
        ways = longer
        if len(ways) > _MOST_WAYS:
            raise TooMany
    for after, octets in ways:
        for first, last in intervals(extents, 4):
            number = _first_from(octets, first)
            while number is not None and number <= last:
                if (text := address(4, number)) not in extents.hosts:
                    yield text, after
                    break
                number = _first_from(octets, number + 1)


def _after_octet(product: Product, states: States, dot: str) -> dict[States, list[int]]:
    found: dict[States, list[int]] = {}
    for value in range(256):
        found.setdefault(product.read(states, f"{value}{dot}"), []).append(value)
    return found


def _first_from(octets: Octets, number: int) -> int | None:
    """The first address that is not less than a number; None if there is none."""
    if number >= 1 << 32:
        return None
    wanted = list(number.to_bytes(4))
    least = [values[0] for values in octets]
    # The longest beginning that can stay as it is wins.
    for place in range(4, -1, -1):
        if any(wanted[n] not in octets[n] for n in range(place)):
            continue
        if place == 4:
            return number
        larger = next((value for value in octets[place] if value > wanted[place]), None)
        if larger is not None:
            return int.from_bytes([*wanted[:place], larger, *least[place + 1 :]])
    return None


def ipv6_states(product: Product, states: States) -> set[States]:
    """The states before an IPv6 address with its brackets, whichever it is: a text of its characters.

    These are too many rather than too few, since most such texts are not addresses.
    """
    layer = {product.step(states, "]")}
    found: set[States] = set()
    for length in range(2 * _BITS[6]):
        if length >= _SHORTEST_IPV6:
            if layer <= found:
                break
            found |= layer
        layer = {product.step(each, char) for each in layer for char in _IN_IPV6}
    return {product.step(each, "[") for each in found}
