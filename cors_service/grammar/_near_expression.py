"""The expression that the author of a refused pattern probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cors_service.grammar.expression import REGEX, read_expression
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.registrants import is_registry

# What expressions have and patterns don't. A class has no colon, as IPv6 addresses do.
_SIGNS: Final = re.compile(
    r"^\^|\$/?$|^/\^?\(?http|\\[./:dw-]|\[[^\]:]*\](?:[+*{?]|\\)|\(.*[|)]|[.)][+]|://\.[*+]|s\?://"
)
# As JavaScript, Perl and PHP write one, perhaps in quotes.
_SLASHED: Final = re.compile(r"/(.*)/[a-z]*", re.DOTALL)
# What says elsewhere that an expression follows.
_ANNOUNCED: Final = re.compile(r"\A(?:~\*?\s*|regexp?:\s*|re:\s*|r(?=[\"']))")
# Nobody has to escape these.
_ESCAPED: Final = re.compile(r"\\([/:-])")
# Something of a name that is written out.
_NAME: Final = re.compile(r"(?<!\\)[a-z]{2}")
# In capitals it is another one.
_CLASS: Final = re.compile(r"\\[A-Z]")
_DOT: Final = (r"\.", "[.]")
_LABEL: Final = "[a-z0-9-]+"


def as_expression(text: str) -> str:
    """Write a text as an expression if it looks like one, and covers an origin then; otherwise nothing."""
    if not text.startswith(REGEX) and not _SIGNS.search(text):
        return ""
    return next((one for one in _readings(text) if one != text and _is_right(one)), "")


def _readings(text: str) -> Iterator[str]:
    bare = _ANNOUNCED.sub("", text.strip()).strip("\"'`")
    slashed = _SLASHED.fullmatch(bare)
    if slashed:
        bare = slashed[1]
    bare = _ESCAPED.sub(r"\1", bare).removeprefix("^").removesuffix("$")
    yield f"{REGEX}{bare}"
    bare = bare.removesuffix("/.*").removesuffix("/")
    yield f"{REGEX}{bare}"
    if not _CLASS.search(bare):
        yield f"{REGEX}{bare.lower()}"
    if "://" not in bare and _NAME.search(bare):
        yield f"{REGEX}https://{_LABEL if bare.startswith(_DOT) else ''}{bare}"


def with_stars(text: str) -> str:
    """Write a pattern as an expression that has stars where no pattern may; nothing if the domain is one of them."""
    scheme, _, authority = text.partition("://")
    host, colon, port = authority.partition(":")
    starred = re.sub(r"\*+|\?(?=\.)", "*", host)
    domain = starred.removesuffix(".").rpartition("*")[2].partition(".")[2]
    if "*" not in starred or "." not in domain or is_registry(domain):
        return ""
    written = re.escape(starred).replace(r"\*", _LABEL).replace(r"\-", "-")
    ports = "(:[0-9]+)?" if port == "*" else f"{colon}{port}"
    expression = f"{REGEX}{scheme}://{written}{ports}"
    return expression if _is_right(expression) else ""


def _is_right(text: str) -> bool:
    # It is shown in quotes, and on one line.
    if "'" in text or not text.isprintable():
        return False
    try:
        read_expression(text)
    except PolicyError:
        return False
    return True
