"""What only Apache does: it refuses by itself, and asks from Lua."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cors_service.browser import cors_check
from tests.e2e.gateways.apache import GATEWAY
from tests.e2e.gateways.calling import Way, called
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, READER, STRANGER, State, page

REFUSING = "    AllowEncodedSlashes NoDecode\n"
MISSING = "/catalogue/status/404"


def test_own_refusals(world: World, tmp_path: Path) -> None:
    """It asks before it refuses, so that pages can read that they were refused."""
    locked = {REFUSING: f"{REFUSING}    <Location />\nRequire all denied\n    </Location>\n"}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, locked) as port:
        subject = GatewaySubject(port, world.switch)
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert (answer.status, answer.is_of_application, DECIDED[PARTNER]) == (403, False, answer.cors)
        with subject.service(State.DOWN):
            answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
            assert (answer.status, answer.cors, answer.vary) == (403, {}, ["origin"])


def test_no_policy(world: World, tmp_path: Path) -> None:
    """A virtual host that names no policy is not asked about, and its application's headers are gone all the same."""
    silent = {"    SetEnvIf Request_URI ^ CORS_POLICY=catalogue\n": ""}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, silent) as port:
        answer = GatewaySubject(port, world.switch).ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.cors) == (200, {})


@pytest.mark.parametrize("protocol", ["cgi", "fastcgi", "scgi", "uwsgi"])
def test_other_headers(protocol: str, world: World, tmp_path: Path) -> None:
    """The decision's Timing-Allow-Origin and Cross-Origin-Resource-Policy take the place of the application's."""
    own = [("Timing-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin")]
    with called(Way(GATEWAY, protocol), world, tmp_path, further=own) as subject:
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert answer.is_of_application
        assert (answer.timing, answer.resource_policies) == ([PARTNER], ["same-site"])


HANDLED = """
DocumentRoot {pages}
DirectoryIndex catalogue.php
<FilesMatch ^(?!404)>
    SetHandler proxy:fcgi://127.0.0.1:{{place}}
</FilesMatch>
"""
PASSED_ON = "ProxyPass / fcgi://127.0.0.1:{{place}}/"
OVERRIDING = "ProxyErrorOverride On"
DOCUMENTED = """
ErrorDocument 404 /errors/404.html
Alias /errors/ {pages}/errors/
ProxyPass /errors/ !
<Location /errors/>
    # So httpd checks once more whether it may give out the page.
    SetEnvIf Host ^ IS_ERROR=1
</Location>
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files."""
    directory = tmp_path_factory.mktemp("pages")
    (directory / "errors").mkdir()
    for name in ("errors/404.html", "catalogue.php"):
        (directory / name).write_text("A file.", encoding="utf-8")
    return directory


@contextmanager
def fastcgi(world: World, directory: Path, pages: Path, *lines: str) -> Iterator[GatewaySubject]:
    """Call an application by FastCGI, with these lines in the virtual host."""
    with called(Way(GATEWAY, "fastcgi", "\n".join(lines).format(pages=pages)), world, directory) as subject:
        yield subject


def test_index(world: World, pages: Path, tmp_path: Path) -> None:
    """Nothing is said twice where httpd finds the index of a directory, about which it asks once more."""
    with fastcgi(world, tmp_path, pages, HANDLED) as subject:
        for origin, decided in DECIDED.items():
            answer = subject.ask("GET", "/", [("Origin", origin)])
            assert (answer.status, answer.is_of_application, answer.cors) == (200, True, decided)
            assert answer.timing == [PARTNER]


@pytest.mark.parametrize("calling", [HANDLED, PASSED_ON], ids=["handler", "proxy"])
def test_error_documents(calling: str, world: World, pages: Path, tmp_path: Path) -> None:
    """A page of httpd's in the place of the application's says what was decided about the request, and nothing else."""
    with fastcgi(world, tmp_path, pages, DOCUMENTED, OVERRIDING, calling) as subject:
        for origin, decided in DECIDED.items():
            answer = subject.ask("GET", MISSING, [("Origin", origin)])
            assert (answer.status, answer.body, answer.cors) == (404, b"A file.", decided)
        answer = subject.ask("PUT", MISSING, [("Origin", READER)])
        assert (answer.status, answer.body, answer.cors) == (404, b"A file.", {})
        with subject.service(State.DOWN):
            assert subject.ask("GET", MISSING, [("Origin", PARTNER)]).cors == {}


def test_rewriting(world: World, pages: Path, tmp_path: Path) -> None:
    """A decision holds after any number of internal redirects, unless httpd asks once more."""
    rewriting = "".join(
        f"<Location {path}>\nRewriteEngine On\nRewriteRule ^ {target} [L]\n</Location>\n"
        for path, target in (("/first", "/second"), ("/second", "/nowhere"), ("/prices", "/catalogue/1"))
    )
    site = "SetEnvIf Request_URI ^/prices CORS_POLICY=prices\nProxyPass /nowhere !\n"
    with fastcgi(world, tmp_path, pages, site, rewriting, DOCUMENTED, PASSED_ON) as subject:
        for origin, decided in DECIDED.items():
            answer = subject.ask("GET", "/first", [("Origin", origin)])
            assert (answer.status, answer.body, answer.cors) == (404, b"A file.", decided)
            assert subject.ask("GET", "/prices", [("Origin", origin)]).cors == decided


@pytest.mark.parametrize("calling", [HANDLED, PASSED_ON], ids=["handler", "proxy"])
def test_overridden_without_a_page(calling: str, world: World, pages: Path, tmp_path: Path) -> None:
    """Nobody can read httpd's own page in the place of the application's: httpd would keep the application's grant."""
    with fastcgi(world, tmp_path, pages, OVERRIDING, calling) as subject:
        for origin in (PARTNER, STRANGER):
            answer = subject.ask("GET", MISSING, [("Origin", origin)])
            assert answer.status == 404
            assert not cors_check(page(origin), answer.lines).allowed
            assert subject.ask("GET", PATH, [("Origin", origin)]).cors == DECIDED[origin]
