"""At which URLs to ask about an origin: what a host matters to, besides the policy that it finds.

To a policy that is found, a URL says three things: which origin is the service's own, what a name is bound to, and
whether a guard lists its host. For one origin, only those values of a name matter that a pattern needs to cover it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, product
from typing import Final, NamedTuple, Protocol

from cors_service.algebra._authorities import Authorities, authorities_of
from cors_service.algebra._extents import BEHIND_PORTS, Entry, Extents
from cors_service.decision import Query
from cors_service.decision.routes import bound_value, is_own_site
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.match import Match
from cors_service.grammar.origin import read_origin
from cors_service.policy.model import Policy

_FRESH: Final = "q9q"
_UNBOUND: Final = "https://q9q.invalid/"
"""A URL on a host that no policy names."""
_OF_NO_RULE: Final = 0
NO_SIDE: Final = -1
"""The side of what is no pattern of a policy."""


class Where(Protocol):
    """Where two policies are found."""

    @property
    def base(self) -> Query:
        """A query that finds them."""
        ...

    @property
    def owns(self) -> Sequence[str]:
        """The origins of URLs at which their own pages are asked about."""
        ...

    def prepare(self, extents: Extents) -> None:
        """Look at the patterns, and add origins that stand for themselves because of the URLs."""
        ...

    def urls(self, origin: str) -> Iterable[str | None]:
        """Give the URLs to ask about an origin with; None for no URL."""
        ...


class ByName:
    """A policy that is named, with any URL or none."""

    def __init__(self, name: str, policies: Sequence[Policy]) -> None:
        self.base = Query("GET", policy=name)
        self._policies = policies
        # Whether a URL is one of their own is of interest if they disagree.
        self._differ = len({policy.match for policy in policies}) > 1
        self.owns = _own_sites(policies) if self._differ else _an_own_site(policies)

    def prepare(self, extents: Extents) -> None:
        """Look at the patterns."""
        self._extents = extents

    def urls(self, origin: str) -> Iterable[str | None]:
        """Give no URL, one of each class that bound names tell apart, and the origin's own."""
        urls = self._that_bind(origin)
        return [*urls, f"{origin}/"] if self._differ and origin.startswith("http") else urls

    def _that_bind(self, origin: str) -> list[str | None]:
        if not any(scheme.bound for scheme in self._extents.schemes.values()):
            return [None]
        rests = {rest for each in self._policies for match in each.match if (rest := _rest(match)) is not None}
        values = {_FRESH, f"{_FRESH}.invalid", *(value for _, value in _wanted(self._extents, origin))}
        # Not the scheme of the origin, to which the URL would be its own.
        scheme = "http" if origin.startswith("https:") else "https"
        urls = [f"{scheme}://{value}{rest}/" for value, rest in product(sorted(values), sorted(rests))]
        return [None, _UNBOUND, *urls]


class _Site(NamedTuple):
    """A URL at which two policies are found.

    Attributes:
        url: The URL.
        origin: Its origin.
        values: What both policies bind of its host.
    """

    url: str
    origin: str
    values: tuple[str | None, str | None]


