"""Tests of `read_plain`: which requests are read in one go, as what, and which are left to the slow reader."""

from __future__ import annotations

import pytest

from cors_service.server import ServerLimits
from cors_service.server.plain import PlainRequest, read_plain

LIMITS = ServerLimits(head=200, head_lines=5, body=20)


def head(*lines: bytes, first: bytes = b"GET /a?b HTTP/1.1", host: bytes | None = b"Host: a.example") -> bytes:
    """Write the head of a request."""
    return b"\r\n".join([first, *([] if host is None else [host]), *lines, b"", b""])


def read(data: bytes, start: int = 0) -> PlainRequest:
    """Read a request that is plain and whole, and all that there is."""
    request, end = read_plain(data, start, LIMITS)
    assert request is not None
    assert end == len(data)
    return request


PLAIN = {
    "a GET": head(),
    "any method": head(first=b"M-SEARCH! /a HTTP/1.1"),
    "a method in small letters": head(first=b"get /a HTTP/1.1"),
    "a target with all that is visible": head(first=b"GET /" + bytes(range(0x21, 0x7F)) + b" HTTP/1.1"),
    "a body of no bytes": head(b"Content-Length: 0"),
    "a length with zeros before": head(b"Content-Length: 0005") + b"12345",
    "a length of 15 digits": head(b"Content-Length: 000000000000005") + b"12345",
    "a body of the limit": head(b"Content-Length: 20") + b"x" * 20,
    "a body of a GET that looks like a request": head(b"Content-Length: 7") + b"GET / H",
    "a body with line ends": head(b"Content-Length: 4") + b"\r\n\r\n",
    "an empty Host": head(host=b"Host:"),
    "a Host with a port": head(host=b"Host: a.example:80"),
    "an IPv6 address": head(host=b"Host: [::1]:80"),
    "Host in other letters": head(host=b"hOsT: a.example"),
    "white space around a value": head(b"A: \t b \t "),
    "no white space before a value": head(b"A:b"),
    "an empty value": head(b"A:"),
    "a colon in a value": head(b"A: b:c"),
    "bytes above ASCII in a value": head(b"A: \x80\xff"),
    "a name of all that names have": head(b"!#$%&'*+-.^_`|~09AZaz: b"),
    "a header twice": head(b"A: b", b"a: c"),
    "a connection that is to be kept": head(b"Connection: keep-alive"),
    "one that is to be kept, in capitals": head(b"Connection: Keep-Alive"),
    "as many headers as can be": head(*[b"A: b"] * 4),
    "as long a head as can be": head(b"A: " + b"b" * (200 - len(head(b"A: ")))),
}

