"""Finds the rule for an origin by what `match` binds of the request's host: `https://<tenant>.app.example.com`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from msgspec import Struct

from cors_service.decision._ports import NO_RULE, Ports
from cors_service.decision._urls import URL
from cors_service.decision.steps import batches
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.match import Match
from cors_service.grammar.origin import Origin


class Binding(Struct, frozen=True, gc=False):
    """What the matches of a policy bind.

    Attributes:
        is_whole: Whether it is the whole host, or its first label.
        rests: What stands after it in an authority: `.api.example.com`, `.api.example.com:8443`, `:8443`, nothing.
    """

    is_whole: bool
    rests: frozenset[str]

    @classmethod
    def of(cls, matches: Sequence[Match]) -> Binding:
        """Put together what matches bind; those that bind nothing are passed over."""
        rests = frozenset(match.authority.partition(">")[2] for match in matches if match.binds)
        return cls(any(match.binds == WHOLE for match in matches), rests)

    def bound(self, url: URL) -> str | None:
        """The host of a URL, or its first label; None if the URL is not on a host of a match that binds."""
        value, dot, parent = (url.host, "", "") if self.is_whole else url.host.partition(".")
        rest = f"{dot}{parent}"
        is_bound = f"{rest}:{url.port}" in self.rests or (rest in self.rests and (url.is_default or self.is_whole))
        return value if is_bound else None


class BoundIndex(Struct, eq=False, gc=False):
    """The patterns of a policy that use what is bound, compiled.

    Attributes:
        rules: The indices of the rules with such patterns.
    """

    rules: set[int] = set()
    _ports: dict[tuple[str, str, str], Ports] = {}

    def add(self, pattern: BoundHost, index: int) -> None:
        """Add a pattern of the rule with an index, before `seal`."""
        self.rules.add(index)
        key = pattern.scheme, pattern.before, pattern.behind
        self._ports.setdefault(key, Ports()).add(*pattern.ports, index)

    def seal(self) -> Iterator[None]:
        """Turn everything that was added into tables, in steps."""
        for some in batches(self._ports.values()):
            for ports in some:
                ports.seal()
            yield

    def find(self, origin: Origin, bound: str) -> int:
        """The first rule that covers an origin, given what is bound, or NO_RULE."""
        host, best = origin.host, NO_RULE
        start = host.find(bound)
        while start >= 0:
            before, behind = host[:start], host[start + len(bound) :]
            # Most other places are within a label.
            if behind[:1] in _ENDS and before[-1:] in _ENDS:
                ports = self._ports.get((origin.scheme, before, behind))
                best = best if ports is None else min(best, ports.find(origin.port))
            start = host.find(bound, start + 1)
        return best

    def may_find(self, origin: Origin) -> set[int]:
        """The rules that cover an origin if the right value is bound."""
        host = origin.host
        dots = [place for place, char in enumerate(host) if char == "."]
        if len(dots) > _MOST_DOTS:
            return self.rules  # nobody sends such an origin, so it takes no time
        found: set[int] = set()
        for start, end in product((0, *(dot + 1 for dot in dots)), (*dots, len(host))):
            ports = self._ports.get((origin.scheme, host[:start], host[end:])) if start < end else None
            if ports is not None:
                found.add(ports.find(origin.port))
        return found - {NO_RULE}


_ENDS: Final = frozenset({"", "."})
_MOST_DOTS: Final = 16
