"""What each engine makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urljoin

from cors_service.browser import Behaviour, Failure, Step, Verdict, console_lines, cors_check, fetch_verdict
from cors_service.browser.headers import values_of
from cors_service.browser.sharing import corp_check
from cors_service.decision import Decision
from cors_service.decision.enforced import answer_of
from cors_service.explain._asking import Asked
from cors_service.explain.exchange import NOT_MODIFIED, Answer, Answers
from cors_service.explain.explanation import Engine, ExchangeStep, Outcome, Seen
from cors_service.grammar.site import same_site

NAMES: Final[Mapping[Engine, str]] = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKit"}
BEHAVIOURS: Final[Mapping[Engine, Behaviour]] = {engine: Behaviour(engine) for engine in NAMES}
_NOTHING: Final = Answer(0)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ALLOW_ORIGIN: Final = "access-control-allow-origin"

Verdicts = Mapping[Engine, Verdict]


def answers_of(decisions: Sequence[Decision]) -> Answers:
    """Give the answers that services make of decisions: about the preflight, if there is one, and about the request."""
    if not decisions:
        return Answers()
    *asked, actual = decisions
    preflight = Answer(*answer_of(asked[0])) if asked else None
    return Answers(Answer(*answer_of(actual)), preflight)


def verdicts(asked: Asked, answers: Answers) -> dict[Engine, Verdict]:
    """Let each engine judge a request of the mode `cors`.

    An answer that never came has no headers. Where only the answer to the request is known, the preflight was not
    recorded, or the browser remembered one.
    """
    preflight = answers.preflight or _NOTHING
    actual = answers.judged or _NOTHING
    if asked.has_preflight and answers.preflight is None and answers.actual is not None:
        return dict.fromkeys(NAMES, cors_check(asked.request, actual.headers))
    return {
        engine: fetch_verdict(asked.request, actual.headers, (preflight.status, preflight.headers), behaviour=behaviour)
        for engine, behaviour in BEHAVIOURS.items()
    }


def is_open(asked: Asked, answers: Answers, judged: Verdicts) -> bool:
    """Whether verdicts miss a header that a 304 need not repeat, and that the stored answer may have."""
    is_about_stored = answers.actual is not None and answers.actual.status == NOT_MODIFIED and answers.stored is None
    return is_about_stored and not asked.exchange.is_conditional and all(map(_misses, judged.values()))


def _misses(verdict: Verdict) -> bool:
    is_missing = verdict.step is Step.ACAO_MISSING or (verdict.step is Step.ACAC_NOT_TRUE and not verdict.value)
    return is_missing and not verdict.preflight


def seen(asked: Asked, answers: Answers, judged: Verdicts) -> dict[Engine, Seen]:
    """Say what comes of verdicts, with what each console prints."""
    return {
        engine: Seen("readable") if one.allowed else Seen("blocked", _printed(engine, asked, answers, one))
        for engine, one in judged.items()
    }


def seen_by_all(outcome: Outcome) -> dict[Engine, Seen]:
    """Say the same of all engines."""
    return dict.fromkeys(NAMES, Seen(outcome))


def blocked_by_all(asked: Asked, step: Step, value: str = "") -> dict[Engine, Seen]:
    """Say that all engines block a request before it is sent."""
    verdict = Verdict(step, value)
    return {engine: Seen("blocked", _printed(engine, asked, Answers(), verdict)) for engine in NAMES}


def _printed(engine: Engine, asked: Asked, answers: Answers, verdict: Verdict) -> str | None:
    answer = answers.preflight if verdict.preflight else answers.judged
    failure = Failure(
        step=verdict.step,
        url=asked.request.url,
        origin=asked.request.origin,
        value=verdict.value,
        preflight=verdict.preflight,
        status=None if answer is None else answer.status,
        repeated=answer is not None and len(values_of(answer.headers, _ALLOW_ORIGIN)) > 1,
        leads_to=None if answer is None or verdict.preflight else leads_to(asked.request.url, answer),
    )
    return "\n".join(console_lines(BEHAVIOURS[engine], failure)) or None


def leads_to(url: str, answer: Answer) -> str | None:
    """Give the URL to which an answer leads; None if it is no redirect."""
    locations = values_of(answer.headers, "location")
    return urljoin(url, locations[0]) if answer.status in _REDIRECTS and locations else None


def steps(judged: Verdicts) -> Iterator[ExchangeStep]:
    """Say by which step of the standard the browser decides, and where engines differ."""
    first = judged["chromium"]
    where = "the answer to the preflight" if first.preflight else "the answer"
    if first.step is Step.SAME_ORIGIN:
        message = "The browser lets the page read the answer: it is of its own origin."
    elif first.allowed:
        message = f"The browser lets the page read the answer ({first.clause})."
    else:
        message = f"The browser blocks it: {where} fails at {first.clause} [{first.step}]."
    yield ExchangeStep("browser", "passes" if first.allowed else "stops", message)
    # WebKit writes the same name of a header in another way.
    others = [engine for engine, one in judged.items() if one.step is not first.step]
    if others:
        parts = [f"{NAMES[engine]} decides at {judged[engine].step}" for engine in ("chromium", *others)]
        yield ExchangeStep("engines", "note", f"The engines differ: {', '.join(parts)}.")


def embedded(asked: Asked, answers: Answers) -> Outcome:
    """Say what comes of a request of the mode `no-cors`, with which a page embeds what it can't read."""
    request, answer = asked.request, answers.judged or _NOTHING
    if request.same_origin:
        return "readable"
    url_origin = request.url_origin or ""
    is_same_site = same_site(request.origin, url_origin, schemeless=True)
    passes = corp_check(request.origin, url_origin, answer.headers, same_site=is_same_site)
    return "opaque" if passes else "blocked"
