"""The match that the author of a refused one probably meant, perhaps in the language of another router."""

from __future__ import annotations

import re
from typing import Final

from cors_service.grammar.origin import canonical_ipv4, canonical_ipv6

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
# `:id` of Express and Rails, with an expression and a modifier; `{id}`, `${id}`, `{{id}}` of Spring, OpenAPI, ASP.NET;
# `<int:id>` of Flask; `[id]` of Next.js.
_EXPRESS: Final = rf":{_NAME}(?:\([^/()]*\))?[+*?]?"
_PARAMETER: Final = re.compile(
    rf"{_EXPRESS}(?:[.-]{_EXPRESS})*|\$?\{{[^/{{}}]*\}}|\{{\{{[^/{{}}]*\}}\}}|<[^/<>]*>|\[\[?[^/\[\]]*\]?\]"
)
# What stands for the rest of the path, in place of its last segment.
_REST: Final = re.compile(
    rf"\*+(?:{_NAME})?|\.\*|\(\.[*+]\)|:{_NAME}(?:[+*]|\(\.[*+]\)[+*?]?)|<path:[^/<>]*>|\[\[?\.\.\.[^/\[\]]*\]?\]"
    r"|\{\*+[^/{}]*\}|\{[^/{}]*(?:\.\.\.|\+|:path|:\.[*+])\}"
)
# What other routers have before the path: methods, modifiers of nginx, the beginning of an expression.
_BEFORE: Final = re.compile(r"\A(?:[A-Z]+\s+)?(?:(?:=|\^~|~\*?)\s*(?=[/^]))?(?:\^(?=/))?")
# What Traefik has.
_TRAEFIK: Final = re.compile(r"Host\(`([^`]+)`\)(?:\s*&&\s*Path(?:Prefix)?\(`/?([^`]*)`\))?")
# A name in place of the first label, in any of these notations.
_LABEL: Final = re.compile(rf"(?:\$?\{{\{{?|\[|:)({_NAME})(?:\}}\}}?|\]|)(?=\.)")
# Stars, or none, where `*.` was meant.
_STARS: Final = re.compile(r"(?:\*+\.)*\*+\.|\.")


def is_parameter(segment: str) -> bool:
    """Say whether other routers take a segment for any one: `:id`, `{id}`, `<id>`, `[id]`."""
    return _PARAMETER.fullmatch(segment) is not None


def near_match(text: str) -> str:
    """Write a text as a match, if it may mean one; the result may be a match or not."""
    text = text.strip().removeprefix("re:").replace("\\.", ".").replace("\\/", "/")
    if traefik := _TRAEFIK.fullmatch(text):
        text = f"{traefik[1]}/{traefik[2] or ''}"
    text = _BEFORE.sub("", text).rpartition("://")[2]
    if not text:
        return ""
    if text[:2] == "//":
        text = text[2:]
    authority, _, path = text.partition("/")
    authority = _authority(authority.lower()) or "*"
    *segments, last = path.removesuffix("$").split("/")
    if last and not _REST.fullmatch(last):
        # A query or a fragment is not compared.
        segments.append(last if is_parameter(last) else re.split("[?#]", last, maxsplit=1)[0])
    segments = ["*" if is_parameter(segment) else segment for segment in segments]
    return f"{authority}/{'/'.join(segments).strip('/')}"


def _authority(authority: str) -> str:
    """Write the host as it is compared, if that can be known."""
    authority = _LABEL.sub(r"<\1>", _STARS.sub("*.", authority, count=1) if _STARS.match(authority) else authority)
    host, colon, port = authority, "", ""
    if not authority.endswith("]") and ":" in authority:
        host, colon, port = authority.rpartition(":")
    if host[:1] == "[":
        host = (canonical_ipv6(host.encode()) or host.encode()).decode() if host.isascii() else host
    else:
        host = host.removesuffix(".")
        host = canonical_ipv4(host) or host
    return f"{host}{colon}{port}"
