"""Finds the policy of a URL: the longest path wins, then the most specific host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from cors_service.decision._readings import TooManyReadings, policies_of
from cors_service.decision._urls import URL, candidates
from cors_service.decision.places import ONE_ANY, ONE_ENDING, ONE_LITERAL, Places, Tables, endings_of
from cors_service.decision.query import BadQuery
from cors_service.grammar.match import ANY, Match
from cors_service.grammar.mistakes import shown

_ANY_HOST: Final = "*"
_SIGNS: Final = (_ANY_HOST, ANY, ":")

_ANY: Final = ONE_ENDING - ONE_ANY
_LITERAL: Final = ONE_ANY - ONE_LITERAL

_Key = TypeVar("_Key")


class Router:
    """The matches of a policy set.

    Attributes:
        hosts: How many matches have each authority.
    """

    def __init__(self, policies: Iterable[tuple[str, Iterable[Match]]]) -> None:
        """Compile matches.

        Args:
            policies: The name of each policy and its matches.
        """
        self._names: dict[str, str] = {}
        # What is beneath a prefix, counted by what is next in the units of `places`; a host's literals are left out.
        self._beneath: dict[str, int] = {}
        # The same, for all matches together, and whether there are no wildcards among them.
        self._all = 0
        self._is_plain = True
        self._has_searches = False
        self.hosts: dict[str, int] = {}
        # How many matches have a sign that takes a search, and a depth.
        self._signs: dict[str, int] = {}
        self._depths: dict[int, int] = {}
        self._depth = 0
        for name, matches in policies:
            self.add(name, matches)

    def take(self, other: Router) -> Iterator[None]:
        """Take over the matches of another router, table by table, before this one is asked."""
        self._names = other._names.copy()
        yield None
        self.hosts = other.hosts.copy()
        self._signs, self._depths, self._depth = other._signs.copy(), other._depths.copy(), other._depth
        yield None
        self._beneath, self._all = other._beneath.copy(), other._all
        self._is_plain, self._has_searches = other._is_plain, other._has_searches
        yield None

    @property
    def tables(self) -> list[object]:
        """Its large tables."""
        return [self._names, self.hosts, self._beneath]

    def add(self, name: str, matches: Iterable[Match]) -> None:
        """Add the matches of a policy, before the router is asked."""
        for match in matches:
            key = match.key
            if key not in self._names:
                self._count(key, 1)
            self._names[key] = name

    def remove(self, name: str, matches: Iterable[Match]) -> None:
        """Remove the matches of a policy, before the router is asked, except for those that now belong to another."""
        for match in matches:
            key = match.key
            if self._names.get(key) == name:
                del self._names[key]
                self._count(key, -1)

    def _count(self, key: str, number: int) -> None:
        root = key.index("/")
        authority = key[:root]
        _count(self.hosts, authority, number)
        _count(self._depths, key.count("/"), number)
        self._depth = max(self._depths, default=0)
        for sign in _SIGNS:
            if sign in authority:
                _count(self._signs, sign, number)
        self._has_searches = ANY in self._signs or _ANY_HOST in self._signs
        end = root + 1
        while 0 < end < len(key):
            unit = ONE_LITERAL
            if key[end] == ANY:
                unit = ONE_ANY if key.startswith("/", end + 1) else ONE_ENDING
            if end > root + 1 or unit > ONE_LITERAL:
                _count(self._beneath, key[:end], number * unit)
            self._all += number * unit
            end = key.find("/", end) + 1
        self._is_plain = self._all < ONE_ANY

    def find(self, url: URL) -> str:
        """Find the policy with the match that fits a URL best.

        Raises:
            BadQuery: None fits (`no-policy-for-url`), or the path can be read in several ways and these find different
                policies, or one of them finds none (`url-ambiguous`).
        """
        hosts = self.fitting(url)
        if not hosts:
            name = None
        elif url.is_plain and self._is_plain:
            name = self._find(hosts, url.path)
        elif url.is_plain and (self._all < ONE_ENDING or not _ends_in_name_and_slash(url.path)):
            name = self._follow(hosts, url.path)
        else:
            name = self._read(hosts, url)
        if name is None:
            raise BadQuery("no-policy-for-url", f"No policy matches {shown(url.origin + url.path)}.")
        return name

    def fitting(self, url: URL) -> list[str]:
        """The authorities that a fitting match can have, the most specific first."""
        if not self._signs:
            return [url.host] if url.is_default else []
        port = f":{url.port}" if ":" in self._signs else ""
        found: list[str] = []
        for host in candidates(url.host, ANY in self._signs) if self._has_searches else [url.host]:
            if port and host + port in self.hosts:
                found.append(host + port)
            if host in self.hosts and (url.is_default or host == _ANY_HOST):
                found.append(host)
        return found

    def _find(self, hosts: list[str], path: str) -> str | None:
        """Find the longest prefix of a path that has one reading, among matches without wildcards in their paths."""
        prefix = _longest_prefix(path, self._depth)
        while prefix:
            for host in hosts:
                name = self._names.get(host + prefix)
                if name is not None:
                    return name
            prefix = prefix[: prefix.rfind("/", 0, -1) + 1]
        return None

    def _follow(self, hosts: list[str], path: str) -> str | None:
        """Find the best match for a path that has one reading."""
        segments = path.split("/")
        if not segments[-1]:
            del segments[-1]
        if len(hosts) == 1:
            key = self._best(hosts[0] + "/", segments)
            return None if key is None else self._names[key]
        keys = [key for host in hosts if (key := self._best(host + "/", segments)) is not None]
        return self._names[min(keys, key=_rank)] if keys else None

    def _best(self, key: str, segments: list[str]) -> str | None:
        """Find the key of the best match of one host, given its root, and the segments, after an empty one.

        What is left to try is on a stack, the best on top: a key and a depth to go on from, or, without a depth, the
        key of a match that fits. Each prefix is tried once, so there are 93 for a segment at most, by the bound on
        wildcards in a match.
        """
        names, beneath = self._names, self._beneath
        left: list[tuple[str, int]] = []
        depth, end = 1, len(segments)
        more = beneath.get(key, 0) | ONE_LITERAL  # which is not counted for hosts
        while True:
            if key in names:
                left.append((key, 0))
            if more and depth < end:
                if more & _ANY:
                    left.append((f"{key}{ANY}/", depth + 1))
                if more >= ONE_ENDING and (found := self._ending(key, segments[-1])) is not None:
                    left.append((found, 0))
                if more & _LITERAL:
                    child = key + segments[depth] + "/"
                    more = beneath.get(child, 0)
                    if more or child in names:
                        key, depth = child, depth + 1
                        continue
            if not left:
                return None
            key, depth = left.pop()
            if not depth:
                return key
            more = beneath.get(key, 0)

    def _ending(self, prefix: str, name: str) -> str | None:
        """Find the key of the longest ending of a file name beneath a prefix."""
        for ending in endings_of(name):
            key = f"{prefix}{ANY}{ending}"
            if key in self._names:
                return key
        return None

    def _read(self, hosts: list[str], url: URL) -> str | None:
        """Find the one policy of all readings of a path."""
        try:
            names = policies_of(self.places(hosts), url.path)
        except TooManyReadings:
            message = f"The path of {shown(url.origin + url.path)} can be read in very many ways."
            raise BadQuery("url-ambiguous", message) from None
        if len(names) > 1:
            one, other = sorted([f"the policy {shown(name)}" if name else "none" for name in names], reverse=True)[:2]
            what = f"can be read in several ways: one finds {one}, another {other}."
            raise BadQuery("url-ambiguous", f"The path of {shown(url.origin + url.path)} {what}")
        return names[0]

    def places(self, hosts: list[str]) -> Places:
        """What follows paths along the matches of some hosts, which `fitting` gave."""
        return Places(Tables(self._names, self._beneath), hosts, has_wildcards=self._all & _ANY > 0)


def _count(table: dict[_Key, int], key: _Key, number: int) -> None:
    table[key] = table.get(key, 0) + number
    if not table[key]:
        del table[key]


def _rank(key: str) -> list[tuple[int, int]]:
    """The rank of a match among those that fit, the best first: see `cors_service.decision.places`."""
    *segments, last = key.split("/")[1:]
    ranks = [(2 if segment == ANY else 0, 0) for segment in segments]
    return [*ranks, (1, -len(last)) if last else (3, 0)]


def _ends_in_name_and_slash(path: str) -> bool:
    """Whether a server may take the last name of a path, which may have an ending, for the last segment."""
    return path[-1] == "/" and "." in path[path.rfind("/", 0, -1) + 1 :]


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
