"""URLs that a `match` barely finds, or barely does not.

What goes wrong with URLs is a matter of spelling: an encoded letter, two slashes, a segment that leads back. So these
functions start with a URL that is found, and change its spelling a little.
"""

from collections.abc import Callable
from random import Random

_Change = Callable[[Random, list[str]], list[str]]

_LABELS = ("a", "acme", "www", "xn--bcher-kva", "0", "a-b")
_HOSTS = ("localhost", "a.example", "service.invalid", "127.0.0.1", "[::1]")
_SEGMENTS = ("a", "acme", "v1", "public", "caf\u00e9", "a.b", "index.html", "a%20b", "~a", "*")
_BENEATH: tuple[list[str], ...] = ([], [""], ["x"], ["x", "y.js"], ["x", ""], ["a%2Fb"], ["a;b=c"], ["", "x"], ["100%"])
_ODD_SEGMENTS = (
    "",
    ".",
    "..",
    "%2e%2E",
    "..;x",
    ";x",
    "%2F",
    "..%2f",
    "\\",
    "%5c",
    "%252f",
    "%",
    "%3F",
    "%23",
    " ",
)


def found_url(random: Random, match: str) -> str:
    """Draw a URL that a match finds."""
    scheme, authority, segments = _drawn(random, match)
    return _written(scheme, authority, segments)


def near_url(random: Random, match: str) -> str:
    """Draw a URL that a match finds, and spell it differently in none, one or two places."""
    scheme, authority, segments = _drawn(random, match)
    for _ in range(random.choice((0, 1, 1, 2))):
        segments = random.choice(_CHANGES)(random, segments)
    authority = random.choice(_AUTHORITIES)(authority)
    return _written(random.choice((scheme, scheme, scheme.upper())), authority, segments) + random.choice(_ENDS)


def _drawn(random: Random, match: str) -> tuple[str, str, list[str]]:
    authority, _, path = match.partition("/")
    host, colon, port = ("", "", "") if authority.endswith("]") else authority.rpartition(":")
    if not colon:
        host, port = authority, ""
    if host in {"*", "<host>"}:
        host = random.choice(_HOSTS)
        port = port or random.choice(("", "8080"))
    elif host.startswith("*."):
        host = random.choice((f"{random.choice(_LABELS)}", "b.a")) + host[1:]
    elif host.startswith("<"):
        host = random.choice(_LABELS) + host.partition(">")[2]
    *prefix, last = path.split("/")
    segments = [random.choice(_SEGMENTS) if segment == "*" else segment for segment in prefix]
    if last:
        segments += [*random.choice(([], ["x"], ["x", "y"])), f"{random.choice(('a', 'a.b', '~'))}{last[1:]}"]
    else:
        segments += random.choice(_BENEATH)
    return random.choice(("https", "http", "wss", "ws")), f"{host}:{port}" if port else host, segments


def _written(scheme: str, authority: str, segments: list[str]) -> str:
    return f"{scheme}://{authority}/{'/'.join(segments)}"


def _at(random: Random, segments: list[str], change: Callable[[str], str]) -> list[str]:
    if not segments:
        return segments
    place = random.randrange(len(segments))
    return [*segments[:place], change(segments[place]), *segments[place + 1 :]]


def _inserted(random: Random, segments: list[str]) -> list[str]:
    place = random.randrange(len(segments) + 1)
    return [*segments[:place], random.choice(_ODD_SEGMENTS), *segments[place:]]


def _extended(random: Random, segments: list[str]) -> list[str]:
    odd = random.choice(_ODD_SEGMENTS)
    return _at(random, segments, lambda segment: segment + odd)


def _left(random: Random, segments: list[str]) -> list[str]:
    """Enter a folder and leave it again, perhaps a level too far."""
    place = random.randrange(len(segments) + 1)
    back = random.choice((["x", ".."], ["x", "%2e."], ["..", "x"], ["x", "..", ".."]))
    return [*segments[:place], *back, *segments[place:]]


def _joined(random: Random, segments: list[str]) -> list[str]:
    if len(segments) < 2:
        return segments
    place = random.randrange(len(segments) - 1)
    slash = random.choice(("%2F", "%2f", "\\", "%5C", "%252F"))
    return [*segments[:place], segments[place] + slash + segments[place + 1], *segments[place + 2 :]]


def _removed(random: Random, segments: list[str]) -> list[str]:
    place = random.randrange(len(segments)) if segments else 0
    return [*segments[:place], *segments[place + 1 :]]


_CHANGES: tuple[_Change, ...] = (
    _inserted,
    _extended,
    _left,
    _joined,
    _removed,
    lambda random, segments: _at(random, segments, lambda segment: f"%{ord(segment[:1] or 'a'):02x}{segment[1:]}"),
    lambda random, segments: _at(random, segments, lambda segment: f"%25{ord(segment[:1] or 'a'):02X}{segment[1:]}"),
    lambda random, segments: _at(random, segments, str.upper),
    lambda random, segments: _at(random, segments, lambda segment: segment[:-1]),
    lambda random, segments: _at(random, segments, lambda segment: f"x{segment}"),
)
_AUTHORITIES: tuple[Callable[[str], str], ...] = (
    *(str,) * 12,
    str.upper,
    lambda authority: f"{authority}.",
    lambda authority: f"{authority}:443",
    lambda authority: f"x{authority}",
    lambda authority: f"x.{authority}",
    lambda authority: authority.partition(".")[2],
    lambda authority: f"user@{authority}",
)
_ENDS = ("", "", "", "?a=/../", "#//")
