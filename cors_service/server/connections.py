"""The open connections of a site, and which of them has to go when there are too many.

An attacker opens connections and says nothing over them, or half a request. Whoever has asked something is worth more:
so of those that have not, the oldest goes first, as long as they have more than a part of all places. In that part, a
new connection has the time that it takes to be asked something, also where idle ones have taken all the rest.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from cors_service.server.channel import DecisionChannel

_PART: Final = 4
"""A quarter of the places is for connections that have not asked yet."""
_NETWORK_BITS: Final = 64


class _Peer:
    """The connections of a peer.

    Attributes:
        open: How many there are.
        waiting: How many of them have not sent a whole request.
    """

    __slots__ = ("open", "waiting")

    def __init__(self) -> None:
        self.open = self.waiting = 0


class Connections:
    """The open connections.

    Attributes:
        open: All of them, the one with the oldest last request first.
        waiting: Those that have not sent a whole request since they were opened, or since another was answered.
    """

    def __init__(self, most: int, most_of_a_peer: int) -> None:
        """Make none.

        Args:
            most: How many there may be.
            most_of_a_peer: How many there may be of one address; 0 for as many as there may be at all.
        """
        self.open: dict[DecisionChannel, None] = {}
        self._most = most
        self._most_of_a_peer = most_of_a_peer
        self.waiting: dict[DecisionChannel, None] = {}
        self._peers: dict[str, _Peer] = {}
        self._peer_of: dict[DecisionChannel, str] = {}

    def admit(self, channel: DecisionChannel, address: IAddress) -> tuple[DecisionChannel, str] | None:
        """Add a connection.

        Args:
            channel: The connection.
            address: That of its client.

        Returns:
            The connection that has to go for it, which is no longer among them, and why: `crowded`, or `peer` where
            those of one address are too many.
        """
        evicted = None
        name = peer_name(address) if self._most_of_a_peer else None
        if name is not None:
            peer = self._peers.setdefault(name, _Peer())
            if peer.open >= self._most_of_a_peer:
                evicted = self._worst(name, peer.open, peer.waiting), "peer"
            self._peer_of[channel] = name
            peer.open += 1
        if evicted is None and len(self.open) >= self._most:
            evicted = self._worst(None, len(self.open), len(self.waiting)), "crowded"
        if evicted is not None:
            self.forget(evicted[0])
        self.open[channel] = None
        self.begin(channel)
        return evicted

    def begin(self, channel: DecisionChannel) -> None:
        """Take note that a connection waits for the rest of a request."""
        if channel not in self.waiting and channel in self.open:
            self.waiting[channel] = None
            if channel in self._peer_of:
                self._peers[self._peer_of[channel]].waiting += 1

    def forget(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""
        self.open.pop(channel, None)
        if channel in self.waiting:
            self.wait_no_longer(channel)
        name = self._peer_of.pop(channel, None)
        if name is not None:
            peer = self._peers[name]
            peer.open -= 1
            if not peer.open:
                del self._peers[name]

    def wait_no_longer(self, channel: DecisionChannel) -> None:
        """Take note that the rest of a request came over a connection that waits for it."""
        del self.waiting[channel]
        if channel in self._peer_of:
            self._peers[self._peer_of[channel]].waiting -= 1

    def _worst(self, name: str | None, count: int, waiting: int) -> DecisionChannel:
        """The connection of a peer, or of all, that has to go."""
        idle = (channel for channel in self._of(name, self.open) if channel.is_idle and channel not in self.waiting)
        if waiting * _PART > count:
            return next(self._of(name, self.waiting))
        found = next(idle, None) or next(self._of(name, self.waiting), None)
        return found or next(self._of(name, self.open))

    def _of(self, name: str | None, channels: dict[DecisionChannel, None]) -> Iterator[DecisionChannel]:
        return (channel for channel in channels if name is None or self._peer_of.get(channel) == name)


def peer_name(address: IAddress) -> str | None:
    """What connections of the same client have in common; None if that is this machine.

    An IPv6 client has a whole network of addresses, so the network counts.
    """
    if not isinstance(address, IPv4Address | IPv6Address):
        return None
    ip = ipaddress.ip_address(address.host.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if ip.is_loopback:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address((int(ip) >> _NETWORK_BITS) << _NETWORK_BITS)}/{_NETWORK_BITS}"
    return str(ip)
