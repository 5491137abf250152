"""How a change goes over the fleet, and until when what it took back lives on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.admin.replicas import Replica
from tests.console.test_change import HOSTILE, opened, wider
from tests.console.visits import ConsoleOffice, Read


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine, with a console."""
    return ConsoleOffice(tmp_path)


def report(office: ConsoleOffice, *names: str, revision: str | None = None) -> None:
    """Let replicas report that they have the newest change, or something else."""
    for name in names:
        newest = office.desk.changes.kept.head.revision
        office.desk.replicas.take(Replica(instance=name, version="1", revision=revision or newest))


def narrowed(office: ConsoleOffice) -> None:
    """Take the cookies away from the shop."""
    visitor = office.visitor()
    fields = opened(visitor)
    text = fields["text"].replace("credentials = true\n", "")
    assert visitor.submit("/change", {**fields, "text": text, "reason": "an incident", "do": "publish"}).status == 303


def test_over_the_fleet(office: ConsoleOffice) -> None:
    """The page asks for itself again until each replica has the change."""
    report(office, "a", f"b{HOSTILE}")
    visitor = office.visitor()
    visitor.submit("/change", {**wider(opened(visitor)), "reason": "x", "do": "publish"})
    first = visitor.visit("/change/2")
    assert "0 of 2 replicas have it." in Read(first).text
    assert b"<script>alert" not in first.body
    report(office, "a")
    part = visitor.visit("/change/2", HX_Request="true")
    assert part.body.startswith(b'<section hx-get="/change/2"')
    assert "1 of 2 replicas has it." in Read(part).text
    report(office, f"b{HOSTILE}")
    last = visitor.visit("/change/2", HX_Request="true")
    assert "2 of 2 replicas have it." in Read(last).text
    assert b"hx-get" not in last.body


def test_the_revocation_clock(office: ConsoleOffice) -> None:
    """What is taken back lives on with those who asked, and in browsers; the clock starts when no replica has it."""
    report(office, "a", "b")
    narrowed(office)
    visitor = office.visitor()
    report(office, "a")
    assert "The clock starts when every replica has the change." in Read(visitor.visit("/change/2")).text
    office.clock.advance(5)
    report(office, "a", "b")
    office.clock.advance(10)
    text = Read(visitor.visit("/change/2")).text
    assert "No replica allows it any more since 2026-11-21 09:00:05" in text
    assert "Browsers may reuse an older answer to a preflight until 2026-11-21 09:10:05 , 9 min from now" in text
    office.clock.advance(600)
    report(office, "a", "b")
    over = visitor.visit("/change/2")
    assert "Nothing of it is left." in Read(over).text
    assert b"hx-get" not in over.body


def test_a_newer_change(office: ConsoleOffice) -> None:
    """Of a change that was followed by another, it is said."""
    report(office, "a")
    narrowed(office)
    visitor = office.visitor()
    visitor.submit("/change", {**wider(opened(visitor)), "reason": "x", "do": "publish"})
    report(office, "a")
    text = Read(visitor.visit("/change/2")).text
    assert "There is a newer change now" in text
    assert "1 of 1 replica has it." in text
