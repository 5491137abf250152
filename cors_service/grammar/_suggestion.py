"""What the author of a refused pattern probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import idna

from cors_service.grammar._near_expression import as_expression, with_stars
from cors_service.grammar._near_range import near_range
from cors_service.grammar.addresses import is_range
from cors_service.grammar.alternatives import expand
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import DEFAULT_PORTS, FILE, canonical_ipv4, canonical_ipv6, is_loopback
from cors_service.grammar.single import read_single

# Nobody reads a longer one.
_LONGEST: Final = 700
# How people write everything.
_ANYTHING: Final = re.compile(r"<all_urls>|\*\*+|\*\.\*|\*:\*|\*/\*?|all|any", re.IGNORECASE)
# What stands between origins for those who write several in one string.
_BETWEEN: Final = re.compile(r"[,;\s]+")
_FOR_BOTH: Final = {"*": "http,https", "http*": "http,https", "https?": "http,https", "http?": "http,https"}
_FOR_BOTH_SOCKETS: Final = {"ws*": "ws,wss", "wss?": "ws,wss", "ws?": "ws,wss"}
# More than one star, or none, or no dot, where `*.` was meant.
_FIRST_LABELS: Final = re.compile(r"\A(?:(?:\*+\.|\.)+|\*+(?=[a-z0-9]))")


def suggestion(text: str, code: str) -> str:
    """Say what the author probably meant, or nothing: a suggestion must itself be right.

    Args:
        text: The pattern.
        code: Of its mistake.
    """
    if len(text) > _LONGEST:
        return ""
    if origins := _several(text):
        return f"Write {origins}."
    scheme, _, authority = text.partition("://")
    candidate = _for_both_schemes(scheme.lower(), authority)
    if not _is_right(candidate):
        if expression := as_expression(text):
            return f"Write '{expression}'."
        candidate = next((one for one in _candidates(text) if one != text and _is_right(one)), "")
    if candidate:
        return f'Write "{candidate}".'
    expression = with_stars(text) if code == "wildcard-misplaced" else ""
    return expression and f"Write '{expression}'."


def _candidates(text: str) -> Iterator[str]:
    if _ANYTHING.fullmatch(text):
        yield "*"
    if text.lower().startswith("file:"):
        yield FILE
    yield near_range(text)
    # A hint that corrects one alternative would drop the others, and an address is not a range.
    if "{" in text or "}" in text or is_range(text):
        return
    yield _corrected(text)
    scheme, separator, authority = text.partition("://")
    if not separator:
        scheme, authority = "https", text
    labels = _FIRST_LABELS.sub("*.", authority)
    if labels != authority:
        yield _corrected(f"{scheme}://{labels}")


def _several(text: str) -> str:
    """Each of several origins in one string, corrected."""
    written = list(filter(None, _BETWEEN.split(text)))
    if len(written) < 2 or not all("." in one or ":" in one for one in written) or "{" in text or "}" in text:
        return ""
    origins = [one if _is_right(one) else _corrected(one) for one in written]
    return ", ".join(f'"{one}"' for one in origins) if all(map(_is_right, origins)) else ""


def _for_both_schemes(scheme: str, authority: str) -> str:
    schemes = (_FOR_BOTH | _FOR_BOTH_SOCKETS).get(scheme, "")
    rests = {_corrected(f"{one}://{authority}").partition("://")[2] for one in schemes.split(",")}
    # A default port belongs to one scheme only.
    return f"{{{schemes}}}://{rests.pop()}" if schemes and len(rests) == 1 else ""


def _corrected(text: str) -> str:
    """The same without what stands around an origin, and as browsers write it."""
    scheme, separator, authority = text.partition("://")
    if not separator:
        scheme, authority = "", text.lstrip("/")
    scheme = scheme.lower()
    if not scheme or scheme in DEFAULT_PORTS:
        authority = authority.lower()
    authority = re.split(r"[/#\\]|(?<=.)\?(?!\.)", authority, maxsplit=1)[0].rpartition("@")[2]
    host, bracket, port = authority.rpartition("]")
    name, colon, number = port.partition(":")
    if authority == "null":
        return ""
    written = _canonical_host(host + bracket + name, not scheme or scheme in DEFAULT_PORTS)
    scheme = scheme or _scheme_for(written)
    if colon and number == str(DEFAULT_PORTS.get(scheme)):
        colon = number = ""
    return f"{scheme}://{written}{colon}{number}"


def _scheme_for(host: str) -> str:
    """The scheme of an origin that was written without: nearly nobody has certificates for addresses."""
    is_address = host[:1] == "[" or canonical_ipv4(host) is not None
    return "http" if is_address or is_loopback(host) else "https"


def _is_right(text: str) -> bool:
    try:
        for one in expand(text):
            if one != "*":
                read_single(one)
    except PolicyError:
        return False
    return True


def _canonical_host(host: str, has_network: bool) -> str:
    """Write a host as browsers do, if that can be known; leave anything else as it is."""
    if host[:1] == "[":
        return (canonical_ipv6(host.encode("ascii", "replace")) or b"?").decode("ascii")
    prefix = host[:2] if host[:2] in {"*.", "?."} else ""
    host = host.removeprefix(prefix)
    if not has_network:
        return prefix + host
    try:
        host = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return prefix + host
    return prefix + (canonical_ipv4(host) or host)
