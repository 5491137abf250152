"""The limits of what callers may ask."""

from __future__ import annotations

from msgspec import Struct

from cors_service.wire import DEFAULT_TTL


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
