"""The oracle: which origin patterns cover which origins, slow and obviously right.

The product's matcher is compiled and fast, and so has to be proved. This one is what it is proved against: it
takes each pattern as written, compares characters, remembers nothing, and shares no code with the product.

A pattern is taken to be valid, as it is once its document is loaded. What else may be written as one has no
meaning to agree on, and no answer of this module about it means anything.
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import unquote

import re2

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_HEX_DIGITS = _DIGITS + "abcdef"
_IN_SCHEMES = _LETTERS + _DIGITS + "+-."
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IN_WILDCARD_LABELS = _LETTERS + _CAPITALS + _DIGITS + "-_"
_IN_PLACE_OF_A_STAR = _LETTERS + _CAPITALS + _DIGITS + "-"
_IN_HOSTS = _LETTERS + _DIGITS + "!\"$&'()*+,-.;=_`{}~"
_IN_OPAQUE_HOSTS = _IN_HOSTS + _CAPITALS + "%"
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
_LONGEST_ORIGIN = 350


def is_origin(text: str) -> bool:
    """Say whether a text is the ASCII serialisation of an origin, or `null`.

    Args:
        text: what came as the value of `Origin`.

    Returns:
        Whether a browser could have written it.
    """
    if text in ("null", "file://"):
        return True
    if len(text) > _LONGEST_ORIGIN or "://" not in text:
        return False
    scheme, host, port = _parts(text)
    return (
        scheme != "file" and _is_scheme(scheme) and _is_host(scheme, host) and (port is None or _is_port(scheme, port))
    )


def covers(pattern: str, origin: str) -> bool:
    """Say whether one pattern covers an origin.

    Args:
        pattern: an origin pattern as written in a document, but not the name of an origin set.
        origin: what came as the value of `Origin`.

    Returns:
        Whether the pattern covers it; never, where it is not an origin.
    """
    if not is_origin(origin):
        return False
    if pattern.startswith("re:"):
        return origin not in ("null", "file://") and _matches_whole(pattern.removeprefix("re:"), origin)
    return any(_covers_without_alternatives(each, origin) for each in expansions(pattern))


def bind(pattern: str, matches: Iterable[str], url: str) -> str:
    """Write what a match binds of the host of a URL in the place of its name in a pattern.

    Args:
        pattern: an origin pattern as written in a document.
        matches: the `match` of its policy; those that bind something have no port.
        url: with a host that is written plainly, without a port.

    Returns:
        The pattern; as it was, where nothing is bound.
    """
    host = url.split("/")[2]
    for match in matches:
        name, _, suffix = match.removesuffix("/").partition(">")
        if name == "<host":
            pattern = pattern.replace("<host>", host)
        elif host.endswith(suffix) and "." not in host.removesuffix(suffix):
            pattern = pattern.replace(f"{name}>", host.removesuffix(suffix))
    return pattern


def any_covers(patterns: Iterable[str], origin: str) -> bool:
    """Say whether at least one of several patterns covers an origin.

    Args:
        patterns: origin patterns as written in a document.
        origin: what came as the value of `Origin`.

    Returns:
        Whether one of them covers it.
    """
    return any(covers(pattern, origin) for pattern in patterns)


def expansions(pattern: str) -> list[str]:
    """Write out the alternatives of a pattern.

    Args:
        pattern: an origin pattern as written in a document, but not a regular expression.

    Returns:
        One pattern for each combination of alternatives; none, where braces are nested or have no partner.
    """
    before, opened, rest = pattern.partition("{")
    if "}" in before:
        return []
    if not opened:
        return [pattern]
    inside, closed, after = rest.partition("}")
    if not closed or "{" in inside:
        return []
    return [before + alternative + end for alternative in inside.split(",") for end in expansions(after)]


def _parts(text: str) -> tuple[str, str, str | None]:
    """Cut an origin or a pattern into scheme, host and port, which is None where no colon announces one."""
    scheme, _, rest = text.partition("://")
    if rest.startswith("["):
        address, bracket, after = rest.partition("]")
        if after == "":
            return scheme, address + bracket, None
        if after.startswith(":"):
            return scheme, address + bracket, after[1:]
        if after.startswith("/"):
            length, colon, port = after.partition(":")
            return scheme, address + bracket + length, port if colon else None
        return scheme, rest, None
    host, colon, port = rest.partition(":")
    return scheme, host, port if colon else None


def _consists_of(text: str, characters: str) -> bool:
    """Say whether a text is not empty and has no other characters than these."""
    return text != "" and all(character in characters for character in text)


def _is_scheme(text: str) -> bool:
    return _consists_of(text, _IN_SCHEMES) and text[0] in _LETTERS


def _is_decimal(text: str, largest: int) -> bool:
    """Say whether a text is a number up to this one, written without leading zeros."""
    return _consists_of(text, _DIGITS) and str(int(text)) == text and int(text) <= largest


def _is_port(scheme: str, text: str) -> bool:
    return _is_decimal(text, 65535) and text != _DEFAULT_PORTS.get(scheme)


def _is_host(scheme: str, host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        return _is_ipv6_address(host[1:-1])
    if not _consists_of(host, _IN_HOSTS if scheme in _DEFAULT_PORTS else _IN_OPAQUE_HOSTS):
        return False
    if scheme in _DEFAULT_PORTS and _ends_in_a_number(host):
        return _is_ipv4_address(host)
    return True


def _ends_in_a_number(host: str) -> bool:
    """https://url.spec.whatwg.org/#ends-in-a-number-checker."""
    last_label = host.removesuffix(".").split(".")[-1]
    if last_label.startswith("0x"):
        return last_label == "0x" or _consists_of(last_label[2:], _HEX_DIGITS)
    return _consists_of(last_label, _DIGITS)


