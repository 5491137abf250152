"""Insights of a running service: by its decision log, and by the admin process that it reports to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, Service, ask, wait_for
from tests.insights.logs import POLICIES

COMMAND = Path(sys.executable).with_name("cors-service")
APP, PARTNER, STRANGER = "https://app.example.com", "https://x.partner.example", "https://x.example"
QUESTIONS = {
    f"policy=app&origin={APP}": 5,
    f"policy=app&origin={APP}&request_method=PUT&request_headers=content-type": 2,
    f"policy=app&origin={APP}&method=PUT": 4,
    f"policy=app&origin={PARTNER}": 3,
    f"policy=app&origin={STRANGER}": 7,
    f"policy=app&origin={STRANGER}/path?secret=1": 1,
    "policy=app": 2,
    f"policy=other&origin={APP}": 1,
}


@pytest.fixture
def services() -> Iterator[ExitStack]:
    """Ends all that was started."""
    with ExitStack() as stack:
        yield stack


def compared(findings: dict[str, Any]) -> dict[str, Any]:
    """What of findings does not depend on how long they are kept and how fine."""
    parts = (
        "decisions",
        "other",
        "masked",
        "unplaced",
        "revision",
        "kinds",
        "policies",
        "wildcards",
        "unused",
        "undecided",
    )
    told = {part: findings[part] for part in parts}
    text = json.dumps(told)
    assert "secret" not in text
    return told


def test_a_log_and_the_admin_process_say_the_same(services: ExitStack, tmp_path: Path) -> None:
    """What a service decided, and nothing else, is in the insights of its log and in those of the admin process."""
    documents, log = tmp_path / "policies", tmp_path / "decisions.log"
    documents.mkdir()
    (documents / "policies.toml").write_text(POLICIES, encoding="utf-8")
    listen = ["--listen", ANY_PORT]
    admin_command = [*TWIST[:-1], "cors-admin", "--store", "policies", "--data", "data", *listen]
    admin = Service(admin_command, tmp_path)
    services.callback(admin.kill)
    to = ["--report-to", f"http://127.0.0.1:{admin.port}", "--report-spool", "spool.db", "--log-interval", "0.2"]
    service = Service([*TWIST, "--policies", "policies", *listen, "--decision-log", str(log), *to], tmp_path)
    services.callback(service.kill)
    wait_for(lambda: ask(service.port, "/readyz").status == 200, "the policies")
    for question, times in QUESTIONS.items():
        for _ in range(times):
            ask(service.port, f"/v1/decision?{question}")
    total = sum(QUESTIONS.values())

    def reported() -> dict[str, Any] | None:
        findings: dict[str, Any] = ask(admin.port, "/admin/v1/insights").json
        return findings if findings["decisions"] >= total else None

    from_admin = wait_for(reported, "the reports")
    service.stop()
    command = [str(COMMAND), "insights", str(log), "--policies", str(documents), "--json"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True)
    from_log = json.loads(done.stdout)
    assert done.stderr == b""
    assert compared(from_log) == compared(from_admin)
    counts = {(one["kind"], one["allowed"]): one["count"] for one in from_log["kinds"]}
    assert counts == {
        ("actual", True): 12,
        ("actual", False): 8,
        ("preflight", True): 2,
        ("no-origin", None): 2,
        ("undecided", None): 1,
    }
    assert (from_log["refusals"][0]["origin"], from_log["refusals"][0]["count"]) == (STRANGER, 7)
    assert [(one["pattern"], one["count"]) for one in from_log["wildcards"]] == [("https://*.partner.example", 3)]
    assert from_log["unused"]["policies"] == ["quiet"]
    assert [(cost["preflights"], cost["requests"]) for cost in from_log["preflights"]] == [(2, 4)]
    assert [one["count"] for one in from_log["undecided"]] == [1]
    steps = ask(admin.port, "/admin/v1/traffic").json["steps"]
    assert [sum(step[part] for step in steps) for part in ("allowed", "undecided")] == [14, 1]
