"""The oracle of URLs: which match fits a path best, and how a path may be read, slow and obviously right.

It compares lists of segments, tries everything, and shares no code with the product.
"""

import re
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


class Route(NamedTuple):
    """A match, taken apart; its last segment may be an ending such as `*.js`."""

    host: str
    port: int | None
    segments: tuple[str, ...]

    @property
    def ending(self) -> str:
        """What file names must end in, or nothing."""
        last = self.segments[-1] if self.segments else ""
        return last[1:] if last.startswith("*.") else ""

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        path = "".join(f"{segment}/" for segment in self.segments)
        return f"{self.host}{port}/{path.removesuffix('/') if self.ending else path}"


def fits_path(route: Route, segments: tuple[str, ...]) -> bool:
    """Say whether a match fits a list of segments."""
    wanted = route.segments
    if route.ending:
        wanted = wanted[:-1]
        last = segments[-1] if len(segments) > len(wanted) else ""
        if not last.endswith(route.ending) or len(last) == len(route.ending):
            return False
    given = segments[: len(wanted)]
    return len(given) == len(wanted) and all(one in ("*", other) for one, other in zip(wanted, given, strict=True))


def fits_host(route: Route, host: str, port: int, default: int) -> bool:
    """Say whether a match fits a host and a port."""
    labels = host.split(".")
    if route.host.startswith("*."):
        wanted = route.host[2:].split(".")
        host_fits = len(labels) > len(wanted) and labels[-len(wanted) :] == wanted
    elif route.host.startswith("<") and route.host != "<host>":
        wanted = route.host.split(".")
        host_fits = len(labels) == len(wanted) and labels[1:] == wanted[1:]
    else:
        host_fits = route.host in ("*", "<host>", host)
    any_host = route.host in ("*", "<host>")
    return host_fits and (port == route.port or (route.port is None and (any_host or port == default)))


def rank(route: Route) -> tuple[object, ...]:
    """How good a match is that fits, the best last: by its path, then its host, then its port."""
    path: list[tuple[int, int]] = []
    for segment in route.segments:
        if segment == "*":
            path.append((1, 0))
        elif segment.startswith("*."):
            path.append((2, len(segment)))
        else:
            path.append((3, 0))
    host = route.host
    kind = 0 if host in ("*", "<host>") else 3 if not host.startswith(("*.", "<")) else 1
    labels = 0 if kind == 0 else len(host.split("."))
    return ([*path, (0, 0)], kind == 3, labels, host.startswith("<"), route.port is not None)


def best(routes: Iterable[Route], segments: tuple[str, ...]) -> Route | None:
    """The best of the matches of one host for a list of segments."""
    return max((route for route in routes if fits_path(route, segments)), key=rank, default=None)


def segments_of(path: str) -> tuple[str, ...]:
    """The segments of a path that has one reading: without the empty one at its end."""
    segments = path.split("/")[1:]
    return tuple(segments[:-1] if segments[-1:] == [""] else segments)


# What servers, gateways and frameworks do to a whole path, one after the other.


def decoded(path: str, only: str = "") -> str:
    """Decode each escape once; letters beyond ASCII stay encoded, as they are in a match."""

    def character(escape: re.Match[str]) -> str:
        char = chr(int(escape[1], 16))
        return char if char.isascii() and (not only or char in only) else escape[0]

    return re.sub("%([0-9A-Fa-f]{2})", character, path)


def without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    ends = [""] if segments[-1:] in ([".."], ["."]) else []
    return "/" + "/".join(kept + ends)


STEPS = {
    "backslashes": lambda path: path.replace("\\", "/"),
    "parameters": lambda path: re.sub(";[^/]*", "", path),
    "merge": lambda path: re.sub("/+", "/", path),
    "dots": without_dots,
    "cut": lambda path: re.split(r"[?#\0-\x1f\x7f]", path)[0],
    "strip": lambda path: path.rstrip("/") or "/",
}
DECODINGS = {"decode": decoded, "decode letters": lambda path: decoded(path, UNRESERVED)}


