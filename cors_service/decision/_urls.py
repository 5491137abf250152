"""Finds the policy of a URL: the longest path wins, then the most specific host."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeVar

from msgspec import Struct

from cors_service.decision.query import BadQuery
from cors_service.grammar.match import IPV4, Match, fold_path, is_host_name
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import DEFAULT_PORTS, parse_port

MAX_URL: Final = 8192
"""Characters."""
MAX_HOST: Final = 255
"""Characters: no name in the DNS has more."""

# The scheme, the authority and the path; query and fragment are ignored.
_URL: Final = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#\\]+)(/[^?#]*)?(?:[?#].*)?", re.DOTALL)
# Most URLs have this form, without `//` and `/.` in the path; by the general rules, they mean what they say. A last
# label that begins with a letter is no number.
_PLAIN: Final = re.compile(
    r"((https?)://((?:[a-z0-9_-]++\.)*+[a-z][a-z0-9_-]*+|" + IPV4 + r"))"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@/|\[\]^-]*)?(?:[?#].*)?",
    re.DOTALL,
)
_ANY_HOST: Final = "*"
_SIGNS: Final = ("*", ":")
_PARAMETERS: Final = re.compile(r";[^/]*")

_Key = TypeVar("_Key")


class URL(Struct, frozen=True, gc=False):
    """The parts of an absolute http(s) URL that a decision depends on.

    Attributes:
        origin: Its origin, serialised. Where the host ends in a dot, so does this one's, as browsers have it: to them,
            these are two origins (URL, #concept-host-equals).
        host: Lower-case, in its one spelling: without a trailing dot.
        port: The effective port.
        is_default: Whether the port is the default of the scheme.
        path: As `fold_path` gives it.
    """

    origin: str
    host: str
    port: int
    is_default: bool
    path: str


def parse_url(text: str) -> URL:
    """Read the URL of a request. A host has one reading, or the URL is refused.

    Raises:
        BadQuery: It is not an absolute http(s) URL (`url-malformed`), or its path can be read in more than
            one way (`url-ambiguous`).
    """
    plain = _PLAIN.fullmatch(text) if len(text) <= MAX_URL else None
    if plain is not None:
        origin, scheme, host, path = plain.groups("/")
        if len(host) <= MAX_HOST and "//" not in path and "/." not in path:
            return URL(origin, host, DEFAULT_PORTS[scheme], True, path)
    parts = _URL.fullmatch(text) if len(text) <= MAX_URL else None
    if parts is None:
        raise BadQuery("url-malformed", f"{shown(text)} is not an absolute http or https URL.")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3] or "/"
    host, colon, digits = authority, "", ""
    if not authority.endswith("]") and ":" in authority:
        host, colon, digits = authority.rpartition(":")
    default = DEFAULT_PORTS[scheme]
    port = parse_port(digits.encode("ascii", "replace")) if colon else default
    # Only ASCII is lower-cased: str.lower maps the Kelvin sign to `k`.
    written = host.lower() if host.isascii() else ""
    # The dot says that the name is complete (RFC 3986, 3.2.2). Servers ignore it, so it must not find another policy.
    host = written if written[:1] == "[" else written.removesuffix(".")
    if port is None or len(written) > MAX_HOST or not is_host_name(host):
        raise BadQuery("url-malformed", f"{shown(text)} has no host and port that can be compared.")
    folded = fold_path(path)
    if folded is None:
        raise BadQuery("url-ambiguous", f"The path of {shown(text)} can be read in more than one way.")
    origin = f"{scheme}://{written}" if port == default else f"{scheme}://{written}:{port}"
    return URL(origin, host, port, port == default, folded)


def is_own(url: URL, authorities: Collection[str]) -> bool:
    """Say whether a URL is on one of these hosts, whatever its path."""
    if url.is_default and url.host in authorities:
        return True  # as a rule
    hosts = _candidates(url.host)
    fitting = [f"{host}:{url.port}" for host in hosts] + (hosts if url.is_default else [_ANY_HOST])
    return any(authority in authorities for authority in fitting)


class Router:
    """The `match` prefixes of a policy set."""

    def __init__(self, policies: Iterable[tuple[str, Iterable[Match]]]) -> None:
        """Compile prefixes.

        Args:
            policies: The name of each policy and its prefixes.
        """
        # The key of a prefix is its text, which is its authority and its path.
        self._names: dict[str, str] = {}
        # How many prefixes have an authority, a sign that takes a search, and a depth.
        self._hosts: dict[str, int] = {}
        self._signs: dict[str, int] = {}
        self._depths: dict[int, int] = {}
        self._depth = 0
        for name, prefixes in policies:
            self.add(name, prefixes)

    def take(self, other: Router) -> Iterator[None]:
        """Take over the prefixes of another router, table by table, before this one is asked."""
        self._names = other._names.copy()
        yield None
        self._hosts = other._hosts.copy()
        self._signs, self._depths, self._depth = other._signs.copy(), other._depths.copy(), other._depth
        yield None

    @property
    def tables(self) -> list[object]:
        """Its large tables."""
        return [self._names, self._hosts]

    def add(self, name: str, prefixes: Iterable[Match]) -> None:
        """Add the prefixes of a policy, before the router is asked."""
        for match in prefixes:
            if match.text not in self._names:
                self._count(match.authority, match.path, 1)
            self._names[match.text] = name

    def remove(self, name: str, prefixes: Iterable[Match]) -> None:
        """Remove the prefixes of a policy, before the router is asked, except for those that now belong to another."""
        for match in prefixes:
            if self._names.get(match.text) == name:
                del self._names[match.text]
                self._count(match.authority, match.path, -1)

    def _count(self, authority: str, path: str, number: int) -> None:
        _count(self._hosts, authority, number)
        _count(self._depths, path.count("/"), number)
        for sign in _SIGNS:
            if sign in authority:
                _count(self._signs, sign, number)
        self._depth = max(self._depths, default=0)

    def find(self, url: URL) -> str:
        """Find the policy with the prefix that fits a URL best.

        Raises:
            BadQuery: None fits (`no-policy-for-url`), or another fits without path parameters such as `;v=1`, which the
                service may or may not look at (`url-ambiguous`).
        """
        hosts = self._fitting(url)
        path = url.path
        name = self._find(hosts, path)
        if ";" in path:
            bare = _PARAMETERS.sub("", path)
            if "//" in bare or self._find(hosts, bare) != name:
                raise BadQuery("url-ambiguous", f"The path {shown(path)} can be read in more than one way.")
        if name is None:
            raise BadQuery("no-policy-for-url", f"No policy matches {shown(url.origin + path)}.")
        return name

    def _fitting(self, url: URL) -> list[str]:
        """The authorities that a fitting prefix can have, the most specific first."""
        if not self._signs:
            return [url.host] if url.is_default else []
        port = f":{url.port}" if ":" in self._signs else ""
        found: list[str] = []
        for host in _candidates(url.host) if "*" in self._signs else [url.host]:
            if port and host + port in self._hosts:
                found.append(host + port)
            if host in self._hosts and (url.is_default or host == _ANY_HOST):
                found.append(host)
        return found

    def _find(self, hosts: list[str], path: str) -> str | None:
        if not hosts:
            return None
        prefix = _longest_prefix(path, self._depth)
        while prefix:
            for host in hosts:
                name = self._names.get(host + prefix)
                if name is not None:
                    return name
            prefix = prefix[: prefix.rfind("/", 0, -1) + 1]
        return None


def _count(table: dict[_Key, int], key: _Key, number: int) -> None:
    table[key] = table.get(key, 0) + number
    if not table[key]:
        del table[key]


def _candidates(host: str) -> list[str]:
    """The hosts that a fitting prefix can have, the most specific first."""
    hosts = [host]
    parent = host.partition(".")[2]
    while parent:
        hosts.append(f"*.{parent}")
        parent = parent.partition(".")[2]
    return [*hosts, _ANY_HOST]


def _longest_prefix(path: str, depth: int) -> str:
    """The longest prefix of a path that ends in a slash and is no deeper than any match."""
    if path[-1] != "/":
        path += "/"
    if path.count("/") <= depth:
        return path
    end = -1
    for _ in range(depth):
        end = path.find("/", end + 1)
    return path[: end + 1]
