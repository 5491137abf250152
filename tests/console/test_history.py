"""The history: who changed what and why, what lies between two moments, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cors_service.ledger.kept import StoreUnavailable
from tests.admin.trees import NARROWER, SHOP, WIDER, access
from tests.console.reported import HOSTILE
from tests.console.visits import ConsoleOffice, Read


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine, in which two changes were made."""
    office = ConsoleOffice(tmp_path)
    caller = office.caller()
    assert caller.put("policies/shop", WIDER, "?reason=a+new+shop").status == 200
    assert caller.put("policies/shop", NARROWER, "?reason=no+cookies").status == 200
    return office


def test_all(office: ConsoleOffice) -> None:
    """The changes are listed, the newest first, with who, when, why, and whether they let more through."""
    text = Read(office.visitor().visit("/history")).text
    newest = "Change 3 2026-11-21 09:00:00 UTC, by local no cookies narrower ~ policy shop"
    assert newest in text
    assert text.index("Change 3") < text.index("by local a new shop wider ~ policy shop") < text.index("Change 1")


def test_page_by_page(office: ConsoleOffice) -> None:
    """Many changes are shown some at a time."""
    caller = office.caller()
    for number in range(20):
        assert caller.put("policies/shop", {**SHOP, "preflight_status": 200 + number % 2 * 4}).status == 200
    first = Read(office.visitor().visit("/history"))
    assert "/history?before=4" in first.all("a", "href")
    last = Read(office.visitor().visit("/history?before=4"))
    assert [href for href in last.all("a", "href") if href.startswith("/history/")] == [
        f"/history/{seq}" for seq in (3, 2, 1)
    ]
    assert "Earlier" not in last.text


def test_one(office: ConsoleOffice) -> None:
    """A change says what it did, with a request that shows it."""
    text = Read(office.visitor().visit("/history/2")).text
    assert "Who local Why a new shop Effect wider" in text
    assert "https://new.example.com" in text
    assert "shop policy changed" in text
    for unknown in ("/history/0", "/history/4", "/history/99999999999999999999", "/history/x", "/history/1/2"):
        assert office.visitor().visit(unknown).status == 404


def test_compare(office: ConsoleOffice) -> None:
    """Any two moments can be compared, in both directions."""
    visitor = office.visitor()
    wider = Read(visitor.visit("/history/compare?from=1&to=2")).text
    assert "From change 1 to change 2" in wider
    assert "wider shop :" in wider
    back = Read(visitor.visit("/history/compare?from=2&to=1")).text
    assert "narrower shop :" in back
    assert "Roll back to change" not in back
    assert "Both decide alike about every request." in Read(visitor.visit("/history/compare?from=2&to=2")).text
    assert visitor.visit("/history/compare?from=1&to=9").status == 404
    assert visitor.visit("/history/compare?from=x").status == 400


def test_rollback(office: ConsoleOffice) -> None:
    """A rollback is a new change with who and why, made after a look at what it does."""
    visitor = office.visitor()
    page = Read(visitor.visit("/history/compare?from=3&to=1"))
    assert "Roll back to change 1" in page.text
    made = visitor.submit("/history/rollback", {"from": "3", "to": "1", "reason": "it broke the shop"})
    assert (made.status, made.header("Location")) == (303, "/change/4")
    assert "it broke the shop" in Read(visitor.visit("/change/4")).text
    text = Read(visitor.visit("/history/4")).text
    assert "Who local Why it broke the shop" in text
    assert office.caller().send("GET", "policies/shop").json == SHOP


def test_rollback_of_what_was_seen(office: ConsoleOffice) -> None:
    """Nobody rolls back what came behind the page that was looked at, or without a reason."""
    visitor = office.visitor()
    assert visitor.submit("/history/rollback", {"from": "2", "to": "1", "reason": "why"}).status == 412
    assert visitor.submit("/history/rollback", {"from": "3", "to": "1", "reason": " "}).status == 400
    assert visitor.submit("/history/rollback", {"from": "3", "to": "7", "reason": "why"}).status == 404
    assert visitor.submit("/history/rollback", {"to": "x"}).status == 400
    assert (
        "The policies are what they were then."
        in Read(visitor.submit("/history/rollback", {"from": "3", "to": "3", "reason": "why"})).text
    )
    assert office.desk.changes.kept.head.seq == 3


