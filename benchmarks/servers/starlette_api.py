"""Starlette on uvicorn, with the API of POST /v1/decision: a dictionary says what is answered.

    python -m benchmarks.servers.starlette_api PORT ANSWERS [--prepared]

ANSWERS is a JSON list of pairs of query and answer. An answer is found by what the query says, as the facts of a query
are what decides. It is written by JSONResponse, or, with --prepared, was written before.
"""

import json
import sys
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.servers.on_uvicorn import serve

Facts = tuple[str | None, ...]


def facts(query: dict[str, Any]) -> Facts:
    """What a decision depends on."""
    headers = query.get("headers") or {}
    return (
        query["policy"],
        query["origin"],
        query["method"],
        headers.get("Access-Control-Request-Method"),
        headers.get("Access-Control-Request-Headers"),
    )


def application(pairs: list[tuple[dict[str, Any], Any]], *, prepared: bool) -> Starlette:
    """The application.

    Args:
        pairs: Queries and their answers.
        prepared: Whether answers are written before they are asked for.
    """
    answers = {facts(query): answer for query, answer in pairs}
    written = {key: json.dumps(answer, separators=(",", ":")).encode() for key, answer in answers.items()}
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

    async def decide(request: Request) -> Response:
        key = facts(await request.json())
        if prepared:
            return Response(written[key], headers=headers, media_type="application/json")
        return JSONResponse(answers[key], headers=headers)

    return Starlette(routes=[Route("/v1/decision", decide, methods=["POST"])])


if __name__ == "__main__":
    serve(application(json.loads(Path(sys.argv[2]).read_text()), prepared="--prepared" in sys.argv), int(sys.argv[1]))
