"""The inbox: who knocked, who they probably are; let in by a change, or not shown any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.admin.trees import NINE, access
from tests.console.test_change import HOSTILE, text_of
from tests.console.visits import ConsoleOffice, Read
from tests.insights.logs import REFUSED, written

TIME = "2026-11-21T08:00:{:02}.000Z"


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine, with a console."""
    return ConsoleOffice(tmp_path)


def refused(origin: str | None, count: int = 3, **facts: Any) -> dict[str, Any]:
    """A line about refused requests."""
    times: dict[str, Any] = {
        "begin": TIME.format(0),
        "to": TIME.format(10),
        "first": TIME.format(1),
        "last": TIME.format(9),
    }
    told = {**REFUSED, "policy": "shop", "origin": origin, "count": count, "origins": "full", **facts}
    line: dict[str, Any] = json.loads(written(**times, **told))
    return line


def knock(office: ConsoleOffice, *lines: dict[str, Any]) -> None:
    """Let a replica report lines."""
    taken = office.decisions._written.take("a", json.dumps(lines), [json.dumps(line).encode() for line in lines], NINE)
    assert (taken.is_new, taken.unread) == (True, 0), taken.why


def test_nobody(office: ConsoleOffice) -> None:
    """An inbox without anybody says so."""
    assert "Nobody is refused, except those that are ignored." in Read(office.visitor().visit("/inbox")).text


def test_who_knocked(office: ConsoleOffice) -> None:
    """Each origin at each policy is listed, the most frequent first, with its likely owner; those let in are not."""
    knock(
        office,
        refused("https://new.example.com", 3),
        refused("https://new.example.com", 2, method="PUT"),
        refused("https://x.a.example", 50, policy="pay"),
        refused("https://shop.example.com", 70),
        refused("https://other.example", 1, policy="gone"),
        refused("https://one.example", 1, allowed=True, reason="allowed"),
    )
    read = Read(office.visitor().visit("/inbox"))
    first, second = read.text.index("https://x.a.example"), read.text.index("https://new.example.com")
    assert first < second
    assert (
        "Refused 50 times since 2026-11-21 08:00:00 , last 2026-11-21 08:00:09 : GET origin-not-allowed." in read.text
    )
    assert "Refused 5 times since" in read.text
    assert "GET origin-not-allowed, PUT origin-not-allowed." in read.text
    assert "the owner of a.example: https://a.example is listed in the origin set partners." in read.text
    assert "the owner of example.com: https://shop.example.com is listed in the policy shop." in read.text
    for origin in ("https://other.example", "https://one.example", "Refused 70"):
        assert origin not in read.text


def test_let_in(office: ConsoleOffice) -> None:
    """A button prepares a change with the smallest rule; once it is published, the origin is not listed any more."""
    knock(office, refused("https://new.example.com", 4))
    visitor = office.visitor()
    [link] = [href for href in Read(visitor.visit("/inbox")).all("a", "href") if href.startswith("/change?")]
    answer = visitor.visit(link)
    fields = Read(answer).fields
    assert fields["reason"] == "Let https://new.example.com in: it was refused 4 times"
    sent = {"text": text_of(answer), "before": fields["before"], "reason": fields["reason"], "do": "publish"}
    assert visitor.submit("/change", sent).header("Location") == "/change/2"
    assert "Nobody is refused" in Read(visitor.visit("/inbox")).text
    assert "https://new.example.com" in (office.path / "shop.toml").read_text(encoding="utf-8")


def test_what_the_log_does_not_have(office: ConsoleOffice) -> None:
    """Where the log does not say what was asked for, the playground is offered; masked origins can't be let in."""
    knock(
        office,
        refused("https://shop.example.com", reason="header-not-allowed"),
        refused("1f2e", origins="hashed"),
        refused(None),
        refused("https://p.example", policy=None, reason="no-policy-for-url"),
    )
    read = Read(office.visitor().visit("/inbox"))
    links = [href for href in read.all("a", "href") if "page=" in href]
    assert links == ["/playground?page=https://shop.example.com&policy=shop"]
    assert "1f2e (hashed by --log-origins)" in read.text
    assert "A request without Origin at shop" in read.text
    assert "https://p.example at no policy" in read.text


def test_ignored(office: ConsoleOffice) -> None:
    """What is ignored is not listed, by whom is known, and it can be shown again."""
    knock(office, refused("https://new.example.com"), refused(None, policy=None))
    visitor = office.visitor()
    whos = [str(found["value"]) for tag, found in Read(visitor.visit("/inbox")).elements if found.get("name") == "who"]
    for who in whos:
        assert visitor.submit("/inbox", {"who": who, "do": "ignore"}).header("Location") == "/inbox"
    read = Read(visitor.visit("/inbox"))
    assert "Nobody is refused, except those that are ignored." in read.text
    assert "2 origins ignored" in read.text
    assert ", by local" in read.text.replace(" ,", ",")
    shown = visitor.submit("/inbox", {"who": whos[0], "do": "show"})
    assert shown.header("Location") == "/inbox?ignored=1"
    assert "1 origin ignored" in Read(visitor.visit("/inbox?ignored=1")).text
    for who in ("", "[1]", "[1, 2]", "{}", r'["p","\ud800"]', "[" * 4000, f'["p","{"x" * 5000}"]'):
        assert visitor.submit("/inbox", {"who": who, "do": "ignore"}).status == 400


def test_hostile(office: ConsoleOffice) -> None:
    """Whatever somebody sends as an Origin, or calls a policy, is shown as text."""
    knock(office, refused(f"https://{HOSTILE}{'x' * 4000}"), refused("https://y.example", policy=None, reason=HOSTILE))
    visitor = office.visitor()
    page = visitor.visit("/inbox")
    assert b"<script>alert" not in page.body
    assert "\u202e" not in page.body.decode()
    assert len(page.body) < 30_000
    [who] = [str(found["value"]) for tag, found in Read(page).elements if "<script>" in str(found.get("value"))]
    visitor.submit("/inbox", {"who": who, "do": "ignore"})
    assert b"<script>alert" not in visitor.visit("/inbox?ignored=1").body


def test_only_what_one_may_see(tmp_path: Path) -> None:
    """Somebody who may see some policies sees who knocked at these, and ignores nobody else."""
    office = ConsoleOffice(
        tmp_path, access(olga={"verbs": ["read", "write"], "policies": ["pay"]}, rita={"verbs": ["read"]})
    )
    knock(office, refused("https://s.example"), refused("https://p.example", policy="pay"))
    olga, rita = office.visitor("olga"), office.visitor("rita")
    read = Read(olga.visit("/inbox"))
    assert "https://s.example" not in read.text
    assert "https://p.example" in read.text
    assert olga.submit("/inbox", {"who": '["shop", "https://s.example"]', "do": "ignore"}).status == 403
    assert olga.submit("/inbox", {"who": '[null, "https://s.example"]', "do": "ignore"}).status == 403
    assert "Why is it refused?" in Read(rita.visit("/inbox")).text
    assert rita.submit("/inbox", {"who": '["shop", "https://s.example"]', "do": "ignore"}).status == 403
