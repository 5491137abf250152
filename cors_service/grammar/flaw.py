"""Why a text is not an origin as browsers send it, and the origin that it may be about."""

from __future__ import annotations

from typing import Final

from cors_service.grammar.expression import REGEX
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import MAX_ORIGIN
from cors_service.grammar.pattern import read_pattern
from cors_service.grammar.single import is_exact
from cors_service.grammar.wildcard import read_wildcard

_FLAWS: Final = {
    "origin-uppercase": "it has upper-case letters",
    "origin-default-port": "it has the default port of its scheme",
    "origin-path": "it has a path",
    "origin-trailing-slash": "it ends in a slash",
    "origin-userinfo": "it has user information",
    "origin-ipv4-not-canonical": "browsers write its address differently",
    "origin-ipv6-not-canonical": "browsers write its address differently",
}


def flaw_of(text: str) -> str:
    """Say what is wrong with what came as an Origin, as the end of a sentence; or nothing, if that is hard to say."""
    if text == "":
        return "it is empty"
    if len(text) > MAX_ORIGIN:
        return f"it has more than {MAX_ORIGIN} characters"
    if not text.isascii():
        return "it is not ASCII"
    if "://" not in text:
        return "it does not have the form scheme://host or scheme://host:port"
    if text.count("://") > 1 and ("," in text or " " in text):
        return "it has several origins"
    try:
        read_wildcard(text)
    except PolicyError as error:
        return _FLAWS.get(error.code, "")
    return "it is a pattern"


def as_browsers_send(text: str) -> str | None:
    """Give the origin that is meant by something like it; None if that can't be known."""
    if len(text) > MAX_ORIGIN or "://" not in text or "{" in text or text.startswith(REGEX):
        return None
    try:
        read_pattern(text)
    except PolicyError as error:
        _, _, rest = error.hint.partition('Write "')
        meant = rest.rpartition('"')[0]
        return meant if is_exact(meant) else None
    return None
