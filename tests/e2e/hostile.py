"""What hostile clients send: each request byte for byte, what the service must answer, and who else must refuse it.

Each is an honest request, one that is granted, with one thing wrong: whoever overlooks that thing grants it.
The cases are out of RFC 9110 and 9112, out of what is known of request smuggling, and out of what Twisted's own server
takes: the target without its slash, header lines that are folded, `identity`, several Hosts, none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

POLICIES = """\
version = 1

[policies.one]
origins = ["https://one.example"]
match = ["api.example.com/one/"]
"""
QUERY = b'{"policy": "one", "method": "GET", "origin": "https://one.example"}'
TARGET = b"/v1/decision?policy=one&origin=https://one.example"

MAX_BODY = 1024 * 1024
MAX_HEAD = 16 * 1024
MAX_HEAD_LINES = 100


class By(Enum):
    """Who refuses a request if the tree is embedded in a site of Twisted's own."""

    TREE = "the tree, as in the service"
    SITE = "the site, with an empty 400 or by closing the connection"
    NOBODY = "nobody: it is read as if it were honest"
    TIME = "nobody: more of it is waited for"


class Hostile(NamedTuple):
    """A hostile request.

    Attributes:
        name: What is wrong with it.
        sent: It, byte for byte.
        status: What the service must answer.
        code: The code of the problem that it must answer with.
        closes: Whether the service must end the connection: nobody can know what follows on it.
        embedded: Who refuses it in a site of Twisted's own.
    """

    name: str
    sent: bytes
    status: int
    code: str
    closes: bool
    embedded: By


NAMED = ("--host", "a.example", "--host", "a", "--host", "b.example")
"""Options for a service: it answers by the Hosts of these requests."""


def lines(*parts: bytes) -> bytes:
    """Write lines, each with its end, and an empty one behind them."""
    return b"\r\n".join([*parts, b"", b""])


