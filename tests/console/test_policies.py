"""Policies: found by name, by URL and by origin; each in words, with its use and its history."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.trees import WIDER, access
from tests.console.reported import SHOP, line, report
from tests.console.visits import ConsoleOffice, Read

HOSTILE = '"><script>alert(1)</script>\u202e'


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine."""
    return ConsoleOffice(tmp_path)


def read(office: ConsoleOffice, path: str) -> str:
    """What is written on a page."""
    answer = office.visitor().visit(path)
    assert answer.status == 200
    return Read(answer).text


def test_all(office: ConsoleOffice) -> None:
    """All policies are listed, with what they are about."""
    text = read(office, "/policies")
    assert "2 policies." in text
    assert "shop api.example.com/shop/ 1 1" in text
    assert "pay - 1 1" in text


def test_by_name(office: ConsoleOffice) -> None:
    """A part of a name finds a policy, in any case."""
    text = read(office, "/policies?q=SHO")
    assert "shop api.example.com/shop/" in text
    assert "pay -" not in text
    assert "No policy has shoes in its name." in read(office, "/policies?q=shoes")


def test_by_url(office: ConsoleOffice) -> None:
    """A URL finds the policy that decides about it, with or without its scheme."""
    for question in ("https%3A%2F%2Fapi.example.com%2Fshop%2F1", "api.example.com/shop/1"):
        assert "The policy shop decides." in read(office, f"/policies?q={question}")
    assert "No policy matches" in read(office, "/policies?q=https%3A%2F%2Fother.example%2Fx")


def test_by_origin(office: ConsoleOffice) -> None:
    """An origin finds what its pages may do, everywhere, and where a rule refuses it."""
    text = read(office, "/policies?q=https%3A%2F%2Fshop.example.com")
    assert "Policies that allow something: 1. Policies that refuse this origin by a rule: 0." in text
    assert "shop allowed 1 https://shop.example.com may use GET, HEAD and POST with cookies" in text
    refusing = {"rules": [{"origins": ["https://a.example"], "refuse": True}, {"origins": ["*"]}]}
    assert office.caller().put("policies/shop", refusing).status == 200
    text = read(office, "/policies?q=https%3A%2F%2Fa.example")
    assert "Policies that allow something: 1. Policies that refuse this origin by a rule: 1." in text
    assert "shop refused 1 https://a.example: no access" in text


@pytest.mark.parametrize(
    "question", ["https://", "https://a b", "//", HOSTILE, "https://" + "x" * 3000, "%00.", "http://[::1"]
)
def test_any_question(office: ConsoleOffice, question: str) -> None:
    """Whatever is asked is answered, and shown as what it is."""
    from urllib.parse import quote

    answer = office.visitor().visit(f"/policies?q={quote(question)}")
    assert answer.status == 200
    assert b"<script>alert" not in answer.body


def test_one(office: ConsoleOffice) -> None:
    """A policy is shown in words, with how often its rules decided."""
    report(office, "eu-1", line(count=7), line(-60, count=3), line(policy="pay", count=100))
    text = read(office, "/policies/shop")
    assert "URLs api.example.com/shop/ Allowed preflights have the status 204" in text
    assert "1 https://shop.example.com may use GET, HEAD and POST with cookies 10 2026-11-21 08:59:10" in text
    assert '"max_age": 600' in text
    assert "Change 1 2026-11-21 09:00:00 UTC, by somebody The documents as they were found." in text


def test_its_history(office: ConsoleOffice) -> None:
    """The changes of a policy, and of the sets that it uses, are there, and no others."""
    caller = office.caller()
    assert caller.put("policies/shop", WIDER, "?reason=the+new+shop").status == 200
    assert caller.put("origin-sets/partners", ["https://b.example"], "?reason=another+partner").status == 200
    text = read(office, "/policies/shop")
    assert "by local the new shop wider ~ policy shop" in text
    assert "another partner" not in text
    assert "another partner" in read(office, "/policies/pay")


def test_unknown(office: ConsoleOffice) -> None:
    """A name that no policy has is answered with the nearest one."""
    answer = office.visitor().visit("/policies/shopp")
    assert answer.status == 404
    assert "The nearest is 'shop'." in Read(answer).text
    assert b"<script>" not in office.visitor().visit("/policies/%3Cscript%3E").body


def test_scope(tmp_path: Path) -> None:
    """Somebody who may ask about some policies alone finds these, and no others."""
    office = ConsoleOffice(tmp_path, access(shop={"verbs": ["read"], "policies": ["sh"]}))
    visitor = office.visitor("shop")
    assert "1 policy." in Read(visitor.visit("/policies")).text
    assert visitor.visit("/policies/pay").status == 403
    assert "allow something: 0." in Read(visitor.visit("/policies?q=https%3A%2F%2Fa.example")).text


def test_names_of_any_kind(office: ConsoleOffice) -> None:
    """The longest name, and one with what a path does not take, lead to their page."""
    longest = "a" * 128
    assert office.caller().send("PUT", f"policies/{longest}", {"origins": [SHOP]}).status == 201
    page = Read(office.visitor().visit("/policies"))
    assert f"/policies/{longest}" in page.all("a", "href")
    assert longest in read(office, f"/policies/{longest}")


def test_without_the_store(office: ConsoleOffice) -> None:
    """While the store can't be read, a policy is shown without its history, and the history says why it is not."""
    office.path.rename(office.path.with_name("away"))
    text = read(office, "/policies/shop")
    assert "1 https://shop.example.com may use GET, HEAD and POST with cookies" in text
    assert "The store can't be read now" in text
    answer = office.visitor().visit("/history")
    assert (answer.status, answer.header("Retry-After")) == (503, "2")
    assert "The store does not give the changes from 1 to 1." in Read(answer).text
