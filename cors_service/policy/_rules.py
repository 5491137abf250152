"""From the body of a rule to a `Rule`: the checks of meaning that a schema can't make."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.pattern import (
    ANY,
    NULL,
    REGEX,
    compile_regex,
    expand_pattern,
    is_exact,
    is_insecure_origin,
    parse_pattern,
    regex_is_insecure,
    regex_spans_registrants,
)
from cors_service.grammar.tokens import (
    is_forbidden_exposed_header,
    is_forbidden_method,
    is_forbidden_request_header,
    is_forbidden_request_prefix,
    is_token,
    normalize_method,
)
from cors_service.policy._coverage import Coverage
from cors_service.policy._report import Place
from cors_service.policy._structure import MAX_AGE, max_age_error
from cors_service.policy.model import DEFAULT_METHODS, Rule


class OriginSet(Struct, frozen=True):
    """A named list of origin patterns.

    Attributes:
        patterns: Those of it that are patterns.
        is_whole: Whether all of them are.
    """

    patterns: tuple[str, ...]
    is_whole: bool


OriginSets = Mapping[str, OriginSet]


def check_set(name: str, patterns: Sequence[str | None], place: Place) -> OriginSet:
    """Check the patterns of an origin set, as far as that is possible without the rules that use it."""
    good: list[str] = []
    for index, pattern in enumerate(patterns):
        if pattern is None:
            continue  # not a string: the schema has reported it
        if pattern[:1] == "@":
            message = f"The origin set {shown(name)} holds another set, {shown(pattern)}."
            hint = "List its origins here, or use both sets in the rule."
            error: PolicyError | None = PolicyError("origin-set-nested", message, hint=hint, value=pattern)
        else:
            error = _pattern_problem(pattern)
        if error is None:
            good.append(pattern)
        else:
            place.at(index).refuse(error)
    return OriginSet(tuple(good), is_whole=len(good) == len(patterns))


def read_rule(body: Mapping[str, Any], place: Place, sets: OriginSets, lifted: Iterable[str]) -> Rule:
    """Read a rule whose structure is right, and note everything that it must not say.

    Args:
        body: The table, or that of a flat policy.
        place: Where it stands.
        sets: The origin sets by name.
        lifted: What `dangerously_allow` of the policy names.
    """
    max_age = body.get("max_age")
    if max_age is not None and not 0 <= max_age <= MAX_AGE:
        # The schema says so, too; its validator lets numbers of thousands of digits pass.
        place.at("max_age").refuse(max_age_error(max_age))
        max_age = None
    rule = Rule(
        origins=tuple(_strings(body.get("origins", ()))),
        methods=_methods(_strings(body.get("methods", DEFAULT_METHODS))),
        request_headers=_names(body.get("request_headers", ())),
        expose_headers=_names(body.get("expose_headers", ())),
        credentials=body.get("credentials", False),
        # The schema takes 600.0 for an integer.
        max_age=None if max_age is None else int(max_age),
        timing=body.get("timing", False),
        resource_policy=body.get("resource_policy"),
        dangerously_allow=tuple(sorted({*lifted, *_strings(body.get("dangerously_allow", ()))})),
    )
    _check_origins(body, rule, place, sets)
    for index, method in _numbered(body.get("methods", ())):
        _note(_method_problem(method), place.at("methods", index))
    for index, name in _numbered(body.get("request_headers", ())):
        _note(_request_header_problem(name), place.at("request_headers", index))
    for index, name in _numbered(body.get("expose_headers", ())):
        _note(_exposed_header_problem(name, rule.credentials), place.at("expose_headers", index))
    return rule


def check_reachable(rules: Sequence[tuple[Rule, Place]], sets: OriginSets) -> None:
    """Note every rule whose origins are all spoken for by earlier rules; of one with mistakes nothing is said."""
    if len(rules) == 1:
        return
    covered = Coverage()
    for rule, place in rules:
        patterns = _resolved(rule, sets, place)
        if patterns is not None and all(map(covered.covers, _expanded(patterns))):
            number = int(place.path[-1]) + 1
            message = f"Rule {number} never decides: earlier rules cover each of its origins."
            place.refuse(PolicyError("rule-unreachable", message, hint="Move it up, or remove it."))
        for pattern in _expanded(patterns or ()):
            covered.add(pattern)


def _check_origins(body: Mapping[str, Any], rule: Rule, place: Place, sets: OriginSets) -> None:
    origins = place.at("origins")
    if not rule.origins and not origins.is_refused and not body.get("origins"):
        hint = 'List at least one, or write origins = ["*"] for everybody.'
        (origins if "origins" in body else place).refuse(
            PolicyError("no-origins", "The rule has no origins.", hint=hint)
        )
    for index, pattern in _numbered(body.get("origins", ())):
        if pattern[:1] != "@":
            _note(_pattern_problem(pattern) or _grant_problem(pattern, rule), origins.at(index))
        elif pattern[1:] not in sets and place.report.complete:
            close = difflib.get_close_matches(pattern[1:], sets, n=1)
            message = f"There is no origin set {shown(pattern[1:])}."
            hint = f"Did you mean @{close[0]}?" if close else "Define it in [origin_sets]."
            origins.at(index).refuse(PolicyError("origin-set-unknown", message, hint=hint, value=pattern))
        else:
            for member in _members(pattern, sets):
                _note(_grant_problem(member, rule), origins.at(index))


def _pattern_problem(pattern: str) -> PolicyError | None:
    """What is wrong with a pattern wherever it stands."""
    if pattern in {ANY, NULL} or is_exact(pattern):
        return None
    try:
        if pattern.startswith(REGEX):
            compile_regex(pattern)
        else:
            for alternative in expand_pattern(pattern):
                parse_pattern(alternative)
    except PolicyError as error:
        error.value = pattern
        if "{" in pattern and error.hint.startswith("Write "):
            error.hint = ""  # it mends one alternative, and would drop the others
        return error
    return None


def _grant_problem(pattern: str, rule: Rule) -> PolicyError | None:
    """What is wrong with a valid pattern in this rule."""
    if pattern == NULL and "null-origin" not in rule.dangerously_allow:
        return PolicyError(
            "null-origin",
            "`null` is the origin of every sandboxed frame, of anybody's.",
            hint='Remove it, or add dangerously_allow = ["null-origin"].',
            value=pattern,
        )
    if not rule.credentials or (pattern.startswith("https://") and is_exact(pattern)):
        return None
    if pattern == ANY:
        return PolicyError(
            "any-origin-with-credentials",
            "`*` with credentials would let every site act as the user.",
            hint="List the origins, or drop credentials.",
            value=pattern,
        )
    insecure, spanning = _dangers(pattern)
    if insecure and "insecure-origins" not in rule.dangerously_allow:
        return PolicyError(
            "insecure-origin",
            f"{shown(pattern)} is not encrypted: anybody on the network can act as the user.",
            hint='Use https, or add dangerously_allow = ["insecure-origins"].',
            value=pattern,
        )
    if spanning and "public-suffix-subdomains" not in rule.dangerously_allow:
        return PolicyError(
            "public-suffix-subdomains",
            f"{shown(pattern)} covers domains that anybody can register.",
            hint='Name the domain, or add dangerously_allow = ["public-suffix-subdomains"].',
            value=pattern,
        )
    return None


def _dangers(pattern: str) -> tuple[bool, bool]:
    """Say of a valid pattern whether it covers insecure origins, and sub-domains of a public suffix."""
    if pattern in {ANY, NULL}:
        return False, False
    if pattern.startswith(REGEX):
        expression = compile_regex(pattern)
        return regex_is_insecure(pattern, expression), regex_spans_registrants(expression)
    if is_exact(pattern):
        return is_insecure_origin(pattern), False
    alternatives = [parse_pattern(alternative) for alternative in expand_pattern(pattern)]
    return any(one.is_insecure for one in alternatives), any(one.spans_registrants for one in alternatives)


def _method_problem(method: str) -> PolicyError | None:
    if not is_token(method):
        return PolicyError("method-malformed", f"{shown(method)} is not a method name.", value=method)
    if is_forbidden_method(method):
        message = f"Browsers let no page send {shown(method)}."
        return PolicyError("method-forbidden", message, hint="Remove it.", value=method)
    return None


def _request_header_problem(name: str) -> PolicyError | None:
    bare = name.removesuffix("*") if name != "*" else "x"
    if not is_token(bare) or "*" in bare:
        message = f"{shown(name)} is not a header name."
        hint = "Write a name, prefix-*, or *; one item for each."
        return PolicyError("request-header-malformed", message, hint=hint, value=name)
    is_forbidden = is_forbidden_request_prefix if name[-1] == "*" and name != "*" else is_forbidden_request_header
    if is_forbidden(bare.lower()):
        message = f"{shown(name)} is not a header that a page can set."
        return PolicyError("request-header-forbidden", message, hint="Remove it.", value=name)
    return None


def _exposed_header_problem(name: str, credentials: bool) -> PolicyError | None:
    if name == "*":
        if not credentials:
            return None
        message = "With credentials browsers read `*` as the name of a header."
        hint = "List the headers that pages may read."
        return PolicyError("any-header-with-credentials", message, hint=hint, value=name)
    if not is_token(name) or "*" in name:
        hint = "Write a name, or *; one item for each."
        return PolicyError("expose-header-malformed", f"{shown(name)} is not a header name.", hint=hint, value=name)
    if is_forbidden_exposed_header(name.lower()):
        message = f"{shown(name)} is not a response header that a page can read."
        return PolicyError("expose-header-forbidden", message, hint="Remove it.", value=name)
    return None


def _note(error: PolicyError | None, place: Place) -> None:
    if error is not None:
        place.refuse(error)


def _numbered(items: Iterable[Any]) -> Iterable[tuple[int, str]]:
    """The items that are strings, with their places; the schema has reported the others."""
    return ((index, item) for index, item in enumerate(items) if item is not None)


def _strings(items: Iterable[Any]) -> list[str]:
    return [item for item in items if item is not None]


def _methods(written: Iterable[str]) -> tuple[str, ...]:
    methods: list[str] = []
    for method in map(normalize_method, written):
        methods += ["GET", "HEAD"] if method == "GET" else [method]
    return tuple(dict.fromkeys(methods))


def _names(written: Iterable[Any]) -> tuple[str, ...]:
    # str.lower maps the Kelvin sign to `k`; what is not ASCII stays as it is, and is refused as no token.
    return tuple(dict.fromkeys(name.lower() if name.isascii() else name for name in _strings(written)))


def _members(pattern: str, sets: OriginSets) -> tuple[str, ...]:
    named = sets.get(pattern[1:])
    return named.patterns if named is not None else ()


def _resolved(rule: Rule, sets: OriginSets, place: Place) -> list[str] | None:
    """The patterns of a rule, or None if one of them, or a set that it uses, has a mistake."""
    if not rule.origins or place.report.has_beneath((*place.path, "origins")):
        return None
    patterns: list[str] = []
    for pattern in rule.origins:
        if pattern[:1] != "@":
            patterns.append(pattern)
        elif pattern[1:] in sets and sets[pattern[1:]].is_whole:
            patterns += sets[pattern[1:]].patterns
        else:
            return None
    return patterns


def _expanded(patterns: Iterable[str]) -> Iterable[str]:
    for pattern in patterns:
        if pattern.startswith(REGEX) or "{" not in pattern:
            yield pattern
        else:
            yield from expand_pattern(pattern)
