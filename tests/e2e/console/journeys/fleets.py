"""An admin process with people of several rights, beside replicas that report to it, for all journeys."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from cors_service.access.tokens import token_entry
from cors_service.insights.lines import instant_of
from tests.e2e.daemons import ANY_PORT, TWIST, Service, wait_for
from tests.insights.logs import REFUSED, written

ADMIN: Final = (*TWIST[:-1], "cors-admin", "--store", "policies", "--data", "data", "--auth", "auth.toml")
REPLICAS: Final = ("replica-1", "replica-2", "replica-3")
HOSTILE: Final = "<script>document.title='hacked'</script>\u202e\u0645"
"""What somebody who means no good calls things."""

POLICIES: Final = (
    "blocked",
    "partner",
    "eyes",
    "incident",
    "mistakes",
    "rollback",
    "knocked",
    "session",
    "editors",
    "down",
)
"""One for each journey, so that none is in another's way."""
_PEOPLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "anna": {"verbs": ["read", "write", "approve"]},
    "boris": {"verbs": ["read", "approve", "write"]},
    "carla": {"verbs": ["read", "write"], "needs_second": True},
    "dev": {"verbs": ["read"]},
    "replica": {"verbs": ["report"]},
}


def document(name: str) -> str:
    """The document of a policy."""
    return f"""\
version = 1

# What {name} grants.
[policies.{name}]
match = ["{name}.example.com/"]
origins = ["https://app.example.com"]
methods = ["GET", "PUT"]
credentials = true
max_age = 600
"""


class Fleet:
    """An admin process, and the replicas that report to it.

    Attributes:
        directory: What the admin process has: `policies`, `data`.
        admin: The admin process.
        replicas: The services that report to it.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        """Start all of it."""
        self.directory = directory
        (directory / "policies").mkdir()
        for name in POLICIES:
            (directory / "policies" / f"{name}.toml").write_text(document(name), encoding="utf-8")
        entries = [
            token_entry(name, f"token-of-{name}", told["verbs"], (), needs_second=told.get("needs_second", False))
            for name, told in _PEOPLE.items()
        ]
        (directory / "auth.toml").write_text("\n".join(entries), encoding="utf-8")
        (directory / "token").write_text("token-of-replica", encoding="utf-8")
        self.admin = stack.enter_context(_running([*ADMIN, "--listen", ANY_PORT], directory))
        self.replicas = [stack.enter_context(_running(self._replica(name), directory)) for name in REPLICAS]
        wait_for(lambda: len(self.api("GET", "fleet")["replicas"]) == len(REPLICAS), "all replicas")

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"http://127.0.0.1:{self.admin.port}"

    def api(self, method: str, path: str, value: object = None, token: str = "token-of-anna") -> Any:
        """Ask the API of the admin process."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin.port, timeout=30)
        try:
            lines = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "If-Match": "*"}
            connection.request(method, f"/admin/v1/{path}", None if value is None else json.dumps(value), lines)
            response = connection.getresponse()
            body = response.read()
            assert response.status < 300, body
            return json.loads(body or b"null")
        finally:
            connection.close()

    def knock(self, policy: str, origin: str, count: int) -> None:
        """Let a replica report that an origin was refused."""
        now = instant_of(time.time())
        times: dict[str, Any] = {"begin": now, "to": now, "first": now, "last": now}
        line = json.loads(written(**times, **REFUSED, policy=policy, origin=origin, count=count))
        told = self.api("GET", "fleet")["replicas"][0]
        replica = {name: told[name] for name in ("instance", "version", "revision")}
        report = {"version": 1, "replica": replica, "batch": f"{policy}-{origin}"[:200], "lines": [line]}
        self.api("POST", "reports", report, "token-of-replica")

    def _replica(self, name: str) -> list[str]:
        reporting = ["--report-to", f"{self.url}", "--report-token", "token", "--report-spool", f"spool-{name}"]
        return [*TWIST, "--policies", "policies", "--instance", name, "--listen", ANY_PORT, *reporting]


@contextmanager
def running_fleet(directory: Path) -> Iterator[Fleet]:
    """Run an admin process and its replicas until the block ends."""
    with ExitStack() as stack:
        yield Fleet(directory, stack)


@contextmanager
def _running(arguments: list[str], directory: Path) -> Iterator[Service]:
    service = Service(arguments, directory)
    try:
        yield service
        assert [line for line in service.out + service.err if "Traceback" in line or "Unhandled" in line] == []
    finally:
        service.kill()
