"""The path of a URL as one text: encoded as browsers do, so that it can be compared with a `match`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

# What stays as it is: what may stand in a path (RFC 3986, 3.3) or that browsers leave unencoded, `%`, and a blank,
# at which a server may end the path.
_WRITTEN: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/|\[\]^%\\ -]*")
_ENCODED: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/|\[\]^%\\ -]")
# A line end, say: an application that ends a line at `%0A` reads a shorter path.
_CONTROL: Final = re.compile(r"[\x00-\x1F\x7F]|%(?:[01][0-9A-Fa-f]|7[Ff])")
# Stands in the place of bytes that were not UTF-8, so nobody knows what they were.
_LOST: Final = "\N{REPLACEMENT CHARACTER}"
# Characters of a match that clients may encode; decoded before the comparison (RFC 3986, 6.2.2.2).
_FOLDED: Final = re.compile(r"%(?:2[146789BCbc]|3[ADad]|40|7[Ee])")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def fold_path(path: str) -> str | None:
    """Write the path of a URL or an IRI as it is compared.

    Characters beyond ASCII, and those that browsers encode, are encoded (RFC 3987, 3.1), the punctuation of a match is
    decoded, and escapes are in upper case. Everything else that can be read in several ways stays as it is.

    Args:
        path: Begins with a slash; without query and fragment.

    Returns:
        The path, or None if it has control characters, encoded or not, or characters that are lost.
    """
    if _CONTROL.search(path) or _LOST in path:
        return None
    if not _WRITTEN.fullmatch(path):
        try:
            path = _ENCODED.sub(lambda char: quote(char[0], safe=""), path)
        except UnicodeEncodeError:  # half a character
            return None
    if "%" not in path:
        return path
    return upper_escapes(_FOLDED.sub(_decoded, path))


def upper_escapes(path: str) -> str:
    """Write all escapes in upper case, so that two for one character are one text (RFC 3986, 6.2.2.1)."""
    return _ESCAPE.sub(lambda escape: escape[0].upper(), path)


def encode_bytes(path: bytes) -> str:
    """Write the path of a request line as a text: bytes beyond ASCII, which some clients send, are encoded."""
    return path.decode("ascii") if path.isascii() else quote(path, safe=_ASCII)


def _decoded(escape: re.Match[str]) -> str:
    return chr(int(escape[0][1:], 16))


_ASCII: Final = "".join(map(chr, range(128)))
