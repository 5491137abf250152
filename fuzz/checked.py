"""Decisions that are held to what docs/decisions.md promises, by a reading of it that shares no code with ours."""

from __future__ import annotations

import json

from msgspec import structs

from cors_service.decision import ActivePolicies, Circumstances, Decision, Query
from cors_service.decision.decision import PASSES, REASONS, REFUSALS
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.grammar.pattern import write_pattern
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy, Rule
from cors_service.wire.answers import write_decision
from tests import naive, naive_guard

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_UPPER_CASED = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
_FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})
_ACAO, _ACAC = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
_ACAM, _ACAH = "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"
_TAO = "Timing-Allow-Origin"
_ON_ACTUAL = frozenset({_ACAO, _ACAC, "Access-Control-Expose-Headers", _TAO})
_ON_PREFLIGHTS = frozenset({_ACAO, _ACAC, _ACAM, _ACAH, "Access-Control-Max-Age"})
_ON_ALL = frozenset({"Cross-Origin-Resource-Policy", "Vary", _TAO})


def decide(active: ActivePolicies, query: Query) -> Decision:
    """Decide, and check the decision.

    Raises:
        BadQuery: There is none.
        AssertionError: It is not as it must be.
    """
    decision = active.decide(query)
    assert active.decide(query) == decision, "equal queries get equal decisions"
    policy_set = active.policy_set
    policy = policy_set.policies[decision.policy]
    headers = dict(decision.headers)
    _check_form(decision, headers)
    _check_timing(decision, headers, query, policy_set)
    _check_guard(decision, query, policy)
    public = len(policy.rules) == 1 and _is_for_everybody(policy.rules[0], policy_set)
    assert ("Origin" in headers.get("Vary", "").split(", ")) != (public or policy.static)
    assert (decision.kind == "no-origin") == (query.origins == ())
    if decision.kind in {"actual", "preflight"}:
        assert (decision.kind == "preflight") == _is_preflight(query)
    if decision.kind in {"actual", "preflight"} and not public:
        _check_origin(decision, headers, query, policy_set)
    if decision.allowed and decision.kind in {"actual", "preflight"}:
        rule = policy.rules[(decision.rule or 0) - 1]
        assert not rule.refuse
        _check_grant(decision, headers, query, rule, policy_set)
    elif policy.static:
        assert headers.get(_ACAO) in {None, _texts(policy.rules[0], policy_set)[0]}
    elif decision.kind == "preflight":
        assert set(headers) == {"Vary"}
    elif not public:
        assert set(headers) <= _ON_ALL
    if decision.allowed is False:
        assert headers.get(_ACAO) is None or (policy.static and headers[_ACAO] not in query.origins[:1])
        assert policy.static or not [name for name in headers if name.startswith("Access-Control-")]
    return decision


def is_granted(rule: Rule, name: str, policy_set: PolicySet) -> bool:
    """Whether a rule grants a request header: by its name, by a prefix, or by `*`, or a header set does."""
    name = name.lower()
    headers: list[str] = []
    for header in rule.request_headers:
        headers += policy_set.header_sets[header.removeprefix("@")] if header.startswith("@") else [header]
    listed = {header for header in headers if not header.endswith("*")}
    prefixes = [header[:-1] for header in headers if header.endswith("*")]
    if name in listed:
        return True
    return name not in {"authorization", "*"} and any(name.startswith(prefix) for prefix in prefixes)


def is_token(text: str) -> bool:
    """Whether this can be the name of a method or a header (RFC 9110, 5.6.2)."""
    return text != "" and set(text) <= _TOKEN


def members(lines: tuple[str, ...]) -> list[str]:
    """The members of a list that is spread over lines, the empty ones too (RFC 9110, 5.6.1)."""
    return [member.strip(" \t") for line in lines for member in line.split(",")]


