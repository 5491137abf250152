"""The policies of a running service."""

from __future__ import annotations

import http.client
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from cors_service.asking.address import Address
from cors_service.asking.token import authorization
from cors_service.policy import PolicySet, Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import within_limits
from cors_service.wire.received import read_problem

_PATH = "/v1/policies"


def read_service(address: Address, limits: ReaderLimits, token: str | None = None) -> PolicySet:
    """Ask a service which policies it decides by.

    Args:
        address: Where it is.
        limits: What that may take.
        token: What is shown to a service that knows its callers.

    Raises:
        InvalidPolicies: The policies have mistakes for this version, or there are too many.
        OSError: It does not give them.
        ValueError: The token is malformed.
    """
    headers = {"Accept": "application/json", **authorization(token)}
    connection = open_connection(address, limits.timeout)
    try:
        connection.request("GET", f"{address.prefix}{_PATH}", headers=headers)
        with connection.getresponse() as response:
            body = response.read(limits.total + 1)
    except HTTPException as error:
        raise OSError(f"it is not a decision service ({type(error).__name__})") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise OSError(f"it answers with {response.status}{_why(body)}")
    if len(body) > limits.total:
        raise OSError(f"its policies have more than {limits.total} bytes")
    source = Source(f"{address.url}{_PATH}", "json", body.decode("utf-8"))
    return within_limits(limits, Path(address.url), lambda: read_drafts([Draft(source)]))


def _why(body: bytes) -> str:
    try:
        return f": {read_problem(body).detail}"
    except ValueError:
        return ""


def open_connection(address: Address, timeout: float) -> HTTPConnection:
    """Open a connection to a service, when it is first asked."""
    if address.socket is not None:
        return _UnixConnection(address.socket, timeout)
    kind = HTTPSConnection if address.is_secure else HTTPConnection
    return kind(address.host, address.port, timeout=timeout)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
