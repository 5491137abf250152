"""The browser model, step by step: https://fetch.spec.whatwg.org/."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.browser import (
    Behaviour,
    Request,
    Step,
    Verdict,
    cors_check,
    fetch_verdict,
    preflight_check,
    preflight_headers,
)
from cors_service.browser.browsers import CHROMIUM_MAX_AGE_CAP, FIREFOX_MAX_AGE_CAP
from cors_service.browser.cache import (
    CacheEntry,
    preflight_cache_after,
    preflight_cache_entries,
    preflight_max_age,
    satisfied_by_cache,
)
from cors_service.browser.request import (
    actual_headers,
    is_forbidden_request_header,
    is_safelisted_request_header,
    needs_preflight,
    normalize_method,
    unsafe_request_header_names,
)
from cors_service.browser.sharing import corp_check, exposed_headers, tao_check

PAGE = "https://a.example"
URL = "https://service.example/things"
ACAO = ("Access-Control-Allow-Origin", PAGE)
ACAC = ("Access-Control-Allow-Credentials", "true")
STAR = ("Access-Control-Allow-Origin", "*")

Lines = tuple[tuple[str, str], ...]


def page(
    method: str = "GET",
    *headers: tuple[str, str],
    credentials: bool = False,
    origin: str = PAGE,
    url_origin: str | None = None,
    use_cors_preflight: bool = False,
) -> Request:
    """Make a request of the page under test."""
    return Request(origin, URL, url_origin, method, headers, credentials, use_cors_preflight)


def acam(*values: str) -> Lines:
    """Write Access-Control-Allow-Methods, a line for each value."""
    return tuple(("Access-Control-Allow-Methods", value) for value in values)


def acah(*values: str) -> Lines:
    """Write Access-Control-Allow-Headers, a line for each value."""
    return tuple(("Access-Control-Allow-Headers", value) for value in values)


def max_age(*values: str) -> Lines:
    """Write Access-Control-Max-Age, a line for each value."""
    return tuple(("Access-Control-Max-Age", value) for value in values)


def acao(*values: str) -> Lines:
    """Write Access-Control-Allow-Origin, a line for each value."""
    return tuple(("Access-Control-Allow-Origin", value) for value in values)


class TestRequest:
    """What a page can ask for."""

    @pytest.mark.parametrize(
        ("method", "sent"),
        [
            ("get", "GET"),
            ("Delete", "DELETE"),
            ("hEAD", "HEAD"),
            ("options", "OPTIONS"),
            ("post", "POST"),
            ("put", "PUT"),
            ("patch", "patch"),
            ("PATCH", "PATCH"),
            ("query", "query"),
            ("*", "*"),
            ("connect", "connect"),
        ],
    )
    def test_method_is_normalised(self, method: str, sent: str) -> None:
        """Six methods are upper-cased, and no other."""
        assert sent == normalize_method(method)
        assert sent == page(method).method

    def test_only_ascii_is_upper_cased(self) -> None:
        """A letter whose capital is an ASCII letter makes no ASCII method."""
        assert normalize_method("opt\u0131ons") == "opt\u0131ons"

    @pytest.mark.parametrize("method", ["", "GE T", "GET\n", "G\u00cbT", "a,b", "\uff27ET"])
    def test_method_must_be_a_token(self, method: str) -> None:
        """A method that is not a token makes no request."""
        with pytest.raises(ValueError, match="token"):
            page(method)

    @pytest.mark.parametrize(
        "header", [("", "v"), ("x y", "v"), ("x:", "v"), ("x", "a\nb"), ("x", "\u0100"), ("x", "\0")]
    )
    def test_header_must_be_well_formed(self, header: tuple[str, str]) -> None:
        """A name that is not a token, or a value with a line break, makes no request."""
        with pytest.raises(ValueError, match=r"token|value"):
            page("GET", header)

    @pytest.mark.parametrize("origin", ["https://a.example\r\nX: y", "https://\u0131.example"])
    def test_origin_must_be_a_header_value(self, origin: str) -> None:
        """An origin that no Origin header could carry makes no request."""
        with pytest.raises(ValueError, match="value"):
            page(origin=origin)

    def test_value_loses_its_whitespace(self) -> None:
        """The whitespace around a value is no part of it."""
        assert page("GET", ("X-A", "\t b c \r\n")).headers == (("X-A", "b c"),)

    @pytest.mark.parametrize(
        ("name", "value", "forbidden"),
        [
            ("Cookie", "a=b", True),
            ("ORIGIN", PAGE, True),
            ("Access-Control-Request-Method", "PUT", True),
            ("Proxy-Anything", "", True),
            ("sec-fetch-mode", "cors", True),
            ("Set-Cookie", "a=b", True),
            ("X-HTTP-Method-Override", "GET, trace", True),
            ("X-HTTP-Method-Override", "DELETE", False),
            ("X-HTTP-Method-Override", '"TRACE"', False),
            ("Proxy", "", False),
            ("Authorization", "Basic x", False),
            ("User-Agent", "x", False),
        ],
    )
    def test_forbidden_request_headers(self, name: str, value: str, forbidden: bool) -> None:
        """A page cannot set the headers that the browser keeps to itself: they vanish."""
        assert forbidden == is_forbidden_request_header(name, value)
        assert (() if forbidden else ((name, value),)) == page("GET", (name, value)).headers

    def test_same_origin_is_equality(self) -> None:
        """A page and a URL of the same origin are same-origin, two opaque origins are not."""
        assert page(url_origin=PAGE).same_origin
        assert not page(url_origin=PAGE + ":8443").same_origin
        assert not page(origin="null", url_origin="null").same_origin
        assert not page().same_origin


SAFELISTED = [
    ("Accept", "*/*", True),
    ("accept", "text/html;q=0.9, \u00e9", True),
    ("ACCEPT", "a\tb", True),
    ("Accept", "a:b", False),
    ("Accept", 'a"b', False),
    ("Accept", "(a)", False),
    ("Accept", "a\x1fb", False),
    ("Accept", "a\x7fb", False),
    ("Accept", "a\\b", False),
    ("Accept", "a" * 128, True),
    ("Accept", "a" * 129, False),
    ("Accept-Language", "en-GB, de;q=0.5, *", True),
    ("Accept-Language", "en_GB", False),
    ("Content-Language", "de", True),
    ("Content-Language", "de\t", False),
    ("Content-Type", "text/plain", True),
    ("Content-Type", "Text/Plain;charset=UTF-8", True),
    ("Content-Type", "text/plain ; x", True),
    ("Content-Type", "multipart/form-data; boundary=x", True),
    ("Content-Type", 'multipart/form-data; boundary="x"', False),
    ("Content-Type", "application/x-www-form-urlencoded", True),
    ("Content-Type", "application/json", False),
    ("Content-Type", "text/plain, application/json", False),
    ("Content-Type", "text/plain;" + "x" * 117, True),
    ("Content-Type", "text/plain;" + "x" * 118, False),
    ("Content-Type", "text", False),
    ("Content-Type", "/plain", False),
    ("Content-Type", "", False),
    ("Range", "bytes=0-", True),
    ("Range", "bytes=5-5", True),
    ("Range", "bytes=6-5", False),
    ("Range", "bytes=-5", False),
    ("Range", "bytes=0-1,3-4", False),
    ("Range", "bytes= 0-1", False),
    ("Range", "Bytes=0-1", False),
    ("Range", "bytes=\u0663-", False),
    ("Authorization", "", False),
    ("DPR", "1", False),
]


class TestPreflight:
    """When a preflight is sent, and what it says."""

    @pytest.mark.parametrize(("name", "value", "safe"), SAFELISTED)
    def test_safelisted_request_header(self, name: str, value: str, safe: bool) -> None:
        """A header is safelisted by its name, its bytes and its length."""
        assert safe == is_safelisted_request_header(name, value)

    def test_unsafe_names_are_lower_case_sorted_and_unique(self) -> None:
        """The unsafe names are a sorted set in lower case, without the safelisted ones."""
        headers = [("X-B", "1"), ("x-a", "2"), ("x-b", "3"), ("Accept", "*/*"), ("X-10", ""), ("x-9", "")]
        assert unsafe_request_header_names(headers) == ("x-10", "x-9", "x-a", "x-b")

    @pytest.mark.parametrize(("length", "names"), [(128, ()), (129, ("accept",))])
    def test_a_safelisted_value_has_128_bytes_at_most(self, length: int, names: tuple[str, ...]) -> None:
        """A longer value makes its name unsafe."""
        assert names == unsafe_request_header_names([("Accept", "a" * length)])

    @pytest.mark.parametrize(("extra", "names"), [("", ()), ("a", ("accept", "content-language"))])
    def test_safelisted_values_have_1024_bytes_at_most(self, extra: str, names: tuple[str, ...]) -> None:
        """Beyond it every safelisted name becomes unsafe."""
        headers = [("Accept", "a" * 128)] * 8 + [("Content-Language", extra)]
        assert names == unsafe_request_header_names(headers)

    @pytest.mark.parametrize(
        ("request_", "needed"),
        [
            (page("GET"), False),
            (page("head"), False),
            (page("POST", ("Content-Type", "text/plain")), False),
            (page("POST", ("Content-Type", "application/json")), True),
            (page("PUT"), True),
            (page("OPTIONS"), True),
            (page("GET", ("X-A", "1")), True),
            (page("GET", ("Cookie", "a=b")), False),
            (page("GET", use_cors_preflight=True), True),
            (page("PUT", ("X-A", "1"), url_origin=PAGE), False),
            (page("PUT", origin="null", url_origin="null"), True),
        ],
    )
    def test_when_a_preflight_is_needed(self, request_: Request, needed: bool) -> None:
        """A preflight is needed across origins, for an unsafe method or header, or when flagged."""
        assert needed == needs_preflight(request_)

    def test_what_a_preflight_says(self) -> None:
        """A preflight names the method as it is, and the unsafe headers joined by bare commas."""
        expected = (
            ("Accept", "*/*"),
            ("Access-Control-Request-Method", "patch"),
            ("Access-Control-Request-Headers", "authorization,content-type,x-a"),
            ("Origin", PAGE),
        )
        headers = (
            ("X-A", "1"),
            ("Content-Type", "application/json"),
            ("Authorization", "x"),
            ("Accept", "*/*"),
        )
        assert expected == preflight_headers(page("patch", *headers))

    def test_a_preflight_without_unsafe_headers(self) -> None:
        """A preflight has no Access-Control-Request-Headers when no header is unsafe."""
        names = [name for name, _ in preflight_headers(page("PUT", ("Accept", "*/*")))]
        assert names == ["Accept", "Access-Control-Request-Method", "Origin"]

    @pytest.mark.parametrize(
        ("request_", "origin"),
        [
            (page("GET"), True),
            (page("GET", url_origin=PAGE), False),
            (page("HEAD", url_origin=PAGE), False),
            (page("POST", url_origin=PAGE), True),
            (page("PUT", url_origin=PAGE), True),
            (page("GET", origin="null", url_origin="null"), True),
        ],
    )
    def test_where_origin_is_sent(self, request_: Request, origin: bool) -> None:
        """Origin is sent across origins, and with every method but GET and HEAD."""
        assert origin == (("Origin", request_.origin) in actual_headers(request_))

    def test_what_the_request_says(self) -> None:
        """The request carries what the page set."""
        assert actual_headers(page("PUT", ("X-A", "1"))) == (("X-A", "1"), ("Origin", PAGE))


CORS_CHECKS: list[tuple[str, Request, Lines, Step]] = [
    ("exact", page(), (ACAO,), Step.ALLOWED),
    ("name in any case", page(), (("ACCESS-control-allow-ORIGIN", PAGE),), Step.ALLOWED),
    ("surrounding blanks", page(), acao(f" {PAGE}\t"), Step.ALLOWED),
    ("missing", page(), (), Step.ACAO_MISSING),
    ("missing, others there", page(), (ACAC, *acam("GET")), Step.ACAO_MISSING),
    ("empty", page(), acao(""), Step.ACAO_INVALID),
    ("no scheme", page(), acao("a.example"), Step.ACAO_INVALID),
    ("wildcard host", page(), acao("*.example"), Step.ACAO_INVALID),
    ("scheme without host", page(), acao("https://"), Step.ACAO_INVALID),
    ("two lines", page(), acao(PAGE, PAGE), Step.ACAO_MULTIPLE),
    ("two lines, one empty", page(), acao("", PAGE), Step.ACAO_MULTIPLE),
    ("two lines, one star", page(), acao("*", PAGE), Step.ACAO_MULTIPLE),
    ("a list in one line", page(), acao(f"{PAGE}, https://b.example"), Step.ACAO_MULTIPLE),
    ("a list by spaces", page(), acao(f"{PAGE} https://b.example"), Step.ACAO_MULTIPLE),
    ("trailing slash", page(), acao(PAGE + "/"), Step.ACAO_MISMATCH),
    ("upper case", page(), acao("https://A.example"), Step.ACAO_MISMATCH),
    ("default port", page(), acao(PAGE + ":443"), Step.ACAO_MISMATCH),
    ("other scheme", page(), acao("http://a.example"), Step.ACAO_MISMATCH),
    ("null for an origin", page(), acao("null"), Step.ACAO_MISMATCH),
    ("null for null", page(origin="null"), acao("null"), Step.ALLOWED),
    ("Null for null", page(origin="null"), acao("Null"), Step.ACAO_INVALID),
    ("an origin for null", page(origin="null"), (ACAO,), Step.ACAO_MISMATCH),
    ("star", page(), (STAR,), Step.ALLOWED),
    ("star for null", page(origin="null"), (STAR,), Step.ALLOWED),
    ("star and ACAC, no credentials", page(), (STAR, ACAC), Step.ALLOWED),
    ("star with credentials", page(credentials=True), (STAR, ACAC), Step.ACAO_WILDCARD_WITH_CREDENTIALS),
    ("two stars", page(), (STAR, STAR), Step.ACAO_MULTIPLE),
    ("credentials", page(credentials=True), (ACAO, ACAC), Step.ALLOWED),
    ("credentials for null", page(origin="null", credentials=True), (*acao("null"), ACAC), Step.ALLOWED),
    ("ACAC missing", page(credentials=True), (ACAO,), Step.ACAC_NOT_TRUE),
    ("ACAC irrelevant", page(), (ACAO, (ACAC[0], "nonsense")), Step.ALLOWED),
    ("ACAC True", page(credentials=True), (ACAO, (ACAC[0], "True")), Step.ACAC_NOT_TRUE),
    ("ACAC false", page(credentials=True), (ACAO, (ACAC[0], "false")), Step.ACAC_NOT_TRUE),
    ("ACAC twice", page(credentials=True), (ACAO, ACAC, ACAC), Step.ACAC_NOT_TRUE),
    ("ACAC with blanks", page(credentials=True), (ACAO, (ACAC[0], " true ")), Step.ALLOWED),
    ("ACAO before ACAC", page(credentials=True), ((ACAC[0], "no"),), Step.ACAO_MISSING),
]


class TestCorsCheck:
    """The check of any answer: https://fetch.spec.whatwg.org/#cors-check."""

    @pytest.mark.parametrize(
        ("request_", "headers", "step"),
        [case[1:] for case in CORS_CHECKS],
        ids=[case[0] for case in CORS_CHECKS],
    )
    def test_steps(self, request_: Request, headers: Lines, step: Step) -> None:
        """One Access-Control-Allow-Origin, byte for byte or a star, and with credentials ``true``."""
        verdict = cors_check(request_, headers)
        assert (step, step is Step.ALLOWED) == (verdict.step, verdict.allowed)

    def test_a_verdict_cites_the_standard(self) -> None:
        """A verdict names the section and the step, and the value that failed."""
        verdict = cors_check(page(), acao(PAGE + "/"))
        assert verdict.anchor == "https://fetch.spec.whatwg.org/#cors-check"
        assert verdict.clause == "CORS check, step 4"
        assert verdict.value == PAGE + "/"

    def test_a_verdict_is_a_value(self) -> None:
        """A verdict equals its like, hashes, and cannot be changed."""
        verdict = cors_check(page(), (ACAO,))
        assert Verdict(Step.ALLOWED) == verdict
        assert hash(Verdict(Step.ALLOWED)) == hash(verdict)
        with pytest.raises(AttributeError):
            verdict.step = Step.ACAO_MISSING  # type: ignore[misc]

    def test_every_step_is_cited(self) -> None:
        """Each code has a section of the standard and a step."""
        elsewhere = {
            Step.OPAQUE_RESPONSE,
            Step.BLOCKED_BY_CLIENT,
            Step.MIXED_CONTENT,
            Step.CONTENT_SECURITY_POLICY,
            Step.LOCAL_NETWORK,
        }
        for step in Step:
            assert step.anchor.startswith("https://fetch.spec.whatwg.org/#") == (step not in elsewhere)
            assert step.anchor.startswith("https://")
            assert step.clause

    def test_a_code_is_its_string(self) -> None:
        """A step prints as its code and is found by it."""
        assert str(Step.ACAO_MISSING) == "acao-missing"
        assert Step.ACAO_MISSING is Step("acao-missing")


