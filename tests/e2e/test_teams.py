"""Tests of a service with the documents of several teams: mistakes of one, restarts beside them, and the snapshot."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows, ask, wait_for
from tests.store.store_texts import TEN_MISTAKES, toml

Start = Callable[..., Service]
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def write(path: Path, content: str | bytes) -> None:
    """Put another document in place, by a rename."""
    new = path.with_suffix(".new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.replace(path)


@pytest.fixture
def teams(tmp_path: Path) -> Path:
    """Give a directory with the documents of two teams."""
    directory = tmp_path / "teams"
    directory.mkdir()
    write(directory / "a.toml", toml("one"))
    write(directory / "b.toml", toml("two"))
    return directory


@pytest.fixture
def start(teams: Path) -> Iterator[Start]:
    """Give a function that starts a service of these documents with a snapshot; it is ended with the test."""
    services: list[Service] = []

    def begin(workers: str, *options: str) -> Service:
        words = [*TWIST, "--policies", str(teams), "--listen", ANY_PORT, "--workers", workers, *options]
        services.append(Service(words, teams.parent, listens=1))
        return services[-1]

    yield begin
    for service in services:
        service.kill()


def kept(teams: Path) -> str:
    """Give the option of the snapshot."""
    return f"--snapshot={teams.parent / 'snapshot.json'}"


def status(service: Service) -> dict[str, Any]:
    """Give what the service says of itself."""
    told: dict[str, Any] = ask(service.port, "/v1/status").json
    return told


def all_once(service: Service, condition: Callable[[dict[str, Any]], bool], what: str) -> list[dict[str, Any]]:
    """Wait until a condition holds of each process; give what each says of itself."""

    def found() -> list[dict[str, Any]] | None:
        told = status(service)
        one_or_all: list[dict[str, Any]] = told.get("workers", [told])
        return one_or_all if all(map(condition, one_or_all)) else None

    return wait_for(found, what)


def is_other(revision: str, one: dict[str, Any]) -> bool:
    """Whether a process has another revision."""
    return bool(one["revision"] != revision)


def behind(service: Service) -> dict[str, tuple[bool, int]]:
    """Give the documents that are behind, whether an earlier version is kept, and their number of mistakes."""
    told = status(service)["behind"]
    assert all(time.time() - 60 < one["since"] <= time.time() for one in told)
    return {Path(one["document"]).name: (one["kept"], len(one["mistakes"])) for one in told}


@WORKERS
def test_others_go_on(start: Start, teams: Path, workers: str) -> None:
    """Mistakes of one team keep its own last good version, and stop nobody else's change: the status names who is
    behind, in each process, until it is mended.
    """
    service = start(workers)
    first = status(service)["revision"]
    write(teams / "a.toml", TEN_MISTAKES)
    write(teams / "stray.toml", b"\xff\xfe")
    all_once(service, lambda one: one["stale"], "the mistakes")
    write(teams / "b.toml", toml("two", "more"))
    [revision] = {one["revision"] for one in all_once(service, lambda one: one["revision"] != first, "the change")}
    assert [allows(service.port, name, f"https://{name}.example") for name in ("one", "two", "more")] == [True] * 3
    # Two of ten are about names, which the stray file may define or use.
    assert behind(service) == {"a.toml": (True, 8), "stray.toml": (False, 1)}
    if workers == "2":
        [pid] = [one["pid"] for one in status(service)["workers"] if one["number"] == 1]
        os.kill(pid, signal.SIGKILL)
        fresh = all_once(service, lambda one: one["pid"] not in {None, pid} and one["stale"], "another worker")
        assert {one["revision"] for one in fresh} == {revision}
    write(teams / "a.toml", toml("newer"))
    (teams / "stray.toml").unlink()
    all_once(service, lambda one: not one["stale"], "the mended document")
    assert behind(service) == {}
    assert [allows(service.port, name, f"https://{name}.example") for name in ("newer", "two", "more")] == [True] * 3


@WORKERS
def test_a_stray_file_brings_nothing_back(start: Start, teams: Path, workers: str) -> None:
    """A grant that was taken back stays so, also if the service is killed the moment that this is active, and starts
    beside a file that is not a text.
    """
    for number in range(3):
        write(teams / "b.toml", toml("two", f"grant{number}"))
        service = start(workers, kept(teams))
        before = status(service)["revision"]
        assert allows(service.port, f"grant{number}", f"https://grant{number}.example")
        write(teams / "b.toml", toml("two"))
        all_once(service, partial(is_other, before), "the change")
        service.kill()
        write(teams / "stray.toml", b"\xff\xfe")
        service = start(workers, kept(teams))
        told = status(service)
        assert (told["stale"], told["policies"]) == (True, 2)
        assert behind(service) == {"stray.toml": (False, 1)}
        assert ask(service.port, f"/v1/decision?policy=grant{number}&origin=https://a.example").status == 404
        service.kill()
        (teams / "stray.toml").unlink()


@WORKERS
def test_restart_beside_mistakes(start: Start, teams: Path, workers: str) -> None:
    """A restart beside mistakes serves what was active, stale and loud, and goes on as if it had never ended."""
    service = start(workers, kept(teams))
    before = status(service)
    write(teams / "a.toml", TEN_MISTAKES)
    all_once(service, lambda one: one["stale"], "the mistakes")
    service.stop()
    service = start(workers, kept(teams))
    told = status(service)
    assert (told["revision"], told["loaded_at"], told["stale"]) == (before["revision"], before["loaded_at"], True)
    assert (len(told["mistakes"]), behind(service)) == (10, {"a.toml": (True, 10)})

    def said() -> list[str]:
        return [line for line in service.out + service.err if "a.toml" in line]

    # What workers log takes another way than what they answer.
    behind_now = "is behind: its last good version stays active"
    wait_for(lambda: any(behind_now in line for line in said()), "what is said of a.toml")
    assert sum("[" in line and "]" in line for line in said()) >= 10
    write(teams / "b.toml", toml("two", "more"))
    all_once(service, lambda one: one["revision"] != before["revision"], "the change")
    assert [allows(service.port, name, f"https://{name}.example") for name in ("one", "two", "more")] == [True] * 3


@WORKERS
def test_the_reader_dies_beside_mistakes(start: Start, teams: Path, workers: str) -> None:
    """Another process that reads goes on from the snapshot: beside one team's mistakes, others still change theirs."""
    service = start(workers, kept(teams))
    write(teams / "a.toml", TEN_MISTAKES)
    all_once(service, lambda one: one["stale"], "the mistakes")
    before = status(service)["revision"]
    [reader] = [
        int(pid)
        for pid in Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        if b"cors_service.reader" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(reader, signal.SIGKILL)
    write(teams / "b.toml", toml("two", "more"))
    all_once(service, lambda one: one["revision"] != before, "the change")
    assert allows(service.port, "one", "https://one.example")
    assert behind(service) == {"a.toml": (True, 10)}


def test_killed_when_a_change_is_active(start: Start, teams: Path) -> None:
    """Whatever is active is in the snapshot already."""
    service = start("1", kept(teams))
    for number in range(5):
        before = status(service)["revision"]
        write(teams / "b.toml", toml("two", f"grant{number}"))
        all_once(service, partial(is_other, before), "the change")
        held = json.loads((teams.parent / "snapshot.json").read_text())
        assert held["revision"] == status(service)["revision"]
