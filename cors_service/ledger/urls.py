"""Which store a URL names. What reads and writes it is imported when it is needed, and not before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cors_service.grammar.mistakes import cut
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.source import IStoreSource

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_READ: Final = {
    "postgresql": ("cors_service.postgresql", "PostgreSQLSource"),
    "postgres": ("cors_service.postgresql", "PostgreSQLSource"),
    "etcd": ("cors_service.etcd", "EtcdSource"),
    "etcds": ("cors_service.etcd", "EtcdSource"),
    "https": ("cors_service.bundle", "BundleSource"),
    "http": ("cors_service.bundle", "BundleSource"),
}
_WRITTEN: Final = {
    "postgresql": ("cors_service.postgresql", "PostgreSQLStore"),
    "postgres": ("cors_service.postgresql", "PostgreSQLStore"),
    "etcd": ("cors_service.etcd", "EtcdStore"),
    "etcds": ("cors_service.etcd", "EtcdStore"),
}
_PREPARED: Final = {
    "postgresql": ("cors_service.postgresql", "prepare_store"),
    "postgres": ("cors_service.postgresql", "prepare_store"),
    "etcd": ("cors_service.etcd", "prepare_store"),
    "etcds": ("cors_service.etcd", "prepare_store"),
}
_OF_BUNDLES: Final = {"https", "http"}
_LONGEST_NAME: Final = 300
_SECRETS: Final = frozenset({"password", "sslpassword"})


class NoSuchStore(Exception):
    """A URL does not name a store that can be used; the text is a sentence that says why, without anything secret."""


def is_url(text: str) -> bool:
    """Say whether a source is named by a URL, and not by a path."""
    return _SCHEME.match(text) is not None


def check_url(url: str) -> None:
    """Refuse a URL that holds a secret, where everybody on the machine can read it: in the list of processes.

    Raises:
        NoSuchStore: It does; the text says what to do instead.
    """
    found = _SCHEME.match(url)
    rest, _, options = url[0 if found is None else found.end() :].partition("?")
    userinfo, at, _ = rest.rpartition("@")
    if "@" in options:
        # What looks like options may be the rest of a password.
        raise NoSuchStore(f"{store_name(url)} can't be read: in a user or an option, write @ as %40.")
    names = {unquote(option.partition("=")[0]).lower() for option in options.split("&")}
    if (at and ":" in userinfo) or names & _SECRETS:
        how = "name a file with ?credentials=FILE instead"
        raise NoSuchStore(f"{store_name(url)} has a password, which everybody can see in the list of processes: {how}.")


def store_name(url: str) -> str:
    """Name a store for people: its URL without user, password and options."""
    found = _SCHEME.match(url)
    if found is None:
        return cut(ascii(url)[1:-1], _LONGEST_NAME)
    rest, _, options = url[found.end() :].partition("?")
    # A password may hold what should be encoded, even a question mark or a slash.
    shown = "..." if "@" in options and "@" not in rest else rest.rpartition("@")[2].partition("#")[0]
    return cut(ascii(f"{found[0]}{shown}")[1:-1], _LONGEST_NAME)


def open_source(
    url: str, *, keys: Sequence[Path] = (), key_threshold: int = 1, is_unsigned: bool = False
) -> IStoreSource:
    """Make what reads a store for a replica. Nothing is read yet.

    Args:
        url: The URL of the store.
        keys: For a bundle: the files with the keys that its signatures are checked against.
        key_threshold: For a bundle: how many of them must have signed it.
        is_unsigned: For a bundle: whether it may go without a signature.

    Raises:
        NoSuchStore: The URL names none.
    """
    make = _found(url, _READ)
    if _scheme(url) in _OF_BUNDLES:
        source: IStoreSource = make(url, keys=keys, key_threshold=key_threshold, is_unsigned=is_unsigned)
    else:
        source = make(url)
    return source


def open_store(url: str) -> IChangeStore:
    """Make what writes a store. Nothing is read yet.

    Args:
        url: The URL of the store.

    Raises:
        NoSuchStore: The URL names none.
    """
    store: IChangeStore = _found(url, _WRITTEN)(url)
    return store


def prepare_store(url: str) -> list[str]:
    """Make a store ready for policies, as far as it is not; it may be repeated.

    Args:
        url: The URL of the store.

    Returns:
        What was done, a sentence each.

    Raises:
        NoSuchStore: The URL names none.
        StoreUnavailable: It can't be done; the text is a sentence that says why.
    """
    done: list[str] = _found(url, _PREPARED)(url)
    return done


def _found(url: str, known: dict[str, tuple[str, str]]) -> Any:
    scheme = _scheme(url)
    if not scheme:
        raise NoSuchStore(f"{store_name(url)!r} is not the URL of a store; {_list(known)} begin one.")
    if scheme not in known:
        raise NoSuchStore(f"{scheme}:// is not a kind of store; {_list(known)} are.")
    package, name = known[scheme]
    try:
        return getattr(import_module(package), name)
    except ModuleNotFoundError as error:
        if error.name == package:
            raise NoSuchStore(f"{scheme}:// is not a kind of store that this version knows.") from None
        extra = package.rpartition(".")[2]
        message = f"{scheme}:// needs the package {error.name}: install cors-service[{extra}]."
        raise NoSuchStore(message) from None
    except ImportError:
        # A package is there, and not the library that it needs.
        extra = package.rpartition(".")[2]
        message = f"{scheme}:// needs a library that is not on this machine: install cors-service[{extra}]."
        raise NoSuchStore(message) from None


def _scheme(url: str) -> str:
    found = _SCHEME.match(url)
    return "" if found is None else found[1].lower()


def _list(known: dict[str, tuple[str, str]]) -> str:
    # http:// leads to this machine alone.
    *first, last = (f"{scheme}://" for scheme in known if scheme != "http")
    return f"{', '.join(first)} and {last}"
