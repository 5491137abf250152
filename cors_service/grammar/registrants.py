"""Under which domains strangers can register names (https://publicsuffix.org/list/).

Domains are in ASCII, as they are in origins.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from publicsuffixlist import PSLFILE, PublicSuffixList, encode_idn


def has_strangers(suffix: str, *, any_depth: bool) -> bool:
    """Say whether sub-domains of a host can belong to strangers.

    Args:
        suffix: The host, without a trailing dot.
        any_depth: Whether sub-domains of every depth are meant, not only those of one label.
    """
    # `*` also covers sub-domains of suffixes beneath the host: *.amazonaws.com covers those of s3.amazonaws.com.
    return _public_suffixes().is_public(suffix) or (any_depth and suffix in _above_public_suffixes())


def is_registrable(domain: str) -> bool:
    """Say whether somebody has registered this domain or one above it, and may speak for all of it."""
    return _public_suffixes().privatesuffix(domain) is not None


def is_registry(suffix: str) -> bool:
    """Say whether registrars sell the names directly under a host, as under `com` and `co.uk`."""
    return _registries().is_public(suffix)


def suffix_from(domain: str) -> str:
    """A public suffix: this domain, or the first beneath it; the domain, if there are none."""
    if is_public_suffix(domain.removesuffix(".")):
        return domain
    return _first_beneath().get(domain, domain)


@cache
def _first_beneath() -> dict[str, str]:
    """For each domain that has public suffixes beneath it the first of them under which names can be registered."""
    first: dict[str, str] = {}
    for suffix in sorted(suffix for suffix in public_suffixes() if is_registrable(f"a.{suffix}")):
        parent = suffix.partition(".")[2]
        while parent:
            first.setdefault(parent, suffix)
            parent = parent.partition(".")[2]
    return first


def registered(domain: str) -> str | None:
    """The domain that somebody has registered: this one or one above it."""
    found: str | None = _public_suffixes().privatesuffix(domain)
    return found


def is_public_suffix(domain: str) -> bool:
    """Say whether everybody can get names directly under a domain."""
    return bool(_public_suffixes().is_public(domain))


@cache
def public_suffixes() -> frozenset[str]:
    """All public suffixes of the list; of those with any label, what is behind it."""
    return frozenset(rule.removeprefix("*.") for rule in _rules() if rule[0] != "!")


# The list is part of the library, constant like a module, and needed for wildcards with credentials only.
@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList(_lines(), accept_encoded_idn=False)


@cache
def _registries() -> PublicSuffixList:
    return PublicSuffixList(_lines(), accept_encoded_idn=False, accept_unknown=False, only_icann=True)


@cache
def _above_public_suffixes() -> frozenset[str]:
    """The domains that are not public suffixes but have some beneath them."""
    above: set[str] = set()
    for rule in _rules():
        parent = rule.removeprefix("!").partition(".")[2]
        while "." in parent:
            above.add(parent)
            parent = parent.partition(".")[2]
    return frozenset(above)


def _rules() -> list[str]:
    return [line for line in _lines() if line and not line.startswith("//")]


@cache
def _lines() -> tuple[str, ...]:
    """The lines of the list, without what is after a rule, and with names in ASCII.

    The library would encode all of them, which takes most of its time; nearly all are ASCII already.
    """
    lines = Path(PSLFILE).read_text(encoding="utf-8").splitlines()
    return tuple(line if line.startswith("//") else _in_ascii(line.partition(" ")[0]) for line in lines)


def _in_ascii(rule: str) -> str:
    if rule.isascii():
        return rule
    mark = "!" if rule[0] == "!" else ""
    return mark + encode_idn(rule.removeprefix("!"))
