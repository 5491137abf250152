"""Origin patterns: what a policy may list, taken apart, with an explanation of everything else."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import idna
from msgspec import Struct
from publicsuffixlist import PSLFILE, PublicSuffixList, encode_idn

from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import (
    DEFAULT_PORTS,
    MAX_ORIGIN,
    NO_PORT,
    canonical_ipv4,
    canonical_ipv6,
    ends_in_number,
    is_canonical_ipv4,
    is_canonical_ipv6,
    is_common,
    is_label,
    parse_port,
    read_origin,
)

MAX_ALTERNATIVES: Final = 256
"""Origins that one pattern may expand to."""

_COUNTED: Final = 1_000_000

ANY: Final = "*"
NULL: Final = "null"
REGEX: Final = "re:"
SET: Final = "@"

# Schemes whose traffic anybody on the way can read and forge.
_CLEARTEXT: Final = frozenset({"http", "ws", "ftp"})
# One of them in a regular expression, other than in front of a loopback host.
_CLEARTEXT_WRITTEN: Final = re.compile(r"(?<![a-z])(?:http|ws|ftp)(?:s\?)?(?:[|)]|://(?!localhost\b|127\\?\.|\\\[::1))")
# Stands for a host that no author of a pattern had in mind, under suffixes where anybody can register it.
_STRANGER: Final = "cqzjxkwvpy"
_OPEN_SUFFIXES: Final = ("com", "net", "org", "io", "dev", "app", "de", "co.uk", "com.au", "github.io", "web.app")


class OriginPattern(Struct, frozen=True, gc=False):
    """A set of tuple origins: one scheme, one host or the sub-domains of one, a range of ports.

    Attributes:
        scheme: Lower-case.
        subdomains: `""` for the host itself, `"?"` for exactly one label before it, `"*"` for one or more.
        host: The host, or the suffix that the labels stand before.
        low, high: The effective ports, both inclusive; from NO_PORT where origins without a port are meant.
    """

    scheme: str
    subdomains: str
    host: str
    low: int
    high: int

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for these origins (W3C Secure Contexts, 3.1)."""
        return self.scheme in _CLEARTEXT and not _is_loopback(self.host)

    @property
    def spans_registrants(self) -> bool:
        """Whether the sub-domains meant can belong to strangers (publicsuffix.org)."""
        host = self.host.removesuffix(".")
        if not self.subdomains or _is_loopback(host):
            return False
        # `*` reaches beneath the suffixes that lie beneath the host: *.amazonaws.com those of s3.amazonaws.com.
        return _public_suffixes().is_public(host) or (self.subdomains == "*" and host in _above_public_suffixes())


def is_exact(pattern: str) -> bool:
    """Say whether the pattern is one origin, written as browsers serialise it.

    The hosts of a policy are narrower than those of browsers: letters, digits, `.`, `-` and `_`, so that
    a slip of the pen (`https://a.example,b.example`) is refused and the characters of patterns stay free.
    """
    if is_common(pattern):
        return True
    origin = read_origin(pattern)
    return (
        origin is not None
        and origin.scheme != "file"
        and (origin.host[0] == "[" or _is_host(origin.host.encode("ascii")))
    )


def expand_pattern(pattern: str) -> list[str]:
    """Write out the alternatives of a pattern: `https://{en,de}.example.com` stands for two.

    Raises:
        PolicyError: The braces are unbalanced, nested or hold no choice, or stand for more than
            MAX_ALTERNATIVES origins.
    """
    pieces = re.split(r"([{}])", pattern)
    choices: list[list[str]] = [[pieces[0]]]
    for position in range(1, len(pieces), 4):
        # A group is four pieces: "{", what it holds, "}", and the text that follows.
        group = pieces[position : position + 4]
        if len(group) < 4 or group[0] != "{" or group[2] != "}" or "," not in group[1]:
            raise PolicyError(
                "alternatives-malformed",
                f"{shown(pattern)} has braces that are no list of alternatives.",
                hint='Write each list as {first,second}, without another list in it, such as "https://{en,de}.example.com".',
                value=pattern,
            )
        choices += [group[1].split(","), [group[3]]]
    count = math.prod(map(len, choices))
    if count > MAX_ALTERNATIVES:
        written = count if count <= _COUNTED else f"more than {_COUNTED}"
        raise PolicyError(
            "alternatives-too-many",
            f"{shown(pattern)} stands for {written} origins; {MAX_ALTERNATIVES} is the most.",
            hint="Split the pattern, or use a wildcard such as https://*.example.com.",
            value=pattern,
        )
    return list(dict.fromkeys(map("".join, itertools.product(*choices))))


def parse_pattern(pattern: str) -> OriginPattern:
    """Read one pattern that is neither `*`, `null`, `re:...`, a set, nor a list of alternatives.

    Args:
        pattern: An exact origin or a wildcard, such as `https://*.example.com:*`.

    Raises:
        PolicyError: It is not one; the code says what is wrong and the hint what to write.
    """
    scheme, separator, authority = pattern.partition("://")
    _check_frame(pattern, scheme, separator, authority)
    host, low, high = _split_ports(pattern, scheme, authority)
    subdomains = host[0] if host[:2] in {"*.", "?."} else ""
    suffix = host[2:] if subdomains else host
    _check_host(pattern, suffix, subdomains, scheme in DEFAULT_PORTS)
    return OriginPattern(scheme, subdomains, suffix, low, high)


