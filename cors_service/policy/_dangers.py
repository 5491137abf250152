"""Patterns that a rule must not have unless its author has lifted the refusal."""

from __future__ import annotations

from collections.abc import Collection

from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import PolicyError, shown
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


def check_danger(pattern: OriginPattern, credentials: bool, lifted: Collection[str], place: Place) -> None:
    """Note a pattern that a rule must not have unless its author has lifted the refusal."""
    if pattern == NULL:
        if "null-origin" not in lifted:
            message = "`null` is the origin of every sandboxed frame, whoever made it."
            hint = 'Remove it, or add dangerously_allow = ["null-origin"].'
            place.refuse("null-origin", message, hint=hint, value=NULL)
        return
    if "file-origin" not in lifted and covers_files(pattern):
        message = f"`{FILE}` is the origin of every page that is opened from a file, whoever wrote it."
        hint = 'Remove it, or add dangerously_allow = ["file-origin"].'
        place.refuse("file-origin", message, hint=hint, value=write_pattern(pattern))
    if not credentials or (isinstance(pattern, str) and pattern.startswith("https://")):
        return
    text = write_pattern(pattern)
    if pattern == ANY:
        message = "`*` with credentials would let every site act as the user."
        hint = "List the origins, or drop credentials."
        place.refuse("any-origin-with-credentials", message, hint=hint, value=text)
    elif danger := _any_host_problem(pattern, text, lifted):
        place.note(danger)
    elif "insecure-origins" not in lifted and is_insecure(pattern):
        message = f"{shown(text)} is not encrypted: anybody on the network can act as the user."
        hint = 'Use https, or add dangerously_allow = ["insecure-origins"].'
        place.refuse("insecure-origin", message, hint=hint, value=text)
    elif "public-suffix-subdomains" not in lifted and spans_registrants(pattern):
        message, hint = _about_strangers(pattern, text)
        place.refuse("public-suffix-subdomains", message, hint=hint, value=text)


def _any_host_problem(pattern: OriginPattern, text: str, lifted: Collection[str]) -> PolicyError | None:
    """What is wrong with a pattern that stands for any host of a scheme, in a rule with credentials."""
    found = [one for one in expanded([pattern]) if isinstance(one, AnyHost)]
    if any(one.has_network for one in found):
        message = f"{shown(text)} with credentials would let every site act as the user."
        hint = "List the origins, or drop credentials."
        return PolicyError("any-origin-with-credentials", message, hint=hint, value=text)
    if found and "any-host" not in lifted:
        message = f"{shown(text)} covers everything that has an origin of its scheme, whoever wrote it."
        hint = 'List the origins, or add dangerously_allow = ["any-host"].'
        return PolicyError("any-host", message, hint=hint, value=text)
    return None


def _about_strangers(pattern: OriginPattern, text: str) -> tuple[str, str]:
    """What is wrong with a pattern for domains of strangers, and what to write instead."""
    flag = 'or add dangerously_allow = ["public-suffix-subdomains"].'
    if not isinstance(pattern, Expression):
        witness = _stranger(pattern)
        example = f", such as that of {witness}" if witness else ""
        return f"{shown(text)} covers domains that anybody can register{example}.", f"Name the domain, {flag}"
    witness = pattern.stranger
    covers = f"covers {shown(witness)}, of a domain that" if witness else "may cover domains that"
    message = (
        f"{shown(text)} {covers} anybody can register: with credentials, each alternative of an expression must end in "
        "a registered domain, written out with `\\.` for each dot, and a port if need be."
    )
    if pattern.with_escaped_dots:
        return message, f"Write '{pattern.with_escaped_dots}', {flag}"
    return message, rf"Let it end as 're:https://[a-z0-9-]+\.example\.com(:[0-9]+)?' does, {flag}"


def _stranger(pattern: OriginPattern) -> str:
    """An origin of a stranger that a pattern covers, which spans registrants; nothing if none is known."""
    spanning = (one for one in expanded([pattern]) if isinstance(one, Wildcard | Glob) and one.spans_registrants)
    return next((one.stranger for one in spanning), "")
