"""What an edit allows beyond the exchange that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import structs

from cors_service.algebra import Comparison, Difference, compare
from cors_service.browser.request import is_forbidden_method
from cors_service.decision import BadQuery, Decision, Query
from cors_service.explain._asking import Asked
from cors_service.explain._passing import passes
from cors_service.explain._plans import Wanted, own_rule
from cors_service.explain._why_none import blocked
from cors_service.explain.documents import Documents
from cors_service.explain.exchange import Lines
from cors_service.explain.explanation import Allowed
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy, Rule

_ITSELF: Final = frozenset({"policy"})
"""What a new policy for the exchange alone differs in."""
_OF_REQUESTS: Final = frozenset({"origin", "method", "request-header", "credentials"})
"""What differences are about that requests of the page itself show."""
_COMMON: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UNUSUAL: Final = "\x01"
"""A value with which every header needs a grant."""
_ANY: Final = "any"


def beyond(asked: Asked, before: Documents, after: Documents, changes: Comparison) -> tuple[Allowed, ...]:
    """Say what an edit allows beyond an exchange.

    Args:
        asked: The exchange.
        before: The documents, by which it is blocked.
        after: The documents after the edit, by which it passes.
        changes: Their comparison.
    """
    least = _least(asked, before)
    own = {_key(query) for query in asked.queries}
    compared = changes if least is None else compare(least, after.policy_set)
    also = [*_of_the_page(asked, before, after)]
    for one in compared.differences:
        is_own = one.witness.origins == (asked.request.origin,) and one.what in _OF_REQUESTS
        if one.direction != "wider" or (_is_itself(one, own) if least is None else is_own):
            continue
        # The least set differs from the one before in more than the page, such as in what it answers to no origin.
        if is_noticed(one) and _answered(before, one.witness) != _answered(after, one.witness):
            also.append(Allowed.of(_shown_better(one, asked, changes)))
    also += [Allowed(one.policy, "unknown", one.sentence, None) for one in compared.unknown]
    # What several queries show is said once.
    return tuple({(one.policy, one.what, one.sentence): one for one in also}.values())


def is_noticed(difference: Difference) -> bool:
    """Whether a browser notices a difference.

    None sends a malformed Origin, or several; and pages of the service's own origin read everything.
    """
    origins, before, after = difference.witness.origins, difference.before, difference.after
    if len(origins) > 1 or any(origin != NULL and read_origin(origin) is None for origin in origins):
        return False
    kinds = {answer.kind for answer in (before, after) if isinstance(answer, Decision)}
    return kinds != {"same-origin"}


def _answered(documents: Documents, query: Query) -> object:
    """What comes of a query, without the reasons."""
    try:
        decision = documents.active.decide(query)
    except BadQuery as error:
        return error.code
    return decision.allowed, decision.status, decision.headers, decision.guard is None or decision.guard.passes


def _shown_better(difference: Difference, asked: Asked, changes: Comparison) -> Difference:
    """The same difference of all pages of a rule as the documents show it, if by another page than the asking one.

    The least set tells origins apart that are next to that of the page, and nobody has heard of.
    """
    about = _about(difference)
    for one in changes.differences:
        is_of_rule = isinstance(one.before, Decision) and (one.before.policy, one.before.rule) == about[:2]
        if is_of_rule and _about(one) == about and one.witness.origins != (asked.request.origin,):
            return one
    return difference


def _about(difference: Difference) -> tuple[object, ...]:
    """Which rule grants what by a difference."""
    after, query = difference.after, difference.witness
    rule = (after.policy, after.rule) if isinstance(after, Decision) else (None, None)
    return *rule, difference.direction, difference.what, query.method, query.request_methods, query.request_headers


def _is_itself(one: Difference, own: set[tuple[object, ...]]) -> bool:
    return _key(one.witness) in own or one.what in _ITSELF


def _key(query: Query) -> tuple[object, ...]:
    """What makes a query the same as another; what a comparison leaves open is not part of it."""
    return query.method, query.origins, query.request_methods, query.request_headers, query.url


def _least(asked: Asked, documents: Documents) -> PolicySet | None:
    """Make the set that lets the page make such requests, and changes nothing else; None if rules can't say that."""
    try:
        decision = blocked(tuple(map(documents.active.decide, asked.queries)), asked)
    except BadQuery:
        return None
    assert decision is not None
    policy = documents.policy_set.policies[decision.policy]
    if any(match.binds for match in policy.match):
        return None  # an origin of its own would also have the other hosts
    index = len(policy.rules) if decision.rule is None else decision.rule - 1
    covering = policy.rules[index] if decision.rule is not None else None
    own = own_rule(Wanted.of(asked), covering, documents.policy_set)
    rules = (*policy.rules[:index], own, *policy.rules[index:])
    return _with_policy(documents.policy_set, structs.replace(policy, rules=rules, static=False))


def _with_policy(policy_set: PolicySet, policy: Policy) -> PolicySet:
    policies = {**policy_set.policies, policy.name: policy}
    return PolicySet.of(policies.values(), policy_set.origin_sets, policy_set.header_sets)


def _of_the_page(asked: Asked, before: Documents, after: Documents) -> Iterator[Allowed]:
    """Say which other requests the page itself may make: rules grant methods, headers and cookies, not exchanges."""
    decision = after.active.decide(asked.queries[-1])
    if decision.rule is None or asked.exchange.mode != "cors":
        return
    rule = after.policy_set.policies[decision.policy].rules[decision.rule - 1]
    who, cookies = f"Pages of {shown(asked.request.origin)}", " with cookies" if asked.request.credentials else ""

    def is_new(method: str, headers: Lines, credentials: bool = False) -> Asked | None:
        mode = "include" if credentials or asked.request.credentials else asked.exchange.credentials
        other = Asked(structs.replace(asked.exchange, method=method, headers=headers, credentials=mode))
        return other if passes(other, after) and not passes(other, before) else None

    method = asked.request.method
    methods = [(one, is_new(one, ())) for one in _methods(rule) if one != method and (one, method) != ("HEAD", "GET")]
    names = [(one, is_new(method, ((one, _UNUSUAL),))) for one in _names(rule, after.policy_set, asked)]
    found = (
        ("method", f"{who} may use the {{}} {{}}{cookies}, too.", ("method", "methods"), methods),
        ("request-header", f"{who} may send the {{}} {{}}{cookies}, too.", ("header", "headers"), names),
    )
    for what, sentence, nouns, tried in found:
        new = [(name, other) for name, other in tried if other is not None]
        if new:
            listed = ", ".join(name for name, _ in new)
            noun = nouns[len(new) > 1]
            yield Allowed(decision.policy, what, sentence.format(noun, listed), new[0][1].queries[0])
    if not asked.request.credentials and (other := is_new(method, asked.exchange.headers, credentials=True)):
        yield Allowed(decision.policy, "credentials", f"{who} may send cookies and the like, too.", other.queries[-1])


def _methods(rule: Rule) -> Sequence[str]:
    listed = dict.fromkeys([*rule.methods, *(_COMMON if "*" in rule.methods else ())])
    return [method for method in listed if method != "*" and not is_forbidden_method(method)]


def _names(rule: Rule, policy_set: PolicySet, asked: Asked) -> Sequence[str]:
    listed = policy_set.headers(rule.request_headers)
    written = (f"{name[:-1]}{_ANY}" if name[-1:] == "*" else name for name in listed)
    wanted = Wanted.of(asked).names
    return [name for name in dict.fromkeys(written) if name not in wanted]
