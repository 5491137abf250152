"""Which policies URLs find, before and after.

Only URLs that a match fits which is new, gone or another policy's can find another policy. Such a match is tried by
itself, and together with each that fits some of the same URLs: which policy a URL finds depends on the best match and
the second best. URLs that servers can read in several ways find a policy if all readings do: they are tried for each
two matches of a host, as far as there are few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import structs

from cors_service.algebra._engines import Engines
from cors_service.algebra._policies import Found, Pair, Side
from cors_service.algebra._values import Answer, Unknown
from cors_service.decision import BadQuery, Query
from cors_service.decision.routes import Routes
from cors_service.grammar.match import ANY, ANY_HOST
from cors_service.policy import PolicySet

_FRESH: Final = "q9q"
_MOST_URLS: Final = 20_000
_MOST_READINGS: Final = 50
_DEFAULT: Final = ""

_Outcome = tuple[str, str]
"""The name of the policy that a URL finds, or the code of what is wrong."""


class RoutedEngines(Engines):
    """Decides by the policies that one URL finds."""

    def __init__(self, engines: Engines, found: tuple[str | BadQuery, str | BadQuery]) -> None:
        self._engines = engines
        self._names = found

    def answers(self, query: Query) -> tuple[Answer, Answer]:
        """What both answer to a query."""
        before, after = self._names
        return (
            before if isinstance(before, BadQuery) else self._engines.answers(structs.replace(query, policy=before))[0],
            after if isinstance(after, BadQuery) else self._engines.answers(structs.replace(query, policy=after))[1],
        )


class URLs:
    """The matches of two policy sets."""

    def __init__(self, before: PolicySet, after: PolicySet) -> None:
        self._sets = before, after
        self._keys = _keys(before), _keys(after)
        self.unknown: list[Unknown] = []

    def compare(self) -> Iterator[tuple[str, list[Found]]]:
        """Give the name of a policy that other URLs find, and how the answers to these differ."""
        old, new = self._keys
        changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        if not changed:
            return
        routes = Routes(self._sets[0]), Routes(self._sets[1])
        known: dict[tuple[_Outcome, _Outcome], list[Found]] = {}
        seen: set[tuple[str, _Outcome, _Outcome]] = set()
        others = _Others({*old, *new})
        urls = ((key, url) for key in changed for url in others.urls(key))
        for key, url in islice(urls, _MOST_URLS):
            found = _found(routes[0], url), _found(routes[1], url)
            outcomes = _outcome(found[0]), _outcome(found[1])
            name = outcomes[1][0] or outcomes[0][0]
            if not name or outcomes[0] == outcomes[1] or (key, *outcomes) in seen:
                continue
            seen.add((key, *outcomes))
            if outcomes not in known:
                known[outcomes] = self._compare_pair(url, found)
            yield name, [again for one in known[outcomes] if (again := self._again(one, url, found)) is not None]
        if next(urls, None) is not None:
            name = new.get(changed[-1]) or old.get(changed[-1]) or ""
            self.unknown.append(Unknown(name, "Not all URLs were compared: too many matches changed."))

    def _sides(self, found: tuple[str | BadQuery, str | BadQuery]) -> tuple[Side, Side]:
        before, after = (
            Side(None if isinstance(name, BadQuery) else policy_set.policies[name], policy_set)
            for name, policy_set in zip(found, self._sets, strict=True)
        )
        return before, after

    def _engines(self, found: tuple[str | BadQuery, str | BadQuery]) -> RoutedEngines:
        sides = self._sides(found)
        some = (
            PolicySet.of([side.policy] if side.policy else [], side.policy_set.origin_sets, side.policy_set.header_sets)
            for side in sides
        )
        return RoutedEngines(Engines(*some), found)

    def _compare_pair(self, url: str, found: tuple[str | BadQuery, str | BadQuery]) -> list[Found]:
        """The first difference of each direction."""
        pair = Pair(*self._sides(found), self._engines(found), Query("GET", url=url))
        by_direction: dict[str, Found] = {}
        for one in pair.compare():
            by_direction.setdefault(one.finding.effect.direction, one)
        self.unknown += pair.unknown
        if len(by_direction) > 1:
            by_direction.pop("other", None)
        return [one._replace(by_url=True) for one in by_direction.values()]

    def _again(self, one: Found, url: str, found: tuple[str | BadQuery, str | BadQuery]) -> Found | None:
        """The same difference, shown with another URL."""
        if one.finding.query.url == url:
            return one
        query = structs.replace(one.finding.query, url=url)
        for finding in self._engines(found).findings(query):
            if finding.effect == one.finding.effect:
                return one._replace(finding=finding)
        return None


def _keys(policy_set: PolicySet) -> dict[str, str]:
    return {match.key: policy.name for policy in policy_set.policies.values() for match in policy.match}


def _found(routes: Routes, url: str) -> str | BadQuery:
    try:
        return routes.policy_for(url)
    except BadQuery as error:
        return error


def _outcome(found: str | BadQuery) -> _Outcome:
    return ("", found.code) if isinstance(found, BadQuery) else (found, "")


class _Others:
    """All matches, to find those that fit the same URLs as one of them."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._by_host: dict[str, dict[str, set[str]]] = {}
        self._ports: dict[str, set[str]] = {}
        for key in sorted(keys):
            authority, _, path = key.partition("/")
            host, port = _split(authority)
            self._by_host.setdefault(host, {}).setdefault(f"/{path}", set()).add(port)
        self._wild = {host: [path for path in paths if ANY in path] for host, paths in self._by_host.items()}
        self._wild_hosts = [host for host in self._by_host if host[0] in {ANY, "*"}]
        self._all_ports = {port for paths in self._by_host.values() for ports in paths.values() for port in ports}

    def urls(self, key: str) -> Iterator[str]:
        """A URL of each class that a match fits, and that others tell apart."""
        authority, _, rest = key.partition("/")
        host, path = _split(authority)[0], f"/{rest}"
        for other, name in dict.fromkeys(self._hosts(host)):
            paths = {each: None for text in self._paths(path, other) for each in (text, text.removesuffix(_FRESH))}
            for site in self._sites(name):
                for one in paths:
                    yield site + one

    def _hosts(self, host: str) -> Iterator[tuple[str, str]]:
        """Hosts that are fitted by a host, and one more each: the other, and one that both fit."""
        if host[0] not in {ANY, "*"}:
            for other in [host, *self._wild_hosts]:
                if _merged(host, other) == host:
                    yield other, host
            return
        for text in _examples(host):
            yield host, text
        for other in self._by_host:
            both = _merged(host, other)
            if both is not None:
                yield other, both
                if other[0] in {ANY, "*"}:
                    for text in _examples(other):
                        if _fits(host, text):
                            yield other, text

    def _sites(self, host: str) -> Iterator[str]:
        yield f"https://{host}"
        yield f"http://{host}"
        if self._all_ports != {_DEFAULT} or ANY_HOST in self._by_host:
            yield from (f"https://{host}:{port}" for port in sorted({*self._all_ports, "1"} - {_DEFAULT, "443"}))

    def _paths(self, path: str, other: str) -> Iterator[str]:
        """Paths that a path fits and that paths of another host tell apart from the rest of these."""
        paths = self._by_host[other]
        yield _example(path)
        segments = path.split("/")
        prefixes = ["/".join(segments[:end]) + "/" for end in range(1, len(segments))]
        wild = self._wild[other] if ANY not in path else list(paths)
        for each in dict.fromkeys([*(prefix for prefix in prefixes if prefix in paths), *wild]):
            if (merged := _merged_paths(path, each)) is not None:
                yield merged
            # A last name in a folder's place may have an ending, too.
            ending = each.rpartition(ANY)[2] if each[-1] != "/" else ""
            if ending and path.endswith(f"/{ANY}/"):
                yield f"{_example(path)[: -len(_FRESH) - 1]}{ending}/"
            if merged is not None and not merged.endswith(_FRESH):
                yield f"{merged}/"
        # Read as one segment, it is beneath the path above; read as two, beneath this one.
        if path.endswith("/") and path != "/":
            yield f"{_example(path)[: -len(_FRESH) - 1]}%2F{_FRESH}"
        for each in islice(paths, _MOST_READINGS):
            above = _example(each).rpartition("/")[0]
            yield f"{above}{'/..;' * above.count('/')}{_example(path)}"


