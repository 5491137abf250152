"""The sentences that consoles print when they block a page: one table for three engines, and one for older ones.

They are gathered from the engines, and ``tests/e2e/browser/test_sentences.py`` checks each row against its engine.
Those of older versions are from the sources of these. What a text leaves open stands in braces, by the names of
:class:`~cors_service.browser.console.Failure`.

What is printed besides, and does not say why, is left out: after each of Chromium's sentences
"Failed to load resource: net::ERR_FAILED", and after Firefox's about preflights and redirects the one of an exchange
without an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cors_service.browser.browsers import Behaviour
from cors_service.browser.verdict import Step

_CHROMIUM: Final = Behaviour.CHROMIUM
_FIREFOX: Final = Behaviour.FIREFOX
_WEBKIT: Final = Behaviour.WEBKIT


@dataclass(frozen=True, slots=True)
class Sentence:
    """What an engine prints at a step.

    Attributes:
        engine: Who prints it.
        text: The sentence, without what surrounds it.
        steps: The steps that it may stand for, the usual one first; none if it does not say why.
        preflight: Whether the text itself says that the answer to a preflight failed.
        repeated: Whether it is printed only if the header came more than once.
        separated: Whether it is printed only if there is a comma in its value.
        only_for: The value that it is printed for alone; empty for any.
        only_by: What the page must have asked with; empty for anything.
        insecure: Whether it is printed only for a page that came over http.
        alone: Whether nothing surrounds it; see :data:`BEFORE` and :data:`AFTER`.
    """

    engine: Behaviour
    text: str
    steps: tuple[Step, ...] = ()
    preflight: bool = False
    repeated: bool = False
    separated: bool = False
    only_for: str = ""
    only_by: str = ""
    insecure: bool = False
    alone: bool = False


BEFORE: Final = {
    _CHROMIUM: "Access to {what} at '{url}'{redirected} from origin '{origin}' has been blocked by CORS policy: ",
    _FIREFOX: (
        "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at {url}. (Reason: "
    ),
    _WEBKIT: "",
}
"""What comes before a sentence, on the same line."""

REDIRECTED: Final = " (redirected from '{redirected_from}')"
"""What Chromium puts in if the request was redirected."""

ASKED: Final = "Response to preflight request doesn't pass access control check: "
"""What Chromium puts in if the answer to a preflight failed."""

BY_XHR: Final = (
    " The credentials mode of requests initiated by the XMLHttpRequest is controlled by the withCredentials attribute."
)
"""What Chromium puts in if the page asked with an XMLHttpRequest."""

LOADING: Final = "Failed to load resource: "
"""What Chromium prints before the name of an error, where its developer tools have the method and the URL."""

REDIRECTING: Final = "Cross-origin redirection to {leads_to} denied by Cross-Origin Resource Sharing policy: "
"""What WebKit puts before the sentence if it is a redirect that failed."""

AFTER: Final = {_CHROMIUM: "", _FIREFOX: "", _WEBKIT: "{api} cannot load {url} due to access control checks."}
"""What comes after a sentence, on a line of its own."""

ERRORS: Final = ("error", "blocked_by_response", "blocked_by_orb", "blocked_by_network", "blocked_otherwise")
"""What a text leaves open for the name of an error: which names those are differs."""

SCHEMES: Final = (
    "chrome, chrome-experimental-site-token-provider, chrome-extension, chrome-untrusted, data, http, https,"
    " isolated-app"
)
"""The schemes that Chromium names; which ones they are depends on how it was built."""

_VALID: Final = " Have the server send the header with a valid value."

SENTENCES: Final = (
    Sentence(
        _CHROMIUM,
        "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
        (Step.ACAO_MISSING,),
    ),
    Sentence(
        _CHROMIUM,
        "The 'Access-Control-Allow-Origin' header contains multiple values '{value}', but only one is allowed."
        + _VALID,
        (Step.ACAO_MULTIPLE,),
    ),
    Sentence(
        _CHROMIUM,
        "The 'Access-Control-Allow-Origin' header contains the invalid value '{value}'." + _VALID,
        (Step.ACAO_INVALID,),
    ),
    Sentence(
        _CHROMIUM,
        "The 'Access-Control-Allow-Origin' header has a value '{value}' that is not equal to the supplied origin."
        + _VALID,
        (Step.ACAO_MISMATCH,),
    ),
    Sentence(
        _CHROMIUM,
        "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*'"
        " when the request's credentials mode is 'include'.{by_xhr}",
        (Step.ACAO_WILDCARD_WITH_CREDENTIALS,),
    ),
    Sentence(
        _CHROMIUM,
        "The value of the 'Access-Control-Allow-Credentials' header in the response is '{value}'"
        " which must be 'true' when the request's credentials mode is 'include'.{by_xhr}",
        (Step.ACAC_NOT_TRUE,),
    ),
    Sentence(_CHROMIUM, "It does not have HTTP ok status.", (Step.PREFLIGHT_STATUS,)),
    Sentence(_CHROMIUM, "Redirect is not allowed for a preflight request.", (Step.PREFLIGHT_REDIRECT,)),
    Sentence(
        _CHROMIUM,
        "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
        (Step.ACAM_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _CHROMIUM,
        "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
        (Step.ACAH_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _CHROMIUM,
        "Method {value} is not allowed by Access-Control-Allow-Methods in preflight response.",
        (Step.METHOD_NOT_IN_ACAM,),
        preflight=True,
    ),
    Sentence(
        _CHROMIUM,
        "Request header field {value} is not allowed by Access-Control-Allow-Headers in preflight response.",
        (Step.HEADER_NOT_IN_ACAH, Step.AUTHORIZATION_NOT_IN_ACAH),
        preflight=True,
    ),
    Sentence(
        _CHROMIUM,
        "Redirect location '{value}' contains a username and password, which is disallowed for cross-origin requests.",
        (Step.REDIRECT_WITH_CREDENTIALS,),
    ),
    Sentence(_CHROMIUM, "{loading}net::{too_many_redirects}", (Step.REDIRECT_LIMIT,), alone=True),
    Sentence(_CHROMIUM, "{loading}net::{blocked_by_response}", (Step.RESOURCE_POLICY,), alone=True),
    # These two are of the developer tools alone: they name the error beside each request.
    Sentence(_CHROMIUM, "{loading}net::{blocked_by_orb}", (Step.OPAQUE_RESPONSE,), alone=True),
    Sentence(_CHROMIUM, "{loading}net::{blocked_otherwise}", (Step.BLOCKED_BY_CLIENT,), alone=True),
    Sentence(_CHROMIUM, "{loading}net::{error}", (Step.NETWORK_ERROR,), alone=True),
    Sentence(
        _CHROMIUM,
        'Fetch API cannot load {url}. URL scheme "{value}" is not supported.',
        (Step.URL_SCHEME,),
        alone=True,
    ),
    # Also of XMLHttpRequest, and of modules and fonts beside a page that was opened from a file.
    Sentence(
        _CHROMIUM,
        "Cross origin requests are only supported for protocol schemes: {schemes}.",
        (Step.URL_SCHEME, Step.REDIRECT_SCHEME),
    ),
    Sentence(
        _CHROMIUM,
        "Connecting to '{url}' violates the following Content Security Policy directive: \"{directive}\"."
        "{fallback} The action has been blocked.",
        (Step.CONTENT_SECURITY_POLICY,),
        alone=True,
    ),
    Sentence(
        _CHROMIUM,
        "Mixed Content: The page at '{page}' was loaded over HTTPS, but attempted to connect to the insecure WebSocket"
        " endpoint '{url}'. This request has been blocked; this endpoint must be available over WSS.",
        (Step.MIXED_CONTENT,),
        only_by="WebSocket",
        alone=True,
    ),
    Sentence(
        _CHROMIUM,
        "Mixed Content: The page at '{page}' was loaded over HTTPS, but requested an insecure {kind} '{url}'."
        " This request has been blocked; the content must be served over HTTPS.",
        (Step.MIXED_CONTENT,),
        alone=True,
    ),
    Sentence(
        _CHROMIUM,
        "The request client is not a secure context and the resource is in more-private address space `{value}`.",
        (Step.LOCAL_NETWORK,),
        insecure=True,
    ),
    Sentence(
        _CHROMIUM,
        "Permission was denied for this request to access the `{value}` address space.",
        (Step.LOCAL_NETWORK,),
    ),
    Sentence(_CHROMIUM, "{loading}net::{blocked_by_network}", (Step.LOCAL_NETWORK,), only_by="WebSocket", alone=True),
    Sentence(
        _CHROMIUM,
        "Failed to execute 'fetch' on 'Window': '{value}' HTTP method is unsupported.",
        (Step.METHOD_FORBIDDEN,),
        alone=True,
    ),
    Sentence(
        _FIREFOX, "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: {status}.", (Step.ACAO_MISSING,)
    ),
    Sentence(
        _FIREFOX,
        "Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed).",
        (Step.ACAO_MULTIPLE,),
        repeated=True,
    ),
    Sentence(
        _FIREFOX,
        "CORS header ‘Access-Control-Allow-Origin’ does not match ‘{value}’).",
        (Step.ACAO_MISMATCH, Step.ACAO_INVALID, Step.ACAO_MULTIPLE),
    ),
    Sentence(
        _FIREFOX,
        "Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’).",
        (Step.ACAO_WILDCARD_WITH_CREDENTIALS,),
    ),
    Sentence(
        _FIREFOX,
        "expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’).",
        (Step.ACAC_NOT_TRUE,),
    ),
    Sentence(
        _FIREFOX,
        "CORS preflight response did not succeed). Status code: {status}.",
        (Step.PREFLIGHT_STATUS,),
        preflight=True,
    ),
    Sentence(_FIREFOX, "CORS request external redirect not allowed).", (Step.PREFLIGHT_REDIRECT,), preflight=True),
    Sentence(
        _FIREFOX,
        "invalid token ‘{value}’ in CORS header ‘Access-Control-Allow-Methods’).",
        (Step.ACAM_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _FIREFOX,
        "invalid token ‘{value}’ in CORS header ‘Access-Control-Allow-Headers’).",
        (Step.ACAH_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _FIREFOX,
        "Did not find method in CORS header ‘Access-Control-Allow-Methods’).",
        (Step.METHOD_NOT_IN_ACAM,),
        preflight=True,
    ),
    Sentence(
        _FIREFOX,
        "header ‘{value}’ is not allowed according to header ‘Access-Control-Allow-Headers’"
        " from CORS preflight response).",
        (Step.HEADER_NOT_IN_ACAH, Step.AUTHORIZATION_NOT_IN_ACAH),
        preflight=True,
    ),
    Sentence(
        _FIREFOX,
        "CORS request did not succeed). Status code: {status}.",
        (Step.NETWORK_ERROR, Step.REDIRECT_WITH_CREDENTIALS, Step.REDIRECT_LIMIT),
    ),
    Sentence(_FIREFOX, "CORS request not http).", (Step.URL_SCHEME, Step.REDIRECT_SCHEME)),
    Sentence(
        _FIREFOX,
        "Content-Security-Policy: The page’s settings blocked the loading of a resource (connect-src) at {url}"
        " because it violates the following directive: “{value}”",
        (Step.CONTENT_SECURITY_POLICY,),
        alone=True,
    ),
    Sentence(_FIREFOX, "Blocked loading mixed active content “{url}”", (Step.MIXED_CONTENT,), alone=True),
    Sentence(_FIREFOX, "Window.fetch: Invalid request method {value}.", (Step.METHOD_FORBIDDEN,), alone=True),
    Sentence(
        _WEBKIT,
        "Access-Control-Allow-Origin cannot contain more than one origin.",
        (Step.ACAO_MULTIPLE,),
        separated=True,
    ),
    Sentence(
        _WEBKIT,
        "Origin {sent_origin} is not allowed by Access-Control-Allow-Origin. Status code: {status}",
        (Step.ACAO_MISSING, Step.ACAO_MISMATCH, Step.ACAO_INVALID, Step.ACAO_MULTIPLE),
    ),
    Sentence(
        _WEBKIT,
        "Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true.",
        (Step.ACAO_WILDCARD_WITH_CREDENTIALS,),
    ),
    Sentence(
        _WEBKIT,
        'Credentials flag is true, but Access-Control-Allow-Credentials is not "true".',
        (Step.ACAC_NOT_TRUE,),
    ),
    Sentence(
        _WEBKIT,
        "Preflight response is not successful. Status code: {status}",
        (Step.PREFLIGHT_STATUS, Step.PREFLIGHT_REDIRECT),
        preflight=True,
    ),
    Sentence(
        _WEBKIT,
        "Header Access-Control-Allow-Methods has an invalid value: {value}",
        (Step.ACAM_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _WEBKIT,
        "Header Access-Control-Allow-Headers has an invalid value: {value}",
        (Step.ACAH_MALFORMED,),
        preflight=True,
    ),
    Sentence(
        _WEBKIT,
        "Method {value} is not allowed by Access-Control-Allow-Methods.",
        (Step.METHOD_NOT_IN_ACAM,),
        preflight=True,
    ),
    Sentence(
        _WEBKIT,
        "Request header field {value} is not allowed by Access-Control-Allow-Headers.",
        (Step.HEADER_NOT_IN_ACAH, Step.AUTHORIZATION_NOT_IN_ACAH),
        preflight=True,
    ),
    Sentence(_WEBKIT, "redirection URL {with_credentials} has credentials", (Step.REDIRECT_WITH_CREDENTIALS,)),
    Sentence(
        _WEBKIT,
        "not allowed to follow a cross-origin CORS redirection with non CORS scheme",
        (Step.REDIRECT_SCHEME,),
    ),
    Sentence(_WEBKIT, "Load cannot follow more than 20 redirections", (Step.REDIRECT_LIMIT,)),
    Sentence(
        _WEBKIT,
        "Connection terminated unexpectedly",
        (Step.NETWORK_ERROR,),
        preflight=True,
        only_for="ERR_EMPTY_RESPONSE",
    ),
    Sentence(_WEBKIT, "Could not connect to {host}: Connection refused", (Step.NETWORK_ERROR,), preflight=True),
    Sentence(_WEBKIT, "Cross origin requests are only supported for HTTP.", (Step.URL_SCHEME,)),
    Sentence(
        _WEBKIT,
        "Refused to connect to {url} because it does not appear in the connect-src directive of the"
        " Content Security Policy.",
        (Step.CONTENT_SECURITY_POLICY,),
        alone=True,
    ),
    Sentence(
        _WEBKIT,
        "[blocked] The page at {page} requested insecure content from {url}."
        " This content was blocked and must be served over HTTPS.",
        (Step.MIXED_CONTENT,),
        alone=True,
    ),
    Sentence(_WEBKIT, "TypeError: Method is forbidden.", (Step.METHOD_FORBIDDEN,), alone=True),
)
"""Each engine's sentences; of several for one step and engine, the first one is the usual one."""

OLDER: Final = (
    Sentence(
        _CHROMIUM,
        "Refused to connect to '{url}' because it violates the following Content Security Policy directive:"
        ' "{directive}".{fallback}',
        (Step.CONTENT_SECURITY_POLICY,),
        alone=True,
    ),
    Sentence(
        _CHROMIUM,
        "Refused to connect to '{url}' because it violates the document's Content Security Policy.",
        (Step.CONTENT_SECURITY_POLICY,),
        alone=True,
    ),
    Sentence(_FIREFOX, "CORS preflight channel did not succeed).", (Step.PREFLIGHT_STATUS,), preflight=True),
    Sentence(
        _FIREFOX,
        "missing token ‘{value}’ in CORS header ‘Access-Control-Allow-Headers’ from CORS preflight channel).",
        (Step.HEADER_NOT_IN_ACAH, Step.AUTHORIZATION_NOT_IN_ACAH),
        preflight=True,
    ),
)
"""What older versions printed in place of a sentence of the table: it is recognised, and not written any more."""
