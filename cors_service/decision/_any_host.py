"""Finds the rule for an origin among patterns for any host of a scheme, such as `https://*`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cors_service.decision._ports import NO_RULE, Ports
from cors_service.grammar.origin import Origin
from cors_service.grammar.wildcard import AnyHost


class AnyHostIndex(Struct, eq=False, gc=False):
    """The patterns of a policy for any host, compiled."""

    _ports: dict[str, Ports] = {}

    def add(self, pattern: AnyHost, index: int) -> None:
        """Add a pattern of the rule with an index, before `seal`."""
        self._ports.setdefault(pattern.scheme, Ports()).add(*pattern.ports, index)

    def seal(self) -> Iterator[None]:
        """Turn everything that was added into tables, in steps."""
        for ports in self._ports.values():
            ports.seal()
            yield

    def find(self, origin: Origin) -> int:
        """The first rule that covers an origin, or NO_RULE."""
        ports = self._ports.get(origin.scheme)
        return NO_RULE if ports is None else ports.find(origin.port)
