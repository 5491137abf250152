"""Tests of what is read as a query over HTTP, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cors_service.web import Limits
from cors_service.web.body import MOST_PARTS
from tests.web.traversal import caller

GOOD = {"policy": "status", "origin": "https://status.example.com", "method": "GET"}
JSON = ("Content-Type", "application/json")


def body_with(text: str) -> bytes:
    """A good query with one more field; its name and value are this text."""
    return f'{{"policy": "status", "method": "GET", {text}}}'.encode()


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "NUL": b"\0",
    "text": b"policy=status&method=GET",
    "cut off": b'{"policy": "status", "method": "GET"',
    "something behind it": b'{"policy": "status", "method": "GET"} {}',
    "two lines of JSON": b'{"policy": "status", "method": "GET"}\n{"policy": "status", "method": "GET"}',
    "a trailing comma": b'{"policy": "status", "method": "GET",}',
    "single quotes": b"{'policy': 'status', 'method': 'GET'}",
    "a comment": b'{"policy": "status", "method": "GET"} // a comment',
    "a byte order mark": b'\xef\xbb\xbf{"policy": "status", "method": "GET"}',
    "UTF-16": '{"policy": "status", "method": "GET"}'.encode("utf-16"),
    "UTF-32": '{"policy": "status", "method": "GET"}'.encode("utf-32-le"),
    "Latin-1": '{"policy": "b\u00fccher", "method": "GET"}'.encode("latin-1"),
    "an overlong encoding": b'{"policy": "\xc1\xa1", "method": "GET"}',
    "half a character in UTF-8": b'{"policy": "\xed\xa0\x80", "method": "GET"}',
    "half a character": body_with(r'"origin": "\ud800"'),
    "the other half": body_with(r'"origin": "\udc00"'),
    "halves the wrong way round": body_with(r'"origin": "\udc00\ud800"'),
    "half a character as a name": body_with(r'"\ud800": 1'),
    "half a character deep in an unknown field": body_with(r'"a": [{"b": ["\udfff"]}]'),
    "a control character in a string": body_with('"a": "\n"'),
    "an unknown escape": body_with(r'"a": "\x41"'),
    "NaN": b"NaN",
    "NaN in a field": body_with('"a": NaN'),
    "Infinity": body_with('"a": Infinity'),
    "-Infinity": body_with('"a": [-Infinity]'),
    "a leading zero": body_with('"a": 01'),
    "hexadecimal": body_with('"a": 0x1'),
    "an integer of 5000 digits": body_with(f'"a": {"1" * 5000}'),
    "a key twice": body_with('"method": "GET"'),
    "a key twice, once escaped": body_with(r'"\u006dethod": "GET"'),
    "an unknown key twice": body_with('"a": 1, "a": 1'),
    "a header's name twice": body_with('"headers": {"Origin": "null", "Origin": "null"}'),
    "lists nested deeply": b"[" * 50_000,
    "lists nested deeply and closed": body_with(f'"a": {"[" * 50_000}{"]" * 50_000}'),
    "objects nested deeply": b'{"a":' * 40_000,
    "a deep list in headers": body_with(f'"headers": {"[" * 50_000}{"]" * 50_000}'),
}


@pytest.mark.parametrize("path", ["/v1/decision", "/v1/decisions"])
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_not_json(path: str, body: bytes) -> None:
    """A body that is not JSON, or repeats a key, is the caller's mistake and never a fault or a decision."""
    assert caller().ask("POST", path, body, [JSON]).problem == (400, "body-malformed")


NO_QUERIES: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": 1,
    "a string": "GET",
    "an empty list": [],
    "a list of a query": [GOOD],
    "an empty object": {},
    "no method": {"policy": "status"},
    "method null": GOOD | {"method": None},
    "method a number": GOOD | {"method": 1},
    "method true": GOOD | {"method": True},
    "method a list": GOOD | {"method": ["GET"]},
    "method in another case": {"policy": "status", "Method": "GET"},
    "policy a number": GOOD | {"policy": 1},
    "policy false": GOOD | {"policy": False},
    "policy a list": GOOD | {"policy": ["status"]},
    "url a number": GOOD | {"url": 0},
    "url an object": GOOD | {"url": {}},
    "origin a number": GOOD | {"origin": 1.5},
    "origin false": GOOD | {"origin": False},
    "origin a list": GOOD | {"origin": ["https://status.example.com"]},
    "headers a string": GOOD | {"headers": "Origin: null"},
    "headers false": GOOD | {"headers": False},
    "headers a number": GOOD | {"headers": 0},
    "a header null": GOOD | {"headers": {"Accept": None}},
    "a header a number": GOOD | {"headers": {"Content-Length": 5}},
    "a header an object": GOOD | {"headers": {"Accept": {}}},
    "a header a list of numbers": GOOD | {"headers": {"Accept": [1]}},
    "a header a list of lists": GOOD | {"headers": {"Accept": [["a"]]}},
    "a pair of one": GOOD | {"headers": [["Accept"]]},
    "a pair of three": GOOD | {"headers": [["Accept", "a", "b"]]},
    "an empty pair": GOOD | {"headers": [[]]},
    "a pair of numbers": GOOD | {"headers": [[1, 2]]},
    "a pair with a list": GOOD | {"headers": [["Accept", ["a"]]]},
    "a pair with null": GOOD | {"headers": [["Accept", None]]},
    "a list of strings": GOOD | {"headers": ["ab", "Accept: a"]},
    "a list of objects": GOOD | {"headers": [{"name": "Accept", "value": "a"}]},
}


