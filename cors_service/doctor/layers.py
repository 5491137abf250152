"""Which layer answered, as far as its answer shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from cors_service.browser.headers import values_of
from cors_service.doctor.exchanges import Answer
from cors_service.grammar.mistakes import cut


class Layer(StrEnum):
    """The servers that are known, by their names for people."""

    NGINX = "nginx"
    APACHE = "Apache httpd"
    EXPRESS = "Express"
    FLASK = "Flask"


CACHES: Final = ("age", "x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status", "cache-status", "x-varnish")
"""Headers that only caches write, by their lower-case names."""

SHOWN: Final = (
    "server",
    "via",
    "x-powered-by",
    *CACHES,
    "www-authenticate",
    "proxy-authenticate",
)
"""Headers that show a layer, by their lower-case names."""

# The outermost first: an application that shows itself stands behind a server that does.
_SIGNS: Final = (
    (Layer.NGINX, "server", re.compile(r"\s*(?:nginx|openresty)\b", re.IGNORECASE)),
    (Layer.APACHE, "server", re.compile(r"\s*apache\b", re.IGNORECASE)),
    (Layer.FLASK, "server", re.compile(r"\s*werkzeug\b", re.IGNORECASE)),
    (Layer.EXPRESS, "x-powered-by", re.compile(r"\s*express\b", re.IGNORECASE)),
)
_HIT: Final = re.compile(r"\bhit\b", re.IGNORECASE)


def layers_of(answer: Answer) -> tuple[Layer, ...]:
    """Name the layers that an answer shows, the outermost first."""
    return tuple(layer for layer, name, sign in _SIGNS if any(map(sign.match, values_of(answer.lines, name))))


def cache_line(answer: Answer) -> str | None:
    """The line that shows that a cache gave an answer, which it had kept; None if there is none."""
    for name in CACHES:
        if (value := answer.get(name)) is not None and _HIT.search(value):
            return f"{name}: {cut(value)}"
    age = answer.get("age")
    if age is not None and age.isascii() and age.isdigit() and age.strip("0"):
        return f"age: {cut(age)}"
    # Varnish names two transactions where the answer is that of an earlier one.
    varnish = answer.get("x-varnish")
    return f"x-varnish: {cut(varnish)}" if varnish is not None and " " in varnish else None


def at_fault(answer: Answer, usual: Answer | None) -> str:
    """Say which layer gave an answer.

    Args:
        answer: The answer.
        usual: The answer to the page's request itself, which shows what usually answers.

    Returns:
        A sentence; empty if the answer does not show it.
    """
    return next(_sentences(answer, usual), "")


def _sentences(answer: Answer, usual: Answer | None) -> Iterator[str]:
    if line := cache_line(answer):
        yield f"A cache gave this answer ({line})."
    if asks := answer.get("www-authenticate") or answer.get("proxy-authenticate"):
        before = ", before CORS" if answer.allowed_origin is None else ""
        yield f"Something asks for a login ({cut(asks)}){before}."
    layers = layers_of(answer)
    missing = [] if usual is None else [layer for layer in layers_of(usual) if layer not in layers]
    if layers and missing:
        yield f"{layers[-1]} answered this by itself: what shows {missing[-1]} in other answers is missing."
    if layers:
        behind = f", behind {layers[0]}" if len(layers) > 1 else ""
        yield f"The answer comes from {layers[-1]}{behind}."
    elif server := answer.get("server"):
        yield f"The answer comes from {cut(server)}."
    if via := answer.get("via"):
        yield f"The answer came through a proxy (via: {cut(via)})."
