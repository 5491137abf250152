"""Whoever follows a hint gets what it is about, and nothing that a stranger wrote becomes a pattern by it."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from cors_service.decision import ActivePolicies, Query
from cors_service.policy import InvalidPolicies, read_document
from cors_service.policy.model import PolicySet
from tests.examples import examples

Rules = list[dict[str, Any]]

ORIGINS = [
    *("https://a.example", "http://a.example", "https://*.a.example", "http://localhost:3000", "app://bundle", "null"),
    *("file://", r"re:http[s]?://[a-z]+\.b\.example", "@s", "https://a.example:8000-8999", "http://*.c.example:*"),
]
DANGERS = ["insecure-origins", "null-origin", "file-origin", "public-suffix-subdomains", "any-host"]
METHODS = ["GET", "PATCH", "patch", "POST", "*", "List"]
HEADERS = ["x-a", "x-b*", "*", "authorization", "@h"]
ASKED = [
    *("null", "file://", "http://zz.zz", "https://zz.zz", "ftp://zz.zz", "https://*", "https://*.a.example"),
    *(
        "http://b.b.example",
        "http://b.b.example:81",
        "https://a.example",
        "http://a.example:81",
        "app://other",
        "http://localhost:4000",
    ),
    *("https://xn--a.example", "https://10.0.0.x", "https://{a,b}.example", "ws://zz.zz:81", "http://127.0.0.1"),
    *("https://<t>.example", "app://a*", "https://a.example:9000", "https://[::1]", "http://b.c.example"),
]
ASKED_METHODS = ["GET", "PUT", "patch", "PATCH", "ANY", "all", "GET|PUT", "*", "*x", "TRACE", "list", "a b", "get"]
ASKED_HEADERS = [
    *("x-a", "X-C", "x-*", "*", "x*y", "cookie", "authorization", "sec-x", "content-type", "@h", "any", "a|b"),
    *("x" * 290, "x" * 400, *(f"x-a-rather-long-name-{number}" for number in range(12))),
]


def some(items: list[str], least: int = 0) -> st.SearchStrategy[list[str]]:
    """Some of these."""
    return st.lists(st.sampled_from(items), unique=True, min_size=least, max_size=3)


GRANTING = st.fixed_dictionaries(
    {"origins": some(ORIGINS, 1)},
    optional={
        "methods": some(METHODS),
        "request_headers": some(HEADERS),
        "credentials": st.booleans(),
        "dangerously_allow": some(DANGERS),
    },
)
REFUSING = st.fixed_dictionaries({"origins": some(ORIGINS, 1), "refuse": st.just(True)})
POLICIES = st.fixed_dictionaries(
    {"rules": st.lists(GRANTING | GRANTING | REFUSING, min_size=1, max_size=3)}
) | st.fixed_dictionaries({"rules": GRANTING.map(lambda rule: [rule])}, optional={"static": st.just(True)})
QUERIES = st.builds(
    lambda origin, method, headers, is_preflight: (
        Query("OPTIONS", "p", origins=(origin,), request_methods=(method,), request_headers=(",".join(headers),))
        if is_preflight
        else Query(method, "p", origins=(origin,))
    ),
    st.sampled_from(ASKED) | st.sampled_from(["https://zz.zz", "https://a.example"]),
    st.sampled_from(ASKED_METHODS) | st.just("GET"),
    st.lists(st.sampled_from(ASKED_HEADERS), max_size=16),
    st.booleans(),
)


def loaded(policy: dict[str, Any]) -> PolicySet:
    """Read a document with this policy, and with the sets that it uses."""
    text = repr(policy)
    sets: dict[str, Any] = {"origin_sets": {"s": ["https://s.example"]}} if "'@s'" in text else {}
    if "'@h'" in text:
        sets["header_sets"] = {"h": ["x-h"]}
    return read_document({"version": 1, "policies": {"p": policy}, **sets})


def followed(hint: str, number: int, policy: dict[str, Any], query: Query, rule: int | None) -> Query | None:
    """Do what a hint says, in the policy or in the request.

    Args:
        hint: The hint.
        number: The index of the rule to take where any will do.
        policy: The policy, which is changed.
        query: The request.
        rule: The number of the rule that decided.

    Returns:
        The request; None if the hint says nothing that could be written.
    """
    rules: Rules = policy["rules"]
    flags = re.search(r'dangerously_allow = \["([a-z-]+)"\]', hint)
    added: dict[str, Any] | None = None
    if found := re.search(r"Rule (\d+) leaves out", hint):
        added = rules[int(found[1]) - 1]
    elif found := re.search(r'[Aa]dd "([^"]+)" to (?:the origins of )?(?:a rule|rule (\d+))', hint):
        added = rules[int(found[2]) - 1 if found[2] else number % len(rules)]
        added["origins"].append(found[1])
    elif found := re.search(r'[Aa]dd a rule with "([^"]+)"', hint):
        added = {"origins": [found[1]], "credentials": bool(flags)}
        rules.append(added)
    elif found := re.fullmatch(r'Add "([^"]+)" to methods\.', hint):
        assert rule is not None
        rules[rule - 1].setdefault("methods", ["GET", "POST"]).append(found[1])
        return query
    elif hint.endswith(" to request_headers."):
        assert rule is not None
        rules[rule - 1].setdefault("request_headers", []).extend(re.findall(r'"([^"]+)"', hint))
        return query
    elif found := re.fullmatch(r'Have the page send "([^"]+)"\.', hint):
        return replace(query, request_methods=(found[1],)) if query.request_methods else replace(query, method=found[1])
    else:
        assert "dd " not in hint
        return None
    if "emove static, and" in hint:
        del policy["static"]
    if flags and flags[1] not in added.get("dangerously_allow", ()):
        added.setdefault("dangerously_allow", []).append(flags[1])
    return query


@examples(2_000)
@given(POLICIES, QUERIES, st.integers(0, 2))
def test_following(policy: dict[str, Any], query: Query, number: int) -> None:
    """The policy has no mistake then, and the request is allowed, or refused for another reason."""
    try:
        active = ActivePolicies(loaded(policy))
    except InvalidPolicies:
        assume(False)
    stages = ["origin", "method", "header", "allowed"]
    decision = active.advise(query)
    while not decision.allowed:
        hint, code = decision.reason.hint, decision.reason.code
        written = deepcopy(policy)
        then = followed(hint, number, written, query, decision.rule)
        if then is None:
            return
        try:
            decision = ActivePolicies(loaded(written)).advise(then)
        except InvalidPolicies as invalid:
            # A later rule may refuse the cleartext origins of the same expression.
            if "leaves out" in hint and {one.code for one in invalid.mistakes} == {"rule-unreachable"}:
                return
            raise
        before, after = (stages.index(one.partition("-")[0]) for one in (code, decision.reason.code))
        # Of several headers, some may be left that no rule can list, or that took up more than a line.
        assert after > before or (code == "header-not-allowed" and decision.reason.hint != hint), (hint, decision)
        new = [one for rule in written["rules"] for one in (*rule["origins"], *rule.get("request_headers", ()))]
        old = [one for rule in policy["rules"] for one in (*rule["origins"], *rule.get("request_headers", ()))]
        assert not [one for one in new if one not in old and re.search(r"[*<{]", one)]
        policy, query = written, then