X_A = ("X-A", "1")
AUTH = ("Authorization", "Bearer x")
GRANTED = Step.ALLOWED
PREFLIGHTS: list[tuple[str, Request, int, Lines, Step]] = [
    ("CORS check first", page("PUT"), 404, (), Step.ACAO_MISSING),
    (
        "CORS check with credentials",
        page("PUT", credentials=True),
        204,
        (ACAO, *acam("PUT")),
        Step.ACAC_NOT_TRUE,
    ),
    ("200", page("PUT"), 200, (ACAO, *acam("PUT")), GRANTED),
    ("204", page("PUT"), 204, (ACAO, *acam("PUT")), GRANTED),
    ("299", page("PUT"), 299, (ACAO, *acam("PUT")), GRANTED),
    ("199", page("PUT"), 199, (ACAO, *acam("PUT")), Step.PREFLIGHT_STATUS),
    ("300", page("PUT"), 300, (ACAO, *acam("PUT")), Step.PREFLIGHT_STATUS),
    ("403", page("PUT"), 403, (ACAO, *acam("PUT")), Step.PREFLIGHT_STATUS),
    ("redirect", page("PUT"), 307, (ACAO, *acam("PUT"), ("Location", "/x")), Step.PREFLIGHT_REDIRECT),
    ("redirect, CORS check first", page("PUT"), 307, (("Location", "/x"),), Step.ACAO_MISSING),
    ("redirect to nowhere", page("PUT"), 307, (ACAO, *acam("PUT")), Step.PREFLIGHT_STATUS),
    ("ACAM bad member", page("PUT"), 204, (ACAO, *acam("PUT, P T")), Step.ACAM_MALFORMED),
    ("ACAM bad line", page("PUT"), 204, (ACAO, *acam("PUT", "G(T")), Step.ACAM_MALFORMED),
    ("ACAM bad, not needed", page("GET", X_A), 204, (ACAO, *acam("/"), *acah("x-a")), Step.ACAM_MALFORMED),
    ("ACAM quoted", page("PUT"), 204, (ACAO, *acam('"PUT"')), Step.ACAM_MALFORMED),
    ("ACAM semicolons", page("PUT"), 204, (ACAO, *acam("GET; PUT")), Step.ACAM_MALFORMED),
    ("ACAM before ACAH", page("PUT"), 204, (ACAO, *acam("/"), *acah("/")), Step.ACAM_MALFORMED),
    ("ACAM non-ASCII", page("PUT"), 204, (ACAO, *acam("PUT, \u00e9")), Step.ACAM_MALFORMED),
    ("ACAH bad member", page("PUT"), 204, (ACAO, *acam("PUT"), *acah("x-a, x b")), Step.ACAH_MALFORMED),
    ("ACAH bad line", page("GET", X_A), 204, (ACAO, *acah("x-a", "x:b")), Step.ACAH_MALFORMED),
    ("method missing", page("PUT"), 204, (ACAO,), Step.METHOD_NOT_IN_ACAM),
    ("method list empty", page("PUT"), 204, (ACAO, *acam("")), Step.METHOD_NOT_IN_ACAM),
    ("method not listed", page("PUT"), 204, (ACAO, *acam("GET, DELETE")), Step.METHOD_NOT_IN_ACAM),
    ("method in another case", page("PATCH"), 204, (ACAO, *acam("patch")), Step.METHOD_NOT_IN_ACAM),
    ("list in another case", page("patch"), 204, (ACAO, *acam("PATCH")), Step.METHOD_NOT_IN_ACAM),
    ("put is PUT, list is not", page("put"), 204, (ACAO, *acam("put")), Step.METHOD_NOT_IN_ACAM),
    ("method on a second line", page("PUT"), 204, (ACAO, *acam("GET", "HEAD, PUT")), GRANTED),
    ("empty members", page("PUT"), 204, (ACAO, *acam(" ,, PUT ,\t,")), GRANTED),
    ("safelisted needs no list", page("POST", X_A), 204, (ACAO, *acah("x-a")), GRANTED),
    ("safelisted, other listed", page("POST", X_A), 204, (ACAO, *acam("PUT"), *acah("x-a")), GRANTED),
    ("method star", page("PUT"), 204, (ACAO, *acam("*")), GRANTED),
    ("method star among others", page("PUT"), 204, (ACAO, *acam("GET, *")), GRANTED),
    (
        "method star, credentials",
        page("PUT", credentials=True),
        204,
        (ACAO, ACAC, *acam("*")),
        Step.METHOD_NOT_IN_ACAM,
    ),
    ("method called star", page("*", credentials=True), 204, (ACAO, ACAC, *acam("*")), GRANTED),
    (
        "method called star, not listed",
        page("*", credentials=True),
        204,
        (ACAO, ACAC, *acam("PUT")),
        Step.METHOD_NOT_IN_ACAM,
    ),
    ("header missing", page("GET", X_A), 204, (ACAO,), Step.HEADER_NOT_IN_ACAH),
    ("header listed", page("GET", X_A), 204, (ACAO, *acah("x-a")), GRANTED),
    ("header in another case", page("GET", X_A), 204, (ACAO, *acah("X-A")), GRANTED),
    ("header on a second line", page("GET", X_A), 204, (ACAO, *acah("x-b", "x-a")), GRANTED),
    ("header with empty members", page("GET", X_A), 204, (ACAO, *acah(",x-a,,")), GRANTED),
    ("one of two", page("GET", X_A, ("X-B", "")), 204, (ACAO, *acah("x-a")), Step.HEADER_NOT_IN_ACAH),
    ("header prefix", page("GET", X_A), 204, (ACAO, *acah("x-*")), Step.HEADER_NOT_IN_ACAH),
    ("safelisted header", page("PUT", ("Accept", "a")), 204, (ACAO, *acam("PUT")), GRANTED),
    ("header star", page("GET", X_A), 204, (ACAO, *acah("*")), GRANTED),
    (
        "header star, credentials",
        page("GET", X_A, credentials=True),
        204,
        (ACAO, ACAC, *acah("*")),
        Step.HEADER_NOT_IN_ACAH,
    ),
    ("header called star", page("GET", ("*", ""), credentials=True), 204, (ACAO, ACAC, *acah("*")), GRANTED),
    ("authorization listed", page("GET", AUTH), 204, (ACAO, *acah("Authorization")), GRANTED),
    ("authorization and star", page("GET", AUTH), 204, (ACAO, *acah("*, authorization")), GRANTED),
    ("authorization by star", page("GET", AUTH), 204, (ACAO, *acah("*")), Step.AUTHORIZATION_NOT_IN_ACAH),
    ("authorization first", page("GET", AUTH, ("A", "")), 204, (ACAO,), Step.AUTHORIZATION_NOT_IN_ACAH),
    ("method before headers", page("PUT", X_A), 204, (ACAO,), Step.METHOD_NOT_IN_ACAM),
    ("flagged, no ACAM", page("PUT", use_cors_preflight=True), 204, (ACAO,), GRANTED),
    (
        "flagged, other ACAM",
        page("PUT", use_cors_preflight=True),
        204,
        (ACAO, *acam("X")),
        Step.METHOD_NOT_IN_ACAM,
    ),
]


