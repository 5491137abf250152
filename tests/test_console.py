"""What consoles print is written from the facts, and recognised in what people paste."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.browser import ENGINES, Behaviour, Failure, Recognised, Step, console_lines, recognise
from cors_service.browser.sentences import OLDER, SENTENCES, Sentence

URL: Final = "https://api.example.com/orders?page=2&of=(all)"
PAGE: Final = "https://app.example.com"
VALUES: Final = {
    Step.ACAO_MULTIPLE: "https://a.example, https://b.example",
    Step.ACAO_INVALID: "b.example",
    Step.ACAO_MISMATCH: "https://b.example",
    Step.ACAC_NOT_TRUE: "True",
    Step.ACAM_MALFORMED: "GET; PUT",
    Step.ACAH_MALFORMED: "x-one; x-two",
    Step.METHOD_NOT_IN_ACAM: "PUT",
    Step.AUTHORIZATION_NOT_IN_ACAH: "authorization",
    Step.HEADER_NOT_IN_ACAH: "x-one",
    Step.METHOD_FORBIDDEN: "TRACE",
    Step.NETWORK_ERROR: "ERR_CONNECTION_REFUSED",
    Step.RESOURCE_POLICY: "ERR_BLOCKED_BY_RESPONSE.NotSameOriginAfterDefaultedToSameOriginByCoepAndDip",
    Step.OPAQUE_RESPONSE: "ERR_BLOCKED_BY_ORB",
    Step.BLOCKED_BY_CLIENT: "ERR_BLOCKED_BY_CLIENT.Inspector",
    Step.LOCAL_NETWORK: "loopback",
    Step.URL_SCHEME: "ftp",
    Step.CONTENT_SECURITY_POLICY: "connect-src 'self'",
}
LEADING: Final = {
    Step.REDIRECT_SCHEME: "data:text/plain,x",
    Step.REDIRECT_WITH_CREDENTIALS: "https://user:secret@b.example/",
}


def failure(step: Step) -> Failure:
    """A failure at a step, with the facts that belong to it."""
    value, leads_to = VALUES.get(step, ""), LEADING.get(step)
    preflight = step is Step.NETWORK_ERROR
    return Failure(step, URL, PAGE, value, preflight=preflight, status=403, leads_to=leads_to)


PRINTED: Final = {
    (engine, step): console_lines(engine, failure(step))
    for engine in ENGINES
    for step in Step
    if console_lines(engine, failure(step))
}
"""What each engine prints at each step."""

each = pytest.mark.parametrize(
    ("engine", "step"), [pytest.param(*key, id=f"{key[0].value}-{key[1]}") for key in PRINTED]
)

PASTED: Final[dict[str, Callable[[str], str]]] = {
    "alone": str,
    "with a place": lambda text: f"app.js:12  {text}",
    "with a stack": lambda text: f"(index):1 {text}\nload @ app.js:12\n(anonymous) @ (index):1",
    "in quotes": lambda text: f'"{text}"',
    "without quotes, as shells leave it": lambda text: text.replace("'", "").replace('"', ""),
    "with other quotes": lambda text: text.replace("'", "’").replace("‘", "'"),
    "with quotes escaped": lambda text: text.replace('"', '\\"').replace("'", "\\'"),
    "on several lines": lambda text: "\n    ".join(
        textwrap.wrap(text, 50, break_long_words=False, break_on_hyphens=False)
    ),
    "with blanks that do not break": lambda text: text.replace(" ", "\u00a0"),
    "in a question": lambda text: f"My page says: {text}\nWhat can I do?",
    "cut off at the end": lambda text: text[:-4],
    "cut off at the beginning": lambda text: text[8:],
}


@each
@pytest.mark.parametrize("how", PASTED)
def test_recognised(how: str, engine: Behaviour, step: Step) -> None:
    """However a sentence is pasted, its engine and step are found."""
    found = recognise(PASTED[how]("\n".join(PRINTED[engine, step])))
    assert found is not None
    assert (found.engine, step in found.steps) == (engine, True)


@each
def test_facts(engine: Behaviour, step: Step) -> None:
    """What a sentence names is found in it, and nothing else."""
    lines = "\n".join(PRINTED[engine, step])
    found = recognise(lines)
    assert found is not None
    facts = {"url": URL, "origin": PAGE, "value": VALUES.get(step, ""), "status": 403}
    named = {name: fact for name, fact in facts.items() if str(fact) and str(fact) in lines}
    assert {name: getattr(found, name) for name in facts if getattr(found, name) not in {None, ""}} == named


def test_preflight_and_redirect() -> None:
    """Chromium says whether it was the preflight, and where a redirected request began."""
    blocked = Failure(Step.ACAO_MISSING, URL, PAGE, "", preflight=True, redirected_from="https://a.example/1")
    assert recognise("\n".join(console_lines(Behaviour.CHROMIUM, blocked))) == Recognised(
        Behaviour.CHROMIUM,
        (Step.ACAO_MISSING,),
        preflight=True,
        url=URL,
        origin=PAGE,
        redirected_from="https://a.example/1",
        api="fetch",
    )


def test_xhr() -> None:
    """What Chromium adds for an XMLHttpRequest is written, and recognised."""
    blocked = Failure(Step.ACAC_NOT_TRUE, URL, PAGE, "", api="XMLHttpRequest")
    (line,) = console_lines(Behaviour.CHROMIUM, blocked)
    assert line.endswith("is controlled by the withCredentials attribute.")
    assert recognise(line) == Recognised(
        Behaviour.CHROMIUM,
        (Step.ACAC_NOT_TRUE,),
        preflight=False,
        url=URL,
        origin=PAGE,
        value="",
        api="XMLHttpRequest",
    )


def test_repeated_header() -> None:
    """Firefox tells a header that came twice from a list in one line."""
    once = Failure(Step.ACAO_MULTIPLE, URL, PAGE, f"{PAGE}, {PAGE}")
    twice = Failure(Step.ACAO_MULTIPLE, URL, PAGE, f"{PAGE}, {PAGE}", repeated=True)
    assert "does not match" in console_lines(Behaviour.FIREFOX, once)[0]
    assert "Multiple CORS header" in console_lines(Behaviour.FIREFOX, twice)[0]


@pytest.mark.parametrize(
    ("text", "engine", "steps"),
    [
        ("TypeError: Failed to fetch", Behaviour.CHROMIUM, ()),
        ("TypeError: NetworkError when attempting to fetch resource.", Behaviour.FIREFOX, ()),
        ("Unhandled Promise Rejection: TypeError: Load failed", Behaviour.WEBKIT, ()),
        ("GET https://api.example.com/ net::ERR_FAILED 200 (OK)", Behaviour.CHROMIUM, ()),
        ("GET https://api.example.com/ net::ERR_FAILED.", Behaviour.CHROMIUM, ()),
        ("Failed to load resource: the server responded with a status of 404 ()", Behaviour.CHROMIUM, ()),
        ("GET https://api.example.com/ net::ERR_NAME_NOT_RESOLVED", Behaviour.CHROMIUM, (Step.NETWORK_ERROR,)),
        ("Fetch API cannot load https://a.example/ due to access control checks.", Behaviour.WEBKIT, ()),
        ("...has been blocked by CORS policy", Behaviour.CHROMIUM, ()),
        (
            "from origin 'null' has been blocked by CORS policy: Cross origin requests are only sup",
            Behaviour.CHROMIUM,
            (Step.URL_SCHEME, Step.REDIRECT_SCHEME),
        ),
        (
            "Reason: CORS header ‘Access-Control-Allow-Origin’",
            Behaviour.FIREFOX,
            (Step.ACAO_MISSING, Step.ACAO_MISMATCH, Step.ACAO_INVALID, Step.ACAO_MULTIPLE),
        ),
        (
            "origin 'a:b' has been blocked by CORS policy: Method PUT is not allowed by Access-Control-Allow-Methods",
            Behaviour.CHROMIUM,
            (Step.METHOD_NOT_IN_ACAM,),
        ),
    ],
)
def test_parts(text: str, engine: Behaviour, steps: tuple[Step, ...]) -> None:
    """What says little is recognised as far as it goes."""
    found = recognise(text)
    assert found is not None
    assert (found.engine, found.steps) == (engine, steps)


@pytest.mark.parametrize("what", ["image", "script", "CSS stylesheet", "font", "link element resource"])
def test_elements(what: str) -> None:
    """Chromium says the same of what a page loads without asking by a script."""
    (line,) = console_lines(Behaviour.CHROMIUM, Failure(Step.ACAO_MISSING, URL, PAGE, api=what))
    found = recognise(line)
    assert found is not None
    assert (found.steps, found.url, found.api) == ((Step.ACAO_MISSING,), URL, what)


def test_first_of_several() -> None:
    """Of several sentences, the first one that says why counts."""
    first, second = PRINTED[Behaviour.FIREFOX, Step.ACAC_NOT_TRUE], PRINTED[Behaviour.FIREFOX, Step.NETWORK_ERROR]
    found = recognise("\n".join([*first, *second]))
    assert found is not None
    assert found.steps == (Step.ACAC_NOT_TRUE,)


MIXED: Final = "Mixed Content: The page at 'https://app.example.com/cart' was loaded over HTTPS, but "
VIOLATES: Final = "violates the following Content Security Policy directive: "
AT_FIREFOX: Final = f"The Same Origin Policy disallows reading the remote resource at {URL}. "
FALLBACK: Final = " Note that 'connect-src' was not explicitly set, so 'default-src' is used as a fallback."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            (
                f"{MIXED}requested an insecure XMLHttpRequest endpoint 'http://a.example/'. This request has been "
                "blocked; the content must be served over HTTPS."
            ),
            Recognised(Behaviour.CHROMIUM, (Step.MIXED_CONTENT,), url="http://a.example/", origin=PAGE),
        ),
        (
            (
                f"{MIXED}attempted to connect to the insecure WebSocket endpoint 'ws://a.example/'. This request has "
                "been blocked; this endpoint must be available over WSS."
            ),
            Recognised(Behaviour.CHROMIUM, (Step.MIXED_CONTENT,), url="ws://a.example/", origin=PAGE),
        ),
        (
            (
                "WebSocket connection to 'ws://127.0.0.1:6463/' failed: Error in connection establishment: "
                "net::ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS"
            ),
            Recognised(Behaviour.CHROMIUM, (Step.LOCAL_NETWORK,), value="ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS"),
        ),
        (
            (
                f"Access to fetch at '{URL}' from origin 'http://app.example.com' has been blocked by CORS policy: The "
                "request client is not a secure context and the resource is in more-private address space `private`."
            ),
            Recognised(
                Behaviour.CHROMIUM,
                (Step.LOCAL_NETWORK,),
                preflight=False,
                url=URL,
                origin="http://app.example.com",
                value="private",
                api="fetch",
            ),
        ),
        (
            f"GET {URL} net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin 200 (OK)",
            Recognised(Behaviour.CHROMIUM, (Step.RESOURCE_POLICY,), value="ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"),
        ),
        (
            f"GET {URL} net::ERR_BLOCKED_BY_",
            Recognised(
                Behaviour.CHROMIUM,
                (Step.RESOURCE_POLICY, Step.OPAQUE_RESPONSE, Step.BLOCKED_BY_CLIENT, Step.LOCAL_NETWORK),
                value="ERR_BLOCKED_BY_",
            ),
        ),
        (
            f"GET {URL} net::ERR_TOO_MANY_REDIRECTS",
            Recognised(Behaviour.CHROMIUM, (Step.REDIRECT_LIMIT,)),
        ),
        (
            f"GET {URL} net::ERR_HTTP2_PROTOCOL_ERROR 200",
            Recognised(Behaviour.CHROMIUM, (Step.NETWORK_ERROR,), value="ERR_HTTP2_PROTOCOL_ERROR"),
        ),
        (
            f"Connecting to '{URL}' {VIOLATES}\"default-src 'self'\".{FALLBACK} The action has been blocked.",
            Recognised(Behaviour.CHROMIUM, (Step.CONTENT_SECURITY_POLICY,), url=URL, value="default-src 'self'"),
        ),
    ],
)
def test_others(text: str, found: Recognised) -> None:
    """What an engine prints less often is recognised, too, with all that it names."""
    assert recognise(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            f"Refused to connect to '{URL}' because it {VIOLATES}\"connect-src 'self' https://b.example wss:\".",
            Recognised(
                Behaviour.CHROMIUM,
                (Step.CONTENT_SECURITY_POLICY,),
                url=URL,
                value="connect-src 'self' https://b.example wss:",
            ),
        ),
        (
            (
                f"app.js:3 Refused to connect to '{URL}' because it {VIOLATES}\"default-src 'self'\".{FALLBACK}\n\n"
                "load @ app.js:3"
            ),
            Recognised(Behaviour.CHROMIUM, (Step.CONTENT_SECURITY_POLICY,), url=URL, value="default-src 'self'"),
        ),
        (
            f"Refused to connect to '{URL}' because it violates the document's Content Security Policy.",
            Recognised(Behaviour.CHROMIUM, (Step.CONTENT_SECURITY_POLICY,), url=URL),
        ),
        (
            (
                f"Cross-Origin Request Blocked: {AT_FIREFOX}(Reason: missing token ‘x-a’ in CORS header "
                "‘Access-Control-Allow-Headers’ from CORS preflight channel)."
            ),
            Recognised(
                Behaviour.FIREFOX,
                (Step.HEADER_NOT_IN_ACAH, Step.AUTHORIZATION_NOT_IN_ACAH),
                preflight=True,
                url=URL,
                value="x-a",
            ),
        ),
        (
            f"Cross-Origin Request Blocked: {AT_FIREFOX}(Reason: CORS preflight channel did not succeed).",
            Recognised(Behaviour.FIREFOX, (Step.PREFLIGHT_STATUS,), preflight=True, url=URL),
        ),
    ],
)
def test_older(text: str, found: Recognised) -> None:
    """What older versions printed is recognised, too, with all that it names."""
    assert recognise(text) == found


@pytest.mark.parametrize("how", PASTED)
@pytest.mark.parametrize("sentence", OLDER, ids=lambda sentence: sentence.text[:40])
def test_older_however_pasted(how: str, sentence: Sentence) -> None:
    """However a sentence of an older version is pasted, its engine and step are found."""
    facts = {"url": URL, "directive": "connect-src 'self'", "fallback": FALLBACK, "value": "x-one"}
    found = recognise(PASTED[how](sentence.text.format_map(facts)))
    assert found is not None
    assert (found.engine, found.steps[0]) == (sentence.engine, sentence.steps[0])


def test_kinds_of_pages() -> None:
    """Chromium says something else of a WebSocket, and to a page that came over http."""
    by_socket = Failure(Step.MIXED_CONTENT, "ws://a.example/", PAGE, api="WebSocket")
    assert "the insecure WebSocket endpoint 'ws://a.example/'" in console_lines(Behaviour.CHROMIUM, by_socket)[0]
    by_xhr = Failure(Step.MIXED_CONTENT, "http://a.example/", PAGE, api="XMLHttpRequest")
    assert "an insecure XMLHttpRequest endpoint 'http://a.example/'" in console_lines(Behaviour.CHROMIUM, by_xhr)[0]
    over_http = Failure(Step.LOCAL_NETWORK, URL, "http://app.example.com", "loopback")
    assert "is not a secure context" in console_lines(Behaviour.CHROMIUM, over_http)[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, world!",
        "Failed to execute child process",
        "Access to",
    ],
)
def test_anything_else(text: str) -> None:
    """What no engine prints about a request that it blocks is not recognised."""
    assert recognise(text) is None


words = st.sampled_from(sorted({word for sentence in SENTENCES for word in sentence.text.split()}))


@given(st.lists(words | st.text(max_size=12), max_size=60).map(" ".join))
def test_any_text(text: str) -> None:
    """Any text is taken."""
    found = recognise(text)
    assert found is None or found.engine in ENGINES


def test_every_step_of_an_answer() -> None:
    """Each engine has a sentence for each step at which an answer can fail."""
    steps = {step for step in Step if step.value.startswith(("ac", "preflight", "method-not", "header", "authoriz"))}
    for engine in ENGINES:
        assert steps == {step for other, step in PRINTED if other is engine} & steps
