"""Changing policies: mistakes at their lines, what widens, tests that would fail, two editors of one document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

from cors_service.console.sheet import LONGEST
from cors_service.ledger.kept import StoreUnavailable
from tests.admin.trees import WIDER, access
from tests.console.visits import ConsoleOffice, Read, Visitor
from tests.web.traversal import Answer

HOSTILE = "<script>alert(1)</script>\u202e"
SUITE = """\
version = 1
[[cases]]
name = "The shop's own pages"
policy = "shop"
origins = ["https://shop.example.com"]
credentials = true
expect = "readable"
"""


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine, with a console."""
    return ConsoleOffice(tmp_path)


def text_of(answer: Answer) -> str:
    """Give the document that is in the editor."""
    area = answer.body.decode("utf-8").partition('id="text"')[2].partition(">")[2].partition("</textarea>")[0]
    return unescape(area).removeprefix("\n")


def opened(visitor: Visitor, name: str = "shop") -> dict[str, str]:
    """Open a policy; give the fields of the form."""
    answer = visitor.visit(f"/change?policy={name}")
    assert answer.status == 200
    return {"before": Read(answer).fields["before"], "text": text_of(answer), "reason": ""}


def wider(fields: dict[str, str]) -> dict[str, str]:
    """Let another origin in."""
    text = fields["text"].replace('"https://shop.example.com"', '"https://shop.example.com", "https://new.example.com"')
    return {**fields, "text": text}


def test_begins(office: ConsoleOffice) -> None:
    """Without a policy, one is chosen, or a new one begun."""
    read = Read(office.visitor().visit("/change"))
    assert {"/change?new=1", "/change?origin-set=partners"} <= set(read.all("a", "href"))
    assert "[policies.NAME]" in text_of(office.visitor().visit("/change?new=1"))
    assert office.visitor().visit("/change?policy=nothing").status == 404


def test_checked(office: ConsoleOffice) -> None:
    """Without scripts, a button shows what becomes wider, with a request that shows it; nothing is published."""
    visitor = office.visitor()
    answer = visitor.submit("/change", {**wider(opened(visitor)), "do": "check"})
    read = Read(answer)
    assert answer.status == 200
    assert "It would change policy shop (changed)." in read.text
    assert "wider" in read.text
    assert "https://new.example.com" in read.text
    assert office.desk.changes.kept.head.seq == 1


def test_published(office: ConsoleOffice) -> None:
    """What is published is a change of the ledger with its author and reason, and its progress is shown."""
    visitor = office.visitor()
    answer = visitor.submit("/change", {**wider(opened(visitor)), "reason": f"a partner {HOSTILE}", "do": "publish"})
    assert (answer.status, answer.header("Location")) == (303, "/change/2")
    [signed] = office.desk.changes.store.entries(1, 10)
    assert (signed.entry.author, signed.entry.reason, signed.entry.wider) == ("local", f"a partner {HOSTILE}", True)
    assert "# its own pages" in (office.path / "shop.toml").read_text(encoding="utf-8")
    page = visitor.visit("/change/2")
    assert b"<script>alert" not in page.body
    assert "Published by local" in Read(page).text
    assert "No replica reports here" in Read(page).text
    assert [visitor.visit(path).status for path in ("/change/3", "/change/0", "/change/x")] == [404, 404, 404]


def test_a_reason_is_asked_for(office: ConsoleOffice) -> None:
    """Without a reason nothing is published, and what was typed is still there."""
    visitor = office.visitor()
    fields = wider(opened(visitor))
    answer = visitor.submit("/change", {**fields, "do": "publish"})
    assert (answer.status, text_of(answer)) == (422, fields["text"])
    assert "Say why" in Read(answer).text


def test_mistakes(office: ConsoleOffice) -> None:
    """Five mistakes are shown at their lines, and the lines are marked; nothing typed is lost."""
    visitor = office.visitor()
    fields = opened(visitor)
    text = (
        fields["text"]
        .replace("api.example.com/shop/", "api.example.com/shop")
        .replace("https://shop.example.com", "https://shop.example.com/")
        .replace("credentials", "credental")
        .replace("max_age = 600", f'max_age = -1\nmethods = ["G ET"] # {HOSTILE}')
    )
    answer = visitor.submit("/change", {**fields, "text": text, "reason": "why", "do": "publish"})
    read = Read(answer)
    assert (answer.status, text_of(answer)) == (422, text)
    assert "5 mistakes" in read.text
    for line in (4, 7, 8, 9, 10):
        assert f"Line {line} " in read.text
        assert f"✗ {line} " in read.text
    assert b"<script>alert" not in answer.body
    assert "Did you mean credentials?" in read.text