DIFFERENCES: list[tuple[str, Request, int, Lines, dict[Behaviour, Step]]] = [
    (
        "a refusal",
        page("PUT"),
        403,
        (),
        {
            Behaviour.STANDARD: Step.ACAO_MISSING,
            Behaviour.CHROMIUM: Step.ACAO_MISSING,
            Behaviour.FIREFOX: Step.ACAO_MISSING,
            Behaviour.WEBKIT: Step.PREFLIGHT_STATUS,
        },
    ),
    (
        "a redirect without headers",
        page("PUT"),
        302,
        (("Location", "/x"),),
        {
            Behaviour.STANDARD: Step.ACAO_MISSING,
            Behaviour.CHROMIUM: Step.PREFLIGHT_REDIRECT,
            Behaviour.FIREFOX: Step.ACAO_MISSING,
            Behaviour.WEBKIT: Step.PREFLIGHT_REDIRECT,
        },
    ),
    (
        "a method that is not listed before a list that can't be read",
        page("PUT", X_A),
        204,
        (ACAO, *acah("x-a;")),
        {
            Behaviour.STANDARD: Step.ACAH_MALFORMED,
            Behaviour.CHROMIUM: Step.ACAH_MALFORMED,
            Behaviour.FIREFOX: Step.METHOD_NOT_IN_ACAM,
            Behaviour.WEBKIT: Step.ACAH_MALFORMED,
        },
    ),
    (
        "a token by a star",
        page("GET", AUTH),
        204,
        (ACAO, *acah("*")),
        {
            Behaviour.STANDARD: Step.AUTHORIZATION_NOT_IN_ACAH,
            Behaviour.CHROMIUM: GRANTED,
            Behaviour.FIREFOX: GRANTED,
            Behaviour.WEBKIT: GRANTED,
        },
    ),
    (
        "flagged, no methods",
        page("PUT", use_cors_preflight=True),
        204,
        (ACAO,),
        {
            Behaviour.STANDARD: GRANTED,
            Behaviour.CHROMIUM: Step.METHOD_NOT_IN_ACAM,
            Behaviour.FIREFOX: Step.METHOD_NOT_IN_ACAM,
            Behaviour.WEBKIT: Step.METHOD_NOT_IN_ACAM,
        },
    ),
]
"""Where engines differ from the standard or from one another, for the same answer to a preflight."""


