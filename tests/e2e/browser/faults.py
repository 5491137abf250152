"""Mistakes that services make with the headers that were decided, for tests that must fail because of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Lines = list[tuple[str, str]]
Fault = Callable[[Mapping[str, str], Lines], Lines]

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_CREDENTIALS = "Access-Control-Allow-Credentials"
_LISTS = ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers")


def _without(lines: Lines, *names: str) -> Lines:
    return [line for line in lines if line[0] not in names]


def none(received: Mapping[str, str], decided: Lines) -> Lines:
    """No mistake: the headers as decided."""
    return list(decided)


def reflected_origin(received: Mapping[str, str], decided: Lines) -> Lines:
    """Whoever asks is allowed, with credentials."""
    rest = _without(decided, _ALLOW_ORIGIN, _CREDENTIALS)
    origin = received.get("Origin")
    return [(_ALLOW_ORIGIN, origin), (_CREDENTIALS, "true"), *rest] if origin else rest


def credentials_spelled_true(received: Mapping[str, str], decided: Lines) -> Lines:
    """A boolean of the program's language instead of the one value that browsers take."""
    return [(name, "True" if name == _CREDENTIALS else value) for name, value in decided]


def vary_dropped(received: Mapping[str, str], decided: Lines) -> Lines:
    """Caches are not told that the answer depends on the Origin."""
    return _without(decided, "Vary")


def any_origin(received: Mapping[str, str], decided: Lines) -> Lines:
    """``*`` wherever an origin was decided."""
    return [(name, "*" if name == _ALLOW_ORIGIN else value) for name, value in decided]


def origin_with_slash(received: Mapping[str, str], decided: Lines) -> Lines:
    """An URL where an origin belongs."""
    return [(name, f"{value}/" if name == _ALLOW_ORIGIN else value) for name, value in decided]


def repeated_origin(received: Mapping[str, str], decided: Lines) -> Lines:
    """The header twice, as where a proxy adds what the application has set already."""
    return decided + [line for line in decided if line[0] == _ALLOW_ORIGIN]


def several_origins(received: Mapping[str, str], decided: Lines) -> Lines:
    """A list where one origin belongs."""
    return [(name, f"{value}, http://localhost" if name == _ALLOW_ORIGIN else value) for name, value in decided]


def null_origin(received: Mapping[str, str], decided: Lines) -> Lines:
    """``null`` for everybody, as if it were nobody."""
    return [*_without(decided, _ALLOW_ORIGIN), (_ALLOW_ORIGIN, "null")]


def malformed_lists(received: Mapping[str, str], decided: Lines) -> Lines:
    """Lists with semicolons."""
    return [(name, f"{value}; x-other" if name in _LISTS else value) for name, value in decided]


def wildcard_lists(received: Mapping[str, str], decided: Lines) -> Lines:
    """``*`` instead of the methods and headers decided."""
    kept = _without(decided, *_LISTS)
    allowed = any(name == _ALLOW_ORIGIN for name, _ in kept)
    return [*kept, *((name, "*") for name in _LISTS)] if allowed else kept


def longer_max_age(received: Mapping[str, str], decided: Lines) -> Lines:
    """Preflights are kept for longer than decided."""
    return [*_without(decided, "Access-Control-Max-Age"), ("Access-Control-Max-Age", "600")]


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        none,
        reflected_origin,
        credentials_spelled_true,
        vary_dropped,
        any_origin,
        origin_with_slash,
        repeated_origin,
        several_origins,
        null_origin,
        malformed_lists,
        wildcard_lists,
        longer_max_age,
    )
}
"""By name, what turns the request's headers and those decided into those sent."""
