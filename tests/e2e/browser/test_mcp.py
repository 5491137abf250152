"""A server of tools of the Model Context Protocol, guarded: clients and listed pages reach it, other pages do not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.gateways import nginx
from tests.e2e.gateways.gateway import running as running_gateway
from tests.e2e.gateways.guarding import ON
from tests.e2e.requirements import need_module

from .processes import running, running_service
from .recording import Recorder, recording
from .tap import Tap, tapped
from .webdriver import Chromium

PROGRAM: Final = str(Path(__file__).with_name("mcp_tools.py"))
TOOLS: Final = "tools.guard.localhost"
LISTED: Final = "listed.localhost"
FOREIGN: Final = "evil.localhost"
REBOUND: Final = "rebound.example"
POLICIES: Final = f"""
version = 1

[policies.tools]
origins = ["http://{LISTED}:*"]
methods = ["GET", "POST", "DELETE"]
request_headers = ["content-type", "mcp-session-id", "mcp-protocol-version"]
expose_headers = ["mcp-session-id"]

[policies.tools.guard]
hosts = ["{TOOLS}:*", "127.0.0.1:*"]
"""
INITIALIZE: Final = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "page", "version": "1"},
        },
    }
)
ACCEPT: Final = "application/json, text/event-stream"
# Begins a session and opens its stream of events, as far as the page may.
CONNECT: Final = """
const [url, body, type, done] = arguments;
const headers = {"content-type": type, accept: "application/json, text/event-stream"};
(async () => {
  const answer = await fetch(url, {method: "POST", headers, body});
  const text = await answer.text();
  const session = {"mcp-session-id": answer.headers.get("mcp-session-id"), "mcp-protocol-version": "2025-06-18"};
  const abort = new AbortController();
  const stream = await fetch(url, {headers: {...session, accept: "text/event-stream"}, signal: abort.signal});
  abort.abort();
  return [answer.status, text, stream.status, stream.headers.get("content-type")];
})().then(done, error => done(String(error)));
"""
STREAM: Final = """
const [url, done] = arguments;
fetch(url, {headers: {accept: "text/event-stream"}})
  .then(async answer => [answer.status, await answer.text()])
  .then(done, error => done(String(error)));
"""


@pytest.fixture(scope="module", params=["middleware", "nginx"])
def tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tap]:
    """The server, behind our middleware, or alone behind nginx with the guard on."""
    need_module("mcp")
    directory = tmp_path_factory.mktemp("tools")
    policies = directory / "policies.toml"
    policies.write_text(POLICIES)
    with ExitStack() as stack:
        behind = [str(policies), "tools"] if request.param == "middleware" else []
        log = directory / "tools.log"
        process = stack.enter_context(running([sys.executable, "-u", PROGRAM, *behind], log))
        port = int(process.said(r"port (\d+)")[1])
        if request.param == "nginx":
            service = stack.enter_context(running_service(policies, directory))
            changes = {**ON["nginx"], **nginx.GATEWAY.patient, "catalogue": "tools"}
            (directory / "nginx").mkdir()
            gateway = running_gateway(nginx.GATEWAY, directory / "nginx", port, service, changes, second=service)
            port = stack.enter_context(gateway)
        yield stack.enter_context(tapped(port))


@pytest.fixture(scope="module")
def pages() -> Iterator[Recorder]:
    """A site of other names, with pages."""
    with recording() as running:
        yield running


def is_refusal(body: str) -> bool:
    """Whether a body refuses as the specification has it: a JSON-RPC error without an id."""
    told: dict[str, Any] = json.loads(body)
    return told["jsonrpc"] == "2.0" and set(told) == {"jsonrpc", "error"} and {"code", "message"} <= set(told["error"])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_own_client(mode: str, tools: Tap) -> None:
    """The client of the SDK, which sends no Origin, calls a tool, by the newest protocol and by sessions."""
    from mcp import Client

    async def call() -> Any:
        async with Client(f"http://127.0.0.1:{tools.port}/mcp", mode=mode) as client:
            return (await client.call_tool("add", {"a": 1, "b": 2})).structured_content

    assert asyncio.run(call()) == {"result": 3}


@pytest.mark.parametrize("host", [TOOLS, LISTED])
def test_page_that_may(host: str, tools: Tap, pages: Recorder, chromium: Chromium) -> None:
    """A page of the server's own origin, and one that a rule covers, begin a session and get its stream of events."""
    # The answer to whatever is opened there is a page of its own origin.
    chromium.open(f"http://{host}:{tools.port}/" if host == TOOLS else f"http://{host}:{pages.port}/page")
    found = chromium.run(CONNECT, f"http://{TOOLS}:{tools.port}/mcp", INITIALIZE, "application/json")
    status, text, stream, kind = found
    assert (status, stream, kind) == (200, 200, "text/event-stream")
    assert '"serverInfo"' in text


def test_foreign_page(tools: Tap, pages: Recorder, chromium: Chromium) -> None:
    """A foreign page gets nothing, and its request a 403 as the specification has it: a POST, and the stream."""
    chromium.open(f"http://{FOREIGN}:{pages.port}/page")
    url = f"http://{TOOLS}:{tools.port}/mcp"
    for script, arguments in ((CONNECT, (url, INITIALIZE, "text/plain")), (STREAM, (url,))):
        tools.clear()
        assert "Failed to fetch" in chromium.run(script, *arguments)
        head, body = tools.answered(403)
        assert "application/json" in head
        assert is_refusal(body)


def test_rebound_page(tools: Tap, chromium: Chromium) -> None:
    """A page whose name was made to lead to the server reads nothing but the refusal, from POST and stream."""
    chromium.open(f"http://{REBOUND}:{tools.port}/")
    url = f"http://{REBOUND}:{tools.port}/mcp"
    status, text, stream, kind = chromium.run(CONNECT, url, INITIALIZE, "application/json")
    assert (status, stream, kind) == (403, 403, "application/json")
    assert is_refusal(text)
    status, text = chromium.run(STREAM, url)
    assert status == 403
    assert is_refusal(text)


def test_null_and_malformed_origins(tools: Tap) -> None:
    """Whatever else stands in Origin gets a 403, too: null, a word, two origins."""
    for origin in ("null", "evil", f"http://{LISTED}:1, http://{FOREIGN}"):
        with closing(HTTPConnection("127.0.0.1", tools.port, timeout=30)) as connection:
            headers = {"Origin": origin, "Accept": ACCEPT, "Content-Type": "application/json"}
            connection.request("POST", "/mcp", INITIALIZE, headers)
            answer = connection.getresponse()
            assert answer.status == 403
            assert is_refusal(answer.read().decode())
