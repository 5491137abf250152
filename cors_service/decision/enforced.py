"""What passes between a browser and a service whose guards are enforced, as far as guards have a part in it."""

from __future__ import annotations

from typing import Final

from cors_service.decision._guard import hosts_of
from cors_service.decision.decision import Decision, Headers
from cors_service.grammar.host import ANY_PORT
from cors_service.grammar.match import ANY
from cors_service.grammar.origin import is_insecure_origin
from cors_service.grammar.pattern import NULL
from cors_service.grammar.site import same_site
from cors_service.policy.model import Policy

# The Sec-Fetch-Dest of each mode that has only one; with no-cors, it depends on what the page shows.
_DESTS: Final = {"cors": "empty", "same-origin": "empty", "navigate": "document"}
_USUAL: Final = 200
_STOPPED: Final = 403


def circumstances_of(page: str, own: str, mode: str) -> Headers:
    """Give the lines that browsers send besides Origin, and that a guard looks at.

    Args:
        page: The origin of the page.
        own: The origin of the URL that it asks for.
        mode: The mode of the request (Fetch, #concept-request-mode).
    """
    host = ("Host", own.partition("://")[2])
    if is_insecure_origin(own) or mode == "websocket":
        # They send no fetch metadata where anybody could read it (Fetch Metadata, 2); Chromium none with WebSockets.
        return (host,)
    site = "cross-site"
    if page == own != NULL:
        site = "same-origin"
    elif same_site(page, own):
        site = "same-site"
    dest = (("Sec-Fetch-Dest", _DESTS[mode]),) if mode in _DESTS else ()
    return (host, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), *dest)


def listed_host(policy: Policy) -> str | None:
    """Give a host by which the guard of a policy lets its service be called, as `Host` has it; None without one."""
    if policy.guard is None:
        return None
    host = hosts_of(policy.guard, policy)[0].removesuffix(ANY_PORT)
    first, dot, rest = host.partition(".")
    return f"a{dot}{rest}" if first in {ANY, "*"} else host


def answer_of(decision: Decision) -> tuple[int, Headers]:
    """Give the status and the headers of what comes back, from an application that answers with 200."""
    if decision.is_stopped:
        return _STOPPED, without_grants(decision.headers)
    return decision.status or _USUAL, decision.headers


def without_grants(headers: Headers) -> Headers:
    """Leave out the headers that let a page read an answer."""
    return tuple(line for line in headers if not line[0].startswith("Access-Control-"))
