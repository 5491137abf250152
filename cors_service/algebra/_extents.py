"""All patterns of two policies by their hosts: at which ports they begin and end, and which of them cover an origin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from cors_service.grammar.addresses import AddressRange, Network
from cors_service.grammar.bound import BoundHost
from cors_service.grammar.expression import Expression
from cors_service.grammar.origin import DEFAULT_PORTS, NO_PORT, Origin, is_canonical_ipv4, is_label, read_origin
from cors_service.grammar.pattern import NULL, AnyOrigin, OriginPattern, expanded, write_pattern
from cors_service.grammar.single import Single
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard

BEHIND_PORTS: Final = 65536
_ANY: Final = "*"


class Entry(NamedTuple):
    """A pattern in a rule.

    Attributes:
        low: The lowest effective port.
        high: The highest.
        side: 0 for the policy before, 1 for the one after.
        rule: The number of the rule, from 1.
        pattern: The pattern, without alternatives.
    """

    low: int
    high: int
    side: int
    rule: int
    pattern: Single | Expression | AnyOrigin

    @property
    def text(self) -> str:
        """The pattern as written."""
        return write_pattern(self.pattern)


class SchemeExtents:
    """The patterns of one scheme.

    Attributes:
        hosts: Those for one host, by it.
        one_label: Those for one label before a suffix, by it: `?.` and globs.
        labels: Those for one or more labels before a suffix, by it.
        any_host: Those for any host.
        ranges: Those for addresses, by version, first and last.
        bound: Those for what is bound.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, list[Entry]] = {}
        self.one_label: dict[str, list[Entry]] = {}
        self.labels: dict[str, list[Entry]] = {}
        self.any_host: list[Entry] = []
        self.ranges: dict[tuple[int, int, int], list[Entry]] = {}
        self.bound: list[Entry] = []
        # The same as for one label, but for globs apart, by what labels begin and end with.
        self._any_label: dict[str, list[Entry]] = {}
        self._globs: dict[str, dict[str, dict[str, list[Entry]]]] = {}
        # The version and the number of addresses of all ranges.
        self._sizes: set[tuple[int, int]] = set()

    @property
    def is_used(self) -> bool:
        """Whether there is any."""
        tables = self.hosts, self.one_label, self.labels, self.any_host, self.ranges, self.bound
        return any(tables)

    def add_range(self, entry: Entry, network: Network) -> None:
        """Add a pattern for a range of addresses."""
        first, last = int(network.network_address), int(network.broadcast_address)
        self._sizes.add((network.version, last - first + 1))
        self.ranges.setdefault((network.version, first, last), []).append(entry)

    def add_label(self, entry: Entry, pattern: Wildcard | Glob) -> None:
        """Add a pattern for one label before a suffix."""
        self.one_label.setdefault(pattern.host, []).append(entry)
        if isinstance(pattern, Glob):
            behinds = self._globs.setdefault(pattern.host, {}).setdefault(pattern.before, {})
            behinds.setdefault(pattern.behind, []).append(entry)
        else:
            self._any_label.setdefault(pattern.host, []).append(entry)

    def near(self, host: str) -> Iterator[Entry]:
        """The patterns that may cover a host, on some port: all that do, and others for the same suffixes."""
        yield from self.hosts.get(host, ())
        yield from self.any_host
        address = address_of(host) if self.ranges else None
        if address is not None:
            for version, size in self._sizes:
                first = int(address) // size * size
                if version == address.version:
                    yield from self.ranges.get((version, first, first + size - 1), ())
        for bound in self.bound:
            pattern = bound.pattern
            if isinstance(pattern, BoundHost) and host.startswith(pattern.before) and host.endswith(pattern.behind):
                yield bound
        label, dot, suffix = host.partition(".")
        if dot:
            yield from self._any_label.get(suffix, ())
            yield from self._globs_of(label, self._globs.get(suffix))
        while dot:
            yield from self.labels.get(suffix, ())
            _, dot, suffix = suffix.partition(".")

    def _globs_of(self, label: str, globs: dict[str, dict[str, list[Entry]]] | None) -> Iterator[Entry]:
        """The globs that may cover a label."""
        for length in range(len(label) if globs else 0):
            behinds = globs.get(label[:length]) if globs else None
            for start in range(length + 1, len(label) + 1) if behinds else ():
                yield from behinds.get(label[start:], ()) if behinds else ()