NOT_PLAIN = {
    "nothing": b"",
    "half a head": head()[:-2],
    "a head without its last byte": head()[:-1],
    "an empty line before": b"\r\n" + head(),
    "HTTP/1.0": head(first=b"GET /a HTTP/1.0"),
    "HTTP/1.2": head(first=b"GET /a HTTP/1.2"),
    "HTTP/1.10": head(first=b"GET /a HTTP/1.10"),
    "http in small letters": head(first=b"GET /a http/1.1"),
    "no version": head(first=b"GET /a"),
    "no method": head(first=b" /a HTTP/1.1"),
    "a method that is no token": head(first=b"G@T /a HTTP/1.1"),
    "two spaces": head(first=b"GET  /a HTTP/1.1"),
    "a tab": head(first=b"GET\t/a HTTP/1.1"),
    "a space behind the version": head(first=b"GET /a HTTP/1.1 "),
    "a target without its slash": head(first=b"GET a HTTP/1.1"),
    "a target that is a URL": head(first=b"GET http://a/ HTTP/1.1"),
    "a target that is a star": head(first=b"OPTIONS * HTTP/1.1"),
    "a target that is not ASCII": head(first=b"GET /\xc3\xa4 HTTP/1.1"),
    "a control character in the target": head(first=b"GET /\x7f HTTP/1.1"),
    "a space in the target": head(first=b"GET /a b HTTP/1.1"),
    "no headers": b"GET /a HTTP/1.1\r\n\r\n",
    "no Host": head(b"A: b", host=None),
    "two Hosts": head(b"Host: b.example"),
    "the same Host twice": head(b"host: a.example"),
    "a list of Hosts": head(host=b"Host: a,b c"),
    "a Host with a space": head(host=b"Host: a b"),
    "a Host with a slash": head(host=b"Host: a/b"),
    "a Host with userinfo": head(host=b"Host: a@b"),
    "a Host that is not ASCII": head(host=b"Host: \xe4"),
    "two lengths": head(b"Content-Length: 1", b"Content-Length: 1") + b"x",
    "two lengths that differ": head(b"Content-Length: 1", b"content-length: 2") + b"xx",
    "a list of lengths": head(b"Content-Length: 1, 1") + b"x",
    "a length with a sign": head(b"Content-Length: +1") + b"x",
    "a negative length": head(b"Content-Length: -1"),
    "no length where one is said": head(b"Content-Length:"),
    "a length in hexadecimal": head(b"Content-Length: 0x1") + b"x",
    "a length with an underscore": head(b"Content-Length: 1_0") + b"x" * 10,
    "a length of other digits": head("Content-Length: \u0661".encode()) + b"x",
    "a length of 16 digits": head(b"Content-Length: 0000000000000001") + b"x",
    "a length of 5000 digits": head(b"Content-Length: " + b"9" * 5000),
    "a body that is too large": head(b"Content-Length: 21") + b"x" * 21,
    "a body that is said to be too large": head(b"Content-Length: 21"),
    "chunks": head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks, in other letters": head(b"tRANSFER-ENCODING: x"),
    "an empty Transfer-Encoding": head(b"Transfer-Encoding:"),
    "chunks and a length": head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a question for leave": head(b"Expect: 100-continue"),
    "any expectation": head(b"expect: x"),
    "an offer of another protocol": head(b"Upgrade: h2c"),
    "a connection that is to be closed": head(b"Connection: close"),
    "an empty Connection": head(b"Connection:"),
    "one that is to be kept, and more": head(b"Connection: keep-alive, close"),
    "Connection twice": head(b"Connection: keep-alive", b"Connection: close"),
    "Connection twice, the same": head(b"Connection: keep-alive", b"Connection: keep-alive"),
    "a folded line": head(b"A: b", b" c"),
    "a line folded by a tab": head(b"A: b", b"\tc"),
    "a line of white space": head(b" "),
    "a line without a colon": head(b"A"),
    "no name": head(b": b"),
    "a space before the colon": head(b"A : b"),
    "a tab before the colon": head(b"A\t: b"),
    "a name that is no token": head(b"A(: b"),
    "a name that is not ASCII": head(b"\xe4: b"),
    "NUL in a name": head(b"A\x00: b"),
    "NUL in a value": head(b"A: b\x00"),
    "a bare CR in a value": head(b"A: b\rc"),
    "a bare LF in a value": head(b"A: b\nc: d"),
    "a bare CR before the line end": head(b"A: b\r"),
    "a form feed in a value": head(b"A: \x0c"),
    "DEL in a value": head(b"A: \x7f"),
    "bare LFs": head().replace(b"\r\n", b"\n"),
    "one bare LF": head(b"A: b").replace(b"b\r\n", b"b\n"),
    "a bare LF at the end": head()[:-2] + b"\n",
    "bare CRs": head().replace(b"\r\n", b"\r"),
    "one header too many": head(*[b"A: b"] * 5),
    "a head of one byte too many": head(b"A: " + b"b" * (201 - len(head(b"A: ")))),
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_plain(data: bytes) -> None:
    """Is read in one go, to its end, wherever it stands, and whatever stands behind it."""
    request = read(data)
    assert (request.clientproto, request.requestHeaders.hasHeader(b"host")) == (b"HTTP/1.1", True)
    for before, behind in ((b"", b"GET"), (b"\r\n", b"\r\n"), (head(), head()), (b"", b"Host: b\r\n\r\n")):
        again, end = read_plain(before + data + behind, len(before), LIMITS)
        assert again is not None
        assert end == len(before + data)
        assert (again.method, again.uri, again.requestHeaders) == (request.method, request.uri, request.requestHeaders)
        assert again.content.read() == read(data).content.read()


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_not_plain(data: bytes) -> None:
    """Is left to the slow reader, wherever it stands, and whatever stands behind it."""
    assert read_plain(data, 0, LIMITS) == (None, 0)
    assert read_plain(head() + data, len(head()), LIMITS) == (None, 0)


@pytest.mark.parametrize("data", [data for data in NOT_PLAIN.values() if data.endswith(b"\r\n\r\n")])
def test_not_plain_before_another(data: bytes) -> None:
    """A fault in a request is not mended by what follows."""
    assert read_plain(data + head(), 0, LIMITS) == (None, 0)


@pytest.mark.parametrize("said", [1, 5, 20])
def test_awaited_body(said: int) -> None:
    """A plain request without all of its body is awaited: its whole length is known."""
    begun = head(b"Content-Length: %d" % said)
    for received in range(said):
        assert read_plain(begun + b"x" * received, 0, LIMITS) == (None, len(begun) + said)
        assert read_plain(head() + begun + b"x" * received, len(head()), LIMITS) == (None, len(head() + begun) + said)
    assert read(begun + b"x" * said).content.read() == b"x" * said


def test_what_is_read() -> None:
    """Method and target are as they came, the path without its query and in decoded segments, names in small letters,
    values without the white space around them and in the order of their lines, the body alone in the content.
    """
    lines = (b"X-A: b", b"content-LENGTH: 3", b"x-a:\tc:d ", b"X-B:")
    request = read(head(*lines, first=b"Post /v1/%70re%2Fflight//a%zz?x=%70&y HTTP/1.1") + b"{}\n")
    assert (request.method, request.uri) == (b"Post", b"/v1/%70re%2Fflight//a%zz?x=%70&y")
    assert request.path == b"/v1/%70re%2Fflight//a%zz"
    assert (request.prepath, request.postpath) == ([], [b"v1", b"pre/flight", b"", b"a%zz"])
    expected = {b"host": [b"a.example"], b"x-a": [b"b", b"c:d"], b"content-length": [b"3"], b"x-b": [b""]}
    assert request.requestHeaders == expected
    assert request.content.read() == b"{}\n"
    assert (request.getHeader(b"x-a"), request.getHeader(b"x-b"), request.getHeader(b"x-c")) == (b"c:d", b"", None)
    assert request.requestHeaders.getRawHeaders(b"x-a") == [b"b", b"c:d"]
    assert request.requestHeaders.getRawHeaders(b"x-c") is None
    assert not request.requestHeaders.hasHeader(b"x-c")


@pytest.mark.parametrize(
    ("target", "postpath"),
    [
        (b"/", [b""]),
        (b"//", [b"", b""]),
        (b"/a/", [b"a", b""]),
        (b"/?a/b", [b""]),
        (b"/a?b?c", [b"a"]),
        (b"/a#b", [b"a#b"]),
        (b"/../a", [b"..", b"a"]),
        (b"/%2e%2E/%41%", [b"..", b"A%"]),
        (b"/a%3Fb", [b"a?b"]),
        (b"/%ff%00", [b"\xff\x00"]),
    ],
)
def test_path(target: bytes, postpath: list[bytes]) -> None:
    """A path is cut at its slashes before it is decoded, and nothing else is done to it."""
    request = read(head(first=b"GET %b HTTP/1.1" % target))
    assert (request.uri, request.postpath) == (target, postpath)


def test_longer_than_the_limits_is_no_matter_of_time() -> None:
    """A head that can't be plain is not tried again at each of its bytes: neither of its repetitions gives back."""
    many = b"A: b\r\n" * 20_000
    data = b"GET /a HTTP/1.1\r\nHost: a\r\n" + many + b"A"
    assert read_plain(data, 0, ServerLimits(head=10**6, head_lines=10**6)) == (None, 0)
    assert read_plain(b"A" * 200_000, 0, LIMITS) == (None, 0)
    assert read_plain(b"A" * 200_000 + b" /" + b"a" * 200_000, 0, LIMITS) == (None, 0)
