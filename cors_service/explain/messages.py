"""What a sentence means that somebody has copied from a console, and what to look at."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Final

from cors_service.browser import Recognised, Step
from cors_service.explain._engines import BEHAVIOURS, NAMES
from cors_service.explain.text import printable
from cors_service.grammar.mistakes import cut

_NAMES: Final = {behaviour: NAMES[engine] for engine, behaviour in BEHAVIOURS.items()}
_REFUSED: Final = (
    "The service refused it, because of its origin, its method or a header; or nobody asked the service. Ask why, as "
    "below"
)
_IN_ITS_PLACE: Final = (
    "a login, a firewall or a route that does not know OPTIONS answered in its place: browsers send preflights without "
    "cookies and tokens."
)
_SOMETHING_ELSE: Final = "something other than the decision answered it, or the browser remembers an older answer"
_AS_CORS: Final = "load it with the attribute crossorigin, so that CORS decides."
_MEANINGS: Final[dict[Step, tuple[str, str]]] = {
    Step.METHOD_FORBIDDEN: ("No page may use this method.", "Have the page use another one."),
    Step.ACAO_MISSING: ("The answer has no Access-Control-Allow-Origin.", f"{_REFUSED}."),
    Step.ACAO_MULTIPLE: (
        "Two parties set Access-Control-Allow-Origin.",
        "Remove the one that the application or a proxy sets: only the decision's headers may be there.",
    ),
    Step.ACAO_INVALID: (
        "Access-Control-Allow-Origin has a value that is not an origin.",
        "Something other than the decision wrote it. An origin is scheme, host and port, without a slash at the end.",
    ),
    Step.ACAO_MISMATCH: (
        "The answer names another origin.",
        "A cache gave this page what was meant for another: it must respect Vary: Origin. Or the policy is static.",
    ),
    Step.ACAO_WILDCARD_WITH_CREDENTIALS: (
        "The page sends cookies, and the answer is for everybody (*).",
        "List the page's origin in a rule with credentials = true; or have the page send no cookies.",
    ),
    Step.ACAC_NOT_TRUE: (
        "The page sends cookies, and the answer does not allow that.",
        "Add credentials = true to the page's rule; or have the page send no cookies.",
    ),
    Step.PREFLIGHT_STATUS: (
        "The preflight was not answered with a status of 200 to 299.",
        f"The service refused it; or {_IN_ITS_PLACE}",
    ),
    Step.PREFLIGHT_REDIRECT: (
        "The preflight was redirected.",
        "Have the page request the last URL directly: over https, and with the slash at the end that the server wants.",
    ),
    Step.ACAM_MALFORMED: (
        "Access-Control-Allow-Methods is not a list of methods.",
        "Something other than the decision wrote it.",
    ),
    Step.ACAH_MALFORMED: (
        "Access-Control-Allow-Headers is not a list of names.",
        "Something other than the decision wrote it.",
    ),
    Step.METHOD_NOT_IN_ACAM: (
        "The answer to the preflight does not list the method.",
        f"A refusal of the service has no list at all, so {_SOMETHING_ELSE}. Browsers upper-case put, but not patch.",
    ),
    Step.AUTHORIZATION_NOT_IN_ACAH: (
        "The answer to the preflight does not list Authorization.",
        "Neither * nor a prefix covers it: list it by name in request_headers.",
    ),
    Step.HEADER_NOT_IN_ACAH: (
        "The answer to the preflight does not list the header.",
        f"A refusal of the service has no list at all, so {_SOMETHING_ELSE}.",
    ),
    Step.NETWORK_ERROR: (
        "No answer came.",
        "Look at the network: the name, the certificate, the port, and whether the server runs. CORS comes after that.",
    ),
    Step.RESOURCE_POLICY: (
        "An answer came, and a header of it forbids the page to embed it, mostly Cross-Origin-Resource-Policy.",
        f"Set resource_policy in all rules of the policy to cross-origin or same-site; or {_AS_CORS}",
    ),
    Step.OPAQUE_RESPONSE: (
        "An answer came, and it is not what the page embeds: a login, an error or JSON, and no image or script.",
        f"Correct its status and its Content-Type; or {_AS_CORS}",
    ),
    Step.BLOCKED_BY_CLIENT: (
        "The browser blocked it itself, mostly because an extension such as an ad blocker wants that.",
        "Try a private window without extensions, or another path: CORS plays no part.",
    ),
    Step.URL_SCHEME: (
        "The URL has a scheme that CORS does not know, such as file.",
        "Have the page use https. If it was opened from a file, serve it over http or https, with what is beside it.",
    ),
    Step.REDIRECT_SCHEME: (
        "It was redirected to a scheme that CORS does not know.",
        "Correct the redirect of the application: no policy changes it.",
    ),
    Step.REDIRECT_LIMIT: ("It was redirected too often.", "Correct the redirects of the application."),
    Step.REDIRECT_WITH_CREDENTIALS: (
        "It was redirected to a URL with a user or a password.",
        "Correct the redirect of the application: no policy changes it.",
    ),
    Step.MIXED_CONTENT: (
        "A page loaded over https makes a request over http.",
        "Serve the URL over https: no header helps.",
    ),
    Step.CONTENT_SECURITY_POLICY: (
        "The page's own Content-Security-Policy forbids it.",
        "Add the URL's origin to the page's connect-src: CORS plays no part.",
    ),
    Step.LOCAL_NETWORK: (
        "The page calls a local network, or this machine, without the user's permission.",
        "Have the user allow it, and serve the page over https: no CORS header grants it.",
    ),
}
_NO_REASON: Final = (
    "It says only that something failed.",
    "Look for another line of the console that says why, and for the request in the network tab.",
)
_LONGEST: Final = 300


def message_in_text(recognised: Recognised) -> str:
    """Write what a sentence means, for people."""
    return "\n".join(_lines(recognised))


def message_as_dict(recognised: Recognised) -> dict[str, Any]:
    """Give what a sentence means, as JSON types."""
    return {
        "engine": recognised.engine.value,
        "preflight": recognised.preflight,
        "url": recognised.url,
        "page": recognised.origin,
        "value": recognised.value,
        "steps": [
            {"step": str(step), "clause": step.clause, "anchor": step.anchor, "means": means, "look_at": look_at}
            for step in recognised.steps
            for means, look_at in [_MEANINGS[step]]
        ],
    }


def unrecognised() -> str:
    """Say that a text is none of the sentences."""
    return (
        "None of the known browsers prints this about CORS. Copy the whole line from the console, or look for one with "
        "CORS, Access-Control or Cross-Origin in it. Only English is recognised: Firefox translates its sentences."
    )


def _lines(recognised: Recognised) -> Iterator[str]:
    where = {True: ", about the preflight", False: ", about the request itself", None: ""}[recognised.preflight]
    yield f"printed   by {_NAMES[recognised.engine]}{where}"
    for name, fact in (("page", recognised.origin), ("url", recognised.url), ("names", recognised.value)):
        if fact:
            yield f"{name:<10}{printable(cut(fact, _LONGEST))}"
    if not recognised.steps:
        yield from _meaning(*_NO_REASON)
    for step in recognised.steps:
        yield f"step      {step} ({step.clause})"
        yield from _meaning(*_MEANINGS[step])
    if recognised.origin and recognised.url and Step.ACAO_MISSING in recognised.steps:
        method = " -X METHOD -H 'HEADER: VALUE'" if recognised.preflight is not False else ""
        asked = shlex.join(["--page", recognised.origin, "--url", recognised.url])
        yield f"ask why   cors-service explain --policies PATH {printable(asked)}{method}"


def _meaning(means: str, look_at: str) -> Iterator[str]:
    yield f"means     {means}"
    yield f"look at   {look_at}"
