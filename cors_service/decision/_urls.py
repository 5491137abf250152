"""Finds the policy of a URL: the longest path wins, then the most specific host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from cors_service.decision._query import BadQuery
from cors_service.policy import shown
from cors_service.policy._match import Match, fold_path, is_host_name, parse_match
from cors_service.policy._origin import DEFAULT_PORTS, parse_port

MAX_URL: Final = 8192
"""Characters."""
MAX_HOST: Final = 255
"""Characters: no name in the DNS has more."""

# The scheme, the authority and the path; what is behind `?` or `#` finds no policy.
_URL: Final = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#\\]+)(/[^?#]*)?(?:[?#].*)?", re.DOTALL)
_PARAMETERS: Final = re.compile(r";[^/]*")


class URL(Struct, frozen=True):
    """Those parts of an absolute http(s) URL that a decision depends on.

    Attributes:
        origin: Its origin, serialised.
        host: Lower-case.
        port: The effective port.
        is_default: Whether that is the default of the scheme.
        path: As `fold_path` gives it.
    """

    origin: str
    host: str
    port: int
    is_default: bool
    path: str


def parse_url(text: str) -> URL:
    """Read the URL of a request.

    Raises:
        BadQuery: It is not an absolute http(s) URL (`url-malformed`), or its path can be read in more than
            one way (`url-ambiguous`).
    """
    parts = _URL.fullmatch(text) if len(text) <= MAX_URL else None
    if parts is None:
        raise BadQuery("url-malformed", f"{shown(text)} is not an absolute http or https URL.")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3] or "/"
    host, colon, digits = authority, "", ""
    if not authority.endswith("]") and ":" in authority:
        host, colon, digits = authority.rpartition(":")
    default = DEFAULT_PORTS[scheme]
    port = parse_port(digits.encode("ascii", "replace")) if colon else default
    # str.lower maps the Kelvin sign to `k`, so ASCII comes first.
    if port is None or len(host) > MAX_HOST or not host.isascii() or not is_host_name(host := host.lower()):
        raise BadQuery("url-malformed", f"{shown(text)} has no host and port that can be compared.")
    folded = fold_path(path)
    if folded is None:
        raise BadQuery("url-ambiguous", f"The path of {shown(text)} can be read in more than one way.")
    origin = f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}"
    return URL(origin, host, port, port == default, folded)


class Router:
    """The `match` prefixes of a policy set; it does not change once it is built."""

    def __init__(self, policies: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Compile prefixes.

        Args:
            policies: The name of each policy and its valid prefixes.
        """
        # The key of a prefix is its authority and path in canonical form.
        self._names: dict[str, str] = {}
        self._hosts: set[str] = set()
        self._depth = 0
        for name, prefixes in policies:
            for match in map(parse_match, prefixes):
                authority = _authority(match)
                self._names[authority + match.path] = name
                self._hosts.add(authority)
                self._depth = max(self._depth, match.path.count("/"))

    def find(self, url: URL) -> str:
        """Find the policy whose prefix fits a URL best.

        Raises:
            BadQuery: None fits (`no-policy-for-url`), or which one does depends on whether the service
                looks at path parameters such as `;v=1` (`url-ambiguous`).
        """
        hosts = [host for host in _candidates(url) if host in self._hosts]
        name = self._find(hosts, url.path)
        bare = _PARAMETERS.sub("", url.path)
        if bare != url.path and ("//" in bare or self._find(hosts, bare) != name):
            raise BadQuery("url-ambiguous", f"The path {shown(url.path)} can be read in more than one way.")
        if name is None:
            raise BadQuery("no-policy-for-url", f"No policy matches {shown(url.origin + url.path)}.")
        return name

    def _find(self, hosts: list[str], path: str) -> str | None:
        if hosts:
            for prefix in _prefixes(path, self._depth):
                for host in hosts:
                    name = self._names.get(host + prefix)
                    if name is not None:
                        return name
        return None


def _authority(match: Match) -> str:
    return match.host if match.port is None else f"{match.host}:{match.port}"


def _candidates(url: URL) -> Iterator[str]:
    """The authorities that a fitting prefix can have, the most specific first."""
    for host in (url.host, *_parents(url.host), "*"):
        yield f"{host}:{url.port}"
        if url.is_default or host == "*":
            yield host


def _parents(host: str) -> Iterator[str]:
    parent = host.partition(".")[2]
    while parent:
        yield f"*.{parent}"
        parent = parent.partition(".")[2]


def _prefixes(path: str, depth: int) -> list[str]:
    """The prefixes of a path that end in a slash, the longest first, no deeper than any match."""
    if path[-1] != "/":
        path += "/"
    ends: list[int] = []
    end = 0
    while end != -1 and len(ends) < depth:
        ends.append(end + 1)
        end = path.find("/", end + 1)
    return [path[:end] for end in reversed(ends)]