def compile_regex(pattern: str) -> Any:
    """Compile `re:...` with RE2, which takes time linear in the origin whatever the expression.

    Returns:
        An object whose `Match` gives a non-empty list for each origin that is covered as a whole.

    Raises:
        PolicyError: RE2 is not installed, or can't read the expression.
    """
    return regex_set([pattern])


def regex_set(patterns: Sequence[str]) -> Any:
    """Compile several `re:...` into one automaton; `Match` gives the positions of those that cover an origin.

    Raises:
        PolicyError: As for `compile_regex`, for the first that fails.
    """
    try:
        import re2
    except ImportError:
        raise PolicyError(
            "regex-unavailable",
            f"{shown(patterns[0])} needs RE2, which is not installed.",
            hint='Install it with: pip install "cors-service[regex]"',
            value=patterns[0],
        ) from None
    options = re2.Options()
    options.log_errors = False
    automaton = re2.Set.FullMatchSet(options)
    pattern = patterns[0]
    try:
        for pattern in patterns:
            automaton.Add(pattern.removeprefix(REGEX))
        automaton.Compile()
    except re2.error:
        # What RE2 says of it is that it failed, and the whole expression.
        raise PolicyError(
            "regex-malformed",
            f"{shown(pattern)} is no regular expression that RE2 can compile.",
            hint="RE2 has neither look-around nor back-references: https://github.com/google/re2/wiki/Syntax",
            value=pattern,
        ) from None
    return automaton


def regex_spans_registrants(expression: Any) -> bool:
    """Say whether a compiled expression covers hosts that nobody can have meant: any name under a public suffix."""
    strangers = (f"https://{_STRANGER}.{suffix}{port}" for suffix in _OPEN_SUFFIXES for port in ("", ":8443"))
    return any(map(expression.Match, strangers))


def regex_is_insecure(pattern: str, expression: Any) -> bool:
    """Say whether `re:...` is written for origins in clear text, or covers any of a stranger."""
    return _CLEARTEXT_WRITTEN.search(pattern) is not None or bool(expression.Match(f"http://{_STRANGER}.com"))


def is_insecure_origin(origin: str) -> bool:
    """Say whether anybody on the network can speak for this well-formed origin."""
    scheme, _, authority = origin.partition("://")
    return scheme in _CLEARTEXT and not _is_loopback(_host_of(authority))


def _host_of(authority: str) -> str:
    return authority.partition("]")[0] + "]" if authority[:1] == "[" else authority.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost") or host == "[::1]":
        return True
    return host.startswith("127.") and is_canonical_ipv4(host.encode("ascii"))


def _is_host(host: bytes) -> bool:
    """Say whether this is a name that a policy may list: labels joined by dots, a trailing dot allowed."""
    return all(map(is_label, host.removesuffix(b".").split(b".")))


# The list lies inside the library: constant data, as that of an import, and only credentialed wildcards need it.
@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _above_public_suffixes() -> frozenset[str]:
    """The domains that have public suffixes beneath them without being one (https://publicsuffix.org/list/)."""
    above: set[str] = set()
    for line in Path(PSLFILE).read_text(encoding="utf-8").splitlines():
        rule = line.split("//", maxsplit=1)[0].strip().removeprefix("!")
        parent = encode_idn(rule).partition(".")[2]
        while "." in parent:
            above.add(parent)
            parent = parent.partition(".")[2]
    return frozenset(above)


def _refuse(code: str, pattern: str, what: str, hint: str = "") -> NoReturn:
    raise PolicyError(code, f"{shown(pattern)} {what}", hint=hint or _suggestion(pattern), value=pattern)


def _suggestion(pattern: str) -> str:
    """Say what the author will have meant, or nothing: what is suggested must itself be right."""
    scheme, separator, authority = pattern.lower().partition("://")
    if not separator:
        scheme, authority = "https", scheme
    if authority == NULL:
        return ""
    authority = re.split(r"[/#\\]|(?<=.)\?(?!\.)", authority, maxsplit=1)[0].rpartition("@")[2]
    host, bracket, port = authority.rpartition("]")
    name, colon, number = port.partition(":")
    if colon and number == str(DEFAULT_PORTS.get(scheme)):
        colon = number = ""
    candidate = f"{scheme}://{_canonical_host(host + bracket + name, scheme in DEFAULT_PORTS)}{colon}{number}"
    # Unless nothing was mended.
    return f'Write "{candidate}".' if candidate != pattern and _is_pattern(candidate) else ""


def _is_pattern(text: str) -> bool:
    try:
        parse_pattern(text)
    except PolicyError:
        return False
    return True


def _is_pattern_of_both(authority: str) -> bool:
    # A default port is one scheme's alone.
    return all(_is_pattern(f"{scheme}://{authority}") for scheme in ("http", "https"))