def test_a_rollback_that_came_too_late(office: ConsoleOffice) -> None:
    """Whoever was overtaken sees what going back would do now, and need not type the reason again."""
    visitor = office.visitor()
    assert office.caller().put("policies/shop", WIDER, "?reason=cookies").status == 200
    late = visitor.submit("/history/rollback", {"from": "3", "to": "1", "reason": 'it "broke" <shops>'})
    read = Read(late)
    assert late.status == 412
    assert "The newest change is 4: look at what has changed, and try again. What you typed is still here." in read.text
    assert "From change 4 to change 1" in read.text
    assert "Pages of 'https://new.example.com' may no longer use it" in read.text
    form = {name: read.fields[name] for name in ("from", "to", "reason")}
    assert form == {"from": "4", "to": "1", "reason": 'it "broke" <shops>'}
    assert visitor.submit("/history/rollback", form).header("Location") == "/change/5"


def test_a_rollback_that_is_not_kept(office: ConsoleOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store can't be written, a sentence says so, and the reason is still there."""

    def down(*_: object) -> None:
        raise StoreUnavailable("The disk is full.")

    monkeypatch.setattr(office.desk.changes.store, "commit", down)
    failed = office.visitor().submit("/history/rollback", {"from": "3", "to": "1", "reason": "it broke the shop"})
    assert (failed.status, failed.header("Retry-After")) == (503, "2")
    assert "The disk is full. What you typed is still here." in Read(failed).text
    assert Read(failed).fields["reason"] == "it broke the shop"


def test_who_may(tmp_path: Path) -> None:
    """Who may only read is offered no way back, and has none; where a second person is needed, it is proposed."""
    people: dict[str, Any] = {
        "reader": {"verbs": ["read"]},
        "writer": {"verbs": ["read", "write"], "second": True},
    }
    office = ConsoleOffice(tmp_path, access(**people))
    office.desk.access, kept = None, office.desk.access
    assert office.caller().put("policies/shop", NARROWER).status == 200
    office.desk.access = kept
    path, back = "/history/compare?from=2&to=1", {"from": "2", "to": "1", "reason": "cookies again"}
    reader, writer = office.visitor("reader"), office.visitor("writer")
    assert "Roll back to change" not in Read(reader.visit(path)).text
    assert reader.submit("/history/rollback", back).status == 403
    assert "Roll back to change 1" in Read(writer.visit(path)).text
    answer = writer.submit("/history/rollback", back)
    [proposal] = office.desk.proposals.all()
    assert answer.header("Location") == f"/change/proposals/{proposal.id}"
    assert writer.visit(f"/change/proposals/{proposal.id}").status == 200
    assert "1 proposal waits for a second person." in Read(reader.visit("/")).text
    assert [line["caller"] for line in office.audited if line["path"] == "/history/rollback"] == ["reader", "writer"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reasons(office: ConsoleOffice, text: str) -> None:
    """A reason is shown as what it is, in every place that shows one."""
    visitor = office.visitor()
    assert visitor.submit("/history/rollback", {"from": "3", "to": "1", "reason": text}).status == 303
    for path in ("/history", "/history/4", "/policies/shop"):
        page = visitor.visit(path).body.decode("utf-8")
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page


def test_a_ledger_that_was_replaced(office: ConsoleOffice) -> None:
    """The newest changes are read once each, and anew where the store was replaced by an older one."""
    store, kept = office.desk.changes.store, office.desk.changes.kept
    recent = office.console.recent
    assert [one.entry.seq for one in recent.read(store, kept)] == [1, 2, 3]
    assert recent.read(store, kept) is recent.read(store, kept)
    older = type(kept)(head=store.entries(1, 1)[0].head, policy_set=kept.policy_set, digests=kept.digests)
    assert [one.entry.seq for one in recent.read(store, older)] == [1, 2]


def test_policies_of_others(tmp_path: Path) -> None:
    """A comparison shows people the policies that they may see, and no others."""
    office = ConsoleOffice(
        tmp_path,
        access(
            writes={"verbs": ["read", "write"]},
            pays={"verbs": ["read"], "policies": ["pay"]},
            shops={"verbs": ["read"], "policies": ["shop"]},
        ),
    )
    assert office.caller("writes").put("policies/shop", WIDER).status == 200
    path = "/history/compare?from=1&to=2"
    assert b"new.example.com" in office.visitor("shops").visit(path).body
    assert b"new.example.com" not in office.visitor("pays").visit(path).body
