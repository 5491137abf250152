"""Starlette on uvicorn with its own CORSMiddleware, which answers preflights: `... PORT`."""

import sys

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from benchmarks.questions import METHODS, NAMES
from benchmarks.servers.on_uvicorn import serve


def application() -> Starlette:
    """The application: a middleware that allows what our policy allows, with nothing behind it."""
    allowed = Middleware(
        CORSMiddleware,
        allow_origins=["https://partner.example"],
        allow_origin_regex=r"https://([a-z0-9-]+\.)+partner\.example",
        allow_methods=METHODS,
        allow_headers=NAMES,
        allow_credentials=True,
        max_age=600,
    )
    return Starlette(middleware=[allowed])


if __name__ == "__main__":
    serve(application(), int(sys.argv[1]))
