"""Patterns that a rule must not have unless its author has lifted the refusal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import FILE
from cors_service.grammar.pattern import (
    ANY,
    NULL,
    OriginPattern,
    covers_files,
    expanded,
    is_insecure,
    spans_registrants,
    write_pattern,
)
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard
from cors_service.policy._report import Place


class Danger(NamedTuple):
    """Why a rule must not have a pattern: the arguments of `Place.refuse`."""

    code: str
    message: str
    hint: str
    value: str

    def note(self, place: Place) -> None:
        """Note it as a mistake."""
        place.refuse(self.code, self.message, hint=self.hint, value=self.value)


def dangers_of(
    pattern: OriginPattern, credentials: bool, lifted: Collection[str], *, examples: bool
) -> Iterator[Danger]:
    """Find why a rule must not have a pattern unless its author has lifted the refusal.

    Args:
        pattern: The pattern.
        credentials: Whether the rule has credentials.
        lifted: What its `dangerously_allow` names.
        examples: Whether anybody reads whom it covers and what to write instead, which takes longer to find.
    """
    if pattern == NULL:
        if "null-origin" not in lifted:
            message = "`null` is the origin of every sandboxed frame, whoever made it."
            yield Danger("null-origin", message, 'Remove it, or add dangerously_allow = ["null-origin"].', NULL)
        return
    if "file-origin" not in lifted and covers_files(pattern):
        message = f"`{FILE}` is the origin of every page that is opened from a file, whoever wrote it."
        hint = 'Remove it, or add dangerously_allow = ["file-origin"].'
        yield Danger("file-origin", message, hint, write_pattern(pattern))
    if not credentials or (isinstance(pattern, str) and pattern.startswith("https://")):
        return
    text = write_pattern(pattern)
    if pattern == ANY:
        yield _any_origin("`*`", text)
    elif danger := _of_any_host(pattern, text, lifted):
        yield danger
    elif "insecure-origins" not in lifted and is_insecure(pattern):
        message = f"{shown(text)} is not encrypted: anybody on the network can act as the user."
        yield Danger("insecure-origin", message, 'Use https, or add dangerously_allow = ["insecure-origins"].', text)
    elif "public-suffix-subdomains" not in lifted and spans_registrants(pattern):
        message, hint = _about_strangers(pattern, text, examples=examples)
        yield Danger("public-suffix-subdomains", message, hint, text)


def _any_origin(what: str, text: str) -> Danger:
    message = f"{what} with credentials would let every site act as the user."
    return Danger("any-origin-with-credentials", message, "List the origins, or drop credentials.", text)


def _of_any_host(pattern: OriginPattern, text: str, lifted: Collection[str]) -> Danger | None:
    """What is wrong with a pattern that stands for any host of a scheme, in a rule with credentials."""
    found = [one for one in expanded([pattern]) if isinstance(one, AnyHost)]
    if any(one.has_network for one in found):
        return _any_origin(shown(text), text)
    if found and "any-host" not in lifted:
        message = f"{shown(text)} covers everything that has an origin of its scheme, whoever wrote it."
        return Danger("any-host", message, 'List the origins, or add dangerously_allow = ["any-host"].', text)
    return None


def _about_strangers(pattern: OriginPattern, text: str, *, examples: bool) -> tuple[str, str]:
    """What is wrong with a pattern for domains of strangers, and what to write instead."""
    flag = 'or add dangerously_allow = ["public-suffix-subdomains"].'
    if not isinstance(pattern, Expression):
        witness = _stranger(pattern) if examples else ""
        example = f", such as that of {witness}" if witness else ""
        return f"{shown(text)} covers domains that anybody can register{example}.", f"Name the domain, {flag}"
    witness = pattern.stranger if examples else ""
    covers = f"covers {shown(witness)}, of a domain that" if witness else "may cover domains that"
    message = (
        f"{shown(text)} {covers} anybody can register: with credentials, each alternative of an expression must end in "
        "a registered domain, written out with `\\.` for each dot, and a port if need be."
    )
    escaped = pattern.with_escaped_dots if examples else ""
    if escaped:
        return message, f"Write '{escaped}', {flag}"
    return message, rf"Let it end as 're:https://[a-z0-9-]+\.example\.com(:[0-9]+)?' does, {flag}"


def _stranger(pattern: OriginPattern) -> str:
    """An origin of a stranger that a pattern covers, which spans registrants; nothing if none is known."""
    spanning = (one for one in expanded([pattern]) if isinstance(one, Wildcard | Glob) and one.spans_registrants)
    return next((one.stranger for one in spanning), "")