class TestPreflightCheck:
    """The check of a preflight's answer: https://fetch.spec.whatwg.org/#cors-preflight-fetch-0."""

    @pytest.mark.parametrize(
        ("request_", "status", "headers", "step"),
        [case[1:] for case in PREFLIGHTS],
        ids=[case[0] for case in PREFLIGHTS],
    )
    def test_steps(self, request_: Request, status: int, headers: Lines, step: Step) -> None:
        """The answer passes the CORS check, is OK, parses, and lists the method and every unsafe header."""
        verdict = preflight_check(request_, status, headers)
        assert (step, step is Step.ALLOWED) == (verdict.step, verdict.allowed)

    @pytest.mark.parametrize(
        ("request_", "status", "headers", "steps"),
        [case[1:] for case in DIFFERENCES],
        ids=[case[0] for case in DIFFERENCES],
    )
    def test_engines(self, request_: Request, status: int, headers: Lines, steps: dict[Behaviour, Step]) -> None:
        """Each engine decides by a step of its own."""
        assert steps == {
            behaviour: preflight_check(request_, status, headers, behaviour).step for behaviour in Behaviour
        }

    def test_webkit_names_headers_as_they_are_set(self) -> None:
        """WebKit names the first header that is missing as the page writes it, those of HTTP before others."""
        several = page("GET", ("X-Z", ""), ("X-a", ""), ("content-TYPE", "a/b"))
        assert preflight_check(several, 204, (ACAO,), Behaviour.WEBKIT).value == "Content-Type"
        assert preflight_check(several, 204, (ACAO, *acah("content-type")), Behaviour.WEBKIT).value == "X-Z"
        assert preflight_check(several, 204, (ACAO, *acah("content-type")), Behaviour.FIREFOX).value == "x-a"

    @pytest.mark.parametrize(
        ("request_", "status", "headers", "step"),
        [
            (page("GET", AUTH), 204, (ACAO, *acah("*")), Step.ALLOWED),
            (page("GET", AUTH, X_A), 204, (ACAO, *acah("*")), Step.ALLOWED),
            (page("GET", AUTH), 204, (ACAO, *acah("x-a")), Step.HEADER_NOT_IN_ACAH),
            (page("GET", AUTH, credentials=True), 204, (ACAO, ACAC, *acah("*")), Step.HEADER_NOT_IN_ACAH),
            (page("PUT"), 302, (("Location", "/"),), Step.PREFLIGHT_REDIRECT),
            (page("PUT"), 302, (), Step.ACAO_MISSING),
            (page("PUT", use_cors_preflight=True), 204, (ACAO,), Step.METHOD_NOT_IN_ACAM),
        ],
    )
    def test_chromium(self, request_: Request, status: int, headers: Lines, step: Step) -> None:
        """In Chromium a star covers Authorization, and a redirect fails before anything else."""
        assert step == preflight_check(request_, status, headers, Behaviour.CHROMIUM).step

    def test_the_offending_header_is_named(self) -> None:
        """The first unlisted name, in sorted order, is the verdict's value."""
        verdict = preflight_check(page("GET", ("X-C", ""), ("X-B", ""), X_A), 204, (ACAO, *acah("X-A")))
        assert (verdict.value, verdict.preflight) == ("x-b", True)


