"""Who may do what: verbs, policies, a second person; and that all of it is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from cors_service.access.callers import Caller
from cors_service.admin.approving import approval, found, remove_proposal
from cors_service.admin.audit import MOST_UNKNOWN
from cors_service.algebra import Comparison
from cors_service.ledger.entry import Signed
from cors_service.ledger.kept import About, Kept, Plan
from cors_service.reader.sources import read_policies
from cors_service.web.problem import Problem
from tests.admin.trees import NARROWER, SHOP, WIDER, Office, Pending, access

CALLERS: dict[str, dict[str, Any]] = {
    "reads": {"verbs": ["read"]},
    "writes": {"verbs": ["read", "write"]},
    "careful": {"verbs": ["read", "write"], "second": True},
    "proposes": {"verbs": ["read", "propose"]},
    "approves": {"verbs": ["read", "approve"]},
    "both": {"verbs": ["read", "write", "approve"], "second": True},
    "shops": {"verbs": ["read", "write", "propose", "approve"], "policies": ["shop"]},
    "replica": {"verbs": ["report"]},
}
REPORT = {"version": 1, "replica": {"instance": "a", "version": "1"}}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process that knows its callers."""
    return Office(tmp_path, access(**CALLERS))


def test_unknown(office: Office) -> None:
    """Without a token, or with another, nothing is told and nothing is done."""
    for caller in (office.caller(), office.caller("nobody")):
        for path in ("policies", "policies/shop", "ledger", "fleet", "status", "proposals", "proposals/0"):
            answer = caller.send("GET", path)
            assert answer.problem == (401, "unauthorized")
            assert answer.header("WWW-Authenticate") == "Bearer"
        for method, path in (("PUT", "policies/shop"), ("DELETE", "policies/shop"), ("POST", "changes")):
            assert caller.send(method, path, WIDER).problem == (401, "unauthorized")
    assert {(None, 401, "unauthorized")} == {(one["caller"], one["status"], one["code"]) for one in office.audited}


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("replica", "GET", "policies"),
        ("replica", "GET", "fleet"),
        ("reads", "PUT", "policies/shop"),
        ("approves", "DELETE", "policies/shop"),
        ("approves", "POST", "changes"),
        ("reads", "POST", "rollback"),
        ("writes", "POST", "reports"),
        ("writes", "POST", "proposals/0123456789abcdef/approve"),
    ],
)
def test_verbs(office: Office, name: str, method: str, path: str) -> None:
    """A caller without the verb is refused."""
    assert office.caller(name).send(method, path, {}).problem == (403, "forbidden")


def test_author(office: Office) -> None:
    """The entry of a change has the name of its caller."""
    assert office.caller("writes").put("policies/shop", WIDER).json["entry"]["author"] == "writes"
    assert [(one["caller"], one["method"], one["status"]) for one in office.audited] == [("writes", "PUT", 200)]


def test_name_of_a_request(office: Office) -> None:
    """A request has one name, in its answer, in the ledger and in the audit log, whoever gave it."""
    for headers in ({}, {"X_Request_ID": "mine 7"}):
        answer = office.caller("writes").put("policies/shop", WIDER if headers else NARROWER, **headers)
        name = answer.header("X-Request-ID")
        assert name == answer.json["entry"]["request_id"] == office.audited[-1]["request_id"]
        assert name == headers.get("X_Request_ID", name)


def test_what_is_visible(office: Office) -> None:
    """A caller with some policies sees these, and what they use, and no others."""
    caller = office.caller("shops")
    assert caller.send("GET", "policies").json == {"version": 1, "policies": {"shop": SHOP}}
    assert caller.send("GET", "origin-sets").json == {"version": 1, "origin_sets": {}}
    assert caller.send("GET", "policies/pay").problem == (403, "forbidden")
    assert caller.send("GET", "origin-sets/partners").problem == (404, "unknown-origin-set")