def get(*headers: bytes, target: bytes = TARGET, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """Write a request without a body."""
    return lines(b"%b %b %b" % (method, target, version), b"Host: a.example", *headers)


def post(
    *headers: bytes,
    body: bytes = QUERY,
    length: bytes | None = None,
    media_type: bytes = b"application/json",
    target: bytes = b"/v1/decision",
) -> bytes:
    """Write a request whose body has a length, the right one unless another is given."""
    said = b"%d" % len(body) if length is None else length
    head = (b"Host: a.example", b"Content-Type: " + media_type, b"Content-Length: " + said, *headers)
    return lines(b"POST %b HTTP/1.1" % target, *head) + body


def encoded(*headers: bytes, body: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Write a request with these headers, and the body as it is."""
    return lines(b"POST /v1/decision " + version, b"Host: a.example", *headers) + body


def chunked(body: bytes) -> bytes:
    """Write a request that says that its body is chunked, with this body."""
    return encoded(b"Transfer-Encoding: chunked", body=body)


def chunk(data: bytes = QUERY, size: bytes = b"%x", extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """Write a chunk."""
    said = size.replace(b"%x", b"%x" % len(data))
    return said + extension + b"\r\n" + data + end


LAST = b"0\r\n\r\n"


def _malformed(cases: dict[str, bytes], embedded: By = By.SITE) -> Iterator[Hostile]:
    """Requests that are not valid HTTP, so that nobody can know where they end."""
    for name, sent in cases.items():
        yield Hostile(name, sent, 400, "request-malformed", True, embedded)


def _bad_head(cases: dict[str, bytes]) -> Iterator[Hostile]:
    """Requests that a resource can refuse as well as a server, since the site gives it all that counts."""
    return _malformed(cases, By.TREE)


def _refused(status: int, code: str, cases: dict[str, bytes], embedded: By = By.TREE) -> Iterator[Hostile]:
    """Requests that are read as a whole and refused; the connection goes on."""
    for name, sent in cases.items():
        yield Hostile(name, sent, status, code, False, embedded)


def _too_much(status: int, code: str, cases: dict[str, bytes], embedded: By) -> Iterator[Hostile]:
    """Requests that are not read to their end."""
    for name, sent in cases.items():
        yield Hostile(name, sent, status, code, True, embedded)


_HOSTS = _bad_head(
    {
        "no Host": lines(b"GET %b HTTP/1.1" % TARGET),
        "no Host, with a body": lines(b"POST /v1/decision HTTP/1.1", b"Content-Length: %d" % len(QUERY)) + QUERY,
        "two Hosts": get(b"Host: b.example"),
        "the same Host twice": get(b"Host: a.example"),
        "two Hosts, in other letters": get(b"hOST: b.example"),
        "two Hosts, HTTP/1.0": get(b"Host: b.example", version=b"HTTP/1.0"),
        "two Hosts, a body between": post(b"Host: b.example"),
        "a Host with a space": lines(b"GET %b HTTP/1.1" % TARGET, b"Host: a.example b.example"),
        "a Host with a slash": lines(b"GET %b HTTP/1.1" % TARGET, b"Host: a.example/b"),
        "a Host with userinfo": lines(b"GET %b HTTP/1.1" % TARGET, b"Host: a@b.example"),
        "a Host that is not ASCII": lines(b"GET %b HTTP/1.1" % TARGET, "Host: bücher.example".encode()),
    }
)

_LENGTHS = _malformed(
    {
        "Content-Length with a plus": post(length=b"+%d" % len(QUERY)),
        "Content-Length with a minus": post(length=b"-%d" % len(QUERY)),
        "Content-Length of minus zero": post(length=b"-0"),
        "Content-Length in hexadecimal": post(length=b"0x%x" % len(QUERY)),
        "Content-Length with a fraction": post(length=b"%d.0" % len(QUERY)),
        "Content-Length with an exponent": post(length=b"6e1"),
        "Content-Length with an underscore": post(length=b"6_7"),
        "Content-Length with a space inside": post(length=b"6 7"),
        "Content-Length in other digits": post(length="٦٧".encode()),
        "Content-Length that is empty": post(length=b""),
        "Content-Length in quotes": post(length=b'"67"'),
        "Content-Length twice, the same": post(b"Content-Length: %d" % len(QUERY)),
        "Content-Length twice, different": post(b"Content-Length: 5"),
        "Content-Length twice, in other letters": post(b"cONTENT-lENGTH: 0"),
        "Content-Length as a list of the same": post(length=b"%d, %d" % (len(QUERY), len(QUERY))),
        "Content-Length as a list of different ones": post(length=b"%d, 5" % len(QUERY)),
        "Content-Length with a comma behind": post(length=b"%d," % len(QUERY)),
        "Content-Length with a parameter": post(length=b"%d;a=b" % len(QUERY)),
        "Content-Length with a vertical tab": post(length=b"\x0b%d" % len(QUERY)),
        "Content-Length and Transfer-Encoding": post(b"Transfer-Encoding: chunked", body=chunk() + LAST),
        "Transfer-Encoding and Content-Length": encoded(
            b"Transfer-Encoding: chunked", b"Content-Length: 5", body=chunk() + LAST
        ),
        "Content-Length of 0 and Transfer-Encoding": post(
            b"Transfer-Encoding: chunked", body=chunk() + LAST, length=b"0"
        ),
    }
)

# More digits than Python reads; a site of Twisted's own stumbles over it, and breaks the connection off.
_MANY_DIGITS = _malformed({"Content-Length of 5000 digits": post(length=b"9" * 5000)})

_ENCODINGS = _malformed(
    {
        "Transfer-Encoding chunked twice": encoded(
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=chunk() + LAST
        ),
        "Transfer-Encoding as a list, chunked first": encoded(
            b"Transfer-Encoding: chunked, identity", body=chunk() + LAST
        ),
        "Transfer-Encoding as a list, chunked last": encoded(
            b"Transfer-Encoding: identity, chunked", body=chunk() + LAST
        ),
        "Transfer-Encoding gzip, chunked": encoded(b"Transfer-Encoding: gzip, chunked", body=chunk() + LAST),
        "Transfer-Encoding gzip": encoded(b"Transfer-Encoding: gzip", body=chunk() + LAST),
        "Transfer-Encoding xchunked": encoded(b"Transfer-Encoding: xchunked", body=chunk() + LAST),
        "Transfer-Encoding with a parameter": encoded(b"Transfer-Encoding: chunked;q=1", body=chunk() + LAST),
        "Transfer-Encoding in quotes": encoded(b'Transfer-Encoding: "chunked"', body=chunk() + LAST),
        "Transfer-Encoding that is empty": encoded(b"Transfer-Encoding:", body=chunk() + LAST),
        "Transfer-Encoding with a comma before": encoded(b"Transfer-Encoding: ,chunked", body=chunk() + LAST),
        "Transfer-Encoding with a vertical tab": encoded(b"Transfer-Encoding: \x0bchunked", body=chunk() + LAST),
        "Transfer-Encoding with a byte order mark": encoded(
            "Transfer-Encoding: \ufeffchunked".encode(), body=chunk() + LAST
        ),
        "Transfer-Encoding with a letter that is K in lower case": encoded(
            "Transfer-Encoding: chun\u212aed".encode(), body=chunk() + LAST
        ),
        "Transfer-Encoding with a space before the colon": encoded(b"Transfer-Encoding : chunked", body=chunk() + LAST),
    }
)

_IDENTITIES = _bad_head(
    {
        "Transfer-Encoding identity": encoded(b"Transfer-Encoding: identity", body=b""),
        "Transfer-Encoding identity, and a length": post(b"Transfer-Encoding: identity"),
        "Transfer-Encoding Identity before a length": encoded(
            b"Transfer-Encoding: Identity", b"Content-Length: %d" % len(QUERY), body=QUERY
        ),
        "Transfer-Encoding chunked and then identity": encoded(
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=chunk() + LAST
        ),
        "Transfer-Encoding identity and then chunked": encoded(
            b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=chunk() + LAST
        ),
        "Transfer-Encoding in HTTP/1.0": encoded(
            b"Transfer-Encoding: chunked", body=chunk() + LAST, version=b"HTTP/1.0"
        ),
    }
)

_CHUNKS = _malformed(
    {
        "a chunk's size with 0x": chunked(chunk(size=b"0x%x") + LAST),
        "a chunk's size with a plus": chunked(chunk(size=b"+%x") + LAST),
        "a chunk's size with a minus": chunked(chunk(size=b"-%x") + LAST),
        "a chunk's size with a space before": chunked(chunk(size=b" %x") + LAST),
        "a chunk's size with a space behind": chunked(chunk(size=b"%x ") + LAST),
        "a chunk's size with a tab behind": chunked(chunk(size=b"%x\t") + LAST),
        "a chunk's size with an underscore": chunked(chunk(size=b"4_3") + LAST),
        "a chunk's size with an h": chunked(chunk(size=b"%xh") + LAST),
        "a chunk's size in other digits": chunked(chunk(size="٤٣".encode()) + LAST),
        "a chunk's size that is empty": chunked(chunk(size=b"") + LAST),
        "a chunk's size that is empty, with an extension": chunked(chunk(size=b"", extension=b";a=b") + LAST),
        "a chunk's size with NUL": chunked(chunk(size=b"%x\x00") + LAST),
        "a chunk's size that ends in LF": chunked(b"%x\n%b\r\n" % (len(QUERY), QUERY) + LAST),
        "a chunk's size that ends in CR": chunked(b"%x\r%b\r\n" % (len(QUERY), QUERY) + LAST),
        "a chunk's extension with LF": chunked(chunk(extension=b";a\n=b") + LAST),
        "a chunk's extension with CR": chunked(chunk(extension=b";a\r=b") + LAST),
        "a chunk's extension with NUL": chunked(chunk(extension=b";\x00") + LAST),
        "a chunk's extension that is long": chunked(chunk(extension=b";" + b"a" * 2000) + LAST),
        "a chunk longer than said": chunked(chunk(size=b"%x" % (len(QUERY) - 1)) + LAST),
        "a chunk without its end": chunked(chunk(end=b"") + LAST),
        "a chunk with LF as its end": chunked(chunk(end=b"\n") + LAST),
        "a chunk with CR as its end": chunked(chunk(end=b"\r") + LAST),
        "a chunk with LF CR as its end": chunked(chunk(end=b"\n\r") + LAST),
        "a chunk that is not chunked": chunked(QUERY + b"\r\n"),
        "a trailer of 100 KB": chunked(chunk() + b"0\r\n" + b"X-A: " + b"a" * 100_000),
        "trailers of 100 KB": chunked(chunk() + b"0\r\n" + b"X-A: a\r\n" * 15_000),
    }
)

_TRAILERS = _malformed(
    {
        f"a trailer {what}": chunked(chunk() + b"0\r\n" + trailer + b"\r\n\r\n")
        for what, trailer in {
            "with a line that ends in LF": b"X-A: a\nX-B: b",
            "with CR": b"X-A: a\rb",
            "with NUL": b"X-A: \x00",
            "with NUL in its name": b"X\x00: a",
            "that is folded": b"X-A: a\r\n b",
            "with a space before the colon": b"X-A : a",
            "without a colon": b"X-A",
            "without a name": b": a",
        }.items()
    },
    By.NOBODY,
)

_FOLDED = _malformed(
    {
        "a folded header": get(b"X-A: b", b" c"),
        "a header folded by a tab": get(b"X-A: b", b"\tc"),
        "a folded header, empty": get(b"X-A: b", b" "),
        "a folded Content-Length": lines(
            b"POST /v1/decision HTTP/1.1", b"Host: a.example", b"Content-Length:", b" %d" % len(QUERY)
        )
        + QUERY,
        "a folded Transfer-Encoding": encoded(b"Transfer-Encoding:", b" chunked", body=chunk() + LAST),
        "a folded Host": lines(b"GET %b HTTP/1.1" % TARGET, b"Host:", b" a.example"),
    },
    By.NOBODY,
)
_FOLDED_FIRST = _malformed(
    {
        "the first header folded": lines(b"GET %b HTTP/1.1" % TARGET, b" X-A: b", b"Host: a.example"),
        "the first header folded by a tab": lines(b"GET %b HTTP/1.1" % TARGET, b"\tX-A: b", b"Host: a.example"),
        "a space before the request": b" " + get(),
        "a tab before the request": b"\t" + get(),
    }
)

_CHARACTERS = _malformed(
    {
        "NUL in a value": get(b"X-A: b\x00c"),
        "CR in a value": get(b"X-A: b\rc"),
        "LF in a value": get(b"X-A: b\nc"),
        "CR at the end of a value": get(b"X-A: b\r"),
        "LF and a header in a value": get(b"X-A: b\nHost: b.example"),
        "CR and a header in a value": get(b"X-A: b\rTransfer-Encoding: chunked"),
        "NUL in Content-Length": post(length=b"%d\x00" % len(QUERY)),
        "NUL in Host": lines(b"GET %b HTTP/1.1" % TARGET, b"Host: a\x00.example"),
        "NUL in Origin": get(b"Origin: https://one.example\x00"),
        "NUL in a name": get(b"X\x00A: b"),
        "CR in a name": get(b"X\rA: b"),
        "CR before a name": get(b"\rX-A: b"),
        "LF in a name": get(b"X\nA: b"),
        "NUL in the target": get(target=TARGET + b"\x00"),
        "CR in the target": get(target=TARGET + b"\r"),
        "LF in the target": get(target=TARGET + b"\n"),
        "NUL in the method": get(method=b"GET\x00"),
        "CR in the method": get(method=b"GET\r"),
        "NUL in the version": get(version=b"HTTP/1.1\x00"),
        "CR in the version": get(version=b"HTTP/1.1\r"),
        "a space before a colon": get(b"X-A : b"),
        "a tab before a colon": get(b"X-A\t: b"),
        "a space before the colon of Host": lines(b"GET %b HTTP/1.1" % TARGET, b"Host : a.example"),
        "a space before the colon of Content-Length": lines(
            b"POST /v1/decision HTTP/1.1", b"Host: a.example", b"Content-Length : %d" % len(QUERY)
        )
        + QUERY,
        "a space in a name": get(b"X A: b"),
        "a name that is empty": get(b": b"),
        "a name of a space": get(b"X-A: b", b"X-B: c", b"\x0b: b"),
        "a header without a colon": get(b"nonsense"),
        "a name that is not ASCII": get("X-Ä: b".encode()),
        "a name that is not ASCII, in Latin 1": get("X-Ä: b".encode("latin-1")),
        "a name with a letter that is K in lower case": get("\u212aeep-Alive: b".encode()),
        "a name in quotes": get(b'"X-A": b'),
        "a name in brackets": get(b"(X-A): b"),
        "a name with a slash": get(b"X/A: b"),
    }
)

# Lines that end in LF: a server that waits for CR LF waits in vain.
_BARE_LINES = _malformed(
    {
        "all lines end in LF": get().replace(b"\r\n", b"\n"),
        "the last line ends in LF": get()[:-2] + b"\n",
        "the first line ends in LF": get().replace(b"\r\n", b"\n", 1).replace(b"\r\n\r\n", b"\n\n"),
    },
    By.TIME,
)

_FIRST_LINES = _malformed(
    {
        "no version: HTTP/0.9": lines(b"GET " + TARGET),
        "HTTP/0.9 as a version": get(version=b"HTTP/0.9"),
        "HTTP/1.2": get(version=b"HTTP/1.2"),
        "HTTP/1.10": get(version=b"HTTP/1.10"),
        "HTTP/01.1": get(version=b"HTTP/01.1"),
        "HTTP/1": get(version=b"HTTP/1"),
        "HTTP/2.0": get(version=b"HTTP/2.0"),
        "HTTP/3": get(version=b"HTTP/3"),
        "http/1.1 in small letters": get(version=b"http/1.1"),
        "another protocol": get(version=b"RTSP/1.0"),
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "two spaces": b"GET  " + get()[4:],
        "a space at the end": get(version=b"HTTP/1.1 "),
        "tabs for spaces": get().replace(b" ", b"\t", 2),
        "a space in the target": get(target=b"/livez /livez"),
        "no target": get(target=b""),
        "one word": lines(b"nonsense"),
        "an answer": lines(b"HTTP/1.1 200 OK", b"Content-Length: 0"),
        "two empty lines before": b"\r\n\r\n" + get(),
        "a method with a colon": get(method=b"GET:"),
        "a method in brackets": get(method=b"(GET)"),
        "a method that is not ASCII": get(method="GÉT".encode()),
        "a method that is empty": b" " + get()[4:],
        "a target with a byte of 255": get(target=TARGET + b"\xff"),
        "the greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "the greeting of SSH": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "the greeting of SMTP": b"EHLO a.example\r\nMAIL FROM:<a@a.example>\r\n\r\n",
    }
)

# Twisted takes off the first character of a target, whatever it is.
_TARGETS = _refused(
    400,
    "request-malformed",
    {
        "a letter for the slash": get(target=b"x" + TARGET[1:]),
        "a backslash for the slash": get(target=b"\\" + TARGET[1:]),
        "a backslash for the slash, with a body": post(target=b"\\v1/decision"),
        "a target with a byte of 128": get(target=TARGET + b"&a=\x80"),
        "a target with DEL": get(target=TARGET + b"&a=\x7f"),
    },
)
_NOT_FOUND = _refused(
    404,
    "not-found",
    {
        "a target without a slash": get(target=TARGET[1:]),
        "a question mark for the slash": get(target=b"?" + TARGET[1:]),
        "an absolute target": get(target=b"http://a.example" + TARGET),
        "an absolute target of another host": get(target=b"http://b.example" + TARGET),
        "an absolute target without a path": get(target=b"http://a.example"),
        "CONNECT": get(method=b"CONNECT", target=b"a.example:443"),
        "two slashes": get(target=b"/" + TARGET),
        "two slashes inside": get(target=TARGET.replace(b"/v1/", b"/v1//")),
        "a slash behind": get(target=TARGET.replace(b"?", b"/?")),
        "dot segments": get(target=b"/v1/.." + TARGET),
        "dot segments, encoded": get(target=b"/v1/%2e%2e" + TARGET),
        "an encoded slash": get(target=b"/v1%2Fdecision?policy=one"),
        "an encoded question mark": get(target=TARGET.replace(b"?", b"%3F")),
        "an encoded NUL": get(target=TARGET.replace(b"?", b"%00?")),
        "encoded CR LF": get(target=TARGET.replace(b"?", b"%0d%0a?")),
        "percent signs alone": get(target=b"/%%%zz%"),
        "capitals": get(target=TARGET.replace(b"/v1/", b"/V1/")),
        "a path parameter": get(target=TARGET.replace(b"?", b";a=b?")),
        "the path of a file": get(target=b"/../../../../etc/passwd"),
        "8,000 slashes": get(target=b"/" * 8000),
    },
)
_METHODS = _refused(
    405,
    "method-not-allowed",
    {
        "a method in small letters": get(method=b"get"),
        "an unknown method": get(method=b"BREW"),
        "TRACE": get(method=b"TRACE"),
        "OPTIONS": get(method=b"OPTIONS"),
        "a preflight of this service itself": get(
            b"Origin: https://one.example", b"Access-Control-Request-Method: GET", method=b"OPTIONS"
        ),
        "CONNECT of a path": get(method=b"CONNECT"),
        "a method that is long": get(method=b"A" * 8000),
        "a method that is an attribute": get(method=b"_GET"),
        "QUERY": get(method=b"QUERY"),
    },
)

_LARGE_HEADS = _too_much(
    431,
    "head-too-large",
    {
        "a value of 64 KiB": get(b"X-A: " + b"a" * 2**16),
        "a name of 64 KiB": get(b"a" * 2**16 + b": b"),
        "a target of 64 KiB": get(target=TARGET + b"&a=" + b"a" * 2**16),
        "a method of 64 KiB": get(method=b"A" * 2**16),
        "64 KiB of commas in a header": get(b"Access-Control-Request-Headers: " + b"," * 2**16),
        "64 KiB of commas in Origin": get(b"Origin: " + b"," * 2**16),
        "64 KiB of commas in the target": get(target=TARGET + b"&request_headers=" + b"," * 2**16),
        "64 KiB of commas as a request": b"," * 2**16,
        "a megabyte of one header": get(b"X-A: " + b"a" * 2**20),
        "a line that does not end": b"GET /" + b"a" * 2**16,
        "64 KiB of NUL": b"\x00" * 2**16,
        "16 KiB of headers": get(*[b"X-%d: %b" % (number, b"a" * 1000) for number in range(20)]),
    },
    By.SITE,
)
# A site of Twisted's own does not count the ends of lines.
_LARGER_HEAD = _too_much(
    431,
    "head-too-large",
    {"a head of 16 KiB and a byte": get(b"X-A: " + b"a" * (MAX_HEAD + 1 - len(get(b"X-A: "))))},
    By.NOBODY,
)
_MANY_LINES = _too_much(
    431,
    "head-too-large",
    {
        "101 headers": get(*[b"X-%d: a" % number for number in range(MAX_HEAD_LINES)]),
        "101 headers of one name": get(*[b"X-A: a"] * MAX_HEAD_LINES),
        "101 headers before a body": post(*[b"X-A: a"] * (MAX_HEAD_LINES - 2)),
    },
    By.NOBODY,
)
_VERY_MANY_LINES = _too_much(431, "head-too-large", {"1,000 headers": get(*[b"X-A: a" for _ in range(1000)])}, By.SITE)

_SAID_TOO_LARGE = _too_much(
    413,
    "body-too-large",
    {
        "a body said to be a byte too long": post(body=b"", length=b"%d" % (MAX_BODY + 1)),
        "a body said to be of 2 to the power of 64": post(body=b"", length=b"%d" % (2**64 + len(QUERY))),
        "a body said to be of 4,000 digits": post(body=b"", length=b"9" * 4000),
        "a body too long, asking for leave": post(b"Expect: 100-continue", body=b"", length=b"%d" % (MAX_BODY + 1)),
        "chunks too long, without an end": chunked(chunk(b"x" * (MAX_BODY // 16 + 1)) * 16),
        "a chunk of 2 to the power of 64": chunked(b"%x\r\n" % (2**64 + len(QUERY)) + QUERY + b"x" * MAX_BODY),
        "a chunk whose size has 1,000 digits": chunked(b"f" * 1000 + b"\r\n" + b"x" * (MAX_BODY + 1)),
    },
    By.TIME,
)
_TOO_LARGE = _too_much(
    413,
    "body-too-large",
    {
        "a body a byte too long": post(body=QUERY + b" " * (MAX_BODY + 1 - len(QUERY))),
        "a body too long on another path": post(body=b" " * (MAX_BODY + 1), target=b"/v1/decisions"),
        "a chunk too long": chunked(chunk(QUERY + b" " * MAX_BODY) + LAST),
        "chunks too long": chunked(chunk() + chunk(b" " * (MAX_BODY // 8)) * 8 + LAST),
        "chunks of one byte too long": chunked(chunk() + chunk(b" " * 2**16) * 15 + chunk(b" ") * 2**16 + LAST),
    },
    By.TREE,
)

_MEDIA_TYPES = _refused(
    415,
    "not-json",
    {
        **{
            f"a body of {kind}": post(media_type=kind.encode())
            for kind in (
                "text/plain",
                "text/json",
                "text/html",
                "application/xml",
                "application/octet-stream",
                "application/jsonx",
                "application/json-seq",
                "json",
                "*/*",
                "application/*",
                "application/json, text/plain",
                "text/plain, application/json",
                "text/plain; a=application/json",
                "application/x-www-form-urlencoded",
                "application/ json",
            )
        },
        "two media types": post(b"Content-Type: text/plain"),
        "two media types, JSON last": post(b"Content-Type: application/json", media_type=b"text/plain"),
        "a form": post(body=b"policy=one&method=GET", media_type=b"application/x-www-form-urlencoded"),
        "a batch that is not JSON": post(body=b'{"queries": []}', media_type=b"text/plain", target=b"/v1/decisions"),
        "a body that is compressed": post(b"Content-Encoding: gzip"),
    },
)
# A site of Twisted's own reads forms before any resource is asked, and refuses those that it can't read.
_FORMS = _refused(
    415,
    "not-json",
    {
        "a form of parts": post(media_type=b"multipart/form-data; boundary=a"),
        "a form of parts without a boundary": post(media_type=b"multipart/form-data"),
    },
    By.SITE,
)


def _with(**fields: object) -> bytes:
    """A query with other fields than it should have."""
    return post(body=json.dumps({**json.loads(QUERY), **fields}).encode())


_NOT_JSON = _refused(
    400,
    "body-malformed",
    {
        "no body": post(body=b""),
        "no body, and no length": lines(b"POST /v1/decision HTTP/1.1", b"Host: a.example"),
        "no chunk": chunked(LAST),
        "half a body of JSON": post(body=QUERY[:-1]),
        "JSON with something behind": post(body=QUERY + b"x"),
        "JSON twice": post(body=QUERY + QUERY),
        "JSON with a comma too many": post(body=QUERY[:-1] + b",}"),
        "JSON with a comment": post(body=b"/**/" + QUERY),
        "JSON in single quotes": post(body=QUERY.replace(b'"', b"'")),
        "JSON with a control character": post(body=QUERY.replace(b"GET", b"G\nET")),
        "JSON with NUL behind": post(body=QUERY + b"\x00"),
        "JSON behind a byte order mark": post(body=b"\xef\xbb\xbf" + QUERY),
        "JSON with NaN": post(body=QUERY[:-1] + b', "x": NaN}'),
        "JSON with Infinity": post(body=QUERY[:-1] + b', "x": -Infinity}'),
        "JSON with a number of 5,000 digits": post(body=QUERY[:-1] + b', "x": ' + b"9" * 5000 + b"}"),
        "JSON with a number of a megabyte": post(body=QUERY[:-1] + b', "x": ' + b"9" * (MAX_BODY - 100) + b"}"),
        "deep lists": post(body=b"[" * 90_000),
        "deep lists that end": post(body=b"[" * 90_000 + b"]" * 90_000),
        "deep objects": post(body=b'{"a":' * 40_000),
        "a deep field that nobody reads": post(body=QUERY[:-1] + b', "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
        "a deep field of escapes": post(body=QUERY[:-1] + b', "\\u0061": ' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
        "UTF-16": post(body=QUERY.decode().encode("utf-16")),
        "UTF-16 without a mark": post(body=QUERY.decode().encode("utf-16-le")),
        "UTF-32": post(body=QUERY.decode().encode("utf-32")),
        "Latin 1": post(body=QUERY.replace(b"one.example", "bücher.example".encode("latin-1"))),
        "UTF-8 that is cut": post(body=QUERY.replace(b"GET", b"G\xc3")),
        "UTF-8 that is longer than need be": post(body=QUERY.replace(b"GET", b"G\xc0\x80")),
        "half a character in UTF-8": post(body=QUERY.replace(b"GET", b"G\xed\xa0\x80")),
        "half a character in a policy": post(body=QUERY.replace(b'"one"', b'"one\\ud800"')),
        "half a character in an origin": post(body=QUERY.replace(b"https://one", b"https://\\udfff")),
        "half a character in a method": post(body=QUERY.replace(b"GET", b"\\ud83dGET")),
        "half a character in a field's name": post(body=QUERY[:-1] + b', "\\ud800": 1}'),
        "half a character in a header's name": post(body=QUERY[:-1] + b', "headers": {"\\ud800": "a"}}'),
        "half a character that nobody reads": post(body=QUERY[:-1] + b', "x": [["\\udc00\\ud800"]]}'),
        "a key twice": post(body=b'{"origin": "https://b.example", ' + QUERY[1:]),
        "a key twice, with the same value": post(body=QUERY[:-1] + b', "method": "GET"}'),
        "a key twice, escaped": post(body=QUERY[:-1] + b', "\\u006frigin": "https://b.example"}'),
        "a key twice in headers": post(
            body=b'{"policy": "one", "method": "GET", "headers": {"Origin": "https://b.example", '
            b'"Origin": "https://one.example"}}'
        ),
        "a key twice that nobody reads": post(body=QUERY[:-1] + b', "x": [{"a": 1, "a": 2}]}'),
        "a key twice in a batch": post(body=b'{"queries": [], "queries": [%b]}' % QUERY, target=b"/v1/decisions"),
        "a deep batch": post(body=b'{"queries":' * 50_000, target=b"/v1/decisions"),
        "a bad body and a bad batch": post(body=b'{"queries": [%b, }' % QUERY, target=b"/v1/decisions"),
    },
)
_WRONG_SHAPES = _refused(
    400,
    "query-malformed",
    {
        **{
            f"the body {text}": post(body=text.encode())
            for text in ("null", "true", "5", "1e999", '"one"', "[]", "{}", f"[{QUERY.decode()}]", '{"queries": []}')
        },
        **{
            f"{field} is {json.dumps(value)}": _with(**{field: value})
            for field in ("policy", "url", "origin", "method")
            for value in (5, 1.5, True, ["a"], {"a": "b"})
        },
        "method is null": _with(method=None),
        **{
            f"headers are {json.dumps(value)}": _with(headers=value)
            for value in (
                5,
                True,
                "Origin: https://one.example",
                ["Origin: https://one.example"],
                [["Origin"]],
                [["Origin", "https://one.example", "https://b.example"]],
                [["Origin", 5]],
                [[5, "https://one.example"]],
                [["Origin", None]],
                [{"Origin": "https://one.example"}],
                {"Origin": 5},
                {"Origin": None},
                {"Origin": True},
                {"Origin": [5]},
                {"Origin": [["https://one.example"]]},
                {"Origin": {"a": "https://one.example"}},
            )
        },
        "an origin that contradicts the headers": _with(headers={"Origin": "https://b.example"}),
        "an origin that contradicts one of two": _with(
            headers=[["Origin", "https://one.example"], ["Origin", "https://b.example"]]
        ),
        **{
            f"the batch {text}": post(body=text.encode(), target=b"/v1/decisions")
            for text in ("null", "[]", "5", "{}", '{"queries": null}', '{"queries": {}}', '{"queries": "a"}')
        },
        "two origins in a form": get(target=TARGET + b"&origin=https://b.example"),
        "the same origin twice in a form": get(target=TARGET + b"&origin=https://one.example"),
        "two origins in a form, escaped": get(target=TARGET + b"&%6frigin=https://b.example"),
        "two policies in a form": get(target=TARGET + b"&policy=two"),
        "101 parameters": get(target=TARGET + b"&a=b" * 99),
        "8,000 ampersands": get(target=TARGET + b"&" * 8000),
    },
)
_TOO_MANY = _refused(
    400,
    "too-many-queries",
    {"1,001 queries": post(body=b'{"queries": [%b]}' % b",".join([b"{}"] * 1001), target=b"/v1/decisions")},
)

_ORIGINS = _refused(
    400,
    "request-malformed",
    {
        "two Origins": get(b"Origin: https://one.example", b"Origin: https://b.example"),
        "the same Origin twice": get(b"Origin: https://one.example", b"Origin: https://one.example"),
        "two Origins, with a body": post(b"Origin: https://one.example", b"oRIGIN: https://b.example"),
        "two Origins, one empty": get(b"Origin: https://one.example", b"Origin:"),
        "two Origins, asking for the status": get(
            b"Origin: https://one.example", b"Origin: https://b.example", target=b"/v1/status"
        ),
        "an Origin that is not ASCII": get("Origin: https://bücher.example".encode()),
        "an Origin that is not ASCII, in Latin 1": get("Origin: https://bücher.example".encode("latin-1")),
        "an Origin that is not ASCII, with a body": post("Origin: https://one.example\u200b".encode()),
        "an Origin with a wide dot": get("Origin: https://one\uff0eexample".encode()),
    },
)
_NO_POLICY = _refused(
    404,
    "unknown-policy",
    {
        "a policy that is not UTF-8": get(target=b"/v1/decision?policy=%ff%fe&origin=https://one.example"),
        "a policy with NUL": get(target=b"/v1/decision?policy=one%00&origin=https://one.example"),
        "a policy with a half character": get(target=b"/v1/policies/%ed%a0%80"),
        "a policy that is a path": get(target=b"/v1/policies/..%2f..%2fetc%2fpasswd"),
        "a policy with CR LF": get(target=b"/v1/policies/one%0d%0aSet-Cookie:a=b"),
        "a policy of a megabyte": _with(policy="a" * 1_000_000),
    },
)

_GROUPS = [
    *(_HOSTS, _LENGTHS, _MANY_DIGITS, _ENCODINGS, _IDENTITIES, _CHUNKS, _TRAILERS, _FOLDED, _FOLDED_FIRST, _CHARACTERS),
    *(_BARE_LINES, _FIRST_LINES, _TARGETS, _NOT_FOUND, _METHODS, _LARGE_HEADS, _LARGER_HEAD, _MANY_LINES),
    *(_VERY_MANY_LINES, _SAID_TOO_LARGE, _TOO_LARGE, _MEDIA_TYPES, _FORMS, _NOT_JSON, _WRONG_SHAPES, _TOO_MANY),
    *(_ORIGINS, _NO_POLICY),
]

HOSTILE = [case for group in _GROUPS for case in group]
"""Each request that must be refused."""


class Refusal(NamedTuple):
    """An honest question about a hostile request, which is a decision, and a refusal.

    Attributes:
        name: What is wrong with the request that is asked about.
        sent: The question, byte for byte.
        code: The code of the reason.
    """

    name: str
    sent: bytes
    code: str


def _preflight(requested: str) -> bytes:
    """Ask about a preflight for some headers."""
    headers = {
        "Origin": "https://one.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": requested,
    }
    return post(body=json.dumps({"policy": "one", "method": "OPTIONS", "headers": headers}).encode())


REFUSALS = [
    Refusal("an origin that is not ASCII", _with(origin="https://\u00f6ne.example"), "origin-malformed"),
    Refusal("an origin with a wide letter", _with(origin="https://\uff4fne.example"), "origin-malformed"),
    Refusal("an origin with a wide dot", _with(origin="https://one\uff0eexample"), "origin-malformed"),
    Refusal("an origin with a soft hyphen", _with(origin="https://o\u00adne.example"), "origin-malformed"),
    Refusal("an origin with a long s", _with(origin="http\u017f://one.example"), "origin-malformed"),
    Refusal("an origin with NUL", _with(origin="https://one.example\x00"), "origin-malformed"),
    Refusal("an origin with CR LF", _with(origin="https://one.example\r\nSet-Cookie: a=b"), "origin-malformed"),
    Refusal("an origin with LF", _with(origin="https://one.example\n"), "origin-malformed"),
    Refusal("an origin with a space", _with(origin=" https://one.example"), "origin-malformed"),
    Refusal("an origin with a slash", _with(origin="https://one.example/"), "origin-malformed"),
    Refusal("an origin with userinfo", _with(origin="https://one.example@b.example"), "origin-malformed"),
    Refusal("two origins in one", _with(origin="https://one.example, https://b.example"), "origin-malformed"),
    Refusal("an empty origin", _with(origin=""), "origin-malformed"),
    Refusal("an origin of a megabyte", _with(origin="https://" + "a" * 1_000_000), "origin-malformed"),
    Refusal("64 KiB of commas as an origin", _with(origin="," * 2**16), "origin-malformed"),
    Refusal(
        "two origins",
        post(body=b'{"policy": "one", "method": "GET", "headers": {"Origin": ["https://one.example", "null"]}}'),
        "multiple-origins",
    ),
    Refusal(
        "the same origin twice, in other letters",
        post(
            body=b'{"policy": "one", "method": "GET", "headers": {"Origin": "https://one.example", '
            b'"oRIGIN": "https://one.example"}}'
        ),
        "multiple-origins",
    ),
    Refusal("an origin of a form that is not UTF-8", get(target=TARGET + b"%ff"), "origin-malformed"),
    Refusal("an origin of a form with NUL", get(target=TARGET + b"%00"), "origin-malformed"),
    Refusal("an origin of a form with CR LF", get(target=TARGET + b"%0d%0aA:b"), "origin-malformed"),
    Refusal("a method that is not ASCII", _with(method="G\u00c9T"), "method-malformed"),
    Refusal("a method with a space", _with(method="GET "), "method-malformed"),
    Refusal("an empty method", _with(method=""), "method-malformed"),
    Refusal("a method of a megabyte", _with(method="A" * 1_000_000), "method-malformed"),
    Refusal("a header's name that is not ASCII", _preflight("x-\u00e4"), "header-malformed"),
    Refusal("a header's name with a Kelvin sign", _preflight("\u212aeep-alive"), "header-malformed"),
    Refusal("a header's name with NUL", _preflight("x-\x00"), "header-malformed"),
    Refusal("a header's name with CR LF", _preflight("x-a\r\nSet-Cookie: a=b"), "header-malformed"),
    Refusal("a header's name of a megabyte", _preflight("a" * 1_000_000), "too-many-headers"),
    Refusal(
        "ninety thousand headers", _preflight(",".join(f"a{number}" for number in range(90_000))), "too-many-headers"
    ),
    Refusal("64 KiB of commas", _preflight("," * 2**16), "too-many-headers"),
    Refusal("64 KiB of commas and spaces", _preflight(" , " * 2**14), "too-many-headers"),
]
"""Requests that get a decision, which refuses: these are facts about somebody else's request."""

_MORE = b'{"policy": "one", "method": "GET", "origin": "https://one.example", "x": "%b"}'

HONEST = {
    "HTTP/1.0": get(version=b"HTTP/1.0"),
    "HTTP/1.0 without a Host": lines(b"GET %b HTTP/1.0" % TARGET),
    "an empty line before": b"\r\n" + get(),
    "an empty Host": lines(b"GET %b HTTP/1.1" % TARGET, b"Host:"),
    "an IPv6 address as Host": lines(b"GET %b HTTP/1.1" % TARGET, b"Host: [::1]:8080"),
    "no space behind the colon": lines(b"GET %b HTTP/1.1" % TARGET, b"Host:a.example"),
    "spaces and tabs around a value": get(b"X-A: \t b \t "),
    "a value that is not ASCII": get("X-A: \u00e4".encode()),
    "names in small letters": get().replace(b"Host", b"host"),
    "100 headers": get(*[b"X-A: a"] * (MAX_HEAD_LINES - 1)),
    "a head of 16 KiB": get(b"X-A: " + b"a" * (MAX_HEAD - len(get(b"X-A: ")))),
    "a length with zeros before": post(length=b"000%d" % len(QUERY)),
    "a body of the limit": post(body=_MORE % (b"x" * (MAX_BODY - len(_MORE) + 2))),
    "a body that asks for leave": post(b"Expect: 100-continue"),
    "no media type": lines(b"POST /v1/decision HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(QUERY)) + QUERY,
    "a media type with a parameter": post(media_type=b"Application/JSON ; charset=utf-8"),
    "a media type that ends in +json": post(media_type=b"application/problem+json"),
    "CHUNKED in capitals": encoded(b"Transfer-Encoding: CHUNKED", body=chunk() + LAST),
    "many chunks": chunked(b"".join(chunk(bytes([byte])) for byte in QUERY) + LAST),
    "a chunk's size with zeros before": chunked(chunk(size=b"000%x") + LAST),
    "a chunk's size in capitals": chunked(chunk(QUERY + b" " * (0xAB - len(QUERY)), size=b"AB") + LAST),
    "a chunk's extension": chunked(chunk(extension=b';a="b"') + LAST),
    "a last chunk of many zeros": chunked(chunk() + b"000\r\n\r\n"),
    "trailers": chunked(chunk() + b"0\r\nOrigin: https://b.example\r\nContent-Length: 5\r\n\r\n"),
    "a body of a GET": get(b"Content-Length: 18") + b"GET / HTTP/1.1\r\n\r\n",
    "an offer of HTTP/2": get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    "an offer of WebSocket": get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
    "one Origin": get(b"Origin: https://b.example"),
    "somebody else's address": get(b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Host: b.example", b"X-Origin: null"),
    "an encoded letter of the path": get(target=TARGET.replace(b"decision", b"%64ecision")),
    "15 KiB of cookies": get(b"Cookie: " + b"a=b;" * 3800),
    "15 KiB of tags": get(b"If-None-Match: " + b'",' * 7500),
    "15 KiB of commas": get(b"If-None-Match: " + b"," * 15_000),
    "a deep field that is not too deep": post(body=QUERY[:-1] + b', "x": ' + b"[" * 100 + b"]" * 100 + b"}"),
    "a number that is large": post(body=QUERY[:-1] + b', "x": 1e999}'),
}
"""What looks odd, and must be granted all the same: it is valid, and can be read in one way only."""