def test_mistakes_that_only_the_others_show(office: ConsoleOffice) -> None:
    """A mistake between this document and the rest of the policies has its line here, too."""
    visitor = office.visitor()
    text = 'version = 1\n\n[policies.new]\nmatch = ["api.example.com/shop/"]\norigins = ["@partners"]\n'
    answer = visitor.submit("/change", {"before": "", "text": text, "do": "check"})
    assert "Line 4 match = ['api" in Read(answer).text.replace('"', "'")
    assert "already finds the policy" in Read(answer).text


def test_a_part_of_the_page(office: ConsoleOffice) -> None:
    """What somebody types is checked again and again, and the audit log has none of it."""
    visitor = office.visitor()
    fields = opened(visitor)
    answer = visitor.submit("/change/check", {**fields, "text": "nonsense\n"}, HX_Request="true")
    assert answer.status == 200
    assert "Line 1" in Read(answer).text
    assert ("pre", {"hx-swap-oob": "true", "id": "gutter", "class": "gutter", "aria-hidden": "true"}) in Read(
        answer
    ).elements
    assert "Nothing changes" in Read(visitor.submit("/change/check", fields, HX_Request="true")).text
    assert office.audited == []


def test_a_long_document(office: ConsoleOffice) -> None:
    """What is too long for a page says what else there is."""
    visitor = office.visitor()
    fields = {**opened(visitor), "text": f"{'#' * LONGEST}\n"}
    answer = visitor.submit("/change", {**fields, "do": "check"})
    assert answer.status == 413
    assert "cors-service pull" in Read(answer).text


def test_a_long_policy(office: ConsoleOffice) -> None:
    """A policy that lists too much for a page is not even written: the page says what else there is."""
    origins = [f"https://{number}.example" for number in range(10_000)]
    office.caller().put("policies/pay", {"origins": ["@partners", *origins]})
    visitor = office.visitor()
    page = visitor.visit("/change?policy=pay")
    assert page.status == 413
    assert "cors-service pull" in Read(page).text
    asked = visitor.visit("/playground?page=https://x.example&policy=pay")
    assert "too many origins to look for an edit here" in Read(asked).text


def test_removed(office: ConsoleOffice) -> None:
    """A policy is removed by removing it from its document, with what only it uses."""
    visitor = office.visitor()
    fields = {**opened(visitor, "pay"), "text": "version = 1\n", "reason": "gone", "do": "publish"}
    assert visitor.submit("/change", fields).header("Location") == "/change/2"
    assert [*office.desk.changes.kept.policy_set.policies] == ["shop"]


def test_tests_that_would_fail(office: ConsoleOffice) -> None:
    """The suites beside the documents are run by what is typed, and each test that would fail is named."""
    (office.path / "shop.test.toml").write_text(SUITE, encoding="utf-8")
    visitor = office.visitor()
    fields = opened(visitor)
    narrower = {**fields, "text": fields["text"].replace("credentials = true\n", ""), "do": "check"}
    read = Read(visitor.submit("/change", narrower))
    assert "1 test would fail" in read.text
    assert "shop.test.toml: The shop's own pages" in read.text
    assert "would fail" not in Read(visitor.submit("/change", {**wider(fields), "do": "check"})).text


def test_two_editors(office: ConsoleOffice) -> None:
    """The second of two editors gets what the first one changed, loses nothing, and may put both together."""
    first, second = office.visitor(), office.visitor()
    theirs, mine = opened(first), opened(second)
    first.submit("/change", {**wider(theirs), "reason": f"a partner {HOSTILE}", "do": "publish"})
    text = mine["text"].replace("max_age = 600", "max_age = 60")
    answer = second.submit("/change", {**mine, "text": text, "reason": "faster", "do": "publish"})
    read = Read(answer)
    assert (answer.status, text_of(answer)) == (409, text)
    assert "Somebody else has changed this meanwhile" in read.text
    assert "+origins" in read.text
    assert "change 2:" in read.text
    assert b"<script>alert" not in answer.body
    assert "faster" in answer.body.decode()
    both = read.elements
    [merged] = [found["value"] for tag, found in both if tag == "input" and found.get("name") == "text"]
    assert merged is not None
    assert "new.example.com" in merged
    assert "max_age = 60\n" in merged
    befores = [str(found["value"]) for tag, found in both if tag == "input" and found.get("name") == "before"]
    again = {"text": merged, "before": befores[0], "reason": "faster", "do": "publish"}
    assert second.submit("/change", again).header("Location") == "/change/3"