class TestCache:
    """What a browser keeps of a preflight: https://fetch.spec.whatwg.org/#cors-preflight-cache."""

    @pytest.mark.parametrize(
        ("headers", "standard", "chromium"),
        [
            (max_age(), 5, 5),
            (max_age("600"), 600, 600),
            (max_age(" 600"), 600, 600),
            (max_age("600\t"), 600, 600),
            (max_age("0"), 0, 0),
            (max_age("007"), 7, 7),
            (max_age("7200"), 7200, 7200),
            (max_age("7201"), 7200, 7200),
            (max_age("-1"), 5, 0),
            (max_age("+600"), 5, 600),
            (max_age("5.5"), 5, 5),
            (max_age("600s"), 5, 5),
            (max_age("6 0"), 5, 5),
            (max_age("1_0"), 5, 5),
            (max_age("\u0663"), 5, 5),
            (max_age("\u00b2"), 5, 5),
            (max_age(""), 5, 5),
            (max_age("600, 600"), 5, 5),
            (max_age("600", "600"), 5, 5),
            (max_age("9223372036854775807"), 7200, 7200),
            (max_age("9223372036854775808"), 7200, 5),
            (max_age("9" * 10_000), 7200, 5),
        ],
    )
    def test_max_age(self, headers: Lines, standard: int, chromium: int) -> None:
        """Max-age is one run of digits, or else 5 seconds."""
        assert standard == preflight_max_age(headers)
        assert chromium == preflight_max_age(headers, behaviour=Behaviour.CHROMIUM)

    def test_each_browser_has_its_cap(self) -> None:
        """A browser keeps nothing longer than it likes, not even the default."""
        assert preflight_max_age(max_age("100000"), FIREFOX_MAX_AGE_CAP) == 86_400
        assert preflight_max_age(max_age("100000"), CHROMIUM_MAX_AGE_CAP) == 7_200
        assert preflight_max_age((), 2) == 2

    def test_what_is_kept(self) -> None:
        """Everything listed is kept, asked for or not, names in lower case."""
        key = (PAGE, URL, False, 600)
        answer = (ACAO, *acam("PUT, delete", "PUT"), *acah("X-A, x-a, X-B"), *max_age("600"))
        expected = (
            CacheEntry(*key, method="PUT"),
            CacheEntry(*key, method="delete"),
            CacheEntry(*key, header_name="x-a"),
            CacheEntry(*key, header_name="x-b"),
        )
        assert expected == preflight_cache_entries(page("PUT"), 204, answer)

    @pytest.mark.parametrize(
        ("status", "headers"), [(404, (ACAO, *acam("PUT"))), (204, acam("PUT")), (204, (ACAO, *acam("GET")))]
    )
    def test_nothing_is_kept_of_a_failure(self, status: int, headers: Lines) -> None:
        """A preflight that fails leaves nothing, whatever it lists."""
        assert preflight_cache_entries(page("PUT"), status, headers) == ()

    def test_a_flagged_request_keeps_its_method(self) -> None:
        """A preflight due to the flag is cached though no method is listed."""
        request = page("POST", use_cors_preflight=True)
        entries = preflight_cache_entries(request, 204, (ACAO,))
        assert (CacheEntry(PAGE, URL, False, 5, method="POST"),) == entries
        assert satisfied_by_cache(request, entries)
        assert not satisfied_by_cache(request, ())
        assert preflight_cache_entries(page("POST", X_A), 204, (ACAO,)) == ()

    @pytest.mark.parametrize(
        ("later", "satisfied"),
        [
            (page("PUT", X_A), True),
            (page("PUT"), True),
            (page("put", ("x-A", "2")), True),
            (page("GET", X_A), True),
            (page("GET"), True),
            (page("GET", ("X-B", "")), False),
            (page("PUT", X_A, AUTH), False),
            (page("DELETE", X_A), False),
            (page("PUT", X_A, credentials=True), False),
            (page("PUT", X_A, origin="https://b.example"), False),
            (Request(PAGE, URL + "?", None, "PUT", (X_A,)), False),
        ],
    )
    def test_a_later_request(self, later: Request, satisfied: bool) -> None:
        """Entries serve the same origin and URL, methods and names listed, and no credentials."""
        answer = (ACAO, *acam("PUT"), *acah("X-A"), *max_age("600"))
        entries = preflight_cache_entries(page("PUT", X_A), 204, answer)
        assert satisfied == satisfied_by_cache(later, entries)

    @pytest.mark.parametrize(
        ("age", "satisfied"),
        [(0.0, True), (599.9, True), (600.0, False), (601.0, False)],
    )
    def test_entries_expire(self, age: float, satisfied: bool) -> None:
        """An entry lives for max-age seconds."""
        entries = preflight_cache_entries(page("PUT"), 204, (ACAO, *acam("PUT"), *max_age("600")))
        assert satisfied == satisfied_by_cache(page("PUT"), entries, age)

    def test_max_age_zero_is_never_used(self) -> None:
        """With a max-age of 0 each request is preflighted."""
        entries = preflight_cache_entries(page("PUT"), 204, (ACAO, *acam("PUT"), *max_age("0")))
        assert not satisfied_by_cache(page("PUT"), entries)

    def test_credentials_serve_both(self) -> None:
        """What was allowed with credentials is allowed without."""
        answer = (ACAO, ACAC, *acam("PUT"))
        entries = preflight_cache_entries(page("PUT", credentials=True), 204, answer)
        assert satisfied_by_cache(page("PUT"), entries)
        assert satisfied_by_cache(page("PUT", credentials=True), entries)

    @pytest.mark.parametrize(
        ("behaviour", "any_name", "authorization"),
        [
            (Behaviour.STANDARD, True, False),
            (Behaviour.CHROMIUM, True, False),
            (Behaviour.FIREFOX, False, False),
            (Behaviour.WEBKIT, True, True),
        ],
    )
    def test_a_cached_star(self, behaviour: Behaviour, any_name: bool, authorization: bool) -> None:
        """A cached star serves any method and name but Authorization; in WebKit this too, in Firefox none."""
        answer = (ACAO, *acam("*"), *acah("*"))
        entries = preflight_cache_entries(page("PUT", X_A), 204, answer, behaviour=behaviour)
        assert any_name == satisfied_by_cache(page("DELETE", ("X-Z", "")), entries, behaviour=behaviour)
        assert authorization == satisfied_by_cache(page("GET", AUTH), entries, behaviour=behaviour)

    @pytest.mark.parametrize(
        ("behaviour", "satisfied"),
        [(behaviour, behaviour is Behaviour.STANDARD) for behaviour in Behaviour],
    )
    def test_a_star_cached_with_credentials(self, behaviour: Behaviour, satisfied: bool) -> None:
        """A literal star to a request with credentials opens everything to later ones, in the standard."""
        asked = page("GET", X_A, credentials=True)
        answer = (ACAO, ACAC, *acam("*"), *acah("x-a, *"))
        entries = preflight_cache_entries(asked, 204, answer, behaviour=behaviour)
        later = page("DELETE", ("X-Z", ""), credentials=True)
        assert not preflight_check(later, 204, answer, behaviour).allowed
        assert satisfied == satisfied_by_cache(later, entries, behaviour=behaviour)
        assert satisfied_by_cache(asked, entries, behaviour=behaviour)

    def test_engines_keep_the_answer_as_such(self) -> None:
        """In engines what is kept of any answer is enough for a safelisted method, be the request flagged or not."""
        flagged = page("POST", use_cors_preflight=True)
        for listed in ((), acam("PUT"), acah("x-a")):
            for behaviour in Behaviour:
                entries = preflight_cache_entries(
                    page(use_cors_preflight=True), 204, (ACAO, *listed), behaviour=behaviour
                )
                satisfied = behaviour is not Behaviour.STANDARD
                assert satisfied == satisfied_by_cache(flagged, entries, behaviour=behaviour)
                assert not satisfied_by_cache(flagged, entries, age=5, behaviour=behaviour)
                assert not satisfied_by_cache(flagged, (), behaviour=behaviour)
        whole = preflight_cache_entries(page(use_cors_preflight=True), 204, (ACAO,), behaviour=Behaviour.CHROMIUM)
        assert whole == (CacheEntry(PAGE, URL, False, 5),)
        assert not satisfied_by_cache(page("DELETE"), whole, behaviour=Behaviour.CHROMIUM)
        assert not satisfied_by_cache(page("POST", X_A), whole, behaviour=Behaviour.CHROMIUM)

    @pytest.mark.parametrize(
        ("behaviour", "satisfied"),
        [
            (Behaviour.STANDARD, True),
            (Behaviour.CHROMIUM, False),
            (Behaviour.FIREFOX, True),
            (Behaviour.WEBKIT, False),
        ],
    )
    def test_the_next_answer(self, behaviour: Behaviour, satisfied: bool) -> None:
        """Another answer for an origin and URL adds to the first, but replaces it in Chromium and WebKit."""
        held: tuple[CacheEntry, ...] = ()
        for method in ("PUT", "DELETE", "DELETE"):
            held = preflight_cache_after(page(method), 204, (ACAO, *acam(method)), held, behaviour=behaviour)
        assert satisfied == satisfied_by_cache(page("PUT"), held, behaviour=behaviour)
        assert satisfied_by_cache(page("DELETE"), held, behaviour=behaviour)
        assert [entry.method for entry in held].count("DELETE") == 1

    def test_the_next_answer_renews(self) -> None:
        """What is listed again lives as long as the last answer says, that with credentials for itself."""
        first = (ACAO, ACAC, *acam("PUT"), *max_age("600"))
        held = preflight_cache_after(page("PUT", credentials=True), 204, first, ())
        held = preflight_cache_after(page("PUT"), 204, (ACAO, *acam("PUT"), *max_age("60")), held)
        held = preflight_cache_after(page("PUT"), 204, (ACAO, *acam("PUT"), *max_age("30")), held, cap=20)
        expected = (
            CacheEntry(PAGE, URL, True, 600, method="PUT"),
            CacheEntry(PAGE, URL, False, 20, method="PUT"),
        )
        assert expected == held

    @pytest.mark.parametrize("behaviour", Behaviour)
    def test_a_failure_clears(self, behaviour: Behaviour) -> None:
        """A preflight that fails leaves nothing for its origin and URL, and the rest alone."""
        other = Request(PAGE, URL + "?", None, "PUT")
        held: tuple[CacheEntry, ...] = ()
        for sent in (page("PUT"), other):
            held = preflight_cache_after(sent, 204, (ACAO, *acam("PUT")), held, behaviour=behaviour)
        held = preflight_cache_after(page("PATCH"), 403, (), held, behaviour=behaviour)
        assert not satisfied_by_cache(page("PUT"), held, behaviour=behaviour)
        assert satisfied_by_cache(other, held, behaviour=behaviour)

    @pytest.mark.parametrize(
        ("behaviour", "satisfied"),
        [(behaviour, behaviour in {Behaviour.STANDARD, Behaviour.FIREFOX}) for behaviour in Behaviour],
    )
    def test_opaque_origins(self, behaviour: Behaviour, satisfied: bool) -> None:
        """In the standard and in Firefox opaque origins share what is kept; in others none knows of another's."""
        sent = page("PUT", origin="null")
        held = preflight_cache_after(sent, 204, (STAR, *acam("PUT")), (), behaviour=behaviour)
        assert satisfied == satisfied_by_cache(sent, held, behaviour=behaviour)


