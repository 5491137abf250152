"""Tests of recorded sessions: what is read of them, and what is not."""

from __future__ import annotations

import json
from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.explain import Answer, Answers, explain, explain_answers
from cors_service.explain.har import InvalidRecordingError, read_har
from cors_service.explain.text import in_text_all
from cors_service.explain.written import SCHEMA, in_json_all
from tests.explain.patched import documents

PAGE: Final = "https://app.example.com"
URL: Final = "https://api.example.com/orders/7"


def entry(
    method: str,
    url: str,
    headers: dict[str, str],
    status: int = 200,
    answer: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A request of a recording, as browsers write it."""
    return {
        "startedDateTime": "2026-11-28T12:00:00.000Z",
        "time": 1.5,
        "request": {
            "method": method,
            "url": url,
            "httpVersion": "h2",
            "headers": [{"name": name, "value": value} for name, value in headers.items()],
            "cookies": [],
            **more,
        },
        "response": {
            "status": status,
            "headers": [{"name": name, "value": value} for name, value in (answer or {}).items()],
            "content": {"text": "what a secret is told"},
        },
        "_resourceType": "fetch",
    }


def recording(*entries: dict[str, Any]) -> bytes:
    """A recording."""
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "a browser"}, "entries": entries}}).encode()


ASKED: Final = entry(
    "OPTIONS",
    URL,
    {
        "Origin": PAGE,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    },
    204,
    {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "PUT",
        "access-control-allow-credentials": "true",
    },
)
SENT: Final = entry(
    "PUT",
    f"{URL}?token=secret#secret",
    {
        ":authority": "api.example.com",
        "User-Agent": "Mozilla/5.0",
        "Authorization": "Bearer secret",
        "Cookie": "session=secret",
        "Content-Type": "application/json",
        "Origin": PAGE,
        "Referer": f"{PAGE}/?secret",
        "Sec-Fetch-Mode": "cors",
        "X-Ours": "secret",
    },
    200,
    {"Set-Cookie": "session=secret", "Access-Control-Allow-Origin": PAGE, "Location": "/?secret"},
    postData={"mimeType": "application/json", "text": '{"password": "secret"}'},
)


def test_nothing_secret() -> None:
    """No cookie, token, body, query or header value of a recording is kept; only what CORS looks at."""
    session = read_har(recording(SENT))
    assert "secret" not in repr(session)
    assert (
        "secret" not in in_json_all([explain_answers(one.exchange, one.answers) for one in session.recorded]).decode()
    )
    (one,) = session.recorded
    assert one.exchange.url == URL
    assert one.exchange.page == PAGE
    assert one.exchange.credentials == "include"
    assert [name for name, _ in one.exchange.headers] == ["Authorization", "Content-Type", "X-Ours"]


@pytest.mark.parametrize("entries", [(ASKED, SENT), (SENT, ASKED)])
def test_preflight(entries: tuple[dict[str, Any], ...]) -> None:
    """A preflight is part of its request, whichever is written first, and says which headers the page set."""
    asked = {**ASKED, "request": {**ASKED["request"], "url": f"{URL}?token=secret"}}
    sent = {**SENT, "request": {**SENT["request"], "url": f"{URL}?token=secret"}}
    session = read_har(recording(*(asked if one is ASKED else sent for one in entries)))
    (one,) = session.recorded
    assert one.answers.preflight is not None
    assert one.answers.preflight.status == 204
    assert [name for name, _ in one.exchange.headers] == ["Authorization", "Content-Type"]
    explanation = explain_answers(one.exchange, one.answers)
    assert explanation.engines["chromium"].outcome == "blocked"
    assert "Access-Control-Allow-Headers" in (explanation.engines["chromium"].message or "")


ASKED_FOR: Final = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "x-a",
}
_URLS = st.sampled_from([URL, "https://api.example.com/other"])
_METHODS = st.sampled_from(["PUT", "DELETE"])
_ORIGINS = st.sampled_from([None, PAGE, "https://other.example.com"])


@given(st.lists(st.tuples(st.booleans(), _URLS, _METHODS, _ORIGINS), max_size=12))
def test_whose_preflight(kinds: list[tuple[bool, str, str, str | None]]) -> None:
    """Each request has the first preflight that is left about its URL and method, of its page where that is known."""
    entries, waiting, wanted = [], [], 0
    for is_preflight, url, method, origin in kinds:
        headers = {} if origin is None else {"Origin": origin}
        if is_preflight:
            entries.append(entry("OPTIONS", url, {**headers, "Access-Control-Request-Method": method}))
            waiting.append((url, method, origin))
        else:
            entries.append(entry(method, url, headers))
    for is_preflight, url, method, origin in kinds:
        if not is_preflight:
            fits = [one for one in waiting if one[:2] == (url, method) and origin in {None, one[2]}]
            if fits:
                waiting.remove(fits[0])
                wanted += 1
    recorded = read_har(recording(*entries)).recorded
    assert wanted == sum(one.answers.actual is not None and one.answers.preflight is not None for one in recorded)


MENDED: Final = entry(
    "OPTIONS",
    URL,
    ASKED_FOR,
    204,
    {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "PUT", "Access-Control-Allow-Headers": "x-a"},
)
FAILED: Final = {
    "a status": entry("OPTIONS", URL, ASKED_FOR, 403),
    "no origin": entry("OPTIONS", URL, ASKED_FOR, 204),
    "no header": entry("OPTIONS", URL, ASKED_FOR, 204, {"Access-Control-Allow-Origin": PAGE}),
}


@pytest.mark.parametrize("fault", FAILED)
@pytest.mark.parametrize("origin", [{"Origin": PAGE}, {}])
def test_tried_again(fault: str, origin: dict[str, str]) -> None:
    """A request that was answered has the preflight that passed; the one that failed before is of one never sent."""
    sent = entry("PUT", URL, {**origin, "X-A": "1"}, 200, {"Access-Control-Allow-Origin": PAGE})
    session = read_har(recording(FAILED[fault], MENDED, sent))
    sent_one, unsent = session.recorded
    assert sent_one.answers.actual is not None
    assert explain_answers(sent_one.exchange, sent_one.answers).passes
    assert (unsent.answers.actual, unsent.exchange.method) == (None, "PUT")
    assert not explain_answers(unsent.exchange, unsent.answers).passes


def test_a_later_failure() -> None:
    """A preflight that failed stays with the request that was never answered, and not with one before it."""
    sent = entry("PUT", URL, {"Origin": PAGE, "X-A": "1"}, 200, {"Access-Control-Allow-Origin": PAGE})
    blocked = entry("PUT", URL, {"Origin": PAGE, "X-A": "1"}, 0)
    session = read_har(recording(sent, FAILED["a status"], blocked))
    assert [one.answers.preflight and one.answers.preflight.status for one in session.recorded] == [None, 403]


def test_provisional_headers() -> None:
    """Of a request that was blocked by its preflight, Chromium records no Origin; the preflight has it."""
    asked = {**ASKED, "request": {**ASKED["request"], "method": "OPTIONS"}}
    blocked = entry("PUT", URL, {"Referer": f"{PAGE}/", "X-Ours": "1"}, 0)
    (one,) = read_har(recording(blocked, asked)).recorded
    assert (one.exchange.page, one.exchange.mode) == (PAGE, "cors")
    assert one.answers.actual is None


def test_redirected() -> None:
    """An Origin that is null after a redirect is explained by it; one of a sandboxed frame is not."""
    other, last = "https://other.example.net/a", "https://third.example.org/b"
    asked = (
        entry("GET", URL, {"Origin": PAGE}, 302, {"Access-Control-Allow-Origin": PAGE, "Location": f"{other}?secret"}),
        entry("GET", f"{other}?b", {"Origin": "null"}, 307, {"Access-Control-Allow-Origin": "*", "Location": last}),
        entry("GET", last, {"Origin": "null"}, 200, {"Access-Control-Allow-Origin": PAGE}),
        entry("GET", URL, {"Origin": "null"}, 302, {"Access-Control-Allow-Origin": "*", "Location": f"{URL}/8"}),
        entry("GET", f"{URL}/8", {"Origin": "null"}),
    )
    session = read_har(recording(*asked))
    assert [one.exchange.redirected_from for one in session.recorded] == [None, URL, other, None, None]
    said = [step.message for step in explain_answers(session.recorded[2].exchange, Answers()).steps]
    assert any("redirected from https://other.example.net/a, across origins" in message for message in said)
    written = in_json_all([explain_answers(one.exchange, one.answers) for one in session.recorded])
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(json.loads(written))


def test_headers_of_browsers() -> None:
    """What a browser adds by itself is not set by the page, and needs no preflight."""
    added = ("Alt-Used", "Last-Event-ID", "Upgrade-Insecure-Requests", "X-Browser-Validation", "Available-Dictionary")
    sent = entry("GET", URL, {"Origin": PAGE, **dict.fromkeys(added, "x")}, 200, {"Access-Control-Allow-Origin": "*"})
    (one,) = read_har(recording(sent)).recorded
    assert one.exchange.headers == ()


def test_only_a_preflight() -> None:
    """Of a request that was never sent, its preflight says what it would have been."""
    (one,) = read_har(recording(ASKED)).recorded
    assert (one.exchange.page, one.exchange.method) == (PAGE, "PUT")
    assert [name for name, _ in one.exchange.headers] == ["authorization", "content-type"]
    assert not explain_answers(one.exchange, one.answers).passes


def test_modes() -> None:
    """What a page embeds, opens or leads to is no request of fetch(), and its own files are of its own origin."""
    session = read_har(
        recording(
            entry("GET", f"{PAGE}/", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}),
            entry("GET", f"{PAGE}/app.js", {"Sec-Fetch-Mode": "no-cors", "Referer": f"{PAGE}/"}),
            entry("GET", "https://cdn.example.net/a.png", {"Sec-Fetch-Mode": "no-cors", "Referer": f"{PAGE}/"}),
            entry("GET", "wss://api.example.com/live", {"Origin": PAGE, "Upgrade": "websocket"}, 101),
            entry("GET", "chrome-extension://abc/x.js", {}),
            entry("GET", "data:text/plain,x", {}),
        )
    )
    assert session.left_out == 2
    found = [(one.exchange.mode, one.exchange.page) for one in session.recorded]
    assert found == [("navigate", PAGE), ("no-cors", PAGE), ("no-cors", PAGE), ("websocket", PAGE)]
    outcomes = [explain_answers(one.exchange, one.answers).engines["webkit"].outcome for one in session.recorded]
    assert outcomes == ["opaque", "readable", "opaque", "readable"]


@pytest.mark.parametrize("status", [0, -1, None, "", 0.0])
def test_no_answer(status: Any) -> None:
    """A request without an answer is blocked."""
    (one,) = read_har(recording(entry("GET", URL, {"Origin": PAGE}, status))).recorded
    assert one.answers.actual is None
    assert not explain_answers(one.exchange, one.answers).passes


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a recording that is too long, the first requests are read and the rest counted; a larger one is refused."""
    monkeypatch.setattr("cors_service.explain.har.MOST_ENTRIES", 3)
    session = read_har(recording(*(SENT for _ in range(5))))
    assert (len(session.recorded), session.left_out) == (3, 2)
    monkeypatch.setattr("cors_service.explain.har.LARGEST", 10)
    with pytest.raises(InvalidRecordingError, match="more than 10 bytes"):
        read_har(recording())


ODD: Final[dict[str, dict[str, Any] | list[Any] | None]] = {
    "no object": None,
    "a list": [],
    "no request": {**SENT, "request": None},
    "a method that is no text": {**SENT, "request": {**SENT["request"], "method": 1}},
    "a URL that is none": {**SENT, "request": {**SENT["request"], "url": None}},
    "headers that are none": {**SENT, "request": {**SENT["request"], "headers": "Origin"}},
    "a name that is none": {**SENT, "request": {**SENT["request"], "headers": [{"name": 1, "value": "secret"}]}},
    "a status that is none": {**SENT, "response": {"status": [200], "headers": []}},
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_entries(kind: str) -> None:
    """An entry that can't be read is counted as left out, and the rest of the recording is read."""
    data = json.dumps({"log": {"entries": [SENT, ODD[kind], SENT]}}).encode()
    session = read_har(data)
    assert (len(session.recorded), session.left_out) == (2, 1)


@pytest.mark.parametrize("response", [None, {}, {"status": 0, "headers": None}])
def test_no_response(response: dict[str, Any] | None) -> None:
    """A request without a response, or with one without headers, had no answer that is known."""
    session = read_har(recording({**SENT, "response": response}))
    assert [one.answers for one in session.recorded] == [Answers()]


def test_missing_headers() -> None:
    """A message without headers has none, and a header without a name is passed over."""
    bare = entry("GET", URL, {"Origin": PAGE})
    bare["request"]["headers"] += [{"value": "secret"}, {}]
    bare["response"]["headers"] = None
    (one, other) = read_har(
        recording(bare, {**bare, "request": {"method": "GET", "url": URL, "headers": None}})
    ).recorded
    assert (one.exchange.page, one.exchange.headers) == (PAGE, ())
    assert one.answers.actual == Answer(200)
    assert other.exchange.headers == ()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"log": 1}', b"\xff", b"[" * 100_000, b'{"log":{"entries":[1]}}'])
def test_no_recording(data: bytes) -> None:
    """What is no recording is refused, without repeating any of it."""
    with pytest.raises(InvalidRecordingError, match="is not a recording"):
        read_har(data)


def test_any_origin() -> None:
    """A request with an Origin that is none is left out."""
    session = read_har(recording(entry("GET", URL, {"Origin": "what"}), entry("GET", URL, {"Origin": "null"})))
    assert [one.exchange.page for one in session.recorded] == ["null"]
    assert session.left_out == 1


def test_json_of_all() -> None:
    """In JSON, each exchange has what was asked beside its explanation."""
    session = read_har(recording(ASKED, SENT))
    written = msgspec.json.decode(in_json_all([explain_answers(one.exchange, one.answers) for one in session.recorded]))
    assert [set(one) for one in written["exchanges"]] == [
        {"exchange", "steps", "decisions", "engines", "mending"} for _ in session.recorded
    ]


READABLE: Final = {"Access-Control-Allow-Origin": PAGE, "ETag": '"1"', "Vary": "Origin"}
ASKED_AGAIN: Final = {"Origin": PAGE, "If-None-Match": '"1"'}
STILL: Final = {"ETag": '"1"', "Vary": "Origin"}


def again(answer: dict[str, str], url: str = URL, **headers: str) -> dict[str, Any]:
    """A request by which a browser asks whether the answer that it has is still right, and it is."""
    return entry("GET", url, {**ASKED_AGAIN, **headers}, 304, answer)


def outcomes_of(*entries: dict[str, Any]) -> list[set[str]]:
    """What each engine makes of each request of a recording."""
    session = read_har(recording(*entries))
    explained = [explain_answers(one.exchange, one.answers) for one in session.recorded]
    return [{seen.outcome for seen in one.engines.values()} for one in explained]


FIRST: Final = entry("GET", URL, {"Origin": PAGE}, 200, READABLE)
UNREADABLE: Final = entry("GET", URL, {"Origin": PAGE}, 200, {"ETag": '"1"'})
FAILURE: Final = entry("GET", URL, {"Origin": PAGE}, 503, READABLE)
OTHER_ORIGIN: Final = {"Access-Control-Allow-Origin": "https://other.example.com"}
REVALIDATED: Final[dict[str, tuple[list[dict[str, Any]], list[str]]]] = {
    "a stored answer": ([FIRST, again(STILL)], ["readable", "readable"]),
    "one that was not readable": ([UNREADABLE, again(STILL)], ["blocked", "blocked"]),
    "a 304 that allows more": ([UNREADABLE, again(READABLE), again({})], ["blocked", "readable", "readable"]),
    "a 304 that allows less": ([FIRST, again(OTHER_ORIGIN), again({})], ["readable", "blocked", "blocked"]),
    "the last stored answer": ([FIRST, UNREADABLE, again(STILL)], ["readable", "blocked", "blocked"]),
    "nothing stored": ([again(STILL)], ["unknown"]),
    "nothing stored of this query": ([FIRST, again(STILL, f"{URL}?a=1")], ["readable", "unknown"]),
    "nothing stored of this page": ([FIRST, again(STILL, Origin="https://other.example.com")], ["readable", "unknown"]),
    "nothing stored but a failure": ([FAILURE, again(STILL)], ["readable", "unknown"]),
    "nothing stored, and a 304 that allows it": ([again(READABLE)], ["readable"]),
    "nothing stored, and a 304 that does not": ([again(OTHER_ORIGIN)], ["blocked"]),
    "nothing stored about cookies": ([again(READABLE, Cookie="a=b")], ["unknown"]),
    "a request of the page's own origin": ([again(STILL, Origin="https://api.example.com")], ["readable"]),
}


@pytest.mark.parametrize("kind", REVALIDATED)
def test_revalidated(kind: str) -> None:
    """Of a 304, browsers judge the answer that they have stored, updated by it; of one not recorded nothing is said."""
    entries, expected = REVALIDATED[kind]
    assert outcomes_of(*entries) == [{one} for one in expected]


@pytest.mark.parametrize("answer", [STILL, READABLE])
def test_condition_of_the_page(answer: dict[str, str]) -> None:
    """If the page itself sets the condition, its browser's cache keeps out, and it judges the 304."""
    asked = entry(
        "OPTIONS",
        URL,
        {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"},
        204,
        {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Headers": "if-none-match"},
    )
    expected = "readable" if answer is READABLE else "blocked"
    first = {**FIRST, "request": again(answer)["request"]}
    assert outcomes_of(asked, first, asked, again(answer)) == [{"readable"}, {expected}]


def test_words_about_a_304() -> None:
    """Of a 304 both answers are shown, its own and the one that the page gets; or it is said that this is not known."""
    session = read_har(recording(FIRST, again({"Vary": "Accept"}), again(STILL, Origin="https://b.example.com")))
    _, known, unknown = (explain_answers(one.exchange, one.answers) for one in session.recorded)
    received = [step.received for step in known.steps if step.step == "answer"]
    assert received == [
        ("304", "Vary: Accept"),
        ("200", f"Access-Control-Allow-Origin: {PAGE}", "Vary: Accept"),
    ]
    written = in_text_all([known, unknown])
    assert "   2  unknown   https://b.example.com sends GET" in written
    assert "That one is not known here" in written
    assert written.endswith("2 requests, 0 of them blocked, 1 unknown.")
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(json.loads(in_json_all([known, unknown])))


def test_a_304_beside_policies() -> None:
    """A 304 without CORS headers does not differ from what is decided, since it need not repeat them."""
    policies = documents(f'version = 1\n[policies.a]\nmatch = ["api.example.com/"]\norigins = ["{PAGE}"]\n')
    for entries in ((FIRST, again(STILL)), (again(STILL),)):
        one = read_har(recording(*entries)).recorded[-1]
        explanation = explain(one.exchange, policies, one.answers)
        assert explanation.passes
        assert [step.message for step in explanation.steps if "with other headers" in step.message] == []
