"""The names that a rule lists, of methods and headers: checked, and as rules have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.grammar.pattern import SET
from cors_service.grammar.tokens import (
    is_forbidden_exposed_header,
    is_forbidden_method,
    is_forbidden_request_header,
    is_forbidden_request_prefix,
    is_method_name,
    is_token,
    normalize_method,
)
from cors_service.policy._report import Place
from cors_service.policy._wrong_values import header_items, method_items
from cors_service.policy.model import DEFAULT_METHODS

Body = Mapping[str, Any]
"""The table of a rule. Parts that the schema refused are missing, or None in a list."""

_LISTS: Final = 256


def read_methods(body: Body, place: Place) -> tuple[str, ...]:
    written = tuple(body.get("methods", DEFAULT_METHODS))
    if not _are_good(_method_problem, written):
        for index, method in numbered(written):
            note_if_any(_method_problem(method), place.at("methods", index))
    return _methods(written)


def read_request_headers(body: Body, place: Place) -> tuple[str, ...]:
    written = tuple(body.get("request_headers", ()))
    if not _are_good(request_header_problem, written):
        for index, name in numbered(written):
            note_if_any(request_header_problem(name), place.at("request_headers", index))
    return header_names(written)


def read_exposed_headers(body: Body, place: Place, credentials: bool) -> tuple[str, ...]:
    written = tuple(body.get("expose_headers", ()))
    problem = credentialed_header_problem if credentials else exposed_header_problem
    if not _are_good(problem, written):
        for index, name in numbered(written):
            note_if_any(problem(name), place.at("expose_headers", index))
    return header_names(written)


def _method_problem(method: str) -> PolicyError | None:
    if not is_method_name(method):
        message = f"{shown(method)} is not a method name."
        hint = f"Write {items}." if (items := method_items(method)) else ""
        return PolicyError("method-malformed", message, hint=hint, value=method)
    if is_forbidden_method(method):
        message = f"Browsers don't let pages send {shown(method)}."
        return PolicyError("method-forbidden", message, hint="Remove it.", value=method)
    return None


def malformed_header(name: str) -> PolicyError | None:
    bare = name.removesuffix("*") if name != "*" else "x"
    if is_token(bare) and "*" not in bare:
        return None
    hint = _as_items(name) or "Write one name, prefix-* or * in each item."
    return PolicyError("request-header-malformed", f"{shown(name)} is not a header name.", hint=hint, value=name)


def request_header_problem(name: str) -> PolicyError | None:
    if name[:1] == SET:
        return None
    if malformed := malformed_header(name):
        return malformed
    bare = name.removesuffix("*") or "x"
    is_forbidden = is_forbidden_request_prefix if name[-1:] == "*" and name != "*" else is_forbidden_request_header
    if is_forbidden(bare.lower()):
        message = f"{shown(name)} is not a header that a page can set."
        return PolicyError("request-header-forbidden", message, hint="Remove it.", value=name)
    return None


def exposed_header_problem(name: str) -> PolicyError | None:
    if name == "*" or name[:1] == SET:
        return None
    if not is_token(name) or "*" in name:
        hint = _as_items(name) or "Write one name or * in each item."
        return PolicyError("expose-header-malformed", f"{shown(name)} is not a header name.", hint=hint, value=name)
    if is_forbidden_exposed_header(name.lower()):
        message = f"{shown(name)} is not a response header that a page can read."
        return PolicyError("expose-header-forbidden", message, hint="Remove it.", value=name)
    return None


def credentialed_header_problem(name: str) -> PolicyError | None:
    if name != "*":
        return exposed_header_problem(name)
    message = "With credentials, browsers take `*` for the name of a header."
    hint = "List the headers that pages may read."
    return PolicyError("any-header-with-credentials", message, hint=hint, value=name)


def _as_items(text: str) -> str:
    """What to write for several names in one item of a list, or for a whole header; nothing if these are not names."""
    items = header_items(text)
    return f"Write {items}." if items and items != f'"{text}"' else ""


def uses_of_headers(body: Body) -> Iterator[tuple[Path, str]]:
    """Where a rule uses header sets, and which."""
    for key in ("request_headers", "expose_headers"):
        for index, name in numbered(body.get(key, ())):
            if name[:1] == SET:
                yield (key, index), name.removeprefix(SET)


def note_if_any(problem: PolicyError | None, place: Place) -> None:
    if problem is not None:
        place.note(problem)


def numbered(items: Iterable[Any]) -> Iterable[tuple[int, str]]:
    """The items that are strings, with their indices; the schema has reported the others."""
    return ((index, item) for index, item in enumerate(items) if item is not None)


def strings(items: Iterable[Any]) -> list[str]:
    return [item for item in items if item is not None]


# Many policies have the same few lists: each is read once, and takes up memory once.


@lru_cache(maxsize=_LISTS)
def _are_good(problem: Callable[[str], PolicyError | None], written: tuple[Any, ...]) -> bool:
    return not any(map(problem, strings(written)))


@lru_cache(maxsize=_LISTS)
def _methods(written: tuple[Any, ...]) -> tuple[str, ...]:
    methods: list[str] = []
    for method in map(normalize_method, strings(written)):
        methods += ["GET", "HEAD"] if method == "GET" else [method]
    return tuple(dict.fromkeys(methods))


@lru_cache(maxsize=_LISTS)
def header_names(written: tuple[Any, ...]) -> tuple[str, ...]:
    # str.lower maps the Kelvin sign to `k`; names outside ASCII stay as they are, and are refused as malformed.
    return tuple(
        dict.fromkeys(name.lower() if name.isascii() and name[:1] != SET else name for name in strings(written))
    )
