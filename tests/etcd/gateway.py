"""What answers as etcd's JSON gateway does, out of memory; tests/e2e has the real one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

CLUSTER = "14841639068965178418"
Request = dict[str, Any]


class Refusal(Exception):
    """An error: its status, the code of gRPC, and etcd's words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Gateway(ThreadingHTTPServer):
    """A member of etcd that has little more than keys and their history.

    Attributes:
        cluster: Names its cluster.
        revision: The newest revision.
        compacted: The first revision that it still has.
        refusal: What it refuses everything but signing in with; None for nothing.
        password: What users sign in with; None if nobody has to.
        token: What it gives to those.
        asked: The paths that it was asked for.
        closes: Whether it closes each connection behind an answer, as some proxies do.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.cluster = CLUSTER
        self.revision, self.compacted = 1, 0
        self.refusal: Refusal | None = None
        self.password: str | None = None
        self.token = "token-1"
        self.asked: list[str] = []
        self.closes = False
        self.changed = Condition()
        self.is_open = True
        self._history: dict[bytes, list[tuple[int, bytes | None]]] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """The URL of a store in it."""
        return f"etcd://127.0.0.1:{self.server_address[1]}/cors"

    @property
    def places(self) -> list[str]:
        """The keys that there are."""
        return [key.decode() for key, _, _ in self._found(b"/", b"0", self.revision)]

    def put(self, key: str, value: bytes | None) -> None:
        """Put a key, or remove it."""
        with self.changed:
            self.revision += 1
            self._history.setdefault(key.encode(), []).append((self.revision, value))
            self.changed.notify_all()

    def value(self, key: str) -> bytes:
        """Give what stands at a key."""
        [(_, value, _)] = self._found(key.encode(), key.encode() + b"\0", self.revision)
        return value

    def check(self, path: str, token: str | None) -> None:
        """Refuse what is not to be answered."""
        if path == "/v3/auth/authenticate":
            return
        if self.password is not None and token is None:
            raise Refusal(400, 3, "etcdserver: user name is empty")
        if self.password is not None and token != self.token:
            raise Refusal(401, 16, "etcdserver: invalid auth token")
        if self.refusal is not None:
            raise self.refusal

    def answer(self, path: str, request: Request) -> Request:
        """Answer a request."""
        match path:
            case "/v3/auth/authenticate":
                if self.password is None:
                    raise Refusal(400, 9, "etcdserver: authentication is not enabled")
                if request["password"] != self.password:
                    raise Refusal(400, 3, "etcdserver: authentication failed, invalid user ID or password")
                return {"header": self.header, "token": self.token}
            case "/v3/kv/range":
                return self._range(request)
            case "/v3/kv/txn":
                return self._transaction(request)
            case _:
                raise Refusal(404, 5, "Not Found")

    @property
    def header(self) -> Request:
        """Who answers, and at which revision."""
        return {"cluster_id": self.cluster, "revision": str(self.revision)}

    def watched(self, request: Request) -> Iterator[Request]:
        """Watch a key."""
        wanted = request["create_request"]
        key, start = base64.b64decode(wanted["key"]), wanted["start_revision"]
        yield {"header": self.header, "created": True}
        if start < self.compacted:
            yield {"header": self.header, "canceled": True, "compact_revision": str(self.compacted)}
            return
        while self.is_open:
            with self.changed:
                self.changed.wait_for(partial(self._is_at, start))
                new = [revision for revision, _ in self._history.get(key, ()) if revision >= start]
                start = self.revision + 1
            if new:
                yield {"header": self.header, "events": [{"kv": {"mod_revision": str(one)}} for one in new]}

    def _is_at(self, revision: int) -> bool:
        return self.revision >= revision or not self.is_open

    def _range(self, request: Request) -> Request:
        start = base64.b64decode(request["key"])
        end = base64.b64decode(request.get("range_end", "")) or start + b"\0"
        revision = request.get("revision") or self.revision
        if revision < self.compacted:
            raise Refusal(400, 11, "etcdserver: mvcc: required revision has been compacted")
        if revision > self.revision:
            raise Refusal(400, 11, "etcdserver: mvcc: required revision is a future revision")
        found = self._found(start, end, revision)
        limit = request.get("limit") or len(found)
        kvs = [
            {"key": _base64(key), "value": _base64(value), "mod_revision": str(changed)}
            for key, value, changed in found[:limit]
        ]
        return {"header": self.header, **({"kvs": kvs} if kvs else {}), **({"more": True} if found[limit:] else {})}

    def _found(self, start: bytes, end: bytes, revision: int) -> list[tuple[bytes, bytes, int]]:
        found = []
        for key in sorted(key for key in self._history if start <= key < end):
            past = [one for one in self._history[key] if one[0] <= revision]
            if past and past[-1][1] is not None:
                found.append((key, past[-1][1], past[-1][0]))
        return found

    def _transaction(self, request: Request) -> Request:
        with self.changed:
            holds = all(self._holds(one) for one in request.get("compare", ()))
            operations = request.get("success" if holds else "failure", [])
            assert len(operations) <= 128
            writes = any("request_range" not in one for one in operations)
            self.revision += writes
            responses = [self._done(one) for one in operations]
            self.changed.notify_all()
        succeeded = {"succeeded": True} if holds else {}
        return {"header": self.header, **succeeded, "responses": responses}

    def _holds(self, compare: Request) -> bool:
        history = self._history.get(base64.b64decode(compare["key"]), [(0, None)])
        return bool(history[-1][0] == compare["mod_revision"])

    def _done(self, operation: Request) -> Request:
        [(kind, fields)] = operation.items()
        if kind == "request_range":
            return {"response_range": self._range(fields)}
        start = base64.b64decode(fields["key"])
        if kind == "request_put":
            self._history.setdefault(start, []).append((self.revision, base64.b64decode(fields["value"])))
            return {"response_put": {}}
        end = base64.b64decode(fields["range_end"]) or start + b"\0"
        for key, _, _ in self._found(start, end, self.revision):
            self._history[key].append((self.revision, None))
        return {"response_delete_range": {}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    server: Gateway

    def do_POST(self) -> None:
        """Answer."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(self.path.removeprefix("/v3/"))
        try:
            self.server.check(self.path, self.headers["Authorization"])
            if self.path == "/v3/watch":
                self._watch(request)
                return
            status, answer = 200, self.server.answer(self.path, request)
        except Refusal as refusal:
            status = refusal.status
            answer = {"error": refusal.message, "code": refusal.code, "message": refusal.message}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, request: Request) -> None:
        assert self.headers["Grpc-Metadata-hasleader"] == "true"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for told in self.server.watched(request):
            line = json.dumps({"result": told}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Bear with clients that go."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Run one."""
    with Gateway() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            with server.changed:
                server.is_open = False
                server.changed.notify_all()
            server.shutdown()
            thread.join()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
