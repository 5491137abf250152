"""uvicorn as one has it who wants speed: uvloop, httptools, no access log."""

from typing import Any

import uvicorn


def serve(application: Any, port: int) -> None:
    """Serve an ASGI application on the local interface until it is killed."""
    uvicorn.run(
        application, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
