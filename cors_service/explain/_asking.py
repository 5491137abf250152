"""What a browser sends, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from cors_service.browser import Request, preflight_headers
from cors_service.browser.headers import HeaderLines
from cors_service.browser.request import (
    actual_headers,
    is_forbidden_method,
    is_forbidden_request_header,
    is_safelisted_method,
    needs_preflight,
    unsafe_request_header_names,
)
from cors_service.decision import Query
from cors_service.decision.enforced import circumstances_of
from cors_service.explain.exchange import PageRequest
from cors_service.explain.explanation import ExchangeStep
from cors_service.grammar.mistakes import cut
from cors_service.grammar.origin import is_insecure_origin

_WEBSOCKET: Final = (("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
_LONGEST: Final = 300


class Asked:
    """An exchange as the browser has it.

    Attributes:
        exchange: The exchange.
        request: The request.
        has_preflight: Whether the browser asks first.
    """

    def __init__(self, exchange: PageRequest) -> None:
        """Make it.

        Raises:
            ValueError: No page can make this request.
        """
        self.exchange = exchange
        self.request: Request = exchange.request
        self.has_preflight = (
            exchange.mode == "cors" and not is_forbidden_method(self.request.method) and needs_preflight(self.request)
        )

    @property
    def queries(self) -> tuple[Query, ...]:
        """What the service decides about: the preflight, if there is one, and the request."""
        actual = self._query(self.request.method, self.sent)
        return (self._query("OPTIONS", preflight_headers(self.request)), actual) if self.has_preflight else (actual,)

    def _query(self, method: str, lines: HeaderLines) -> Query:
        exchange, own = self.exchange, self.request.url_origin
        besides = () if own is None else circumstances_of(exchange.page, own, exchange.mode)
        return Query.received(method, (*lines, *besides), policy=exchange.policy, url=exchange.url)

    @property
    def sent(self) -> HeaderLines:
        """The lines of the request that the page or CORS put there."""
        if self.exchange.mode == "websocket":
            return (("Origin", self.request.origin), *_WEBSOCKET)
        if self.exchange.mode in {"no-cors", "navigate"} and self.request.method in {"GET", "HEAD"}:
            # Browsers send Origin with these only where CORS is asked for (Fetch, #append-a-request-origin-header).
            return self.request.headers
        return actual_headers(self.request)

    @property
    def is_mixed(self) -> bool:
        """Whether it is mixed content, which browsers never send (Mixed Content, 4.4)."""
        origin = self.request.url_origin
        return (
            self.exchange.mode != "navigate"
            and self.request.origin.startswith("https://")
            and origin is not None
            and is_insecure_origin(origin)
        )

    def steps(self) -> Iterator[ExchangeStep]:
        """Say what the browser does before anybody answers."""
        request = self.request
        dropped = [name for name, value in self.exchange.headers if is_forbidden_request_header(name, value)]
        what = f"{request.method} to {cut(request.url, _LONGEST)}, {self._how()}"
        words = f"A page of {request.origin} wants to send {what}."
        if dropped:
            words += f" Browsers drop {', '.join(dropped)}, which pages can't set."
        yield ExchangeStep("page", "note", words)
        if is_forbidden_method(request.method):
            yield ExchangeStep(
                "browser", "stops", f"No page may use the method {request.method}: the browser sends nothing."
            )
        elif self.exchange.mode == "cors" and not self.is_mixed:
            yield self._preflight()

    def _how(self) -> str:
        exchange = self.exchange
        cookies = {"omit": "without cookies", "include": "with cookies"}.get(exchange.credentials)
        if cookies is None:
            cookies = "with cookies" if exchange.sends_credentials else "without cookies, since the origins differ"
        return cookies if exchange.mode == "cors" else f"{cookies}, in the mode {exchange.mode}"

    def _preflight(self) -> ExchangeStep:
        if self.request.same_origin:
            return ExchangeStep("preflight", "note", "The URL has the page's own origin: CORS plays no part.")
        if not self.has_preflight:
            return ExchangeStep(
                "preflight", "note", "It is a simple request: the browser sends it without asking first."
            )
        because = [] if is_safelisted_method(self.request.method) else [f"of the method {self.request.method}"]
        names = unsafe_request_header_names(self.request.headers)
        if names:
            because.append(f"of the {'header' if len(names) == 1 else 'headers'} {cut(', '.join(names), _LONGEST)}")
        message = f"The browser asks first, by a preflight, because {' and '.join(because)}."
        return ExchangeStep("preflight", "note", message, sent=self.preflight_lines())

    def preflight_lines(self) -> tuple[str, ...]:
        """Write the preflight."""
        return as_lines(f"OPTIONS {path_of(self.request.url)}", preflight_headers(self.request))

    def request_lines(self) -> tuple[str, ...]:
        """Write the request."""
        return as_lines(f"{self.request.method} {path_of(self.request.url)}", self.sent)


def as_lines(first: str, headers: HeaderLines) -> tuple[str, ...]:
    """Write a message of HTTP, as far as it matters here."""
    return (first, *(f"{name}: {value}" for name, value in headers))


def path_of(url: str) -> str:
    """Give the path of a URL, or the URL itself where it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return (parts.path or "/") if parts.netloc else url
