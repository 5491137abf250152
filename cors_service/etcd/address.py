"""The URL of a store in etcd: its endpoints, the prefix of its keys, and files with what is secret."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from cors_service.etcd.keys import owner
from cors_service.grammar.mistakes import shown
from cors_service.ledger.credentials import OPTION, read_credentials
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, store_name

DEFAULT_PORT: Final = 2379
MOST_ENDPOINTS: Final = 20
_FILES: Final = ("cacert", "cert", "key")


class Endpoint(Struct, frozen=True):
    """A member of a cluster, where clients reach it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Address(Struct, frozen=True, kw_only=True):
    """Where a store is in etcd.

    Attributes:
        name: What people call it.
        endpoints: The members of the cluster.
        prefix: What all keys begin with, without a slash at its end.
        is_tls: Whether the endpoints speak TLS.
        options: Paths of files: `cacert` has the authorities that signed the certificates of the endpoints, `cert` and
            `key` what to show.
        credentials: The path of a file with the same, and `user` and `password`; None for none.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    prefix: str
    is_tls: bool
    options: Mapping[str, str]
    credentials: str | None

    def private(self) -> dict[str, str]:
        """Give the options, with what is in the file now.

        Raises:
            StoreUnavailable: That file can't be read.
        """
        more = {} if self.credentials is None else read_credentials(self.credentials, (*_FILES, "user", "password"))
        if ("user" in more) != ("password" in more):
            message = f"The file of credentials {shown(self.credentials)} needs both a user and a password, or neither."
            raise StoreUnavailable(message)
        return {**self.options, **more}

    def connection(self, endpoint: Endpoint, seconds: float) -> HTTPConnection:
        """Make a connection, which connects when it is used.

        Args:
            endpoint: Where to.
            seconds: How long to wait for each answer.

        Raises:
            StoreUnavailable: A file that it needs can't be read.
        """
        if not self.is_tls:
            return HTTPConnection(endpoint.host, endpoint.port, timeout=seconds)
        # Read for each connection anew: somebody may renew the certificates.
        context = _context(self.private())
        return HTTPSConnection(endpoint.host, endpoint.port, timeout=seconds, context=context)


def _context(private: Mapping[str, str]) -> ssl.SSLContext:
    cacert, cert, key = map(private.get, _FILES)
    try:
        context = ssl.create_default_context(cafile=cacert)
    except OSError as error:
        raise StoreUnavailable(f"The authorities in {shown(cacert)} can't be read: {_why(error)}.") from None
    try:
        if cert is not None:
            # A key with a password would ask for it at the terminal.
            context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        files = " and ".join(shown(path) for path in (cert, key) if path is not None)
        raise StoreUnavailable(f"The certificate and the key in {files} can't be used: {_why(error)}.") from None
    return context


def read_address(url: str) -> Address:
    """Read the URL of a store.

    Args:
        url: Such as `etcd://etcd-1:2379,etcd-2:2379/cors?credentials=FILE`; with TLS, `etcds://`.

    Raises:
        NoSuchStore: It is not the URL of a store in etcd.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _wrong(url, "Its options are not NAME=VALUE, joined by &") from None
    if "@" in parts.netloc:
        message = "Users and passwords do not belong in a URL, where the list of processes shows them"
        raise _wrong(url, f"{message}: name a file with them by ?credentials=FILE", example=False)
    found = _options(url, options)
    is_tls = parts.scheme.lower() == "etcds"
    if found and not is_tls and found.keys() - {OPTION}:
        raise _wrong(url, "Certificates are for TLS: write etcds://", example=False)
    if "key" in found and "cert" not in found:
        raise _wrong(url, "It names a key without a certificate: add cert=FILE", example=False)
    prefix = unquote(parts.path).rstrip("/")
    if not prefix or not prefix.isprintable():
        raise _wrong(url, "It needs a prefix for the keys, such as /cors")
    if parts.fragment:
        raise _wrong(url, "It has a #")
    outer = owner(prefix)
    if outer is not None:
        raise _wrong(url, f"A store at {outer} has keys of its own there: choose another prefix", example=False)
    return Address(
        name=store_name(url),
        endpoints=_endpoints(url, parts.netloc),
        prefix=prefix,
        is_tls=is_tls,
        options={name: path for name, path in found.items() if name != OPTION},
        credentials=found.get(OPTION),
    )


def _options(url: str, options: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in options:
        if name not in {OPTION, *_FILES}:
            raise _wrong(url, f"Its options are {OPTION}, {', '.join(_FILES)}, and no others", example=False)
        if name in found or not value:
            raise _wrong(url, f"{name} is there twice, or without a file", example=False)
        found[name] = value
    return found


def _endpoints(url: str, netloc: str) -> tuple[Endpoint, ...]:
    found: list[Endpoint] = []
    for text in netloc.split(","):
        try:
            parts = urlsplit(f"//{text}")
            port = parts.port
        except ValueError:
            raise _wrong(url, "A port of it is not a number up to 65535") from None
        if not parts.hostname or port == 0:
            raise _wrong(url, "It names no host")
        found.append(Endpoint(parts.hostname, DEFAULT_PORT if port is None else port))
    if len(found) > MOST_ENDPOINTS:
        raise _wrong(url, f"It has more than {MOST_ENDPOINTS} endpoints", example=False)
    return tuple(dict.fromkeys(found))


def _wrong(url: str, why: str, *, example: bool = True) -> NoSuchStore:
    how = ". Write it as etcd://HOST:2379,HOST:2379/PREFIX." if example else "."
    return NoSuchStore(f"{store_name(url)} can't be used. {why}{how}")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "they are not certificates and keys in PEM that belong together"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _no_password() -> Any:
    raise ValueError("the key is protected by a password, which nobody could enter")
