"""`match` prefixes and the paths of URLs: compared segment by segment or refused, and never guessed."""

from __future__ import annotations

import re
from typing import Final, NoReturn
from urllib.parse import unquote

from msgspec import Struct

from cors_service.grammar._near_match import is_parameter, near_match
from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import ends_in_number, is_canonical_ipv6, parse_port
from cors_service.grammar.path import fold_path

# The characters of a segment of a match. `%` and `;` can be read in several ways; characters beyond ASCII are encoded.
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,=:@-]|%[89A-F][0-9A-F])+")
MOST_ENDINGS: Final = 3
"""How many dots an ending has at most, as in `*.min.js.map`."""
_ENDING: Final = re.compile(rf"\*(?:\.(?:[A-Za-z0-9_~!$&'()+,=:@-]|%[89A-F][0-9A-F])+){{1,{MOST_ENDINGS}}}")
# A label of the host, or all of it, that the origins of the policy may use.
_BOUND: Final = re.compile(r"<([a-z][a-z0-9_-]*)>(.*)")
_WHOLE: Final = "host"
# Bounds how many wildcards fit one URL: 93 for each host.
_WILD_SEGMENTS: Final = 3
_WILD_WITHIN: Final = 8
_DEEPEST_WILD: Final = 16

ANY_HOST: Final = "*"
"""The host of a match that is any."""
ANY: Final = "?"
"""Stands in the key of a match for any label or any segment; no host and no path has it."""


# A hint that is longer is not shown.
_LONGEST: Final = 400

IPV4: Final = r"(?:{0}\.){{3}}{0}".format(r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])")
"""An IPv4 address as the URL standard serialises it."""
# Labels, and the last one is no number: such a host is an address to URL parsers (URL, #ends-in-a-number-checker).
_HOST: Final = re.compile(rf"(?:[a-z0-9_-]+\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\Z)[a-z0-9_-]+|{IPV4}")


class Match(Struct, frozen=True, gc=False):
    """A URL prefix, or the end of a file name beneath one, that finds a policy.

    Attributes:
        text: As written: `host[:port]/path/`, or `host[:port]/path/*.ext`.
    """

    text: str

    @property
    def authority(self) -> str:
        """The host, and the port if there is one."""
        return self.text.partition("/")[0]

    @property
    def host(self) -> str:
        """Lower-case; `*` for any, `*.suffix` for one or more labels before the suffix, `<name>.suffix` for one."""
        return _split(self.authority)[0]

    @property
    def port(self) -> int | None:
        """None if there is none: then the default of the URL's scheme is meant, or any port if the host is any."""
        digits = _split(self.authority)[1]
        return None if digits is None else int(digits)

    @property
    def path(self) -> str:
        """Begins with a slash, and ends in one unless it ends in `*.ext`."""
        return self.text[len(self.authority) :]

    @property
    def binds(self) -> str | None:
        """The name that it gives to a label of the host, `host` for the whole of it; None for neither."""
        bound = _BOUND.match(self.text) if self.text[:1] == "<" else None
        return bound[1] if bound else None

    @property
    def key(self) -> str:
        """What it finds: matches that find the same URLs equally well have equal keys.

        It is the text with an encoded path, `?` for each label and segment that may be any, and `*` for any host.
        """
        text = self.text
        if "/*" not in text and text[:1] != "<" and "%" not in text and text.isascii():
            return text  # as nearly all of 100,000
        authority, _, path = text.partition("/")
        bound = _BOUND.match(authority)
        if bound:
            authority = f"{'*' if bound[1] == _WHOLE else ANY}{bound[2]}"
        return f"{authority}/{_SEGMENT_STAR.sub(ANY, fold_path(path) or '')}"


# Nearly all of 100,000: a name, and segments without a character that takes a closer look.
_USUAL: Final = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z][a-z0-9_-]*/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*")
# A star is a whole segment, or the beginning of the last one.
_SEGMENT_STAR: Final = re.compile(r"(?<![^/])\*")