RESPONSE = (
    ("Content-Type", "text/plain"),
    ("ETag", '"1"'),
    ("X-A", "1"),
    ("Set-Cookie", "a=b"),
    ("set-cookie2", "a=b"),
)


def aceh(*values: str) -> Lines:
    """Write Access-Control-Expose-Headers, a line for each value."""
    return tuple(("Access-Control-Expose-Headers", value) for value in values)


class TestSharing:
    """What a page gets to see of an answer."""

    @pytest.mark.parametrize(
        ("expose", "names"),
        [
            (aceh(), {"content-type"}),
            (aceh("etag"), {"content-type", "etag"}),
            (aceh("ETag", ", x-a,"), {"content-type", "etag", "x-a"}),
            (aceh("x-absent"), {"content-type"}),
            (aceh("set-cookie, Set-Cookie2"), {"content-type"}),
            (aceh("etag, x a"), {"content-type"}),
            (aceh("etag", '"'), {"content-type"}),
        ],
    )
    @pytest.mark.parametrize("credentials", [False, True])
    def test_exposed_names(self, expose: Lines, names: set[str], credentials: bool) -> None:
        """A script reads the safelisted headers and the listed ones, cookies never."""
        headers = (ACAO, ACAC, *RESPONSE, *expose)
        assert names == exposed_headers(page(credentials=credentials), headers)

    def test_all_safelisted_response_headers(self) -> None:
        """Seven headers are readable without being listed."""
        names = {
            "cache-control",
            "content-language",
            "content-length",
            "content-type",
            "expires",
            "last-modified",
            "pragma",
        }
        assert names == exposed_headers(page(), (ACAO, *((name.title(), "x") for name in names)))

    def test_exposed_star(self) -> None:
        """Without credentials a star exposes all but cookies; with them it is a name."""
        headers = (ACAO, ACAC, *RESPONSE, *aceh("*"), ("*", "x"))
        everything = {name.lower() for name, _ in headers} - {"set-cookie", "set-cookie2"}
        assert everything == exposed_headers(page(), headers)
        assert {"content-type", "*"} == exposed_headers(page(credentials=True), headers)

    def test_only_ascii_is_lower_cased(self) -> None:
        """A name that only Unicode folds to a cookie's name is another name."""
        assert "set-coo\u212aie" in exposed_headers(page(), (ACAO, *aceh("*"), ("Set-Coo\u212aie", "x")))

    def test_nothing_is_exposed_of_a_blocked_answer(self) -> None:
        """An answer that fails the CORS check exposes nothing."""
        assert frozenset() == exposed_headers(page(), RESPONSE)

    def test_same_origin_sees_all_but_cookies(self) -> None:
        """Within an origin only cookies are hidden."""
        assert {"content-type", "etag", "x-a"} == exposed_headers(page(url_origin=PAGE), RESPONSE)

    @pytest.mark.parametrize(
        ("values", "shared"),
        [
            ((), False),
            (("*",), True),
            ((PAGE,), True),
            (("https://b.example, " + PAGE,), True),
            (("https://b.example", PAGE), True),
            (("https://b.example,*",), True),
            ((PAGE + "/",), False),
            (("null",), False),
            ((f'"{PAGE}"',), False),
            ((f'"x, {PAGE}',), False),
            ((f'"x\\", {PAGE}", *',), True),
            (("",), False),
        ],
    )
    def test_timing(self, values: tuple[str, ...], shared: bool) -> None:
        """Timing is shared with everybody or with the origins listed, outside quotes."""
        headers = tuple(("Timing-Allow-Origin", value) for value in values)
        assert shared == tao_check(page(), headers)
        assert tao_check(page(url_origin=PAGE), headers)

    @pytest.mark.parametrize(
        ("policy", "origin", "same_site", "require_corp", "allowed"),
        [
            ((), PAGE, False, False, True),
            ((), PAGE, False, True, False),
            (("cross-origin",), PAGE, False, True, True),
            (("same-origin",), PAGE, True, False, False),
            (("same-origin",), "https://service.example", True, False, True),
            (("same-site",), PAGE, True, False, True),
            (("same-site",), PAGE, False, False, False),
            (("same-site",), "http://www.service.example", True, False, False),
            (("Same-Origin",), PAGE, False, False, True),
            (("same-origin", "same-origin"), PAGE, False, False, True),
            (("same-origin", "same-origin"), PAGE, False, True, False),
        ],
    )
    def test_resource_policy(
        self, policy: tuple[str, ...], origin: str, same_site: bool, require_corp: bool, allowed: bool
    ) -> None:
        """A resource policy blocks by origin or site, and only in its exact words."""
        headers = tuple(("Cross-Origin-Resource-Policy", value) for value in policy)
        service = "https://service.example"
        assert allowed == corp_check(origin, service, headers, same_site=same_site, require_corp=require_corp)


