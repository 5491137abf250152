"""Documents that cost much, or never come to an end, and a reader that is stuck: others go on, and it is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.daemons import wait_for
from tests.e2e.load.service import Service, running

WORKERS = [(), ("--workers=2",)]


def policy(name: str, *origins: str) -> str:
    """Write a document with a policy."""
    listed = ", ".join(f'"{origin}"' for origin in origins)
    return f"version = 1\n[policies.{name}]\norigins = [{listed}]\n"


def make_large(path: Path) -> None:
    """Make a file of a TiB, which takes no room."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "fifo.toml": os.mkfifo,
    "device.toml": lambda path: path.symlink_to("/dev/zero"),
    "input.toml": lambda path: path.symlink_to("/proc/self/fd/0"),
    "outside.toml": lambda path: path.symlink_to("/etc/passwd"),
    "large.toml": make_large,
    "key.toml": lambda path: path.write_text(f"{'a.' * 20_000}a = 1"),
    "memory.json": lambda path: path.write_text(f"[{'[],' * 4_000_000}[]]"),
    "mistakes.toml": lambda path: path.write_text(policy("mistakes", *["x"] * 3000)),
    "names.toml": lambda path: path.write_text(policy("names", *[f"@{'a' * 60}{number}" for number in range(300)])),
    "alternatives.toml": lambda path: path.write_text(
        policy("alternatives", *[f"https://{{0,1,2,3}}{'-{0,1,2,3}' * 3}.a{number}.example" for number in range(1000)])
    ),
    "expressions.toml": lambda path: path.write_text(
        policy("expressions", *[f"re:https://[a-z]{{1,900}}{number}" for number in range(300)])
    ),
}


def reader_of(service: Service) -> int:
    """Find the process that reads for a service."""
    for pid in Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text(encoding="ascii").split():
        if b"cors_service.reader" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise LookupError


def is_allowed(service: Service, name: str) -> bool:
    """Ask whether a policy is active that allows what its name says."""
    with service.connect() as connection:
        query = {"policy": name, "method": "GET", "origin": f"https://{name}.example"}
        answer = connection.post("/v1/decision", query)
        return answer.status == 200 and bool(answer.json["allowed"])


@pytest.mark.parametrize("options", WORKERS, ids=["one process", "workers"])
def test_hostile_documents(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Beside all kinds of hostile documents the change of another team comes into force; the status names each."""
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "good.toml").write_text(policy("one", "https://one.example"))
    with running(policies, "--reader-memory=512", *options) as service:
        for name, make in HOSTILE.items():
            make(policies / name)
        (policies / "good.toml").write_text(policy("two", "https://two.example"))
        wait_for(lambda: is_allowed(service, "two"), "the change of another team")
        wait_for(lambda: len(service.status()["behind"]) == len(HOSTILE), "all mistakes")
        status = service.status()
        assert {Path(one["document"]).name for one in status["behind"]} == HOSTILE.keys()
        assert (status["stale"], len(status["mistakes"]), status["more_mistakes"] > 2000) == (True, 1000, True)
        for name in HOSTILE:
            (policies / name).unlink()
        wait_for(lambda: service.status()["stale"] is False, "the end of all mistakes")
        assert (is_allowed(service, "two"), is_allowed(service, "one")) == (True, False)


@pytest.mark.parametrize("options", WORKERS, ids=["one process", "workers"])
def test_stuck_reader(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A reader that is stuck is told of, and killed; the last good set serves, and the next reader goes on."""
    path = tmp_path / "policies.toml"
    path.write_text(policy("one", "https://one.example"))
    with running(path, "--reader-timeout=4", *options) as service:
        stuck = wait_for(lambda: reader_of(service), "the reader")
        os.kill(stuck, signal.SIGSTOP)
        status = wait_for(lambda: status if (status := service.status())["stale"] else None, "a stale status")
        assert [mistake["code"] for mistake in status["mistakes"]] == ["reader-failed"]
        assert "no sign of life for 4 seconds" in status["mistakes"][0]["message"]
        assert is_allowed(service, "one")
        path.write_text(policy("two", "https://two.example"))
        wait_for(lambda: is_allowed(service, "two"), "the change")
        wait_for(lambda: service.status()["stale"] is False, "a status that is not stale")
        assert reader_of(service) != stuck