def parse_match(text: str) -> Match:
    """Read `host[:port]/path/`, or `host[:port]/path/*.ext`.

    Raises:
        PolicyError: It is something else; the hint says what to write.
    """
    if _USUAL.fullmatch(text):
        return Match(text)
    if "://" in text:
        _refuse(text, "has a scheme; a match is for both http and https.")
    authority, slash, rest = text.partition("/")
    if not slash:
        _refuse(text, "has no path.")
    *segments, last = (fold_path(rest) or rest).split("/")
    if last and not _ENDING.fullmatch(last):
        _refuse(text, "does not end in a slash, or in *.ext; a match is a prefix of whole segments.")
    _check_authority(text, authority)
    for segment in segments:
        if segment != "*":
            _check_segment(text, segment)
    wild = [number for number, segment in enumerate(segments, start=1) if segment == "*"]
    if wild and (len(wild) > _WILD_SEGMENTS or wild[-1] > _WILD_WITHIN or len(segments) > _DEEPEST_WILD):
        _refuse(
            text,
            f"has too many wildcards: * may stand for {_WILD_SEGMENTS} segments, among the first {_WILD_WITHIN}, of "
            f"{_DEEPEST_WILD}.",
        )
    return Match(text)


def _check_segment(text: str, segment: str) -> None:
    if is_parameter(segment):
        what = "as other routers write a parameter: here * stands for any one segment."
        _refuse(text, f"has a path segment, {shown(segment)}, {what}")
    if "*" in segment and _SEGMENT.fullmatch(segment.replace("*", "") or "a"):
        what = "a * is a whole segment, or begins the last one, as in *.woff2, with no slash after it."
        _refuse(text, f"has a path segment, {shown(segment)}: {what}")
    if segment in {".", ".."} or not _SEGMENT.fullmatch(segment) or not _is_printable(segment):
        _refuse(
            text,
            f"has a path segment, {shown(segment)}, that is empty, a dot segment, or has characters other than "
            "letters, digits and ._~!$&'()+,=:@-",
        )


def _is_printable(segment: str) -> bool:
    """Whether the encoded characters of a segment are ones that people can read, in UTF-8."""
    try:
        return unquote(segment, errors="strict").isprintable()
    except UnicodeDecodeError:
        return False


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
        _refuse(text, "has a host that ends in a dot; a match without the dot covers URLs with and without it.")
    if port is not None and parse_port(port.encode("ascii", "replace")) is None:
        _refuse(text, "has no valid port, a number from 0 to 65535; only */ is for any port.")
    bound = _BOUND.fullmatch(host)
    if bound and (bound[1] == _WHOLE) != (not bound[2]):
        what = "<host> alone is the whole host; any other name is one label, as in <tenant>.example.com."
        _refuse(text, f"has no valid host: {what}")
    name = bound[2].removeprefix(".") if bound and bound[2][:1] == "." else host.removeprefix("*.")
    if host not in {ANY_HOST, f"<{_WHOLE}>"} and not is_host_name(name):
        _refuse(
            text,
            "has no valid host: a lower-case name, an address, * for any host, *.example.com for sub-domains, or "
            "<name>.example.com to bind one label.",
        )
    if host != name and (name[0] == "[" or ends_in_number(name.encode("ascii"))):
        _refuse(text, "asks for the sub-domains of an IP address, which has none.")


def _suggestion(text: str) -> str:
    """Say what the author probably meant, or nothing: a suggestion must itself be right."""
    if len(text) > _LONGEST:
        return ""
    near = near_match(text)
    candidate = near if near.endswith("/") or _ENDING.fullmatch(near.rpartition("/")[2]) else f"{near}/"
    if candidate == text:
        return ""  # nothing was corrected
    try:
        parse_match(candidate)
    except PolicyError:
        return ""
    return f'Write "{candidate}".'


def _refuse(text: str, what: str) -> NoReturn:
    raise PolicyError("match-malformed", f"{shown(text)} {what}", hint=_suggestion(text), value=text)