class TestFetch:
    """A whole fetch: https://fetch.spec.whatwg.org/#main-fetch."""

    def test_a_simple_request(self) -> None:
        """Without a preflight the answer alone decides, and one that is offered is ignored."""
        assert fetch_verdict(page(), (ACAO,)).allowed
        assert fetch_verdict(page(), (ACAO,), preflight=(500, ())).allowed
        assert fetch_verdict(page(), ()).step == Step.ACAO_MISSING

    def test_a_preflighted_request(self) -> None:
        """With a preflight both answers must pass."""
        asked = (204, (ACAO, *acam("PUT")))
        assert fetch_verdict(page("PUT"), (ACAO,), asked).allowed
        blocked = fetch_verdict(page("PUT"), (), asked)
        assert (blocked.step, blocked.preflight) == (Step.ACAO_MISSING, False)
        refused = fetch_verdict(page("PUT"), (ACAO,), (204, ()))
        assert (refused.step, refused.preflight) == (Step.ACAO_MISSING, True)

    def test_a_preflight_must_be_answered(self) -> None:
        """Judging a preflighted request without an answer to the preflight is the caller's mistake."""
        with pytest.raises(ValueError, match="preflight"):
            fetch_verdict(page("PUT"), (ACAO,))

    def test_a_cached_preflight(self) -> None:
        """A cache entry takes the place of a preflight, but not of the check of the answer."""
        entries = preflight_cache_entries(page("PUT"), 204, (ACAO, *acam("PUT")))
        assert fetch_verdict(page("PUT"), (ACAO,), cached=entries).allowed
        assert fetch_verdict(page("PUT"), (), cached=entries).step == Step.ACAO_MISSING
        with pytest.raises(ValueError, match="preflight"):
            fetch_verdict(page("PUT"), (ACAO,), cached=entries, age=5)

    def test_same_origin_needs_nothing(self) -> None:
        """Within an origin no header is asked for."""
        verdict = fetch_verdict(page("PUT", X_A, url_origin=PAGE), ())
        assert (verdict.step, verdict.allowed) == (Step.SAME_ORIGIN, True)

    @pytest.mark.parametrize("method", ["TRACE", "track", "Connect"])
    def test_forbidden_methods(self, method: str) -> None:
        """No page sends a forbidden method, not even within its origin."""
        verdict = fetch_verdict(page(method, url_origin=PAGE), (ACAO,), (204, (ACAO, *acam(method))))
        assert (verdict.step, verdict.allowed) == (Step.METHOD_FORBIDDEN, False)

    def test_behaviour_reaches_the_preflight(self) -> None:
        """Whether a star covers Authorization depends on the browser."""
        asked = (204, (STAR, *acah("*")))
        assert not fetch_verdict(page("GET", AUTH), (STAR,), asked).allowed
        assert fetch_verdict(page("GET", AUTH), (STAR,), asked, behaviour=Behaviour.CHROMIUM).allowed


