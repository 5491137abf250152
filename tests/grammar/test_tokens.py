"""Tests of methods and header names: tokens, normal forms, and what no policy may grant."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.pattern import ANY
from cors_service.grammar.tokens import (
    is_forbidden_exposed_header,
    is_forbidden_method,
    is_forbidden_request_header,
    is_token,
    normalize_method,
)
from cors_service.policy import read_document
from cors_service.policy.model import Rule
from tests.policy.documents import codes_in, mistakes_in, rule

# RFC 9110, 5.6.2.
TOKEN_CHARS = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters


@given(st.text(st.sampled_from(TOKEN_CHARS) | st.characters(max_codepoint=0x250), max_size=4))
def test_token(text: str) -> None:
    """A token is one or more of the characters that RFC 9110 lists, and nothing else."""
    expected = text != "" and all(char in TOKEN_CHARS for char in text)
    assert expected == is_token(text)


def test_every_token_character() -> None:
    """Each of these characters is a token by itself."""
    assert set(TOKEN_CHARS) == set(filter(is_token, map(chr, range(0x250))))


METHODS = {
    "upper-cased: delete": ("delete", "DELETE"),
    "upper-cased: get": ("gEt", "GET"),
    "upper-cased: head": ("Head", "HEAD"),
    "upper-cased: options": ("options", "OPTIONS"),
    "upper-cased: post": ("post", "POST"),
    "upper-cased: put": ("puT", "PUT"),
    "as it is: patch": ("patch", "patch"),
    "as it is: an own method": ("Purge", "Purge"),
    "as it is: a forbidden method": ("trace", "trace"),
    "as it is: a letter whose upper case is ASCII": ("optıons", "optıons"),
    "as it is: the long s": ("poſt", "poſt"),
    "as it is: nothing": ("", ""),
}


@pytest.mark.parametrize(("method", "expected"), METHODS.values(), ids=METHODS)
def test_normalize_method(method: str, expected: str) -> None:
    """Six methods are upper-cased, and no others, as by Fetch, #concept-method-normalize."""
    assert expected == normalize_method(method)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("CONNECT", True), ("trace", True), ("Track", True), ("GET", False), ("TRACER", False), ("", False)],
)
def test_forbidden_method(method: str, *, expected: bool) -> None:
    """CONNECT, TRACE and TRACK are forbidden, whatever their case (Fetch, #forbidden-method)."""
    assert expected == is_forbidden_method(method)


# Fetch, #forbidden-request-header.
FORBIDDEN_REQUEST_HEADERS = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "proxy-",
    "proxy-authorization",
    "sec-",
    "sec-fetch-mode",
    "sec-websocket-key",
]
REQUEST_HEADERS = [
    "accept",
    "accept-language",
    "authorization",
    "content-language",
    "content-type",
    "range",
    "x-requested-with",
    "if-none-match",
    "user-agent",
    "cookies",
    "x-cookie",
    "x-sec-y",
    "proxyx",
    "security",
    "access-control-allow-origin",
    "access-control-request-",
    "access-control-request-private-network",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [*((name, True) for name in FORBIDDEN_REQUEST_HEADERS), *((name, False) for name in REQUEST_HEADERS)],
)
def test_forbidden_request_header(name: str, *, expected: bool) -> None:
    """The request headers that no page can set are those that Fetch lists, and no others that pages do set."""
    assert expected == is_forbidden_request_header(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("set-cookie", True),
        ("set-cookie2", True),
        ("access-control-allow-methods", True),
        ("access-control-allow-headers", True),
        ("access-control-max-age", True),
        ("access-control-request-method", True),
        ("access-control-request-headers", True),
        ("origin", True),
        ("host", True),
        ("cookie", True),
        ("cookie2", True),
        ("etag", False),
        ("x-request-id", False),
        ("set-cookies", False),
    ],
)
def test_forbidden_exposed_header(name: str, *, expected: bool) -> None:
    """What can't be read by a page, or has no place in an actual response, can't be exposed."""
    assert expected == is_forbidden_exposed_header(name)


def read_rule(**keys: object) -> Rule:
    """Read a rule of everybody's."""
    return read_document(rule("*", **keys)).policies["a"].rules[0]


