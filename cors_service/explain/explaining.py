"""Goes through an exchange step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cors_service.browser import Step
from cors_service.browser.headers import byte_lowercase
from cors_service.browser.request import is_forbidden_method, is_safelisted_method, unsafe_request_header_names
from cors_service.decision import ActivePolicies, BadQuery, Decision, GuardVerdict
from cors_service.explain import _afterwards, _elsewhere, _engines
from cors_service.explain._asking import Asked, as_lines
from cors_service.explain.documents import Documents
from cors_service.explain.exchange import NOT_MODIFIED, Answer, Answers, PageRequest
from cors_service.explain.explanation import Engine, ExchangeStep, Explanation, Outcome, Seen
from cors_service.explain.mending import mend

_CORS: Final = "access-control-"
_STORED: Final = (
    "So the browser takes the answer that it stored before, with the headers of the 304 in place of those that it had."
)
_OPEN: Final = (
    "So the browser takes the answer that it stored before. That one is not known here, and a 304 need not repeat the "
    "headers that say whether the page may read it. With the browser's cache disabled, a whole answer comes."
)
_NOT_TAKEN: Final = "The service never sees it: the 403 comes in the place of its answer, without CORS headers."
_OF_ANSWERS: Final = frozenset({"preflight-answer", "request", "answer"})


def explain(exchange: PageRequest, policies: ActivePolicies | Documents, answers: Answers | None = None) -> Explanation:
    """Say what comes of an exchange by policies.

    Args:
        exchange: What a page asks.
        policies: What the service decides by. With the documents, there is also the edit that mends what is blocked.
        answers: What a live service answered, if that is known: a step says where it differs from what is decided.

    Returns:
        Each step, the decisions, what each engine makes of them, and the edit.

    Raises:
        ValueError: No page can make this request.
    """
    asked = Asked(exchange)
    active = policies.active if isinstance(policies, Documents) else policies
    steps = [*asked.steps()]
    decisions: tuple[Decision, ...] = ()
    try:
        decisions = tuple(map(active.advise, asked.queries))
    except BadQuery as error:
        message = f"No policy decides, so the answer has no CORS headers: {error.message} [{error.code}]"
        steps.append(ExchangeStep("no-decision", "stops", message))
    engines, judged = _judged(asked, _engines.answers_of(decisions), decisions)
    if not decisions:
        judged = tuple(step for step in judged if step.step not in _OF_ANSWERS)
    decided = _engines.answers_of(decisions)
    others = () if answers is None or not decisions else tuple(_others(asked, answers, decided))
    explanation = Explanation(exchange, (*steps, *judged, *others), decisions, engines)
    if not isinstance(policies, Documents) or explanation.passes:
        return explanation
    mending, step = mend(asked, explanation, policies)
    return Explanation(exchange, (*explanation.steps, step), decisions, engines, mending)


def explain_answers(exchange: PageRequest, answers: Answers) -> Explanation:
    """Say what browsers make of the answers of a live service.

    Args:
        exchange: What a page asked.
        answers: What came back.

    Returns:
        Each step, and what each engine makes of it; no decisions, and nothing that mends it.

    Raises:
        ValueError: No page can make this request.
    """
    asked = Asked(exchange)
    if _is_unanswered(asked, answers):
        message = "No answer is known: none came, or the browser recorded none. Its console says which."
        engines = _engines.blocked_by_all(asked, Step.NETWORK_ERROR, "ERR_FAILED")
        asking = _preflight(answers, (), passes=True)
        judged: tuple[ExchangeStep, ...] = (*asking, ExchangeStep("answer", "stops", message), *_elsewhere.steps(asked))
    else:
        engines, judged = _judged(asked, answers, ())
    return Explanation(exchange, (*asked.steps(), *judged), (), engines)


def _is_unanswered(asked: Asked, answers: Answers) -> bool:
    """Whether the answer is missing that a browser would look into for CORS headers."""
    request = asked.request
    is_sent = not asked.is_mixed and not is_forbidden_method(request.method)
    if answers.actual is not None or asked.exchange.mode != "cors" or request.same_origin or not is_sent:
        return False
    return answers.preflight is None or not any(one.preflight for one in _engines.verdicts(asked, answers).values())


def _judged(
    asked: Asked, answers: Answers, decisions: tuple[Decision, ...]
) -> tuple[dict[Engine, Seen], tuple[ExchangeStep, ...]]:
    """Let the engines judge; give what they make of it, and the steps from the first answer on."""
    elsewhere = [*_elsewhere.steps(asked)]
    if is_forbidden_method(asked.request.method):
        return _engines.blocked_by_all(asked, Step.METHOD_FORBIDDEN, asked.request.method), ()
    if asked.is_mixed:
        # Nothing is sent, whatever would have been asked first.
        return _engines.blocked_by_all(asked, Step.MIXED_CONTENT), tuple(elsewhere)
    is_stopped = bool(decisions) and decisions[-1].is_stopped
    if asked.exchange.mode != "cors" or (is_stopped and asked.request.same_origin):
        outcome, message = _without_cors(asked, answers, is_stopped=is_stopped)
        verdict = ExchangeStep("browser", "stops" if outcome == "blocked" else "passes", message)
        return _engines.seen_by_all(outcome), (*_request(asked, answers, decisions), verdict, *elsewhere)
    judged = _engines.verdicts(asked, answers)
    steps: list[ExchangeStep] = []
    if asked.has_preflight:
        steps += _preflight(answers, decisions, passes=not judged["chromium"].preflight)
    if not judged["chromium"].preflight:
        steps += _request(asked, answers, decisions)
    if _engines.is_open(asked, answers, judged):
        return _engines.seen_by_all("unknown"), (*steps, ExchangeStep("browser", "note", _OPEN), *elsewhere)
    steps += _engines.steps(judged)
    if all(one.allowed for one in judged.values()):
        steps += _afterwards.steps(asked, answers)
    return _engines.seen(asked, answers, judged), (*steps, *elsewhere)


def _preflight(answers: Answers, decisions: tuple[Decision, ...], *, passes: bool) -> Iterator[ExchangeStep]:
    answer = answers.preflight
    if answer is None:
        return
    guard = decisions[0].guard if decisions else None
    if guard is not None and guard.stops:
        yield _judged_by(guard)
    received = as_lines(str(answer.status), answer.headers)
    words = _in_words(decisions[0]) if decisions else f"The preflight was answered with {answer.status}."
    yield ExchangeStep("preflight-answer", "passes" if passes else "stops", words, received=received)


def _request(asked: Asked, answers: Answers, decisions: tuple[Decision, ...]) -> Iterator[ExchangeStep]:
    yield ExchangeStep("request", "note", "The browser sends the request.", sent=asked.request_lines())
    if decisions:
        yield from _guards(asked, decisions[-1])
    answer = answers.actual
    if answer is None:
        if not decisions:
            yield ExchangeStep("answer", "note", "No answer is known.")
        return
    if decisions:
        decision = decisions[-1]
        stops = decision.allowed is False or decision.is_stopped
        status = str(answer.status) if decision.is_stopped else "(the status of the application)"
        received = as_lines(status, answer.headers)
        yield ExchangeStep("answer", "stops" if stops else "passes", _in_words(decision), received=received)
        return
    received = as_lines(str(answer.status), answer.headers)
    yield ExchangeStep("answer", "note", f"The service answered with {answer.status}.", received=received)
    if answers.stored is not None and answers.judged is not None:
        received = as_lines(str(answers.judged.status), answers.judged.headers)
        yield ExchangeStep("answer", "note", _STORED, received=received)
    if _engines.leads_to(asked.request.url, answer) is not None:
        message = (
            "The application redirects. The browser follows only if the page may read this answer, and then the next "
            "one; on the way to a third origin, the page's Origin becomes null. No policy changes that: have the "
            "page request the last URL directly."
        )
        yield ExchangeStep("elsewhere", "note", message)


def _others(asked: Asked, answers: Answers, decided: Answers) -> Iterator[ExchangeStep]:
    """Say where a live service answered otherwise than is decided."""
    pairs = (("preflight", answers.preflight, decided.preflight), ("request", _whole(asked, answers), decided.actual))
    for what, answer, own in pairs:
        if answer is not None and own is not None and _of_cors(answer) != _of_cors(own):
            message = (
                f"The {what} was answered with other headers than the policies decide: something else writes them, or "
                "the service decides by other policies."
            )
            yield ExchangeStep("elsewhere", "note", message, received=as_lines(str(answer.status), answer.headers))


def _whole(asked: Asked, answers: Answers) -> Answer | None:
    """The answer that the page got; None if a 304 is all that is known of it."""
    answer = answers.judged
    is_partial = answer is not None and answer.status == NOT_MODIFIED and not asked.exchange.is_conditional
    return None if is_partial else answer


def _of_cors(answer: Answer) -> list[tuple[str, str]]:
    lines = ((byte_lowercase(name), value) for name, value in answer.headers)
    return sorted(line for line in lines if line[0].startswith(_CORS))


def _in_words(decision: Decision) -> str:
    if decision.is_stopped and decision.allowed is not False:
        return _NOT_TAKEN
    verdict = {True: "Allowed", False: "Refused", None: "Not a matter of CORS"}[decision.allowed]
    words = f"{decision.reason.message} {decision.reason.hint}".rstrip()
    return f"{verdict} [{decision.reason.code}]: {words}"


def _guards(asked: Asked, decision: Decision) -> Iterator[ExchangeStep]:
    guard = decision.guard
    if guard is None:
        if asked.exchange.mode == "websocket":
            message = "The policy has no guard: any page of any site can open this WebSocket, and read."
            yield ExchangeStep("guard", "note", message)
        return
    yield _judged_by(guard)


def _judged_by(guard: GuardVerdict) -> ExchangeStep:
    words = f"{guard.reason.message} {guard.reason.hint}".rstrip()
    if guard.passes:
        return ExchangeStep("guard", "passes", f"The guard lets it through [{guard.reason.code}]: {words}")
    if guard.stops:
        return ExchangeStep("guard", "stops", f"The guard refuses it with a 403 [{guard.reason.code}]: {words}")
    return ExchangeStep("guard", "note", f"The guard would refuse it, and only reports [{guard.reason.code}]: {words}")


def _without_cors(asked: Asked, answers: Answers, *, is_stopped: bool) -> tuple[Outcome, str]:
    """Say what comes of a request about which CORS has no say, and why."""
    request, mode = asked.request, asked.exchange.mode
    if is_stopped:
        return "blocked", "The page gets nothing of what it asks for: that 403 is all there is."
    if mode == "websocket":
        return "readable", "Browsers let every page open a WebSocket: CORS plays no part."
    if mode == "navigate":
        return "opaque", "The browser shows the answer itself. The page that leads there can't read it."
    if mode == "same-origin":
        if request.same_origin:
            return "readable", "The browser lets the page read the answer: it is of its own origin."
        return "blocked", "By the mode same-origin, the page asks only its own origin, and this is another one."
    if not is_safelisted_method(request.method):
        return "blocked", f"With the mode no-cors, pages may use only GET, HEAD and POST, not {request.method}."
    outcome = _engines.embedded(asked, answers)
    if outcome == "blocked":
        return outcome, "The browser blocks it because of Cross-Origin-Resource-Policy (the key resource_policy)."
    dropped = unsafe_request_header_names(request.headers)
    lost = f" It drops {', '.join(dropped)}, which this mode can't send." if dropped else ""
    return outcome, f"The page can use the answer but not read it: that is what the mode no-cors asks for.{lost}"