@pytest.mark.parametrize("value", NO_QUERIES.values(), ids=NO_QUERIES)
def test_no_query(value: object) -> None:
    """JSON of another shape than a query's is the caller's mistake."""
    assert caller().post("/v1/decision", value).problem == (400, "query-malformed")


HARMLESS: dict[str, bytes] = {
    "an integer of 4000 digits": body_with(f'"a": {"1" * 4000}'),
    "a number beyond all floats": body_with('"a": 1e999, "b": -1e999'),
    "a huge integer and an escape": body_with(rf'"a": {"9" * 100}, "b": "\u0041"'),
    "both halves of a character": body_with(r'"a": "\ud83d\ude00"'),
    "an escaped backslash before a u": body_with(r'"a": "\\ud800"'),
    "some nesting": body_with(f'"a": {"[" * 100}{"]" * 100}'),
    "blanks": b' \r\n\t{ "policy"\n:"status" , "method" : "GET" } \r\n\t',
}


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
def test_harmless(body: bytes) -> None:
    """JSON that is merely odd, in fields that the service does not know, changes nothing."""
    expected = caller().post("/v1/decision", {"policy": "status", "method": "GET"}).body
    assert expected == caller().ask("POST", "/v1/decision", body, [JSON]).body


CONTENT_TYPES: dict[str, tuple[str | None, bool]] = {
    "none": (None, True),
    "empty": ("", True),
    "application/json": ("application/json", True),
    "in upper case": ("APPLICATION/JSON", True),
    "with a charset": ("application/json; charset=utf-8", True),
    "with a charset and no space": ("application/json;charset=UTF-8", True),
    "with a space before the semicolon": ("application/json ; a=b", True),
    "application/problem+json": ("application/problem+json", True),
    "application/vnd.example.v1+JSON": ("application/vnd.example.v1+JSON; a=b", True),
    "text/plain": ("text/plain", False),
    "text/json": ("text/json", False),
    "application/jsonl": ("application/jsonl", False),
    "application/json5": ("application/json5", False),
    "application/x-ndjson": ("application/x-ndjson", False),
    "application/xml": ("application/xml", False),
    "a form": ("application/x-www-form-urlencoded", False),
    "a parameter that says json": ("text/plain; a=application/json", False),
    "a list": ("application/json, text/plain", False),
    "no type": ("json", False),
}


@pytest.mark.parametrize("path", ["/v1/decision", "/v1/decisions"])
@pytest.mark.parametrize(("value", "accepted"), CONTENT_TYPES.values(), ids=CONTENT_TYPES)
def test_content_type(path: str, value: str | None, accepted: bool) -> None:
    """A body is read as JSON if that is what its type says, or if it has none; the answer says what to send."""
    body = json.dumps(GOOD | {"queries": [GOOD]}).encode("ascii")
    answer = caller().ask("POST", path, body, [] if value is None else [("Content-Type", value)])
    if accepted:
        assert answer.status == 200
    else:
        assert answer.problem == (415, "not-json")
        assert answer.header("Accept") == "application/json"


@pytest.mark.parametrize("path", ["/v1/decision", "/v1/decisions"])
def test_largest_body(path: str) -> None:
    """A body may be as large as the limit and not a byte larger; a larger one is not looked at."""
    good = json.dumps(GOOD | {"queries": [GOOD]}).encode("ascii")
    asked = caller(limits=Limits(body=1000))
    assert asked.ask("POST", path, good.ljust(1000), [JSON]).status == 200
    assert asked.ask("POST", path, good.ljust(1001), [JSON]).problem == (413, "body-too-large")
    assert asked.ask("POST", path, b"[" * 2000, [("Content-Type", "text/plain")]).problem == (413, "body-too-large")


def test_largest_body_by_default() -> None:
    """The limit is a mebibyte unless something else is said."""
    good = json.dumps(GOOD).encode("ascii")
    assert caller().ask("POST", "/v1/decision", good.ljust(1 << 20), [JSON]).status == 200
    assert caller().ask("POST", "/v1/decision", good.ljust((1 << 20) + 1), [JSON]).problem == (413, "body-too-large")


PATHS = [
    "/v1/decision",
    "/v1/decisions",
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/v1/data/cors/decision",
    "/v1/data/cors/apisix",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("part", [b"[],", b"{},", b'{"a":0},', b'"",', b"[" * 500 + b"]" * 500 + b","])
def test_very_many_values(path: str, part: bytes) -> None:
    """A body with more values than any batch of queries is refused before it is parsed, however short it is."""
    body = b'{"a":[%b0]}' % (part * ((1 << 20) // len(part) - 5))
    answer = caller().ask("POST", path, body, [JSON])
    assert answer.problem == (413, "body-too-large")
    assert "100000 of the characters [ { , :" in answer.json["detail"]


def test_a_full_batch_has_few_values() -> None:
    """The longest batch, of queries with all their headers, has a third of the values that a body may have at most."""
    headers = [["Origin", "https://a.example"], ["Access-Control-Request-Method", "PUT"]]
    headers.append(["Access-Control-Request-Headers", "authorization,content-type,x-one,x-two,x-three"])
    query = {"method": "OPTIONS", "policy": "status", "url": "https://a.example:8443/x?y=1,2", "headers": headers}
    body = json.dumps({"queries": [query] * 1000}).encode()
    assert sum(map(body.count, b"[{,:")) < MOST_PARTS // 3
    assert len(caller().ask("POST", "/v1/decisions", body, [JSON]).json["decisions"]) == 1000
