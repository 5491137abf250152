"""What a page asks of a service, and what comes back."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

from cors_service.browser import Request
from cors_service.browser.headers import HeaderLines, byte_lowercase
from cors_service.decision.own_origin import own_origin
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL

Lines = tuple[tuple[str, str], ...]
"""Names and values of headers."""
Credentials = Literal["omit", "same-origin", "include"]
Mode = Literal["cors", "no-cors", "same-origin", "navigate", "websocket"]

CREDENTIALS: Final[tuple[Credentials, ...]] = get_args(Credentials)
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
NOT_MODIFIED: Final = 304
_CONDITIONS: Final = frozenset({"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"})


class PageRequest(Struct, frozen=True):
    """A request of a page.

    Attributes:
        page: The origin of the page, serialised; see `origin_of`.
        url: The absolute URL that it asks for.
        method: The method, as the page writes it.
        headers: The headers that the page sets.
        credentials: The credentials mode (Fetch, #concept-request-credentials-mode).
        mode: The mode (Fetch, #concept-request-mode); `websocket` opens one.
        policy: The policy that the service is asked to decide by; None if the URL finds it.
        redirected_from: The URL that led to this one, where the page is `null` for that reason alone (Fetch,
            #concept-request-tainted-origin); None for others.
    """

    page: str
    url: str
    method: str = "GET"
    headers: Lines = ()
    credentials: Credentials = "same-origin"
    mode: Mode = "cors"
    policy: str | None = None
    redirected_from: str | None = None

    @property
    def request(self) -> Request:
        """The same as browsers have it.

        Raises:
            ValueError: No page can make this request.
        """
        return Request(
            origin=self.page,
            url=self.url,
            url_origin=own_origin(self.url),
            method=self.method,
            headers=self.headers,
            credentials=self.credentials == "include",
        )

    @property
    def sends_credentials(self) -> bool:
        """Whether cookies and the like may go with it."""
        is_own = self.page != NULL and self.page == own_origin(self.url)
        return self.credentials == "include" or (self.credentials == "same-origin" and is_own)

    @property
    def is_conditional(self) -> bool:
        """Whether the page itself sets a condition, so that the browser's cache keeps out of it.

        https://fetch.spec.whatwg.org/#http-network-or-cache-fetch sets the cache mode to `no-store` then.
        """
        return any(byte_lowercase(name) in _CONDITIONS for name, _ in self.headers)


class Answer(Struct, frozen=True):
    """What a service answered.

    Attributes:
        status: The status.
        headers: The header lines.
    """

    status: int
    headers: Lines = ()

    @classmethod
    def of(cls, status: int, headers: HeaderLines) -> Answer:
        """Make one of whatever holds header lines."""
        return cls(status, tuple((name, value) for name, value in headers))


class Answers(Struct, frozen=True):
    """What came back of an exchange.

    Attributes:
        actual: The answer to the request; None if it was never sent, or if no answer came.
        preflight: The answer to the preflight; None if there was none.
        stored: The answer in the browser's cache of which `actual` says, by a 304, that it is still right; None if
            there is none, or none that is known.
    """

    actual: Answer | None = None
    preflight: Answer | None = None
    stored: Answer | None = None

    @property
    def judged(self) -> Answer | None:
        """The answer that a browser judges: the stored one, with the headers of the 304 in place of its own.

        https://fetch.spec.whatwg.org/#http-network-or-cache-fetch takes it before the CORS check sees any answer; which
        headers are replaced, RFC 9111, 3.2, says.
        """
        if self.actual is None or self.stored is None:
            return self.actual
        newer = {byte_lowercase(name) for name, _ in self.actual.headers}
        older = (line for line in self.stored.headers if byte_lowercase(line[0]) not in newer)
        return Answer(self.stored.status, (*older, *self.actual.headers))


def origin_of(page: str) -> str:
    """Give the origin of a page.

    Args:
        page: Its URL, its origin, or `null`.

    Raises:
        ValueError: It is none of these.
    """
    if page == NULL or read_origin(page) is not None:
        return page
    origin = own_origin(page)
    if origin is None:
        raise ValueError(f"{shown(page)} is not the URL or the origin of a page")
    return origin


def url_of(url: str) -> str:
    """Give a URL that a page asks a service for, as it is.

    Raises:
        ValueError: It is relative, of another scheme, or with a user and a password.
    """
    if own_origin(url) is None:
        # It is not repeated, since a password may be in it.
        raise ValueError(
            "no page can ask a service for this URL: write http://, https://, ws:// or wss://, a host and a path, "
            "without a user and a password"
        )
    return url
