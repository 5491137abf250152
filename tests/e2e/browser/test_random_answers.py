"""What the model of each engine says of random answers, malformed ones among them, is what the engine does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from cors_service.browser import ENGINES, Behaviour, Request, Verdict, fetch_verdict
from cors_service.browser.request import needs_preflight

from .answering import Answer, AnsweringSite, Lines, answering
from .engines import running_engine
from .everywhere import in_each_engine

COUNT: Final = 300
READ_ALL: Final = """
const [requests, done] = arguments;
const read = ({ url, method, headers, credentials }) =>
  fetch(url, { method, headers, credentials }).then(answer => answer.text()).then(() => true, () => false);
Promise.all(requests.map(read)).then(done);
"""
AT_ONCE: Final = 20
METHODS: Final = ("GET", "POST", "PUT", "put", "PATCH", "patch", "*")
HEADERS: Final = (("X-A", "1"), ("x-b", "1"), ("Authorization", "a"), ("Content-Type", "application/json"), ("*", "1"))
ORIGINS: Final[tuple[tuple[str, ...], ...]] = (
    *[("{page}",)] * 40,
    *[("*",)] * 8,
    (),
    ("",),
    ("null",),
    ("{page}/",),
    ("{page}", "{page}"),
    ("*", "*"),
    ("{page},",),
    ("{page}, *",),
    ("{PAGE}",),
    (" \t{page}\t ",),
)
CREDENTIALS: Final[tuple[tuple[str, ...], ...]] = (
    *[("true",)] * 16, (), ("True",), ("TRUE",), ("false",), ("",), ("true", "true"), ("true,",), (" true ",), ("*",)
)  # fmt: skip
ALLOWED_METHODS: Final[tuple[tuple[str, ...], ...]] = (
    *[("PUT, PATCH, patch",)] * 12,
    ("*",),
    ("GET, *",),
    (),
    ("",),
    (",PUT,,PATCH,",),
    ("PUT", "PATCH"),
    ("put",),
    ("PUT;PATCH",),
    ("PUT PATCH",),
    ("PUT,\tPATCH",),
    ('"PUT"',),
    ("PUT, ",),
    ("PUT, @",),
    ("PUT", ""),
)
ALLOWED_HEADERS: Final[tuple[tuple[str, ...], ...]] = (
    *[("x-a, X-B, content-type",)] * 12,
    ("*",),
    ("*, authorization",),
    ("x-a, *",),
    (),
    ("",),
    (",x-a,,x-b,",),
    ("x-a", "x-b, authorization"),
    ("x-*",),
    ("x-a;x-b",),
    ("x-a x-b",),
    ("authorization, content-type,\tx-a",),
    ("x-a, x:b",),
    ("(x-a)",),
)
STATUSES: Final = (*[204] * 20, 200, 299, 302, 400, 403, 500)


@dataclass(frozen=True)
class Drawn:
    """A request and its answers.

    Attributes:
        request: What the page asks.
        preflight: The answer to its preflight, if it needs one.
        actual: The answer to itself.
    """

    request: Request
    preflight: Answer | None
    actual: Answer

    def verdict(self, engine: Behaviour) -> Verdict:
        """What the model says."""
        answer = None if self.preflight is None else (self.preflight.status, self.preflight.lines)
        return fetch_verdict(self.request, self.actual.lines, answer, behaviour=engine)


def draw(random: Random, site: AnsweringSite, number: int) -> Drawn:
    """Draw a request and its answers."""
    page, other = site.origin("app.corp.localhost"), site.origin("api.corp.localhost")

    def lines(name: str, values: tuple[tuple[str, ...], ...]) -> Lines:
        drawn = random.choice(values)
        return tuple((name, value.replace("{page}", page).replace("{PAGE}", page.upper())) for value in drawn)

    def shared() -> Lines:
        return lines("Access-Control-Allow-Origin", ORIGINS) + lines("Access-Control-Allow-Credentials", CREDENTIALS)

    headers = tuple(random.sample(HEADERS, random.choice((0, 0, 0, 1, 1, 2))))
    request = Request(page, "", other, random.choice(METHODS), headers, random.random() < 0.4)
    preflight = None
    if needs_preflight(request):
        lists = lines("Access-Control-Allow-Methods", ALLOWED_METHODS)
        lists += lines("Access-Control-Allow-Headers", ALLOWED_HEADERS)
        status = random.choice(STATUSES)
        leading = (("Location", "/elsewhere"),) if status == 302 and random.random() < 0.7 else ()
        preflight = Answer(shared() + lists + leading, status)
    actual = Answer(shared(), random.choice((200, 200, 404)))
    url = site.url(other, f"/{number}", actual, preflight)
    return Drawn(Request(page, url, other, request.method, headers, request.credentials), preflight, actual)


def try_drawn(site: AnsweringSite, drawn: list[Drawn], engine: Behaviour, directory: Path) -> list[bool]:
    """Let a browser make requests: which of the answers could the page read?"""
    read: list[bool] = []
    with running_engine(engine, directory) as browser:
        browser.open(f"{site.origin('app.corp.localhost')}/page")
        for start in range(0, len(drawn), AT_ONCE):
            some = [_options(one.request) for one in drawn[start : start + AT_ONCE]]
            read += browser.run(READ_ALL, some)
    return read


def _options(request: Request) -> dict[str, Any]:
    credentials = "include" if request.credentials else "omit"
    return {"url": request.url, "method": request.method, "headers": request.headers, "credentials": credentials}


Found = tuple[int, list[Drawn], Mapping[Behaviour, Future[list[bool]]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """The seed, what was drawn, and what each engine did with it."""
    seed = time.time_ns()
    with answering() as site:
        random = Random(seed)
        drawn = [draw(random, site, number) for number in range(COUNT)]
        with in_each_engine(partial(try_drawn, site, drawn), tmp_path_factory) as read:
            yield seed, drawn, read


@pytest.mark.parametrize("engine", ENGINES, ids=[engine.value for engine in ENGINES])
def test_random_answers(engine: Behaviour, found: Found) -> None:
    """A page reads what the model of its engine says, and nothing else."""
    seed, drawn, tried = found
    read = tried[engine].result()
    wrong = [
        f"{one.request} {one.preflight} {one.actual}: {one.verdict(engine)}, read: {was_read}"
        for one, was_read in zip(drawn, read, strict=True)
        if one.verdict(engine).allowed != was_read
    ]
    assert wrong == [], f"seed {seed}"
    assert 10 < sum(read) < COUNT - 10
