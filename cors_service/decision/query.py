"""What is asked: the facts of one received request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from msgspec import Struct

from cors_service.grammar.tokens import normalize_method


class BadQuery(Exception):
    """The caller's mistake: a question to which no decision exists.

    Attributes:
        code: One of `url-malformed`, `url-ambiguous`, `unknown-policy`, `no-policy-for-url`, `no-selector`.
        message: What is wrong, a sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Query(Struct, frozen=True, cache_hash=True):
    """The facts of one received request that decide about CORS, as they came over the wire.

    Attributes:
        method: The request's method.
        policy: The name of the policy to decide by, or None to find it by the URL.
        url: The absolute URL of the request, or None. Says which origin is the service's own.
        origins: The value of each `Origin` line.
        request_methods: The value of each `Access-Control-Request-Method` line.
        request_headers: The value of each `Access-Control-Request-Headers` line.
    """

    method: str
    policy: str | None = None
    url: str | None = None
    origins: tuple[str, ...] = ()
    request_methods: tuple[str, ...] = ()
    request_headers: tuple[str, ...] = ()

    @classmethod
    def received(
        cls, method: str, headers: Iterable[tuple[str, str]], *, policy: str | None = None, url: str | None = None
    ) -> Self:
        """Make a query of a request's header lines, the names in any case, repeated lines repeated."""
        lines: dict[str, list[str]] = {name: [] for name in _NAMES}
        for name, value in headers:
            # Only ASCII names can be meant: no other character may be folded into one.
            if name.isascii() and (known := lines.get(name.lower())) is not None:
                known.append(value)
        return cls(method, policy, url, *map(tuple, lines.values()))

    @property
    def is_preflight(self) -> bool:
        """Whether this is OPTIONS with exactly one Origin and one method asked for (Fetch, #cors-preflight-request)."""
        return len(self.origins) == len(self.request_methods) == 1 and normalize_method(self.method) == "OPTIONS"

    @property
    def is_small(self) -> bool:
        """Whether it is worth remembering: long ones are nobody's honest traffic, and memory is bounded by this."""
        total = len(self.policy or "") + len(self.url or "") + len(self.method)
        for lines in (self.origins, self.request_methods, self.request_headers):
            for line in lines:
                total += len(line) + 8  # the place of a line takes memory, too
        return total <= 1024


_NAMES = ("origin", "access-control-request-method", "access-control-request-headers")
