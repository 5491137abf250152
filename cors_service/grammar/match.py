"""`match` prefixes and the paths of URLs: compared segment by segment or refused, and never guessed."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from msgspec import Struct

from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import (
    canonical_ipv4,
    canonical_ipv6,
    ends_in_number,
    is_canonical_ipv6,
    parse_port,
)

# The characters of a segment of a match. `%` and `;` can be read in several ways, `*` would look like a wildcard.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~!$&'()+,=:@-]+")
# The characters of a path on the wire (RFC 3986, 3.3), and some that browsers leave unencoded in paths.
_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/|\[\]^-]|%[0-9A-Fa-f]{2})*")
# An encoded slash, backslash or dot, or a character that no client has a reason to encode: a server that decodes
# `%61dmin` sees another path than we do, and we can't know which of the two it serves. Control characters too: an
# application that ends a line at `%0A` reads a shorter path.
_SMUGGLED: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|2[DEFdef]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[CFcf]|7[Ff])")
# Characters of a match that clients may encode; decoded before the comparison (RFC 3986, 6.2.2.2).
_FOLDED: Final = re.compile(r"%(?:2[146789BCbc]|3[ADad]|40|7[Ee])")


IPV4: Final = r"(?:{0}\.){{3}}{0}".format(r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])")
"""An IPv4 address as the URL standard serialises it."""
# Labels, and the last one is no number: such a host is an address to URL parsers (URL, #ends-in-a-number-checker).
_HOST: Final = re.compile(rf"(?:[a-z0-9_-]+\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\Z)[a-z0-9_-]+|{IPV4}")


class Match(Struct, frozen=True, gc=False):
    """A URL prefix that finds a policy.

    Attributes:
        text: As written: `host[:port]/path/`. There is one way to write each prefix, so equal ones have equal texts.
    """

    text: str

    @property
    def authority(self) -> str:
        """The host, and the port if there is one."""
        return self.text.partition("/")[0]

    @property
    def host(self) -> str:
        """Lower-case; `*` for any, `*.suffix` for one or more labels before the suffix."""
        return _split(self.authority)[0]

    @property
    def port(self) -> int | None:
        """None if there is none: then the default of the URL's scheme is meant, or any port if the host is `*`."""
        digits = _split(self.authority)[1]
        return None if digits is None else int(digits)

    @property
    def path(self) -> str:
        """Begins and ends with a slash."""
        return self.text[len(self.authority) :]


def parse_match(text: str) -> Match:
    """Read `host[:port]/path/`.

    Raises:
        PolicyError: It is something else; the hint says what to write.
    """
    if "://" in text:
        _refuse(text, "has a scheme; a match is for both http and https.")
    authority, slash, rest = text.partition("/")
    if not slash:
        _refuse(text, "has no path.")
    if not text.endswith("/"):
        _refuse(text, "does not end in a slash; a match is a prefix of whole segments.")
    _check_authority(text, authority)
    segments = rest.split("/")[:-1]
    for segment in segments:
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            _refuse(
                text,
                f"has a path segment, {shown(segment)}, that is empty, a dot segment, or has characters other than "
                "letters, digits and ._~!$&'()+,=:@-",
            )
    return Match(text)


def fold_path(path: str) -> str | None:
    """Put the raw path of a URL into the form of a match, so that the two can be compared.

    Args:
        path: Begins with a slash; without query and fragment.

    Returns:
        The path, or None if it can be read in more than one way: if it has dot segments, also with parameters
        (`..;x`), empty segments before the last, encoded separators, encoded letters, digits or dots, control
        characters, encoded or not, a malformed escape, or a character that does not belong in a path.
    """
    if not _PATH.fullmatch(path) or "//" in path:
        return None
    if "/." in path and any(segment.partition(";")[0] in {".", ".."} for segment in path.split("/")):
        return None
    if "%" not in path:
        return path
    if _SMUGGLED.search(path):
        return None
    return _FOLDED.sub(lambda escape: chr(int(escape[0][1:], 16)), path)


def is_host_name(host: str) -> bool:
    """Say whether this is the one spelling of a host that is compared.

    It is lower-case and ASCII: labels without a trailing dot, or an address as the URL standard serialises it. Servers
    take `127.1` and `0x7f.0.0.1` for the same host as `127.0.0.1`.
    """
    if host[:1] == "[":
        return host.isascii() and is_canonical_ipv6(host.encode("ascii"))
    return _HOST.fullmatch(host) is not None


def _split(authority: str) -> tuple[str, str | None]:
    """Take the port off an authority; None if there is none."""
    if authority.endswith("]") or ":" not in authority:
        return authority, None
    host, _, port = authority.rpartition(":")
    return host, port


def _check_authority(text: str, authority: str) -> None:
    host, port = _split(authority)
    if host.endswith("."):
        _refuse(text, "has a host that ends in a dot; a match without it is for URLs with and without.")
    if port is not None and parse_port(port.encode("ascii", "replace")) is None:
        _refuse(text, "has no valid port, a number from 0 to 65535.")
    name = host.removeprefix("*.")
    if host != "*" and not is_host_name(name):
        _refuse(
            text, "has no valid host: a lower-case name, an address, * for any host, or *.example.com for sub-domains."
        )
    if host != name and (name[0] == "[" or ends_in_number(name.encode("ascii"))):
        _refuse(text, "asks for the sub-domains of an IP address, which has none.")


def _suggestion(text: str) -> str:
    """Say what the author probably meant, or nothing: a suggestion must itself be right."""
    authority, _, path = text.rpartition("://")[2].partition("/")
    path = path.removesuffix("*").strip("/")
    authority = _canonical_authority(authority.lower())
    candidate = f"{authority}/{path}/" if path else f"{authority}/"
    if candidate == text:
        return ""  # nothing was corrected
    try:
        parse_match(candidate)
    except PolicyError:
        return ""
    return f'Write "{candidate}".'


def _canonical_authority(authority: str) -> str:
    """Write the host as it is compared, if that can be known."""
    host, port = _split(authority)
    if host[:1] == "[":
        host = (canonical_ipv6(host.encode("ascii", "replace")) or host.encode("ascii", "replace")).decode("ascii")
    else:
        host = host.removesuffix(".")
        host = canonical_ipv4(host) or host
    return host if port is None else f"{host}:{port}"


def _refuse(text: str, what: str) -> NoReturn:
    raise PolicyError("match-malformed", f"{shown(text)} {what}", hint=_suggestion(text), value=text)
