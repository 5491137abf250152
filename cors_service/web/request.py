"""What endpoints read of a request, in any site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol


class HeaderLines(Protocol):
    """What endpoints read of the headers of a request. Names are given in lower case."""

    def getRawHeaders(self, name: bytes, /) -> Sequence[bytes] | None:
        """The value of each line of a header, or None."""

    def hasHeader(self, name: bytes, /) -> bool:
        """Say whether there is such a line."""


class AnyRequest(Protocol):
    """What endpoints read of a request: an `IRequest` of any Twisted site has it, and a `PlainRequest` has no more."""

    method: bytes
    uri: bytes
    path: bytes
    clientproto: bytes
    prepath: list[bytes]
    postpath: list[bytes]
    content: BinaryIO

    @property
    def requestHeaders(self) -> HeaderLines:
        """Those of the request."""
