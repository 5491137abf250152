"""For applications of ASGI 3 on asyncio, such as those of Starlette, FastAPI and Django."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from cors_service.asking.address import CONNECTIONS
from cors_service.asking.headers import decorate
from cors_service.asking.undecided import undecided
from cors_service.decision import Decision, Query
from cors_service.grammar.path import encode_bytes
from cors_service.protect._answer import preflight_lines
from cors_service.protect._decide import Policies, decider
from cors_service.protect._facts import query_of
from cors_service.protect._service_client import ServiceClient

__all__ = ["CORSMiddleware", "ServiceClient"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class CORSMiddleware:
    """Answers preflights in the place of an application, and puts the decided headers on all its answers.

    Frameworks put middleware that is added with `add_middleware` inside the layer of their last error pages. Around the
    whole application, `app = CORSMiddleware(app, policies)`, it decorates those, too.
    """

    def __init__(self, app: Application, policies: Policies, *, policy: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The application.
            policies: What decides: a policy set, or a `ServiceClient` to ask.
            policy: The name of the policy; by default it is found by the URL.

        Raises:
            TypeError: `policies` can't decide.
            ValueError: The policy set has no policy of this name.
        """
        self._app = app
        self._policy = policy
        self._decide = decider(policies, policy)
        self._service = policies if isinstance(policies, ServiceClient) else None
        # One for each connection that is kept open; they are started when they are needed.
        self._threads = ThreadPoolExecutor(CONNECTIONS, "cors-service")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = self._query(scope)
        decision = self._decide(query) if self._service is None else await self._asked(self._service, query)
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
        try:
            # This also holds while all threads wait for a slow service.
            async with asyncio.timeout(service.timeout):
                return await asyncio.get_running_loop().run_in_executor(self._threads, service.decide, query)
        except TimeoutError:
            return undecided(
                query, f"The decision service at {service.address} did not answer within {service.timeout:g} seconds."
            )

    def _query(self, scope: Message) -> Query:
        lines = _decoded(scope["headers"])
        hosts = [value for name, value in lines if name.lower() == "host"]
        raw: bytes | None = scope.get("raw_path")
        # Some servers give no raw path, and some give it with the query.
        path = quote(scope["path"], errors="replace") if raw is None else encode_bytes(raw.partition(b"?")[0])
        return query_of(
            scope["method"],
            lines,
            scheme=scope.get("scheme", "http"),
            host=hosts[0] if len(hosts) == 1 else "",
            path=path or "/",
            policy=self._policy,
        )


def _decoded(lines: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]


def _encoded(lines: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines]
