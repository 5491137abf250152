"""The playground: a link holds the question, the page answers it, and what is pasted is understood."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.admin.trees import access
from tests.console.test_pasted import recording
from tests.console.visits import ConsoleOffice, Read

BLOCKED = (
    "/playground?page=https://shop.example.com/cart&url=https://api.example.com/shop/7&method=PUT"
    "&headers=x-trace:%201&credentials=include"
)
HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine, with a console."""
    return ConsoleOffice(tmp_path)


def test_asks(office: ConsoleOffice) -> None:
    """Without a question, it asks for one, by a form that needs no script."""
    answer = office.visitor().visit("/playground")
    read = Read(answer)
    assert answer.status == 200
    assert {"page", "url", "policy", "method"} <= read.fields.keys()
    assert ("form", {"id": "question", "method": "get", "action": "/playground"}) in read.elements


def test_blocked(office: ConsoleOffice) -> None:
    """What is blocked is drawn line by line, with each engine's verdict, the rule at work, and a patch to carry on."""
    read = Read(office.visitor().visit(BLOCKED))
    assert "It is blocked: no browser lets the page read it." in read.text
    assert "> OPTIONS /shop/7" in read.text
    assert "< 403" in read.text
    for engine in ("Chromium", "Firefox", "WebKit"):
        assert f"{engine} blocked Its console prints:" in read.text
    assert "Policy shop , rule 1: https://shop.example.com may use GET, HEAD and POST with cookies" in read.text
    assert '+request_headers = ["x-trace"]' in read.text
    assert "allow" in read.text.split("What mends it")[1]
    [link] = [href for href in read.all("a", "href") if href.startswith("/change?")]
    assert "mend=1" in link
    assert read.fields["page"] == "https://shop.example.com/cart"
    carried = Read(office.visitor().visit(link))
    assert 'request_headers = ["x-trace"]' in carried.text
    assert "It would change policy shop (changed)." in carried.text
    assert "# The shop." not in carried.text


def test_passes(office: ConsoleOffice) -> None:
    """What passes says so, and mends nothing."""
    read = Read(office.visitor().visit("/playground?page=https://a.example&policy=pay"))
    assert "It passes: every browser lets the page read the answer." in read.text
    assert "What mends it" not in read.text


def test_a_policy_without_a_url_finds_it_by_match(office: ConsoleOffice) -> None:
    """Where a policy is named and no URL, one that the policy is for is asked about."""
    read = Read(office.visitor().visit("/playground?page=https://shop.example.com&policy=shop"))
    assert "https://api.example.com/shop/" in read.text


@pytest.mark.parametrize(
    ("query", "field"),
    [("page=shop&policy=shop", "page"), ("page=https://a.example", "url"), ("policy=shop", "page")],
)
def test_what_can_not_be_asked(office: ConsoleOffice, query: str, field: str) -> None:
    """A question that no page can ask is answered at the field that is wrong, and stays as it was typed."""
    answer = office.visitor().visit(f"/playground?{query}")
    read = Read(answer)
    assert answer.status == 400
    [wrong] = [found for tag, found in read.elements if found.get("aria-invalid") == "true"]
    assert wrong["id"] == field
    assert f"{field}-mistake" in read.all("span", "id")


def test_no_policy(office: ConsoleOffice) -> None:
    """Where no policy is for the URL, a new one lets the page in, and begins a change."""
    read = Read(office.visitor().visit("/playground?page=https://a.example&url=https://new.example.com/things/7"))
    assert "No policy decides" in read.text
    [link] = [href for href in read.all("a", "href") if href.startswith("/change?")]
    carried = Read(office.visitor().visit(link))
    assert "A new policy" in carried.text
    assert "[policies.things]" in carried.text
    assert carried.fields["before"] == ""


def test_a_new_policy_has_a_new_name(office: ConsoleOffice) -> None:
    """A new policy is not called as one that there is, although the edit was looked for without that one."""
    link = "/change?mend=1&page=https://a.example&url=https://new.example.com/shop/7"
    carried = Read(office.visitor().visit(link))
    assert "[policies.shop-2]" in carried.text
    assert "It would change policy shop-2 (new)." in carried.text


def test_nothing_to_mend(office: ConsoleOffice) -> None:
    """Where nothing is carried into a change, it says whether the request passes or no edit helps."""
    visitor = office.visitor()
    passing = visitor.visit("/change?mend=1&page=https://a.example&policy=pay")
    assert (passing.status, "It passes: nothing has to be changed." in Read(passing).text) == (409, True)
    blocked = visitor.visit("/change?mend=1&page=https://a.example&policy=none")
    assert blocked.status == 409
    assert "Nothing in your policies can mend it." in Read(blocked).text
    assert "It passes" not in Read(blocked).text


@pytest.mark.parametrize("field", ["page", "url", "policy", "method", "headers", "credentials", "mode"])
def test_hostile(office: ConsoleOffice, field: str) -> None:
    """Whatever a link says, the page shows it as text."""
    good = {"page": "https://a.example", "url": "https://api.example.com/shop/"}
    fields = {**good, field: f"{good.get(field, '')}{HOSTILE}"}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    answer = office.visitor().visit(f"/playground?{query}")
    assert answer.status in {200, 400}
    assert b"<script>alert" not in answer.body


def test_a_message(office: ConsoleOffice) -> None:
    """A message of a console is explained, and what it names is asked about."""
    read = Read(office.visitor().visit(BLOCKED))
    message = read.text.split("Its console prints: ")[1].split(" Firefox blocked")[0]
    pasted = Read(office.visitor().submit("/playground", {"pasted": message}))
    assert "Chromium printed this" in pasted.text
    assert "The answer has no Access-Control-Allow-Origin." in pasted.text
    assert "add them below" in pasted.text
    assert pasted.fields["page"] == "https://shop.example.com"


def test_a_recording(office: ConsoleOffice) -> None:
    """Each request of a recording is a link to its question."""
    har = recording(("GET", "https://api.example.com/shop/7?token=secret", 200, {}))
    answer = office.visitor().submit("/playground", {"pasted": har})
    read = Read(answer)
    assert "1 request, 1 of them blocked" in read.text
    assert any("url=https://api.example.com/shop/7&" in href for href in read.all("a", "href"))
    assert b"secret" not in answer.body


def test_anything_else(office: ConsoleOffice) -> None:
    """What is not understood is refused with a sentence, and not repeated."""
    answer = office.visitor().submit("/playground", {"pasted": HOSTILE})
    assert answer.status == 422
    assert "None of the known browsers prints this" in Read(answer).text
    assert b"alert(1)" not in answer.body


def test_whoever_may_change_nothing_that_is_there(tmp_path: Path) -> None:
    """Whose policies are all still to be written is not told that a blocked request passes."""
    office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read", "write"], "policies": ["none"]}))
    answer = office.visitor("olga").visit("/change?mend=1&page=https://a.example&url=https://api.example.com/shop/7")
    assert answer.status == 409
    assert "Nothing in your policies can mend it." in Read(answer).text


def test_only_what_one_may_see(tmp_path: Path) -> None:
    """Somebody who may see some policies gets answers by these; without the verb to change, there is no button."""
    office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"], "policies": ["shop"]}))
    read = Read(office.visitor("olga").visit("/playground?page=https://x.example&policy=pay"))
    assert "There is no policy 'pay'." in read.text
    assert [href for href in read.all("a", "href") if href.startswith("/change?")] == []
    assert "It is blocked" in Read(office.visitor("olga").visit(BLOCKED)).text
    assert [href for href in Read(office.visitor("olga").visit(BLOCKED)).all("a", "href") if "mend" in href] == []
