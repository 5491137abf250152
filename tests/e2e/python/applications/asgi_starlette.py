"""An application of Starlette, served by uvicorn."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parents[4]))

from cors_service.policy import read_document
from cors_service.protect.asgi import CORSMiddleware, ServiceClient
from tests.e2e.gateways.application import OWN_HEADERS
from tests.e2e.served_by_uvicorn import serve

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
OWN = dict(OWN_HEADERS)


async def answer(request: Request) -> Response:
    """Answer every request."""
    *_, parent, name = request.url.path.split("/")
    if parent == "status" and name == "404":
        raise HTTPException(404)
    if parent == "status" and name == "500":
        raise RuntimeError("on purpose")
    query = request.scope["query_string"].decode("latin-1")
    told = {
        "method": request.method,
        "target": request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
        "headers": {key: request.headers.getlist(key) for key in request.headers},
        "body": (await request.body()).decode("latin-1"),
    }
    text = json.dumps(told)
    return StreamingResponse(_pieces(text), headers=OWN) if name == "streamed" else Response(text, headers=OWN)


async def _pieces(text: str) -> AsyncIterator[str]:
    yield text[:10]
    yield text[10:]


async def failed(request: Request, error: Exception) -> Response:
    """Make an error page."""
    return PlainTextResponse("error", getattr(error, "status_code", 500), headers=OWN)


class WithRaw:
    """Answers by ASGI's own messages where that is asked for."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if not scope.get("path", "").endswith("/raw"):
            await self._app(scope, receive, send)
            return
        body = json.dumps({"target": scope["path"]}).encode()
        headers = [(name.encode(), value.encode()) for name, value in OWN_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main(how: str, what: str) -> None:
    """Serve."""
    if how == "embedded":
        policies: Any = read_document(tomllib.loads(Path(what).read_text(encoding="utf-8")))
    else:
        policies = ServiceClient(what, timeout=0.5)
    routes = [Route("/{path:path}", answer, methods=METHODS)]
    app = Starlette(routes=routes, exception_handlers={404: failed, 500: failed})
    serve(CORSMiddleware(WithRaw(app), policies, policy="catalogue"))


if __name__ == "__main__":
    main(*sys.argv[1:])
