"""Divides hosts and their ports by what matches and guards tell apart.

A port matters to the hosts alone that fit what it was written with, so there are about as many classes as authorities.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Final

from cors_service.decision.routes import hosts_for
from cors_service.grammar.host import ANY_PORT
from cors_service.grammar.match import ANY, ANY_HOST
from cors_service.policy.model import Policy, PolicySet

_FRESH: Final = "q9q"
_DEFAULTS: Final = {"https": "443", "http": "80"}


class Authorities:
    """Hosts, with or without a port, as the keys of matches have them, or with any port.

    Attributes:
        hosts: A host of each class.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._ports: dict[str, set[str]] = {}
        for text in texts:
            host, port = split_authority(text.removesuffix(ANY_PORT))
            self._ports.setdefault(host, set()).add(port)
        self._fresh = fresh_name(self._ports)
        taken = {port for ports in self._ports.values() for port in ports}
        self._fresh_port = next(port for number in count(1) if (port := str(number)) not in taken)
        self.hosts = [*dict.fromkeys(host for text in sorted([*self._ports, ANY_HOST]) for host in self._of(text))]

    def names(self, host: str) -> bool:
        """Say whether a host stands for itself."""
        return host in self._ports

    def sites(self, host: str) -> Iterator[str]:
        """Give an origin of each class on a host: of both schemes, and of all ports that matter to it."""
        for scheme, default in _DEFAULTS.items():
            ports = [f":{port}" for port in self._of_host(host) if port not in {"", default}]
            yield from (f"{scheme}://{host}{port}" for port in ("", *ports))

    def texts(self, host: str) -> Iterator[str]:
        """Give a host with a port, or without one, of each class on a host, as `Host` has it."""
        yield from dict.fromkeys([host, *(f"{host}:{port}" for port in self._of_host(host) if port)])

    def _of_host(self, host: str) -> list[str]:
        ports = {port for each in hosts_for(host) for port in self._ports.get(each, ())}
        return [*sorted(ports), self._fresh_port]

    def _of(self, text: str) -> Iterator[str]:
        """Hosts that the host of a match tells apart from others."""
        if text == ANY_HOST:
            yield from (f"{self._fresh}.invalid", self._fresh)
        elif text[0] in {ANY, "*"}:
            suffix = text.partition(".")[2]
            yield from (f"{self._fresh}.{suffix}", f"{self._fresh}.{self._fresh}.{suffix}", suffix)
        else:
            yield text


def authorities_of(policies: Iterable[Policy]) -> set[str]:
    """The authorities of the matches of policies."""
    return {match.key.partition("/")[0] for policy in policies for match in policy.match}


def guarded_by(policies: Iterable[Policy]) -> set[str]:
    """The authorities by which guards let services be called."""
    guarded = [policy for policy in policies if policy.guard]
    listed = {host for policy in guarded if policy.guard for host in policy.guard.hosts}
    return listed | authorities_of(policy for policy in guarded if policy.guard and not policy.guard.hosts)


def fresh_name(taken: Collection[str]) -> str:
    """A name that is no part of some texts."""
    name = _FRESH
    while any(name in text for text in taken):
        name += "q"
    return name


def keys_of(policy_set: PolicySet) -> dict[str, str]:
    """The policy of each match, by its key."""
    return {match.key: policy.name for policy in policy_set.policies.values() for match in policy.match}


def split_authority(authority: str) -> tuple[str, str]:
    """Take the port off an authority; nothing if there is none."""
    if authority.endswith("]") or ":" not in authority:
        return authority, ""
    host, _, port = authority.rpartition(":")
    return host, port