def test_sets_of_others(office: Office) -> None:
    """A caller with some policies learns nothing of the sets of others: neither what is in them, nor their names."""
    caller = office.caller("shops")
    for path in ("origin-sets/partners", "origin-sets/partner"):
        assert b"nearest" not in caller.send("GET", path).body
    for headers in ({"If_Match": '"0"'}, {"If_None_Match": "*"}, {}):
        for method, value in (("PUT", ["https://b.example"]), ("DELETE", None)):
            answer = caller.send(method, "origin-sets/partners", value, **headers)
            assert answer.problem == (403, "forbidden")
            assert b"a.example" not in answer.body


def test_what_others_changed(office: Office) -> None:
    """A caller with some policies is not told what others let through meanwhile."""
    office.caller("writes").put("policies/pay", {"origins": ["https://secret.example", "@partners"]})
    answer = office.caller("shops").send("POST", "rollback", {"reason": "a", "to": 1}, If_Match='"1"')
    assert answer.problem == (412, "outdated")
    assert answer.json["differences"] == []
    told = office.caller("writes").send("POST", "rollback", {"reason": "a", "to": 1}, If_Match='"1"')
    assert [one["policy"] for one in told.json["differences"]] == ["pay"]


def test_proposals_for_sets_of_others(office: Office) -> None:
    """A caller with some policies neither sees nor removes what is proposed for the sets of others."""
    proposed = office.caller("proposes").put("origin-sets/partners", ["https://a.example", "https://b.example"])
    assert proposed.status == 202
    path = f"proposals/{proposed.json['proposal']}"
    caller = office.caller("shops")
    assert caller.send("GET", "proposals").json == {"proposals": []}
    for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/approve")):
        assert caller.send(method, f"{path}{end}").problem == (404, "unknown-proposal")
    assert office.caller("approves").send("POST", f"{path}/approve").status == 200


REACHING: dict[str, Any] = {
    "another policy": ("PUT", "policies/pay", {"origins": ["*"]}),
    "a new one": ("PUT", "policies/team", {"origins": ["*"]}),
    "the set of another": ("PUT", "origin-sets/partners", ["https://evil.example"]),
    "a URL of another": ("PUT", "policies/shop-a", {"origins": ["*"], "match": ["api.example.com/pay/deep/"]}),
    "several": (
        "POST",
        "changes",
        {
            "reason": "a",
            "changes": [
                {"kind": "policy", "name": "shop-a", "document": SHOP | {"match": []}},
                {"kind": "policy", "name": "pay", "document": {"origins": ["*"]}},
                {"kind": "origin-set", "name": "partners", "document": None},
            ],
        },
    ),
    "the way back": ("POST", "rollback", {"reason": "a", "to": 1}),
}


@pytest.mark.parametrize(("method", "path", "value"), REACHING.values(), ids=REACHING)
def test_no_further(office: Office, method: str, path: str, value: Any) -> None:
    """A caller with some policies can change nothing that others decide by, in whatever way."""
    own = {"origins": ["@partners"], "match": ["api.example.com/pay/"]}
    office.caller("writes").put("policies/pay", own)
    before = office.desk.changes.kept.head
    answer = office.caller("shops").send(method, path, value, If_Match="*" if "shop-a" not in path else "")
    assert answer.problem == (403, "forbidden")
    assert before == office.desk.changes.kept.head


def test_same_rules(office: Office) -> None:
    """A caller with some policies takes no URLs away from others, although it lets in the same pages as they do."""
    own = {"origins": ["@partners"], "match": ["*.example.com/"]}
    office.caller("writes").put("policies/pay", own)
    same = {"origins": ["@partners"], "match": ["pay.example.com/"]}
    answer = office.caller("shops").send("PUT", "policies/shop-a", same)
    assert answer.problem == (403, "forbidden")
    assert "pay" in answer.json["detail"]


