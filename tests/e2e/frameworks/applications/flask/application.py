"""An application that does CORS wrong, on purpose; see tests/e2e/frameworks/__init__.py for what it answers."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import waitress
from cors_decision import CorsDecision
from flask import Flask, Response, abort, request

OWN_HEADERS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "*, TRACE"),
    ("Access-Control-Allow-Headers", "*, x-application"),
    ("Access-Control-Allow-Private-Network", "true"),
    ("Access-Control-Expose-Headers", "*"),
    ("Access-Control-Max-Age", "86400"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Vary", "Accept-Encoding"),
    ("X-Application", "7"),
]

app = Flask(__name__)
count = itertools.count(1)


def told() -> str:
    """What was received. Repeated lines come from the server joined."""
    headers = {name.lower(): [value] for name, value in request.headers}
    received = {"count": next(count), "method": request.method, "target": request.environ["REQUEST_URI"]}
    return json.dumps({**received, "headers": headers, "body": request.get_data().decode("latin-1")})


@app.before_request
def answer() -> Response:
    """Answer whatever the path and the method are: no route does."""
    if request.path == "/catalogue/status/404":
        abort(404)
    if request.path == "/catalogue/status/500":
        raise RuntimeError("This page is broken.")
    body = told()
    if request.path == "/catalogue/streamed":
        return Response(pieces(body), content_type="application/json")
    return Response(body, content_type="application/json")


def pieces(body: str) -> Iterator[str]:
    """A body, bit by bit."""
    yield body[:9]
    yield body[9:99]
    yield body[99:]


@app.after_request
def spoil(response: Response) -> Response:
    """Do CORS as policies do not, on error pages too."""
    response.headers.extend(OWN_HEADERS)
    return response


def low(environ: dict[str, Any], start_response: Callable[..., Callable[[bytes], object]]) -> Iterable[bytes]:
    """Answer `/catalogue/raw` as WSGI did when it was young: by what `start_response` gives, after a change of mind."""
    if environ["PATH_INFO"] != "/catalogue/raw":
        return flask(environ, start_response)
    with app.request_context(environ):
        body = told().encode("ascii")
    start_response("500 Internal Server Error", OWN_HEADERS)
    error = RuntimeError("It turns out otherwise.")
    lines = [*OWN_HEADERS, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", lines, (RuntimeError, error, None))(body)
    return []


flask = app.wsgi_app
app.wsgi_app = CorsDecision(low, os.environ["CORS_SERVICE"], policy="catalogue")  # type: ignore[method-assign]

if __name__ == "__main__":
    waitress.serve(app, listen=f"127.0.0.1:{os.environ['PORT']}")
