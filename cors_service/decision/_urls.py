"""Reads the URL of a request: its origin and host, which have one reading, and its path, which may have several."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from cors_service.decision._readings import ODD
from cors_service.decision.query import BadQuery
from cors_service.grammar.match import ANY, ANY_HOST, IPV4, is_host_name
from cors_service.grammar.mistakes import shown, value_without_userinfo
from cors_service.grammar.origin import DEFAULT_PORTS, parse_port
from cors_service.grammar.path import fold_path

MAX_URL: Final = 8192
"""Characters."""
MAX_HOST: Final = 255
"""Characters: no name in the DNS has more."""
NO_ORIGIN: Final = "\n"
"""In the place of a URL's origin where no page has it: what no header can have."""

# The scheme, the authority and the path; query and fragment are ignored.
_URL: Final = re.compile(r"([A-Za-z]+)://([^/?#\\]+)(/[^?#]*)?(?:[?#].*)?", re.DOTALL)
_QUERY: Final = re.compile(r"[?#]")
_SITE: Final = re.compile(r"([A-Za-z]+)://([^/?#\\]+)(?=[/?#]|\Z)")
# More than the longest scheme, host and port.
_LONGEST_SITE: Final = 512
# A WebSocket is opened from a page, and to the origin of its pages (Fetch, #websocket-opening-handshake).
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# Most URLs have this form, without `//` and `/.` in the path; by the general rules, they mean what they say. A last
# label that begins with a letter is no number.
_PLAIN_SITE: Final = r"((https?)://((?:[a-z0-9_-]++\.)*+[a-z][a-z0-9_-]*+|" + IPV4 + "))"
_PLAIN_PATH: Final = r"/[A-Za-z0-9._~!$&'()*+,=:@/|\[\]^-]*"
_PLAIN: Final = re.compile(rf"{_PLAIN_SITE}({_PLAIN_PATH})?(?:[?#].*)?", re.DOTALL)
_SIMPLE: Final = re.compile(_PLAIN_PATH)
_BARE: Final = re.compile(_PLAIN_SITE + r"(?:[/?#]|\Z)")


class URL(Struct, frozen=True, gc=False):
    """The parts of an absolute http(s) or ws(s) URL that a decision depends on.

    Attributes:
        origin: Its origin, serialised. Where the host ends in a dot, so does this one's, as browsers have it: to them,
            these are two origins (URL, #concept-host-equals).
        host: Lower-case, in its one spelling: without a trailing dot.
        port: The effective port.
        is_default: Whether the port is the default of the scheme.
        path: As `fold_path` gives it.
        is_plain: Whether the path has only one reading.
    """

    origin: str
    host: str
    port: int
    is_default: bool
    path: str = "/"
    is_plain: bool = True


def parse_url(text: str) -> URL:
    """Read the URL of a request; its path finds the policy. A host has one reading, or the URL is refused.

    Raises:
        BadQuery: It is not an absolute http(s) or ws(s) URL (`url-malformed`), or its path has control characters,
            which no two servers read alike (`url-ambiguous`).
    """
    plain = _PLAIN.fullmatch(text) if len(text) <= MAX_URL else None
    if plain is not None:
        origin, scheme, host, path = plain.groups("/")
        if len(host) <= MAX_HOST and "//" not in path and "/." not in path:
            return URL(origin, host, DEFAULT_PORTS[scheme], True, path)
    parts = _URL.fullmatch(text) if len(text) <= MAX_URL else None
    if parts is None or parts[1].lower() not in _SCHEMES:
        raise BadQuery("url-malformed", f"{_shown(text)} is not an absolute http, https, ws or wss URL.")
    site = _read_site(parts[1], parts[2])
    if site is None:
        raise BadQuery("url-malformed", f"{_shown(text)} has no host and port that can be compared.")
    path = parts[3] or "/"
    if _SIMPLE.fullmatch(path) and "//" not in path and "/." not in path:
        return URL(*site, path)
    folded = fold_path(path)
    if folded is None:
        raise BadQuery("url-ambiguous", f"The path of {_shown(text)} has characters that servers read differently.")
    return URL(*site, folded, not ODD.search(folded))


def parse_site(text: str) -> URL | None:
    """Read the URL of a request to a known policy: its path makes no difference, and is left out.

    Returns:
        The URL with the path `/`; None if no page can have its origin.
    """
    text = text[:_LONGEST_SITE]
    plain = _BARE.match(text)
    if plain is not None:
        origin, scheme, host = plain.groups()
        if len(host) <= MAX_HOST:
            return URL(origin, host, DEFAULT_PORTS[scheme], True)
    parts = _SITE.match(text)
    site = _read_site(parts[1], parts[2]) if parts else None
    return None if site is None else URL(*site)


def _shown(text: str) -> str:
    """A URL for a message, without its query and fragment: both can hold what is secret, and logs have messages."""
    return shown(_QUERY.split(value_without_userinfo(text), maxsplit=1)[0])


def _read_site(scheme: str, authority: str) -> tuple[str, str, int, bool] | None:
    """Read what comes before the path, as the first attributes of a URL.

    None if there is another scheme, or no host and port that can be compared.
    """
    known = _SCHEMES.get(scheme) or _SCHEMES.get(scheme.lower())
    if known is None:
        return None
    host, colon, digits = authority, "", ""
    if not authority.endswith("]") and ":" in authority:
        host, colon, digits = authority.rpartition(":")
    default = DEFAULT_PORTS[known]
    port = parse_port(digits.encode("ascii", "replace")) if colon else default
    # Only ASCII is lower-cased: str.lower maps the Kelvin sign to `k`.
    written = host.lower() if host.isascii() else ""
    # The dot says that the name is complete (RFC 3986, 3.2.2). Servers ignore it, so it must not find another policy.
    host = written if written[:1] == "[" else written.removesuffix(".")
    if port is None or len(written) > MAX_HOST or not is_host_name(host):
        return None
    origin = f"{known}://{written}" if port == default else f"{known}://{written}:{port}"
    return origin, host, port, port == default


def is_own(url: URL, authorities: Collection[str]) -> bool:
    """Say whether a URL is on one of these hosts, as the keys of matches have them, whatever its path."""
    if url.is_default and url.host in authorities:
        return True  # as a rule
    hosts = candidates(url.host, True)
    fitting = [f"{host}:{url.port}" for host in hosts] + (hosts if url.is_default else [ANY_HOST])
    return any(authority in authorities for authority in fitting)


def candidates(host: str, with_any: bool) -> list[str]:
    """The hosts that a fitting match can have, as keys have them, the most specific first.

    Args:
        host: The host of a URL.
        with_any: Whether there are matches for any one label.
    """
    hosts = [host]
    parent = host.partition(".")[2]
    if with_any and parent:
        hosts.append(f"{ANY}.{parent}")
    while parent:
        hosts.append(f"*.{parent}")
        parent = parent.partition(".")[2]
    return [*hosts, ANY_HOST]
