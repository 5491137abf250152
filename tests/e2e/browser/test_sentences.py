"""The consoles of three engines print what the table of sentences says, at each step that can fail."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urljoin

import pytest

from cors_service.browser import ENGINES, Behaviour, Failure, Request, Step, console_lines, fetch_verdict, recognise
from cors_service.browser.headers import values_of
from cors_service.browser.sentences import SENTENCES
from tests.e2e.requirements import need

from .answering import Answer, AnsweringSite, Lines, answering
from .driven import running_driven_webkit
from .engines import Browser, running_engine
from .everywhere import in_each_engine
from .processes import wait_for

FETCH: Final = """
const [url, { method, headers, credentials }, done] = arguments;
const answer = fetch(url, { method, headers, credentials });
answer.then(() => done("read"), error => done(String(error)));
"""
XHR: Final = """
const [url, { method, headers, credentials }, done] = arguments;
const request = new XMLHttpRequest();
request.open(method, url);
request.withCredentials = credentials === "include";
for (const [name, value] of headers) request.setRequestHeader(name, value);
request.addEventListener("load", () => done("read"));
request.addEventListener("error", () => done("error"));
request.send();
"""
SAYS_NOTHING: Final = (
    "Failed to load resource: net::ERR_FAILED",
    "Refused to connect because it violates the document's",
)
"""What Chromium prints besides."""

ORIGIN: Final = "Access-Control-Allow-Origin"
CREDENTIALS: Final = "Access-Control-Allow-Credentials"
METHODS: Final = "Access-Control-Allow-Methods"
HEADERS: Final = "Access-Control-Allow-Headers"
ALLOWED: Final = (ORIGIN, "{page}")
"""The header that lets the page in; `{page}` stands for its origin."""
GRANTED: Final = Answer((ALLOWED, (METHODS, "PUT"), (HEADERS, "x-one")), 204)
READABLE: Final = Answer((ALLOWED,))
NO_ANSWER: Final = Answer((), 0)


@dataclass(frozen=True)
class Case:
    """A request that fails.

    Attributes:
        actual: The answer to it.
        preflight: The answer to its preflight, if there is one.
        method: Its method.
        headers: What the page sets.
        credentials: Whether it is sent with credentials.
        script: What the page asks with.
        through: The name of another site from which it is redirected; empty if it is not.
        url: The URL, if it is not one of the site's.
        policy: The Content-Security-Policy of the page.
        step: The step at which it fails, if no answer decides that.
        value: What that step objects to.
    """

    actual: Answer = READABLE
    preflight: Answer | None = None
    method: str = "GET"
    headers: Lines = ()
    credentials: bool = False
    script: str = FETCH
    through: str = ""
    url: str = ""
    policy: str = ""
    step: Step | None = None
    value: str = ""


def put(*lines: tuple[str, str], status: int = 204, headers: Lines = (), credentials: bool = False) -> Case:
    """A PUT whose preflight is answered with these lines."""
    return Case(preflight=Answer(lines, status), method="PUT", headers=headers, credentials=credentials)


X_ONE: Final = (("X-One", "1"),)
SEVERAL: Final = (("X-Two", "1"), ("Content-Type", "application/json"), ("x-a", "1"), ("Authorization", "a"))
CASES: Final = {
    "no header": Case(Answer()),
    "no header on an error page": Case(Answer((), 404)),
    "no header on a preflight": put(),
    "no header on a refused preflight": put(status=403),
    "no header, by XHR": Case(Answer(), script=XHR),
    "a list": Case(Answer(((ORIGIN, "{page}, https://b.example"),))),
    "a list with blanks": Case(Answer(((ORIGIN, "{page} https://b.example"),))),
    "two lines": Case(Answer((ALLOWED, ALLOWED))),
    "two lines on a preflight": put(ALLOWED, ALLOWED),
    "a host": Case(Answer(((ORIGIN, "b.example"),))),
    "an empty header": Case(Answer(((ORIGIN, ""),))),
    "a host on a preflight": put((ORIGIN, "b.example")),
    "another origin": Case(Answer(((ORIGIN, "https://b.example"),))),
    "a slash": Case(Answer(((ORIGIN, "{page}/"),))),
    "null": Case(Answer(((ORIGIN, "null"),))),
    "another origin on a preflight": put((ORIGIN, "https://b.example")),
    "any origin with credentials": Case(Answer(((ORIGIN, "*"),)), credentials=True),
    "any origin with credentials, by XHR": Case(Answer(((ORIGIN, "*"),)), credentials=True, script=XHR),
    "any origin with credentials on a preflight": put((ORIGIN, "*"), credentials=True),
    "credentials not allowed": Case(credentials=True),
    "credentials not allowed, by XHR": Case(credentials=True, script=XHR),
    "True": Case(Answer((ALLOWED, (CREDENTIALS, "True"))), credentials=True),
    "True on a preflight": put(ALLOWED, (CREDENTIALS, "True"), credentials=True),
    "status": put(ALLOWED, (METHODS, "PUT"), status=403),
    "a redirect to nowhere": put(ALLOWED, (METHODS, "PUT"), status=302),
    "a redirected preflight": put(ALLOWED, (METHODS, "PUT"), ("Location", "/elsewhere"), status=302),
    "a redirected preflight without headers": put(("Location", "/elsewhere"), status=302),
    "semicolons in methods": put(ALLOWED, (METHODS, "GET, PUT; POST, PATCH")),
    "semicolons in headers": put(ALLOWED, (METHODS, "PUT"), (HEADERS, "x-one; x-two"), headers=X_ONE),
    "both wrong": put(ALLOWED, (HEADERS, "x-one; x-two"), headers=X_ONE),
    "a method": put(ALLOWED, (METHODS, "GET")),
    "no methods": put(ALLOWED),
    "a method in lower case": replace(put(ALLOWED, (METHODS, "PATCH")), method="patch"),
    "a header": put(ALLOWED, (METHODS, "PUT"), headers=X_ONE),
    "several headers": put(ALLOWED, (METHODS, "PUT"), headers=SEVERAL),
    "authorization": put(ALLOWED, (METHODS, "PUT"), headers=(("Authorization", "a"),)),
    "no header after a redirect": Case(Answer(), through="api.corp.localhost"),
    "no header after a redirect to another site": Case(Answer(), through="first.localhost"),
    "the page's origin after a redirect to another site": Case(through="first.localhost"),
    "no header on a preflight after a redirect": replace(put(), through="api.corp.localhost"),
    "no method after a redirect": replace(put(ALLOWED), through="api.corp.localhost"),
    "no header on a redirect": Case(Answer((("Location", "/elsewhere"),), 302)),
    "a redirect with credentials": Case(
        Answer((ALLOWED, ("Location", "http://user:secret@api.corp.localhost/")), 302),
        step=Step.REDIRECT_WITH_CREDENTIALS,
    ),
    "no answer": Case(NO_ANSWER, step=Step.NETWORK_ERROR, value="ERR_EMPTY_RESPONSE"),
    "no answer to a preflight": Case(
        preflight=NO_ANSWER, method="PUT", step=Step.NETWORK_ERROR, value="ERR_EMPTY_RESPONSE"
    ),
    "nobody there": Case(
        url="http://api.corp.localhost:{closed}/", step=Step.NETWORK_ERROR, value="ERR_CONNECTION_REFUSED"
    ),
    "nobody there for a preflight": Case(
        url="http://api.corp.localhost:{closed}/",
        preflight=NO_ANSWER,
        method="PUT",
        step=Step.NETWORK_ERROR,
        value="ERR_CONNECTION_REFUSED",
    ),
    "another scheme": Case(url="ftp://b.example/x", step=Step.URL_SCHEME, value="ftp"),
    "a method that pages may not use": Case(method="TRACE", step=Step.METHOD_FORBIDDEN, value="TRACE"),
    "a policy of the page": Case(
        policy="connect-src 'self'", step=Step.CONTENT_SECURITY_POLICY, value="connect-src 'self'"
    ),
}
SCHEMES: Final = {
    Behaviour.CHROMIUM: "ftp://b.example/",
    Behaviour.FIREFOX: "ftp://b.example/",
    Behaviour.WEBKIT: "data:text/plain,b",
}
"""Where a redirect leads that an engine does not follow because of the scheme, and says so."""


@dataclass(frozen=True)
class Tried:
    """What came of a case.

    Attributes:
        engine: Where it was tried.
        failure: At which step it failed, with the facts.
        result: What the script saw.
        printed: What the console says of it.
    """

    engine: Behaviour
    failure: Failure
    result: str
    printed: list[str]

    @property
    def expected(self) -> tuple[str, ...]:
        """What the console has to say."""
        return console_lines(self.engine, self.failure)


class Trial:
    """Tries cases in one engine.

    Attributes:
        page: The origin of the page.
    """

    def __init__(self, browser: Browser, site: AnsweringSite, closed: int) -> None:
        self._browser = browser
        self._site = site
        self._closed = closed
        self.page = site.origin("app.corp.localhost")
        self._policy = ""

    def all(self) -> dict[str, Tried]:
        """Try each case once."""
        self._open("")
        return {name: self.one(name.replace(" ", "-"), case) for name, case in self._cases().items()}

    def _cases(self) -> dict[str, Case]:
        leading = Answer((ALLOWED, ("Location", SCHEMES[self._browser.engine])), 302)
        return {**CASES, "a redirect to another scheme": Case(leading, step=Step.REDIRECT_SCHEME)}

    def _open(self, policy: str) -> None:
        query = urlencode(
            {"driven": "", "policy": policy} if self._browser.engine is Behaviour.WEBKIT else {"policy": policy}
        )
        self._browser.open(f"{self.page}/page?{query}")
        self._policy = policy

    def one(self, name: str, case: Case) -> Tried:
        """Try a case, and wait for what is to be printed."""
        if case.policy != self._policy:
            self._open(case.policy)
        url, first = self._urls(name, case)
        failure = self._failure(case, url, first)
        expected = console_lines(self._browser.engine, failure)
        options = {
            "method": case.method,
            "headers": case.headers,
            "credentials": "include" if case.credentials else "omit",
        }
        self._browser.console()
        result = self._browser.run(case.script, first or url, options)
        printed: list[str] = []

        def all_printed() -> bool:
            printed.extend(line for line in self._browser.console() if self._is_of(name, line))
            return failure.step is Step.METHOD_FORBIDDEN or set(expected) <= set(printed)

        wait_for(all_printed, f"{expected} in {printed}")
        return Tried(self._browser.engine, failure, result, printed)

    def _is_of(self, name: str, line: str) -> bool:
        """Whether a line may be about a case, and says anything."""
        return not any(vague in line for vague in SAYS_NOTHING) and ("/of/" not in line or f"/of/{name}" in line)

    def _urls(self, name: str, case: Case) -> tuple[str, str | None]:
        """The URL of a case, and that which redirects to it."""
        if case.url:
            return case.url.format(closed=self._closed), None
        preflight = None if case.preflight is None else self._written(case.preflight)
        url = self._site.url(
            self._site.origin("api.corp.localhost"), f"/of/{name}", self._written(case.actual), preflight
        )
        if not case.through:
            return url, None
        leading = self._written(Answer((ALLOWED, ("Location", url)), 307))
        first = self._site.url(self._site.origin(case.through), f"/of/{name}", leading, self._written(GRANTED))
        return url, first

    def _written(self, answer: Answer) -> Answer:
        lines = tuple((name, value.replace("{page}", self.page)) for name, value in answer.lines)
        return replace(answer, lines=lines)

    def _failure(self, case: Case, url: str, first: str | None) -> Failure:
        """The step that fails, as the model says, and the facts."""
        api = "XMLHttpRequest" if case.script is XHR else "fetch"
        sent = "null" if case.through and case.through != "api.corp.localhost" else self.page
        actual = self._written(case.actual)
        about = Failure(Step.ALLOWED, url, self.page, redirected_from=first, api=api, sent_origin=sent)
        if case.step is not None:
            leads_to = _leads_to(url, actual)
            if case.step is Step.REDIRECT_SCHEME and self._browser.engine is not Behaviour.WEBKIT:
                # Named after it was followed.
                return replace(about, step=case.step, url=leads_to or url, redirected_from=url)
            preflight = case.preflight is NO_ANSWER
            return replace(about, step=case.step, value=case.value, preflight=preflight, leads_to=leads_to)
        request = Request(sent, url, None, case.method, case.headers, case.credentials)
        asked = None if case.preflight is None else self._written(case.preflight)
        answer = None if asked is None else (asked.status, asked.lines)
        verdict = fetch_verdict(request, actual.lines, answer, behaviour=self._browser.engine)
        failed = asked if asked is not None and verdict.preflight else actual
        return replace(
            about,
            step=verdict.step,
            value=verdict.value,
            preflight=verdict.preflight,
            status=failed.status,
            repeated=len(values_of(failed.lines, ORIGIN.lower())) > 1,
            leads_to=None if verdict.preflight else _leads_to(url, failed),
        )


def _leads_to(url: str, answer: Answer) -> str | None:
    location = dict(answer.lines).get("Location")
    return None if location is None else urljoin(url, location)


def try_all(site: AnsweringSite, closed: int, engine: Behaviour, directory: Path) -> dict[str, Tried]:
    """Try each case in an engine."""
    with _running(engine, site, directory) as browser:
        return Trial(browser, site, closed).all()


def _running(engine: Behaviour, site: AnsweringSite, directory: Path) -> AbstractContextManager[Browser]:
    if engine is not Behaviour.WEBKIT:
        return running_engine(engine, directory)
    (xvfb, _) = need("Xvfb", "WebKitWebDriver")
    page = f"{site.origin('app.corp.localhost')}/page?driven"
    return running_driven_webkit(xvfb, site, page, directory)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Behaviour, Future[dict[str, Tried]]]]:
    """Each case in each engine."""
    with answering() as site, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        work = partial(try_all, site, unused.getsockname()[1])
        with in_each_engine(work, tmp_path_factory) as found:
            yield found


each_case = pytest.mark.parametrize(
    ("engine", "name"),
    [
        pytest.param(engine, name, id=f"{engine.value}-{name}")
        for engine in ENGINES
        for name in (*CASES, "a redirect to another scheme")
    ],
)


@each_case
def test_printed(engine: Behaviour, name: str, tried: Mapping[Behaviour, Future[dict[str, Tried]]]) -> None:
    """A request that fails at a step is not read, and the console prints what the table has for the step."""
    found = tried[engine].result()[name]
    assert found.result != "read"
    if found.failure.step is Step.METHOD_FORBIDDEN:
        assert found.result.endswith(found.expected[0])
        return
    assert tuple(found.printed[: len(found.expected)]) == found.expected


@each_case
def test_recognised(engine: Behaviour, name: str, tried: Mapping[Behaviour, Future[dict[str, Tried]]]) -> None:
    """What the console printed is recognised: the engine, the step, and the URL."""
    found = tried[engine].result()[name]
    if not found.printed:
        # WebKit says nothing of a request without an answer, and a method throws.
        silent = engine is Behaviour.WEBKIT and not found.failure.preflight
        assert found.failure.step is Step.METHOD_FORBIDDEN or (found.failure.step is Step.NETWORK_ERROR and silent)
        return
    recognised = recognise("\n".join(found.printed))
    assert recognised is not None
    assert recognised.engine is engine
    assert found.failure.step in recognised.steps
    assert recognised.url in {found.failure.url, None}


def test_each_row_is_printed(tried: Mapping[Behaviour, Future[dict[str, Tried]]]) -> None:
    """There is no sentence in the table that was not printed."""
    unseen = []
    for sentence in SENTENCES:
        step = sentence.steps[0]
        cases = tried[sentence.engine].result().values()
        lines = [line for case in cases for line in (*case.printed, case.result) if step in _steps(line)]
        if not lines:
            unseen.append(sentence.text)
    assert unseen == []


@cache
def _steps(line: str) -> tuple[Step, ...]:
    found = recognise(line)
    return () if found is None else found.steps
