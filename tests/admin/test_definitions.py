"""Policies and sets over HTTP, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cors_service.policy import revision
from cors_service.reader.sources import read_policies
from cors_service.web.hosts import Hosts
from tests.admin.trees import NARROWER, SHOP, TEXTS, WIDER, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def test_read(office: Office) -> None:
    """A definition is given as its author wrote it, and together they are the document that a service would load."""
    caller = office.caller()
    assert caller.send("GET", "policies/shop").json == SHOP
    assert caller.send("GET", "origin-sets/partners").json == ["https://a.example"]
    everything = caller.send("GET", "policies")
    assert everything.header("ETag") == '"1"'
    assert everything.json == {
        "version": 1,
        "policies": {"shop": SHOP, "pay": {"origins": ["@partners"]}},
        "origin_sets": {"partners": ["https://a.example"]},
    }
    assert caller.send("GET", "header-sets").json == {"version": 1, "header_sets": {}}


def test_held(office: Office) -> None:
    """What a client holds already is not sent again, and neither is a body to HEAD."""
    caller = office.caller()
    for path in ("policies", "policies/shop", "origin-sets"):
        assert caller.send("GET", path, If_None_Match=caller.tag(path)).status == 304
        assert caller.ask("HEAD", f"/admin/v1/{path}").status == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("policies/shopp", "unknown-policy"),
        ("origin-sets/shop", "unknown-origin-set"),
        ("header-sets/usual", "unknown-header-set"),
    ],
)
def test_unknown(office: Office, path: str, code: str) -> None:
    """What is not there is a 404, also for whoever wants to remove it."""
    caller = office.caller()
    assert (404, code) == caller.send("GET", path).problem
    assert (404, code) == caller.send("DELETE", path).problem
    assert "shop" not in code or "nearest is 'shop'" in caller.send("GET", path).json["detail"]


def test_put(office: Office) -> None:
    """A policy keeps its place and the comments there; the answer says what becomes wider, and has the entry."""
    answer = office.caller().put("policies/shop", WIDER, "?reason=the%20new%20shop", X_Request_ID="r-7")
    assert answer.status == 200
    text = (office.path / "shop.toml").read_text(encoding="utf-8")
    expected = TEXTS["shop.toml"].replace('example.com"]  #', 'example.com", "https://new.example.com"]  #')
    assert expected == text
    told = answer.json
    assert tuple(told[key] for key in ("changed", "wider", "narrower", "dry_run")) == (True, True, False, False)
    assert tuple(told["entry"][key] for key in ("author", "reason", "request_id", "seq")) == (
        "local",
        "the new shop",
        "r-7",
        2,
    )
    assert "https://new.example.com" in told["differences"][0]["sentence"]
    assert told["differences"][0]["witness"] == told["entry"]["witness"]["query"]
    assert told["entry"]["revision"] == revision(read_policies(office.path))
    assert answer.header("ETag") == office.caller().tag("policies/shop")


def test_new(office: Office) -> None:
    """A new policy gets a document of its own, and is a 201."""
    answer = office.caller().send("PUT", "policies/new", {"origins": ["*"]}, If_None_Match="*")
    assert answer.status == 201
    assert (office.path / "new.toml").read_text(encoding="utf-8") == 'version = 1\n\n[policies.new]\norigins = ["*"]\n'
    assert office.caller().send("PUT", "policies/new", SHOP, If_None_Match="*").problem == (412, "outdated")


def test_delete(office: Office) -> None:
    """A policy that is removed takes its document along, if there is nothing else in it."""
    caller = office.caller()
    assert caller.send("DELETE", "policies/shop").problem == (428, "precondition-required")
    answer = caller.send("DELETE", "policies/shop", If_Match=caller.tag("policies/shop"))
    assert (answer.status, answer.json["wider"], answer.json["narrower"]) == (200, False, True)
    assert answer.header("ETag") is None
    assert [path.name for path in office.path.glob("*.toml")] == ["pay.toml"]


def test_dry_run(office: Office) -> None:
    """A dry run says all that a change would say, and changes nothing."""
    caller = office.caller()
    would = caller.put("policies/shop", NARROWER, "?dry_run=1").json
    assert (would["dry_run"], would["changed"], would["entry"]) == (True, False, None)
    assert office.desk.changes.kept.head.seq == 1
    done = caller.put("policies/shop", NARROWER).json
    assert [would[key] for key in ("differences", "changes")] == [done[key] for key in ("differences", "changes")]


def test_no_change(office: Office) -> None:
    """What is there already makes no entry."""
    answer = office.caller().put("policies/shop", SHOP)
    assert (
        answer.status,
        answer.json["changed"],
        answer.json["entry"],
        answer.json["changes"],
    ) == (200, False, None, [])


MISTAKES: dict[str, tuple[str, Any, str, str]] = {
    "upper case": ("policies/shop", {"origins": ["https://SHOP.example.com"]}, "origin-uppercase", "/origins/0"),
    "a set that is not there": ("policies/shop", {"origins": ["@partner"]}, "origin-set-unknown", "/origins/0"),
    "a key": ("policies/shop", {"origins": ["*"], "max/age": 1}, "unknown-key", "/max~1age"),
    "not a table": ("policies/shop", [], "wrong-type", ""),
    "null in it": ("policies/shop", {"origins": [None]}, "wrong-type", "/origins/0"),
    "a set": ("origin-sets/partners", ["a.example"], "origin-malformed", "/0"),
    "a name": ("policies/%C3%A9", {"origins": ["*"]}, "name-malformed", ""),
}


@pytest.mark.parametrize(("path", "body", "code", "pointer"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(office: Office, path: str, body: Any, code: str, pointer: str) -> None:
    """What is wrong with a definition is told with its place in the body, and nothing is written."""
    answer = (
        office.caller().send("PUT", path, body, If_Match="*")
        if "%" not in path
        else office.caller().send("PUT", path, body)
    )
    assert answer.problem == (422, "invalid-policies")
    assert (code, pointer, None) == tuple(answer.json["mistakes"][0][key] for key in ("code", "pointer", "line"))
    assert office.desk.changes.kept.head.seq == 1


def test_mistake_elsewhere(office: Office) -> None:
    """A mistake that a change makes in another document has its place there."""
    answer = office.caller().put("policies/pay", {"origins": ["*"]})
    assert answer.problem == (422, "invalid-policies")
    [mistake] = answer.json["mistakes"]
    assert (mistake["code"], mistake["pointer"]) == ("origin-set-unused", None)


def test_outdated(office: Office) -> None:
    """Who knows an older policy is told what it is now, who has changed it, and what that lets through."""
    caller = office.caller()
    old = caller.tag("policies/shop")
    caller.put("policies/pay", {"origins": ["@partners"], "max_age": 5})
    caller.put("policies/shop", WIDER)
    for answer in (
        caller.send("PUT", "policies/shop", NARROWER, If_Match=old),
        caller.send("DELETE", "policies/shop", If_Match=old),
    ):
        assert answer.problem == (412, "outdated")
        told = answer.json
        assert {"etag": caller.tag("policies/shop"), "document": WIDER} == told["current"]
        assert [entry["seq"] for entry in told["entries"]] == [3]
        assert [(one["policy"], one["direction"]) for one in told["differences"]] == [("shop", "wider")]


@pytest.mark.parametrize("tags", ['"a", "b"', 'W/"a"', '""'])
def test_other_tags(office: Office, tags: str) -> None:
    """Tags that never were are outdated, too."""
    assert office.caller().send("PUT", "policies/shop", WIDER, If_Match=tags).problem == (412, "outdated")


@pytest.mark.parametrize("tags", ["a", '"a', '*, "a"'])
def test_malformed_tags(office: Office, tags: str) -> None:
    """What is no list of tags is told."""
    assert office.caller().send("PUT", "policies/shop", WIDER, If_Match=tags).problem == (400, "header-malformed")


@pytest.mark.parametrize(
    "query", ["?dryrun=1", "?dry_run=yes", "?dry_run=1&dry_run=1", "?dry_run=%ff", "?reason=" + "a" * 1001]
)
def test_parameters(office: Office, query: str) -> None:
    """A parameter that is not known or can't be read is refused, and not overlooked."""
    answer = office.caller().put("policies/shop", WIDER, query)
    assert (400, "reason-too-long" if "aaa" in query else "parameter-malformed") == answer.problem
    assert office.desk.changes.kept.head.seq == 1