def _canonical_host(host: str, special: bool) -> str:
    """Write a host as browsers do, as far as that can be known; what can't be mended is left as it is."""
    if host[:1] == "[":
        return (canonical_ipv6(host.encode("ascii", "replace")) or b"?").decode("ascii")
    prefix = host[:2] if host[:2] in {"*.", "?."} else ""
    host = host.removeprefix(prefix)
    try:
        host = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return prefix + host
    return prefix + ((canonical_ipv4(host) if special else None) or host)


def _check_frame(pattern: str, scheme: str, separator: str, authority: str) -> None:
    """Refuse what is wrong before the host is looked at, most telling mistake first."""
    if not pattern.isascii():
        _refuse(
            "origin-unicode-host",
            pattern,
            "is not ASCII; browsers send the Punycode form of a host.",
        )
    if pattern.lower().startswith("file:"):
        _refuse("scheme-forbidden", pattern, "is no origin: pages opened from files send `null`.")
    if not separator:
        _refuse("origin-malformed", pattern, "is not an origin, which is scheme://host or scheme://host:port.")
    if "*" in scheme or "?" in scheme:
        _refuse(
            "wildcard-misplaced",
            pattern,
            "has a wildcard in its scheme.",
            f'Write "{{http,https}}://{authority}".' if _is_pattern_of_both(authority) else "",
        )
    _check_no_path(pattern, authority)
    if "@" in authority:
        _refuse(
            "origin-userinfo",
            pattern,
            "has user information; an origin is scheme, host and port alone.",
        )
    if pattern != pattern.lower():
        _refuse(
            "origin-uppercase",
            pattern,
            "has upper-case letters; browsers send origins in lower case.",
        )
    if not scheme[:1].isalpha() or not set(scheme) <= set("abcdefghijklmnopqrstuvwxyz0123456789+-."):
        _refuse(
            "origin-malformed",
            pattern,
            "does not begin with a scheme.",
            'Write something like "https://app.example.com".',
        )
    if len(pattern) > MAX_ORIGIN:
        _refuse("origin-malformed", pattern, f"has {len(pattern)} characters; no origin has more than {MAX_ORIGIN}.")


def _check_no_path(pattern: str, authority: str) -> None:
    # A question mark in front of a dot is the wildcard for one label, if perhaps in the wrong place.
    found = re.search(r"[/#\\]|\?(?!\.)", authority)
    if found:
        trailing = found[0] == "/" and found.end() == len(authority)
        code, what = ("origin-trailing-slash", "ends in a slash") if trailing else ("origin-path", "has a path")
        _refuse(code, pattern, f"{what}; an origin is scheme, host and port alone.")


def _split_ports(pattern: str, scheme: str, authority: str) -> tuple[str, int, int]:
    """Take the port part off the authority; give the host and the range of effective ports."""
    default = DEFAULT_PORTS.get(scheme, NO_PORT)
    if authority[:1] == "[":
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and rest[0] != ":":
            _refuse("origin-malformed", pattern, "has something other than a port behind its IPv6 address.")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not host:
        _refuse("origin-malformed", pattern, "has no host.")
    if not colon:
        return host, default, default
    if port == "*":
        return host, min(default, 0), 65535  # from NO_PORT where there is no default
    low, dash, high = port.partition("-")
    ends = [parse_port(end.encode("ascii")) for end in ((low, high) if dash else (low,))]
    if None in ends or ends[0] > ends[-1]:  # type: ignore[operator]
        what = "has no valid port: a number from 0 to 65535, a range such as 8000-8999, or *."
        _refuse("wildcard-misplaced" if "*" in port else "origin-malformed", pattern, what)
    if not dash and ends[0] == default:
        _refuse(
            "origin-default-port",
            pattern,
            f"writes out the default port of {scheme}; browsers leave it out.",
        )
    return host, ends[0], ends[-1]  # type: ignore[return-value]


def _check_host(pattern: str, host: str, subdomains: str, special: bool) -> None:
    if "*" in host or "?" in host:
        _refuse(
            "wildcard-misplaced",
            pattern,
            "has a wildcard where none can stand.",
            'A wildcard is the whole first label, as in "https://*.example.com", or the port, as in "http://localhost:*".',
        )
    raw = host.encode("ascii")
    if raw[:1] == b"[":
        if subdomains or not is_canonical_ipv6(raw):
            _refuse(
                "origin-ipv6-not-canonical",
                pattern,
                "has an IPv6 address that browsers don't write so; an address has no sub-domains.",
            )
    elif special and ends_in_number(raw):
        if subdomains or not is_canonical_ipv4(raw):
            _refuse(
                "origin-ipv4-not-canonical",
                pattern,
                "has a host that browsers read as an IPv4 address and write as four decimal numbers; "
                "an address has no sub-domains.",
            )
    elif not _is_host(raw):
        _refuse(
            "origin-malformed",
            pattern,
            "has a host that is not made of labels of letters, digits, - and _, joined by dots.",
        )
