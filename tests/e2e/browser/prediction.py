"""What must come of a case, before it is tried: by the decisions of the service, and by the model of the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from cors_service.browser import (
    Behaviour,
    Failure,
    Request,
    Step,
    Verdict,
    console_lines,
    fetch_verdict,
    preflight_headers,
)
from cors_service.browser.headers import HeaderLines, values_of
from cors_service.browser.redirects import redirected
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.browser.sharing import exposed_headers
from tests.e2e.daemons import DEADLINE

from .application import SERVER_HEADERS, own_headers
from .cases import Case

Decision = Mapping[str, Any]


@dataclass(frozen=True)
class Sent:
    """A request that the browser must send.

    Attributes:
        url: Where to.
        method: The method.
        lines: The headers that matter to CORS, or that the page set.
        decision: What the service decides about it.
    """

    url: str
    method: str
    lines: HeaderLines
    decision: Decision

    @property
    def preflight(self) -> bool:
        """Whether it is a preflight."""
        return any(name == "Access-Control-Request-Method" for name, _ in self.lines)


@dataclass(frozen=True)
class Prediction:
    """What must come of a case.

    Attributes:
        sent: The requests that reach the application, in order.
        verdict: What the browser decides in the end.
        printed: What the console prints.
        names: The names of the headers that the script can read.
        granted: Whether the page gets to read the answer, as the decisions alone say.
        reasons: The reason codes of the decisions.
    """

    sent: tuple[Sent, ...]
    verdict: Verdict
    printed: tuple[str, ...]
    names: frozenset[str]
    granted: bool
    reasons: tuple[str, ...]


class Service:
    """The running service, asked directly."""

    def __init__(self, port: int) -> None:
        self._port = port

    def decide(self, url: str, method: str, lines: HeaderLines) -> Decision:
        """Ask for a decision about a request that the application would receive."""
        query: dict[str, Any] = {"method": method, "url": url, "headers": list(lines)}
        segments = urlsplit(url).path.split("/")
        if segments[1] == "named":
            query["policy"] = segments[2]
        # The service closes a connection that is idle for a minute, as it may be between two modules that ask.
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)) as connection:
            connection.request("POST", "/v1/decision", json.dumps(query), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            decision: Decision = json.loads(answer.read())
        assert answer.status == 200, f"{query} got {decision}"
        return decision


def predict(case: Case, service: Service, engine: Behaviour) -> Prediction:
    """Predict what comes of a case in a browser."""
    sent: list[Sent] = []
    about: list[Decision] = []
    request = request_of(case)
    for hop, status in enumerate(case.statuses):
        actual = _sent(request, service)
        asked = _sent(request, service, preflight=True) if needs_preflight(request) else None
        lines = answer_lines(actual.decision, status)
        answer = None if asked is None else (asked.decision["status"], asked.decision["headers"])
        verdict = fetch_verdict(request, lines, answer, behaviour=engine)
        names = exposed_headers(request, lines) if verdict.allowed else frozenset()
        if verdict.step is Step.METHOD_FORBIDDEN:
            about.append(actual.decision)
            break
        steps = [step for step in (asked, actual) if step is not None]
        sent += steps[:1] if verdict.preflight else steps
        about += [step.decision for step in steps]
        if not verdict.allowed or hop == len(case.urls) - 1:
            break
        following = case.urls[hop + 1]
        request = redirected(request, status, following, origin_of(following), engine)
    granted = all(_grants(decision, request.credentials) for decision in about)
    reasons = tuple(decision["reason"]["code"] for decision in about)
    printed = _printed(case, request, verdict, answer[0] if answer and verdict.preflight else status, engine)
    return Prediction(tuple(sent), verdict, printed, names, granted, reasons)


def _printed(
    case: Case, request: Request, verdict: Verdict, status: int, engine: Behaviour, *, repeated: bool = False
) -> tuple[str, ...]:
    """What the console prints about a verdict.

    A method that pages may not use throws before anything is sent. Firefox prints nothing about workers, and WebKit
    nothing at all where it is driven.
    """
    silent = engine is Behaviour.WEBKIT or (engine is Behaviour.FIREFOX and case.context == "worker")
    if silent or verdict.step is Step.METHOD_FORBIDDEN:
        return ()
    first = case.urls[0] if request.url != case.urls[0] else None
    failure = Failure(
        verdict.step, request.url, case.origin, verdict.value, verdict.preflight, status, first, repeated=repeated
    )
    return console_lines(engine, failure)


def predict_from(
    received: Sequence[Mapping[str, Any]], case: Case, prediction: Prediction, engine: Behaviour
) -> Prediction:
    """Predict anew, by the headers that the application did send, were they decided or not.

    Args:
        received: What the application logged.
        case: A case without redirects.
        prediction: By the decisions.
        engine: The browser's.
    """
    request = request_of(case)
    lines: HeaderLines = ()
    answer = None
    for entry in received:
        status = entry["status"]
        if entry["decision"]["kind"] == "preflight":
            answer = status, entry["sent"]
        else:
            lines = [*entry["sent"], *((name, "") for name in SERVER_HEADERS)]
    verdict = fetch_verdict(request, lines, answer, behaviour=engine)
    names = exposed_headers(request, lines) if verdict.allowed else frozenset()
    sent = prediction.sent[:1] if verdict.preflight else prediction.sent
    failed = answer[1] if answer and verdict.preflight else lines
    repeated = len(values_of(failed, "access-control-allow-origin")) > 1
    printed = _printed(case, request, verdict, status, engine, repeated=repeated)
    return replace(prediction, sent=sent, verdict=verdict, printed=printed, names=names, granted=verdict.allowed)


def request_of(case: Case) -> Request:
    """The request of a case, to its first URL."""
    url = case.urls[0]
    return Request(case.origin, url, origin_of(url), case.method, case.headers, case.credentials == "include")


def answer_lines(decision: Decision, status: int) -> HeaderLines:
    """All headers of an answer: those decided, the application's own, and, without values, the server's."""
    server = [(name, "") for name in SERVER_HEADERS if status != 204 or name != "Content-Length"]
    return [*decision["headers"], *own_headers(), *server]


def origin_of(url: str) -> str:
    """The origin of an http: URL whose port is written out."""
    return url[: url.index("/", len("http://"))]


def _sent(request: Request, service: Service, *, preflight: bool = False) -> Sent:
    method = "OPTIONS" if preflight else request.method
    lines = preflight_headers(request) if preflight else actual_headers(request)
    return Sent(request.url, method, lines, service.decide(request.url, method, lines))


def _grants(decision: Decision, credentials: bool) -> bool:
    """Whether a decision lets the page go on; with credentials, only if it says so."""
    if decision["kind"] in {"no-origin", "same-origin"}:
        return True
    with_credentials = ["Access-Control-Allow-Credentials", "true"] in decision["headers"]
    return decision["allowed"] and (with_credentials or not credentials)
