"""Valid policy documents that differ in what browsers look at."""

from collections.abc import Mapping
from random import Random
from typing import Any

from cors_service.testing._patterns import is_any_host, related_patterns

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
    earlier rule makes it unreachable. Some documents have an origin set, some are written flat.

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
        _draw_grant(random, everybody=(other == "*" and rule is rules[-1]) or any(map(is_any_host, rule["origins"])))
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
    document["policies"] = {"a": policy | _draw(random, "preflight_status", (None, None, 204, 200))}
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


def _draw_grant(random: Random, *, everybody: bool) -> Document:
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


def _draw(random: Random, key: str, values: tuple[Any, ...]) -> Document:
    value = random.choice(values)
    return {} if value is None else {key: value}
