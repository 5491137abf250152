"""Tests of one decision over HTTP, asked for by the form of GET, and of what caches do with it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from cors_service.web import Limits
from tests.web.traversal import POLICIES, Answer, Caller, caller, live, on_the_wire, tree, tree_of

PARTNER, STRANGER = "https://partner.example", "https://stranger.example"
URL = "https://api.example.com/catalogue/7"
FORM = "/v1/decision"
ASKED = {"policy": "status", "origin": "https://status.example.com"}

_METHOD, _HEADERS = "Access-Control-Request-Method", "Access-Control-Request-Headers"
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no origin": ({"policy": "catalogue", "method": "GET"}, {"policy": "catalogue", "method": "GET"}),
    "GET by default": (
        {"policy": "status", "origin": PARTNER},
        {"policy": "status", "origin": PARTNER, "method": "GET"},
    ),
    "found by its URL": ({"url": URL, "method": "PUT"}, {"url": URL, "method": "PUT"}),
    "policy and URL": (
        {"policy": "status", "url": URL, "origin": "https://api.example.com"},
        {"policy": "status", "url": URL, "origin": "https://api.example.com", "method": "GET"},
    ),
    "OPTIONS by default with request_method": (
        {"policy": "catalogue", "origin": PARTNER, "request_method": "PUT"},
        {"policy": "catalogue", "method": "OPTIONS", "headers": {"Origin": PARTNER, _METHOD: "PUT"}},
    ),
    "request_method on another method": (
        {"policy": "catalogue", "origin": PARTNER, "request_method": "PUT", "method": "GET"},
        {"policy": "catalogue", "method": "GET", "headers": {"Origin": PARTNER, _METHOD: "PUT"}},
    ),
    "OPTIONS without request_method": (
        {"policy": "catalogue", "origin": PARTNER, "method": "OPTIONS"},
        {"policy": "catalogue", "method": "OPTIONS", "origin": PARTNER},
    ),
    "request_headers": (
        {"policy": "catalogue", "origin": PARTNER, "request_method": "PUT", "request_headers": "x-catalogue-a"},
        {
            "policy": "catalogue",
            "method": "OPTIONS",
            "headers": {"Origin": PARTNER, _METHOD: "PUT", _HEADERS: "x-catalogue-a"},
        },
    ),
    "several lines of request_headers": (
        {"policy": "catalogue", "origin": PARTNER, "request_method": "PUT", "request_headers": ["content-type", "x-b"]},
        {
            "policy": "catalogue",
            "method": "OPTIONS",
            "headers": {"Origin": PARTNER, _METHOD: "PUT", _HEADERS: ["content-type", "x-b"]},
        },
    ),
    "characters that must be encoded": (
        {"policy": "status", "origin": "https://a&b;c=d+e%20f#g?h.test", "method": "a b"},
        {"policy": "status", "origin": "https://a&b;c=d+e%20f#g?h.test", "method": "a b"},
    ),
    "line breaks": (
        {"policy": "catalogue", "origin": f"{PARTNER}\r\nX-Injected: 1"},
        {"policy": "catalogue", "origin": f"{PARTNER}\r\nX-Injected: 1", "method": "GET"},
    ),
    "beyond ASCII": (
        {"policy": "catalogue", "origin": "https://b\u00fccher.example"},
        {"policy": "catalogue", "origin": "https://b\u00fccher.example", "method": "GET"},
    ),
    "100 parameters": (
        {"policy": "status", "request_headers": ["a"] * 99},
        {"policy": "status", "method": "GET", "headers": {_HEADERS: ["a"] * 99}},
    ),
    "empty parameters": (
        {"policy": "status", "url": "", "origin": "", "method": "", "request_method": "", "request_headers": ""},
        {"policy": "status", "method": "GET"},
    ),
    "empty parameters beside full ones": (
        {"policy": ["", "status"], "origin": [PARTNER, ""], "request_method": ["", ""]},
        {"policy": "status", "origin": PARTNER, "method": "GET"},
    ),
}


@pytest.mark.parametrize(("parameters", "fields"), SAME.values(), ids=SAME)
def test_form_and_json_mean_the_same(parameters: dict[str, Any], fields: dict[str, Any]) -> None:
    """A query gets the same bytes for an answer whether it comes as a form or as JSON."""
    asked = caller()
    expected = asked.post(FORM, fields)
    answer = asked.get(FORM, **parameters)
    assert (200, expected.body) == (answer.status, answer.body)


BAD: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "nothing": ({}, (400, "no-selector")),
    "an empty policy alone": ({"policy": "", "origin": PARTNER}, (400, "no-selector")),
    "unknown policy": ({"policy": "nothing"}, (404, "unknown-policy")),
    "no policy for the URL": ({"url": "https://www.example.com/"}, (404, "no-policy-for-url")),
    "a URL that is none": ({"url": "/catalogue/7"}, (400, "url-malformed")),
    "an ambiguous URL": ({"url": "https://api.example.com/prices/../catalogue/"}, (400, "url-ambiguous")),
    "policy twice": ({"policy": ["status", "status"]}, (400, "query-malformed")),
    "url twice": ({"url": [URL, URL]}, (400, "query-malformed")),
    "origin twice": ({"policy": "status", "origin": [PARTNER, STRANGER]}, (400, "query-malformed")),
    "method twice": ({"policy": "status", "method": ["GET", "PUT"]}, (400, "query-malformed")),
    "101 parameters": ({"policy": "status"} | dict.fromkeys(map(str, range(100)), "a"), (400, "query-malformed")),
    "request_method twice": ({"policy": "status", "request_method": ["GET", "PUT"]}, (400, "query-malformed")),
}


@pytest.mark.parametrize(("parameters", "expected"), BAD.values(), ids=BAD)
def test_bad_form(parameters: dict[str, Any], expected: tuple[int, str]) -> None:
    """A form that is not a query is an error, and no cache keeps it."""
    answer = caller().get(FORM, **parameters)
    assert expected == answer.problem
    assert (answer.header("Cache-Control"), answer.header("ETag")) == ("no-store", None)


@pytest.mark.parametrize(
    ("query", "name", "first"),
    [
        ("policy=status&orign=https://status.example.com", "'orign'", "origin"),
        ("policy=status&orign=", "'orign'", "origin"),
        ("Policy=status", "'Policy'", "policy"),
        ("policy=status&request-method=PUT", "'request-method'", "request_method"),
        ("policy=status&ttl=0", "'ttl'", "host"),
        ("policy=status&=b", "''", "host"),
        ("policy=status&%0d%0aX:a=b", r"'\r\nX:a'", "host"),
        (f"policy=status&{'o' * 9000}=b", f"'{'o' * 76}...", "host"),
    ],
    ids=["misspelt", "misspelt and empty", "case", "hyphen", "unknown", "no name", "control characters", "long"],
)
def test_unknown_parameters(query: str, name: str, first: str) -> None:
    """A parameter that does not exist is an error that names it, and first the one that was meant."""
    answer = caller().ask("GET", f"{FORM}?{query}")
    assert answer.problem == (400, "query-malformed")
    assert answer.json["detail"].startswith(f"There is no parameter {name}. The parameters are: {first}, ")


@pytest.mark.parametrize(
    "query",
    [
        "policy=status&origin=https://status.example.com;.evil.test",
        "policy=status&origin=https://status.example.com;x=.evil.test",
        "policy=status;x&origin=https://status.example.com",
        "url=https://api.example.com/x;policy=prices&origin=https://status.example.com",
        "url=https://api.example.com/prices/;x/y&origin=https://status.example.com&method=PUT",
    ],
)
def test_semicolons_separate_nothing(query: str) -> None:
    """Parameters are separated by `&` alone, so that no part of a value is dropped or becomes another parameter.

    https://url.spec.whatwg.org/#concept-urlencoded-parser
    """
    asked = caller()
    encoded = asked.ask("GET", f"{FORM}?{query.replace(';', '%3B')}")
    answer = asked.ask("GET", f"{FORM}?{query}")
    # What has no single reading may be refused as well.
    assert answer.status == 400 or (encoded.status, encoded.body) == (answer.status, answer.body)


NOT_UTF_8 = {
    "policy": ("policy=status%FF", (404, "unknown-policy")),
    "url, host": ("url=https://api.example.com%FF/catalogue/", (400, "url-malformed")),
    "url, path": ("url=https://api.example.com/catalogue/%FF", (400, "url-ambiguous")),
}


@pytest.mark.parametrize(("query", "expected"), NOT_UTF_8.values(), ids=NOT_UTF_8)
def test_not_utf_8(query: str, expected: tuple[int, str]) -> None:
    """Bytes that are not UTF-8 name nothing that exists."""
    assert expected == caller().ask("GET", f"{FORM}?{query}").problem


@pytest.mark.parametrize("query", ["origin=https://status.example.com%FF", "origin=%FF", "origin=null&method=%C3"])
def test_not_utf_8_is_refused(query: str) -> None:
    """An origin or a method that is not UTF-8 is a refusal, and is not echoed."""
    decision = caller().ask("GET", f"{FORM}?policy=status&{query}").json
    assert (decision["allowed"], decision["headers"]) == (False, [["Vary", "Origin"]])


@pytest.mark.parametrize(
    ("ttl", "expected"), [(0, "no-store"), (1, "max-age=1"), (5, "max-age=5"), (600, "max-age=600")]
)
def test_cache_control(ttl: int, expected: str) -> None:
    """The answer to a form may be kept for as long as the decision says that it may be used again."""
    answer = caller(limits=Limits(ttl=ttl)).get(FORM, **ASKED)
    assert (ttl, expected) == (answer.json["ttl"], answer.header("Cache-Control"))


def tag_of(answer: Answer) -> str:
    """The ETag of an answer."""
    tag = answer.header("ETag")
    assert tag is not None
    return tag


def test_tag_names_the_answer() -> None:
    """The same answer has the same ETag wherever it is asked for, and another answer has another."""
    tags = [tag_of(caller().get(FORM, **ASKED)), tag_of(caller().get(FORM, **ASKED, method="GET"))]
    others = [
        tag_of(caller().get(FORM, policy="status", origin=STRANGER)),
        tag_of(caller().get(FORM, policy="status")),
        tag_of(caller(limits=Limits(ttl=6)).get(FORM, **ASKED)),
    ]
    assert tags[0] == tags[1]
    assert len({tags[0], *others}) == 4


def test_tag_changes_with_the_policies() -> None:
    """A client that asks again after a change of the policies gets the new decision, and no 304."""
    store, policies = live(POLICIES, Clock())
    policies.startService()
    asked = Caller(tree_of(policies))
    before = asked.get(FORM, **ASKED)
    store.replace({"version": 1, "policies": {"status": {"origins": [PARTNER]}}})
    after = asked.get(FORM, [("If-None-Match", tag_of(before))], **ASKED)
    assert (after.status, before.json["allowed"], after.json["allowed"]) == (200, True, False)


HELD: dict[str, list[str]] = {
    "the tag": ["{tag}"],
    "weak": ["W/{tag}"],
    "in a list": ['"a", {tag}, W/"b"'],
    "in a list without spaces": ['"a",{tag}'],
    "in a list of many spaces and empty members": [' , "a" ,\t {tag} , '],
    "behind a tag that holds a comma": ['"a,b", {tag}'],
    "weak in a list": ['"a", W/{tag}'],
    "in another line": ['"a"', "{tag}"],
    "any": ["*"],
}


@pytest.mark.parametrize("values", HELD.values(), ids=HELD)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified(method: str, values: list[str]) -> None:
    """Who holds the answer gets a 304 without it, with the headers that a cache needs to go on using it."""
    asked = caller()
    answer = asked.get(FORM, **ASKED)
    lines = [("If-None-Match", value.format(tag=tag_of(answer))) for value in values]
    again = asked.ask(method, f"{FORM}?policy=status&origin=https://status.example.com", lines=lines)
    assert (again.status, again.body) == (304, b"")
    assert {name: answer.header(name) for name in ("ETag", "Cache-Control")} == {
        name: again.header(name) for name in ("ETag", "Cache-Control")
    }
    assert (again.header("X-Content-Type-Options"), again.header("Content-Type")) == ("nosniff", None)


def test_not_modified_without_cache() -> None:
    """A 304 also says no-store where decisions may not be used again."""
    asked = caller(limits=Limits(ttl=0))
    tag = tag_of(asked.get(FORM, **ASKED))
    again = asked.get(FORM, [("If-None-Match", tag)], **ASKED)
    assert (again.status, again.header("Cache-Control")) == (304, "no-store")


NOT_HELD: dict[str, str] = {
    "another": '"a"',
    "none": "",
    "the tag without quotes": "{bare}",
    "its beginning": '"{beginning}"',
    "in upper case": '"{upper}"',
    "a lower-case weak prefix": 'w/"{bare}"',
    "its end": '"a{bare}"',
    "a tag that holds it behind a comma": '"a,{bare}"',
    "a star in a list": '"a", *x',
    "a tag that holds a star": '"*"',
    "a tag that holds a star between commas": '"a,*,b"',
}


@pytest.mark.parametrize("value", NOT_HELD.values(), ids=NOT_HELD)
def test_modified(value: str) -> None:
    """Who holds something else gets the answer."""
    asked = caller()
    answer = asked.get(FORM, **ASKED)
    bare = tag_of(answer).strip('"')
    held = value.format(bare=bare, beginning=bare[:-1], upper=f"A{bare}".upper())
    again = asked.get(FORM, [("If-None-Match", held)], **ASKED)
    assert (200, answer.body) == (again.status, again.body)


def test_not_modified_is_for_answers_that_exist() -> None:
    """If-None-Match changes nothing about an error, or about a POST."""
    any_answer = [("If-None-Match", "*")]
    assert caller().get(FORM, any_answer, policy="nothing").problem == (404, "unknown-policy")
    assert caller().get(FORM, any_answer).problem == (400, "no-selector")
    assert caller().post(FORM, {"policy": "status", "method": "GET"}, any_answer).status == 200


def test_not_modified_on_the_wire() -> None:
    """A 304 has neither a length nor a body, so that the next answer on the connection is read as one."""
    get = b"GET /v1/decision?policy=status HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n"
    head, _, rest = on_the_wire(tree(), get + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 304 ")
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(b'{"status":"alive"}')
