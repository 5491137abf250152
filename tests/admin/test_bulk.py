"""Several definitions in one step, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cors_service.reader.sources import read_policies
from tests.admin.trees import NARROWER, SHOP, TEXTS, WIDER, Office, access

PARTNERS = {"kind": "origin-set", "name": "team", "document": ["https://team.example"]}
TEAM = {"kind": "policy", "name": "team", "document": {"origins": ["@team"]}}
ALL: dict[str, Any] = {
    "version": 1,
    "policies": {"shop": SHOP, "pay": {"origins": ["@partners"]}},
    "origin_sets": {"partners": ["https://a.example"]},
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def test_several(office: Office) -> None:
    """What goes only together is one change with one entry."""
    caller = office.caller()
    assert caller.send("PUT", "policies/team", TEAM["document"]).status == 422
    answer = caller.send("POST", "changes", {"reason": "a team", "changes": [TEAM, PARTNERS]}, If_Match='"1"')
    assert (answer.status, answer.header("ETag")) == (200, '"2"')
    entry = answer.json["entry"]
    assert (entry["seq"], entry["reason"], entry["wider"]) == (2, "a team", True)
    assert [(one["kind"], one["name"]) for one in entry["changes"]] == [("origin-set", "team"), ("policy", "team")]
    assert {"shop.toml", "pay.toml", "team.toml"} == {path.name for path in office.path.glob("*.toml")}


def test_whole(office: Office) -> None:
    """A document takes the place of everything: what it lacks is gone, and what is there already is not touched."""
    document = {**ALL, "policies": {"shop": SHOP, "new": {"origins": ["*"]}}, "origin_sets": {}}
    answer = office.caller().send("POST", "changes", {"reason": "all", "document": document}, If_Match="*")
    assert [f"{one['kind']} {one['name']}" for one in answer.json["changes"]] == [
        "origin-set partners",
        "policy new",
        "policy pay",
    ]
    assert {"shop.toml", "new.toml"} == {path.name for path in office.path.glob("*.toml")}
    assert TEXTS["shop.toml"] == (office.path / "shop.toml").read_text(encoding="utf-8")
    again = office.caller().send("POST", "changes", {"reason": "all", "document": document}, If_Match="*")
    assert (again.status, again.json["changes"], again.json["entry"]) == (200, [], None)


def test_outdated(office: Office) -> None:
    """Who knows an older change is told all that came since, and what it lets through."""
    caller = office.caller()
    assert caller.send("POST", "changes", {}).problem == (428, "precondition-required")
    caller.put("policies/shop", WIDER)
    caller.put("policies/pay", {"origins": ["@partners"], "max_age": 7})
    for path in ("changes", "rollback"):
        answer = caller.send("POST", path, {"reason": "a", "changes": [TEAM], "to": 1}, If_Match='"1"')
        assert answer.problem == (412, "outdated")
        assert ([one["seq"] for one in answer.json["entries"]], answer.json["head"]["seq"]) == ([2, 3], 3)
        assert {"shop", "pay"} == {one["policy"] for one in answer.json["differences"]}
    assert caller.send("POST", "changes", {}, If_Match='"99"').problem == (412, "outdated")


BODIES: dict[str, Any] = {
    "a list": [],
    "nothing": {},
    "no reason": {"changes": [TEAM]},
    "an empty reason": {"reason": " ", "changes": [TEAM]},
    "both": {"reason": "a", "changes": [TEAM], "document": ALL},
    "neither": {"reason": "a"},
    "an unknown member": {"reason": "a", "changes": [TEAM], "dryrun": True},
    "no changes": {"reason": "a", "changes": []},
    "changes of another type": {"reason": "a", "changes": {}},
    "a change of another type": {"reason": "a", "changes": ["team"]},
    "a change without a document": {"reason": "a", "changes": [{"kind": "policy", "name": "a"}]},
    "another kind": {"reason": "a", "changes": [{**TEAM, "kind": "policies"}]},
    "another name": {"reason": "a", "changes": [{**TEAM, "name": 1}]},
    "twice": {"reason": "a", "changes": [TEAM, TEAM]},
    "another version": {"reason": "a", "document": {**ALL, "version": 2}},
    "an unknown table": {"reason": "a", "document": {**ALL, "policy": {}}},
    "a table of another type": {"reason": "a", "document": {**ALL, "policies": []}},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_malformed(office: Office, body: object) -> None:
    """A body that says something else than a change is refused with a sentence, and nothing is changed."""
    answer = office.caller().send("POST", "changes", body, If_Match="*")
    assert answer.problem == (400, "change-malformed")
    assert office.desk.changes.kept.head.seq == 1


def test_places(office: Office) -> None:
    """A mistake has its place in the list, or in the document, that was sent."""
    bad = {"origins": ["https://A.example"]}
    changes = [TEAM, {"kind": "policy", "name": "pay", "document": bad}, PARTNERS]
    for body, pointer in (
        ({"reason": "a", "changes": changes}, "/changes/1/document/origins/0"),
        ({"reason": "a", "document": {"version": 1, "policies": {"pay": bad}}}, "/document/policies/pay/origins/0"),
    ):
        answer = office.caller().send("POST", "changes", body, If_Match="*")
        assert answer.problem == (422, "invalid-policies")
        assert pointer == answer.json["mistakes"][0]["pointer"]


RULE: dict[str, Any] = SHOP["rules"][0]


@pytest.mark.parametrize(
    ("table", "name", "body"),
    [
        ("policies", "shop", {**SHOP, "typo": 1}),
        ("policies", "shop", {**SHOP, "guard": "enforce"}),
        ("policies", "shop", {**SHOP, "match": ["https://api.example:99999/"]}),
        ("policies", "shop", {**SHOP, "rules": [{**RULE, "max_agee": 5}]}),
        ("policies", "shop", {**SHOP, "rules": [{**RULE, "max_age": "no"}]}),
        ("policies", "shop", {**SHOP, "rules": [{**RULE, "origins": [*RULE["origins"], "https://b.example/x"]}]}),
        ("policies", "new", {"rules": []}),
        ("policies", "new", {"rules": "nonsense"}),
        ("policies", "new", 7),
        ("origin_sets", "partners", ["https://partner.example", "https://t.example/x"]),
        ("origin_sets", "new", "https://new.example"),
        ("header_sets", "new", [1]),
    ],
)
def test_a_mistake_is_not_what_is_there(office: Office, table: str, name: str, body: Any) -> None:
    """A definition that is what is there but for a mistake is refused, and so is a new one that can't be read."""
    there = {**ALL, "origin_sets": {"partners": ["https://partner.example"]}}
    assert office.caller().send("POST", "changes", {"reason": "a", "document": there}, If_Match="*").status == 200
    before = office.desk.changes.kept.head.seq
    document = {**there, table: {**there.get(table, {}), name: body}}
    answer = office.caller().send("POST", "changes", {"reason": "a", "document": document}, If_Match="*")
    assert answer.problem == (422, "invalid-policies")
    assert answer.json["mistakes"][0]["pointer"].startswith(f"/document/{table}/{name}")
    assert office.desk.changes.kept.head.seq == before


