"""The replicas of a fleet, and the admin process that they report to, each as operators start it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, Final

from tests.answering import free_port
from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for

_PATIENCE: Final = 60.0


class Replica:
    """A replica.

    Attributes:
        number: Its number.
        port: Where it listens.
        starts: When it was started, the first time and again, as the clock of all processes has it.
    """

    def __init__(self, number: int, url: str, admin_port: int | None, directory: Path) -> None:
        """Prepare one.

        Args:
            number: Its number.
            url: That of the store.
            admin_port: Where the admin process listens; None if there is none.
            directory: For its snapshot.
        """
        self.number = number
        self.port = free_port()
        self.starts: list[float] = []
        self._directory = directory
        options = {
            "--policies": url,
            "--listen": f"tcp:{self.port}:interface=127.0.0.1",
            "--instance": self.instance,
            "--snapshot": f"{self.instance}.snapshot",
        }
        if admin_port is not None:
            options |= {"--report-to": f"http://127.0.0.1:{admin_port}", "--report-spool": f"{self.instance}.spool"}
        self._command = [*TWIST, *(word for pair in options.items() for word in pair)]
        self._service: Service | None = None

    @property
    def instance(self) -> str:
        """What it calls itself."""
        return f"replica-{self.number}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.starts.append(time.monotonic())
        self._service = Service(self._command, self._directory)

    def kill(self) -> None:
        """End it at once, with all that it has started; what it said is in its log."""
        service, self._service = self._service, None
        if service is not None:
            service.kill()
            with (self._directory / f"{self.instance}.log").open("a", encoding="utf-8") as log:
                log.writelines(f"{line}\n" for line in service.out + service.err)

    def revision(self) -> str | None:
        """Ask which policies it has."""
        revision: str | None = ask(self.port, "/v1/status").json.get("revision")
        return revision

    def complaints(self) -> list[str]:
        """What it has written that nobody should ever read."""
        service = self._service
        lines = [] if service is None else service.out + service.err
        return [line for line in lines if "Traceback" in line or "Unhandled" in line]


class Fleet:
    """Replicas of one store, and an admin process.

    Attributes:
        replicas: The replicas.
        admin_port: Where the admin process listens.
    """

    def __init__(self, url: str, directory: Path, count: int) -> None:
        """Start the admin process, and prepare the replicas.

        Args:
            url: That of the store, which has policies.
            directory: For what each keeps.
            count: How many replicas.
        """
        self._admin = Service(
            [*TWIST[:-1], "cors-admin", "--store", url, "--data", "data", "--listen", ANY_PORT], directory
        )
        self.admin_port = self._admin.port
        self.replicas = [Replica(number, url, self.admin_port, directory) for number in range(count)]

    def start(self) -> None:
        """Start all replicas."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Replica.start, self.replicas))

    def kill(self) -> None:
        """End all."""
        for replica in self.replicas:
            replica.kill()
        self._admin.kill()

    def kill_one(self, chance: Random) -> None:
        """Kill a replica, and start it again, with the snapshot that it has."""
        replica = chance.choice(self.replicas)
        replica.kill()
        Event().wait(chance.uniform(0, 1.5))
        replica.start()

    def wait(self, revision: str) -> None:
        """Wait until all replicas have policies, as long as that may take; whoever has them not is judged later."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if all(replica.revision() == revision for replica in self.replicas):
                return
            Event().wait(0.05)

    def reported(self) -> dict[str, Any]:
        """Wait until the admin process knows that all replicas are current; give what it knows if that never comes."""
        found: dict[str, Any] = {}

        def is_current() -> bool:
            found.update({one["instance"]: one for one in self.admin("GET", "fleet")[1]["replicas"]})
            return len(found) == len(self.replicas) and all(one["current"] for one in found.values())

        try:
            wait_for(is_current, "the reports of all replicas")
        except AssertionError:
            return found
        return {}

    def admin(self, method: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask the admin process; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=_PATIENCE)
        lines = {name.replace("_", "-"): line for name, line in headers.items()}
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, f"/admin/v1/{path}", body, {"Content-Type": "application/json", **lines})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()


@contextmanager
def fleet(url: str, directory: Path, count: int) -> Iterator[Fleet]:
    """Run a fleet, and end it for sure."""
    one = Fleet(url, directory, count)
    try:
        one.start()
        yield one
    finally:
        one.kill()