class Extents:
    """The patterns of two policies.

    Attributes:
        schemes: By scheme.
        expressions: Those that are expressions.
        others: `*`, `null` and `file://`.
    """

    def __init__(self) -> None:
        self.schemes: dict[str, SchemeExtents] = {}
        self.expressions: list[Entry] = []
        self.others: list[Entry] = []

    def add(self, patterns: Iterable[OriginPattern], side: int, rule: int) -> None:
        """Add the patterns of a rule."""
        for pattern in expanded(patterns):
            self.add_entry(_entry(pattern, side, rule))

    def add_entry(self, entry: Entry) -> None:
        """Add a pattern in a rule."""
        pattern = entry.pattern
        if isinstance(pattern, Expression):
            self.expressions.append(entry)
        elif isinstance(pattern, AnyOrigin):
            self.others.append(entry)
        elif isinstance(pattern, str):
            self._add_exact(entry, pattern)
        else:
            self._add_single(entry, pattern)

    def of(self, scheme: str) -> SchemeExtents:
        """The patterns of a scheme, to add others."""
        found = self.schemes.get(scheme)
        if found is None:
            found = self.schemes[scheme] = SchemeExtents()
        return found

    def _add_exact(self, entry: Entry, text: str) -> None:
        scheme, _, _ = text.partition("://")
        origin = None if text == NULL else read_origin(text)
        if origin is None or origin.host == "":
            self.others.append(entry)
        else:
            self.of(scheme).hosts.setdefault(origin.host, []).append(entry)

    def _add_single(self, entry: Entry, pattern: Wildcard | Glob | AnyHost | AddressRange | BoundHost) -> None:
        of_scheme = self.of(pattern.scheme)
        if isinstance(pattern, AnyHost):
            of_scheme.any_host.append(entry)
        elif isinstance(pattern, AddressRange):
            of_scheme.add_range(entry, pattern.network)
        elif isinstance(pattern, BoundHost):
            of_scheme.bound.append(entry)
        elif isinstance(pattern, Glob) or pattern.subdomains == "?":
            of_scheme.add_label(entry, pattern)
        else:
            table = of_scheme.labels if pattern.subdomains else of_scheme.hosts
            table.setdefault(pattern.host, []).append(entry)

    def ports(self, scheme: str, host: str) -> list[tuple[int, int]]:
        """Intervals of ports, at whose ends the patterns of a host begin and end; together, all ports."""
        default = DEFAULT_PORTS.get(scheme, NO_PORT)
        starts = {min(default, 0), 0}
        of_scheme = self.schemes.get(scheme)
        for entry in of_scheme.near(host) if of_scheme else ():
            starts.update((entry.low, entry.high + 1))
        borders = sorted(start for start in starts if start < BEHIND_PORTS)
        return [(low, high - 1) for low, high in zip(borders, [*borders[1:], BEHIND_PORTS], strict=True)]

    def covering(self, origin: str) -> Iterator[Entry]:
        """The patterns other than expressions that cover an origin, whatever is bound."""
        yield from (entry for entry in self.others if origin == entry.pattern or isinstance(entry.pattern, AnyOrigin))
        parsed = read_origin(origin)
        of_scheme = self.schemes.get(parsed.scheme) if parsed else None
        if parsed is None or of_scheme is None:
            return
        for entry in of_scheme.near(parsed.host):
            if entry.low <= parsed.port <= entry.high and covers_host(entry.pattern, parsed):
                yield entry


def _entry(pattern: Single | Expression | AnyOrigin, side: int, rule: int) -> Entry:
    if isinstance(pattern, str):
        origin = None if pattern == NULL else read_origin(pattern)
        port = origin.port if origin else NO_PORT
        return Entry(port, port, side, rule, pattern)
    if isinstance(pattern, Expression | AnyOrigin):
        return Entry(NO_PORT, BEHIND_PORTS, side, rule, pattern)
    return Entry(*pattern.ports, side, rule, pattern)


def covers_host(pattern: Single | Expression | AnyOrigin, origin: Origin) -> bool:
    """Say whether a pattern covers the host of an origin that it is near to."""
    label = origin.host.partition(".")[0]
    if isinstance(pattern, Glob):
        free = label[len(pattern.before) : len(label) - len(pattern.behind)]
        if label != pattern.before + free + pattern.behind or "_" in free:
            return False
        return is_label(free.encode("ascii"))
    if isinstance(pattern, Wildcard) and pattern.subdomains:
        before = origin.host.removesuffix(f".{pattern.host}")
        return "" not in before.split(".") and is_label(origin.host.replace(".", "").encode("ascii"))
    return True


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is; None for a name."""
    if host[:1] == "[":
        return IPv6Address(host[1:-1])
    return IPv4Address(host) if is_canonical_ipv4(host.encode("ascii")) else None


def written(scheme: str, host: str, port: int) -> str:
    """Write an origin with an effective port."""
    return (
        f"{scheme}://{host}" if port in {DEFAULT_PORTS.get(scheme, NO_PORT), NO_PORT} else f"{scheme}://{host}:{port}"
    )
