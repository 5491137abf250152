"""What is allowed once an exchange passes: cookies, readable headers, and how long the preflight is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cors_service.browser.browsers import MAX_AGE_CAPS
from cors_service.browser.cache import preflight_max_age
from cors_service.browser.headers import ListSyntaxError, byte_lowercase, extract_list, values_of
from cors_service.browser.sharing import exposed_headers
from cors_service.explain._asking import Asked
from cors_service.explain._engines import BEHAVIOURS, NAMES
from cors_service.explain.exchange import Answers
from cors_service.explain.explanation import ExchangeStep
from cors_service.grammar.site import same_site, site_of

_ALWAYS: Final = "Cache-Control, Content-Language, Content-Length, Content-Type, Expires, Last-Modified and Pragma"
_EXPOSE: Final = "access-control-expose-headers"
_ANY: Final = "*"


def steps(asked: Asked, answers: Answers) -> Iterator[ExchangeStep]:
    """Say what is allowed after an exchange that passes."""
    if asked.exchange.credentials == "include" and not asked.request.same_origin:
        yield ExchangeStep("cookies", "note", _cookies(asked))
    if asked.request.same_origin:
        return
    if answers.judged is not None:
        yield ExchangeStep("headers", "note", _headers(asked, answers.judged.headers))
    if answers.preflight is not None:
        yield ExchangeStep("kept", "note", _kept(answers.preflight.headers))


def _cookies(asked: Asked) -> str:
    page, origin = asked.request.origin, asked.request.url_origin or ""
    if same_site(page, origin):
        _, domain = site_of(page) or ("", "")
        return f"All cookies of the service go with it, even SameSite=Lax and Strict: both are on the site {domain}."
    return (
        "Of the service's cookies, only those with SameSite=None and Secure go with it, since the page is on another "
        "site. Chromium treats a cookie without SameSite as Lax. WebKit blocks cookies of other sites, and Firefox "
        "keeps them apart for each site that embeds them, whatever the CORS headers say."
    )


def _headers(asked: Asked, headers: tuple[tuple[str, str], ...]) -> str:
    try:
        listed = extract_list(headers, _EXPOSE) or ()
    except ListSyntaxError:
        why = "Access-Control-Expose-Headers is not a list of names, so it exposes none."
        return f"The page can read these headers of the answer: {_ALWAYS}. {why}"
    if _ANY in listed and not asked.request.credentials:
        return "The page can read every header of the answer but Set-Cookie."
    readable = exposed_headers(asked.request, [*headers, *((name, "") for name in listed)])
    named = ", ".join(name for name in dict.fromkeys(listed) if byte_lowercase(name) in readable - {_ANY})
    more = f", and {named}" if named else ", and no other unless expose_headers lists it"
    literal = " With credentials, * is the name of a header and stands for no other." if _ANY in listed else ""
    return f"The page can read these headers of the answer: {_ALWAYS}{more}.{literal}"


def _kept(headers: tuple[tuple[str, str], ...]) -> str:
    times = {NAMES[engine]: preflight_max_age(headers, MAX_AGE_CAPS[one], one) for engine, one in BEHAVIOURS.items()}
    kept = ", ".join(f"{name} {seconds} s" for name, seconds in times.items())
    missing = "" if values_of(headers, "access-control-max-age") else ", as without max_age"
    return f"The answer to the preflight is kept: {kept}{missing}. A revoked grant lives on for that long."
