"""What must come of a case, before it is tried: by the decisions of the service, and by the model of the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from cors_service.browser import Behaviour, Request, Step, Verdict, fetch_verdict, preflight_headers
from cors_service.browser.headers import HeaderLines
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.browser.sharing import exposed_headers

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
        names: The names of the headers that the script can read.
        granted: Whether the page gets to read the answer, as the decisions alone say.
        reasons: The reason codes of the decisions.
    """

    sent: tuple[Sent, ...]
    verdict: Verdict
    names: frozenset[str]
    granted: bool
    reasons: tuple[str, ...]


class Service:
    """The running service, asked directly."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def decide(self, url: str, method: str, lines: HeaderLines) -> Decision:
        """Ask for a decision about a request that the application would receive."""
        query: dict[str, Any] = {"method": method, "url": url, "headers": list(lines)}
        segments = urlsplit(url).path.split("/")
        if segments[1] == "named":
            query["policy"] = segments[2]
        self._connection.request("POST", "/v1/decision", json.dumps(query), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        decision: Decision = json.loads(answer.read())
        assert answer.status == 200, f"{query} got {decision}"
        return decision


def predict(case: Case, service: Service) -> Prediction:
    """Predict what comes of a case."""
    sent: list[Sent] = []
    about: list[Decision] = []
    request = request_of(case)
    for hop, status in enumerate(case.statuses):
        actual = _sent(request, service)
        asked = _sent(request, service, preflight=True) if needs_preflight(request) else None
        lines = answer_lines(actual.decision, status)
        answer = None if asked is None else (asked.decision["status"], asked.decision["headers"])
        verdict = fetch_verdict(request, lines, answer, behaviour=Behaviour.CHROMIUM)
        names = exposed_headers(request, lines) if verdict.allowed else frozenset()
        if verdict.step is Step.METHOD_FORBIDDEN:
            about.append(actual.decision)
            break
        steps = [step for step in (asked, actual) if step is not None]
        sent += steps[:1] if verdict.preflight else steps
        about += [step.decision for step in steps]
        if not verdict.allowed or hop == len(case.urls) - 1:
            break
        request = redirected(request, case.urls[: hop + 2], case.page, status)
    granted = all(_grants(decision, request.credentials) for decision in about)
    return Prediction(tuple(sent), verdict, names, granted, tuple(decision["reason"]["code"] for decision in about))


def predict_from(received: Sequence[Mapping[str, Any]], case: Case, prediction: Prediction) -> Prediction:
    """Predict anew, by the headers that the application did send, were they decided or not.

    Args:
        received: What the application logged.
        case: A case without redirects.
        prediction: By the decisions.
    """
    request = request_of(case)
    lines: HeaderLines = ()
    answer = None
    for entry in received:
        if entry["decision"]["kind"] == "preflight":
            answer = entry["status"], entry["sent"]
        else:
            lines = [*entry["sent"], *((name, "") for name in SERVER_HEADERS)]
    verdict = fetch_verdict(request, lines, answer, behaviour=Behaviour.CHROMIUM)
    names = exposed_headers(request, lines) if verdict.allowed else frozenset()
    sent = prediction.sent[:1] if verdict.preflight else prediction.sent
    return replace(prediction, sent=sent, verdict=verdict, names=names, granted=verdict.allowed)


def request_of(case: Case) -> Request:
    """The request of a case, to its first URL."""
    url = case.urls[0]
    return Request(case.origin, url, origin_of(url), case.method, case.headers, case.credentials == "include")


def answer_lines(decision: Decision, status: int) -> HeaderLines:
    """All headers of an answer: those decided, the application's own, and, without values, the server's."""
    server = [(name, "") for name in SERVER_HEADERS if status != 204 or name != "Content-Length"]
    return [*decision["headers"], *own_headers(), *server]


def redirected(request: Request, urls: tuple[str, ...], page: str, status: int) -> Request:
    """Follow a redirect: https://fetch.spec.whatwg.org/#http-redirect-fetch.

    Args:
        request: The request that was answered so.
        urls: The URLs so far, and the next one.
        page: The origin of the page.
        status: The status of the answer.
    """
    method, headers = request.method, request.headers
    if (status in {301, 302} and method == "POST") or (status == 303 and method not in {"GET", "HEAD"}):  # step 12
        body_headers = {"content-encoding", "content-language", "content-location", "content-type"}
        method = "GET"
        headers = tuple(line for line in headers if line[0].lower() not in body_headers)
    origin, following = origin_of(urls[-2]), origin_of(urls[-1])
    if origin != following:  # step 13
        headers = tuple(line for line in headers if line[0].lower() != "authorization")
    # https://fetch.spec.whatwg.org/#concept-request-tainted-origin
    serialised = "null" if origin not in (following, page) else request.origin
    return replace(request, url=urls[-1], url_origin=following, method=method, headers=headers, origin=serialised)


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
