"""Small documents over a small alphabet, edits of them, and all queries over that alphabet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import partial
from itertools import product
from random import Random
from typing import Any

from cors_service.decision import Circumstances, Query
from cors_service.policy import InvalidPolicies, PolicyError, PolicySet, read_document

Document = dict[str, Any]

_LABELS = ("a", "b", "aa", "ab", "ba", "bb", "a_b")
_SUFFIXES = ("x", "a.x", "b.x")
_PORTS = ("", ":1", ":2", ":*", ":1-2", ":2-3", ":1-443")
_GLOBS = ("a*", "*b", "a*b", "aa*", "*ba", "b*a", "a*a", "*a", "*_b", "a_*")
_RANGES = ("10.0.0.0/30", "10.0.0.0/31", "10.0.0.2/31", "10.0.0.1/32", "[::]/126", "[::2]/127")
EXPRESSIONS = (
    r"re:https://a[ab]*\.x", r"re:https://(a|bb)\.x(:1)?", r"re:https://[^.]+\.a\.x", r"re:https://.*\.b\.x(:[0-9]+)?",
    r"re:https://.*", r"re:https?://b.*\.x", r"re:app://[a-z]+\.x", r"re:https://a?b+\.x:[12]", r"re:.*\.x",
    r"re:https://10\.0\.0\.[0-2]", r"re:(?i)https://A{2}\.x", r"re:https://(?:a\.x|b\.a\.x)$",
    r"re:https://[^a]b\.x", r"re:https://\w+\.x:[^1]", r"re:http[s]?://[ab]+\.x(:1)?", r"re:htt[p]://.*[1tx]", r"re:wss?://a\.x",
)  # fmt: skip
_DANGERS = ["null-origin", "file-origin", "any-host", "insecure-origins", "public-suffix-subdomains"]
_NO_CLEARTEXT = [danger for danger in _DANGERS if danger != "insecure-origins"]
_GRANTS: dict[str, tuple[Any, ...]] = {
    "methods": (None, ["GET"], ["PUT"], ["GET", "PUT"], ["*"], ["put", "X"]),
    "request_headers": (None, ["x-a"], ["x-*"], ["*"], ["x-a", "x-b"], ["authorization"], ["authorization", "x-a-*"]),
    "expose_headers": (None, ["x-a"], ["x-a", "x-b"]),
    "credentials": (None, True),
    "max_age": (None, None, 60),
    "timing": (None, True),
    "resource_policy": (None, None, "same-origin", "same-site", "cross-origin"),
    "dangerously_allow": (_DANGERS, _NO_CLEARTEXT),
}
_MATCHES: tuple[list[str], ...] = (["<t>.s/"], ["<host>/"], ["s/"], ["a.s/", "<t>.s:1/"], [])
_GUARDS: tuple[Any, ...] = (
    None,
    {"hosts": ["s"]},
    {"hosts": ["s", "a.s:*"], "without_origin": "refuse"},
    {"hosts": ["*.s"], "requests": "websocket"},
    {"hosts": ["s"], "requests": ["state-changing"]},
    {"hosts": ["s"], "mode": "report"},
)


def pattern(random: Random, *, expressions: bool, bound: bool) -> str:
    """Draw a pattern."""
    kind = random.randrange(14)
    scheme = random.choice(("https", "https", "https", "app", "http"))
    port = random.choice((*_PORTS, "", "")) if scheme != "app" else random.choice(("", ":1", ":*"))
    suffix = random.choice(_SUFFIXES)
    if kind < 3:
        return f"https://{random.choice(_LABELS)}.{suffix}{random.choice(('', '', ':1'))}"
    if kind < 6:
        return f"{scheme}://{random.choice(('*.', '?.', ''))}{suffix}{port}"
    if kind < 9:
        return f"{scheme}://{random.choice(_GLOBS)}.{suffix}{port}"
    if kind == 9:
        scheme = "https" if scheme == "app" else scheme
        return f"{scheme}://{random.choice(_RANGES)}{port}"
    if kind == 10:
        return random.choice((f"{scheme}://*{port}", "*", "null", "file://", "https://10.0.0.1", "https://[::1]:1"))
    if kind == 11 and bound:
        before = random.choice(("", "", "a."))
        return f"https://{before}{random.choice(('<t>.x', '<t>.a.x', '<host>', '<host>.x'))}{random.choice(_PORTS)}"
    if expressions:
        return random.choice(EXPRESSIONS)
    return f"https://{{{random.choice(_LABELS)},{random.choice(_LABELS)},*.b}}.{suffix}"


def document(random: Random, *, expressions: bool) -> Document:
    """Draw a document of one policy; it may be invalid."""
    match = random.choice((None, None, None, *_MATCHES))
    rules = [_rule(random, expressions=expressions, bound=bool(match)) for _ in range(random.choice((1, 1, 2, 3)))]
    policy: Document = {"rules": rules}
    if match:
        policy["match"] = match
    if random.randrange(8) == 0:
        policy["guard"] = random.choice(_GUARDS[1:])
    if random.randrange(20) == 0:
        policy = {"rules": [{**rules[0], "origins": [f"https://{random.choice(_LABELS)}.x"]}], "static": True}
        policy["rules"][0].pop("refuse", None)
    return {"version": 1, "policies": {"p": policy}}


def _rule(random: Random, *, expressions: bool, bound: bool) -> Document:
    origins = [pattern(random, expressions=expressions, bound=bound) for _ in range(random.choice((1, 1, 2, 3)))]
    rule: Document = {"origins": list(dict.fromkeys(origins))}
    if random.randrange(8) == 0:
        return rule | {"refuse": True}
    for key, values in _GRANTS.items():
        if random.randrange(3) == 0 and (value := random.choice(values)) is not None:
            rule[key] = value
    return {"dangerously_allow": _DANGERS} | rule


def edited(random: Random, before: Document, *, expressions: bool) -> Document:
    """Edit a document, in one place or in two; what comes of it may be invalid."""
    after = deepcopy(before)
    for _ in range(random.choice((1, 1, 2))):
        _edit(random, after, expressions=expressions)
    return after


def _edit(random: Random, after: Document, *, expressions: bool) -> None:
    rules = after["policies"]["p"]["rules"]
    rule = random.choice(rules)
    kind = random.randrange(12)
    if kind < 6:
        _edit_origins(random, rules, pattern(random, expressions=expressions, bound="match" in after["policies"]["p"]))
    elif kind == 6:
        bound = "match" in after["policies"]["p"]
        rules.insert(random.randrange(len(rules) + 1), _rule(random, expressions=expressions, bound=bound))
    elif kind == 7:
        rules.remove(rule)
        rules.insert(random.randrange(len(rules) + 1), rule)
    elif kind == 8:
        _set(
            random,
            after["policies"]["p"],
            {"match": _MATCHES, "guard": _GUARDS, "preflight_status": (None, 200, 204), "static": (None, True)},
        )
    elif "refuse" in rule:
        del rule["refuse"]
    else:
        _set(random, rule, _GRANTS)


def _edit_origins(random: Random, rules: list[Document], new: str) -> None:
    origins = random.choice(rules)["origins"]
    kind = random.randrange(6)
    if kind < 3 or not origins:
        origins.insert(random.randrange(len(origins) + 1), new)
    elif kind == 3:
        origins[random.randrange(len(origins))] = new
    else:
        moved = origins.pop(random.randrange(len(origins)))
        if kind == 4:
            random.choice(rules)["origins"].append(moved)


def _set(random: Random, table: Document, known: dict[str, tuple[Any, ...]]) -> None:
    key = random.choice(list(known))
    table[key] = random.choice(known[key])
    if not table[key]:
        del table[key]


def read(document: Document) -> PolicySet | None:
    """Read a document; None if it has mistakes."""
    try:
        return read_document(document)
    except (InvalidPolicies, PolicyError):
        return None


def edits(random: Random, *, expressions: bool) -> tuple[Document, Document, PolicySet, PolicySet]:
    """Draw a document and an edit of it, both valid, and read them."""
    while True:
        before = document(random, expressions=expressions)
        if (old := read(before)) is not None:
            break
    while True:
        after = edited(random, before, expressions=expressions)
        if (new := read(after)) is not None:
            return before, after, old, new


_HOSTS = (
    "x", "a.x", "b.x", "q", "a", "~.x", "a..x", "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4",
    "[::]", "[::1]", "[::2]", "[::3]", "[::4]", "a.b.a.x", "a.s", "a.a.s", "s", "x.x", "a.q.x",
    *(f"{label}.{suffix}" for label in (*_LABELS, "abb", "aba", "q", "aaa", "bba", "_b", "a_", "aab")
      for suffix in _SUFFIXES),
    *(f"{one}.{other}.x" for one, other in product(("a", "b", "q"), ("aa", "q", "ab"))),
)  # fmt: skip
ORIGINS = tuple(
    dict.fromkeys(
        [
            *(
                f"{scheme}://{host}{port}"
                for host in _HOSTS
                for scheme in ("https",)
                for port in ("", ":1", ":2", ":3")
            ),
            *(f"{scheme}://{host}{port}" for host in _HOSTS for scheme in ("http", "app") for port in ("", ":1")),
            *("null", "file://", "https://", "https://a.x:443", "ws://a.x", "https://a.x:444", "wss://a.x"),
            *("http://localhost", "http://~.localhost:1", "http://127.0.0.1", "http://127.q", "http://alocalhost"),
        ]
    )
)
_METHODS = ("GET", "PUT", "X", "POST", "Q", "PATCH")
_HEADERS = ("x-a", "x-b", "y", "authorization", "x-a-b", "x-")


def _guarded(before: Document, after: Document) -> Iterator[Query]:
    """Queries of all circumstances that guards look at."""
    if not any("guard" in each["policies"]["p"] for each in (before, after)):
        return
    hosts: tuple[tuple[str, ...], ...] = ((), ("s",), ("a.s:1",), ("b.s",), ("z",), ("s", "s"))
    sites: tuple[tuple[str, ...], ...] = ((), ("same-origin",), ("cross-site",), ("none",), ("x",))
    upgrades: tuple[tuple[str, ...], ...] = ((), ("websocket",))
    for host, site, upgrade, method in product(hosts, sites, upgrades, ("GET", "POST", "PUT")):
        known = Circumstances(hosts=host, sites=site, upgrades=upgrade)
        yield Query(method, policy="p", circumstances=known)
        yield Query(method, policy="p", origins=("https://a.x",), circumstances=known)


def queries(before: Document, after: Document, some: Iterable[str]) -> Iterator[Query]:
    """Give a GET of every origin, and for some origins every method, every header, and every URL."""
    yield Query("GET", policy="p")
    yield Query("GET", policy="p", origins=("https://a.x", "https://b.x"))
    for origin in ORIGINS:
        yield Query("GET", policy="p", origins=(origin,))
    yield from _guarded(before, after)
    has_urls = "match" in before["policies"]["p"] or "match" in after["policies"]["p"]
    for origin in some:
        ask = partial(Query, policy="p", origins=(origin,))
        for method in _METHODS:
            yield ask(method)
            yield ask("OPTIONS", request_methods=(method,))
        for method, header in product(("GET", "PUT"), _HEADERS):
            yield ask("OPTIONS", request_methods=(method,), request_headers=(header,))
        for host in ("s", "a.s", "b.s", "a.s:1", "x", "a.x", "a.a.s", "aa.s") if has_urls else ():
            for scheme in ("https", "http"):
                yield ask("GET", url=f"{scheme}://{host}/")
