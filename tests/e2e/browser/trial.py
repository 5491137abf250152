"""Lets a browser make requests that fail, and takes what its console prints about each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode, urljoin

from cors_service.browser import Behaviour, Failure, Request, Step, console_lines, fetch_verdict
from cors_service.browser.headers import values_of
from tests.e2e.daemons import wait_for

from .answering import Answer, AnsweringSite
from .engines import Browser
from .failing_cases import ALLOWED, APIS, EXPOSED, GRANTED, NO_ANSWER, ORIGIN, Case, cases_of

SAYS_NOTHING: Final = (
    "Failed to load resource: net::ERR_FAILED",
    "Refused to connect because it violates the document's",
)
"""What Chromium prints besides."""


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
    """Tries cases in one engine."""

    def __init__(
        self, browser: Browser, site: AnsweringSite, secure: AnsweringSite, exposed: AnsweringSite, closed: int
    ) -> None:
        """Prepare it.

        Args:
            browser: Who tries.
            site: The site of pages and answers.
            secure: The site of pages that come over https.
            exposed: The site of pages that come over http from a public address.
            closed: A port at which nobody listens.
        """
        self._browser = browser
        self._site = site
        self._secure = secure
        self._exposed = exposed
        self._closed = closed
        self._page = ""
        self._shown = ""

    def all(self) -> dict[str, Tried]:
        """Try each case once."""
        return {name: self._one(name.replace(" ", "-"), case) for name, case in cases_of(self._browser.engine).items()}

    def _open(self, case: Case) -> None:
        """Show the page of a case, if it is not shown already."""
        site = self._secure if case.secure else self._site
        # A page of localhost is secure, even over http.
        self._page = self._exposed.origin(EXPOSED) if case.exposed else site.origin("app.corp.localhost")
        driven = {"driven": ""} if self._browser.engine is Behaviour.WEBKIT else {}
        url = f"{self._page}/page?{urlencode({**driven, 'policy': case.policy})}"
        if url != self._shown:
            self._browser.open(url)
            self._shown = url

    def _one(self, name: str, case: Case) -> Tried:
        """Try a case, and wait for what is to be printed."""
        self._open(case)
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
            return case.url.format(closed=self._closed, port=self._site.port), None
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
        lines = tuple((name, value.replace("{page}", self._page)) for name, value in answer.lines)
        return replace(answer, lines=lines)

    def _failure(self, case: Case, url: str, first: str | None) -> Failure:
        """The step that fails, as the model says, and the facts."""
        api = APIS[case.script]
        sent = "null" if case.through and case.through != "api.corp.localhost" else self._page
        actual = self._written(case.actual)
        about = Failure(
            Step.ALLOWED, url, self._page, redirected_from=first, api=api, sent_origin=sent, page=self._shown
        )
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