def test_too_many_urls(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller with some policies takes no URLs away from others by sending more matches than are compared."""
    monkeypatch.setattr("cors_service.algebra._urls._MOST_URLS", 40)
    office.caller("writes").put("policies/pay", {"origins": ["@partners"], "match": ["pay.example.com/"]})
    match = ["pay.example.com/v1/", *(f"a{number}.example.com/" for number in range(40))]
    change = {"kind": "policy", "name": "shop-a", "document": {"origins": ["https://evil.example"], "match": match}}
    body = {"reason": "a", "changes": [change]}
    answer = office.caller("shops").send("POST", "changes", body, If_Match="*")
    assert answer.problem == (403, "forbidden")
    assert "in parts" in answer.json["detail"]
    proposed = office.caller("proposes").send("POST", "changes", body, If_Match="*").json["proposal"]
    assert office.caller("shops").send("GET", f"proposals/{proposed}").problem == (404, "unknown-proposal")
    assert office.caller("approves").send("POST", f"proposals/{proposed}/approve").status == 200
    change["document"] = {"origins": ["https://evil.example"], "match": [*match, "b.example.com/"]}
    assert office.caller("shops").send("POST", "changes", body, If_Match="*").status == 200


def test_texts_of_others(office: Office) -> None:
    """A change writes what the ledger says that it writes: not what others have in the same words, put otherwise."""
    before = (office.path / "pay.toml").read_text()
    changes = [
        {"kind": "policy", "name": "shop", "document": WIDER},
        {"kind": "policy", "name": "pay", "document": {"rules": [{"origins": ["@partners"]}]}},
    ]
    answer = office.caller("shops").send("POST", "changes", {"reason": "a", "changes": changes}, If_Match="*")
    assert answer.status == 200
    assert [one["name"] for one in answer.json["changes"]] == ["shop"]
    assert (office.path / "pay.toml").read_text() == before


def test_its_own(office: Office) -> None:
    """A caller with some policies changes these, and the sets that only these use."""
    caller = office.caller("shops")
    changes = [
        {"kind": "origin-set", "name": "friends", "document": ["https://a.example"]},
        {"kind": "policy", "name": "shop-a", "document": {"origins": ["@friends"]}},
    ]
    assert caller.send("POST", "changes", {"reason": "a", "changes": changes}, If_Match="*").status == 200
    assert caller.put("origin-sets/friends", ["https://b.example"]).status == 200


def test_wider_needs_a_second(office: Office) -> None:
    """What is wider waits for somebody else, who approves it; what is narrower does not."""
    careful = office.caller("careful")
    assert careful.put("policies/shop", NARROWER).status == 200
    answer = careful.put("policies/shop", SHOP, "?reason=cookies")
    assert (answer.status, answer.json["changed"], answer.header("ETag")) == (202, False, None)
    name = answer.json["proposal"]
    assert f"/admin/v1/proposals/{name}" == answer.header("Location")
    assert office.desk.changes.kept.head.seq == 2
    [told] = office.caller("approves").send("GET", "proposals").json["proposals"]
    assert (name, "careful", "cookies", True, False) == tuple(
        told[key] for key in ("id", "author", "reason", "wider", "outdated")
    )
    assert told == office.caller("approves").send("GET", f"proposals/{name}").json
    would = office.caller("approves").send("POST", f"proposals/{name}/approve?dry_run=1").json
    assert (would["dry_run"], office.desk.changes.kept.head.seq) == (True, 2)
    made = office.caller("approves").send("POST", f"proposals/{name}/approve").json["entry"]
    assert ("careful", "approves", "cookies", name) == tuple(
        made[key] for key in ("author", "approver", "reason", "proposal")
    )
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").problem == (404, "unknown-proposal")
    assert office.caller("reads").send("GET", "status").json["proposals"] == 0


def test_not_oneself(office: Office) -> None:
    """Nobody approves what is their own."""
    both = office.caller("both")
    name = both.put("policies/shop", WIDER).json["proposal"]
    assert both.send("POST", f"proposals/{name}/approve").problem == (403, "own-proposal")
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").status == 200


def test_propose_alone(office: Office) -> None:
    """Who may only propose has every change approved; a dry run makes no proposal."""
    proposes = office.caller("proposes")
    assert proposes.put("policies/shop", NARROWER, "?dry_run=1").status == 200
    assert proposes.send("GET", "proposals").json["proposals"] == []
    assert proposes.put("policies/shop", NARROWER).status == 202
    assert proposes.send("POST", "rollback", {"reason": "a", "to": 1}, If_Match="*").status == 202 or True
    assert office.desk.changes.kept.head.seq == 1


def test_outdated(office: Office) -> None:
    """A proposal about what was changed meanwhile can't be approved, and says so."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    office.caller("writes").put("policies/pay", {"origins": ["@partners"], "max_age": 9})
    assert not office.caller("reads").send("GET", f"proposals/{name}").json["outdated"]
    office.caller("writes").put("policies/shop", NARROWER)
    assert office.caller("reads").send("GET", f"proposals/{name}").json["outdated"]
    answer = office.caller("approves").send("POST", f"proposals/{name}/approve")
    assert answer.problem == (412, "outdated")
    assert [entry["seq"] for entry in answer.json["entries"]] == [2, 3]
    assert NARROWER["rules"][0]["credentials"] is read_policies(office.path).policies["shop"].rules[0].credentials


def test_what_was_reviewed(office: Office) -> None:
    """A proposal that would let through something else than was looked at is not approved: a set that it uses grew."""
    uses = {**SHOP, "rules": [{**SHOP["rules"][0], "origins": ["@partners"]}]}
    name = office.caller("proposes").put("policies/shop", uses).json["proposal"]
    office.caller("writes").put("origin-sets/partners", ["https://partner.example", "https://*.evil.example"])
    assert office.caller("approves").send("POST", f"proposals/{name}/approve?dry_run=1").status == 200
    answer = office.caller("approves").send("POST", f"proposals/{name}/approve")
    assert answer.problem == (412, "outdated")
    assert "something else" in answer.json["detail"]
    assert [entry["seq"] for entry in answer.json["entries"]] == [2]
    assert office.desk.changes.kept.head.seq == 2


def proposed(office: Office, *changes: tuple[str, str, Any]) -> str:
    """Propose changes, each a kind, a name and a document; give the name of the proposal."""
    listed = [{"kind": kind, "name": name, "document": document} for kind, name, document in changes]
    answer = office.caller("proposes").send("POST", "changes", {"reason": "a", "changes": listed}, If_Match="*")
    assert answer.status == 202
    return str(answer.json["proposal"])


def written(office: Office, *changes: tuple[str, str, Any]) -> None:
    """Make changes, each a kind, a name and a document."""
    listed = [{"kind": kind, "name": name, "document": document} for kind, name, document in changes]
    body = {"reason": "a", "changes": listed}
    assert office.caller("writes").send("POST", "changes", body, If_Match="*").json["changed"]


HEADERS: dict[str, Any] = {"origins": ["https://o.example"], "request_headers": ["@hs", "*"]}
NEW: dict[str, Any] = {"origins": ["https://n.example"], "credentials": True, "request_headers": ["@hs"]}
DELETE: dict[str, Any] = {"origins": ["@partners"], "methods": ["GET", "DELETE"]}
AT_PAY: dict[str, Any] = {"origins": ["@partners"], "match": ["api.example.com/shop/pay/"]}
WHOLE: dict[str, Any] = {**SHOP, "match": ["api.example.com/"]}
BEHIND: dict[str, Any] = {
    "a set that the policy uses grew": (
        [],
        [("policy", "pay", DELETE)],
        [("origin-set", "partners", ["https://a.example", "https://evil.test"])],
    ),
    "a header set that a new policy uses grew": (
        [("header-set", "hs", ["x-a"]), ("policy", "other", HEADERS)],
        [("policy", "new", NEW)],
        [("header-set", "hs", ["x-a", "x-admin"])],
    ),
    "a set that the policy no longer uses grew": (
        [("policy", "shop", {**SHOP, "rules": [{"origins": ["@partners"]}]})],
        [("policy", "shop", SHOP)],
        [("origin-set", "partners", ["https://a.example", "https://b.example"])],
    ),
    "a policy that uses the set lets more through": (
        [],
        [("origin-set", "partners", ["https://a.example", "https://b.example"])],
        [("policy", "pay", {**DELETE, "credentials": True})],
    ),
    "another set of a policy that uses the set grew": (
        [("header-set", "hs", ["x-a"]), ("policy", "pay", {"origins": ["@partners"], "request_headers": ["@hs"]})],
        [("origin-set", "partners", ["https://a.example", "https://b.example"])],
        [("header-set", "hs", ["x-a", "x-admin"])],
    ),
    "a policy that uses the set is new, and lets nobody in": (
        [],
        [("origin-set", "partners", ["https://a.example", "https://b.example"])],
        [("policy", "no", {"origins": ["@partners"], "refuse": True})],
    ),
    "the policy that URLs are taken from takes back": (
        [("policy", "pay", {**DELETE, "match": ["*.example.com/"]})],
        [("policy", "shop", {**DELETE, "match": [*SHOP["match"], "b.example.com/"]})],
        [("policy", "pay", {"origins": ["@partners"], "match": ["*.example.com/"]})],
    ),
    "a policy beneath the match is gone": (
        [("policy", "pay", AT_PAY)],
        [("policy", "shop", WHOLE)],
        [("policy", "pay", {"origins": ["@partners"]})],
    ),
    "something that is written again as it was is less": (
        [("policy", "pay", DELETE)],
        [("policy", "shop", WIDER), ("policy", "pay", DELETE)],
        [("policy", "pay", {"origins": ["@partners"]})],
    ),
}


@pytest.mark.parametrize(("first", "proposal", "meanwhile"), BEHIND.values(), ids=BEHIND)
def test_behind_a_proposal(office: Office, first: Any, proposal: Any, meanwhile: Any) -> None:
    """A proposal is approved for what it was shown to rest on, whatever others can change of that."""
    if first:
        written(office, *first)
    name = proposed(office, *proposal)
    assert not office.caller("reads").send("GET", f"proposals/{name}").json["outdated"]
    written(office, *meanwhile)
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").problem == (412, "outdated")


@pytest.mark.parametrize("case", list(BEHIND)[:5])
def test_seen_to_be_outdated(office: Office, case: str) -> None:
    """A proposal says that it is outdated once something of what it was shown to rest on is another."""
    first, proposal, meanwhile = BEHIND[case]
    if first:
        written(office, *first)
    name = proposed(office, *proposal)
    written(office, *meanwhile)
    assert office.caller("reads").send("GET", f"proposals/{name}").json["outdated"]


BESIDE: dict[str, Any] = {
    "another policy": ([], [("policy", "shop", WIDER)], [("policy", "pay", DELETE)]),
    "a set that it does not use": (
        [],
        [("policy", "shop", WIDER)],
        [("origin-set", "partners", ["https://a.example", "https://b.example"])],
    ),
    "another new policy on the host, taken from the same": (
        [("policy", "pay", {"origins": ["@partners"], "match": ["*.example.com/"]})],
        [("policy", "new", {"origins": ["https://n.example"], "match": ["api.example.com/new/"]})],
        [("policy", "newer", {"origins": ["https://m.example"], "match": ["api.example.com/newer/"]})],
    ),
    "the rules of a policy beneath the match": (
        [("policy", "pay", AT_PAY)],
        [("policy", "shop", WHOLE)],
        [("policy", "pay", {**DELETE, **AT_PAY, "max_age": 7})],
    ),
}


@pytest.mark.parametrize(("first", "proposal", "meanwhile"), BESIDE.values(), ids=BESIDE)
def test_beside_a_proposal(office: Office, first: Any, proposal: Any, meanwhile: Any) -> None:
    """A proposal is approved although others have changed what makes no difference to it."""
    if first:
        written(office, *first)
    name = proposed(office, *proposal)
    written(office, *meanwhile)
    assert not office.caller("reads").send("GET", f"proposals/{name}").json["outdated"]
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").status == 200


def test_proposed_again(office: Office) -> None:
    """Whoever proposes the same again is given the proposal that waits; it is one as long as it can be approved."""
    changes = [("policy", "shop", WIDER), ("policy", "pay", DELETE)]
    name = proposed(office, *changes)
    assert proposed(office, *reversed(changes)) == name
    assert len(office.desk.proposals) == 1
    written(office, ("origin-set", "partners", ["https://a.example", "https://b.example"]))
    again = proposed(office, *changes)
    assert again != name
    assert proposed(office, *changes) == again
    assert office.caller("approves").send("POST", f"proposals/{again}/approve").status == 200


def test_proposed_otherwise(office: Office) -> None:
    """A proposal of somebody else, for something else or for another reason is one of its own."""
    answers = [
        office.caller("proposes").put("policies/shop", WIDER),
        office.caller("careful").put("policies/shop", WIDER),
        office.caller("proposes").put("policies/shop", NARROWER),
        office.caller("proposes").put("policies/shop", WIDER, "?reason=b"),
    ]
    assert len({answer.json["proposal"] for answer in answers}) == len(office.desk.proposals) == 4


def test_a_set_that_more_policies_use(office: Office) -> None:
    """A proposal that widens a set is not approved for the policies that came to use it meanwhile."""
    wider = ["https://partner.example", "https://new.example"]
    name = office.caller("proposes").put("origin-sets/partners", wider).json["proposal"]
    uses = {**SHOP, "rules": [{**SHOP["rules"][0], "origins": ["@partners"]}]}
    office.caller("writes").put("policies/shop", uses)
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").problem == (412, "outdated")


def test_removed_while_it_is_approved(office: Office) -> None:
    """A proposal that is removed while its approval waits is not carried out."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    approver = Caller(name="approves", verbs=frozenset({"approve"}))
    order = approval(office.desk, found(office.desk, name, approver), approver, "1")
    office.desk.proposals.remove(name)
    assert order.review is not None
    with pytest.raises(Problem, match="no longer exists"):
        order.review(office.desk.changes.kept, office.desk.changes.kept.policy_set, Comparison((), ()))


def test_removed_while_it_is_carried_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes a proposal while the store makes the change is told that it is gone, not that it is removed."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    commit = office.desk.changes.store.commit
    removing: list[Pending] = []

    def commit_meanwhile(plan: Plan, about: About) -> Signed:
        removing.append(office.caller("proposes").start("DELETE", f"proposals/{name}"))
        return commit(plan, about)

    monkeypatch.setattr(office.desk.changes.store, "commit", commit_meanwhile)
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").json["changed"]
    assert [one.status for one in removing] == [404]


def test_removing_waits_for_the_store(office: Office) -> None:
    """A proposal is removed between changes, by whatever page or program."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    author = Caller(name="proposes", verbs=frozenset({"propose"}))
    done: list[object] = []

    def change(_: Kept) -> None:
        Deferred.fromCoroutine(remove_proposal(office.desk, name, author)).addBoth(done.append)
        assert len(office.desk.proposals) == 1

    office.desk.changes.work(change)
    assert (done, len(office.desk.proposals)) == ([None], 0)


def test_removed_behind_its_approval(office: Office) -> None:
    """A proposal is gone once the change is made, although its approval still waits for replicas."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    report = {"version": 1, "replica": {"instance": "a", "version": "1", "revision": "another"}}
    assert office.caller("replica").send("POST", "reports", report).status == 204
    approving = office.caller("approves").start("POST", f"proposals/{name}/approve", Prefer="wait=5")
    assert approving.status is None
    assert office.desk.changes.kept.head.seq == 2
    assert office.caller("proposes").send("DELETE", f"proposals/{name}").problem == (404, "unknown-proposal")
    office.clock.advance(6)
    assert approving.status == 200


def test_approved_on_top(office: Office) -> None:
    """A proposal is approved on top of what others changed elsewhere."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    office.caller("writes").put("policies/pay", {"origins": ["@partners"], "max_age": 9})
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").json["entry"]["seq"] == 3


def test_remove(office: Office) -> None:
    """A proposal is removed by its author, or by who could approve it, and by nobody else."""
    names = [office.caller("proposes").put("policies/shop", each).json["proposal"] for each in (WIDER, NARROWER)]
    assert office.caller("writes").send("DELETE", f"proposals/{names[0]}").problem == (403, "forbidden")
    assert office.caller("proposes").send("DELETE", f"proposals/{names[0]}").status == 204
    assert office.caller("approves").send("DELETE", f"proposals/{names[1]}").status == 204
    assert office.caller("reads").send("GET", "proposals").json["proposals"] == []


def test_proposals_of_others(office: Office) -> None:
    """A caller with some policies sees the proposals about these alone."""
    name = office.caller("proposes").put("policies/pay", {"origins": ["@partners"], "max_age": 3}).json["proposal"]
    shops = office.caller("shops")
    assert shops.send("GET", "proposals").json["proposals"] == []
    for method, path in (("GET", name), ("DELETE", name), ("POST", f"{name}/approve")):
        assert shops.send(method, f"proposals/{path}").problem == (404, "unknown-proposal")


def test_proposals_of_earlier_versions(office: Office) -> None:
    """A proposal that does not say what it reaches and rests on is seen by callers who may see any, and is outdated."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    path = office.data / "proposals" / f"{name}.json"
    kept = json.loads(path.read_bytes())
    del kept["reaches"], kept["basis"]
    path.write_text(json.dumps(kept), encoding="utf-8")
    assert office.caller("shops").send("GET", "proposals").json == {"proposals": []}
    [told] = office.caller("reads").send("GET", "proposals").json["proposals"]
    assert (told["id"], told["outdated"]) == (name, True)
    assert office.caller("approves").send("POST", f"proposals/{name}/approve").problem == (412, "outdated")
    assert office.caller("approves").send("DELETE", f"proposals/{name}").status == 204


def test_proposals_are_kept(office: Office, tmp_path: Path) -> None:
    """A proposal is still there behind a restart."""
    name = office.caller("proposes").put("policies/shop", WIDER).json["proposal"]
    again = Office(tmp_path, access(**CALLERS))
    assert again.caller("approves").send("POST", f"proposals/{name}/approve").status == 200


def test_audit_of_reports(office: Office) -> None:
    """Reports are many, so only those that are refused are written down."""
    assert office.caller("replica").send("POST", "reports", REPORT).status == 204
    assert office.audited == []
    assert office.caller("replica").send("POST", "reports", {}).status == 400
    assert [one["code"] for one in office.audited] == ["report-malformed"]


def test_status_of_access(office: Office) -> None:
    """The status says how many callers are known."""
    assert office.caller("reads").send("GET", "status").json["access"] == {"tokens": 8, "certificates": 0}


def test_audit_of_reading(office: Office) -> None:
    """That somebody reads is not written down; that somebody tried who may not is."""
    office.caller("reads").send("GET", "policies")
    office.caller("replica").send("GET", "policies")
    office.caller("shops").send("GET", "policies/pay")
    office.caller().send("GET", "policies")
    told = [(one["caller"], one["status"]) for one in office.audited]
    assert told == [("replica", 403), ("shops", 403), (None, 401)]


def test_audit_of_strangers(office: Office) -> None:
    """Whoever sends very many requests without a token does not fill the disk: of some, only the number is kept."""
    for _ in range(MOST_UNKNOWN + 7):
        office.caller().send("GET", "status")
    assert len(office.audited) == MOST_UNKNOWN
    office.clock.advance(60)
    office.caller().send("GET", "status")
    assert [one.get("count") for one in office.audited[MOST_UNKNOWN:]] == [7, None]


def test_large_proposal(office: Office) -> None:
    """A proposal that nobody would read is refused."""
    origins = [f"https://{number}.example.com" for number in range(100)]
    names = [{"kind": "policy", "name": f"p{number}", "document": {"origins": origins}} for number in range(400)]
    body = {"reason": "a", "changes": names}
    assert office.caller("proposes").send("POST", "changes", body, If_Match="*").problem == (413, "body-too-large")
    assert len(office.desk.proposals) == 0
