"""What each engine makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cors_service.browser import Behaviour, Verdict, cors_check, fetch_verdict
from cors_service.browser.browsers import CHROMIUM_MAX_AGE_CAP, FIREFOX_MAX_AGE_CAP
from cors_service.browser.sharing import corp_check
from cors_service.browser.verdict import Step as BrowserStep
from cors_service.decision import Decision
from cors_service.explain._asking import Asked
from cors_service.explain.exchange import Answer, Answers
from cors_service.explain.explanation import Engine, Seen, Step
from cors_service.grammar.site import same_site

ENGINES: Final[Mapping[Engine, Behaviour]] = {
    "chromium": Behaviour.CHROMIUM,
    "firefox": Behaviour.STANDARD,
    "webkit": Behaviour.STANDARD,
}
NAMES: Final[Mapping[Engine, str]] = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKit"}
CAPS: Final[Mapping[Engine, int]] = {"chromium": CHROMIUM_MAX_AGE_CAP, "firefox": FIREFOX_MAX_AGE_CAP, "webkit": 600}
"""The longest that each engine keeps the answer to a preflight, in seconds."""
_NOTHING: Final = Answer(0)
_USUAL: Final = 200

Verdicts = Mapping[Engine, Verdict]


def answers_of(decisions: Sequence[Decision]) -> Answers:
    """Give the answers that services make of decisions: about the preflight, if there is one, and about the request."""
    if not decisions:
        return Answers()
    *asked, actual = decisions
    preflight = Answer(asked[0].status or _USUAL, asked[0].headers) if asked else None
    return Answers(Answer(_USUAL, actual.headers), preflight)


def verdicts(asked: Asked, answers: Answers) -> dict[Engine, Verdict]:
    """Let each engine judge a request of the mode `cors`.

    An answer that never came has no headers. Where only the answer to the request is known, the preflight was not
    recorded, or the browser remembered one.
    """
    preflight = answers.preflight or _NOTHING
    actual = answers.actual or _NOTHING
    if asked.has_preflight and answers.preflight is None and answers.actual is not None:
        return dict.fromkeys(ENGINES, cors_check(asked.request, actual.headers))
    return {
        engine: fetch_verdict(asked.request, actual.headers, (preflight.status, preflight.headers), behaviour=behaviour)
        for engine, behaviour in ENGINES.items()
    }


def seen(judged: Verdicts) -> dict[Engine, Seen]:
    """Say what comes of verdicts."""
    return {
        engine: Seen("readable") if one.allowed else Seen("blocked", one.console if engine == "chromium" else None)
        for engine, one in judged.items()
    }


def seen_by_all(outcome: Seen) -> dict[Engine, Seen]:
    """Say the same of all engines."""
    return dict.fromkeys(ENGINES, outcome)


def steps(judged: Verdicts) -> Iterator[Step]:
    """Say by which step of the standard the browser decides, and where engines differ."""
    first = judged["chromium"]
    where = "the answer to the preflight" if first.preflight else "the answer"
    if first.step is BrowserStep.SAME_ORIGIN:
        message = "The browser lets the page read the answer: it is of its own origin."
    elif first.allowed:
        message = f"The browser lets the page read the answer ({first.clause})."
    else:
        message = f"The browser blocks it: {where} fails at {first.clause} [{first.step}]."
    yield Step("browser", "passes" if first.allowed else "stops", message)
    others = [engine for engine, one in judged.items() if (one.step, one.value) != (first.step, first.value)]
    if others:
        parts = [f"{NAMES[engine]} decides at {judged[engine].step}" for engine in ("chromium", *others)]
        yield Step("engines", "note", f"The engines differ: {', '.join(parts)}.")


def embedded(asked: Asked, answers: Answers) -> Seen:
    """Say what comes of a request of the mode `no-cors`, with which a page embeds what it can't read."""
    request, answer = asked.request, answers.actual or _NOTHING
    if request.same_origin:
        return Seen("readable")
    url_origin = request.url_origin or ""
    is_same_site = same_site(request.origin, url_origin, schemeless=True)
    passes = corp_check(request.origin, url_origin, answer.headers, same_site=is_same_site)
    return Seen("opaque" if passes else "blocked")
