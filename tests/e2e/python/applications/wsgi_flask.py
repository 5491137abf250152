"""An application of Flask, served by waitress."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import flask
from waitress.server import create_server

sys.path.insert(0, str(Path(__file__).parents[4]))

from cors_service.policy import read_document
from cors_service.protect.wsgi import CORSMiddleware, ServiceClient
from tests.e2e.gateways.application import OWN_HEADERS

app = flask.Flask("application")


@app.before_request
def answer() -> Any:
    """Answer every request."""
    *_, parent, name = flask.request.path.split("/")
    if parent == "status" and name == "404":
        flask.abort(404)
    if parent == "status" and name == "500":
        raise RuntimeError("on purpose")
    told = json.dumps(_told(flask.request.environ, flask.request.get_data()))
    return flask.Response(iter([told[:10], told[10:]]) if name == "streamed" else told)


@app.after_request
def do_cors_wrong(response: flask.Response) -> flask.Response:
    """Add the headers of an application that does CORS itself, also to error pages."""
    for name, value in OWN_HEADERS:
        response.headers.set(name, value)
    return response


def _told(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    names = {key.removeprefix("HTTP_"): value for key, value in environ.items() if key.startswith("HTTP_")}
    if "CONTENT_TYPE" in environ:
        names["CONTENT_TYPE"] = environ["CONTENT_TYPE"]
    return {
        "method": environ["REQUEST_METHOD"],
        "target": environ["REQUEST_URI"],
        "headers": {name.lower().replace("_", "-"): [value] for name, value in names.items()},
        "body": body.decode("latin-1"),
    }


def with_raw(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by WSGI's own `write` where that is asked for."""
    if not environ["PATH_INFO"].endswith("/raw"):
        return flask_app(environ, start_response)
    told = json.dumps(_told(environ, b"")).encode()
    start_response("200 OK", [*OWN_HEADERS, ("Content-Length", str(len(told)))])(told)
    return []


flask_app = app.wsgi_app

if __name__ == "__main__":
    how, what = sys.argv[1:]
    if how == "embedded":
        policies: Any = read_document(tomllib.loads(Path(what).read_text(encoding="utf-8")))
    else:
        policies = ServiceClient(what, timeout=0.5)
    app.wsgi_app = CORSMiddleware(with_raw, policies, policy="catalogue")  # type: ignore[method-assign]
    server = create_server(app, host="127.0.0.1", port=0)
    sys.stdout.write(f"port {server.effective_port}\n")
    sys.stdout.flush()
    server.run()