def _check_form(decision: Decision, headers: dict[str, str]) -> None:
    """A decision is of one of few shapes, is fit for a log and the wire, and a refusal gives nothing away."""
    assert decision.reason.code in REASONS
    assert decision.reason.message.isprintable()
    assert decision.reason.message.isascii()
    assert len(headers) == len(decision.headers), "no header stands twice"
    assert set(headers) <= _ON_ALL | (_ON_PREFLIGHTS if decision.kind == "preflight" else _ON_ACTUAL)
    for value in headers.values():
        assert value != ""
        assert all(" " <= character <= "~" for character in value)
    assert (decision.allowed is None) == (decision.kind == "no-origin")
    assert (decision.status is None) == (decision.kind != "preflight")
    assert decision.status in ({None, 200, 204} if decision.allowed in {True, None} else {None, 403})
    written = json.loads(write_decision(decision, 5))
    assert written["headers"] == [list(header) for header in decision.headers]
    assert (written["allowed"], written["status"], written["ttl"]) == (decision.allowed, decision.status, 5)


def _normal(method: str) -> str:
    return method.upper() if method.isascii() and method.upper() in _UPPER_CASED else method


def _is_preflight(query: Query) -> bool:
    return _normal(query.method) == "OPTIONS" and len(query.origins) == len(query.request_methods) == 1


def _check_origin(decision: Decision, headers: dict[str, str], query: Query, policy_set: PolicySet) -> None:
    """The first rule that covers the one origin decides, and no origin is answered but the one that asked."""
    policy = policy_set.policies[decision.policy]
    if len(query.origins) != 1:
        assert (decision.rule, decision.reason.code) == (None, "multiple-origins")
        return
    origin = query.origins[0]
    binds = any("<" in text for rule in policy.rules for text in _texts(rule, policy_set))
    if binds and query.url is not None:
        return  # tests/decision/test_bound.py says which it is
    assert decision.rule == _first_rule(policy, policy_set, origin)
    refused = decision.reason.code == "origin-refused"
    assert refused == (decision.rule is not None and policy.rules[decision.rule - 1].refuse)
    if decision.rule is None:
        uncovered = {"origin-not-allowed", *(["origin-needs-url"] if binds else [])}
        assert decision.reason.code in (uncovered if naive.is_origin(origin) else {"origin-malformed"})
    elif decision.allowed:
        everybody = _is_for_everybody(policy.rules[decision.rule - 1], policy_set)
        assert headers[_ACAO] == ("*" if everybody else origin)


def _check_guard(decision: Decision, query: Query, policy: Policy) -> None:
    """The guard says what its table says; which hosts are listed, tests/decision/test_guard.py knows."""
    if policy.guard is None:
        assert decision.guard is None
        return
    others = structs.asdict(query.circumstances or Circumstances())
    lines = [("origin", origin) for origin in query.origins]
    lines += [(name, line) for name, attribute in CIRCUMSTANCES.items() for line in others[attribute]]
    found, code = decision.guard, decision.reason.code
    called = found is None or found.reason.code != "host-not-allowed"
    rule = decision.rule is not None
    expected = naive_guard.judge(policy.guard.as_dict(), query.method, query.url, lines, code, rule=rule, called=called)
    assert (None if found is None else (found.passes, found.reason.code)) == expected
    if found is not None:
        assert found.mode == policy.guard.mode
        assert found.reason.code in (PASSES if found.passes else REFUSALS)
        assert found.reason.message.isprintable()


def _check_timing(decision: Decision, headers: dict[str, str], query: Query, policy_set: PolicySet) -> None:
    """Every actual answer lists all origins that may measure, or the one that asks is told whether it may."""
    listed = listed_timing(policy_set.policies[decision.policy], policy_set)
    if decision.kind == "preflight" or listed:
        expected = "" if decision.kind == "preflight" else ", ".join(listed)
        assert headers.get(_TAO, "") == expected
    elif decision.allowed is False:
        assert _TAO not in headers
    elif decision.rule is not None:
        rule = policy_set.policies[decision.policy].rules[decision.rule - 1]
        everybody = _is_for_everybody(rule, policy_set)
        assert headers.get(_TAO) == ((query.origins[0] if not everybody else "*") if rule.timing else None)


