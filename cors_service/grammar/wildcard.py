"""Origin patterns of several names, any host, sub-domains, a label with a free part; and of several ports."""

from __future__ import annotations

from typing import Final, Literal, cast

from msgspec import Struct

from cors_service.grammar._frame import Frame, interval_of, read_frame
from cors_service.grammar._near_range import is_lettered
from cors_service.grammar._punycode import has_impossible_label
from cors_service.grammar.origin import (
    DEFAULT_PORTS,
    NO_PORT,
    ends_in_number,
    is_canonical_ipv4,
    is_canonical_ipv6,
    is_cleartext,
    is_label,
    is_loopback,
)
from cors_service.grammar.registrants import has_strangers, is_registry, suffix_from

_NO_SUBDOMAINS: Final = "asks for the sub-domains of an IP address, which has none."
_PLACES: Final = (
    'A wildcard is the first label or a part of it, as in "https://*.example.com" and "https://app-*.example.com", '
    'the whole host, as in "https://*", or the port, as in "http://localhost:*". Elsewhere an expression will do: '
    r"'re:https://app\.[a-z0-9-]+\.example\.com'."
)

Subdomains = Literal["", "?", "*"]


class AnyHost(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`https://*`: the origins of one scheme, of any host, on one or several ports.

    Attributes:
        scheme: Lower-case.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    scheme: str
    port: str

    @property
    def text(self) -> str:
        """The pattern as written."""
        return f"{self.scheme}://*{':' if self.port else ''}{self.port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest effective port; the lowest is NO_PORT if origins without a port are covered."""
        return interval_of(self.scheme, self.port)

    @property
    def has_network(self) -> bool:
        """Whether these are the origins of web sites, everybody's among them."""
        return self.scheme in DEFAULT_PORTS

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for these origins (W3C Secure Contexts, 3.1)."""
        return is_cleartext(self.scheme, "")

    @property
    def spans_registrants(self) -> bool:
        """Whether the hosts can belong to strangers who have registered them."""
        return self.has_network


class Wildcard(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """The origins of one scheme, and of one host or its sub-domains, on one or several ports.

    Attributes:
        scheme: Lower-case.
        subdomains: `""` for the host itself, `"?"` for exactly one label before it, `"*"` for one or more labels.
        host: The host, or the suffix after these labels.
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
        return interval_of(self.scheme, self.port)

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

    @property
    def stranger(self) -> str:
        """An origin that it covers, of a stranger, where it spans registrants."""
        suffix = suffix_from(self.host)
        return f"{self.scheme}://evil.{suffix}{_port(self)}"


class Glob(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`https://app-*.example.com`: a label with a free part, before a host, on one or several ports.

    Attributes:
        scheme: Lower-case.
        before: What the label begins with.
        behind: What it ends with, after one or more letters, digits or hyphens.
        host: The suffix after this label.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    scheme: str
    before: str
    behind: str
    host: str
    port: str

    @property
    def text(self) -> str:
        """The pattern as written."""
        return f"{self.scheme}://{self.before}*{self.behind}.{self.host}{':' if self.port else ''}{self.port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest effective port; the lowest is NO_PORT if origins without a port are covered."""
        return interval_of(self.scheme, self.port)

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for these origins (W3C Secure Contexts, 3.1)."""
        return is_cleartext(self.scheme, f"a.{self.host}")

    @property
    def spans_registrants(self) -> bool:
        """Whether strangers can register such labels (publicsuffix.org)."""
        host = self.host.removesuffix(".")
        return not is_loopback(host) and has_strangers(host, any_depth=False)

    @property
    def stranger(self) -> str:
        """An origin that it covers, of a stranger, where it spans registrants."""
        return f"{self.scheme}://{self.before}evil{self.behind}.{self.host}{_port(self)}"


def _port(pattern: Wildcard | Glob) -> str:
    """A port of a pattern, as an origin has it."""
    low, high = pattern.ports
    default = DEFAULT_PORTS.get(pattern.scheme)
    return "" if low == NO_PORT or (default is not None and low <= default <= high) else f":{low}"


def read_wildcard(text: str) -> Wildcard | Glob | AnyHost:
    """Read `scheme://host`, with `*.`, `?.` or a glob such as `app-*.` before it or `*` in its place, and any port.

    Raises:
        PolicyError: It is none of these.
    """
    frame = read_frame(text)
    if frame.host == "*":
        return AnyHost(frame.scheme, frame.port)
    first, dot, rest = frame.host.partition(".")
    if dot and first in {"*", "?"}:
        _check_host(frame, rest, has_subdomains=True)
        return Wildcard(frame.scheme, cast(Subdomains, first), rest, frame.port)
    before, star, behind = first.partition("*")
    if dot and star and is_label((before + behind).encode("ascii")):
        _check_host(frame, rest, has_subdomains=True)
        if is_registry(rest.removesuffix(".")):
            what = "leaves open the name that somebody registers, so anybody can register a domain that it covers."
            frame.refuse("wildcard-misplaced", what, _PLACES)
        return Glob(frame.scheme, before, behind, rest, frame.port)
    _check_host(frame, frame.host, has_subdomains=False)
    return Wildcard(frame.scheme, "", frame.host, frame.port)


def is_host(host: bytes) -> bool:
    """Say whether a policy may list this name: labels joined by dots, perhaps with a trailing dot."""
    return all(map(is_label, host.removesuffix(b".").split(b".")))


def is_opaque_host(host: bytes) -> bool:
    """Say whether a policy may list this host of a scheme without a network: labels and dots, in any order."""
    without = host.replace(b".", b"")
    return host != b"" and (without == b"" or is_label(without))


def _check_host(frame: Frame, host: str, *, has_subdomains: bool) -> None:
    if "*" in host or "?" in host:
        frame.refuse("wildcard-misplaced", "has a wildcard in the wrong place.", _PLACES)
    raw = host.encode("ascii")
    has_network = frame.scheme in DEFAULT_PORTS
    if raw[:1] == b"[":
        if has_subdomains or not is_canonical_ipv6(raw):
            what = "has an IPv6 address that browsers write differently."
            frame.refuse("origin-ipv6-not-canonical", _NO_SUBDOMAINS if has_subdomains else what)
    elif has_network and ends_in_number(raw):
        if has_subdomains or not is_canonical_ipv4(raw):
            what = "has a host that browsers read as an IPv4 address and write as four decimal numbers."
            frame.refuse("origin-ipv4-not-canonical", _NO_SUBDOMAINS if has_subdomains else what)
    elif has_network and is_lettered(host):
        what = "has letters in the place of numbers; a range of addresses is its first address and a length."
        frame.refuse("range-malformed", what)
    elif not (is_host(raw) or (not has_network and not has_subdomains and is_opaque_host(raw))):
        what = "has a host that is not made of labels of letters, digits, - and _, joined by dots."
        frame.refuse("origin-malformed", what)
    elif has_network and has_impossible_label(host):
        what = "has a label that is not the Punycode of any name, so no browser sends it."
        hint = 'Copy the host from the Origin that a browser sends, such as "https://xn--bcher-kva.example".'
        frame.refuse("origin-punycode-malformed", what, hint)
