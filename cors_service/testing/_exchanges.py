"""Requests from pages that a policy barely allows or barely refuses, as they arrive at the service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from cors_service.browser import Request, preflight_headers
from cors_service.browser.headers import HeaderLines
from cors_service.browser.request import actual_headers, is_forbidden_method, needs_preflight
from cors_service.decision import Query
from cors_service.testing._near_misses import covered, mutated, near_miss_of_several, plain_patterns
from cors_service.testing._patterns import bind, bound
from cors_service.testing.documents import DEFAULT_METHODS, EXPRESSIONS, headers_of, patterns_of, rules_of

_Lines = tuple[tuple[str, str], ...]

# The limits of a preflight: the length of the method, the number of header names, and their total length.
_LONGEST_METHOD, _MOST_NAMES, _LONGEST_LIST = 64, 64, 4096

_SIMPLE_METHODS = ("GET", "POST", "HEAD")
_COMMON_METHODS = ("GET", "PUT", "DELETE", "PATCH", "POST", "HEAD", "OPTIONS", "get", "put", "QUERY")
_ODD_METHODS = (
    "PATCH", "patch", "Patch", "OPTIONS", "M!*", "*", "TRACE", "connect", "Track",
    "M" * _LONGEST_METHOD, "M" * (_LONGEST_METHOD + 1),
)  # fmt: skip
_ODD_HEADERS: tuple[_Lines, ...] = (
    *(((name, "1"),) for name in ("X-A", "x-b", "x", "x-", "y-x-a", "Authorization", "authorizatio", "authorization2")),
    *(((name, "1"),) for name in ("*", "x-*", "Cookie", "Access-Control-Request-Method", "Sec-X")),
    *((("Content-Type", value),) for value in ("text/plain", "application/json")),
    *((("Accept", value),) for value in ("text/html", "a" * 129)),
    *((("Range", value),) for value in ("bytes=0-1", "lines=1")),
    # Each line is safelisted, all of them together are not.
    (("Accept", "a" * 128),) * 9,
)
_SITES = ("same-origin", "same-site", "cross-site", "none", "elsewhere")
# Characters that no header can carry.
_DROPPED = dict.fromkeys(map(ord, "\0\r\n"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request from a page, and its header lines as they arrive at a service.

    They may have been rewritten on the way without a change of meaning, such as a list of names that is spread over
    lines. Or they may be what no browser sends, such as a second ``Origin``.

    Attributes:
        policy: The name of the policy of the URL asked for.
        request: What the page asks for.
        preflight: The (name, value) lines of the preflight; None if the request needs no preflight.
        actual: The (name, value) lines of the request itself.
    """

    policy: str
    request: Request
    preflight: _Lines | None
    actual: _Lines

    @property
    def queries(self) -> tuple[Query, ...]:
        """The one or two queries that a service makes of it, the preflight's first."""
        actual = Query.received(self.request.method, self.actual, policy=self.policy, url=self.request.url)
        if self.preflight is None:
            return (actual,)
        return (Query.received("OPTIONS", self.preflight, policy=self.policy, url=self.request.url), actual)


class Neighbourhood:
    """The neighbourhood of a policy: origins, methods and header names that its rules grant, or nearly grant."""

    def __init__(
        self, document: Mapping[str, Any], policy: str | None = None, url: str = "https://service.invalid/"
    ) -> None:
        """Look at a policy.

        Args:
            document: A valid document, as ``cors_service.policy.read_document`` takes it.
            policy: The name of a policy in it; the first one if None is given.
            url: The URL that pages ask for. Its origin must be written as browsers serialise it.
        """
        self._policy = policy or next(iter(document["policies"]))
        self._url = url
        scheme, _, rest = url.partition("://")
        self._url_origin = f"{scheme}://{rest.partition('/')[0]}"
        rules = rules_of(document, self._policy)
        values = bound(document["policies"][self._policy].get("match", ()), url)
        self._rules = [_Rule(document, rule, values) for rule in rules]
        shown = [pattern for rule in self._rules for pattern in rule.patterns]
        self._patterns = shown or list(plain_patterns("*"))

    def draw_exchange(self, random: Random) -> Exchange:
        """Draw a request that is close to what a rule grants, in origin, method and headers.

        Args:
            random: Where the choices come from: equal states make equal exchanges.
        """
        rule = random.choice(self._rules)
        origin = self._draw_origin(random, rule)
        method = _draw_method(random, rule)
        if origin == self._url_origin and is_forbidden_method(method):
            method = "GET"  # A request that no browser makes is refused, but not by us.
        credentials, flagged = random.randrange(2) == 1, random.randrange(8) == 7
        headers = _draw_headers(random, rule)
        request = Request(origin, self._url, self._url_origin, method, headers, credentials, flagged)
        preflight = actual = None
        way = random.randrange(8)
        if needs_preflight(request):
            lines = preflight_headers(request)
            preflight = _rewritten(random, lines) if way > 5 else lines
        elif way == 7 and not request.same_origin:
            actual = (*actual_headers(request), ("origin", random.choice((origin, "null", "https://evil.invalid"))))
        actual = actual or actual_headers(request)
        if random.randrange(4) == 3:  # what a guard looks at
            actual = (*actual, ("Sec-Fetch-Site", random.choice(_SITES)))
        return Exchange(self._policy, request, preflight, actual)

    def _draw_origin(self, random: Random, rule: "_Rule") -> str:
        kind = random.randrange(16)
        if kind == 15:
            origin = "null"
        elif kind == 14:
            origin = mutated(random, self._url_origin) if random.randrange(2) else self._url_origin
        else:
            pattern = random.choice(rule.patterns if rule.patterns and kind < 12 else self._patterns)
            origin = covered(random, pattern) if kind < 6 else near_miss_of_several(random, pattern, self._patterns)
        return origin.encode("utf-8").decode("latin-1").translate(_DROPPED)


