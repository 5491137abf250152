"""Where a bundle is: a URL that names one file of a web server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from cors_service.ledger.credentials import OPTION, read_credentials
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, store_name

_CREDENTIALS: Final = ("user", "password", "token", "cacert")
_PORTS: Final = {"https": 443, "http": 80}


class Private(Struct, frozen=True):
    """What a server asks for, and what it is asked for.

    Attributes:
        authorization: What it is shown; None for nothing.
        cacert: The path of a file with the authorities that its certificate may be of; None for those of the system.
    """

    authorization: str | None
    cacert: str | None


class Location(Struct, frozen=True):
    """A file of a web server.

    Attributes:
        name: What people call it, without anything secret.
        is_secure: Whether it is asked over TLS.
        host: The name or address of the server.
        port: Its port.
        path: The path of the file.
        query: The query after it, with its question mark; empty without one.
        credentials: The path of a file with what the server asks for; None for none.
    """

    name: str
    is_secure: bool
    host: str
    port: int
    path: str
    query: str
    credentials: str | None

    def private(self) -> Private:
        """Read what is in the file of credentials now.

        Raises:
            StoreUnavailable: It can't be read.
        """
        if self.credentials is None:
            return Private(None, None)
        found = read_credentials(self.credentials, _CREDENTIALS)
        return Private(_authorization(found, self.name), found.get("cacert"))

    def target(self, suffix: str = "") -> str:
        """What is asked for, with something after the name of the file."""
        return f"{self.path}{suffix}{self.query}"


def read_location(url: str) -> Location:
    """Read the URL of a bundle.

    Raises:
        NoSuchStore: It does not name one.
    """
    name = store_name(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise NoSuchStore(f"{name} is not a URL: write https://HOST/PATH.") from None
    # A control character would get into the head of a request; urlsplit removes some of them.
    is_clean = url.isascii() and url.isprintable() and " " not in url
    if not host or not is_clean or parts.fragment or parts.scheme not in _PORTS:
        raise NoSuchStore(f"{name} is not the URL of a bundle: write https://HOST/PATH.")
    if "@" in parts.netloc:
        raise NoSuchStore(
            f"{name}: a user and a password do not belong in a URL, which the list of processes shows: name a file "
            f"with them by ?{OPTION}=FILE."
        )
    if parts.path.endswith("/") or not parts.path:
        raise NoSuchStore(f"{name} does not name a file: write https://HOST/PATH, such as https://HOST/policies.json.")
    # The rest of the query is the server's own.
    options = parts.query.split("&")
    files = [one.partition("=")[2] for one in options if one.startswith(f"{OPTION}=")]
    query = "&".join(one for one in options if not one.startswith(f"{OPTION}="))
    credentials = unquote(files[-1]) if files else None
    is_secure = parts.scheme == "https"
    if not is_secure and not _is_loopback(host):
        raise NoSuchStore(f"{name}: only https:// leads to other machines; http:// is for 127.0.0.1.")
    return Location(
        name=name,
        is_secure=is_secure,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=parts.path,
        query=f"?{query}" if query else "",
        credentials=credentials,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authorization(found: Mapping[str, str], name: str) -> str | None:
    """What a server is shown: a token, or a user with a password.

    Raises:
        StoreUnavailable: It can't be sent.
    """
    if "token" in found:
        value = f"Bearer {found['token']}"
    elif "user" in found:
        pair = f"{found['user']}:{found.get('password', '')}"
        value = f"Basic {base64.b64encode(pair.encode('utf-8')).decode('ascii')}"
    else:
        return None
    if not (value.isascii() and value.isprintable()):
        raise StoreUnavailable(f"{name}: the token in the file of credentials has characters that no token has.")
    return value
