"""Explanations over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.admin.trees import Office, access
from tests.explain.patched import patched

ASKED: dict[str, Any] = {
    "page": "https://shop.example.com/cart",
    "url": "https://api.example.com/shop/orders/7",
    "method": "PUT",
    "headers": [["Content-Type", "application/json"]],
    "credentials": "include",
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def test_explained(office: Office, tmp_path: Path) -> None:
    """What a page asks is explained by the policies of the store, with a patch of their document."""
    caller = office.caller()
    answer = caller.send("POST", "explain", ASKED)
    assert answer.status == 200
    assert [decision["policy"] for decision in answer.json["decisions"]] == ["shop", "shop"]
    text = json.dumps(caller.send("GET", "policies").json, indent=2) + "\n"
    after = json.loads(patched(tmp_path, text, answer.json["mending"]["patch"], "policies.json"))
    assert after["policies"]["shop"]["rules"][0]["request_headers"] == ["content-type"]
    assert {**after["policies"], "shop": None} == {"shop": None, "pay": {"origins": ["@partners"]}}


def test_passes(office: Office) -> None:
    """What passes needs no edit."""
    answer = office.caller().send("POST", "explain", {**ASKED, "method": "GET", "headers": []})
    assert {seen["outcome"] for seen in answer.json["engines"].values()} == {"readable"}
    assert answer.json["mending"] is None


def test_answers(office: Office) -> None:
    """The answers of a live service are judged without the policies."""
    headers = [["Access-Control-Allow-Origin", "*"], ["Access-Control-Allow-Methods", "PUT"]]
    answers = {"preflight": {"status": 204, "headers": headers}, "actual": None}
    answer = office.caller().send("POST", "explain", {**ASKED, "answers": answers})
    assert answer.json["decisions"] == []
    assert "must not be the wildcard" in answer.json["engines"]["chromium"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {**ASKED, "page": "shop"},
        {**ASKED, "method": "A B"},
        {**ASKED, "mode": "any"},
        {**ASKED, "more": 1},
        {**ASKED, "url": "https://user:secret@shop.example/"},
        {**ASKED, "url": "x" * 9000},
        {**ASKED, "answers": {"actual": {"status": 7}}},
    ],
)
def test_malformed(office: Office, body: object) -> None:
    """What no page can ask, or what can't be read, is refused."""
    assert office.caller().send("POST", "explain", body).problem == (400, "exchange-malformed")


def test_nothing_is_written(office: Office) -> None:
    """An explanation is no change, and the audit log does not have it."""
    caller = office.caller()
    caller.send("POST", "explain", ASKED)
    assert caller.send("GET", "policies").header("ETag") == '"1"'
    assert office.audited == []


def test_only_what_the_caller_may_see(tmp_path: Path) -> None:
    """A caller who may see some policies gets explanations by these; the others do not exist for it."""
    verbs = {"verbs": ["read"]}
    office = Office(tmp_path, access(shop={**verbs, "policies": ["shop"]}, none={**verbs, "policies": ["other"]}))
    answer = office.caller("shop").send("POST", "explain", ASKED)
    assert answer.json["mending"] is not None
    assert "partners" not in answer.json["mending"]["patch"]
    asked = {**ASKED, "policy": "pay"}
    for caller in ("shop", "none"):
        answer = office.caller(caller).send("POST", "explain", asked)
        assert "There is no policy 'pay'." in str([step["message"] for step in answer.json["steps"]])
        assert "a.example" not in answer.body.decode()
    assert office.caller().send("POST", "explain", ASKED).problem == (401, "unauthorized")
