"""Finds the rule for an origin among patterns for any host of a scheme, such as `https://*`."""

from __future__ import annotations

from cors_service.decision._ports import NO_RULE, Found, Ports
from cors_service.grammar.origin import Origin
from cors_service.grammar.wildcard import AnyHost


class AnyHostIndex:
    """The patterns of a policy for any host, compiled."""

    __slots__ = ("_found", "_ports")

    def __init__(self) -> None:
        self._found: dict[str, list[Found]] = {}
        self._ports: dict[str, Ports] = {}

    def add(self, pattern: AnyHost, index: int) -> None:
        """Add a pattern of the rule with an index, before `seal`."""
        self._found.setdefault(pattern.scheme, []).append((*pattern.ports, index))

    def seal(self) -> None:
        """Turn everything that was added into tables."""
        self._ports = {scheme: Ports(found) for scheme, found in self._found.items()}
        self._found = {}

    def find(self, origin: Origin) -> int:
        """The first rule that covers an origin, or NO_RULE."""
        ports = self._ports.get(origin.scheme)
        return NO_RULE if ports is None else ports.find(origin.port)
