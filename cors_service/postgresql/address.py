"""The URL of a store in PostgreSQL: what libpq takes, and a file of credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import psycopg
from msgspec import Struct
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from cors_service.grammar.mistakes import shown
from cors_service.grammar.nearest import nearest
from cors_service.ledger.credentials import OPTION, read_credentials
from cors_service.ledger.urls import NoSuchStore, store_name

SECONDS: Final = 5
"""For which nothing may come from a server that is asked."""

_SECRET: Final = ("user", "password", "sslcert", "sslkey", "sslpassword", "sslrootcert")
_ENCODE: Final = "in a user or a password, write @ as %40, : as %3A and / as %2F, or name a file with ?credentials=FILE"
_DEFAULTS: Final = {
    "application_name": "cors-service",
    "client_encoding": "utf8",
    "connect_timeout": SECONDS,
    "keepalives": 1,
    "keepalives_idle": SECONDS,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": SECONDS * 1000,
}


class Address(Struct, frozen=True):
    """Where a store is, and how to get in.

    Attributes:
        name: What people call it, without anything secret.
        options: What libpq takes.
        credentials: The path of a file with more of that; None for none.
    """

    name: str
    options: Mapping[str, Any]
    credentials: str | None

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            NoSuchStore: It can't be read; the text says what to write, and has nothing secret.
        """
        name = store_name(url)
        place, _, query = url.partition("?")
        given = parse_qsl(query, keep_blank_values=True)
        known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
        for key, _ in given:
            if key not in known and key not in {OPTION, "ssl", "requiressl"}:
                if re.fullmatch("[A-Za-z_]+", key) is None:
                    # It may be what is left of a password.
                    raise NoSuchStore(f"{name} can't be read: {_ENCODE}.")
                near = nearest(key, known | {OPTION})
                hint = f": did you mean {near}?" if near else "."
                raise NoSuchStore(f"{name}: a URL of PostgreSQL has no option {shown(key)}{hint}")
        rest = urlencode([(key, value) for key, value in given if key != OPTION])
        try:
            options = conninfo_to_dict(f"{place}?{rest}" if rest else place)
        except psycopg.Error:
            raise NoSuchStore(f"{name} can't be read: write postgresql://USER@HOST:5432/DATABASE; {_ENCODE}.") from None
        _check(name, options)
        return cls(name, {**_DEFAULTS, **options}, dict(given).get(OPTION))

    @property
    def has_several(self) -> bool:
        """Whether it names several servers."""
        return "," in str(self.options.get("host") or self.options.get("hostaddr") or "")

    @property
    def prefers_primary(self) -> bool:
        """Whether it does not say itself which of several servers to choose."""
        return self.has_several and "target_session_attrs" not in self.options

    def conninfo(self) -> dict[str, Any]:
        """Give what libpq takes, with what is in the file of credentials now.

        Raises:
            StoreUnavailable: That file can't be read.
        """
        more = {} if self.credentials is None else read_credentials(self.credentials, _SECRET)
        return {**self.options, **more}


def _check(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a URL that libpq reads as something that nobody means, such as a part of a password as a host."""
    ports = str(options.get("port") or "")
    places = (options.get("host"), options.get("dbname"))
    is_torn = any("@" in str(place or "") for place in places) or not re.fullmatch(r"[0-9,]*", ports)
    if is_torn:
        raise NoSuchStore(f"{name} can't be read: {_ENCODE}.")
    if not options.get("dbname") and not options.get("service"):
        raise NoSuchStore(f"{name} names no database: write postgresql://USER@HOST:5432/DATABASE.")
