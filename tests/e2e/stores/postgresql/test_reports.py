"""A fleet on PostgreSQL, and the admin process that it reports to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for
from tests.e2e.stores.postgresql.conftest import Database
from tests.e2e.stores.postgresql.test_admin import ADMIN
from tests.e2e.stores.postgresql.test_store import write_by_hand
from tests.e2e.test_admin import send


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Keep processes, and end them."""
    with ExitStack() as stack:
        yield stack


def replica(stack: ExitStack, name: str, url: str, admin: Service, directory: Path, *options: str) -> Service:
    """Start a replica that reports."""
    reports = ["--report-to", f"http://127.0.0.1:{admin.port}", "--report-spool", f"{name}.spool", "--instance", name]
    command = [*TWIST, "--policies", url, "--listen", ANY_PORT, "--confirm-interval", "0.3", *reports, *options]
    service = Service(command, directory)
    stack.callback(service.kill)
    return service


def test_who_has_what(database: Database, tmp_path: Path, stack: ExitStack) -> None:
    """A change waits until each replica has its number and its revision; who refuses what the store holds says so."""
    url = database.secret_url(tmp_path)
    admin = Service([*ADMIN, "--store", url], tmp_path)
    stack.callback(admin.kill)
    shop = {"origins": ["https://a.example.com", "https://b.example.com"]}
    assert send(admin.port, "PUT", "policies/shop", shop, If_None_Match="*").status == 201
    replica(stack, "eu", url, admin, tmp_path, "--workers", "2")
    replica(stack, "us", url, admin, tmp_path)

    def fleet() -> dict[str, Any]:
        found: dict[str, Any] = ask(admin.port, "/admin/v1/fleet").json
        return found

    wait_for(lambda: (fleet()["confirmed"], fleet()["waiting"]) == (2, []), "both replicas")
    narrower = {"origins": ["https://a.example.com"]}
    made = send(admin.port, "PUT", "policies/shop", narrower, If_Match="*", Prefer="wait=25").json
    seq = made["entry"]["seq"]
    assert (made["fleet"]["confirmed"], made["fleet"]["waiting"]) == (2, [])
    assert made["enforced_everywhere_at"] <= made["decisions_cached_until"] <= made["preflights_cached_until"]
    assert [one["seq"] for one in fleet()["replicas"]] == [seq, seq]

    write_by_hand(database, "shop", '{"origins": ["nonsense"]}')

    def refusals() -> list[str | None]:
        return [one["problem"] and one["problem"]["code"] for one in fleet()["replicas"]]

    wait_for(lambda: refusals() == ["store-does-not-load"] * 2, "what both say")
    assert [one["seq"] for one in fleet()["replicas"]] == [seq, seq]
    assert "nonsense" in fleet()["replicas"][0]["problem"]["message"]
