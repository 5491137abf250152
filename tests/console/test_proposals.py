"""Four eyes: who may not widen alone proposes, and somebody else approves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.trees import NARROWER, WIDER, access
from tests.console.test_change import HOSTILE, opened, wider
from tests.console.visits import ConsoleOffice, Read, Visitor


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process with people of different rights."""
    return ConsoleOffice(
        tmp_path,
        access(
            anna={"verbs": ["read", "write", "approve"], "second": True},
            boris={"verbs": ["read", "approve"]},
            cleo={"verbs": ["read", "propose"]},
            dan={"verbs": ["read", "approve"], "policies": ["pay"]},
        ),
    )


def proposed(visitor: Visitor) -> str:
    """Propose to let somebody in; give the path of the proposal."""
    answer = visitor.submit("/change", {**wider(opened(visitor)), "reason": f"a partner {HOSTILE}", "do": "publish"})
    assert answer.status == 303
    return str(answer.header("Location"))


def test_two_people(office: ConsoleOffice) -> None:
    """Whoever needs a second person proposes what widens; the second one sees it, approves, and it is published."""
    anna, boris = office.visitor("anna"), office.visitor("boris")
    fields = wider(opened(anna))
    assert "publishing proposes it" in Read(anna.submit("/change", {**fields, "do": "check"})).text
    path = proposed(anna)
    assert office.desk.changes.kept.head.seq == 1
    own = Read(anna.visit(path))
    assert "This proposal is your own" in own.text
    assert anna.submit(path, {"do": "approve"}).status == 403
    waiting = Read(boris.visit("/change"))
    assert path in waiting.all("a", "href")
    page = boris.visit(path)
    assert b"<script>alert" not in page.body
    assert "Proposed by anna" in Read(page).text
    assert "wider" in Read(page).text
    assert "+origins" in Read(page).text
    answer = boris.submit(path, {"do": "approve"})
    assert answer.header("Location") == "/change/2"
    [signed] = office.desk.changes.store.entries(1, 10)
    assert (signed.entry.author, signed.entry.approver) == ("anna", "boris")
    assert "Published by anna , approved by boris" in Read(boris.visit("/change/2")).text
    assert boris.visit(path).status == 404
    assert anna.submit(path, {"do": "remove"}).status == 404


def test_narrowing_needs_nobody(office: ConsoleOffice) -> None:
    """What takes something back is published at once."""
    anna = office.visitor("anna")
    fields = opened(anna)
    text = fields["text"].replace("credentials = true\n", "")
    assert (
        anna.submit("/change", {**fields, "text": text, "reason": "x", "do": "publish"}).header("Location")
        == "/change/2"
    )


def test_who_only_proposes(office: ConsoleOffice) -> None:
    """Whoever may only propose is offered that; the author may take it back, and a stranger may not."""
    cleo, boris = office.visitor("cleo"), office.visitor("boris")
    assert ">Propose<" in cleo.visit("/change?policy=shop").body.decode()
    path = proposed(cleo)
    assert "This proposal is your own" in Read(cleo.visit(path)).text
    assert cleo.submit(path, {"do": "approve"}).status == 403
    assert cleo.submit(path, {"do": "remove"}).header("Location") == "/change"
    again = proposed(cleo)
    assert boris.submit(again, {"do": "remove"}).status == 303
    assert Read(boris.visit("/change")).text.count("Waiting for a second person") == 0


def test_outdated(office: ConsoleOffice) -> None:
    """A proposal for what was changed since is refused with a sentence, and shows what it would have done."""
    anna, boris = office.visitor("anna"), office.visitor("boris")
    path = proposed(anna)
    anna_api = office.caller("anna")
    anna_api.put("policies/shop", NARROWER)
    answer = boris.submit(path, {"do": "approve"})
    assert answer.status == 412
    assert "propose it again" in Read(answer).text
    assert "What it would have done when it was proposed" in Read(answer).text
    assert WIDER is not NARROWER


def test_something_else(office: ConsoleOffice) -> None:
    """A proposal that would let through something else by now is shown as it was, and can't be approved."""
    anna, boris = office.visitor("anna"), office.visitor("boris")
    fields = opened(anna)
    text = fields["text"].replace('["https://shop.example.com"]', '["@partners"]')
    path = str(anna.submit("/change", {**fields, "text": text, "reason": "x", "do": "publish"}).header("Location"))
    set_of_others = ["https://partner.example", "https://*.evil.example"]
    other = office.caller("anna").put("origin-sets/partners", set_of_others).json["proposal"]
    assert office.caller("boris").send("POST", f"proposals/{other}/approve").status == 200
    drawn = Read(boris.visit(path)).text
    assert "something else now" in drawn
    assert "What it would have done when it was proposed" in drawn
    assert boris.submit(path, {"do": "approve"}).status == 412


def test_proposals_of_others(office: ConsoleOffice) -> None:
    """A proposal about policies that one may not see does not exist."""
    path = proposed(office.visitor("anna"))
    dan = office.visitor("dan")
    assert dan.visit(path).status == 404
    assert path not in Read(dan.visit("/change")).all("a", "href")
