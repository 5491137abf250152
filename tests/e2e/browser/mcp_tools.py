"""A server of tools, made with the Python SDK of the Model Context Protocol, that speaks streamable HTTP.

`FILE POLICY` puts it behind our middleware, which decides by that policy of that file; without them it stands alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.e2e.served_by_uvicorn import guarded, serve

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.custom_route("/", ["GET"])
async def page(_: Request) -> Response:
    """Serve a page."""
    return PlainTextResponse("tools")


def main(*given: str) -> None:
    """Serve."""
    # The SDK's own checks are off: they know no rules, and are not what is tested.
    off = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app: Any = server.streamable_http_app(transport_security=off)
    serve(guarded(app, *given) if given else app, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
