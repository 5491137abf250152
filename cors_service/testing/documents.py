"""Valid policy documents that differ in what browsers look at."""

from collections.abc import Mapping
from random import Random
from typing import Any

from cors_service.testing._patterns import exact_origin, is_any_host, related_patterns

Document = dict[str, Any]

# An expression, and an origin that it covers.
EXPRESSIONS = {
    r"re:https://.*\.example\.com(:[0-9]+)?": "https://a.example.com",
    r"re:https://pr-[0-9]+\.preview\.example\.com": "https://pr-7.preview.example.com",
}
DEFAULT_METHODS = ("GET", "HEAD", "POST")

# What a match binds, and patterns that use it.
_BINDINGS = {
    "<tenant>.invalid/": (
        "https://<tenant>.example.com",
        "http://<tenant>.foo.com:*",
        "https://a.<tenant>.example.com",
    ),
    "<host>/": ("https://<host>:*", "http://<host>", "https://{a,b}.<host>:8080-8090"),
}
# The simplest first, because hypothesis shrinks towards them.
_METHODS = (
    None, ["*"], ["GET"], ["GET", "POST", "PUT", "PATCH", "DELETE"], ["*"], ["GET", "PUT"], ["patch"],
    ["PATCH", "DELETE"], ["POST", "OPTIONS"], ["HEAD"], ["put", "get"], ["PUT", "*"], ["M!*"],
)  # fmt: skip
_REQUEST_HEADERS = (
    None, ["*"], ["x-*"], ["content-type", "x-a"], ["authorization", "x-a"], ["authorization", "*"],
    ["auth*", "x-a-*", "x-b"], ["accept", "range"], ["Content-Type", "X-A"], ["x-*", "y-*"],
)  # fmt: skip
_EXPOSED = (None, ["x-a"], ["x-b", "x-c"])
_MAX_AGES = (None, 0, 600)
_RESOURCE_POLICIES = (None, None, None, "same-origin", "same-site", "cross-origin")
_DANGERS = ["null-origin", "file-origin", "any-host", "insecure-origins", "public-suffix-subdomains"]


def draw_document(random: Random, *, expressions: bool = False) -> Document:
    """Draw a document of one policy, ``a``, with one to four rules.

    The patterns of the rules are near misses of each other, and each rule has an origin of its own, so that no
    earlier rule makes it unreachable. Some rules refuse their origins. Some documents have an origin set or a header
    set, some are written flat, some are static, some have a guard.

    Args:
        random: Where the choices come from: equal states make equal documents.
        expressions: Whether regular expressions may occur, for which the extra ``regex`` is needed.

    Returns:
        A valid document, as ``cors_service.policy.read_document`` takes it.
    """
    rules = [{"origins": [f"https://own-{number}.invalid"]} for number in range(random.choice((1, 1, 2, 3, 4)))]
    for pattern in related_patterns(random):
        random.choice(rules)["origins"].append(pattern)
    other = random.choice((None, None, None, "null", "file://", "*", *(EXPRESSIONS if expressions else ())))
    granted = [
        _draw_rest(random, everybody=(other == "*" and rule is rules[-1]) or any(map(is_any_host, rule["origins"])))
        for rule in rules
    ]
    if other:
        rules[-1]["origins"].append(other)
    document: Document = {"version": 1}
    match = random.choice((None, None, None, None, None, *_BINDINGS))
    if match:
        random.choice(rules)["origins"].append(random.choice(_BINDINGS[match]))
    if random.randrange(4) == 3:
        document["origin_sets"] = {"some": rules[-1]["origins"]}
        rules[-1]["origins"] = ["@some"]
    written = [rule | grant for rule, grant in zip(rules, granted, strict=True)]
    policy: Document = written[0] if len(written) == 1 and random.randrange(2) else {"rules": written}
    policy |= {"match": [match]} if match else {}
    if random.randrange(4) == 3:
        _move_to_set(document, random.choice(written))
    if random.randrange(16) == 15:
        static = {"origins": [exact_origin(random)], **_draw_grants(random, everybody=False), "static": True}
        return {"version": 1, "policies": {"a": static}}
    policy |= _draw(random, "preflight_status", (None, None, 204, 200))
    if random.randrange(4) == 3:
        policy["guard"] = _draw_guard(random)
    document["policies"] = {"a": policy}
    return document


def rules_of(document: Mapping[str, Any], policy: str) -> list[Mapping[str, Any]]:
    """The rules of a policy as written; a flat policy is its own rule."""
    body = document["policies"][policy]
    rules: list[Mapping[str, Any]] = body.get("rules") or [body]
    return rules


def patterns_of(document: Mapping[str, Any], rule: Mapping[str, Any]) -> list[str]:
    """The origin patterns of a rule, those of its sets among them."""
    patterns: list[str] = []
    for pattern in rule["origins"]:
        patterns += document["origin_sets"][pattern[1:]] if pattern.startswith("@") else [pattern]
    return patterns


def headers_of(document: Mapping[str, Any], rule: Mapping[str, Any], key: str) -> list[str]:
    """The header names that a rule lists under a key, those of its sets among them."""
    names: list[str] = []
    for name in rule.get(key, ()):
        names += document["header_sets"][name[1:]] if name.startswith("@") else [name]
    return names


def _move_to_set(document: Document, rule: Document) -> None:
    """Have a rule list its request headers, all but the first, by way of a header set."""
    first, *others = rule.get("request_headers") or [""]
    if others:
        document["header_sets"] = {"some": others}
        rule["request_headers"] = [first, "@some"]


def _draw_rest(random: Random, *, everybody: bool) -> Document:
    grants = _draw_grants(random, everybody=everybody)
    return {"refuse": True} if random.randrange(12) == 11 else grants


def _draw_grants(random: Random, *, everybody: bool) -> Document:
    # All rules lift the refusals of dangers, which are for other tests.
    return {
        **_draw(random, "methods", _METHODS),
        **_draw(random, "request_headers", _REQUEST_HEADERS),
        **_draw(random, "expose_headers", (*_EXPOSED, ["*"]) if everybody else _EXPOSED),
        **_draw(random, "credentials", (None, False) if everybody else (None, True, True)),
        **_draw(random, "max_age", _MAX_AGES),
        **_draw(random, "timing", (None, True)),
        **_draw(random, "resource_policy", _RESOURCE_POLICIES),
        "dangerously_allow": _DANGERS,
    }


def _draw_guard(random: Random) -> Document:
    # What a match binds may be any host, which no guard takes.
    return {
        **_draw(random, "requests", (None, "state-changing", ["websocket", "state-changing"])),
        **_draw(random, "without_origin", (None, "refuse")),
        **_draw(random, "mode", (None, "report")),
        "hosts": random.choice((["service.invalid"], ["*.invalid:*"], ["localhost:*"])),
    }


def _draw(random: Random, key: str, values: tuple[Any, ...]) -> Document:
    value = random.choice(values)
    return {} if value is None else {key: value}
