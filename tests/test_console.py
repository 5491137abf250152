"""What consoles print is written from the facts, and recognised in what people paste."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.browser import ENGINES, Behaviour, Failure, Recognised, Step, console_lines, recognise
from cors_service.browser.sentences import SENTENCES

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


@pytest.mark.parametrize("text", ["", "Hello, world!", "Failed to execute child process", "Access to"])
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
