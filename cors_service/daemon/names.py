"""By which names a service is asked: loopback names alone, those of `--host`, or any."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, Protocol

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from cors_service.server import DecisionServer
from cors_service.web.hosts import Hosts


class Named(Protocol):
    """A tree that can be restricted to names."""

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names alone; None for any."""


class Names(Service):
    """Restricts a tree to the names that fit the addresses where it is served.

    Behind a loopback address or a Unix socket, nobody asks by another name than a loopback name, unless a page had its
    own name resolved to this machine.
    """

    _log: Final = Logger()

    def __init__(self, tree: Named, server: DecisionServer, listed: Sequence[str], *, warns: bool) -> None:
        """Make one.

        Args:
            tree: Answers loopback names and those that are listed until this starts.
            server: Serves the tree; it is started before this is.
            listed: The names that an operator lists.
            warns: Whether to warn if any name is answered.
        """
        self._tree = tree
        self._server = server
        self._listed = listed
        self._warns = warns
        tree.restrict_to(Hosts(listed))

    def startService(self) -> None:
        """Answer any name, if none is listed and other machines can connect."""
        super().startService()
        if self._listed:
            return
        addresses = [port.getHost() for port in self._server.ports]
        if all(map(is_local, addresses)):
            return
        self._tree.restrict_to(None)
        if self._warns:
            self._log.warn(
                "Any name is answered on {addresses}, so a page that has its name resolved to one of them can read the "
                "answers. Name those that callers use with --host NAME.",
                addresses=", ".join(map(str, addresses)),
            )


def is_local(address: IAddress) -> bool:
    """Whether only this machine can connect to an address."""
    if isinstance(address, UNIXAddress):
        return True
    return isinstance(address, IPv4Address | IPv6Address) and ip_address(address.host).is_loopback
