"""What two answers to one query differ in, for the page that sent it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cors_service.algebra._values import Answer, Direction
from cors_service.decision import BadQuery, Decision, Query

_ABOUT: Final = {
    "method-malformed": "method",
    "method-not-allowed": "method",
    "header-malformed": "request-header",
    "header-not-allowed": "request-header",
    "too-many-headers": "request-header",
}
"""What a refusal is about, by the code of its reason; the others are about the origin."""
# How far a response can be embedded: in pages that ask for nothing more, and in those with
# Cross-Origin-Embedder-Policy: require-corp, for which no header is the same as `same-origin` (Fetch,
# #cross-origin-resource-policy-internal-check).
_EMBEDDED: Final = {None: (3, 1), "same-origin": (1, 1), "same-site": (2, 2), "cross-origin": (3, 3)}
_ANY: Final = "*"


class Effect(NamedTuple):
    """A difference of two answers.

    Attributes:
        direction: Whether more is let through, or less.
        what: See `Difference`.
        item: The method, the header or the value that it is about, if there is one.
    """

    direction: Direction
    what: str
    item: str = ""


def effects(query: Query, before: Answer, after: Answer) -> Iterator[Effect]:
    """Say what two answers to a query differ in."""
    if isinstance(before, BadQuery) or isinstance(after, BadQuery):
        yield from _of_one(before, after)
        return
    lets = before.allowed is True, after.allowed is True
    if lets[0] != lets[1]:
        what, item = _about(query, after if lets[0] else before)
        is_own = "same-origin" in {before.kind, after.kind}
        yield Effect(_direction(*lets), "url" if is_own else what, "" if is_own else item)
    elif before.kind != after.kind:
        yield Effect("other", "url")
    elif all(lets):
        yield from _of_grants(before, after)
    if before.kind != "preflight":
        yield from _of_timing(query, before, after)
        yield from _of_embedding(before, after)
    if _varies(before) != _varies(after) or (all(lets) and _named(query, before) != _named(query, after)):
        yield Effect("other", "caching")
    yield from _of_guards(before, after)


def passes(answer: Answer) -> bool:
    """Say whether an answer lets the page read, or send what it asked about."""
    return isinstance(answer, Decision) and answer.allowed is True


def _direction(before: bool, after: bool) -> Direction:
    return "other" if before == after else "wider" if after else "narrower"


def _of_one(before: Answer, after: Answer) -> Iterator[Effect]:
    if isinstance(before, BadQuery) and isinstance(after, BadQuery):
        return
    bad = before if isinstance(before, BadQuery) else after
    assert isinstance(bad, BadQuery)
    what = "policy" if bad.code == "unknown-policy" else "url"
    yield Effect(_direction(passes(before), passes(after)), what)


def _about(query: Query, refused: Decision) -> tuple[str, str]:
    what = _ABOUT.get(refused.reason.code, "origin")
    if what == "method":
        return what, query.request_methods[0] if refused.kind == "preflight" else query.method
    return what, ", ".join(query.request_headers) if what == "request-header" else ""


def _of_grants(before: Decision, after: Decision) -> Iterator[Effect]:
    """What two permissions differ in."""
    old, new = dict(before.headers), dict(after.headers)
    credentials = "Access-Control-Allow-Credentials" in old, "Access-Control-Allow-Credentials" in new
    if credentials[0] != credentials[1]:
        yield Effect(_direction(*credentials), "credentials")
    if before.kind == "preflight":
        ages = [headers.get("Access-Control-Max-Age", "none") for headers in (old, new)]
        if ages[0] != ages[1]:
            yield Effect("other", "max-age", " instead of ".join(reversed(ages)))
        if before.status != after.status:
            yield Effect("other", "status", f"{after.status} instead of {before.status}")
        return
    exposed = [_names(headers, "Access-Control-Expose-Headers") for headers in (old, new)]
    if more := _beyond(*exposed):
        yield Effect("wider", "exposed-header", more)
    if less := _beyond(*reversed(exposed)):
        yield Effect("narrower", "exposed-header", less)


def _names(headers: dict[str, str], name: str) -> frozenset[str]:
    return frozenset(headers[name].split(", ")) if name in headers else frozenset()


def _beyond(before: frozenset[str], after: frozenset[str]) -> str:
    """What the second of two lists has beyond the first; `*` is everything."""
    return "" if _ANY in before else ", ".join(sorted(after - before))


def _of_timing(query: Query, before: Decision, after: Decision) -> Iterator[Effect]:
    """Who may measure: the page that sent the query, or without an Origin everybody who is listed."""
    old, new = (_names(dict(answer.headers), "Timing-Allow-Origin") for answer in (before, after))
    if query.origins:
        own = frozenset({_ANY, query.origins[0]})
        may = not old.isdisjoint(own), not new.isdisjoint(own)
        if may[0] != may[1]:
            yield Effect(_direction(*may), "timing")
        return
    if more := _beyond(old, new):
        yield Effect("wider", "timing", more)
    if less := _beyond(new, old):
        yield Effect("narrower", "timing", less)


def _of_embedding(before: Decision, after: Decision) -> Iterator[Effect]:
    old, new = (dict(answer.headers).get("Cross-Origin-Resource-Policy") for answer in (before, after))
    levels = [*zip(_EMBEDDED[old], _EMBEDDED[new], strict=True)]
    item = f"{new or 'none'} instead of {old or 'none'}"
    if any(later > earlier for earlier, later in levels):
        yield Effect("wider", "embedding", item)
    if any(later < earlier for earlier, later in levels):
        yield Effect("narrower", "embedding", item)


def _varies(answer: Decision) -> str | None:
    """On which headers of the request an answer depends."""
    return dict(answer.headers).get("Vary")


def _named(query: Query, answer: Decision) -> str:
    """Whom an answer lets read it: any page, the one that asks, or another one."""
    named = dict(answer.headers).get("Access-Control-Allow-Origin", "")
    return named if named in {_ANY, ""} else "own" if query.origins[:1] == (named,) else "another"


def _of_guards(before: Decision, after: Decision) -> Iterator[Effect]:
    old, new = before.guard, after.guard
    stops = bool(old and old.stops), bool(new and new.stops)
    if stops[0] != stops[1]:
        refused = old if stops[0] else new
        yield Effect(_direction(not stops[0], not stops[1]), "guard", refused.reason.code if refused else "")
    elif bool(old and not old.passes) != bool(new and not new.passes):
        yield Effect("other", "guard")