BLOCKED = f"Access to fetch at '{URL}' from origin '{PAGE}' has been blocked by CORS policy: "
PREFLIGHT = BLOCKED + "Response to preflight request doesn't pass access control check: "
BY_ACAH = " by Access-Control-Allow-Headers in preflight response."
FIX = " Have the server send the header with a valid value."
MISSING = "No 'Access-Control-Allow-Origin' header is present on the requested resource."
SENTENCES: list[tuple[Verdict, str]] = [
    (cors_check(page(), (ACAO,)), ""),
    (fetch_verdict(page(url_origin=PAGE), ()), ""),
    (cors_check(page(), ()), BLOCKED + MISSING),
    (preflight_check(page("PUT"), 204, ()), PREFLIGHT + MISSING),
    (
        cors_check(page(), acao("*", PAGE)),
        (
            f"{BLOCKED}The 'Access-Control-Allow-Origin' header contains multiple values '*, {PAGE}',"
            f" but only one is allowed.{FIX}"
        ),
    ),
    (
        cors_check(page(), acao("a.example{}\u00e9\x01")),
        (
            f"{BLOCKED}The 'Access-Control-Allow-Origin' header contains the invalid value"
            f" 'a.example{{}}\\u00E9\\u0001'.{FIX}"
        ),
    ),
    (
        cors_check(page(), acao("https://b.example")),
        (
            f"{BLOCKED}The 'Access-Control-Allow-Origin' header has a value 'https://b.example' that is"
            f" not equal to the supplied origin.{FIX}"
        ),
    ),
    (
        cors_check(page(credentials=True), (STAR,)),
        (
            f"{BLOCKED}The value of the 'Access-Control-Allow-Origin' header in the response must not be the"
            " wildcard '*' when the request's credentials mode is 'include'."
        ),
    ),
    (
        cors_check(page(credentials=True), (ACAO, (ACAC[0], "True"))),
        (
            f"{BLOCKED}The value of the 'Access-Control-Allow-Credentials' header in the response is 'True'"
            " which must be 'true' when the request's credentials mode is 'include'."
        ),
    ),
    (
        cors_check(page(credentials=True), (ACAO,)),
        (
            f"{BLOCKED}The value of the 'Access-Control-Allow-Credentials' header in the response is '' which"
            " must be 'true' when the request's credentials mode is 'include'."
        ),
    ),
    (preflight_check(page("PUT"), 404, (ACAO,)), PREFLIGHT + "It does not have HTTP ok status."),
    (
        preflight_check(page("PUT"), 301, (ACAO, ("Location", "/"))),
        PREFLIGHT + "Redirect is not allowed for a preflight request.",
    ),
    (
        preflight_check(page("PUT"), 204, (ACAO, *acam("/"))),
        BLOCKED + "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
    ),
    (
        preflight_check(page("PUT"), 204, (ACAO, *acah("/"))),
        BLOCKED + "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
    ),
    (
        preflight_check(page("patch"), 204, (ACAO,)),
        BLOCKED + "Method patch is not allowed by Access-Control-Allow-Methods in preflight response.",
    ),
    (
        preflight_check(page("GET", X_A), 204, (ACAO,)),
        BLOCKED + "Request header field x-a is not allowed" + BY_ACAH,
    ),
    (
        preflight_check(page("GET", AUTH), 204, (ACAO,)),
        BLOCKED + "Request header field authorization is not allowed" + BY_ACAH,
    ),
    (
        fetch_verdict(page("TRACE"), ()),
        "Failed to execute 'fetch' on 'Window': 'TRACE' HTTP method is unsupported.",
    ),
]


class TestConsole:
    """What Chromium prints."""

    @pytest.mark.parametrize(
        ("verdict", "sentence"), SENTENCES, ids=[f"{v.step}-{v.preflight}-{v.value}" for v, _ in SENTENCES]
    )
    def test_sentences(self, verdict: Verdict, sentence: str) -> None:
        """A failure is told in Chromium's words, and nothing is said of a success."""
        assert sentence == verdict.console

    def test_every_step_is_told(self) -> None:
        """No step of a check lacks its sentence."""
        steps = list(Step)
        assert set(steps[: steps.index(Step.NETWORK_ERROR)]) == {verdict.step for verdict, _ in SENTENCES}


tokens = st.text("!#$%&'*+.^_`|~-0123456789abcXYZ", min_size=1, max_size=8)
values = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=140)
origins = st.sampled_from(["https://a.example", "http://[::1]:8080", "app://bundle", "https://a..b", "null"])
requests = st.builds(
    Request,
    origin=origins,
    url=st.just(URL),
    method=tokens | st.sampled_from(["GET", "post", "PUT", "patch", "OPTIONS"]),
    headers=st.lists(
        st.tuples(tokens | st.sampled_from(["Accept", "authorization", "Content-Type", "Range"]), values),
        max_size=12,
    ).map(tuple),
    credentials=st.booleans(),
    use_cors_preflight=st.booleans(),
)


def echo(request: Request) -> Lines:
    """Answer a preflight with whatever it asks for."""
    asked = dict(preflight_headers(request))
    return (
        ("Access-Control-Allow-Origin", asked["Origin"]),
        ACAC,
        *acam(asked["Access-Control-Request-Method"]),
        *acah(asked.get("Access-Control-Request-Headers", "")),
    )


class TestProperties:
    """What holds for any request."""

    @given(requests, st.sampled_from(Behaviour))
    def test_an_answer_that_echoes_is_enough(self, request: Request, behaviour: Behaviour) -> None:
        """To grant exactly what a preflight asks for lets the request pass, now and from the cache."""
        answer = echo(request)
        assert fetch_verdict(request, answer, (204, answer), behaviour=behaviour).allowed
        entries = preflight_cache_entries(request, 204, answer, behaviour=behaviour)
        assert satisfied_by_cache(request, entries, behaviour=behaviour)

    @given(requests, st.integers(0, 3))
    def test_each_part_of_the_echo_is_needed(self, request: Request, left_out: int) -> None:
        """To leave out what was asked for blocks the request."""
        answer = echo(request)
        kept = (*answer[:left_out], *answer[left_out + 1 :])
        needed = (
            True,
            request.credentials,
            request.method not in ("GET", "HEAD", "POST") and not request.use_cors_preflight,
            bool(unsafe_request_header_names(request.headers)),
        )
        assert needed[left_out] != preflight_check(request, 204, kept).allowed

    @given(requests, st.lists(st.tuples(tokens, values), max_size=4))
    def test_what_names_no_origin_allows_nothing(
        self,
        request: Request,
        headers: list[tuple[str, str]],
    ) -> None:
        """Without Access-Control-Allow-Origin no answer is shared, whatever else it says."""
        assert cors_check(request, headers).step == Step.ACAO_MISSING

    @given(requests)
    def test_a_preflight_lists_what_it_asks_for_once(self, request: Request) -> None:
        """Access-Control-Request-Headers is a sorted list of distinct lower-case names."""
        names = dict(preflight_headers(request)).get("Access-Control-Request-Headers", "").split(",")
        assert sorted({name.lower() for name in names}) == names

    @given(requests)
    def test_chromium_forgives_no_less_than_a_star_allows(self, request: Request) -> None:
        """Where the standard lets a request with stars pass, so does Chromium, unless the flag is set."""
        answer = (*acao(request.origin), ACAC, *acam("*"), *acah("*"))
        standard = preflight_check(request, 204, answer)
        chromium = preflight_check(request, 204, answer, Behaviour.CHROMIUM)
        only_authorization = standard.step is Step.AUTHORIZATION_NOT_IN_ACAH and not request.credentials
        assert chromium.allowed == (standard.allowed or only_authorization)
