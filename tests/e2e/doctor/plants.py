"""The defects that are planted, by server, and what the doctor must find there."""

from __future__ import annotations

from typing import Final, NamedTuple


class Plant(NamedTuple):
    """A path of a server.

    Attributes:
        server: The server, by the name of its fixture's entry.
        name: The first segment of the path.
        codes: What is to be found.
        method: What the page uses.
        headers: What the page sets.
        credentials: As fetch() names it.
        is_poisoned: Whether somebody without an Origin has asked before.
    """

    server: str
    name: str
    codes: frozenset[str]
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    credentials: str = "same-origin"
    is_poisoned: bool = False


JSON: Final = (("Content-Type", "application/json"),)
TOKEN: Final = (("Authorization", "Bearer x"),)
HEALTHY: Final = frozenset({"healthy"})


def _plant(server: str, name: str, *codes: str, **others: object) -> Plant:
    return Plant(server, name, frozenset(codes or [name]), **others)  # type: ignore[arg-type]


DEFECTS: Final = (
    _plant("nginx", "acao-missing"),
    _plant("nginx", "acao-repeated"),
    _plant("nginx", "acao-list"),
    _plant("nginx", "acao-other"),
    _plant("nginx", "acao-not-serialised"),
    _plant("nginx", "any-origin-with-credentials"),
    _plant("nginx", "any-origin", "any-origin-with-credentials", credentials="include"),
    _plant("nginx", "origin-reflected", credentials="include"),
    _plant("nginx", "near-miss-allowed"),
    _plant("nginx", "null-allowed"),
    _plant("nginx", "acac-not-true", credentials="include"),
    _plant("nginx", "vary-missing"),
    _plant("nginx", "cache-without-vary", "vary-missing", "cache-mixes-origins"),
    _plant("nginx", "cache-without-vary-poisoned", "vary-missing", "cache-mixes-origins", is_poisoned=True),
    _plant("nginx", "cache-deaf-to-vary", "cache-mixes-origins"),
    _plant("nginx", "preflight-status", method="PUT"),
    _plant("nginx", "preflight-redirect", method="PUT"),
    _plant("nginx", "preflight-authenticated", headers=JSON),
    _plant("nginx", "error-without-headers"),
    _plant("nginx", "unanswered"),
    _plant("apache", "acao-repeated"),
    _plant("apache", "proxied-repeated", "acao-repeated", method="PUT"),
    _plant("apache", "acao-not-serialised"),
    _plant("apache", "error-without-headers"),
    _plant("apache", "preflight-authenticated", method="PUT"),
    _plant("apache", "method-missing", method="PUT"),
    _plant("apache", "vary-missing"),
    _plant("apache", "near-miss-allowed", method="DELETE"),
    _plant("express", "header-missing", headers=(("X-Shop", "7"),)),
    _plant("express", "list-malformed", headers=JSON),
    _plant("express", "authorization-by-wildcard", headers=TOKEN),
    _plant("express", "max-age-malformed", method="DELETE"),
    _plant("express", "headers-on-refusal", method="PUT"),
    _plant("express", "near-miss-allowed"),
    _plant("express", "acac-not-true"),
    _plant("express", "origin-reflected", method="PUT", credentials="include"),
    _plant("express", "wildcard-methods", "method-missing", method="PUT", credentials="include"),
    _plant("flask", "preflight-redirect", method="PUT"),
    _plant("flask", "preflight-authenticated", headers=TOKEN),
    _plant("flask", "error-without-headers"),
    _plant("flask", "acao-missing", method="PUT"),
    _plant("flask", "acao-other"),
    _plant("flask", "acao-list"),
    _plant("flask", "null-allowed", method="PUT"),
    _plant("flask", "lower-case-methods", "method-missing", method="PUT"),
)

_PAGES: Final = tuple(
    _plant(server, name, "healthy", **others)
    for server, name in (
        ("nginx", "healthy"),
        ("nginx", "healthy-behind-a-cache"),
        ("apache", "healthy"),
        ("express", "healthy"),
        ("flask", "healthy"),
    )
    for others in (
        {},
        {"credentials": "include"},
        {"method": "PUT", "headers": JSON},
        {"method": "DELETE", "credentials": "include", "headers": TOKEN},
    )
)
SOUND: Final = (
    *_PAGES,
    _plant("nginx", "any-origin", "healthy"),
    _plant("nginx", "mended-repeated", "healthy"),
    _plant("nginx", "mended-authentication", "healthy", method="PUT"),
    _plant("apache", "mended-repeated", "healthy", method="PUT"),
    _plant("apache", "mended-authentication", "healthy", method="PUT"),
    _plant("express", "any-origin", "healthy", method="PUT"),
)