class _Rule:
    """What one rule grants, and near misses.

    Attributes:
        patterns: Its origin patterns, with alternatives written out, if they show what they cover.
        methods: Some that it grants.
        near_methods: Damaged forms of these.
        headers: Some lines that it grants, such as ``X-A: 1``.
        near_headers: Damaged forms of these.
        prefix: A prefix that it grants; empty if it grants none, or all of them.
    """

    def __init__(self, document: Mapping[str, Any], rule: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self.patterns: list[str] = []
        for written in patterns_of(document, rule):
            pattern = bind(written, values)
            if pattern in EXPRESSIONS:
                self.patterns.append(EXPRESSIONS[pattern])
            elif not pattern.startswith("re:") and "<" not in pattern:
                self.patterns += plain_patterns(pattern)
        methods: Sequence[str] = rule.get("methods", DEFAULT_METHODS)
        self.methods = _COMMON_METHODS if "*" in methods else tuple(methods)
        self.near_methods = tuple(near for method in self.methods for near in _near_tokens(method))
        names = headers_of(document, rule, "request_headers")
        prefixes = [name[:-1] for name in names if name.endswith("*")]
        self.prefix = prefixes[0] if prefixes else ""
        granted = [name for name in names if not name.endswith("*")]
        granted += [f"{prefix}{end}" for prefix in prefixes for end in ("a", "1-b", "") if prefix or end]
        near = [near for name in granted for near in _near_tokens(name)]
        near += [near for prefix in prefixes for near in (prefix[:-1], f"x{prefix}a", f"{prefix}*") if near]
        self.headers = tuple((name, "1") for name in granted)
        self.near_headers = tuple((name, "1") for name in near)


def _near_tokens(token: str) -> tuple[str, ...]:
    """Write tokens close to a token, including the same one in another case."""
    return (token.swapcase(), token.title(), token + "x", "x" + token, token[:-1] or token)


def _draw_method(random: Random, rule: _Rule) -> str:
    kind = random.randrange(8)
    if kind < 4:
        return random.choice(rule.methods)
    if kind < 6:
        return random.choice(_SIMPLE_METHODS)
    return random.choice(rule.near_methods if kind == 6 else _ODD_METHODS)


def _draw_headers(random: Random, rule: _Rule) -> _Lines:
    lines: _Lines = ()
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        kind = random.randrange(10)
        if kind < 6 and rule.headers:
            lines += (random.choice(rule.headers),)
        elif kind < 8 and rule.near_headers:
            lines += (random.choice(rule.near_headers),)
        else:
            lines += random.choice(_ODD_HEADERS)
    return lines if random.randrange(64) < 62 else lines + _many_headers(random, rule.prefix or "x-")


def _many_headers(random: Random, prefix: str) -> _Lines:
    """As many names, or as long ones, as the limits allow, or one more."""
    more = random.randrange(2)
    if random.randrange(2):
        return tuple((f"{prefix}{number}", "1") for number in range(_MOST_NAMES + more))
    return ((prefix.ljust(_LONGEST_LIST + more, "a"), "1"),)


# What can happen to a list of header names on the way without a change of meaning.
_KEPT: tuple[Callable[[str], Sequence[str]], ...] = (
    lambda names: names.split(","),
    lambda names: (names.replace(",", " ,\t"),),
    lambda names: (names.title(),),
    lambda names: (",".join(reversed(names.split(","))),),
    lambda names: (f",{names}, ,",),
    lambda names: ("", names),
)
# Lines that are not a list of names, or not a method.
_NO_LIST: tuple[Callable[[str], Sequence[str]], ...] = (
    lambda names: (names, "x y"),
    lambda names: (f'{names},"a"',),
    lambda names: (f"{names}\u00e9",),
    lambda names: (names.replace(",", ";") + ";",),
)
_NO_METHOD: tuple[Callable[[str], str], ...] = (
    lambda method: f"{method},{method}",
    lambda method: f"{method} ",
    lambda method: f"{method}\u00e9",
    lambda method: method[:0],
)


def _rewritten(random: Random, lines: HeaderLines) -> _Lines:
    """Rewrite the lines of a preflight, seldom into lines that no browser sends."""
    rewritten: list[tuple[str, str]] = []
    kind = random.randrange(4)
    for name, value in lines:
        if name == "Access-Control-Request-Headers":
            rewrite = random.choice(_NO_LIST if kind == 3 else _KEPT)
            rewritten += ((name.lower(), part) for part in rewrite(value))
        elif name == "Access-Control-Request-Method" and kind == 2:
            rewritten.append((name, random.choice(_NO_METHOD)(value)))
        else:
            rewritten.append((name, value))
    return tuple(rewritten)
