"""Serves the ASGI applications of these tests, alone or behind our middleware."""

from __future__ import annotations

import asyncio
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

import uvicorn

from cors_service.policy import read_document
from cors_service.protect.asgi import CORSMiddleware


def guarded(app: Any, file: str, policy: str) -> CORSMiddleware:
    """Put an application behind our middleware, which decides by a policy of a file."""
    policies = read_document(tomllib.loads(Path(file).read_text(encoding="utf-8")))
    return CORSMiddleware(app, policies, policy=policy)


def serve(app: Any, **settings: Any) -> None:
    """Serve on a port that is free, and say which."""
    # asyncio sends at once over what is said to be TCP; what is not has 40 milliseconds more for each answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sys.stdout.write(f"port {listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="critical", **settings)
        asyncio.run(uvicorn.Server(config).serve([listener]))
