"""Tests of explanations: each step of an exchange, as data."""

from __future__ import annotations

from typing import Final, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies
from cors_service.explain import Answer, Answers, Explanation, PageRequest, explain, explain_answers
from cors_service.explain.exchange import Credentials, origin_of
from cors_service.explain.explanation import StepName
from cors_service.explain.text import in_text
from cors_service.explain.written import as_dict, in_json
from cors_service.policy import read_document
from cors_service.testing import Neighbourhood
from cors_service.testing.strategies import documents as any_document
from tests.explain.patched import documents

SHOP: Final = """\
version = 1

[policies.shop]
match = ["api.example.com/"]
origins = ["https://shop.example.com"]
methods = ["GET", "PUT"]
request_headers = ["content-type"]
expose_headers = ["x-total"]
credentials = true
max_age = 100000

[policies.tools]
match = ["tools.example.com/"]
origins = ["https://shop.example.com"]
resource_policy = "same-origin"

[policies.tools.guard]
""".replace("100000", "86400")
PAGE: Final = "https://shop.example.com"
API: Final = "https://api.example.com/orders/7"
TOOLS: Final = "https://tools.example.com/x"
JSON: Final = (("Content-Type", "application/json"),)
ENGINES: Final = ("chromium", "firefox", "webkit")


def explained(exchange: PageRequest) -> Explanation:
    """Explain an exchange by the shop's policies."""
    return explain(exchange, documents(SHOP))


def steps(explanation: Explanation) -> list[tuple[str, str]]:
    """The steps and their outcomes."""
    return [(step.step, step.outcome) for step in explanation.steps]


def message(explanation: Explanation, name: str) -> str:
    """What is said in a step."""
    return next(step.message for step in explanation.steps if step.step == name)


def test_what_passes() -> None:
    """An exchange that passes is told from the page to what the page may do with the answer."""
    explanation = explained(PageRequest(PAGE, API, "PUT", JSON, "include"))
    assert steps(explanation) == [
        ("page", "note"),
        ("preflight", "note"),
        ("preflight-answer", "passes"),
        ("request", "note"),
        ("answer", "passes"),
        ("browser", "passes"),
        ("cookies", "note"),
        ("headers", "note"),
        ("kept", "note"),
    ]
    assert {name: seen.outcome for name, seen in explanation.engines.items()} == dict.fromkeys(ENGINES, "readable")
    assert [decision.kind for decision in explanation.decisions] == ["preflight", "actual"]
    assert explanation.passes
    assert explanation.mending is None


def test_why_there_is_a_preflight() -> None:
    """What makes the browser ask first is named: the method and each header."""
    explanation = explained(PageRequest(PAGE, API, "PUT", (*JSON, ("X-A", "1"), ("Accept", "text/html"))))
    assert "because of the method PUT and of the headers content-type, x-a." in message(explanation, "preflight")
    sent = explanation.steps[1].sent
    assert sent[0] == "OPTIONS /orders/7"
    assert "Access-Control-Request-Headers: content-type,x-a" in sent


def test_simple() -> None:
    """A simple request is sent without asking first."""
    explanation = explained(PageRequest(PAGE, API))
    assert "preflight-answer" not in dict(steps(explanation))
    assert "without asking first" in message(explanation, "preflight")


def test_own_origin() -> None:
    """A page of the service's own origin reads the answer, whatever the rules say."""
    explanation = explained(PageRequest("https://api.example.com", API, "DELETE"))
    assert explanation.passes
    assert [decision.kind for decision in explanation.decisions] == ["same-origin"]


def test_refused_preflight() -> None:
    """After a refused preflight no request is sent, and Chromium's sentence is there."""
    explanation = explained(PageRequest(PAGE, API, "DELETE"))
    assert dict(steps(explanation))["preflight-answer"] == "stops"
    assert "request" not in dict(steps(explanation))
    assert "method-not-allowed" in message(explanation, "preflight-answer")
    sentence = explanation.engines["chromium"].message or ""
    assert sentence.startswith(f"Access to fetch at '{API}' from origin '{PAGE}' has been blocked by CORS policy: ")


def test_names_in_other_letters() -> None:
    """Engines that write the same name in other letters do not differ."""
    answers = Answers(None, Answer(204, (("Access-Control-Allow-Origin", PAGE),)))
    explanation = explain_answers(PageRequest(PAGE, API, headers=(("Authorization", "x"),)), answers)
    assert "header-not-in-acah" in message(explanation, "browser")
    assert "engines" not in dict(steps(explanation))


