"""Requests that fail, one for each way in which a step can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cors_service.browser import Behaviour, Step

from .answering import Answer, Lines

FETCH: Final = """
const [url, { method, headers, credentials }, done] = arguments;
const answer = fetch(url, { method, headers, credentials });
answer.then(() => done("read"), error => done(String(error)));
"""
XHR: Final = """
const [url, { method, headers, credentials }, done] = arguments;
const request = new XMLHttpRequest();
request.open(method, url);
request.withCredentials = credentials === "include";
for (const [name, value] of headers) request.setRequestHeader(name, value);
request.addEventListener("load", () => done("read"));
request.addEventListener("error", () => done("error"));
request.send();
"""
SOCKET: Final = """
const [url, , done] = arguments;
try {
  new WebSocket(url).addEventListener("error", () => done("error"));
} catch (error) {
  done(String(error));
}
"""
IMAGE: Final = """
const [url, , done] = arguments;
const image = new Image();
image.addEventListener("load", () => done("read"));
image.addEventListener("error", () => done("error"));
image.src = url;
"""
APIS: Final = {FETCH: "fetch", XHR: "XMLHttpRequest", SOCKET: "WebSocket", IMAGE: "image"}
"""What Chromium calls that with which a script asks."""
EXPOSED: Final = "plain.example"
"""The name of the site that is exposed."""
ORIGIN: Final = "Access-Control-Allow-Origin"
CREDENTIALS: Final = "Access-Control-Allow-Credentials"
METHODS: Final = "Access-Control-Allow-Methods"
HEADERS: Final = "Access-Control-Allow-Headers"
ALLOWED: Final = (ORIGIN, "{page}")
"""The header that lets the page in; `{page}` stands for its origin."""
GRANTED: Final = Answer((ALLOWED, (METHODS, "PUT"), (HEADERS, "x-one")), 204)
READABLE: Final = Answer((ALLOWED,))
NO_ANSWER: Final = Answer((), 0)


@dataclass(frozen=True)
class Case:
    """A request that fails.

    Attributes:
        actual: The answer to it.
        preflight: The answer to its preflight, if there is one.
        method: Its method.
        headers: What the page sets.
        credentials: Whether it is sent with credentials.
        script: What the page asks with.
        through: The name of another site from which it is redirected; empty if it is not.
        url: The URL, if it is not one of the site's.
        policy: The Content-Security-Policy of the page.
        secure: Whether the page came over https, from an address that is said to be public.
        exposed: Whether it came over http from such an address.
        step: The step at which it fails, if no answer decides that.
        value: What that step objects to.
    """

    actual: Answer = READABLE
    preflight: Answer | None = None
    method: str = "GET"
    headers: Lines = ()
    credentials: bool = False
    script: str = FETCH
    through: str = ""
    url: str = ""
    policy: str = ""
    secure: bool = False
    exposed: bool = False
    step: Step | None = None
    value: str = ""


def put(*lines: tuple[str, str], status: int = 204, headers: Lines = (), credentials: bool = False) -> Case:
    """A PUT whose preflight is answered with these lines."""
    return Case(preflight=Answer(lines, status), method="PUT", headers=headers, credentials=credentials)


X_ONE: Final = (("X-One", "1"),)
SEVERAL: Final = (("X-Two", "1"), ("Content-Type", "application/json"), ("x-a", "1"), ("Authorization", "a"))
CASES: Final = {
    "no header": Case(Answer()),
    "no header on an error page": Case(Answer((), 404)),
    "no header on a preflight": put(),
    "no header on a refused preflight": put(status=403),
    "no header, by XHR": Case(Answer(), script=XHR),
    "a list": Case(Answer(((ORIGIN, "{page}, https://b.example"),))),
    "a list with blanks": Case(Answer(((ORIGIN, "{page} https://b.example"),))),
    "two lines": Case(Answer((ALLOWED, ALLOWED))),
    "two lines on a preflight": put(ALLOWED, ALLOWED),
    "a host": Case(Answer(((ORIGIN, "b.example"),))),
    "an empty header": Case(Answer(((ORIGIN, ""),))),
    "a host on a preflight": put((ORIGIN, "b.example")),
    "another origin": Case(Answer(((ORIGIN, "https://b.example"),))),
    "a slash": Case(Answer(((ORIGIN, "{page}/"),))),
    "null": Case(Answer(((ORIGIN, "null"),))),
    "another origin on a preflight": put((ORIGIN, "https://b.example")),
    "any origin with credentials": Case(Answer(((ORIGIN, "*"),)), credentials=True),
    "any origin with credentials, by XHR": Case(Answer(((ORIGIN, "*"),)), credentials=True, script=XHR),
    "any origin with credentials on a preflight": put((ORIGIN, "*"), credentials=True),
    "credentials not allowed": Case(credentials=True),
    "credentials not allowed, by XHR": Case(credentials=True, script=XHR),
    "True": Case(Answer((ALLOWED, (CREDENTIALS, "True"))), credentials=True),
    "True on a preflight": put(ALLOWED, (CREDENTIALS, "True"), credentials=True),
    "status": put(ALLOWED, (METHODS, "PUT"), status=403),
    "a redirect to nowhere": put(ALLOWED, (METHODS, "PUT"), status=302),
    "a redirected preflight": put(ALLOWED, (METHODS, "PUT"), ("Location", "/elsewhere"), status=302),
    "a redirected preflight without headers": put(("Location", "/elsewhere"), status=302),
    "semicolons in methods": put(ALLOWED, (METHODS, "GET, PUT; POST, PATCH")),
    "semicolons in headers": put(ALLOWED, (METHODS, "PUT"), (HEADERS, "x-one; x-two"), headers=X_ONE),
    "both wrong": put(ALLOWED, (HEADERS, "x-one; x-two"), headers=X_ONE),
    "a method": put(ALLOWED, (METHODS, "GET")),
    "no methods": put(ALLOWED),
    "a method in lower case": replace(put(ALLOWED, (METHODS, "PATCH")), method="patch"),
    "a header": put(ALLOWED, (METHODS, "PUT"), headers=X_ONE),
    "several headers": put(ALLOWED, (METHODS, "PUT"), headers=SEVERAL),
    "authorization": put(ALLOWED, (METHODS, "PUT"), headers=(("Authorization", "a"),)),
    "no header after a redirect": Case(Answer(), through="api.corp.localhost"),
    "no header after a redirect to another site": Case(Answer(), through="first.localhost"),
    "the page's origin after a redirect to another site": Case(through="first.localhost"),
    "no header on a preflight after a redirect": replace(put(), through="api.corp.localhost"),
    "no method after a redirect": replace(put(ALLOWED), through="api.corp.localhost"),
    "no header on a redirect": Case(Answer((("Location", "/elsewhere"),), 302)),
    "a redirect with credentials": Case(
        Answer((ALLOWED, ("Location", "http://user:secret@api.corp.localhost/")), 302),
        step=Step.REDIRECT_WITH_CREDENTIALS,
    ),
    "redirects in a circle": Case(url="http://api.corp.localhost:{port}/circle", step=Step.REDIRECT_LIMIT),
    "no answer": Case(NO_ANSWER, step=Step.NETWORK_ERROR, value="ERR_EMPTY_RESPONSE"),
    "no answer to a preflight": Case(
        preflight=NO_ANSWER, method="PUT", step=Step.NETWORK_ERROR, value="ERR_EMPTY_RESPONSE"
    ),
    "nobody there": Case(
        url="http://api.corp.localhost:{closed}/", step=Step.NETWORK_ERROR, value="ERR_CONNECTION_REFUSED"
    ),
    "nobody there for a preflight": Case(
        url="http://api.corp.localhost:{closed}/",
        preflight=NO_ANSWER,
        method="PUT",
        step=Step.NETWORK_ERROR,
        value="ERR_CONNECTION_REFUSED",
    ),
    "insecure": Case(url="http://plain.example:{closed}/", secure=True, step=Step.MIXED_CONTENT),
    "insecure, by XHR": Case(url="http://plain.example:{closed}/", secure=True, script=XHR, step=Step.MIXED_CONTENT),
    "another scheme": Case(url="ftp://b.example/x", step=Step.URL_SCHEME, value="ftp"),
    "a method that pages may not use": Case(method="TRACE", step=Step.METHOD_FORBIDDEN, value="TRACE"),
    "a policy of the page": Case(
        policy="connect-src 'self'", step=Step.CONTENT_SECURITY_POLICY, value="connect-src 'self'"
    ),
}
OF_CHROMIUM: Final = {
    "the local network": Case(secure=True, step=Step.LOCAL_NETWORK, value="loopback"),
    "the local network, over http": Case(exposed=True, step=Step.LOCAL_NETWORK, value="loopback"),
    "insecure, by WebSocket": Case(
        url="ws://plain.example:{closed}/", secure=True, script=SOCKET, step=Step.MIXED_CONTENT
    ),
    "an image that other sites may not embed": Case(
        Answer((("Content-Type", "image/png"), ("Cross-Origin-Resource-Policy", "same-origin"))),
        script=IMAGE,
        step=Step.RESOURCE_POLICY,
        value="ERR_BLOCKED_BY_RESPONSE.NotSameOrigin",
    ),
}
"""What only Chromium blocks, or has a sentence for."""
_LEADING: Final = {
    Behaviour.CHROMIUM: "ftp://b.example/",
    Behaviour.FIREFOX: "ftp://b.example/",
    Behaviour.WEBKIT: "data:text/plain,b",
}
"""Where a redirect leads that an engine does not follow because of the scheme, and says so."""


def cases_of(engine: Behaviour) -> dict[str, Case]:
    """The cases that an engine can try, by what they are about."""
    leading = Answer((ALLOWED, ("Location", _LEADING[engine])), 302)
    own = {"a redirect to another scheme": Case(leading, step=Step.REDIRECT_SCHEME)}
    return {**CASES, **own, **(OF_CHROMIUM if engine is Behaviour.CHROMIUM else {})}
