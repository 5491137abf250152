"""The address of a decision service, as people write it; and the defaults of clients."""

from __future__ import annotations

from typing import Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from cors_service.grammar.mistakes import shown

TIMEOUT: Final = 0.2
"""Seconds that a decision may take, from the question to the end of the answer."""
CONNECTIONS: Final = 32
"""How many connections are kept open."""


class Address(Struct, frozen=True):
    """The address of a service.

    Attributes:
        host: Its name or IP address; `localhost` for a Unix socket.
        port: Its port, or None for the scheme's default.
        socket: The path of its Unix socket, or None.
        is_secure: Whether it uses TLS.
        prefix: The beginning of its paths, without a slash at the end.
    """

    host: str
    port: int | None = None
    socket: str | None = None
    is_secure: bool = False
    prefix: str = ""

    @property
    def authority(self) -> str:
        """Its host and port, for URLs and for Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def tcp_port(self) -> int:
        """Its port, or the scheme's."""
        default = 443 if self.is_secure else 80
        return default if self.port is None else self.port

    @property
    def url(self) -> str:
        """The URL to which its paths are added."""
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.prefix}"


def parse_address(text: str) -> Address:
    """Read the address of a service.

    Args:
        text: `http://127.0.0.1:8080`, `https://cors.internal`, also with a path, or `unix:/run/cors-service.sock`.

    Raises:
        TypeError: It is not a string.
        ValueError: It is none of these.
    """
    if not isinstance(text, str):
        raise TypeError(f'service must be an address, such as "http://127.0.0.1:8080", not {type(text).__name__}')
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        _refuse(text)
    if url.scheme == "unix" and text == f"unix:{url.path}" and url.path:
        return Address("localhost", socket=url.path)
    # A control character would get into the head of a request; urlsplit removes some of them.
    if url.scheme not in {"http", "https"} or not host or _has_more(url) or not (text.isascii() and text.isprintable()):
        _refuse(text)
    return Address(host, port, is_secure=url.scheme == "https", prefix=url.path.rstrip("/"))


def _has_more(url: SplitResult) -> bool:
    return "@" in url.netloc or bool(url.query) or bool(url.fragment) or " " in url.geturl()


def _refuse(text: str) -> NoReturn:
    hint = "write http://HOST:PORT, https://HOST or unix:PATH."
    raise ValueError(f"{shown(text)} is not the address of a decision service; {hint}") from None
