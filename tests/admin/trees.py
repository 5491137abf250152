"""The tree of the admin process over a directory, and callers whose every answer is checked against the description."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock, Cooperator
from twisted.web.client import FileBodyProducer
from twisted.web.http_headers import Headers

from cors_service.access import Access, read_access
from cors_service.access.tokens import token_entry
from cors_service.admin.audit import Audit
from cors_service.admin.changes import Changes
from cors_service.admin.desk import Desk
from cors_service.admin.insights import FILE, KeptDecisions, mount_insights
from cors_service.admin.proposals import Proposals
from cors_service.admin.replicas import Replicas
from cors_service.admin.tree import AdminTree
from cors_service.ledger.directory import DirectoryStore
from cors_service.web.access import FixedAccess
from cors_service.web.ids import decision_ids
from cors_service.web.turns import Turns
from tests.admin.description import check
from tests.web.traversal import Answer, Caller, Lines

NINE = 1795251600.0  # 2026-11-21T09:00:00Z

SHOP: dict[str, Any] = {
    "match": ["api.example.com/shop/"],
    "rules": [{"origins": ["https://shop.example.com"], "credentials": True, "max_age": 600}],
}
"""The policy of the shop, as its document has it."""
WIDER: dict[str, Any] = {
    **SHOP,
    "rules": [{**SHOP["rules"][0], "origins": ["https://shop.example.com", "https://new.example.com"]}],
}
NARROWER: dict[str, Any] = {**SHOP, "rules": [{**SHOP["rules"][0], "credentials": False}]}

TEXTS = {
    "shop.toml": """\
version = 1

# The shop.
[policies.shop]
match = ["api.example.com/shop/"]

# its own pages
[[policies.shop.rules]]
origins = ["https://shop.example.com"]  # and no other
credentials = true
max_age = 600
""",
    "pay.toml": """\
version = 1

[origin_sets]
partners = ["https://a.example"]

[policies.pay]
origins = ["@partners"]
""",
}


class Office:
    """An admin process without a socket.

    Attributes:
        path: The directory of the documents.
        data: That of the process.
        clock: Its reactor.
        desk: What its resources share.
        tree: Its resource tree.
        decisions: Keeps what replicas report of their decisions.
    """

    def __init__(self, directory: Path, access: Access | None = None) -> None:
        self.path, self.data = directory / "policies", directory / "data"
        if not self.path.exists():
            self.path.mkdir()
            self.data.mkdir()
            for name, text in TEXTS.items():
                (self.path / name).write_text(text, encoding="utf-8")
        self.clock = Clock()
        self.clock.advance(NINE)
        store = DirectoryStore(self.path, now=self.clock.seconds)
        changes = Changes(store, self.clock, in_thread=execute)
        replicas = Replicas(self.data / "replicas.json", self.clock, lambda: changes.kept.head)
        changes.when_head_changes(replicas.head_changed)
        self.desk = Desk(
            ids=decision_ids(),
            clock=self.clock,
            turns=Turns(self.clock),
            changes=changes,
            replicas=replicas,
            proposals=Proposals(self.data / "proposals"),
            audit=Audit(self.data / "audit.jsonl"),
            body=1 << 20,
            access=None if access is None else FixedAccess(access),
        )
        self.tree = AdminTree(self.desk)
        self.decisions = KeptDecisions(self.data / FILE, self.clock, in_thread=execute)
        mount_insights(self.tree, self.decisions)

    def caller(self, token: str | None = None) -> AdminCaller:
        """A caller, with a token or without."""
        return AdminCaller(self, token)

    @property
    def audited(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        path = self.data / "audit.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


class AdminCaller(Caller):
    """A caller of the admin process; each of its answers is one that is described."""

    def __init__(self, office: Office, token: str | None) -> None:
        super().__init__(office.tree)
        self._office = office
        self._lines = [] if token is None else [("Authorization", f"Bearer {token}")]

    def ask(self, method: str, path: str, body: bytes | None = None, lines: Lines = ()) -> Answer:
        """Send a request."""
        answer = super().ask(method, path, body, [*self._lines, *lines])
        check(method, path, answer)
        return answer

    def send(self, method: str, path: str, value: object = None, /, **headers: str) -> Answer:
        """Send a request to a path beneath `/admin/v1`; underscores in names of headers stand for hyphens."""
        lines = [(name.replace("_", "-"), line) for name, line in headers.items()]
        if method in {"GET", "DELETE"}:
            return self.ask(method, f"/admin/v1/{path}", None, lines)
        body = json.dumps(value).encode("utf-8")
        return self.ask(method, f"/admin/v1/{path}", body, [("Content-Type", "application/json"), *lines])

    def tag(self, path: str) -> str:
        """The ETag of something."""
        tag = self.send("GET", path).header("ETag")
        assert tag is not None
        return tag

    def put(self, path: str, value: object, /, query: str = "", **headers: str) -> Answer:
        """Write something that is known as it is."""
        return self.send("PUT", f"{path}{query}", value, If_Match=self.tag(path), **headers)

    def begin(self, path: str, value: object, **headers: str) -> Pending:
        """Write something that is known as it is, and do not wait for the answer."""
        given = {"If-Match": self.tag(path), "Content-Type": "application/json", **headers}
        pending = self.start("PUT", path, json.dumps(value).encode("utf-8"), **given)
        self._take_turns()
        return pending

    def start(self, method: str, path: str, body: bytes = b"", **headers: str) -> Pending:
        """Send a request, and let nothing go on that its answer needs."""
        lines = Headers({name: [line] for name, line in [*self._lines, *headers.items()]})
        uri = f"http://cors.test/admin/v1/{path}".encode("ascii")
        producer = FileBodyProducer(BytesIO(body), cooperator=Cooperator(scheduler=_at_once)) if body else None
        return Pending(self, self._agent.request(method.encode("ascii"), uri, lines, producer))

    def _take_turns(self) -> None:
        clock = self._office.clock
        while any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
            clock.advance(0)
            self._agent.flush()


class Pending:
    """An answer that may still have to be waited for."""

    def __init__(self, caller: AdminCaller, responding: Deferred[Any]) -> None:
        self._caller = caller
        self._responses: list[Any] = []
        responding.addCallback(self._responses.append)

    @property
    def status(self) -> int | None:
        """The status of the answer; None if there is none yet."""
        self._caller._take_turns()
        self._caller._agent.flush()
        return self._responses[0].code if self._responses else None

    def json(self) -> Any:
        """The answer as JSON; None if there is none yet."""
        self._caller._take_turns()
        self._caller._agent.flush()
        if not self._responses:
            return None
        bodies: list[bytes] = []
        treq.content(self._responses[0]).addCallback(bodies.append)
        self._caller._take_turns()
        self._caller._agent.flush()
        return json.loads(bodies[0])


def _at_once(call: Callable[[], object]) -> Any:
    call()


def access(**callers: dict[str, Any]) -> Access:
    """Who may do what: tokens that are called as their callers are."""
    entries = []
    for name, told in callers.items():
        policies, second = told.get("policies", ()), told.get("second", False)
        entries.append(token_entry(name, name, told["verbs"], policies, needs_second=second))
    return read_access("\n".join(entries))