def test_headers_that_pages_cannot_set() -> None:
    """Headers that browsers drop are named, and do not count."""
    explanation = explained(PageRequest(PAGE, API, headers=(("Cookie", "a=1"), ("Sec-X", "1"))))
    assert "Browsers drop Cookie, Sec-X" in message(explanation, "page")
    assert explanation.passes


def test_cookies_by_site() -> None:
    """Which cookies go with it depends on whether page and service are of one site (SameSite), not on CORS."""
    same = explained(PageRequest(PAGE, API, credentials="include"))
    assert "SameSite=Lax and Strict: both are on the site example.com" in message(same, "cookies")
    text = SHOP.replace('"https://shop.example.com"', '"https://shop.example.org"')
    other = explain(PageRequest("https://shop.example.org", API, credentials="include"), documents(text))
    assert other.passes
    assert "only those with SameSite=None and Secure" in message(other, "cookies")


def test_how_long_it_is_kept() -> None:
    """The answer to a preflight is kept for as long as each engine keeps one at most."""
    assert "Chromium 7200 s, Firefox 86400 s, WebKit 600 s" in message(explained(PageRequest(PAGE, API, "PUT")), "kept")


def test_readable_headers() -> None:
    """The headers that the page can read are those that are always readable, and those that are exposed."""
    assert message(explained(PageRequest(PAGE, API)), "headers").endswith("and x-total.")


@pytest.mark.parametrize(
    ("exposed", "credentials", "said"),
    [
        ("*", "omit", "every header of the answer but Set-Cookie."),
        ("X-A, *", "omit", "every header of the answer but Set-Cookie."),
        ("X-A,,x-any", "omit", "and X-A, x-any."),
        ("X-A, Set-Cookie", "omit", "and X-A."),
        ("X-A; X-B", "omit", "Pragma. Access-Control-Expose-Headers is not a list of names, so it exposes none."),
        ("*", "include", "With credentials, * is the name of a header and stands for no other."),
        ("*, X-A", "include", "and X-A. With credentials, * is the name of a header and stands for no other."),
    ],
)
def test_readable_headers_of_live_answers(exposed: str, credentials: Credentials, said: str) -> None:
    """What a live answer exposes is what browsers take of it, and not what it says."""
    allowed = (("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Credentials", "true"))
    answer = Answer(200, (*allowed, ("Access-Control-Expose-Headers", exposed)))
    explanation = explain_answers(PageRequest(PAGE, API, credentials=credentials), Answers(answer))
    assert message(explanation, "headers").endswith(said)


@pytest.mark.parametrize(
    ("exchange", "outcome", "said"),
    [
        (PageRequest(PAGE, API, mode="no-cors"), "opaque", "but not read it"),
        (PageRequest(PAGE, API, "POST", JSON, mode="no-cors"), "opaque", "drops content-type"),
        (PageRequest(PAGE, API, "PUT", mode="no-cors"), "blocked", "GET, HEAD and POST"),
        (PageRequest(PAGE, TOOLS, mode="no-cors"), "blocked", "403"),
        (PageRequest(PAGE, API, mode="same-origin"), "blocked", "this is another"),
        (PageRequest("https://api.example.com", API, mode="same-origin"), "readable", "its own origin"),
        (PageRequest(PAGE, API, mode="navigate"), "opaque", "can't read it"),
        (PageRequest("https://evil.example", TOOLS, mode="navigate"), "opaque", "navigation"),
        (PageRequest("https://evil.example", API.replace("https", "wss"), mode="websocket"), "readable", "no guard"),
        (PageRequest("https://evil.example", TOOLS.replace("https", "wss"), mode="websocket"), "blocked", "403"),
    ],
)
def test_other_modes(exchange: PageRequest, outcome: str, said: str) -> None:
    """Other modes than cors have outcomes of their own, and a guard stops what CORS does not."""
    explanation = explained(exchange)
    assert {seen.outcome for seen in explanation.engines.values()} == {outcome}
    assert any(said in step.message for step in explanation.steps), explanation.steps


