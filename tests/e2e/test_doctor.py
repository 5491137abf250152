"""`cors-service doctor` finds what is wrong with real servers, and nothing else; Chromium agrees with its verdict."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from cors_service.browser import Behaviour, Request
from cors_service.doctor.asking import make_visit
from cors_service.doctor.codes import Code
from cors_service.doctor.connection import Connector, UnreachableError
from cors_service.doctor.exchanges import Exchange
from cors_service.doctor.judging import Diagnosis, diagnose
from cors_service.doctor.target import read_target
from cors_service.doctor.verdicts import is_readable
from cors_service.doctor.visit import MOST, visit
from tests.e2e.browser.firefox import Firefox, running_firefox
from tests.e2e.browser.webdriver import Browser, Chromium, running_chromium
from tests.e2e.browser.webkit import running_webkit
from tests.e2e.doctor.odd_heads import HEADS, odd_answer
from tests.e2e.doctor.plants import DEFECTS, SOUND, Plant
from tests.e2e.doctor.random_answers import drawn
from tests.e2e.doctor.servers import Servers, running_servers
from tests.e2e.doctor.site import serving
from tests.e2e.requirements import need

PLANTS = (*DEFECTS, *SOUND)
ATTEMPT = "const done = arguments[1]; attemptAll(arguments[0]).then((results) => done(JSON.stringify(results)))"
ATTEMPTS = 100
"""At a time."""
IS_SOAK = os.environ.get("CORS_SOAK") == "1"
ANSWERS = 7000 if IS_SOAK else 200
SEED = 20261128
COMMAND = str(Path(sys.executable).with_name("cors-service"))


def name_of(plant: Plant) -> str:
    """A name for a test."""
    credentials = [plant.credentials] if plant.credentials == "include" else []
    return "-".join([plant.server, plant.name, plant.method, *(name for name, _ in plant.headers), *credentials])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """All servers."""
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


def url_of(servers: Servers, plant: Plant) -> str:
    """Where something is planted; of no two plants the same URL, which caches would mix up."""
    return f"http://127.0.0.1:{servers.ports[plant.server]}/{plant.name}/x?{PLANTS.index(plant)}"


@pytest.fixture(scope="module")
def diagnoses(servers: Servers) -> Mapping[Plant, Diagnosis]:
    """What the doctor says of each plant."""
    return {plant: examined(servers, plant) for plant in PLANTS}


def examined(servers: Servers, plant: Plant) -> Diagnosis:
    """Have the doctor look at a plant."""
    url = url_of(servers, plant)
    if plant.is_poisoned:
        ask_as_nobody(url)
    headers = [f"{name}: {value}" for name, value in plant.headers]
    request = read_target(url, servers.page, plant.method, headers, credentials=plant.credentials == "include")
    return diagnose(request, make_visit(visit(request, f"mark{PLANTS.index(plant)}"), Connector(), lambda *_: None))


def ask_as_nobody(url: str) -> None:
    """Ask without an Origin."""
    authority, path = url.removeprefix("http://").split("/", 1)
    connection = HTTPConnection(authority, timeout=30)
    connection.request("GET", f"/{path}")
    connection.getresponse().read()
    connection.close()


@pytest.fixture(scope="module")
def chromium(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Chromium, with the page open."""
    with running(Behaviour.CHROMIUM, tmp_path_factory) as browser:
        assert isinstance(browser, Chromium)
        browser.open(f"{servers.page}/_page")
        yield browser


@contextmanager
def running(engine: Behaviour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser | Firefox]:
    """Run a browser until the block ends."""
    directory = tmp_path_factory.mktemp(engine.value)
    with ExitStack() as stack:
        if engine is Behaviour.CHROMIUM:
            program, driver = need("chromium", "chromedriver")
            yield stack.enter_context(running_chromium(program, driver, directory))
        elif engine is Behaviour.FIREFOX:
            [program] = need("firefox-esr")
            yield stack.enter_context(running_firefox(program, directory))
        else:
            driver, screen = need("WebKitWebDriver", "Xvfb")
            yield stack.enter_context(running_webkit(driver, screen, directory))