def listed_timing(policy: Policy, policy_set: PolicySet) -> list[str]:
    """All origins that may measure, if they are exact, in a kibibyte, and behind no rule bound to the host; or none."""
    of_rules = [_texts(rule, policy_set) for rule in policy.rules]
    last = max((index for index, rule in enumerate(policy.rules) if rule.timing), default=0)
    if any("<" in text and not text.startswith("re:") for texts in of_rules[: last + 1] for text in texts):
        return []
    texts = [text for rule, texts in zip(policy.rules, of_rules, strict=True) if rule.timing for text in texts]
    if any(text.startswith("re:") for text in texts):
        return []
    origins = [origin for text in texts for origin in naive.expansions(text)]
    if not all(naive.is_origin(origin) and "*" not in origin for origin in origins):
        return []
    deciding = {origin: _first_rule(policy, policy_set, origin) or 0 for origin in origins}
    listed = [origin for origin, number in deciding.items() if policy.rules[number - 1].timing]
    return listed if len(", ".join(listed)) <= 1024 else []


def _check_grant(decision: Decision, headers: dict[str, str], query: Query, rule: Rule, policy_set: PolicySet) -> None:
    """What is allowed is granted: the method and each header, and nothing by a literal `*`."""
    assert (headers.get(_ACAC) == "true") == rule.credentials
    assert headers[_ACAO] != "*" or not rule.credentials
    preflight = decision.kind == "preflight"
    method = _normal(query.request_methods[0] if preflight else query.method)
    assert is_token(method)
    if "*" in rule.methods:
        assert method != "*"
        assert method.upper() not in _FORBIDDEN_METHODS
    else:
        assert method in rule.methods
    if preflight:
        asked = {name.lower() for name in members(query.request_headers) if name}
        assert all(is_token(name) and is_granted(rule, name, policy_set) for name in asked)
        allowed_methods, allowed_headers = (headers.get(name, "").split(", ") for name in (_ACAM, _ACAH))
        assert method in allowed_methods
        assert all(map(is_token, allowed_methods))
        assert asked <= set(allowed_headers)
        assert len(allowed_headers) == len(set(allowed_headers))
        assert "*" not in allowed_methods + allowed_headers
        assert allowed_headers == [""] or all(
            is_token(name) and is_granted(rule, name, policy_set) for name in allowed_headers
        )


def _is_for_everybody(rule: Rule, policy_set: PolicySet) -> bool:
    return not rule.credentials and not rule.refuse and "*" in _texts(rule, policy_set)


def _texts(rule: Rule, policy_set: PolicySet) -> list[str]:
    return [write_pattern(pattern) for pattern in policy_set.patterns(rule)]


def _first_rule(policy: Policy, policy_set: PolicySet, origin: str) -> int | None:
    """The number of the rule that decides about an origin."""
    for number, rule in enumerate(policy.rules, start=1):
        patterns = _texts(rule, policy_set)
        if rule.credentials and "insecure-origins" not in rule.dangerously_allow and _is_insecure(origin):
            # docs/document.md, Dangers: of regular expressions it is the origin that is looked at.
            patterns = [pattern for pattern in patterns if not pattern.startswith("re:")]
        if naive.any_covers(patterns, origin):
            return number
    return None


def _is_insecure(origin: str) -> bool:
    scheme, _, authority = origin.partition("://")
    host = authority.rpartition(":")[0] if authority[-1:].isdigit() and ":" in authority else authority
    loopback = host in {"localhost", "[::1]"} or host.endswith(".localhost") or host.startswith("127.")
    return scheme in {"http", "ws", "ftp"} and not loopback
