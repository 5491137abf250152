"""An application behind a guard, for HTTP and WebSocket: it says that it was reached.

Every answer has X-Application and, as JSON, the method; `/events` is a stream that does not end. A WebSocket gets each
of its messages back. `FILE POLICY` puts it behind our middleware, which decides by that policy of that file; without
them it takes whatever comes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2]))

from cors_service.policy import read_document
from cors_service.protect.asgi import CORSMiddleware


async def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Answer by ASGI's own messages."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
    elif scope["type"] == "http":
        events = scope["path"].endswith("/events")
        kind = b"text/event-stream" if events else b"application/json"
        headers = [(b"x-application", b"7"), (b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if events:
            await send({"type": "http.response.body", "body": b"data: reached\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        await send({"type": "http.response.body", "body": json.dumps({"method": scope["method"]}).encode()})


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def main(*given: str) -> None:
    """Serve it on a port that is free, and say which."""
    app: Any = application
    if given:
        file, policy = given
        app = CORSMiddleware(app, read_document(tomllib.loads(Path(file).read_text(encoding="utf-8"))), policy=policy)
    # asyncio sends at once over what is said to be TCP; what is not has 40 milliseconds more for each answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sys.stdout.write(f"port {listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main(*sys.argv[1:])
