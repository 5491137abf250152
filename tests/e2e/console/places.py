"""A console as an operator runs it: with people who have tokens, and services that report to it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from cors_service.access.tokens import token_entry
from tests.certificates import Authority, written
from tests.e2e.daemons import ANY_PORT, TWIST, Answer, Process, Service, ask, wait_for

TOKENS: Final = {
    "olga": token_entry("olga", "olga-token", ["read", "write"]),
    "second": token_entry("second", "second-token", ["read", "write", "approve"], needs_second=True),
    "approver": token_entry("approver", "approver-token", ["read", "approve"]),
    "reader": token_entry("reader", "reader-token", ["read"]),
    "replica": token_entry("replica", "replica-token", ["report"]),
}
"""The people, and the token of the replicas."""
HOSTILE: Final = "<script>document.title='owned'</script>"
LONGEST: Final = f"{'long-' * 24}longname"
"""The longest name that a policy may have."""
SHOP: Final = "https://shop.example.com"
POLICIES: Final = f"""\
version = 1

[policies.shop]
match = ["api.example.com/shop/"]

[[policies.shop.rules]]
origins = ["{SHOP}"]
methods = ["GET", "PUT"]
request_headers = ["content-type"]
credentials = true
max_age = 600

[[policies.shop.rules]]
origins = ["https://*.partner.example"]

[policies.{LONGEST}]
origins = ["https://{"a" * 60}.example.com"]
"""


class Place:
    """A console that runs.

    Attributes:
        address: Where it is.
        secure_address: The same over TLS, with a certificate that nobody knows.
        directory: Where everything is.
        admin: The process.
        replicas: The services that report to it.
    """

    def __init__(self, directory: Path, admin: Service, replicas: Sequence[Service]) -> None:
        self.directory = directory
        self.admin = admin
        self.replicas = replicas
        self.address = f"http://127.0.0.1:{admin.port}"
        self.secure_address = f"https://127.0.0.1:{admin.ports[1]}"

    def decide(self, origin: str, policy: str = "shop", times: int = 1) -> None:
        """Have the first replica decide."""
        for _ in range(times):
            ask(self.replicas[0].port, f"/v1/decision?{urlencode({'policy': policy, 'origin': origin})}")

    def send(self, method: str, path: str, value: Any = None, who: str = "olga", **headers: str) -> Answer:
        """Send a request to a path beneath `/admin/v1`; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin.port, timeout=30)
        lines = {"Content-Type": "application/json", "Authorization": f"Bearer {who}-token"}
        lines |= {name.replace("_", "-"): line for name, line in headers.items()}
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, f"/admin/v1/{path}", body, lines)
            response = connection.getresponse()
            found = {name.lower(): line for name, line in response.getheaders()}
            return Answer(response.status, found, json.loads(response.read() or b"null"))
        finally:
            connection.close()


@contextmanager
def running_place(directory: Path, *, replicas: int = 1, policies: str = POLICIES) -> Iterator[Place]:
    """Run a console, and services that report to it, until the block ends.

    Args:
        directory: Where everything is; empty.
        replicas: How many services.
        policies: The document.
    """
    (directory / "policies").mkdir()
    (directory / "policies" / "policies.toml").write_text(policies, encoding="utf-8")
    (directory / "auth.toml").write_text("\n".join(TOKENS.values()), encoding="utf-8")
    (directory / "replica.token").write_text("replica-token", encoding="utf-8")
    written(directory, Authority("nobody").sign("service"))
    secure = "https:0:interface=127.0.0.1:key=service.key:cert=service.crt"
    stores = ["--store", "policies", "--data", "data", "--auth", "auth.toml", "--listen", ANY_PORT, "--listen", secure]
    with ExitStack() as stack:
        admin = _started(stack, [*TWIST[:-1], "cors-admin", *stores], directory, listens=2)
        reports = ["--report-to", f"http://127.0.0.1:{admin.port}", "--report-token", "replica.token"]
        serving = [*TWIST, "--policies", "policies", "--listen", ANY_PORT, *reports]
        started = [
            _started(stack, [*serving, "--instance", f"eu-{number}", "--report-spool", f"spool-{number}"], directory)
            for number in range(1, replicas + 1)
        ]
        place = Place(directory, admin, started)
        wait_for(lambda: len(place.send("GET", "fleet").json["replicas"]) == replicas, "the reports")
        yield place
        said = "\n".join(line for process in (admin, *started) for line in process.out + process.err)
        at = re.search("Traceback|Unhandled", said)
        assert at is None, said[max(at.start() - 200, 0) : at.start() + 3000]


def _started(stack: ExitStack, arguments: Sequence[str], directory: Path, *, listens: int = 1) -> Service:
    service = Service(arguments, directory, listens=listens)
    stack.callback(Process.kill, service)
    return service
