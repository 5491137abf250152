"""Tests of pasted sentences: what they mean, and what to look at."""

from __future__ import annotations

import json

import pytest

from cors_service.browser import ENGINES, Behaviour, Failure, Recognised, Step, console_lines, recognise
from cors_service.cli import main
from cors_service.explain.messages import message_as_dict, message_in_text

URL = "https://api.example.com/orders/7"
PAGE = "https://app.example.com"
ERRORS = {
    Step.NETWORK_ERROR: "ERR_CONNECTION_REFUSED",
    Step.RESOURCE_POLICY: "ERR_BLOCKED_BY_RESPONSE.NotSameOrigin",
    Step.OPAQUE_RESPONSE: "ERR_BLOCKED_BY_ORB",
    Step.BLOCKED_BY_CLIENT: "ERR_BLOCKED_BY_CLIENT",
}
"""The steps of which Chromium prints the name of an error."""


def printed(engine: Behaviour, step: Step) -> str:
    """What an engine prints at a step."""
    return "\n".join(console_lines(engine, Failure(step, URL, PAGE, ERRORS.get(step, "x"), status=403)))


PRINTED = [(engine, step) for engine in ENGINES for step in Step if printed(engine, step)]

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(("engine", "step"), PRINTED)
def test_each_sentence(engine: Behaviour, step: Step) -> None:
    """For each sentence of each engine, it is said what it means and what to look at."""
    recognised = recognise(printed(engine, step))
    assert recognised is not None
    assert step in recognised.steps
    text = message_in_text(recognised)
    assert f"step      {step} " in text
    assert "means     " in text
    assert "look at   " in text
    written = message_as_dict(recognised)
    assert written["engine"] == engine.value
    assert str(step) in [one["step"] for one in written["steps"]]


@pytest.mark.parametrize("step", [step for step in Step if not step.allows])
def test_each_step(step: Step) -> None:
    """Each step at which a browser may block has a meaning."""
    assert "means     " in message_in_text(Recognised(Behaviour.CHROMIUM, (step,)))


def test_printed(capsys: Captured) -> None:
    """The command says which engine printed it, about which step, and how to ask why."""
    sentence = "\n".join(console_lines(Behaviour.CHROMIUM, Failure(Step.ACAO_MISSING, URL, PAGE, preflight=True)))
    assert main(["explain", "--message", sentence]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"printed   by Chromium, about the preflight\npage      {PAGE}\nurl       {URL}\n")
    assert f"cors-service explain --policies PATH --page {PAGE} --url {URL}" in out
    assert err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("net::ERR_BLOCKED_BY_RESPONSE.NotSameOriginAfterDefaultedToSameOriginByCoep 200 (OK)", "Set resource_policy "),
        ("net::ERR_BLOCKED_BY_ORB", "Content-Type"),
        ("net::ERR_BLOCKED_BY_CLIENT", "extensions"),
    ],
)
def test_blocked_after_all(text: str, said: str, capsys: Captured) -> None:
    """What the browser itself blocked is not taken for a network that fails."""
    assert main(["explain", "--message", f"GET {URL} {text}"]) == 0
    out = capsys.readouterr().out
    assert f"names     {text.split(maxsplit=1)[0].removeprefix('net::')}\n" in out
    assert said in out
    assert "network" not in out


def test_json(capsys: Captured) -> None:
    """For programs the same is JSON."""
    lines = console_lines(Behaviour.FIREFOX, Failure(Step.METHOD_NOT_IN_ACAM, URL, PAGE, "PUT", preflight=True))
    assert main(["explain", "--json", "--message", "\n".join(lines)]) == 0
    written = json.loads(capsys.readouterr().out)
    assert (written["engine"], written["url"], written["preflight"]) == ("firefox", URL, True)
    assert written["steps"][0]["step"] == "method-not-in-acam"


def test_says_nothing(capsys: Captured) -> None:
    """A sentence that only says that something failed leads to the line that says why."""
    assert main(["explain", "--message", "TypeError: Failed to fetch"]) == 0
    assert "Look for another line of the console" in capsys.readouterr().out


def test_unknown(capsys: Captured) -> None:
    """What no browser prints for CORS is not guessed at."""
    assert main(["explain", "--message", "Uncaught SyntaxError: Unexpected token"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "None of the known browsers prints this about CORS." in err
    assert "Only English is recognised" in err


@pytest.mark.parametrize("order", [1, -1], ids=["as-printed", "upside-down"])
def test_all_that_chromium_prints(order: int) -> None:
    """Of the three lines that Chromium prints of one blocked request, the one that says why counts."""
    why = "No 'Access-Control-Allow-Origin' header is present on the requested resource."
    lines = [
        f"app.js:3 Access to fetch at '{URL}' from origin '{PAGE}' has been blocked by CORS policy: {why}",
        f"app.js:3 GET {URL} net::ERR_FAILED 200 (OK)",
        "Uncaught (in promise) TypeError: Failed to fetch",
    ]
    recognised = recognise("\n".join(lines[::order]))
    assert recognised is not None
    assert (recognised.steps, recognised.url, recognised.value) == ((Step.ACAO_MISSING,), URL, None)


@pytest.mark.parametrize(
    "text",
    [
        "Access-Control-Allow-Origin",
        f"... auf {URL}. (Grund: CORS-Kopfzeile 'Access-Control-Allow-Origin' fehlt). Statuscode: 200.",
    ],
    ids=["header", "german"],
)
def test_name_alone(text: str) -> None:
    """The name of a header alone does not say which sentence it is from."""
    assert recognise(text) is None