def test_publishing_over_theirs(office: ConsoleOffice) -> None:
    """Whoever has seen what others changed may publish over it."""
    visitor = office.visitor()
    mine = {**opened(visitor), "reason": "mine", "do": "publish"}
    office.caller().put("policies/shop", WIDER)
    text = mine["text"].replace("credentials = true", "credentials = false")
    answer = visitor.submit("/change", {**mine, "text": text})
    assert answer.status == 409
    fields = Read(answer).fields
    assert visitor.submit("/change", {**mine, "text": text, "before": fields["before"]}).status == 303


@contextmanager
def down(office: ConsoleOffice) -> Iterator[None]:
    """Keep the store from being written."""
    ledger = office.path / ".ledger"
    ledger.rename(office.path / ".gone")
    ledger.write_text("not a directory", encoding="utf-8")
    try:
        yield
    finally:
        ledger.unlink()
        (office.path / ".gone").rename(ledger)


def test_the_store_is_down(office: ConsoleOffice) -> None:
    """While the store is down a sentence says so, nothing typed is lost, and it works again when it is back."""
    visitor = office.visitor()
    fields = {**wider(opened(visitor)), "reason": "a partner", "do": "publish"}
    with down(office):
        answer = visitor.submit("/change", fields)
        assert (answer.status, text_of(answer)) == (503, fields["text"])
        assert "The store can't be used" in Read(answer).text
        assert "What you typed is still here." in Read(answer).text
        assert "a partner" in answer.body.decode()
    assert visitor.submit("/change", fields).status == 303


def test_who_may(tmp_path: Path) -> None:
    """Who may only read sees the document, and can't send it; nobody changes the policies of others."""
    office = ConsoleOffice(
        tmp_path, access(rita={"verbs": ["read"]}, paul={"verbs": ["read", "write"], "policies": ["pay"]})
    )
    reader, paul = office.visitor("rita"), office.visitor("paul")
    fields = opened(reader)
    assert "You may read this" in Read(reader.visit("/change?policy=shop")).text
    assert reader.submit("/change", {**wider(fields), "reason": "x", "do": "publish"}).status == 403
    assert paul.visit("/change?policy=shop").status == 404
    answer = paul.submit("/change", {**wider(fields), "reason": "x", "do": "publish"})
    assert answer.status == 403
    assert "this caller may not change that" in Read(answer).text
    assert text_of(answer) == wider(fields)["text"]


def test_store_unavailable_is_a_page(office: ConsoleOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer at all leaves a page with a sentence."""

    def broken(_: object) -> object:
        raise StoreUnavailable("The store does not answer.")

    monkeypatch.setattr(office.desk.changes.store, "bodies", broken)
    answer = office.visitor().visit("/change?policy=shop")
    assert answer.status == 503
    assert "The store does not answer." in Read(answer).text


def test_a_session_ends(tmp_path: Path) -> None:
    """Whoever has to sign in again in the middle of an edit gets back what was typed, and sends it with one click."""
    office = ConsoleOffice(tmp_path, access(wilma={"verbs": ["read", "write"]}))
    visitor = office.visitor("wilma")
    fields = {**wider(opened(visitor)), "reason": f"a partner {HOSTILE}", "do": "publish"}
    visitor.cookies.clear()
    asked = visitor.submit("/change", fields)
    assert asked.status == 401
    kept = Read(asked).fields
    back = visitor.sign_in("wilma", next=kept["next"], kept=kept["kept"])
    labels = [found["for"] for tag, found in Read(back).elements if tag == "label"]
    assert labels == ["typed-text", "typed-reason"]
    assert b"<script>alert" not in back.body
    unseen = Read(back).fields
    assert (unseen["before"], unseen["do"]) == (fields["before"], "publish")
    assert visitor.submit("/change", fields).header("Location") == "/change/2"


def test_policies_of_others(tmp_path: Path) -> None:
    """Whoever edits their own policies is not shown those of others as what changed meanwhile."""
    office = ConsoleOffice(tmp_path, access(shops={"verbs": ["read", "write"], "policies": ["shop"]}))
    visitor = office.visitor("shops")
    fields = opened(visitor)
    theirs = '\n[policies.pay]\norigins = ["https://guessed.example"]\n'
    sent = {
        **fields,
        "before": f"{fields['before']}{theirs}",
        "text": f"{wider(fields)['text']}{theirs}",
        "reason": "a",
    }
    answer = visitor.submit("/change", {**sent, "do": "publish"})
    assert answer.status == 409
    assert b"partners" not in answer.body
    assert b"a.example" not in answer.body
