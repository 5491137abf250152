"""Which policies URLs find, before and after.

Only URLs that a match fits which is new, gone or another policy's can find another policy. Of each class of hosts that
such a match fits, and of each class of paths there, one is tried. Those that find the same two policies are compared
together, as far as guards take their hosts alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Final, NamedTuple

from msgspec import structs

from cors_service.algebra._addresses import TooMany
from cors_service.algebra._authorities import (
    Authorities,
    authorities_of,
    fresh_name,
    guarded_by,
    keys_of,
    split_authority,
)
from cors_service.algebra._engines import Engines
from cors_service.algebra._guards import lists_host
from cors_service.algebra._paths import Keys, Path, Paths
from cors_service.algebra._policies import Found, Pair, Side
from cors_service.algebra._values import Answer, Unknown
from cors_service.algebra._where import BySites
from cors_service.decision import BadQuery, Circumstances, Query
from cors_service.decision.routes import Routes, bound_value, hosts_for
from cors_service.grammar.bound import BoundHost
from cors_service.policy import PolicySet

_MOST_URLS: Final = 20_000

_Names = tuple[str | BadQuery, str | BadQuery]
_Fitting = tuple[tuple[str, ...], tuple[str, ...]]
"""The authorities of the matches before and after that can fit the URLs of a site."""


class _Kind(NamedTuple):
    """What a URL finds, and what its host means to the policies.

    Attributes:
        before: The name of the policy, or the code of what is wrong.
        after: The same after the change.
        is_bound: Whether they bind something of its host.
        is_listed: Whether their guards list it.
    """

    before: tuple[str, str]
    after: tuple[str, str]
    is_bound: tuple[bool, bool] = (False, False)
    is_listed: tuple[bool, bool] = (True, True)

    @property
    def name(self) -> str:
        """The policy that differences are told about; nothing if no policy is found."""
        return self.after[0] or self.before[0]


class _Group(NamedTuple):
    """URLs of one kind.

    Attributes:
        where: What asks with them.
        by_key: The same by the match that changed.
    """

    where: BySites
    by_key: dict[str, list[str]]


class RoutedEngines(Engines):
    """Decides by the policies that one URL finds."""

    def __init__(self, engines: Engines, found: _Names) -> None:
        self._engines = engines
        self._names = found

    def answers(self, query: Query) -> tuple[Answer, Answer]:
        """What both answer to a query."""
        before, after = self._names
        return (
            before if isinstance(before, BadQuery) else self._engines.answers(structs.replace(query, policy=before))[0],
            after if isinstance(after, BadQuery) else self._engines.answers(structs.replace(query, policy=after))[1],
        )


class _Met:
    """Two policies that URLs find: what decides by them."""

    def __init__(self, found: _Names, sets: tuple[PolicySet, PolicySet]) -> None:
        one, other = (
            Side(None if isinstance(name, BadQuery) else policy_set.policies[name], policy_set)
            for name, policy_set in zip(found, sets, strict=True)
        )
        self.sides = one, other
        self.policies = one.policy, other.policy
        some = (
            PolicySet.of([side.policy] if side.policy else [], side.policy_set.origin_sets, side.policy_set.header_sets)
            for side in self.sides
        )
        self.engines = RoutedEngines(Engines(*some), found)
        self._uses_bound = [*map(_uses_bound, self.sides)]
        self._is_guarded = any(side.policy and side.policy.guard for side in self.sides)

    def of(self, kind: _Kind, url: str) -> _Kind:
        """Say what a host means to them."""
        one, other = (
            uses and side.policy is not None and bound_value(side.policy, url) is not None
            for uses, side in zip(self._uses_bound, self.sides, strict=True)
        )
        kind = kind._replace(is_bound=(one, other))
        if not self._is_guarded:
            return kind
        answers = self.engines.answers(Query("POST", url=url, circumstances=Circumstances(upgrades=("websocket",))))
        return kind._replace(is_listed=(lists_host(answers[0]), lists_host(answers[1])))


class URLs:
    """The matches of two policy sets.

    Attributes:
        unknown: What was not compared.
        reaches: The names of the policies that other URLs find; None if it may be any. Both are known in the end.
    """

    def __init__(self, before: PolicySet, after: PolicySet) -> None:
        self._sets = before, after
        self._keys = keys_of(before), keys_of(after)
        self._met: dict[tuple[object, object], _Met] = {}
        self.unknown: list[Unknown] = []
        self.reaches: frozenset[str] | None = frozenset()

    def compare(self) -> Iterator[tuple[str, list[Found]]]:
        """Give the name of a policy that other URLs find, and how the answers to these differ."""
        old, new = self._keys
        changed = {key: "" for key in sorted({*old, *new}) if old.get(key) != new.get(key)}
        if not changed:
            return
        self._routes = Routes(self._sets[0]), Routes(self._sets[1])
        groups: dict[_Kind, _Group] = {}
        for key, site, path, is_example in self._urls(changed):
            kind = self._kind(site + path)
            if kind is None:
                continue
            group = groups.get(kind)
            if group is None:
                where = BySites(self._met[kind[:2]].policies, partial(self._is, kind))
                group = groups[kind] = _Group(where, {})
            group.where.add(site, path, is_example=is_example)
            group.by_key.setdefault(key, []).append(site + path)
        if self.reaches is not None:
            self.reaches = frozenset(name for kind in groups for name in (kind.before[0], kind.after[0]) if name)
        seen: set[tuple[str, object]] = set()
        for kind, group in groups.items():
            for direction, key, found in self._differences(kind, group):
                # Where guards take hosts differently, the rest is likely to be the same.
                if (key, (*kind[:2], direction)) not in seen:
                    seen.add((key, (*kind[:2], direction)))
                    yield kind.name, [found]

    def _urls(self, changed: dict[str, str]) -> Iterator[tuple[str, str, str, bool]]:
        """Give a match that changed, and a URL of each class that it fits: site, path, whether the host is one of many.

        What can't be given is noted as unknown.
        """
        sites = [*self._changed_sites({key.partition("/")[0] for key in changed})]
        fitting = {authority for _, _, some in sites for each in some for authority in each}
        old, new = (
            {key: name for key, name in keys.items() if key.partition("/")[0] in fitting} for keys in self._keys
        )
        paths = Paths((Keys(old), Keys(new)), Keys(changed), fresh_name([*old, *new]))
        known: dict[_Fitting, list[Path]] = {}
        count = 0
        for site, is_example, fits in sites:
            if fits not in known:
                try:
                    known[fits] = [*paths.of(self._routes, fits, partial(self._finds, site))]
                except TooMany:
                    self._give_up(changed, "their matches tell too many paths apart")
                    return
            count += len(known[fits])
            if count > _MOST_URLS:
                self._give_up(changed, "too many matches changed")
                return
            for path in known[fits]:
                yield path.key, site, path.text, is_example

    def _give_up(self, changed: Collection[str], why: str) -> None:
        last = max(changed)
        name = self._keys[1].get(last) or self._keys[0].get(last) or ""
        self.unknown.append(Unknown(name, f"Not all URLs were compared: {why}."))
        self.reaches = None

    def _finds(self, site: str, path: str, before: str | None, after: str | None) -> bool:
        kind = self._kind(site + path)
        return kind is not None and (before or "", after or "") == (kind.before[0], kind.after[0])

    def _is(self, kind: _Kind, url: str) -> bool:
        return self._kind(url) == kind

    def _changed_sites(self, changed: set[str]) -> Iterator[tuple[str, bool, _Fitting]]:
        """Give a site of each class that such matches fit, whether it is one of many, and what fits it in both sets."""
        policies = [policy for policy_set in self._sets for policy in policy_set.policies.values()]
        authorities = Authorities(authorities_of(policies) | guarded_by(policies))
        hosts = {split_authority(authority)[0] for authority in changed}
        for host in authorities.hosts:
            if not hosts.isdisjoint(hosts_for(host)):
                for site in authorities.sites(host):
                    before, after = (tuple(routes.authorities_for(f"{site}/")) for routes in self._routes)
                    if not changed.isdisjoint((*before, *after)):
                        yield site, not authorities.names(host), (before, after)

    def _kind(self, url: str) -> _Kind | None:
        """What a URL finds; None if the change makes no difference to that."""
        found = _found(self._routes[0], url), _found(self._routes[1], url)
        kind = _Kind(_outcome(found[0]), _outcome(found[1]))
        if not kind.name or kind.before == kind.after:
            return None
        met = self._met.get(kind[:2])
        if met is None:
            met = self._met[kind[:2]] = _Met(found, self._sets)
        return met.of(kind, url)

    def _differences(self, kind: _Kind, group: _Group) -> Iterator[tuple[str, str, Found]]:
        """The first difference of each direction, for each match that changed and shows it."""
        met = self._met[kind[:2]]
        pair = Pair(*met.sides, met.engines, group.where)
        by_direction: dict[str, Found] = {}
        for one in pair.compare():
            by_direction.setdefault(one.finding.effect.direction, one)
        self.unknown += pair.unknown
        if len(by_direction) > 1:
            by_direction.pop("other", None)
        for direction, one in by_direction.items():
            by_url = one._replace(by_url=True)
            shown = {key: again for key, urls in group.by_key.items() if (again := _again(met.engines, by_url, urls))}
            for key, again in (shown or {"": by_url}).items():
                yield direction, key, again


def _again(engines: Engines, one: Found, urls: list[str]) -> Found | None:
    """The same difference, shown with another URL."""
    for url in urls:
        query = structs.replace(one.finding.query, url=url)
        for finding in engines.findings(query):
            if finding.effect == one.finding.effect:
                return one._replace(finding=finding)
    return None


def _uses_bound(side: Side) -> bool:
    rules = side.policy.rules if side.policy else ()
    return any(isinstance(pattern, BoundHost) for rule in rules for pattern in side.policy_set.each_pattern(rule))


def _found(routes: Routes, url: str) -> str | BadQuery:
    try:
        return routes.policy_for(url)
    except BadQuery as error:
        return error


def _outcome(found: str | BadQuery) -> tuple[str, str]:
    return ("", found.code) if isinstance(found, BadQuery) else (found, "")