def test_bodies(office: Office) -> None:
    """A body that is not JSON, or says that it is something else, is refused."""
    caller, path = office.caller(), "/admin/v1/policies/shop"
    lines = [("If-Match", "*"), ("Content-Type", "application/json")]
    assert caller.ask("PUT", path, b"{", lines).problem == (400, "body-malformed")
    assert caller.ask("PUT", path, b'{"a": 1, "a": 2}', lines).problem == (400, "body-malformed")
    assert caller.ask("PUT", path, b"null", lines).problem == (400, "body-malformed")
    assert caller.ask("PUT", path, b"{}", [("Content-Type", "text/plain")]).problem == (415, "not-json")
    office.desk.body = 10
    assert caller.ask("PUT", path, b" " * 11, lines).problem == (413, "body-too-large")


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://cors.test:8081"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "nonsense"},
    {"Origin": "http://cors.test", "Sec_Fetch_Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_pages_of_other_origins(office: Office, headers: dict[str, str]) -> None:
    """No page of another origin can change anything, and that it tried is in the audit log."""
    caller = office.caller()
    for method, path, value in (
        ("PUT", "policies/shop", WIDER),
        ("DELETE", "policies/shop", None),
        ("POST", "changes", {}),
        ("POST", "rollback", {}),
        ("POST", "reports", {}),
    ):
        assert caller.send(method, path, value, Host="cors.test", **headers).problem == (403, "cross-site")
    assert sum(line["code"] == "cross-site" for line in office.audited) == 5


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://cors.test", "Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}], ids=str
)
def test_own_pages(office: Office, headers: dict[str, str]) -> None:
    """A page of the process's own, and somebody who types, can change what they may."""
    assert office.caller().put("policies/shop", WIDER, Host="cors.test", **headers).status == 200