def test_embedding() -> None:
    """What a page embeds without reading it is blocked by Cross-Origin-Resource-Policy."""
    text = 'version = 1\n[policies.a]\norigins = ["*"]\nresource_policy = "same-site"\n'
    asked = {
        "https://a.example.com": "opaque",
        "https://a.example.org": "blocked",
    }
    for page, outcome in asked.items():
        exchange = PageRequest(page, "https://b.example.com/", mode="no-cors", policy="a")
        assert explain(exchange, documents(text)).engines["firefox"].outcome == outcome


@pytest.mark.parametrize(
    ("page", "url", "outcome", "said"),
    [
        (PAGE, "http://api.example.com/", "stops", "mixed content"),
        (PAGE, "http://localhost:8080/", "note", "this machine itself"),
        (PAGE, "https://192.168.1.7/", "note", "Local Network Access"),
        (PAGE, "https://printer.local/", "note", "asks the user for permission"),
        (PAGE, "http://printer.local/", "stops", "once the user lets the page reach"),
        ("http://shop.example.com", "http://192.168.1.7/", "note", "Chromium blocks this (Local Network Access)"),
        ("http://192.168.1.8", "http://192.168.1.7/", "", ""),
        (PAGE, "https://100.100.1.7/", "note", "Local Network Access"),
        (PAGE, "https://[fd00::7]/", "note", "Local Network Access"),
        (PAGE, "https://[::ffff:c0a8:107]/", "note", "Local Network Access"),
        (PAGE, "https://203.0.113.7/", "", ""),
        ("http://localhost:3000", "http://127.0.0.1/", "", ""),
        (PAGE, API, "", ""),
    ],
)
def test_elsewhere(page: str, url: str, outcome: str, said: str) -> None:
    """What no header of CORS decides is said: mixed content, and access to the local network."""
    explanation = explain(PageRequest(page, url, policy="shop"), documents(SHOP))
    found = [(step.outcome, step.message) for step in explanation.steps if step.step == "elsewhere"]
    assert any(said in text and kind == outcome for kind, text in found) == bool(said)
    assert bool(found) == bool(said)


def test_live_answers() -> None:
    """The headers of a live service are judged as those of a decision, without a policy."""
    allowed = (("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Headers", "*"))
    exchange = PageRequest(PAGE, API, headers=(("Authorization", "x"),))
    explanation = explain_answers(exchange, Answers(Answer(200, allowed), Answer(204, allowed)))
    assert {name: seen.outcome for name, seen in explanation.engines.items()}["chromium"] == "readable"
    assert explanation.decisions == ()
    assert explanation.mending is None


def test_answered_otherwise() -> None:
    """Where a live service answered otherwise than the policies decide, that is said, with the answer."""
    decided = explained(PageRequest(PAGE, API)).decisions[-1].headers
    twice = Answers(Answer(200, (*decided, ("access-control-allow-origin", "*"), ("X-Other", "1"))))
    explanation = explain(PageRequest(PAGE, API), documents(SHOP), twice)
    (step,) = [step for step in explanation.steps if step.step == "elsewhere"]
    assert step.message.startswith("The request was answered with other headers than the policies decide")
    assert "access-control-allow-origin: *" in step.received
    same = Answers(Answer(200, (*((name.lower(), value) for name, value in decided), ("X-Other", "1"))))
    assert not any(step.step == "elsewhere" for step in explain(PageRequest(PAGE, API), documents(SHOP), same).steps)


def test_redirected_preflight() -> None:
    """A preflight that is redirected blocks, with the sentence for that."""
    answer = Answer(302, (("Location", "/login"), ("Access-Control-Allow-Origin", PAGE)))
    explanation = explain_answers(PageRequest(PAGE, API, "PUT"), Answers(None, answer))
    assert {seen.outcome for seen in explanation.engines.values()} == {"blocked"}
    assert "Redirect is not allowed for a preflight request." in (explanation.engines["chromium"].message or "")


def test_redirected_request() -> None:
    """An application's own redirect is named: no policy changes that."""
    answer = Answer(302, (("Location", "https://other.example/"), ("Access-Control-Allow-Origin", PAGE)))
    explanation = explain_answers(PageRequest(PAGE, API), Answers(answer))
    assert "The application redirects." in message(explanation, "elsewhere")


