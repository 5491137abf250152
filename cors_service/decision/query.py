"""The facts of one received request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from msgspec import Struct, structs

from cors_service.grammar.tokens import normalize_method

MAX_HEADER_NAMES: Final = 64
"""Names in all Access-Control-Request-Headers lines of a preflight; browsers send a handful."""
MAX_HEADER_BYTES: Final = 4096
"""Length of all these lines together."""
MAX_METHOD: Final = 64
"""Length of a method name."""


class BadQuery(Exception):
    """The caller's mistake: a query without a decision.

    Attributes:
        code: One of `url-malformed`, `url-ambiguous`, `unknown-policy`, `no-policy-for-url`, `no-selector`.
        message: What is wrong, a sentence for people.
        guarded: Whether the policy that was meant may have a guard: then nothing must pass for want of a decision.
    """

    def __init__(self, code: str, message: str, *, guarded: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.guarded = guarded


class Circumstances(Struct, frozen=True, cache_hash=True):
    """What a request says of where it comes from and what it calls, besides its Origin: a guard looks at this.

    Attributes:
        hosts: The value of each `Host` line.
        sites: The value of each `Sec-Fetch-Site` line.
        modes: The value of each `Sec-Fetch-Mode` line.
        dests: The value of each `Sec-Fetch-Dest` line.
        upgrades: The value of each `Upgrade` line.
        websocket_versions: The value of each `Sec-WebSocket-Version` line.
    """

    hosts: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    dests: tuple[str, ...] = ()
    upgrades: tuple[str, ...] = ()
    websocket_versions: tuple[str, ...] = ()


class Query(Struct, frozen=True, cache_hash=True):
    """The facts of one received request that matter to CORS, as they came over the wire.

    Attributes:
        method: The request's method.
        policy: The name of the policy to decide by, or None to find it by the URL.
        url: The absolute URL of the request, or None. It also says which origin is the service's own.
        origins: The value of each `Origin` line.
        request_methods: The value of each `Access-Control-Request-Method` line.
        request_headers: The value of each `Access-Control-Request-Headers` line.
        circumstances: What else a guard looks at; None if nothing of it came.
    """

    method: str
    policy: str | None = None
    url: str | None = None
    origins: tuple[str, ...] = ()
    request_methods: tuple[str, ...] = ()
    request_headers: tuple[str, ...] = ()
    circumstances: Circumstances | None = None

    @classmethod
    def received(
        cls,
        method: str,
        headers: Iterable[tuple[str, str]],
        *,
        policy: str | None = None,
        url: str | None = None,
    ) -> Self:
        """Make a query from header lines, with names in any case and repeated lines as they came.

        Args:
            method: The request's method.
            headers: The names and values of the lines.
            policy: The name of the policy, or None to find it by the URL.
            url: The URL of the request, or None.
        """
        cors: dict[str, list[str]] = {name: [] for name in CORS_HEADERS}
        others: dict[str, list[str]] = {}
        for name, value in headers:
            # Only ASCII names count: lower-casing must not turn another character into one.
            if not name.isascii():
                continue
            lower = name.lower()
            if (known := cors.get(lower)) is not None:
                known.append(value)
            elif lower in CIRCUMSTANCES:
                others.setdefault(CIRCUMSTANCES[lower], []).append(value)
        origins, methods, names = map(tuple, cors.values())
        if not others:
            return cls(method, policy, url, origins, methods, names)
        circumstances = Circumstances(**{name: tuple(values) for name, values in others.items()})
        return cls(method, policy, url, origins, methods, names, circumstances)

    @property
    def is_preflight(self) -> bool:
        """Whether this is OPTIONS with exactly one Origin and one method asked for (Fetch, #cors-preflight-request)."""
        return len(self.origins) == len(self.request_methods) == 1 and normalize_method(self.method) == "OPTIONS"

    @property
    def is_small(self) -> bool:
        """Whether it is worth remembering: long queries are not honest traffic, and this bounds the memory."""
        total = len(self.policy or "") + len(self.url or "") + len(self.method)
        others = structs.astuple(self.circumstances) if self.circumstances is not None else ()
        for lines in (self.origins, self.request_methods, self.request_headers, *others):
            for line in lines:
                total += len(line) + 8  # a line takes memory even if it is empty
        return total <= 1024


CORS_HEADERS: Final = ("origin", "access-control-request-method", "access-control-request-headers")
"""The names of the headers that decide about CORS, in lower case and in the order of the attributes of a query."""
CIRCUMSTANCES: Final = {
    "host": "hosts",
    "sec-fetch-site": "sites",
    "sec-fetch-mode": "modes",
    "sec-fetch-dest": "dests",
    "upgrade": "upgrades",
    "sec-websocket-version": "websocket_versions",
}
"""The attributes of Circumstances by the names of their headers, in lower case."""