def _split(authority: str) -> tuple[str, str]:
    if authority.endswith("]") or ":" not in authority:
        return authority, _DEFAULT
    host, _, port = authority.rpartition(":")
    return host, port


def _examples(host: str) -> list[str]:
    """Hosts that the host of a match fits and that have no other name."""
    if host == ANY_HOST:
        return [f"{_FRESH}.invalid", _FRESH]
    suffix = host.partition(".")[2]
    return [f"{_FRESH}.{suffix}", *([f"{_FRESH}.{_FRESH}.{suffix}"] if host[0] == "*" else [])]


def _fits(host: str, text: str) -> bool:
    if host == ANY_HOST:
        return True
    label, _, suffix = text.partition(".")
    wanted = host.partition(".")[2]
    return suffix == wanted if host[0] == ANY else text.endswith(f".{wanted}") and label != ""


def _merged(host: str, other: str) -> str | None:
    """A host that two hosts of matches fit; the more special one decides."""
    for one, wide in ((host, other), (other, host)):
        if one[0] not in {ANY, "*"}:
            if one == wide or (wide[0] in {ANY, "*"} and _fits(wide, one)):
                return one
        else:
            for text in _examples(one):
                if wide[0] in {ANY, "*"} and _fits(wide, text):
                    return text
    return None


def _example(path: str) -> str:
    """A path that the path of a match fits and that has no other name."""
    *segments, last = path.split("/")
    written = [_FRESH if segment == ANY else segment for segment in segments]
    return "/".join([*written, last.replace(ANY, _FRESH) if last else _FRESH])


def _merged_paths(path: str, other: str) -> str | None:
    """A path that two paths of matches fit; None if there is none."""
    (*first, ending), (*second, other_ending) = path.split("/"), other.split("/")
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    merged: list[str] = []
    for place, segment in enumerate(longer):
        beside = shorter[place] if place < len(shorter) else ANY
        if ANY not in {segment, beside} and segment != beside:
            return None
        merged.append(beside if segment == ANY else segment)
    # An ending fits at any depth, a path that ends in a slash what is beneath.
    ends = sorted((ending.removeprefix(ANY), other_ending.removeprefix(ANY)), key=len)
    if not ends[1].endswith(ends[0]):
        return None
    return "/".join([*(_FRESH if segment == ANY else segment for segment in merged), _FRESH + ends[1]])
