"""The consoles of three engines print what the table of sentences says, at each step that can fail."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Final

import pytest

from cors_service.browser import ENGINES, Behaviour, Step, recognise
from cors_service.browser.sentences import SENTENCES
from cors_service.explain import Answer as ServiceAnswer
from cors_service.explain import Answers, PageRequest, explain_answers
from cors_service.explain.exchange import Credentials
from cors_service.explain.written import as_dict
from tests.certificates import Authority, written
from tests.e2e.requirements import need

from .answering import Answer, AnsweringSite, answering
from .driven import running_driven_webkit
from .engines import Browser
from .everywhere import in_each_engine
from .failing_cases import XHR, cases_of
from .firefox import running_firefox
from .trial import Trial, Tried
from .webdriver import running_chromium

_OF_ANSWERS: Final = {None, Step.METHOD_FORBIDDEN}
"""Steps at which a request fails because of what is asked and answered."""


def try_all(
    site: AnsweringSite,
    secure: AnsweringSite,
    exposed: AnsweringSite,
    closed: int,
    engine: Behaviour,
    directory: Path,
) -> dict[str, Tried]:
    """Try each case in an engine."""
    with _running(engine, site, (secure, exposed), directory) as browser:
        return Trial(browser, site, secure, exposed, closed).all()


def _running(
    engine: Behaviour, site: AnsweringSite, public: Iterable[AnsweringSite], directory: Path
) -> AbstractContextManager[Browser]:
    match engine:
        case Behaviour.CHROMIUM:
            browser, driver = need("chromium", "chromedriver")
            spaces = ",".join(f"127.0.0.1:{one.port}=public" for one in public)
            further = ["--ignore-certificate-errors", f"--ip-address-space-overrides={spaces}"]
            return running_chromium(browser, driver, directory, further=further)
        case Behaviour.FIREFOX:
            (browser,) = need("firefox-esr")
            return running_firefox(browser, directory, any_certificate=True)
        case _:
            (xvfb, _) = need("Xvfb", "WebKitWebDriver")
            return running_driven_webkit(xvfb, site, f"{site.origin('app.corp.localhost')}/page?driven", directory)


def certified(directory: Path) -> SSLContext:
    """What a server with a certificate of its own takes."""
    key, certificate = written(directory, Authority("nobody").sign("app.corp.localhost"))
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Behaviour, Future[dict[str, Tried]]]]:
    """Each case in each engine."""
    tls = certified(tmp_path_factory.mktemp("certificate"))
    with (
        answering() as site,
        answering(tls, beside=site) as secure,
        answering(beside=site) as exposed,
        socket.socket() as unused,
    ):
        unused.bind(("127.0.0.1", 0))  # and never listens
        work = partial(try_all, site, secure, exposed, unused.getsockname()[1])
        with in_each_engine(work, tmp_path_factory) as found:
            yield found


each_case = pytest.mark.parametrize(
    ("engine", "name"),
    [pytest.param(engine, name, id=f"{engine.value}-{name}") for engine in ENGINES for name in cases_of(engine)],
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


@each_case
def test_explained(engine: Behaviour, name: str, tried: Mapping[Behaviour, Future[dict[str, Tried]]]) -> None:
    """An explanation of a request and its answers has what the console prints of it."""
    case = cases_of(engine)[name]
    if case.through or case.policy or case.script is XHR or case.step not in _OF_ANSWERS:
        pytest.skip("what is asked and answered does not say it")
    found = tried[engine].result()[name]
    page = found.failure.origin
    credentials: Credentials = "include" if case.credentials else "omit"
    exchange = PageRequest(page, found.failure.url, case.method, case.headers, credentials)
    actual, preflight = (_answered(answer, page) for answer in (case.actual, case.preflight))
    seen = as_dict(explain_answers(exchange, Answers(actual, preflight)))["engines"][engine.value]
    assert seen["outcome"] == "blocked"
    assert tuple((seen["message"] or "").split("\n")) == found.expected


def _answered(answer: Answer | None, page: str) -> ServiceAnswer | None:
    if answer is None:
        return None
    lines = tuple((name, value.replace("{page}", page)) for name, value in answer.lines)
    return ServiceAnswer(answer.status, lines)


def test_each_row_is_printed(tried: Mapping[Behaviour, Future[dict[str, Tried]]]) -> None:
    """There is no sentence in the table that was not printed."""
    printed = {
        engine: [line for case in future.result().values() for line in (*case.printed, case.result)]
        for engine, future in tried.items()
    }
    unseen = [
        sentence.text
        for sentence in SENTENCES
        if not any(re.search(_expression(sentence.text), line) for line in printed[sentence.engine])
    ]
    assert unseen == []


def _expression(text: str) -> str:
    """An expression for a sentence, whatever stands in it."""
    return ".*".join(map(re.escape, re.split(r"\{[a-z_]+\}", text)))