def test_rollback(office: Office) -> None:
    """Going back is a new change, which leads to the revision that there was."""
    caller = office.caller()
    first = office.desk.changes.kept.head.revision
    caller.put("policies/shop", NARROWER)
    caller.send("POST", "changes", {"reason": "a", "changes": [TEAM, PARTNERS]}, If_Match='"2"')
    caller.send("DELETE", "policies/shop", If_Match="*")
    answer = caller.send("POST", "rollback", {"reason": "back", "to": 1}, If_Match='"4"')
    assert (answer.status, answer.json["entry"]["seq"]) == (200, 5)
    assert first == answer.json["entry"]["revision"] == office.desk.changes.kept.head.revision
    assert {"shop", "pay"} == set(read_policies(office.path).policies)
    again = caller.send("POST", "rollback", {"reason": "back", "to": 1}, If_Match='"5"')
    assert not again.json["changed"]


@pytest.mark.parametrize(
    ("to", "problem"),
    [(2, (404, "unknown-change")), (0, (400, "change-malformed")), ("1", (400, "change-malformed"))],
)
def test_rollback_to_nowhere(office: Office, to: object, problem: tuple[int, str]) -> None:
    """There is no way back to a change that was not made."""
    assert problem == office.caller().send("POST", "rollback", {"reason": "a", "to": to}, If_Match="*").problem


def test_rollback_to_what_was_tampered_with(office: Office) -> None:
    """What somebody has changed in the ledger does not come back as what there was."""
    caller = office.caller()
    caller.put("policies/shop", WIDER)
    bodies = office.path / ".ledger" / "bodies" / f"{1:016}.json"
    bodies.write_text(bodies.read_text(encoding="utf-8").replace("shop.example", "evil.example"), encoding="utf-8")
    answer = caller.send("POST", "rollback", {"reason": "a", "to": 1}, If_Match="*")
    assert answer.problem == (409, "ledger-broken")


def test_ledger(office: Office) -> None:
    """The ledger is given in pages, in its order."""
    caller = office.caller()
    caller.put("policies/shop", WIDER)
    caller.put("policies/shop", SHOP)
    pages = [caller.send("GET", f"ledger{query}").json for query in ("", "?after=1&limit=1", "?after=3", "?limit=0")]
    assert [[entry["seq"] for entry in page["entries"]] for page in pages] == [[1, 2, 3], [2], [], []]
    assert all(page["head"]["seq"] == 3 for page in pages)
    entries = pages[0]["entries"]
    assert [entry["hash"] for entry in entries[:-1]] == [entry["previous"] for entry in entries[1:]]
    for query in ("?after=-1", "?limit=1001", "?after=a", "?before=1"):
        assert caller.send("GET", f"ledger{query}").problem == (400, "parameter-malformed")


def test_scope_of_a_document(tmp_path: Path) -> None:
    """A document of a caller with some policies takes the place of these, and leaves the others."""
    office = Office(tmp_path, access(shop={"verbs": ["read", "write"], "policies": ["shop"]}))
    document = {"version": 1, "policies": {"shop-new": {"origins": ["*"]}}}
    answer = office.caller("shop").send("POST", "changes", {"reason": "a", "document": document}, If_Match="*")
    assert answer.status == 200
    assert {"pay", "shop-new"} == set(read_policies(office.path).policies)
