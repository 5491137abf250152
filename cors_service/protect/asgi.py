"""For applications of ASGI 3 on asyncio, such as those of Starlette, FastAPI and Django."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

from cors_service.asking.address import CONNECTIONS
from cors_service.asking.headers import decorate
from cors_service.decision import Decision, Query
from cors_service.decision.query import CIRCUMSTANCES, CORS_HEADERS
from cors_service.grammar.path import encode_bytes
from cors_service.protect._answer import preflight_lines
from cors_service.protect._decide import Policies, decider, may_be_guarded
from cors_service.protect._facts import query_of
from cors_service.protect._guarding import Guarding
from cors_service.protect._service_client import ServiceClient
from cors_service.stopped import Stopped

__all__ = ["CORSMiddleware", "ServiceClient"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# What a query is made of.
_NAMES: Final = frozenset(name.encode("ascii") for name in CORS_HEADERS)
_GUARDED_NAMES: Final = _NAMES | {b"accept", *(name.encode("ascii") for name in CIRCUMSTANCES)}
_DENIAL: Final = "websocket.http.response"
# What a server may say of a message that it will not take (RFC 6455, 7.4.1); a client gets a 403.
_POLICY_VIOLATION: Final = 1008
_SLICES: Final = 8
_log: Final = logging.getLogger(__name__)


class CORSMiddleware:
    """Answers preflights in the place of an application, and puts the decided headers on all its answers.

    Frameworks put middleware that is added with `add_middleware` inside the layer of their last error pages. Around the
    whole application, `app = CORSMiddleware(app, policies)`, it decorates those, too.

    What the guard of a policy refuses does not reach the application, be it a request or a WebSocket.
    """

    def __init__(
        self, app: Application, policies: Policies, *, policy: str | None = None, guarded: bool | None = None
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            policies: What decides: a policy set, or a `ServiceClient` to ask.
            policy: The name of the policy; by default it is found by the URL.
            guarded: Whether requests get a 503 about which nothing can be decided; by default where it is known that a
                policy has a guard.

        Raises:
            TypeError: `policies` can't decide.
            ValueError: The policy set has no policy of this name.
        """
        self._app = app
        self._policy = policy
        self._decide = decider(policies, policy)
        self._may_stop = guarded or may_be_guarded(policies)
        self._names = _GUARDED_NAMES if self._may_stop else _NAMES
        self._guarding = Guarding(guarded, lambda what: _log.warning("%s", what))
        self._service = policies if isinstance(policies, ServiceClient) else None
        # One for each connection that is kept open; they are started when they are needed.
        self._threads = ThreadPoolExecutor(CONNECTIONS, "cors-service")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or open a WebSocket; anything else passes."""
        is_http = scope["type"] == "http"
        # CORS has nothing to do with WebSockets.
        if not is_http and (scope["type"] != "websocket" or not self._may_stop):
            await self._app(scope, receive, send)
            return
        lines = _decoded(line for line in scope["headers"] if line[0].lower() in self._names)
        query = self._query(scope, lines)
        decision = self._decide(query) if self._service is None else await self._asked(self._service, query)
        if self._may_stop:
            stopped = self._guarding.stopped(decision, (value for name, value in lines if name.lower() == "accept"))
            if stopped is not None:
                await _refuse(stopped, scope, receive, send)
                return
        if not is_http:
            await self._app(scope, receive, send)
            return
        if decision.status is not None:
            headers = _encoded(preflight_lines(decision))
            await send({"type": "http.response.start", "status": decision.status, "headers": headers})
            await send({"type": "http.response.body"})
            return

        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                lines = decorate(_decoded(message.get("headers", ())), decision.headers)
                message = {**message, "headers": _encoded(lines)}
            await send(message)

        await self._app(scope, receive, decorated)

    async def _asked(self, service: ServiceClient, query: Query) -> Decision:
        """Ask a service; the loop goes on while a thread waits for the answer."""
        kept = service.kept(query)
        if kept is not None:
            return kept
        asking = asyncio.get_running_loop().run_in_executor(self._threads, service.decide, query)
        try:
            # This also holds while all threads wait for a slow service. What blocks the loop may halt the threads, too:
            # their answer may have been there for long. So time is counted in slices, and a block costs one of them.
            for _ in range(_SLICES):
                await asyncio.wait([asking], timeout=service.timeout / _SLICES)
                if asking.done():
                    return asking.result()
        finally:
            asking.cancel()
        return service.too_late(query)

    def _query(self, scope: Message, lines: list[tuple[str, str]]) -> Query:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
        raw: bytes | None = scope.get("raw_path")
        # Some servers give no raw path, and some give it with the query.
        path = quote(scope["path"], errors="replace") if raw is None else encode_bytes(raw.partition(b"?")[0])
        return query_of(
            # A WebSocket has none: it is opened by a GET, or by a CONNECT that stands for one.
            scope.get("method", "GET"),
            lines,
            scheme=scope.get("scheme", "ws" if scope["type"] == "websocket" else "http"),
            host=hosts[0] if len(hosts) == 1 else "",
            path=path or "/",
            policy=self._policy,
        )


async def _refuse(stopped: Stopped, scope: Message, receive: Receive, send: Send) -> None:
    """Answer in the place of an application."""
    kind = "http.response"
    if scope["type"] == "websocket":
        # The event that asks for the handshake comes before any answer.
        if (await receive())["type"] != "websocket.connect":
            return
        if _DENIAL not in (scope.get("extensions") or {}):
            # Before it is accepted, this is a 403 without a body.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        kind = _DENIAL
    await send({"type": f"{kind}.start", "status": stopped.status, "headers": _encoded(stopped.lines)})
    await send({"type": f"{kind}.body", "body": stopped.body})


def _decoded(lines: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]


def _encoded(lines: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines]