def test_preflight(office: Office) -> None:
    """A preflight gets nothing that would let a page go on."""
    answer = office.caller().ask(
        "OPTIONS",
        "/admin/v1/policies/shop",
        lines=[("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")],
    )
    assert answer.status == 405
    assert not [name for name, _ in answer.lines if name.lower().startswith("access-control-")]


def test_by_hand(office: Office) -> None:
    """Mistakes that somebody makes by hand keep everybody from changing something, until they are mended."""
    (office.path / "pay.toml").write_text("nonsense = 1\n", encoding="utf-8")
    for _ in range(3):
        office.desk.changes.follow()
    caller = office.caller()
    answer = caller.put("policies/shop", WIDER)
    assert answer.problem == (409, "store-has-mistakes")
    assert {"unknown-key", "missing-key"} == {one["code"] for one in answer.json["mistakes"]}
    status = caller.send("GET", "status").json
    assert (status["stale"], status["head"]["seq"]) == (True, 1)
    (office.path / "pay.toml").write_text(TEXTS["pay.toml"], encoding="utf-8")
    for _ in range(3):
        office.desk.changes.follow()
    assert caller.put("policies/shop", WIDER).status == 200


def test_while_somebody_writes(office: Office) -> None:
    """While somebody writes documents by hand, a change is put off, and the client is told when to try again."""
    (office.path / "pay.toml").write_text(TEXTS["pay.toml"].replace("a.example", "b.example"), encoding="utf-8")
    caller = office.caller()
    answer = caller.put("policies/shop", WIDER)
    assert answer.problem == (503, "store-unavailable")
    assert answer.header("Retry-After") == "2"
    office.desk.changes.follow()
    assert caller.put("policies/shop", WIDER).json["entry"]["seq"] == 3


def test_gone(office: Office) -> None:
    """While the directory can't be read, it says so, is not ready, and changes nothing; then it goes on."""
    caller = office.caller()
    assert caller.ask("GET", "/readyz").status == 200
    assert caller.ask("GET", "/livez").status == 200
    tag = caller.tag("policies/shop")
    away = office.path.rename(office.path.with_name("away"))
    office.desk.changes.follow()
    assert caller.ask("GET", "/readyz").problem == (503, "store-unavailable")
    status = caller.send("GET", "status").json
    assert (status["stale"], "No such file" in status["problem"]) == (True, True)
    for answer in (
        caller.send("PUT", "policies/shop", WIDER, If_Match=tag),
        caller.send("POST", "changes", {"reason": "a", "document": {"version": 1}}, If_Match="*"),
    ):
        assert answer.problem == (503, "store-unavailable")
    away.rename(office.path)
    office.desk.changes.follow()
    assert caller.ask("GET", "/readyz").status == 200
    assert caller.send("PUT", "policies/shop", WIDER, If_Match=tag).status == 200


def test_link(office: Office) -> None:
    """A document that is a link is named, and left as it is."""
    (office.path / "shop.toml").rename(office.path / ".shop")
    (office.path / "shop.toml").symlink_to(".shop")
    office.desk.changes.follow()
    office.desk.changes.follow()
    answer = office.caller().put("policies/shop", WIDER)
    assert answer.problem == (503, "store-unavailable")
    assert "shop.toml is a link" in answer.json["detail"]


def test_draining(office: Office) -> None:
    """A process that is about to stop is not ready."""
    office.tree.ready.draining = True
    assert office.caller().ask("GET", "/readyz").problem == (503, "draining")


def test_hosts(office: Office) -> None:
    """A page that has its own name resolved to this machine gets nothing."""
    office.tree.restrict_to(Hosts())
    caller = office.caller()
    assert caller.send("GET", "policies", Host="evil.example").problem == (421, "misdirected")
    assert caller.send("GET", "policies", Host="127.0.0.1:8081").status == 200
    assert caller.ask("GET", "/livez", lines=[("Host", "evil.example")]).status == 200
