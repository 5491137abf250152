"""The decision log of a real service: nothing is lost, and the account closes, whatever is killed or full."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from cors_service.observe.lines import SCHEMA
from tests.answering import free_port
from tests.e2e.daemons import ANY_PORT, TWIST, Process, Service, allows, ask, wait_for

VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
INTERVAL = "0.2"
ORIGINS = [f"https://{name}.example" for name in ("one", "two", "three", "four", "five")]
POLICIES = """
version = 1
[policies.shop]
origins = ["https://one.example", "https://two.example"]
"""

Start = Callable[..., Service]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A document."""
    path = tmp_path / "policies.toml"
    path.write_text(POLICIES)
    return path


@pytest.fixture
def start(policies: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts services that decide by the document, and ends them for sure."""
    with ExitStack() as services:

        def make(*options: str, workers: int = 1) -> Service:
            command = [*TWIST, "--policies", str(policies), "--listen", ANY_PORT, "--log-interval", INTERVAL]
            service = Service([*command, "--workers", str(workers), *options], tmp_path)
            services.callback(service.kill)
            wait_for(lambda: allows(service.port, "shop", ORIGINS[0]) is not None, "the first answer")
            return service

        yield make


class Asked:
    """Asks a service, and counts."""

    def __init__(self) -> None:
        # The fixture asks once for each service that it starts.
        self.count = 0

    def ask(self, service: Service, times: int = 3) -> None:
        """Ask about each origin so many times."""
        for _ in range(times):
            for origin in ORIGINS:
                assert allows(service.port, "shop", origin) is (origin in ORIGINS[:2])
                self.count += 1


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a decision log; all of them fit the schema, and have an end."""
    data = path.read_bytes() if path.exists() else b""
    assert data == b"" or data.endswith(b"\n")
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    return lines


def decided(lines: list[dict[str, Any]]) -> int:
    """How many decisions lines are about."""
    return sum(line["count"] for line in lines if line["type"] in {"decisions", "other"})


def account(service: Service, log: str) -> dict[str, Any]:
    """The account of the file or the reports, which closes."""
    told: dict[str, Any] = ask(service.port, "/v1/status").json["log"][log]
    assert told["emitted"] == told["delivered"] + told["dropped"] + told["queued"]
    return told


# The file.


@pytest.mark.parametrize("workers", [1, 2])
def test_file(start: Start, tmp_path: Path, workers: int) -> None:
    """The counts of the lines are the number of questions, those to a killed worker and the last ones included."""
    path, asked = tmp_path / "decisions.log", Asked()
    service = start("--decision-log", str(path), workers=workers)
    asked.ask(service)
    wait_for(lambda: decided(lines_of(path)) == asked.count + 1, "the lines")
    if workers > 1:
        asked.ask(service)
        pid = ask(service.port, "/v1/status").json["workers"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        service.said(r"Worker 1 \(process \d+\) ended: signal 9")
    asked.ask(service)
    told = account(service, "file")
    assert (told["dropped"], told["problem"]) == (0, None)
    asked.ask(service)
    assert service.stop() == -signal.SIGTERM
    lines = lines_of(path)
    assert decided(lines) == asked.count + 1
    seen = [line for line in lines if line["type"] == "seen"]
    assert sorted(line["origin"] for line in seen) == sorted(ORIGINS)
    for origin in ORIGINS[2:]:
        service.said(f"Policy shop refuses {origin} for the first time")


def test_trace(start: Start, tmp_path: Path) -> None:
    """A line about what is seen first leads to the answer and to the trace of the question."""
    path = tmp_path / "decisions.log"
    service = start("--decision-log", str(path), "--log-sample", "1")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    target = f"/v1/decision?policy=shop&origin={ORIGINS[4]}"
    answer = ask(service.port, target, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    found = wait_for(
        lambda: [line for line in lines_of(path) if line["type"] in {"seen", "sample"} and line["trace"]], "the lines"
    )
    assert {(line["origin"], line["id"], line["trace"]) for line in found} == {
        (ORIGINS[4], answer.headers["cors-decision-id"], trace)
    }
    service.stop()
    assert len([line for line in lines_of(path) if line["type"] == "sample"]) == decided(lines_of(path))


def test_rotation(start: Start, tmp_path: Path) -> None:
    """After a rename, and after a rename with SIGHUP, lines go to a new file, and the counts of all are right."""
    path, asked = tmp_path / "decisions.log", Asked()
    service = start("--decision-log", str(path))
    asked.ask(service)
    wait_for(lambda: decided(lines_of(path)) == asked.count + 1, "the lines")
    path.rename(tmp_path / "decisions.1")
    asked.ask(service)
    wait_for(lambda: decided(lines_of(path)) > 0, "the new file")
    path.rename(tmp_path / "decisions.2")
    service.signal(signal.SIGHUP)
    wait_for(path.exists, "the third file")
    asked.ask(service)
    service.stop()
    files = [tmp_path / name for name in ("decisions.1", "decisions.2", "decisions.log")]
    assert all(decided(lines_of(file)) for file in files)
    assert sum(decided(lines_of(file)) for file in files) == asked.count + 1


def test_full_disk(start: Start, tmp_path: Path) -> None:
    """While the disk is full, decisions go on and lines wait; when there is room, all of them are written."""
    path, asked = tmp_path / "decisions.log", Asked()
    service = start("--decision-log", str(path))
    asked.ask(service)
    wait_for(lambda: decided(lines_of(path)) == asked.count + 1, "the lines")
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 200, resource.RLIM_INFINITY))
    asked.ask(service)
    service.said("The decision log can't be written: ")
    asked.ask(service)
    wait_for(lambda: account(service, "file")["problem"], "the problem in the status")
    assert account(service, "file")["queued"] > 0
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    service.said("The decision log is written again")
    service.stop()
    assert decided(lines_of(path)) == asked.count + 1


def test_standard_output(start: Start) -> None:
    """With `-`, the lines are on standard output."""
    service = start("--decision-log", "-", workers=1)
    VALIDATOR.validate(json.loads(service.said(r'^\{"type":"decisions".*')[0]))


# Reports.


class Collected:
    """A collector in a process of its own.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, directory: Path) -> None:
        self._kept, self._mood, self._directory = directory / "kept", directory / "mood", directory
        self._process: Process | None = None
        self.port = free_port()
        self.mood("good")
        self.start()

    def start(self) -> None:
        """Start it."""
        program = Path(__file__).with_name("collector.py")
        arguments = [sys.executable, str(program), str(self.port), str(self._kept), str(self._mood)]
        self._process = Process(arguments, self._directory)
        self._process.said("listening on")

    def mood(self, mood: str) -> None:
        """Put it into a mood."""
        (new := self._mood.with_name("new-mood")).write_text(mood)
        new.rename(self._mood)

    def suffers(self, mood: str) -> None:
        """Wait until a report came while it was in a mood."""
        assert self._process is not None
        self._process.said(f"^{mood}$")

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def reports(self) -> list[dict[str, Any]]:
        """What it took; of a batch that came again, the first."""
        data = self._kept.read_bytes() if self._kept.exists() else b""
        # A collector that was killed may have left a part of one, without an answer.
        whole = [json.loads(line) for line in data.split(b"\n") if line.endswith(b"}")]
        return [*{report["batch"]: report for report in reversed(whole)}.values()]

    def lines(self) -> list[dict[str, Any]]:
        """The lines that it took."""
        lines = [line for report in self.reports() for line in report["lines"]]
        for line in lines:
            VALIDATOR.validate(line)
        return lines


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collected]:
    """A collector."""
    made = Collected(tmp_path)
    yield made
    made.kill()


def reporting(collector: Collected, tmp_path: Path) -> list[str]:
    """The options of a service that reports to a collector."""
    url = f"http://127.0.0.1:{collector.port}"
    return ["--report-to", url, "--report-spool", str(tmp_path / "spool"), "--instance", "eu-1"]


def all_delivered(service: Service) -> dict[str, Any]:
    """Wait until no line waits, and give the account."""
    return wait_for(
        lambda: told if not (told := account(service, "reports"))["queued"] else None, "the end of the queue"
    )


def test_reports(start: Start, collector: Collected, tmp_path: Path) -> None:
    """However a collector fails, all that was decided gets there, each line once, and the account always closes."""
    asked = Asked()
    service = start(*reporting(collector, tmp_path))
    collector.mood("slow")
    asked.ask(service)
    collector.suffers("slow")
    asked.ask(service)
    wait_for(lambda: account(service, "reports")["queued"], "lines that wait")
    collector.kill()
    collector.start()
    for mood in ("broken", "half", "lossy"):
        collector.mood(mood)
        asked.ask(service)
        collector.suffers(mood)
        account(service, "reports")
    collector.kill()
    asked.ask(service)
    wait_for(lambda: account(service, "reports")["queued"], "lines that wait")
    status = ask(service.port, "/v1/status").json["log"]["sending"]
    assert status["failing_since"] is not None
    collector.mood("good")
    collector.start()
    asked.ask(service)
    wait_for(lambda: decided(collector.lines()) == asked.count + 1, "all decisions")
    told = all_delivered(service)
    assert (told["dropped"], told["delivered"]) == (0, len(collector.lines()))
    replica = collector.reports()[0]["replica"]
    revision = ask(service.port, "/v1/status").json["revision"]
    assert (replica["instance"], replica["revision"], replica["workers"]) == ("eu-1", revision, 1)
    service.said("Reports to .* fail: ")
    service.said("Reports to .* are taken again")
    # Neither the site nor the client of the collector tells of its factories.
    assert not [line for line in service.out if "factory" in line]


def test_killed(start: Start, collector: Collected, tmp_path: Path) -> None:
    """Whatever process is killed, and whenever, the account in the spool closes, and the next start goes on with it."""
    asked, path = Asked(), tmp_path / "decisions.log"
    collector.mood("broken")
    service = start(*reporting(collector, tmp_path), "--decision-log", str(path), workers=2)
    asked.ask(service)
    wait_for(lambda: decided(lines_of(path)) == asked.count + 1, "the lines")
    wait_for(lambda: account(service, "reports")["queued"] == len(lines_of(path)), "the same lines in the spool")
    pid = ask(service.port, "/v1/status").json["workers"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    service.said(r"Worker 1 \(process \d+\) ended: signal 9")
    before = account(service, "reports")
    os.kill(service.pid, signal.SIGKILL)
    service.ends()
    again = start(*reporting(collector, tmp_path))
    told = account(again, "reports")
    assert told["emitted"] >= before["emitted"]
    collector.mood("lossy")
    collector.suffers("lossy")
    collector.kill()
    collector.mood("good")
    collector.start()
    asked.ask(again)
    wait_for(lambda: decided(collector.lines()) == asked.count + 2, "all decisions")
    told = all_delivered(again)
    assert (told["dropped"], told["delivered"]) == (0, len(collector.lines()))


def test_the_end(start: Start, collector: Collected, tmp_path: Path) -> None:
    """What was decided last is delivered before the service ends, if the collector is there, and else by the next."""
    asked = Asked()
    service = start(*reporting(collector, tmp_path))
    asked.ask(service)
    service.stop()
    assert decided(collector.lines()) == asked.count + 1
    collector.mood("broken")
    second = start(*reporting(collector, tmp_path))
    asked.ask(second)
    second.stop()
    assert decided(collector.lines()) == len(ORIGINS) * 3 + 1
    collector.mood("good")
    third = start(*reporting(collector, tmp_path))
    wait_for(lambda: decided(collector.lines()) >= asked.count + 2, "what the second left")
    third.stop()
    assert decided(collector.lines()) == asked.count + 3


def test_admin(start: Start, policies: Path, tmp_path: Path) -> None:
    """An admin process takes the reports of whom it knows, and tells of as many decisions as were made."""
    token = subprocess.run(
        [Path(sys.executable).with_name("cors-service"), "token", "eu-1", "--verb", "report", "--verb", "read"],
        capture_output=True,
        text=True,
        check=True,
    )
    (auth := tmp_path / "auth.toml").write_text(token.stdout)
    (kept := tmp_path / "token").write_text(token.stderr.split()[7])
    for name in ("store", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "store" / policies.name).write_text(POLICIES)
    places = ["--store", "store", "--data", "data", "--auth", str(auth), "--listen", ANY_PORT]
    admin = Service([*TWIST[:-1], "cors-admin", *places], tmp_path)
    try:
        url = f"http://127.0.0.1:{admin.port}"
        options = ["--report-to", url, "--report-spool", "spool", "--report-token", str(kept), "--instance", "eu-1"]
        asked, service = Asked(), start(*options)
        asked.ask(service)

        def told(path: str) -> Any:
            answer = ask(admin.port, path, {"Authorization": f"Bearer {kept.read_text()}"})
            assert answer.status == 200
            return answer.json

        def counted() -> int:
            return sum(step["allowed"] + step["refused"] + step["other"] for step in told("/admin/v1/traffic")["steps"])

        wait_for(lambda: counted() == asked.count + 1, "all decisions")
        [replica] = told("/admin/v1/fleet")["replicas"]
        assert (replica["instance"], replica["workers"]) == ("eu-1", 1)
        assert replica["revision"] == ask(service.port, "/v1/status").json["revision"]
    finally:
        admin.kill()


def test_one_service_a_spool(start: Start, collector: Collected, tmp_path: Path, policies: Path) -> None:
    """A second service can't have the spool of the first, and says so in a line."""
    start(*reporting(collector, tmp_path))
    command = [*TWIST, "--policies", str(policies), "--listen", ANY_PORT, *reporting(collector, tmp_path)]
    second = Process(command, tmp_path)
    assert second.ends() == 1
    assert second.err == [f"cors-service: --report-spool: '{tmp_path / 'spool'}' is in use by another process"]
    second.kill()
