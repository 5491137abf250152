"""The limits of what callers may ask and clients may send, with every default."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

DEFAULT_TTL: Final = 5
"""Seconds for which a decision may be used again, unless a service says otherwise."""


class Limits(Struct, frozen=True, kw_only=True):
    """What callers can count on, and what they can't exceed.

    Attributes:
        ttl: Seconds for which a decision may be used again; 0 for never.
        body: Bytes of a request's body.
        batch: Queries in a batch.
    """

    ttl: int = DEFAULT_TTL
    body: int = 1024 * 1024
    batch: int = 1000


class ServerLimits(Struct, frozen=True, kw_only=True):
    """What a client can't exceed.

    Attributes:
        body: Bytes of a request's body.
        head: Bytes of a request's first line and headers.
        head_lines: Headers of a request.
        request_timeout: Seconds from the first byte of a request to its last, however steadily they come.
        idle_timeout: Seconds after which a connection without a request is closed.
        connections: Open at the same time; one more closes one that has not asked, or the one that is idle for longest.
        peer_connections: The same for one address of another machine; 0 for no such limit.
        held: Bytes that are kept for all connections: of requests that are not answered, and of answers not read.
        send_timeout: Seconds after which a connection is closed if the client does not read its answers.
    """

    body: int = Limits().body
    head: int = 16 * 1024
    head_lines: int = 100
    request_timeout: float = 10.0
    idle_timeout: float = 60.0
    connections: int = 900
    peer_connections: int = 450
    held: int = 64 * 1024 * 1024
    send_timeout: float = 30.0
