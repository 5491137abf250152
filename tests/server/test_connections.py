"""Tests of which connection has to go when there are too many."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from cors_service.server.channel import DecisionChannel
from cors_service.server.connections import Connections, peer_name

HERE = IPv4Address("TCP", "127.0.0.1", 1)


class Stand:
    """What is known of a connection here.

    Attributes:
        name: What the test calls it.
        is_idle: Whether nothing is under way.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_idle = True


class Crowd:
    """Connections with names."""

    def __init__(self, most: int, most_of_a_peer: int = 0) -> None:
        self.connections = Connections(most, most_of_a_peer)
        self.of: dict[str, Any] = {}

    def admit(self, *names: str, address: IAddress = HERE) -> list[tuple[str, str]]:
        """Open connections; give the names of those that had to go, each with the reason."""
        gone = []
        for name in names:
            self.of[name] = Stand(name)
            evicted = self.connections.admit(cast(DecisionChannel, self.of[name]), address)
            if evicted is not None:
                channel: Any = evicted[0]
                gone.append((channel.name, evicted[1]))
        return gone

    def ask(self, *names: str) -> None:
        """Send a whole request over each."""
        for name in names:
            channel = self.of[name]
            # As a site does, for which every instruction counts.
            del self.connections.open[channel]
            self.connections.open[channel] = None
            if channel in self.connections.waiting:
                self.connections.wait_no_longer(channel)

    def begin(self, *names: str) -> None:
        """Send half a request over each."""
        for name in names:
            self.of[name].is_idle = False
            self.connections.begin(self.of[name])

    @property
    def names(self) -> list[str]:
        """The names of those that are open."""
        open_ones: Any = self.connections.open
        return sorted(one.name for one in open_ones)


def numbered(word: str, count: int) -> list[str]:
    """So many names."""
    return [f"{word}{number:03}" for number in range(count)]


def test_silent_ones_go_in_their_order() -> None:
    """Of connections that say nothing, the oldest goes."""
    crowd = Crowd(4)
    assert crowd.admit("a", "b", "c", "d") == []
    assert crowd.admit("e", "f") == [("a", "crowded"), ("b", "crowded")]


@pytest.mark.parametrize("half", [False, True], ids=["silent", "half a request"])
def test_attackers_push_out_no_one(half: bool) -> None:
    """Neither silent connections nor half requests, however many, push out a connection that has asked something,
    however long ago.
    """
    crowd = Crowd(100)
    honest = numbered("honest", 60)
    crowd.admit(*honest)
    crowd.ask(*honest)
    for name in numbered("attacker", 1000):
        crowd.admit(name)
        if half:
            crowd.begin(name)
    assert honest == crowd.names[40:]


def test_half_a_request_protects_nobody() -> None:
    """Who has asked something, and then sends half a request, is no better than who sends half a first one."""
    crowd = Crowd(8)
    crowd.admit(*numbered("a", 8))
    crowd.ask(*numbered("a", 8))
    crowd.begin("a005", "a002", "a007")
    assert crowd.admit("new") == [("a005", "crowded")]


def test_new_ones_have_a_part_of_the_places() -> None:
    """Where idle connections have nearly all places, the one that is idle for longest makes room for a new one, which
    then has the time to ask.
    """
    crowd = Crowd(8)
    crowd.admit(*numbered("idle", 8))
    crowd.ask(*reversed(numbered("idle", 8)))
    assert crowd.admit("a", "b", "c") == [("idle007", "crowded"), ("idle006", "crowded"), ("idle005", "crowded")]
    assert crowd.admit("d") == [("a", "crowded")]


def test_busy_ones_go_last() -> None:
    """A connection whose request is being answered goes only where there is no other."""
    crowd = Crowd(2)
    crowd.admit("a", "b")
    crowd.ask("a", "b")
    crowd.of["a"].is_idle = False
    assert crowd.admit("c") == [("b", "crowded")]
    crowd.ask("c")
    crowd.of["c"].is_idle = False
    assert crowd.admit("d") == [("a", "crowded")]


def test_a_peer_makes_room_among_its_own() -> None:
    """One address has so many connections at most, and the ones that have to go are its own."""
    crowd = Crowd(100, 3)
    there, elsewhere = IPv4Address("TCP", "192.0.2.1", 1), IPv4Address("TCP", "192.0.2.2", 1)
    crowd.admit("other", address=elsewhere)
    assert crowd.admit("a", "b", "c", address=there) == []
    crowd.ask("a", "b")
    assert crowd.admit("d", "e", address=there) == [("c", "peer"), ("d", "peer")]
    crowd.connections.forget(crowd.of["e"])
    assert crowd.admit("f", address=there) == []
    assert crowd.names == ["a", "b", "f", "other"]


def test_this_machine_is_no_peer() -> None:
    """All gateways of this machine come from one address, so loopback and Unix sockets have no such limit."""
    crowd = Crowd(100, 1)
    assert crowd.admit("a", "b", address=HERE) == []
    assert crowd.admit("c", "d", address=UNIXAddress("/run/a.sock")) == []
    assert crowd.admit("e", "f", address=IPv6Address("TCP", "::1", 1)) == []


def test_no_limit_for_peers() -> None:
    """Without a limit for each address, one has as many connections as there may be."""
    there = IPv4Address("TCP", "192.0.2.1", 1)
    assert Crowd(100, 0).admit(*numbered("a", 100), address=there) == []


NAMES = {
    "192.0.2.1": "192.0.2.1",
    "127.1.2.3": None,
    "::1": None,
    "::ffff:127.0.0.1": None,
    "::ffff:192.0.2.1": "192.0.2.1",
    "2001:db8::1": "2001:db8::/64",
    "2001:db8::ffff:1:2:3": "2001:db8::/64",
    "2001:db8:0:1::1": "2001:db8:0:1::/64",
    "fe80::1%eth0": "fe80::/64",
}


@pytest.mark.parametrize(("host", "expected"), NAMES.items())
def test_names_of_peers(host: str, expected: str | None) -> None:
    """A peer is an IPv4 address, or the network of an IPv6 address; this machine is none."""
    kind = IPv6Address if ":" in host else IPv4Address
    assert expected == peer_name(kind("TCP", host, 1))
