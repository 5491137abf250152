"""Plain requests, read in one go, which is several times as fast as line by line.

A plain request can't be read in two ways: HTTP/1.1 with one valid Host, lines that end in CR LF and hold a token and
visible text, a body with one stated length, and nothing that asks for more than an answer. Whatever else comes, be it
odd, wrong or just rare, is not refused here but left to the channel beneath, which reads line by line. Each request
that is accepted here would be accepted there, and as the same request.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import BinaryIO, Final
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, ITCPTransport

from cors_service.limits import ServerLimits
from cors_service.web.head import HOST

# RFC 9112, 3 and 5, without the octets and the white space that some readers tolerate.
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_HEAD: Final = re.compile(rb"(%b) (/[!-~]*+) HTTP/1\.1\r\n((?:%b:[\t -~\x80-\xff]*+\r\n)++)\r\n" % (_TOKEN, _TOKEN))
# A line of the last group.
_LINE: Final = re.compile(rb"([^:]++):([^\r]*+)\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_KEPT: Final = ([b"keep-alive"], [b"Keep-Alive"])


class PlainHeaders(dict[bytes, list[bytes]]):
    """The values of each header by its name in lower case: the part of `Headers` that endpoints need."""

    getRawHeaders = dict.get
    hasHeader = dict.__contains__


class PlainRequest:
    """A plain request: the part of `IRequest` that endpoints and the access log need.

    Attributes:
        method: As it came.
        uri: The target as it came.
        path: The target without its query.
        prepath: The decoded segments of the path that lead to the resource.
        postpath: The segments behind those.
        requestHeaders: Its headers.
        content: Its body.
        transport: That of its connection, for endpoints that want it.
        client: The address of the client; this and what follows is set for the access log.
        code: The status of its answer.
        sentLength: Bytes of the body of its answer.
    """

    __slots__ = (
        "client",
        "code",
        "content",
        "method",
        "path",
        "postpath",
        "prepath",
        "requestHeaders",
        "sentLength",
        "transport",
        "uri",
    )
    clientproto = b"HTTP/1.1"

    def __init__(self, method: bytes, target: bytes, headers: PlainHeaders, body: bytes) -> None:
        self.method = method
        self.uri = target
        self.path = path = target.partition(b"?")[0]
        self.prepath: list[bytes] = []
        self.postpath = path[1:].split(b"/")
        if b"%" in path:
            self.postpath = list(map(unquote_to_bytes, self.postpath))
        self.requestHeaders = headers
        self.content: BinaryIO = BytesIO(body)
        self.transport: ITCPTransport
        self.client: IAddress
        self.code: int
        self.sentLength: int

    def getClientAddress(self) -> IAddress:
        """The address of the client."""
        return self.client

    def getHeader(self, name: bytes) -> bytes | None:
        """The last value of a header; its name is in lower case."""
        values = self.requestHeaders.get(name)
        return values[-1] if values else None


def read_plain(data: bytes, start: int, limits: ServerLimits) -> tuple[PlainRequest | None, int]:
    """Read a request, if it is plain.

    Args:
        data: What was received.
        start: Where in it the request begins.
        limits: A request that exceeds them is not plain.

    Returns:
        The request and where it ends; None and an end behind the data if the request is plain so far and the rest of
        its body is missing; None and 0 if it is not plain.
    """
    head = _HEAD.match(data, start)
    if head is None:
        return None, 0
    method, target, lines = head.groups()
    found = _LINE.findall(lines)
    headers = PlainHeaders([(name.lower(), [value.strip(b" \t")]) for name, value in found])
    if len(headers) != len(found):
        headers = _repeated(found)
    length, end = 0, head.end()
    lengths, hosts = headers.get(b"content-length"), headers.get(b"host")
    if lengths is not None:
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
            return None, 0
        length = int(lengths[0])
    if (
        hosts is None
        or len(hosts) != 1
        or not HOST.fullmatch(hosts[0])
        or not _NOT_PLAIN.isdisjoint(headers)
        or (b"connection" in headers and headers[b"connection"] not in _KEPT)
        or end - start > limits.head
        or len(found) > limits.head_lines
        or length > limits.body
    ):
        return None, 0
    if end + length > len(data):
        return None, end + length
    return PlainRequest(method, target, headers, data[end : end + length]), end + length


def _repeated(lines: list[tuple[bytes, bytes]]) -> PlainHeaders:
    """The headers of lines; some have the same name."""
    headers = PlainHeaders()
    for name, value in lines:
        headers.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return headers
