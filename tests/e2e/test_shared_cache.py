"""A shared cache in front of the application serves no origin what was decided for another."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count, permutations, product
from pathlib import Path

import pytest

from tests.answering import free_port
from tests.e2e.browser.cases import LOGGED_IN, Table
from tests.e2e.browser.prediction import Service
from tests.e2e.browser.processes import running
from tests.e2e.browser.setting import Application, running_application
from tests.e2e.daemons import wait_for
from tests.e2e.gateways.gateway import accepts
from tests.e2e.requirements import need

# It tells answers apart by their URL alone, and by what their Vary names.
CONFIGURATION = """
daemon off;
user {user};
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    fastcgi_temp_path {directory}/fastcgi;
    proxy_temp_path {directory}/proxy;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    proxy_cache_path {directory}/cache keys_zone=answers:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $http_host;
            proxy_cache answers;
            proxy_cache_key $request_uri;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"""

KEPT_SECONDS = 600
DECIDED = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary")

numbers = count()


@dataclass(frozen=True)
class Answer:
    """What the cache answered.

    Attributes:
        hit: Whether it asked nobody.
        headers: Those that are decided, by their lower-case names.
        decided_for: The origin whose request the application answered so.
    """

    hit: bool
    headers: dict[str, str]
    decided_for: str | None


class SharedCache:
    """A running nginx with a cache, in front of the application."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, origin: str | None) -> Answer:
        """Ask as a page of an origin does, or as nobody's page."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            headers = {"Host": f"{LOGGED_IN}:{self._port}", **({"Origin": origin} if origin else {})}
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            assert response.status == 200
            lines = [(name.lower(), value) for name, value in response.getheaders() if name.lower() in DECIDED]
            assert len(dict(lines)) == len(lines)
            return Answer(response.getheader("X-Cache") == "HIT", dict(lines), body["decided for"])


@contextmanager
def running_nginx(nginx: str, upstream: int, directory: Path) -> Iterator[SharedCache]:
    """Run a cache in front of a port until the block ends."""
    port, configuration = free_port(), directory / "nginx.conf"
    fields = {"user": getpass.getuser(), "directory": directory, "port": port, "upstream": upstream}
    configuration.write_text(CONFIGURATION.format(**fields), encoding="utf-8")
    log = directory / "nginx.log"
    with running([nginx, "-p", str(directory), "-c", str(configuration), "-e", "stderr"], log) as process:
        wait_for(lambda: process.alive() and accepts(port), "the cache")
        yield SharedCache(port)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SharedCache, Application, Service]]:
    """The cache, the application behind it, and the service that the application asks."""
    [nginx] = need("nginx")
    with ExitStack() as stack:
        application, service = stack.enter_context(running_application(tmp_path_factory.mktemp("application")))
        cache = stack.enter_context(running_nginx(nginx, application.ports[0], tmp_path_factory.mktemp("nginx")))
        yield cache, application, service


def origins_of(application: Application) -> dict[str, str | None]:
    """Who asks: a page that the policies allow most, one that they refuse or allow less, nobody's page."""
    table = Table(application.ports)
    return {"allowed": table.app, "other": table.stranger, "none": None}


def decided(service: Service, path: str, origin: str | None) -> dict[str, str]:
    """The headers that the service decides for a request, as the cache is to give them."""
    lines = [("Origin", origin)] if origin else []
    headers = service.decide(f"http://{LOGGED_IN}{path}", "GET", lines)["headers"]
    return {name.lower(): value for name, value in headers if name.lower() in DECIDED}


def new_path(policy: str) -> str:
    """A path that the cache has never seen."""
    return f"/{policy}/things?number={next(numbers)}&keep={KEPT_SECONDS}"


@pytest.mark.parametrize("policy", ["exact", "session", "tiers", "sandbox"])
def test_nobody_is_served_what_was_decided_for_another(
    policy: str, setting: tuple[SharedCache, Application, Service]
) -> None:
    """Whoever comes first, each origin gets what was decided for it: from the application, and then from the cache."""
    cache, application, service = setting
    origins = origins_of(application)
    for order in permutations(origins):
        path = new_path(policy)
        for hit, who in product((False, True), order):
            expected = Answer(hit, decided(service, path, origins[who]), origins[who])
            assert (order, expected) == (order, cache.get(path, origins[who]))


@pytest.mark.parametrize("policy", ["public", "static"])
def test_what_is_the_same_for_all_is_kept_once(policy: str, setting: tuple[SharedCache, Application, Service]) -> None:
    """Where everybody may read, or one origin that is named to all, one answer is right for all: it needs no Vary."""
    cache, application, service = setting
    origins = origins_of(application)
    named = {"public": "*", "static": origins["allowed"]}[policy]
    for order in permutations(origins):
        path = new_path(policy)
        for number, who in enumerate(order):
            expected = Answer(number > 0, decided(service, path, origins[who]), origins[order[0]])
            assert (order, expected) == (order, cache.get(path, origins[who]))
            assert expected.headers.get("access-control-allow-origin") == named
            assert "vary" not in expected.headers


@pytest.mark.parametrize("order", list(permutations(["allowed", "other", "none"], 2)), ids="-".join)
def test_a_dropped_vary_mixes_answers_up(
    order: Sequence[str], setting: tuple[SharedCache, Application, Service]
) -> None:
    """Without Vary the second is served what was decided for the first, which locks out an allowed origin."""
    cache, application, service = setting
    first, second = (origins_of(application)[who] for who in order)
    path = new_path("exact")
    application.change(fault="vary_dropped")
    try:
        assert not cache.get(path, first).hit
        answer = cache.get(path, second)
    finally:
        application.change(fault="none")
    wrong = {name: value for name, value in decided(service, path, first).items() if name != "vary"}
    assert Answer(hit=True, headers=wrong, decided_for=first) == answer
    right = decided(service, path, second)
    mixed_up = right.get("access-control-allow-origin") != wrong.get("access-control-allow-origin")
    assert mixed_up == ("allowed" in order)
