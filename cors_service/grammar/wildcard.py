"""Origin patterns of several origins: sub-domains and ports of a host, and lists of alternatives.

Anything that is not a pattern is refused with the code of its most telling mistake.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Final, Literal, NoReturn, cast

from msgspec import Struct

from cors_service.grammar._registrants import has_strangers
from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import (
    DEFAULT_PORTS,
    MAX_ORIGIN,
    NO_PORT,
    ends_in_number,
    is_canonical_ipv4,
    is_canonical_ipv6,
    is_cleartext,
    is_label,
    is_loopback,
    parse_port,
)

MAX_ALTERNATIVES: Final = 256
"""Origins that one pattern may expand to."""

_COUNTED: Final = 1_000_000
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
# A question mark before a dot is the wildcard for one label, perhaps in the wrong place.
_PATH: Final = re.compile(r"[/#\\]|\?(?!\.)")

_NO_SUBDOMAINS: Final = "asks for the sub-domains of an IP address, which has none."

Subdomains = Literal["", "?", "*"]


class Wildcard(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """The origins of one scheme, and of one host or its sub-domains, on one or several ports.

    Attributes:
        scheme: Lower-case.
        subdomains: `""` for the host itself, `"?"` for exactly one label before it, `"*"` for one or more labels.
        host: The host, or the suffix behind these labels.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    scheme: str
    subdomains: Subdomains
    host: str
    port: str

    @property
    def text(self) -> str:
        """The pattern as written."""
        dot, colon = "." if self.subdomains else "", ":" if self.port else ""
        return f"{self.scheme}://{self.subdomains}{dot}{self.host}{colon}{self.port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest effective port; the lowest is NO_PORT if origins without a port are covered."""
        default = DEFAULT_PORTS.get(self.scheme, NO_PORT)
        if not self.port:
            return default, default
        if self.port == "*":
            return min(default, 0), 65535
        low, _, high = self.port.partition("-")
        return int(low), int(high or low)

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for these origins (W3C Secure Contexts, 3.1)."""
        return is_cleartext(self.scheme, self.host)

    @property
    def spans_registrants(self) -> bool:
        """Whether the sub-domains can belong to strangers (publicsuffix.org)."""
        host = self.host.removesuffix(".")
        if not self.subdomains or is_loopback(host):
            return False
        return has_strangers(host, any_depth=self.subdomains == "*")


def read_wildcard(text: str) -> Wildcard:
    """Read `scheme://host`, `scheme://*.host` or `scheme://?.host`, each with a port, a range, `:*` or none.

    Raises:
        PolicyError: It is none of these.
    """
    scheme, separator, authority = text.partition("://")
    _check_frame(text, scheme, separator, authority)
    host, port = _split_port(text, authority)
    _check_port(text, scheme, port)
    subdomains = host[0] if host[:2] in {"*.", "?."} else ""
    if subdomains:
        host = host[2:]
    _check_host(text, host, subdomains, scheme in DEFAULT_PORTS)
    return Wildcard(scheme, cast(Subdomains, subdomains), host, port or "")


def expand(text: str) -> list[str]:
    """Write out the alternatives of a pattern: `https://{en,de}.example.com` stands for two.

    Raises:
        PolicyError: The braces are unbalanced, nested or without a choice, or stand for too many origins.
    """
    pieces = re.split(r"([{}])", text)
    choices: list[list[str]] = [[pieces[0]]]
    for position in range(1, len(pieces), 4):
        # A group is four pieces: "{", what it holds, "}", and the text that follows.
        group = pieces[position : position + 4]
        if len(group) < 4 or group[0] != "{" or group[2] != "}" or "," not in group[1]:
            what = "has braces that are not a list of alternatives."
            hint = (
                'Write each list as {first,second}, without another list in it, such as "https://{en,de}.example.com".'
            )
            _refuse("alternatives-malformed", text, what, hint)
        choices += [group[1].split(","), [group[3]]]
    count = math.prod(map(len, choices))
    if count > MAX_ALTERNATIVES:
        written = count if count <= _COUNTED else f"more than {_COUNTED}"
        what = f"stands for {written} origins; at most {MAX_ALTERNATIVES} are allowed."
        _refuse(
            "alternatives-too-many", text, what, "Split the pattern, or use a wildcard such as https://*.example.com."
        )
    return list(dict.fromkeys(map("".join, itertools.product(*choices))))


def is_host(host: bytes) -> bool:
    """Say whether a policy may list this name: labels joined by dots, perhaps with a trailing dot."""
    return all(map(is_label, host.removesuffix(b".").split(b".")))


def _refuse(code: str, text: str, what: str, hint: str = "") -> NoReturn:
    raise PolicyError(code, f"{shown(text)} {what}", hint=hint, value=text)


def _check_frame(text: str, scheme: str, separator: str, authority: str) -> None:
    """Refuse mistakes outside of the host, the most telling one first."""
    if not text.isascii():
        _refuse("origin-unicode-host", text, "is not ASCII; browsers send the Punycode form of a host.")
    if text.lower().startswith("file:"):
        _refuse("scheme-forbidden", text, "is not an origin: pages opened from files send `null`.")
    if not separator:
        _refuse("origin-malformed", text, "is not an origin, which is scheme://host or scheme://host:port.")
    if "*" in scheme or "?" in scheme:
        _refuse("wildcard-misplaced", text, "has a wildcard in its scheme.")
    if path := _PATH.search(authority):
        trailing = path[0] == "/" and path.end() == len(authority)
        code, what = ("origin-trailing-slash", "ends in a slash") if trailing else ("origin-path", "has a path")
        _refuse(code, text, f"{what}; an origin is scheme, host and port alone.")
    if "@" in authority:
        _refuse("origin-userinfo", text, "has user information; an origin is scheme, host and port alone.")
    if text != text.lower():
        _refuse("origin-uppercase", text, "has upper-case letters; browsers send origins in lower case.")
    if not _SCHEME.fullmatch(scheme):
        what = "does not begin with a scheme."
        _refuse("origin-malformed", text, what, 'Write something like "https://app.example.com".')
    if len(text) > MAX_ORIGIN:
        _refuse("origin-malformed", text, f"has {len(text)} characters; no origin has more than {MAX_ORIGIN}.")


def _split_port(text: str, authority: str) -> tuple[str, str | None]:
    """Take the port part off the authority; None if there is none."""
    if authority[:1] == "[":
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and rest[0] != ":":
            _refuse("origin-malformed", text, "has something other than a port behind its IPv6 address.")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not host:
        _refuse("origin-malformed", text, "has no host.")
    return host, port if colon else None


def _check_port(text: str, scheme: str, port: str | None) -> None:
    if port is None or port == "*":
        return
    low, dash, high = port.partition("-")
    ends = [parse_port(end.encode("ascii")) for end in ((low, high) if dash else (low,))]
    if None in ends or ends[0] > ends[-1]:  # type: ignore[operator]
        what = "has no valid port: a number from 0 to 65535, a range such as 8000-8999, or *."
        _refuse("wildcard-misplaced" if "*" in port else "origin-malformed", text, what)
    if not dash and ends[0] == DEFAULT_PORTS.get(scheme):
        _refuse("origin-default-port", text, f"writes out the default port of {scheme}; browsers leave it out.")


def _check_host(text: str, host: str, subdomains: str, special: bool) -> None:
    if "*" in host or "?" in host:
        hint = 'A wildcard is the whole first label, as in "https://*.example.com", or the port, as in "http://localhost:*".'
        _refuse("wildcard-misplaced", text, "has a wildcard in the wrong place.", hint)
    raw = host.encode("ascii")
    if raw[:1] == b"[":
        if subdomains or not is_canonical_ipv6(raw):
            what = "has an IPv6 address that browsers write differently."
            _refuse("origin-ipv6-not-canonical", text, _NO_SUBDOMAINS if subdomains else what)
    elif special and ends_in_number(raw):
        if subdomains or not is_canonical_ipv4(raw):
            what = "has a host that browsers read as an IPv4 address and write as four decimal numbers."
            _refuse("origin-ipv4-not-canonical", text, _NO_SUBDOMAINS if subdomains else what)
    elif not is_host(raw):
        what = "has a host that is not made of labels of letters, digits, - and _, joined by dots."
        _refuse("origin-malformed", text, what)
