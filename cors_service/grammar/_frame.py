"""What stands around the host of an origin pattern: its scheme and its port.

Anything that is not a pattern is refused with the code of its most telling mistake.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NoReturn

from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import DEFAULT_PORTS, FILE, MAX_ORIGIN, NO_PORT, parse_port

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
# A question mark before a dot is the wildcard for one label, perhaps in the wrong place.
_PATH: Final = re.compile(r"[/#\\]|\?(?!\.)")


class Frame(NamedTuple):
    """A pattern, taken apart.

    Attributes:
        text: The pattern as written.
        scheme: Lower-case.
        host: As written, wildcards and all; not empty.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    text: str
    scheme: str
    host: str
    port: str

    def refuse(self, code: str, what: str, hint: str = "") -> NoReturn:
        """Refuse the pattern; see the function of this name."""
        refuse(code, self.text, what, hint)


def refuse(code: str, text: str, what: str, hint: str = "") -> NoReturn:
    """Refuse a pattern: the rest of the sentence after it, and what to write.

    Raises:
        PolicyError: Always.
    """
    raise PolicyError(code, f"{shown(text)} {what}", hint=hint, value=text)


def read_frame(text: str, authority: str | None = None) -> Frame:
    """Take a pattern apart.

    Args:
        text: The pattern.
        authority: Its host and port, if they are not simply what stands behind the scheme.

    Raises:
        PolicyError: It does not consist of a scheme, something as a host, and perhaps a port.
    """
    scheme, separator, rest = text.partition("://")
    if authority is None:
        authority = rest
    _check_frame(text, scheme, separator, authority)
    host, port = _split_port(text, authority)
    _check_port(text, scheme, port)
    return Frame(text, scheme, host, port or "")


def interval_of(scheme: str, port: str) -> tuple[int, int]:
    """The lowest and the highest effective port; the lowest is NO_PORT if origins without a port are meant, too.

    Args:
        scheme: Of the pattern.
        port: As written in it, valid.
    """
    default = DEFAULT_PORTS.get(scheme, NO_PORT)
    if not port:
        return default, default
    if port == "*":
        return min(default, 0), 65535
    low, _, high = port.partition("-")
    return int(low), int(high or low)


def _check_frame(text: str, scheme: str, separator: str, authority: str) -> None:
    """Refuse mistakes outside of the host, the most telling one first."""
    has_network = not separator or scheme.lower() in DEFAULT_PORTS
    if not text.isascii():
        what = "; browsers send the Punycode form of a host." if has_network else ", as all origins are."
        refuse("origin-unicode-host", text, f"is not ASCII{what}")
    if text.lower().startswith("file:") and text != FILE:
        what = "is not an origin: all files have the same one, where they have one at all."
        refuse("origin-path", text, what, f'Write "{FILE}".')
    if not separator:
        refuse("origin-malformed", text, "is not an origin, which is scheme://host or scheme://host:port.")
    if "*" in scheme or "?" in scheme:
        refuse("wildcard-misplaced", text, "has a wildcard in its scheme.")
    if path := _PATH.search(authority):
        trailing = path[0] == "/" and path.end() == len(authority)
        code, what = ("origin-trailing-slash", "ends in a slash") if trailing else ("origin-path", "has a path")
        refuse(code, text, f"{what}; an origin is scheme, host and port alone.")
    if "@" in authority:
        refuse("origin-userinfo", text, "has user information; an origin is scheme, host and port alone.")
    if scheme != scheme.lower() or (has_network and authority != authority.lower()):
        refuse("origin-uppercase", text, "has upper-case letters; browsers send them in lower case.")
    if not _SCHEME.fullmatch(scheme):
        what = "does not begin with a scheme."
        refuse("origin-malformed", text, what, 'Write something like "https://app.example.com".')
    if len(text) > MAX_ORIGIN:
        refuse("origin-malformed", text, f"has {len(text)} characters; no origin has more than {MAX_ORIGIN}.")


def _split_port(text: str, authority: str) -> tuple[str, str | None]:
    """Take the port part off the authority; None if there is none."""
    if authority[:1] == "[":
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and rest[0] != ":":
            refuse("origin-malformed", text, "has something other than a port after its IPv6 address.")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not host:
        refuse("origin-malformed", text, "has no host.")
    return host, port if colon else None


def _check_port(text: str, scheme: str, port: str | None) -> None:
    if port is None or port == "*":
        return
    low, dash, high = port.partition("-")
    ends = [parse_port(end.encode("ascii")) for end in ((low, high) if dash else (low,))]
    if None in ends or ends[0] > ends[-1]:  # type: ignore[operator]
        what = "has no valid port: a number from 0 to 65535, a range such as 8000-8999, or *."
        refuse("wildcard-misplaced" if "*" in port else "origin-malformed", text, what)
    if not dash and ends[0] == DEFAULT_PORTS.get(scheme):
        refuse("origin-default-port", text, f"writes out the default port of {scheme}; browsers leave it out.")
