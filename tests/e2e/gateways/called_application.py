"""An application like that of application.py, for servers that don't call it by HTTP.

    python called_application.py PROTOCOL LINES

`cgi` is one call of CGI. `fastcgi`, `scgi`, `uwsgi` and `grpc` listen on a port that is free, and say which. LINES are
the headers of every answer, as a list in JSON. An answer by gRPC has the headers, but does not say what was received.

It needs nothing but the standard library: CGI starts it for each request.
"""

from __future__ import annotations

import json
import os
import socketserver
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol


class Incoming(Protocol):
    """What a web server sends."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all."""


def answer(variables: Mapping[str, str], body: bytes, first: str) -> bytes:
    """Answer a call, as CGI has it.

    Args:
        variables: The variables of CGI.
        body: The body of the request.
        first: What the line with the status begins with.

    Returns:
        The answer, or nothing if the application breaks off.
    """
    target = variables["REQUEST_URI"]
    *_, parent, name = target.partition("?")[0].split("/")
    if name == "abort":
        return b""
    headers = {key[5:].lower().replace("_", "-"): [value] for key, value in variables.items() if key[:5] == "HTTP_"}
    if variables.get("CONTENT_TYPE"):
        headers["content-type"] = [variables["CONTENT_TYPE"]]
    told = {
        "method": variables["REQUEST_METHOD"],
        "target": target,
        "headers": headers,
        "body": body.decode("latin-1"),
    }
    status = name if parent == "status" else "200"
    lines = [f"{first} {status} Said", *(f"{key}: {value}" for key, value in json.loads(sys.argv[2]))]
    return "\r\n".join([*lines, "", json.dumps(told)]).encode("latin-1")


def call_by_cgi() -> None:
    """Answer the request that the environment describes."""
    body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))
    sys.stdout.buffer.write(answer(os.environ, body, "Status:"))


def call_by_fastcgi(incoming: Incoming) -> Iterator[bytes]:
    """https://fastcgi-archives.github.io/FastCGI_Specification.html."""
    streams = dict.fromkeys(range(12), b"")
    kind, length = 0, 1
    while kind != 5 or length:  # until the end of the body
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", incoming.read(8))
        streams[kind] += incoming.read(length)
        incoming.read(padding)
    variables, rest = {}, streams[4]
    while rest:
        sizes = []
        for _ in range(2):
            wide = 4 if rest[0] & 0x80 else 1
            sizes.append(int.from_bytes(rest[:wide], "big") & 0x7FFFFFFF)
            rest = rest[wide:]
        name, value = rest[: sizes[0]], rest[sizes[0] : sum(sizes)]
        variables[name.decode("latin-1")] = value.decode("latin-1")
        rest = rest[sum(sizes) :]
    said = answer(variables, streams[5], "Status:")
    for start in range(0, len(said), 65535):
        part = said[start : start + 65535]
        yield struct.pack(">BBHHBB", 1, 6, 1, len(part), 0, 0) + part
    if said:
        yield struct.pack(">BBHHBBIBxxx", 1, 3, 1, 8, 0, 0, 0, 0)


def call_by_scgi(incoming: Incoming) -> Iterator[bytes]:
    """https://python.ca/scgi/protocol.txt."""
    size = b""
    while not size.endswith(b":"):
        size += incoming.read(1)
    words = incoming.read(int(size[:-1]) + 1).decode("latin-1").split("\0")[:-1]
    variables = dict(zip(words[::2], words[1::2], strict=True))
    yield answer(variables, incoming.read(int(variables.get("CONTENT_LENGTH") or 0)), "Status:")


def call_by_uwsgi(incoming: Incoming) -> Iterator[bytes]:
    """https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html."""
    _, size, _ = struct.unpack("<BHB", incoming.read(4))
    words, rest = [], incoming.read(size)
    while rest:
        [length] = struct.unpack("<H", rest[:2])
        words.append(rest[2 : 2 + length].decode("latin-1"))
        rest = rest[2 + length :]
    variables = dict(zip(words[::2], words[1::2], strict=True))
    yield answer(variables, incoming.read(int(variables.get("CONTENT_LENGTH") or 0)), "HTTP/1.1")


def call_by_grpc(incoming: Incoming) -> Iterator[bytes]:
    """https://www.rfc-editor.org/rfc/rfc9113: one answer, whatever the request."""
    incoming.read(24)
    yield _frame(4, 0, 0, b"")
    ends = False
    while not ends:
        head = incoming.read(9)
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        incoming.read(int.from_bytes(head[:3], "big"))
        ends = kind in {0, 1} and bool(flags & 1)
    lines = [(name.lower().encode(), value.encode()) for name, value in json.loads(sys.argv[2])]
    fields = b"".join(bytes([0, len(name)]) + name + bytes([len(value)]) + value for name, value in lines)
    yield _frame(1, 4, stream, b"\x88" + fields) + _frame(0, 1, stream, b"{}")
    incoming.read()  # to close before nginx does would be an error


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


CALLS: Final[Mapping[str, Callable[[Incoming], Iterator[bytes]]]] = {
    "fastcgi": call_by_fastcgi,
    "scgi": call_by_scgi,
    "uwsgi": call_by_uwsgi,
    "grpc": call_by_grpc,
}


class Call(socketserver.StreamRequestHandler):
    """Answers one call, and closes the connection."""

    def handle(self) -> None:
        """Answer."""
        for part in CALLS[sys.argv[1]](self.rfile):
            self.wfile.write(part)


class Server(socketserver.ThreadingTCPServer):
    """Takes many calls at once."""

    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    if sys.argv[1] == "cgi":
        call_by_cgi()
    else:
        with Server(("127.0.0.1", 0), Call) as server:
            sys.stdout.write(f"port {server.server_address[1]}\n")
            sys.stdout.flush()
            server.serve_forever()
