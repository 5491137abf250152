"""What is asked, what the service says about it, and what others say who are not the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import read_document
from cors_service.wire.answers import write_decision
from tests.answering import DOCUMENT, Talker, answer, dripping, saying, silent
from tests.lies import LIES

A, B, STRANGER = "https://a.example", "https://b.example", "https://stranger.example"
SOON = 0.3
"""Seconds that are enough for the service, and that a test may wait for nothing."""
LONG = 20.0
"""Seconds that no test waits."""

EXPECTED = ActivePolicies(read_document(DOCUMENT))


def ask(origin: str = A, method: str = "GET", **more: Any) -> Query:
    """Make a query."""
    lines = [("Origin", origin)]
    if method == "OPTIONS":
        lines.append(("Access-Control-Request-Method", "PUT"))
    return Query.received(method, lines, **{"policy": "app", **more})


def plain(decision: Decision) -> tuple[Any, ...]:
    """What a decision says, without its lifetime."""
    return tuple(getattr(decision, name) for name in Decision.__struct_fields__)


QUERIES = [
    ask(),
    ask(B, "PUT"),
    ask(A, "OPTIONS"),
    ask(STRANGER, "OPTIONS"),
    Query("GET", policy="app"),
    ask(policy=None, url="https://api.example/open/7"),
    ask("https://api.example", url="https://api.example/", policy="app"),
    Query("GET", "app", None, (A, B)),
    Query("OPTIONS", "app", None, (A,), ("PUT",), ("content-type", "x-a")),
    Query("GET", "app", None, ("h\xe4\x00 \u2028",)),
]
"""Of every kind, and some that no browser sends."""

DECISION = json.loads(write_decision(EXPECTED.decide(ask()), 0))
REFUSAL = json.loads(write_decision(EXPECTED.decide(ask(STRANGER)), 0))


def changed(decision: dict[str, Any], **fields: Any) -> bytes:
    """Write an answer that is a decision with other fields."""
    return answer("200 OK", json.dumps({**decision, **fields}).encode())


LIARS: dict[str, Callable[[Talker, bytes], None]] = {
    name: saying(answer("200 OK", json.dumps(lie(DECISION)).encode())) for name, lie in LIES.items()
}
"""What answers in the place of the service and wants more than the service can give, about `ask()`."""

GRANT = "Access-Control-Allow-Origin: *\r\n"
GARBAGE: dict[str, Callable[[Talker, bytes], None]] = {
    "not HTTP": saying(b"\x00\xff\x16 220 this is not HTTP\r\n\r\n", close=True),
    "not JSON": saying(answer("200 OK", b"<html>")),
    "nothing": saying(answer("200 OK", b"")),
    "no object": saying(answer("200 OK", b"[]")),
    "another object": saying(answer("200 OK", b'{"allowed": true}')),
    "not UTF-8": saying(answer("200 OK", b"\xff\xfe")),
    "nested": saying(answer("200 OK", b'{"x":' + b"[" * 100_000)),
    "status of another kind": saying(changed(DECISION, status=200)),
    "kept for ever": saying(changed(DECISION, ttl=2**63)),
    "cut in the head": saying(b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    "cut in the body": saying(answer("200 OK", json.dumps(DECISION).encode(), length=5000), close=True),
    "cut without a length": saying(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(DECISION).encode()[:-1], close=True),
    "two lengths": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", close=True),
    "an error that is no problem": saying(answer("503 Service Unavailable", b"no", GRANT)),
    "a refusal that is no problem": saying(answer("403 Forbidden", b"no", GRANT)),
    "elsewhere": saying(answer("302 Found", b"", "Location: http://127.0.0.1:1/\r\n")),
    "an error with a decision": saying(answer("500 Internal Server Error", json.dumps(DECISION).encode())),
    "forged lines of a log": saying(changed(DECISION, kind="a\nERROR: b")),
    "a long status line": saying(b"x" * 9000 + b"\r\n\r\n", close=True),
    "a long text": saying(answer("503 Service Unavailable", json.dumps({"detail": "x\n" * 9000}).encode())),
    "huge": saying(answer("200 OK", json.dumps(DECISION).encode() + b" " * 17 * 2**20)),
    "huge without a length": saying(
        b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(DECISION).encode() + b" " * 17 * 2**20, close=True
    ),
    **LIARS,
}
"""What is no decision, and no refusal either."""
SLOW: dict[str, Callable[[Talker, bytes], None]] = {
    "silent": silent,
    "drips in the head": dripping(b"HTTP/1.1 200 OK\r\nX:"),
    "drips in the body": dripping(answer("200 OK", b" ", length=2**19)),
    "drips without a length": dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
}
"""What may be an answer one day."""
PROBLEM = b'{"detail": "There is no policy \'app\'."}'
"""What is wrong with a question."""