class BySites:
    """The URLs that find two policies, and differ only in whose own they are, and in what is bound of their hosts."""

    def __init__(self, policies: tuple[Policy | None, Policy | None], finds: Callable[[str], bool]) -> None:
        """Prepare.

        Args:
            policies: Those that are found.
            finds: Says of a URL whether it is one of these, too.
        """
        self._policies = policies
        self._finds = finds
        self._sites: dict[str, _Site] = {}
        self._by_value: dict[tuple[int, str], list[_Site]] = {}
        # Those whose host stands for many.
        self._examples: list[_Site] = []
        self._made: dict[str, _Site | None] = {}

    def add(self, site: str, path: str, *, is_example: bool) -> None:
        """Add a URL of a site; of each site, one is enough."""
        if site in self._sites:
            return
        added = self._sites[site] = self._site(f"{site}{path}")
        for side, value in enumerate(added.values):
            if value is not None:
                self._by_value.setdefault((side, value), []).append(added)
        if is_example:
            self._examples.append(added)

    @property
    def base(self) -> Query:
        """A query that finds them."""
        return Query("GET", url=next(iter(self._sites.values())).url)

    @property
    def owns(self) -> Sequence[str]:
        """The origin of the first one: to a page of its own, all are alike."""
        return [*self._sites][:1]

    def prepare(self, extents: Extents) -> None:
        """Add the origins that patterns cover at these URLs, and those that are a URL's own where there is no other."""
        self._extents = extents
        alike: dict[object, list[_Site]] = {}
        for site in self._sites.values():
            alike.setdefault(site.values, []).append(site)
        bound = [(scheme, entry) for scheme, some in extents.schemes.items() for entry in some.bound]
        for sites in alike.values():
            if len(sites) == 1:
                _add(extents, sites[0].origin)
            for scheme, entry in bound:
                value = sites[0].values[entry.side]
                if value is not None and isinstance(entry.pattern, BoundHost):
                    _add(extents, f"{scheme}://{entry.pattern.before}{value}{entry.pattern.behind}", is_any_port=True)

    def urls(self, origin: str) -> Iterable[str | None]:
        """Give a URL of each class that bound names tell apart, unless the origin is its own."""
        wanted = sorted(_wanted(self._extents, origin))
        asked: set[object] = set()
        for site in chain(*(self._by_value.get(each, ()) for each in wanted), self._made_for(wanted)):
            kind = tuple(each in wanted for each in enumerate(site.values))
            if kind not in asked and site.origin != origin:
                asked.add(kind)
                yield site.url
        for site in self._sites.values():
            if site.origin != origin and not any(each in wanted for each in enumerate(site.values)):
                yield site.url
                break

    def _made_for(self, wanted: Sequence[tuple[int, str]]) -> Iterator[_Site]:
        """URLs at which values are bound that no match names."""
        for example, (side, value) in product(self._examples, wanted):
            policy = self._policies[side]
            if policy is None or example.values[side] is None:
                continue
            scheme, _, authority = example.origin.partition("://")
            host, colon, port = authority.partition(":")
            is_whole = any(match.binds == WHOLE for match in policy.match)
            made = value if is_whole else f"{value}.{host.partition('.')[2]}"
            url = f"{scheme}://{made}{colon}{port}{example.url.removeprefix(example.origin)}"
            if url not in self._made:
                self._made[url] = self._site(url) if self._finds(url) else None
            if (site := self._made[url]) is not None:
                yield site

    def _site(self, url: str) -> _Site:
        one, other = (None if policy is None else bound_value(policy, url) for policy in self._policies)
        return _Site(url, url[: url.index("/", len("https://"))], (one, other))


def _add(extents: Extents, origin: str, *, is_any_port: bool = False) -> None:
    """Have an origin stand for itself, or all of its host do."""
    parsed = read_origin(origin)
    if parsed is not None:
        low, high = (0, BEHIND_PORTS - 1) if is_any_port else (parsed.port, parsed.port)
        entry = Entry(low, high, NO_SIDE, _OF_NO_RULE, origin)
        extents.of(parsed.scheme).hosts.setdefault(parsed.host, []).append(entry)


def _wanted(extents: Extents, origin: str) -> set[tuple[int, str]]:
    """What must be bound for patterns to cover an origin, and by which of both policies."""
    parsed = read_origin(origin)
    of_scheme = extents.schemes.get(parsed.scheme) if parsed else None
    found: set[tuple[int, str]] = set()
    for entry in of_scheme.bound if of_scheme and parsed else ():
        pattern = entry.pattern
        if isinstance(pattern, BoundHost) and parsed and (value := _value(pattern, parsed.host)):
            found.add((entry.side, value))
    return found


def _value(pattern: BoundHost, host: str) -> str:
    """What must be bound for a pattern to cover a host; nothing if it can't."""
    if not (host.startswith(pattern.before) and host.endswith(pattern.behind)):
        return ""
    value = host[len(pattern.before) : len(host) - len(pattern.behind)]
    return "" if "." in value and pattern.name != WHOLE else value


def _rest(match: Match) -> str | None:
    """What stands after the name that a match binds."""
    return match.authority.partition(">")[2] if match.binds else None


def _own_sites(policies: Sequence[Policy]) -> list[str]:
    """The origin of a URL of each class that matches tell apart."""
    authorities = Authorities(authorities_of(policies))
    return [site for host in authorities.hosts for site in authorities.sites(host)]


def _an_own_site(policies: Sequence[Policy]) -> list[str]:
    """The origin of a URL that is a policy's own: any, if it has no matches."""
    sites = _own_sites(policies)
    listed = authorities_of(policies)
    return [site for site in sites if not listed or is_own_site(site, listed)][:1]
