"""Divides all origins into classes that the patterns of two policies can't tell apart, expressions left out.

The hosts of a scheme are those that stand for themselves, since a pattern names them; the addresses between the ends of
ranges; below each suffix with a wildcard or a glob, and above longer ones, the hosts with one more label, by the globs
that cover it, and those with several; and all others. For each class of hosts, ports are divided at the ends of the
intervals of its patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cors_service.algebra._addresses import TooMany, addresses
from cors_service.algebra._extents import BEHIND_PORTS, Entry, Extents, SchemeExtents, written
from cors_service.algebra._labels import MOST_LABELS, labels
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.origin import DEFAULT_PORTS, FILE, NO_PORT
from cors_service.grammar.pattern import NULL, AnyOrigin
from cors_service.grammar.wildcard import Glob

_UNCOVERED: Final = "https://q9q.invalid"
_ODD_HOST: Final = "~"
"""What browsers send and no wildcard covers."""


def origins(extents: Extents, changed: set[Entry] | None) -> Iterator[str]:
    """Give an origin of each class.

    Args:
        extents: The patterns.
        changed: Those that only one of the policies has; None if they differ otherwise, too.

    Raises:
        TooMany: Globs tell too many labels apart.
    """
    scope = None if changed is None else _scope(changed)
    for scheme in dict.fromkeys(["https", *extents.schemes, "x-other"]):
        of_scheme = extents.of(scheme)
        for host in dict.fromkeys(hosts(of_scheme, changed)):
            if scope is None or _matters(scope, scheme, host):
                for low, high in extents.ports(scheme, host):
                    if (port := a_port(scheme, low, high)) is not None:
                        yield written(scheme, host, port)
    yield _UNCOVERED
    yield NULL
    yield FILE


def _scope(changed: set[Entry]) -> Extents:
    scope = Extents()
    for entry in changed:
        scope.add_entry(entry)
    return scope


def _matters(scope: Extents, scheme: str, host: str) -> bool:
    """Whether a pattern that only one policy has may cover a host; expressions are left to the walk along them."""
    if any(isinstance(entry.pattern, AnyOrigin) for entry in scope.others):
        return True
    of_scheme = scope.schemes.get(scheme)
    return of_scheme is not None and next(of_scheme.near(host), None) is not None


def a_port(scheme: str, low: int, high: int) -> int | None:
    """An effective port that an origin can have, out of an interval; None if it has none."""
    default = DEFAULT_PORTS.get(scheme, NO_PORT)
    if low <= default <= high:
        return default
    low = max(low, 0)
    return low if low <= min(high, BEHIND_PORTS - 1) else None


def hosts(extents: SchemeExtents, changed: set[Entry] | None) -> Iterator[str]:
    """Give a host of each class."""
    known = {*extents.hosts}
    suffixes = {*extents.one_label, *extents.labels, *(bound.behind[1:] for bound in _bound(extents) if bound.behind)}
    fresh = _fresh_label(known | suffixes)
    left = MOST_LABELS + 4 * sum(map(len, extents.one_label.values()))
    # In an order, so that each comparison of two sets finds the same witnesses.
    yield from sorted(known)
    yield from addresses(extents)
    for suffix in sorted(suffixes):
        for label in _labels_before(suffix, extents, changed):
            yield f"{label}.{suffix}"
            left -= 1
            if left < 0:
                raise TooMany
        # Deeper hosts are those of the suffix, too, as long as none of their own suffixes is one.
        yield f"{fresh}.{fresh}.{suffix}"
    for bound in _bound(extents):
        for value in _values(bound, known | suffixes, fresh):
            yield f"{bound.before}{value}{bound.behind}"
    yield fresh
    yield _ODD_HOST


def _labels_before(suffix: str, extents: SchemeExtents, changed: set[Entry] | None) -> Iterator[str]:
    globs = {glob for entry in extents.one_label.get(suffix, ()) if (glob := _glob(entry))}
    wanted = _wanted(extents, suffix, changed)
    return labels(globs, wanted, lambda label: f"{label}.{suffix}" in extents.hosts)


def _values(bound: BoundHost, known: set[str], fresh: str) -> Iterator[str]:
    """What may be bound, by what other patterns tell apart after it."""
    yield fresh
    if bound.name == WHOLE:
        yield from (f"{label}{host}" for host in sorted(known) for label in ("", f"{fresh}."))
        return
    for host in sorted(known):
        before = host.removesuffix(bound.behind)
        if before != host or not bound.behind:
            yield before.rpartition(".")[2]


def _bound(extents: SchemeExtents) -> list[BoundHost]:
    return [entry.pattern for entry in extents.bound if isinstance(entry.pattern, BoundHost)]


def _fresh_label(known: set[str]) -> str:
    """A label that none of some hosts has."""
    taken = {label for host in known for label in host.split(".")}
    label = "q"
    while label in taken:
        label += "q"
    return label


def _wanted(extents: SchemeExtents, suffix: str, changed: set[Entry] | None) -> list[tuple[str, str]] | None:
    """The globs for a suffix that only one policy has, if nothing else about its labels differs."""
    if changed is None or any(entry in changed for entry in extents.near(f"{_ODD_HOST}.{suffix}") if not _glob(entry)):
        return None
    return [glob for entry in extents.one_label.get(suffix, ()) if entry in changed and (glob := _glob(entry))]


def _glob(entry: Entry) -> tuple[str, str] | None:
    pattern = entry.pattern
    return (pattern.before, pattern.behind) if isinstance(pattern, Glob) else None
