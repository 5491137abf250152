"""Which requests of one origin can tell two rules apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from msgspec import structs

from cors_service.decision import Query
from cors_service.policy.model import Rule

_ANY: Final = "*"
_OTHER_METHOD: Final = "OTHER"
_AUTHORIZATION: Final = "authorization"


def questions(base: Query, rules: Iterable[Rule]) -> Iterator[Query]:
    """Give a query for each class of methods and of header names that rules tell apart.

    Rules grant each method and each header by itself, so that no combination has to be tried: a method with each kind
    of request, and a header with each method, since it may be that they have none in common.

    Args:
        base: A query with an origin, and a policy or a URL.
        rules: The rules, with header sets written out.
    """
    rules = tuple(rules)
    methods = _methods(rules)
    for method in methods:
        yield structs.replace(base, method=method)
    asked = [structs.replace(base, method="OPTIONS", request_methods=(method,)) for method in methods]
    yield from asked
    common = [method for method in methods if all(_has(rule, method) for rule in rules)]
    for name in header_names(rules):
        # One that all of them have is enough, and none is not.
        for method in common[:1]:
            yield structs.replace(asked[methods.index(method)], request_headers=(name,))


def combinations(base: Query, rules: Iterable[Rule]) -> Iterator[Query]:
    """Give a preflight for each header name and each kind of method: a guard passes over methods for WebSockets."""
    rules = tuple(rules)
    methods = _methods(rules)
    kinds = {tuple(_has(rule, method) for rule in rules): method for method in reversed(methods)}
    for method, name in product(kinds.values(), header_names(rules)):
        yield structs.replace(base, method="OPTIONS", request_methods=(method,), request_headers=(name,))


def header_names(rules: Iterable[Rule]) -> list[str]:
    """A header name of each class that rules tell apart."""
    listed = _listed(rule.request_headers for rule in rules)
    exact = {name for name in listed if name[-1:] != _ANY}
    prefixes = [name[:-1] for name in listed if name[-1:] == _ANY and name != _ANY]
    names = dict.fromkeys([*sorted(exact), *prefixes])
    for prefix in [*prefixes, ""]:
        longer = {other[len(prefix)] for other in [*prefixes, *exact] if other.startswith(prefix) and other != prefix}
        if char := next((char for char in _TOKEN_CHARS if char not in longer), ""):
            names[prefix + char] = None
    names[_AUTHORIZATION] = None
    return list(names)


_TOKEN_CHARS: Final = "zyxwvutsrqponmlkjihgfedcba0123456789-!#$%&'+.^_`|~"


def _methods(rules: Iterable[Rule]) -> list[str]:
    methods = _listed(rule.methods for rule in rules)
    methods.append(_fresh(_OTHER_METHOD, "X", set(methods)))
    return methods


def _has(rule: Rule, method: str) -> bool:
    return not rule.refuse and (method in rule.methods or _ANY in rule.methods)


def _listed(lists: Iterable[tuple[str, ...]]) -> list[str]:
    return [name for name in dict.fromkeys(name for names in lists for name in names) if name != _ANY]


def _fresh(text: str, more: str, known: set[str]) -> str:
    while text in known:
        text += more
    return text
