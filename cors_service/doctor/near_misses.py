"""Origins that a careless comparison takes for the one that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from cors_service.grammar.origin import DEFAULT_PORTS, ends_in_number, read_origin
from cors_service.grammar.registrants import registered

# A top-level domain of nobody (RFC 2606), so that no origin that is sent is anybody's.
_NOBODY: Final = "cors-service-doctor.example"
_WORD: Final = "doctor"
_OTHER_PORT: Final = 8443

_SUFFIX: Final = "the name with another domain after it"
_DOMAIN: Final = "the domain with letters before it, which is somebody else's"
_DOT: Final = "another letter in the place of a dot"
_SCHEME: Final = "the scheme without TLS, which anybody on the network can speak for"
_PREFIX: Final = "the name with letters before it"
_SUB_DOMAIN: Final = "a sub-domain"
_PORT: Final = "another port"
_TRAILING_DOT: Final = "a dot at the end"
_ORDER: Final = (_SUFFIX, _DOMAIN, _SCHEME, _DOT, _PREFIX, _SUB_DOMAIN, _PORT, _TRAILING_DOT)


class NearMiss(Struct, frozen=True):
    """An origin close to another.

    Attributes:
        origin: The origin.
        how: What is different, in words.
    """

    origin: str
    how: str


def stranger(origin: str) -> str:
    """An origin that has nothing to do with another, but for the scheme."""
    scheme = origin.partition("://")[0]
    return f"{scheme if scheme in {'http', 'https'} else 'https'}://{_NOBODY}"


def near_misses(origin: str) -> tuple[NearMiss, ...]:
    """Give the near misses of an origin, the most dangerous ones first; none of `null`."""
    read = read_origin(origin)
    if read is None or read.scheme not in {"http", "https"}:
        return ()
    port = "" if read.port == DEFAULT_PORTS[read.scheme] else f":{read.port}"
    found: dict[str, str] = {}
    for host, how in _hosts(read.host):
        found.setdefault(f"{read.scheme}://{host}{port}", how)
    if read.scheme == "https":
        found[f"http://{read.host}{port}"] = _SCHEME
    other = _OTHER_PORT if read.port != _OTHER_PORT else _OTHER_PORT + 1
    found[f"{read.scheme}://{read.host}:{other}"] = _PORT
    return tuple(NearMiss(*pair) for pair in sorted(found.items(), key=lambda pair: _ORDER.index(pair[1])))


def _hosts(host: str) -> Iterator[tuple[str, str]]:
    if host.startswith("["):
        return
    yield f"{host}.{_NOBODY}", _SUFFIX
    if ends_in_number(host.encode("ascii")):
        return
    domain = registered(host)
    if domain is not None:
        yield f"{host.removesuffix(domain)}{_WORD}{domain}", _DOMAIN
    if "." in host:
        yield host.replace(".", "x", 1), _DOT
    yield f"{_WORD}{host}", _PREFIX
    yield f"{_WORD}.{host}", _SUB_DOMAIN
    yield f"{host}.", _TRAILING_DOT
