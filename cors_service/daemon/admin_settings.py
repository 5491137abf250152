"""What an operator can set of the admin process, with every default."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cors_service.limits import Limits, ServerLimits

DEFAULT_LISTEN: Final = "tcp:8081:interface=127.0.0.1"
LARGEST_BODY: Final = 64 * 1024 * 1024
"""Bytes of a request: a change may be all policies at once."""

_LIMITS: Final = Limits()
_SERVER_LIMITS: Final = ServerLimits(connections=500, peer_connections=250, held=4 * LARGEST_BODY)


class AdminSettings(Struct, frozen=True, kw_only=True):
    """What an operator can set. Each field has the name of its option.

    Attributes:
        store: The path of the directory of documents, or the URL of a store.
        data: The path of the directory for what is the process's own.
        listen: The descriptions of the endpoints.
        host: The names by which the process is asked, beside loopback names.
        auth: The path of the document that says who may do what; None for everybody on this machine.
        sign_in_header: The header in which a proxy says whom it has signed in; None if none does.
        sign_in_proxy: The addresses and networks of such a proxy, or `unix`.
        decision_ttl: Seconds for which the callers of replicas may use a decision again.
        max_body: Bytes of a request's body.
        drain_timeout: Seconds that requests in flight have to end when the process stops.
        access_log: The path of the file for a line on each request, `-` for the log, None for none.
        json_log: The path of the file for the log as JSON, `-` for standard output, None for none.
    """

    store: str
    data: str
    listen: tuple[str, ...] = (DEFAULT_LISTEN,)
    host: tuple[str, ...] = ()
    auth: str | None = None
    sign_in_header: str | None = None
    sign_in_proxy: tuple[str, ...] = ()
    decision_ttl: int = _LIMITS.ttl
    max_body: int = LARGEST_BODY
    drain_timeout: float = 10.0
    access_log: str | None = None
    json_log: str | None = None

    @property
    def server_limits(self) -> ServerLimits:
        """The limits of the HTTP server."""
        return ServerLimits(
            body=self.max_body,
            connections=_SERVER_LIMITS.connections,
            peer_connections=_SERVER_LIMITS.peer_connections,
            held=_SERVER_LIMITS.held,
        )
