"""WebSockets behind a guard: own and listed pages open them, other pages do not, programs as the policy says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e.gateways import nginx
from tests.e2e.gateways.gateway import running as running_gateway
from tests.e2e.gateways.guarding import ON

from .processes import running, running_service
from .recording import Recorder, recording
from .webdriver import Chromium

SITE: Final = "sockets.guard.localhost"
SIBLING: Final = "old.guard.localhost"
LISTED: Final = "listed.localhost"
FOREIGN: Final = "evil.localhost"
REBOUND: Final = "rebound.example"
POLICIES: Final = f"""
version = 1

[policies.programs]
origins = ["http://{LISTED}:*"]
[policies.programs.guard]
requests = "websocket"
hosts = ["{SITE}:*", "127.0.0.1:*"]

[policies.pages]
origins = ["http://{LISTED}:*"]
[policies.pages.guard]
requests = ["websocket", "state-changing"]
without_origin = "refuse"
hosts = ["{SITE}:*", "127.0.0.1:*"]
"""
HERE: Final = Path(__file__).parent
PROGRAMS: Final = {"ASGI": HERE.parent / "guarded_application.py", "Twisted": HERE / "sockets_twisted.py"}
OPEN: Final = """
const [url, done] = arguments;
const socket = new WebSocket(url);
socket.onopen = () => socket.send("hello");
socket.onmessage = ({data}) => { socket.close(); done(data); };
socket.onerror = () => done("refused");
"""


@pytest.fixture(scope="module", params=["programs", "pages"])
def policy(request: pytest.FixtureRequest) -> str:
    """A policy that lets programs in, and one that does not."""
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["ASGI", "Twisted", "nginx"])
def sockets(request: pytest.FixtureRequest, policy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a site with WebSockets, behind each of what guards them."""
    directory = tmp_path_factory.mktemp("sockets")
    policies = directory / "policies.toml"
    policies.write_text(POLICIES)
    is_behind_gateway = request.param == "nginx"
    program = PROGRAMS["ASGI" if is_behind_gateway else request.param]
    with ExitStack() as stack:
        given = [] if is_behind_gateway else [str(policies), policy]
        process = stack.enter_context(running([sys.executable, str(program), *given], directory / "sockets.log"))
        port = int(process.said(r"port (\d+)")[1])
        if is_behind_gateway:
            service = stack.enter_context(running_service(policies, directory))
            changes = {**ON["nginx"], **nginx.GATEWAY.patient, "catalogue": policy}
            (directory / "nginx").mkdir()
            gateway = running_gateway(nginx.GATEWAY, directory / "nginx", port, service, changes, second=service)
            port = stack.enter_context(gateway)
        yield port


@pytest.fixture(scope="module")
def pages() -> Iterator[Recorder]:
    """A site of other names, with pages."""
    with recording() as running:
        yield running


def opened(chromium: Chromium, page: str, url: str) -> str:
    """Let a page open a WebSocket, and give what it received."""
    chromium.open(page)
    answer: str = chromium.run(OPEN, url)
    return answer


def test_pages(sockets: int, pages: Recorder, chromium: Chromium) -> None:
    """The site's own page and a listed one open a WebSocket; pages of others do not, those of a sub-domain included."""
    url = f"ws://{SITE}:{sockets}/socket"
    found = {"own": opened(chromium, f"http://{SITE}:{sockets}/", url)}
    for host in (LISTED, FOREIGN, SIBLING):
        found[host] = opened(chromium, f"http://{host}:{pages.port}/page", url)
    assert found == {"own": "hello", LISTED: "hello", FOREIGN: "refused", SIBLING: "refused"}


def test_rebound_page(sockets: int, chromium: Chromium) -> None:
    """A page whose name was made to lead to the site opens none, though its Origin is that of the host it calls."""
    assert opened(chromium, f"http://{REBOUND}:{sockets}/", f"ws://{REBOUND}:{sockets}/socket") == "refused"


def test_program(policy: str, sockets: int) -> None:
    """A program without an Origin opens one where the policy lets it, and gets a 403 where it does not."""
    url = f"ws://127.0.0.1:{sockets}/socket"
    if policy == "programs":
        with connect(url, proxy=None) as socket:
            socket.send("hello")
            assert socket.recv(30) == "hello"
    else:
        with pytest.raises(InvalidStatus) as raised, connect(url, proxy=None):
            pass
        assert raised.value.response.status_code == 403