def processed(path: str, steps: int = 5) -> set[str]:
    """All paths that servers make of one, by a few steps in any order; two may decode."""
    found = {(path, 0), (path.partition(" ")[0], 0)}
    new = set(found)
    for _ in range(steps):
        after = {(step(one) or "/", count) for one, count in new for step in STEPS.values()}
        after |= {(step(one), count + 1) for one, count in new for step in DECODINGS.values() if count < 2}
        new = after - found
        found |= new
    return {one if one.startswith("/") else f"/{one}" for one, _ in found}


# What stands between two slashes, and all lists of segments that it may be read as, by itself: what docs/document.md
# promises. `%` stands for a text that is the name of no match, and CUT for the end of the path.

CUT = "?"
BETWEEN: dict[str, list[list[str]]] = {
    "a": [["a"]],
    "b": [["b"]],
    "c.js": [["c.js"]],
    "%20": [["%"]],
    "%C3%A9": [["%C3%A9"]],
    "%61": [["a"], ["%"]],
    "%2561": [["a"], ["%"]],
    "%u0061": [["a"], ["%"]],
    "%": [["%"]],
    "a;x": [["a"], ["%"]],
    "a;x.js": [["a"], ["%.js"]],
    "c.js;x": [["c.js"], ["%"]],
    "a%3Bx": [["a"], ["%"]],
    "a;c.js;x": [["a"], ["%.js"], ["%"]],
    "%3Bc.js;": [[], [""], ["%.js"], ["%"]],
    ";": [[], [""], ["%"]],
    "": [[], [""]],
    ".": [[], ["%"]],
    "%2E": [[], ["%"]],
    "..": [[".."], ["%"]],
    "%2e.": [[".."], ["%"]],
    "..;x": [[".."], ["%"]],
    "a b": [["a", CUT], ["%"]],
    "a%3Fb": [["a", CUT], ["%"]],
    "a%250Ab.js": [["a", CUT], ["%.js"]],
    "..%23": [["..", CUT], ["%", CUT], ["%"]],
    "a%2Fb": [["a", "b"], ["%", "b"], ["a", "%"], ["%", "%"], ["%"]],
    "b\\a": [["b", "a"], ["%", "a"], ["b", "%"], ["%", "%"], ["%"]],
    "%c0%afc.js": [
        *([first, last] for first in ("", "%") for last in ("c.js", "%.js")),
        ["c.js"],
        ["%.js"],
    ],
    "..%2fb": [["..", "b"], ["%", "b"], ["..", "%"], ["%", "%"], ["%"]],
    "a%2f..": [["a", ".."], ["%", ".."], ["a", "%"], ["%", "%"], ["%"]],
    "b%2F..%2fa": [
        *([*first, last] for first in (["b", ".."], ["%", ".."], ["b", "%"], ["%", "%"], ["%"]) for last in "a%"),
        ["b", "%"],
        ["%"],
    ],
    "a;x%2Fb": [["a"], ["%"], *([first, last] for first in "a%" for last in "b%")],
}


def readings(between: Iterable[str]) -> set[tuple[tuple[str, ...], bool]]:
    """All lists of segments that a path may be read as, where everything may happen at each place by itself.

    Args:
        between: What stands between the slashes, each of BETWEEN.

    Returns:
        Each list, and whether it ends in a slash, so that no segment is the name of a file.
    """
    path = list(between)
    is_open = path[-1:] == [""]
    found: set[tuple[tuple[str, ...], bool]] = set()
    for choice in product(*(BETWEEN[each] for each in (path[:-1] if is_open else path))):
        segments: list[str] = []
        is_cut = False
        for one in choice:
            segments += one
            if one[-1:] == [CUT]:
                del segments[-1]
                is_cut = True
                break
        lists = _resolved(segments)
        found |= {(one, False) for one in lists}
        if is_open and not is_cut:
            found |= {(one, True) for one in lists}
    return found


def _resolved(segments: list[str]) -> set[tuple[str, ...]]:
    """Go back at two dots."""
    found: tuple[str, ...] = ()
    for segment in segments:
        found = found[:-1] if segment == ".." else (*found, segment)
    return {found}
