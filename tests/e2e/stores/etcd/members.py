"""Members of etcd on free ports of this machine, each with its own data, and what is done to them."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.answering import free_port
from tests.e2e.daemons import DEADLINE, Process, wait_for
from tests.e2e.requirements import need

FILLER = "/filler"
ALIVE = {"--heartbeat-interval": "100", "--election-timeout": "1000"}


class Member:
    """A member of a cluster.

    Attributes:
        name: Its name.
        port: Where clients reach it.
        peer: Where other members reach it.
        data: The directory of its data.
    """

    def __init__(self, name: str, data: Path, arguments: Sequence[str] = (), *, context: Any = None) -> None:
        self.name, self.data = name, data
        self.renumber()
        self.arguments = arguments
        self._context = context
        self._process: Process | None = None

    def renumber(self) -> None:
        """Choose ports."""
        self.port, self.peer = free_port(), free_port()

    def start(self, members: Sequence[Member]) -> None:
        """Start it, as one of a cluster that begins with these members."""
        [etcd] = need("etcd")
        scheme = "http" if self._context is None else "https"
        clients, peers = f"{scheme}://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        options = {
            "--name": self.name,
            "--data-dir": str(self.data),
            "--listen-client-urls": clients,
            "--advertise-client-urls": clients,
            "--listen-peer-urls": peers,
            "--initial-advertise-peer-urls": peers,
            "--initial-cluster": ",".join(f"{one.name}=http://127.0.0.1:{one.peer}" for one in members),
            "--initial-cluster-token": str(self.data.parent),
            "--logger": "zap",
            "--log-level": "error",
            **ALIVE,
        }
        flat = [word for pair in options.items() for word in pair]
        self._process = Process([etcd, *flat, *self.arguments], self.data.parent)

    def ask(self, path: str, body: dict[str, Any], *, token: str = "", seconds: float = DEADLINE) -> dict[str, Any]:
        """Send a request to the gateway; an error is an answer, too."""
        if self._context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=seconds, context=self._context)
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(body), {"Authorization": token} if token else {})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether it answers out of a quorum."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            # Whoever asks without signing in is refused, which is an answer.
            answer = self.ask("kv/range", {"key": text64("/")}, seconds=2)
            return "header" in answer or "user name is empty" in answer.get("message", "")
        return False

    def is_ready_or_gone(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.is_ready() or not self.is_alive

    def pause(self) -> None:
        """Stop it, so that it neither answers nor closes anything."""
        assert self._process is not None
        self._process.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive


class Cluster:
    """A cluster.

    Attributes:
        members: Its members.
    """

    def __init__(
        self, directory: Path, count: int = 1, arguments: Sequence[str] = (), *, context: ssl.SSLContext | None = None
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.members = [Member(f"m{i}", directory / f"m{i}", arguments, context=context) for i in range(count)]
        self._is_tls = context is not None

    @property
    def first(self) -> Member:
        """The first member."""
        return self.members[0]

    def start(self) -> None:
        """Start all members that don't run, and wait until all of them answer."""
        for member in self.members:
            if not member.is_alive:
                member.start(self.members)
        self.wait()

    def wait(self) -> None:
        """Wait until all members answer."""
        for member in self.members:
            wait_for(member.is_ready_or_gone, f"{member.name} of etcd")
            assert member.is_alive, f"{member.name} of etcd has ended"

    def begin(self) -> None:
        """Start it for the first time, with other ports if somebody took one meanwhile."""
        for _ in range(3):
            with suppress(AssertionError):
                self.start()
                return
            self.stop()
            for member in self.members:
                shutil.rmtree(member.data, ignore_errors=True)
                member.renumber()
        self.start()

    def stop(self) -> None:
        """End all members."""
        for member in self.members:
            member.kill()

    def url(self, prefix: str, *members: Member, options: str = "") -> str:
        """Give the URL of a store.

        Args:
            prefix: That of its keys.
            members: The endpoints to name; all of them if none is given.
            options: Options with a question mark.
        """
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in members or self.members)
        return f"{'etcds' if self._is_tls else 'etcd'}://{hosts}{prefix}{options}"

    def ask(self, path: str, body: dict[str, Any], *, token: str = "") -> dict[str, Any]:
        """Send a request to the first member."""
        return self.first.ask(path, body, token=token)

    def put(self, key: str, value: str) -> int:
        """Put a key, and give the revision that does it."""
        return revision_of(self.ask("kv/put", {"key": text64(key), "value": text64(value)}))

    def remove(self, key: str, end: str = "") -> int:
        """Remove keys, and give the revision that does it."""
        return revision_of(self.ask("kv/deleterange", {"key": text64(key), "range_end": text64(end)}))

    def keys(self, prefix: str) -> list[str]:
        """Give all keys that begin with something."""
        answer = self.ask("kv/range", {"key": text64(prefix), "range_end": text64(prefix + "\x7f"), "keys_only": True})
        return [base64.b64decode(one["key"]).decode() for one in answer.get("kvs", ())]

    def value(self, key: str) -> str:
        """Give what stands at a key."""
        [kv] = self.ask("kv/range", {"key": text64(key)})["kvs"]
        return base64.b64decode(kv["value"]).decode()

    def revision(self) -> int:
        """Give the revision that it is at."""
        return revision_of(self.ask("kv/range", {"key": text64("/")}))

    def compact(self, revision: int) -> None:
        """Let it forget everything before a revision."""
        self.ask("kv/compaction", {"revision": revision, "physical": True})

    def control(self, *arguments: str) -> str:
        """Run etcdctl, and give what it prints."""
        [program] = need("etcdctl")
        endpoints = f"--endpoints={'https' if self._is_tls else 'http'}://127.0.0.1:{self.first.port}"
        return subprocess.run(
            [program, endpoints, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
        ).stdout

    def free(self) -> None:
        """Make space again, behind `fill`."""
        self.remove(FILLER)
        self.compact(self.revision())
        self.control("defrag")
        self.control("alarm", "disarm")

    def restore(self, backup: Path) -> None:
        """Make the data of the one member out of a snapshot, while it does not run."""
        [member] = self.members
        shutil.rmtree(member.data)
        place = f"http://127.0.0.1:{member.peer}"
        itself = ["--initial-cluster", f"{member.name}={place}", "--initial-advertise-peer-urls", place]
        self.control("snapshot", "restore", str(backup), "--data-dir", str(member.data), "--name", member.name, *itself)


def fill(cluster: Cluster) -> dict[str, Any]:
    """Put something large."""
    return cluster.ask("kv/put", {"key": text64(FILLER), "value": text64("x" * 500_000)})


def text64(text: str) -> str:
    """Write a key or a value as requests have it."""
    return base64.b64encode(text.encode()).decode()


def revision_of(answer: dict[str, Any]) -> int:
    """Give the revision of an answer."""
    return int(answer["header"]["revision"])


def started(cluster: Cluster) -> Iterator[Cluster]:
    """Start a cluster for a fixture, and end it; its data, which are hundreds of MiB, go with it."""
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.stop()
        for member in cluster.members:
            shutil.rmtree(member.data, ignore_errors=True)