def test_no_answer() -> None:
    """Without an answer there is nothing that a page could read."""
    allowed = Answer(204, (("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Methods", "PUT")))
    for method, preflight in (("GET", None), ("PUT", None), ("PUT", allowed)):
        explanation = explain_answers(PageRequest(PAGE, API, method), Answers(None, preflight))
        assert not explanation.passes
        # What its headers lack, nobody knows.
        assert not any("Access-Control-Allow-Origin" in (seen.message or "") for seen in explanation.engines.values())
        assert "No answer is known" in message(explanation, "answer")


def test_json() -> None:
    """In JSON, an explanation has its four members, and the mending a patch and what else it allows."""
    written = msgspec.json.decode(in_json(explained(PageRequest(PAGE, API, "DELETE"))))
    assert list(written) == ["steps", "decisions", "engines", "mending"]
    assert list(written["engines"]) == list(ENGINES)
    assert set(written["engines"]["chromium"]) == {"outcome", "message"}
    assert set(written["mending"]) == {"patch", "also_allows"}
    assert as_dict(explained(PageRequest(PAGE, API)))["mending"] is None


@pytest.mark.parametrize(
    ("page", "origin"),
    [
        ("https://app.example.com/a?b", "https://app.example.com"),
        ("https://app.example.com:443/", "https://app.example.com"),
        ("null", "null"),
        ("app://.", "app://."),
        ("file://", "file://"),
    ],
)
def test_pages(page: str, origin: str) -> None:
    """A page may be named by its URL or its origin."""
    assert origin_of(page) == origin


@pytest.mark.parametrize("page", ["", "app.example.com", "https://"])
def test_no_pages(page: str) -> None:
    """What has no origin is not a page."""
    with pytest.raises(ValueError, match="is not the URL or the origin of a page"):
        origin_of(page)


@given(
    any_document(), st.randoms(use_true_random=False), st.sampled_from(["cors", "no-cors", "same-origin", "navigate"])
)
def test_any_exchange(document: dict[str, object], random: object, mode: str) -> None:
    """Whatever a page asks, the explanation can be written, and its engines agree with its browser's step."""
    drawn = Neighbourhood(document, "a").draw_exchange(random).request  # type: ignore[arg-type]
    credentials = "include" if drawn.credentials else "omit"
    exchange = PageRequest(drawn.origin, drawn.url, drawn.method, drawn.headers, credentials, mode, "a")  # type: ignore[arg-type]
    explanation = explain(exchange, ActivePolicies(read_document(document)))
    assert {step.step for step in explanation.steps} <= set(get_args(StepName))
    assert in_text(explanation)
    assert in_json(explanation)
    stops = any(step.outcome == "stops" for step in explanation.steps if step.step in {"browser", "elsewhere"})
    assert stops == (explanation.engines["chromium"].outcome == "blocked")


STOPPING: Final = """\
version = 1

[policies.tools]
match = ["tools.example.com/"]
origins = ["https://shop.example.com"]
methods = ["GET", "POST"]
request_headers = ["content-type"]

[policies.tools.guard]
hosts = ["other.example.com"]
"""


@pytest.mark.parametrize("requests", ['"all"', '"state-changing"'])
@pytest.mark.parametrize("headers", [(), JSON], ids=["simple", "preflight"])
@pytest.mark.parametrize("page", [PAGE, "https://tools.example.com", "https://evil.example"])
def test_a_guard_that_stops(page: str, headers: tuple[tuple[str, str], ...], requests: str) -> None:
    """Where a guard stops what rules may let in, no step and no engine says that it passes, and a 403 is judged."""
    policies = documents(f"{STOPPING}requests = {requests}\n")
    explanation = explain(PageRequest(page, TOOLS, "POST", headers), policies)
    said = steps(explanation)
    assert ("browser", "stops") in said
    if requests == '"all"' or page != "https://evil.example" or not headers:
        # A preflight that the rules refuse keeps the request back, and the guard is not asked.
        assert ("guard", "stops") in said
        assert "[host-not-allowed]" in message(explanation, "guard")
    if requests == '"all"' or not headers:
        assert not any(outcome == "passes" for _, outcome in said)
    received = [step.received for step in explanation.steps if step.step in {"preflight-answer", "answer"}]
    assert received[-1][0] == "403"
    assert not any(line.startswith("Access-Control-") for line in received[-1])
    assert {seen.outcome for seen in explanation.engines.values()} == {"blocked"}
    assert explanation.outcome == "blocked"