METHOD_LISTS = {
    "GET implies HEAD right behind it": (["PUT", "GET", "DELETE"], ("PUT", "GET", "HEAD", "DELETE")),
    "HEAD that is listed later moves behind GET": (["GET", "POST", "HEAD"], ("GET", "HEAD", "POST")),
    "HEAD that is listed earlier stays": (["HEAD", "GET"], ("HEAD", "GET")),
    "HEAD alone": (["HEAD"], ("HEAD",)),
    "normalised, and each once": (["get", "GET", "put", "PUT"], ("GET", "HEAD", "PUT")),
    "patch is not PATCH": (["patch", "PATCH"], ("patch", "PATCH")),
    "every method": (["*"], ("*",)),
}


@pytest.mark.parametrize(("written", "expected"), METHOD_LISTS.values(), ids=METHOD_LISTS)
def test_methods_of_a_rule(written: list[str], expected: tuple[str, ...]) -> None:
    """The methods of a rule are normalised and keep their order."""
    assert expected == read_rule(methods=written).methods


def test_protocol_headers_of_a_rule() -> None:
    """Pages may send headers that mean something in answers only, so a rule may grant them."""
    read = read_rule(request_headers=["Access-Control-Allow-Origin", "access-control-*"])
    assert read.request_headers == ("access-control-allow-origin", "access-control-*")


def test_names_of_a_rule() -> None:
    """Header names are compared in lower case, so each is kept once, in lower case, in the order written."""
    read = read_rule(request_headers=["X-B", "x-a", "X-A", "X-P-*", "*"], expose_headers=["ETag", "*", "etag"])
    assert read.request_headers == ("x-b", "x-a", "x-p-*", "*")
    assert read.expose_headers == ("etag", "*")


def test_defaults_of_a_rule() -> None:
    """A rule that says nothing but its origins grants GET, HEAD and POST, and nothing else."""
    assert Rule(origins=(ANY,), methods=("GET", "HEAD", "POST")) == read_rule()


GRANTS = {
    "a method with a blank": ("methods", "GET ", "method-malformed"),
    "no method": ("methods", "", "method-malformed"),
    "several methods in one item": ("methods", "GET,PUT", "method-malformed"),
    "a method beyond ASCII": ("methods", "É", "method-malformed"),
    "a method whose upper case is ASCII": ("methods", "optıons", "method-malformed"),
    "a forbidden method": ("methods", "TRACE", "method-forbidden"),
    "a forbidden method in lower case": ("methods", "connect", "method-forbidden"),
    "a request header with a blank": ("request_headers", "x y", "request-header-malformed"),
    "no request header": ("request_headers", "", "request-header-malformed"),
    "several request headers in one item": ("request_headers", "x-a, x-b", "request-header-malformed"),
    "a header beyond ASCII": ("request_headers", "x-é", "request-header-malformed"),
    "a prefix beyond ASCII": ("request_headers", "é*", "request-header-malformed"),
    "the Kelvin sign": ("request_headers", "\u212aey", "request-header-malformed"),
    "two stars": ("request_headers", "**", "request-header-malformed"),
    "a star in front": ("request_headers", "*-x", "request-header-malformed"),
    "a forbidden request header": ("request_headers", "Cookie", "request-header-forbidden"),
    "a prefix of forbidden request headers": ("request_headers", "Sec-*", "request-header-forbidden"),
    "a header of the protocol": ("request_headers", "Access-Control-Request-Method", "request-header-forbidden"),
    "an exposed header with a colon": ("expose_headers", "x:", "expose-header-malformed"),
    "no exposed header": ("expose_headers", "", "expose-header-malformed"),
    "an exposed prefix, which the standard does not have": ("expose_headers", "x-*", "expose-header-malformed"),
    "a header that can't be exposed": ("expose_headers", "Set-Cookie", "expose-header-forbidden"),
}


@pytest.mark.parametrize(("key", "value", "code"), GRANTS.values(), ids=GRANTS)
def test_no_grant(key: str, value: str, code: str) -> None:
    """What is no token, or what no page may send or read, is refused with its own code, at its own place."""
    found = mistakes_in(rule("*", **{key: ["x-fine" if key != "methods" else "GET", value]}))
    assert [(code, ("policies", "a", key, 1), value)] == [(one.code, one.path, one.value) for one in found]


def test_any_exposed_header_with_credentials() -> None:
    """With credentials `*` is the name of a header, so it can't be exposed."""
    expected = ["any-header-with-credentials"]
    assert expected == codes_in(rule("https://a.example", credentials=True, expose_headers=["*"]))


def test_any_requested_header_with_credentials() -> None:
    """`*` among the request headers is never sent as such, so a rule with credentials may have it."""
    expected: list[str] = []
    document = rule("https://a.example", credentials=True, request_headers=["*", "authorization"], methods=["*"])
    assert expected == codes_in(document)
