"""What to write where a request is refused: for people, who ask about one request at a time.

Whoever asks about many pays nothing for it. The time that it takes does not grow with the number of origins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, islice, pairwise, product
from typing import Final

from cors_service.decision._compiled import CompiledPolicy
from cors_service.decision._grant import Grant
from cors_service.decision._origins import NOT_COVERED, OriginIndex
from cors_service.decision.decision import Decision
from cors_service.decision.query import MAX_HEADER_BYTES, MAX_HEADER_NAMES, Query
from cors_service.grammar.flaw import as_browsers_send
from cors_service.grammar.mistakes import cut
from cors_service.grammar.origin import DEFAULT_PORTS, FILE, NO_PORT, Origin, is_insecure_origin, read_origin
from cors_service.grammar.pattern import NULL, SetName, write_pattern
from cors_service.grammar.single import is_exact
from cors_service.grammar.tokens import is_forbidden_method, is_method_name, normalize_method
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy

# Patterns among which one may be near, and those of them that are compared.
_LOOKED_AT: Final = 500
_COMPARED: Final = 64
# Of the pairs of letters of two hosts: how many both must have.
_ALIKE: Final = 0.5
_LONGEST: Final = 300

_INSECURE: Final = "insecure-origins"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_OTHER_SCHEME: Final = {"http": "https", "https": "http", "ws": "http", "wss": "https"}


def hint_of(decision: Decision, query: Query, policy: CompiledPolicy, policy_set: PolicySet) -> str:
    """Say what to write, in the policy or in the request, so that a refused request is allowed.

    Args:
        decision: A refusal.
        query: The request.
        policy: The policy that refused it.
        policy_set: The set of this policy.
    """
    hint = _HINTS.get(decision.reason.code)
    return "" if hint is None else hint(decision, query, policy, policy_set)


def _multiple_origins(*_: object) -> str:
    return "Pass on the one Origin of the browser."


def _origin_malformed(decision: Decision, query: Query, *_: object) -> str:
    meant = as_browsers_send(query.origins[0])
    return f"Browsers send '{meant}'." if meant else ""


def _origin_not_allowed(decision: Decision, query: Query, policy: CompiledPolicy, policy_set: PolicySet) -> str:
    origin, model = query.origins[0], policy_set.policies[policy.name]
    if origin == NULL:
        return f"Serve the page from an origin of its own, or {_addition(origin, model, 'null-origin')}."
    if origin == FILE:
        return f"Serve the page by HTTP, or {_addition(origin, model, 'file-origin')}."
    left_out = policy.origins.find_left_out(origin) if isinstance(policy.origins, OriginIndex) else NOT_COVERED
    if left_out != NOT_COVERED:
        flag = f'dangerously_allow = ["{_INSECURE}"]'
        return f"Rule {left_out + 1} leaves out cleartext: use https, or add {flag} there."
    near = _nearest(origin, policy, policy_set)
    if near:
        return f"The nearest is '{cut(near, _LONGEST)}'."
    # What a stranger sends must not be advised as a pattern: `https://*` is an origin that browsers can send.
    if not is_exact(origin):
        return "No policy can list such a host."
    granting = [rule for rule in model.rules if not rule.refuse]
    if granting and is_insecure_origin(origin) and not any(rule.covers_cleartext for rule in granting):
        return f"Use https, or {_addition(origin, model, _INSECURE)}."
    addition = _addition(origin, model)
    return f"{addition[0].upper()}{addition[1:]}."


def _addition(origin: str, policy: Policy, danger: str = "") -> str:
    """Say where to list an origin that no rule covers, so that a rule does, and the policy has no mistake.

    Args:
        origin: The origin.
        policy: The policy.
        danger: What the rule has to accept for it.
    """
    # Cleartext gets a rule of its own: to accept it in a rule with cookies would let in more than this origin.
    able = [
        number
        for number, rule in enumerate(policy.rules, 1)
        if not rule.refuse and (rule.covers_cleartext or not is_insecure_origin(origin))
    ]
    flag = f'dangerously_allow = ["{danger}"]' if danger else ""
    if able:
        rule = "a rule" if len(able) == len(policy.rules) else f"rule {able[0]}"
        added = f'add "{origin}" to {rule} with {flag}' if flag else f'add "{origin}" to the origins of {rule}'
    else:
        added = f'add a rule with "{origin}"{" and " if flag else ""}{flag}'
    # A static policy has one origin alone.
    return f"remove static, and {added}" if policy.static else added


def _origin_needs_url(decision: Decision, query: Query, *_: object) -> str:
    if query.url is None:
        return "Send the URL of the request in the query, too."
    return "Send the whole URL of the request, such as 'https://api.example.com/things'."


def _origin_refused(decision: Decision, *_: object) -> str:
    return f"Rule {decision.rule} has refuse = true: remove the origin there."


def _method_malformed(*_: object) -> str:
    return 'A method is one word, such as "PUT".'


def _method_not_allowed(decision: Decision, query: Query, policy: CompiledPolicy, *_: object) -> str:
    written = query.request_methods[0] if decision.kind == "preflight" else query.method
    method = normalize_method(written)
    if method == "*" or is_forbidden_method(method) or not is_method_name(method):
        return "Have the page use another method."
    if _grant_of(decision, policy).has_method(method.upper()):
        return f'Have the page send "{method.upper()}".'
    return f'Add "{method}" to methods.'


def _header_malformed(*_: object) -> str:
    return "Access-Control-Request-Headers is a list of names with commas between them."


def _header_not_allowed(decision: Decision, query: Query, policy: CompiledPolicy, *_: object) -> str:
    names = [f'"{name}"' for name in _grant_of(decision, policy).lacks(query.request_headers)]
    count = sum(length <= _LONGEST for length in accumulate(len(name) + 2 for name in names))
    if count == 0:
        return "Have the page use another header."
    more = f" and {len(names) - count} more" if count < len(names) else ""
    return f"Add {', '.join(names[:count])}{more} to request_headers."


def _too_many_headers(*_: object) -> str:
    return f"Have the page send at most {MAX_HEADER_NAMES} headers, with {MAX_HEADER_BYTES} characters in all."


_Hint = Callable[[Decision, Query, CompiledPolicy, PolicySet], str]
_HINTS: Final[Mapping[str, _Hint]] = {
    "multiple-origins": _multiple_origins,
    "origin-malformed": _origin_malformed,
    "origin-not-allowed": _origin_not_allowed,
    "origin-needs-url": _origin_needs_url,
    "origin-refused": _origin_refused,
    "method-malformed": _method_malformed,
    "method-not-allowed": _method_not_allowed,
    "header-malformed": _header_malformed,
    "header-not-allowed": _header_not_allowed,
    "too-many-headers": _too_many_headers,
}


def _grant_of(decision: Decision, policy: CompiledPolicy) -> Grant:
    assert decision.rule is not None
    return policy.grants[decision.rule - 1]


def _nearest(text: str, policy: CompiledPolicy, policy_set: PolicySet) -> str | None:
    """Find an origin that the policy covers, or one of its patterns, that is close to an origin."""
    origin = read_origin(text)
    assert origin is not None
    return _covered(_variants(origin), policy) or _most_alike(
        origin, islice(_patterns(policy.name, policy_set), _LOOKED_AT)
    )


def _covered(origins: Iterable[str], policy: CompiledPolicy) -> str | None:
    """Find the first origin that a rule grants something."""
    indices = ((policy.origins.find(origin), origin) for origin in origins)
    return next((origin for index, origin in indices if index >= 0 and not policy.grants[index].refuses), None)


def _variants(origin: Origin) -> Iterator[str]:
    """Write origins that differ from one in scheme or port, or in the name of the same machine."""
    scheme, host, port = origin.scheme, origin.host, f":{origin.port}"
    if origin.port in {NO_PORT, DEFAULT_PORTS.get(scheme)}:
        port = ""
    hosts = (host, *_LOOPBACK) if host in _LOOPBACK else (host, host.removeprefix("www."))
    schemes = (scheme, _OTHER_SCHEME.get(scheme, scheme))
    for parts in dict.fromkeys(product(hosts, schemes, (port, ""))):
        yield "{1}://{0}{2}".format(*parts)


def _patterns(policy: str, policy_set: PolicySet) -> Iterator[str]:
    for rule in policy_set.policies[policy].rules:
        for pattern in () if rule.refuse else rule.origins:
            if isinstance(pattern, SetName):
                yield from map(write_pattern, policy_set.origin_sets[pattern.name])
            else:
                yield write_pattern(pattern)


def _most_alike(origin: Origin, texts: Iterable[str]) -> str | None:
    """Find the pattern with the host that is most like that of an origin."""
    label = max(origin.host.split("."), key=len)
    known = list(texts)
    compared = list(islice((text for text in known if label in text), _COMPARED)) or known[:_COMPARED]
    pairs = _pairs(origin.host)
    best, found = _ALIKE, None
    for text in compared:
        others = _pairs(_host_in(text))
        alike = 2 * len(pairs & others) / max(1, len(pairs) + len(others))
        if alike > best:
            best, found = alike, text
    return found


def _host_in(text: str) -> str:
    authority = text.partition("://")[2]
    return authority.partition("]")[0] if authority[:1] == "[" else authority.partition(":")[0]


def _pairs(host: str) -> set[tuple[str, str]]:
    """The pairs of letters that follow each other, but for those of the last of several labels."""
    name = host.rpartition(".")[0] or host
    return set(pairwise(name))
