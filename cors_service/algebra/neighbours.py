"""Which matches share URLs with those that a change adds, removes or gives to another policy.

They decide what it does: a match keeps URLs from one around it, and gets those that one within it gives up.
"""

from __future__ import annotations

from typing import Final

from cors_service.algebra._authorities import keys_of, split_authority
from cors_service.decision.routes import hosts_for
from cors_service.grammar.match import ANY
from cors_service.policy import PolicySet

_Ways = dict[str, "_Ways"]
"""What follows each segment."""

# No segment is empty.
_END: Final = ""


def neighbours(before: PolicySet, after: PolicySet) -> dict[str, str]:
    """Give the matches of the first set that may fit the same URLs as a match that only one of two sets has.

    Args:
        before: The first set.
        after: The second.

    Returns:
        The policy of each match, by its key. Ports and endings are not looked at, so there may be a few too many.
    """
    old, new = keys_of(before), keys_of(after)
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if not changed:
        return {}
    ways: _Ways = {}
    for key in changed:
        way = ways
        for segment in _segments(key):
            way = way.setdefault(segment, {})
        way[_END] = {}
    hosts = {*map(_host, changed)}
    covering = {each for host in hosts for each in hosts_for(host)}
    near = {host for host in map(_host, old) if host in covering or not hosts.isdisjoint(hosts_for(host))}
    return {key: name for key, name in old.items() if _host(key) in near and _meets(ways, _segments(key))}


def _host(key: str) -> str:
    return split_authority(key.partition("/")[0])[0]


def _segments(key: str) -> list[str]:
    return key.split("/")[1:-1]


def _meets(ways: _Ways, segments: list[str]) -> bool:
    """Whether a path leads along one of some others, or beyond its end."""
    if not segments or _END in ways:
        return True
    first, *rest = segments
    some = ways.values() if first == ANY else [ways[each] for each in (first, ANY) if each in ways]
    return any(_meets(way, rest) for way in some)