def _is_ipv4_address(host: str) -> bool:
    """https://url.spec.whatwg.org/#concept-ipv4-serializer."""
    numbers = host.split(".")
    return len(numbers) == 4 and all(_is_decimal(number, 255) for number in numbers)


def _is_ipv6_address(text: str) -> bool:
    """Say whether an address reads as one and is written as a browser would write it."""
    halves = [half.split(":") if half else [] for half in text.split("::")]
    if len(halves) == 1:
        pieces = halves[0]
    elif len(halves) == 2:
        pieces = halves[0] + ["0"] * (8 - len(halves[0]) - len(halves[1])) + halves[1]
    else:
        return False
    if len(pieces) != 8 or not all(_consists_of(piece, _HEX_DIGITS) and len(piece) <= 4 for piece in pieces):
        return False
    return text == _ipv6_serialisation([f"{int(piece, 16):x}" for piece in pieces])


def _ipv6_serialisation(pieces: list[str]) -> str:
    """https://url.spec.whatwg.org/#concept-ipv6-serializer."""
    for length in range(8, 1, -1):
        for start in range(8 - length + 1):
            end = start + length
            if pieces[start:end] == ["0"] * length:
                return ":".join(pieces[:start]) + "::" + ":".join(pieces[end:])
    return ":".join(pieces)


def _matches_whole(expression: str, origin: str) -> bool:
    return re2.fullmatch(expression, origin) is not None


def _covers_without_alternatives(pattern: str, origin: str) -> bool:
    if pattern == "*":
        return True
    if pattern == "null" or origin == "null":
        return pattern == origin
    pattern_scheme, pattern_host, pattern_port = _parts(pattern)
    scheme, host, port = _parts(origin)
    return (
        scheme == pattern_scheme
        and _covers_host(pattern_host, host)
        and _covers_port(pattern_port, port, _DEFAULT_PORTS.get(scheme))
    )


def _covers_host(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    if "/" in pattern:
        return _bits(host).startswith(_bits_of_range(pattern))
    if "*" in pattern and not pattern.startswith("*."):
        before, after = pattern.split("*")
        free = host[len(before) : len(host) - len(after)]
        return host == before + free + after and _consists_of(free, _IN_PLACE_OF_A_STAR)
    if pattern.startswith(("*.", "?.")):
        dot_and_suffix = pattern[1:]
        if not host.endswith(dot_and_suffix):
            return False
        labels = host[: -len(dot_and_suffix)].split(".")
        if pattern.startswith("?.") and len(labels) != 1:
            return False
        return all(_consists_of(label, _IN_WILDCARD_LABELS) for label in labels)
    return "*" not in pattern and host == pattern


def _bits_of_range(pattern: str) -> str:
    """What the addresses of a range have in common, in binary digits."""
    address, _, length = pattern.partition("/")
    return _bits(address)[: len("4:") + int(length)]


def _bits(host: str) -> str:
    """An address in binary digits, behind the number of its version and a colon; nothing for a name."""
    if host.startswith("["):
        return "6:" + "".join(f"{byte:08b}" for byte in socket.inet_pton(socket.AF_INET6, host[1:-1]))
    if _is_ipv4_address(host):
        return "4:" + "".join(f"{int(number):08b}" for number in host.split("."))
    return ""


def _covers_port(pattern: str | None, port: str | None, default: str | None) -> bool:
    if pattern is not None and "-" in pattern:
        lowest, highest = pattern.split("-")
        effective = default if port is None else port
        return effective is not None and int(lowest) <= int(effective) <= int(highest)
    return pattern in ("*", port)


def same_host(scheme: str, authority: str) -> str | None:
    """Write the authority of a URL as whoever is most lenient reads it, so that two for one host are one text.

    Args:
        scheme: the scheme of the URL, `http` or `https`.
        authority: what stands between the two slashes and the path.

    Returns:
        The host and its port, where that is not the scheme's; None, where it is not a host whichever way it is read.
    """
    text = unquote(authority.rpartition("@")[2]).lower()
    for dot in "\u3002\uff0e\uff61":
        text = text.replace(dot, ".")
    host, colon, port = (text, "", "") if text.endswith("]") else text.rpartition(":")
    if not colon:
        host, port = text, ""
    if port and not _consists_of(port, _DIGITS):
        return None
    number = str(int(port)) if port else _DEFAULT_PORTS[scheme]
    host = host.removesuffix(".")
    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:].removesuffix("]"))
        except ValueError:
            return None
        host = f"[{int(address):x}]"
    elif _ends_in_a_number(host):
        try:
            # It takes every notation that any of the old ones took.
            host = socket.inet_ntoa(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    return host if number == _DEFAULT_PORTS[scheme] else f"{host}:{number}"
