"""An application behind a guard, for HTTP and WebSocket: it says that it was reached.

Every answer has X-Application, with the method, and no body: Go's reverse proxies now and then cut off a body that
comes in a packet behind the headers, before they have noticed that they have sent all of the request. `/events` is a
stream that does not end. A WebSocket gets each of its messages back. `FILE POLICY` puts it behind our middleware, which
decides by that policy of that file; without them it takes whatever comes.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.served_by_uvicorn import guarded, serve


async def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Answer by ASGI's own messages."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
    elif scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        events = scope["path"].endswith("/events")
        rest = (b"content-type", b"text/event-stream") if events else (b"content-length", b"0")
        headers = [(b"x-application", scope["method"].encode()), rest]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if events:
            await send({"type": "http.response.body", "body": b"data: reached\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        await send({"type": "http.response.body", "body": b""})


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def main(*given: str) -> None:
    """Serve it on a port that is free, and say which."""
    serve(guarded(application, *given) if given else application, lifespan="off", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