class Seen(NamedTuple):
    """What came of the plants in a browser.

    Attributes:
        read: Whether the page read what is planted.
        console: What was printed, if that is known.
    """

    read: Mapping[Plant, bool]
    console: Sequence[str]


def attempted(browser: Browser | Firefox, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Let the open page make requests; see harness.js."""
    answer = browser.run(ATTEMPT, requests)
    # Firefox says of a value what it is, too.
    results: list[dict[str, Any]] = json.loads(answer["value"] if isinstance(answer, dict) else answer)
    return results


def seen_in(browser: Browser | Firefox, servers: Servers) -> Seen:
    """Let the page ask for every plant."""
    requests = [
        {
            "url": url_of(servers, plant),
            "method": plant.method,
            "headers": plant.headers,
            "credentials": plant.credentials,
        }
        for plant in PLANTS
    ]
    results = attempted(browser, requests)
    read = {plant: result["read"] for plant, result in zip(PLANTS, results, strict=True)}
    return Seen(read, browser.console() if isinstance(browser, Chromium) else ())


@pytest.fixture(scope="module")
def in_chromium(servers: Servers, diagnoses: Mapping[Plant, Diagnosis], chromium: Chromium) -> Seen:
    """What Chromium makes of the plants, after the doctor has asked for the same."""
    return seen_in(chromium, servers)


@pytest.mark.parametrize("plant", PLANTS, ids=name_of)
def test_finds_what_is_planted(plant: Plant, diagnoses: Mapping[Plant, Diagnosis]) -> None:
    """The doctor finds each defect by its code, and nothing that is not there."""
    diagnosis = diagnoses[plant]
    assert plant.codes == {finding.code.value for finding in diagnosis.findings}, diagnosis.findings
    assert len(diagnosis.exchanges) <= MOST
    assert {exchange.question.method for exchange in diagnosis.exchanges} <= {"GET", "OPTIONS"}


@pytest.mark.parametrize("plant", PLANTS, ids=name_of)
def test_agrees_with_chromium(plant: Plant, diagnoses: Mapping[Plant, Diagnosis], in_chromium: Seen) -> None:
    """The page reads the answer if the doctor says so, and else the doctor has what the console prints."""
    assert diagnoses[plant].readable == in_chromium.read[plant]
    printed = [
        message for message in in_chromium.console for each in diagnoses[plant].findings if each.sentence in message
    ]
    assert in_chromium.read[plant] or printed


@pytest.mark.parametrize("engine", [Behaviour.FIREFOX, Behaviour.WEBKIT], ids=lambda engine: engine.value)
def test_agrees_with_others(
    engine: Behaviour,
    servers: Servers,
    diagnoses: Mapping[Plant, Diagnosis],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The other engines read what the doctor says that they read."""
    with running(engine, tmp_path_factory) as browser:
        browser.open(f"{servers.page}/_page")
        read = seen_in(browser, servers).read
    expected = {plant: is_readable(diagnosis.exchanges, engine) for plant, diagnosis in diagnoses.items()}
    assert {name_of(plant): value for plant, value in expected.items()} == {
        name_of(plant): value for plant, value in read.items()
    }


def test_odd_heads(servers: Servers, chromium: Chromium) -> None:
    """However odd the head of an answer is, the doctor reads it as Chromium does."""
    with serving(lambda _, number, __, port: odd_answer(servers.page, number, port)) as port:
        urls = [f"http://127.0.0.1:{port}/{number}/x" for number in range(len(HEADS))]
        pages = [read_target(url, servers.page) for url in urls]
        expected = dict(zip(HEADS, (is_readable(visited(page)) for page in pages), strict=True))
        requests = [{"url": url, "method": "GET", "headers": [], "credentials": "same-origin"} for url in urls]
        results = attempted(chromium, requests)
    assert expected == {name: result["read"] for name, result in zip(HEADS, results, strict=True)}
    assert set(expected.values()) == {True, False}


def test_random_answers(servers: Servers, chromium: Chromium) -> None:
    """Whatever is answered, the doctor's verdict is Chromium's."""
    seed = SEED if not IS_SOAK else secrets.randbits(32)
    random = Random(seed)
    all_drawn = [drawn(random, servers.page) for _ in range(ANSWERS)]

    def answer(method: str, number: int, name: str, port: int) -> bytes:
        one = all_drawn[number]
        text = one.second if name == "second" else one.preflight if method == "OPTIONS" else one.first
        return text.replace(b"{number}", b"%d" % number).replace(b"{port}", b"%d" % port)

    with serving(answer) as port:
        requests = [
            {
                "url": f"http://127.0.0.1:{port}/{number}/first",
                "method": one.method,
                "headers": one.headers,
                "credentials": one.credentials,
            }
            for number, one in enumerate(all_drawn)
        ]
        expected = [is_readable(visited(page_of(request, servers.page))) for request in requests]
        results = [
            result["read"]
            for first in range(0, ANSWERS, ATTEMPTS)
            for result in attempted(chromium, requests[first : first + ATTEMPTS])
        ]
    wrong = [one for one, said, read in zip(all_drawn, expected, results, strict=True) if said != read]
    assert (seed, []) == (seed, wrong)
    assert min(results.count(True), results.count(False)) > ANSWERS // 20


def page_of(request: Mapping[str, Any], origin: str) -> Request:
    """The request of a page, as the doctor is asked about it."""
    headers = [f"{name}: {value}" for name, value in request["headers"]]
    credentials = request["credentials"] == "include"
    return read_target(request["url"], origin, request["method"], headers, credentials=credentials)


def visited(page: Request) -> list[Exchange]:
    """Ask what the page's browser would ask, and no more."""
    plan = visit(page, "mark", sends=True, follows=True)
    connector = Connector()
    done: list[Exchange] = []
    question = next(plan)
    while question.role.is_of_page:
        try:
            exchange = Exchange(question, connector.ask(question))
        except UnreachableError as error:
            exchange = Exchange(question, None, str(error))
        done.append(exchange)
        question = plan.send(exchange)
    return done


@pytest.mark.parametrize("plant", DEFECTS, ids=name_of)
def test_each_finding_has_what_a_person_needs(plant: Plant, diagnoses: Mapping[Plant, Diagnosis]) -> None:
    """A finding has lines that were sent and came, and what mends it; what blocks the page has a sentence."""
    findings = diagnoses[plant].findings
    for finding in findings:
        assert {line[0] for line in finding.evidence} >= {">", "<"}
        assert finding.mend
    assert diagnoses[plant].readable or any(finding.sentence for finding in findings)


def test_thirty_defects_on_four_servers() -> None:
    """There are at least thirty defects, on four servers, and each code that a site can have is planted somewhere."""
    assert len(DEFECTS) >= 30
    assert {plant.server for plant in DEFECTS} == {"nginx", "apache", "express", "flask"}
    assert {code for plant in DEFECTS for code in plant.codes} == set(Code) - {Code.UNREACHABLE, Code.HEALTHY}


@pytest.mark.parametrize(
    ("name", "server", "status"), [("healthy", "apache", 0), ("acao-list", "nginx", 2)], ids=["healthy", "defect"]
)
def test_exit_status(name: str, server: str, status: int, servers: Servers) -> None:
    """The command ends with 0 if nothing is wrong, and with 2 for findings, which it prints."""
    url = f"http://127.0.0.1:{servers.ports[server]}/{name}/x"
    done = subprocess.run([COMMAND, "doctor", url, "--from", servers.page], capture_output=True, text=True, check=False)
    assert (status, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("healthy: " if status == 0 else f"{name}: ")
