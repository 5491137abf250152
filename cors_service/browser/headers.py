"""Header lists, read as the Fetch Standard reads them: https://fetch.spec.whatwg.org/#terminology-headers.

A byte sequence is a ``str`` here, one code point for each byte ("isomorphic decode").
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection
from typing import TypeAlias

HeaderLines: TypeAlias = Collection[tuple[str, str]]

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_UNQUOTED_OR_QUOTED = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))*', re.DOTALL)


class ListSyntaxError(ValueError):
    """A header line is not a list of tokens."""


def byte_lowercase(text: str) -> str:
    """Lower-case A to Z and nothing else: https://infra.spec.whatwg.org/#byte-lowercase."""
    return text.translate(_LOWER)


def is_token(text: str) -> bool:
    """Say whether ``text`` is a token: RFC 9110, section 5.6.2."""
    return re.fullmatch(TOKEN, text) is not None


def values_of(headers: HeaderLines, name: str) -> tuple[str, ...]:
    """Find the values of every line of one name, in order, without the blanks around them.

    A header value has no leading or trailing tab or space: https://fetch.spec.whatwg.org/#header-value.

    Args:
        headers: The (name, value) lines.
        name: The lower-case name.

    Returns:
        One value for each line; none if the name is absent.
    """
    return tuple(value.strip(" \t") for line, value in headers if byte_lowercase(line) == name)


def get(headers: HeaderLines, name: str) -> str | None:
    """Get a value, repeated lines joined: https://fetch.spec.whatwg.org/#concept-header-list-get.

    Args:
        headers: The (name, value) lines.
        name: The lower-case name.

    Returns:
        The value, or None if the name is absent.
    """
    values = values_of(headers, name)
    return ", ".join(values) if values else None


def extract_list(headers: HeaderLines, name: str) -> tuple[str, ...] | None:
    """Extract the tokens of a list header: https://fetch.spec.whatwg.org/#extract-header-list-values.

    Fetch takes ``#`` from HTTP (https://fetch.spec.whatwg.org/#abnf), where a recipient ignores empty
    elements: RFC 9110, section 5.6.1.2. Both ABNFs in question, ``#method`` and ``#field-name``, are tokens.

    Args:
        headers: The (name, value) lines.
        name: The lower-case name.

    Returns:
        The tokens of all the lines, in order and as written; None if the name is absent.

    Raises:
        ListSyntaxError: If an element of any line is not a token.
    """
    lines = values_of(headers, name)
    if not lines:
        return None
    elements = [element.strip(" \t") for line in lines for element in line.split(",")]
    tokens = tuple(element for element in elements if element)
    if not all(map(is_token, tokens)):
        raise ListSyntaxError(name)
    return tokens


def get_decode_split(headers: HeaderLines, name: str) -> tuple[str, ...]:
    """Split a value at the commas outside quotes.

    https://fetch.spec.whatwg.org/#concept-header-list-get-decode-split

    Args:
        headers: The (name, value) lines.
        name: The lower-case name.

    Returns:
        The parts, empty ones too; none if the name is absent.
    """
    value = get(headers, name)
    if value is None:
        return ()
    parts, position = [], 0
    while position <= len(value):
        match = _UNQUOTED_OR_QUOTED.match(value, position)
        assert match is not None  # the pattern matches the empty string
        parts.append(match[0].strip(" \t"))
        position = match.end() + 1
    return tuple(parts)
