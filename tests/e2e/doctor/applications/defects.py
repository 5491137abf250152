"""Flask with a defect for each first segment of the path."""

from __future__ import annotations

import os

from flask import Flask, Response, redirect, request

PAGE = os.environ["PAGE"]
NAMES = {
    "Access-Control-Allow-Methods": "GET, PUT, DELETE",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
}

app = Flask(__name__)


@app.before_request
def before() -> Response | None:
    """Answer preflights, and do what some defects do to them."""
    name = request.path.split("/")[1]
    if request.method != "OPTIONS":
        return None
    if name == "preflight-redirect":
        return redirect(f"{request.path}/", 308)  # type: ignore[return-value]
    if name == "preflight-authenticated":
        return Response("Who are you?", 401, {"WWW-Authenticate": "Bearer"})
    return Response(status=204)


@app.route("/<name>/x", methods=["GET", "PUT", "DELETE"], provide_automatic_options=False)
def answer(name: str) -> Response:
    """Answer."""
    return Response("{}", headers=granted(name) if name == "error-without-headers" else {})


@app.after_request
def after(response: Response) -> Response:
    """Set the headers, where a defect does not leave them out."""
    name = request.path.split("/")[1]
    if name != "error-without-headers":
        response.headers.extend(granted(name))
    response.vary.add("Origin")
    return response


def granted(name: str) -> dict[str, str]:
    """The headers for whoever asks."""
    origin = request.headers.get("Origin")
    if name == "acao-other":
        return {"Access-Control-Allow-Origin": "http://localhost:3000"}
    if name == "acao-list":
        return {"Access-Control-Allow-Origin": f"http://localhost:3000 {PAGE}"}
    if origin is None or origin not in {PAGE, *(["null"] if name == "null-allowed" else [])}:
        return {}
    if name == "acao-missing" and request.method != "OPTIONS":
        return {}
    own = {"Access-Control-Allow-Methods": "get, put, delete"} if name == "lower-case-methods" else {}
    credentials = {"Access-Control-Allow-Credentials": "true"} if name == "healthy" else {}
    return {"Access-Control-Allow-Origin": origin, **NAMES, **credentials, **own}


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
