"""Tests of keeping what replicas report, and of what it shows, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent

from cors_service.admin.insights import FILE, KeptDecisions
from cors_service.insights.lines import instant_of
from cors_service.insights.written import components
from tests.admin.description import COMPONENTS
from tests.admin.trees import NINE, Office, access
from tests.insights.logs import REFUSED, UNDECIDED, written
from tests.observing import observed_by

SHOP = "https://shop.example.com"
INSTANCE = {"instance": "eu-1", "version": "1", "revision": None, "seq": None, "loaded_at": None, "workers": 1}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def line(at: float = -3600, **members: Any) -> Any:
    """Make a line about the shop, some seconds from now."""
    begin = instant_of(NINE + at)
    end = instant_of(NINE + at + 10)
    told = {"policy": "shop", "origin": SHOP, "to": end, "first": begin, "last": end, **members}
    return json.loads(written(begin=begin, **told))


def report(batch: str, *lines: Any, instance: str = "eu-1") -> dict[str, Any]:
    """Make a report."""
    return {"version": 1, "replica": {**INSTANCE, "instance": instance}, "batch": batch, "lines": list(lines)}


def test_a_batch_counts_once(office: Office) -> None:
    """A report that comes again is taken once, also if another replica has a batch of the same name."""
    caller = office.caller()
    for instance in ("eu-1", "eu-1", "eu-2"):
        assert caller.send("POST", "reports", report("1", line(count=3), instance=instance)).status == 204
    findings = caller.send("GET", "insights").json
    assert (findings["decisions"], findings["instances"]) == (6, 2)


def test_insights(office: Office) -> None:
    """What replicas reported shows who is refused and what nobody uses, by the policies of today."""
    caller = office.caller()
    stranger = {**REFUSED, "origin": "https://shopp.example.com", "count": 7}
    caller.send("POST", "reports", report("1", line(), line(**stranger), line(-100, kind="preflight", method="GET")))
    findings = caller.send("GET", "insights").json
    assert findings["revision"] == caller.send("GET", "status").json["head"]["revision"]
    assert [(one["origin"], one["count"], one["now"]) for one in findings["refusals"]] == [
        ("https://shopp.example.com", 7, "refused")
    ]
    assert SHOP in findings["refusals"][0]["hint"]
    assert findings["unused"]["policies"] == ["pay"]
    assert findings["unused"]["sets"] == ["partners"]
    assert [cost["preflights"] for cost in findings["preflights"]] == [1]
    assert [step["refused"] for step in findings["traffic"]["steps"]] == [7]


def test_what_could_not_be_decided(office: Office) -> None:
    """What could not be decided is told with the reason, and apart from what was allowed."""
    caller = office.caller()
    caller.send("POST", "reports", report("1", line(**UNDECIDED, count=9), line()))
    findings = caller.send("GET", "insights").json
    assert [(one["reason"], one["count"]) for one in findings["undecided"]] == [("unknown-policy", 9)]
    for traffic in (findings["traffic"], caller.send("GET", "traffic").json):
        assert [(step["allowed"], step["undecided"]) for step in traffic["steps"]] == [(1, 9)]


def test_insights_of_a_time_and_of_a_policy(office: Office) -> None:
    """A time and a policy can be asked about by themselves."""
    caller = office.caller()
    caller.send("POST", "reports", report("1", line(-7200), line(-3600, policy="pay"), line(-60, count=4)))
    an_hour_ago, now = instant_of(NINE - 3600), instant_of(NINE)
    assert caller.send("GET", f"insights?from={an_hour_ago}&to={now}").json["decisions"] == 5
    one = caller.send("GET", f"insights?from={an_hour_ago}&policy=pay&days=7").json
    assert (one["decisions"], one["unused"]["days"], one["unused"]["policies"]) == (1, 7, [])
    assert [step["allowed"] for step in one["traffic"]["steps"]] == [1]
    assert caller.send("GET", "insights?policy=shop").json["unused"]["sets"] == []


def test_traffic(office: Office) -> None:
    """Traffic is given step by step, within the time that is asked about."""
    caller = office.caller()
    caller.send("POST", "reports", report("1", line(-86_000), line(-130, count=2), line(-60, count=4, **REFUSED)))
    begin, end = instant_of(NINE - 180), instant_of(NINE)
    traffic = caller.send("GET", f"traffic?from={begin}&to={end}&step=60").json
    assert (traffic["from"], traffic["to"], traffic["step"]) == (begin, end, 60)
    steps = [(step["at"], step["allowed"], step["refused"]) for step in traffic["steps"]]
    assert steps == [(begin, 2, 0), (instant_of(NINE - 60), 0, 4)]
    usual = caller.send("GET", "traffic").json
    assert (usual["step"], sum(step["allowed"] for step in usual["steps"])) == (900, 3)
    assert caller.send("GET", f"traffic?from={begin}").json["step"] == 60


@pytest.mark.parametrize(
    "query",
    [
        "insights?from=yesterday",
        "insights?to=2026-11-21T09:00:00%2B01:00",
        "insights?from=2026-11-21T09:00:00Z&to=2026-11-21T09:00:00Z",
        "insights?from=" + "1" * 100 + "Z",
        "insights?days=0",
        "insights?days=91",
        "insights?to=9999-12-31T23:59:59Z",
        "insights?days=1&days=2",
        "insights?step=60",
        "traffic?to=9999-12-31T23:59:59Z",
        "traffic?from=9999-12-31T23:58:00Z&to=9999-12-31T23:59:30Z&step=60",
        "traffic?step=-60",
        "traffic?step=0",
        "traffic?step=90",
        "traffic?step=60&from=2026-10-01T00:00:00Z",
        "traffic?policy=shop",
    ],
)
def test_what_can_not_be_asked(office: Office, query: str) -> None:
    """A time, a step or a parameter that does not exist is told in a sentence."""
    assert office.caller().send("GET", query).problem == (400, "parameter-malformed")


def test_who_may_ask(tmp_path: Path) -> None:
    """Who may read some policies sees what was decided by these; who may only report sees nothing."""
    callers = {
        "all": {"verbs": ["read"]},
        "shop": {"verbs": ["read"], "policies": ["shop"]},
        "replica": {"verbs": ["report"]},
    }
    office = Office(tmp_path, access(**callers))
    stranger: dict[str, Any] = {"policy": None, "rule": None, "allowed": None, "kind": "undecided"}
    lines = [line(count=2), line(policy="pay", count=3), line(**stranger, reason="no-policy-for-url", count=5)]
    assert office.caller("replica").send("POST", "reports", report("1", *lines)).status == 204
    assert office.caller("all").send("GET", "insights").json["decisions"] == 10
    shop = office.caller("shop").send("GET", "insights").json
    assert (shop["decisions"], [one["name"] for one in shop["policies"]]) == (2, ["shop"])
    assert (shop["unused"]["policies"], shop["unused"]["sets"]) == ([], [])
    assert office.caller("shop").send("GET", "insights?policy=pay").problem == (403, "forbidden")
    assert office.caller("shop").send("GET", "traffic").problem == (403, "forbidden")
    assert office.caller("replica").send("GET", "insights").problem == (403, "forbidden")


def test_a_full_disk(office: Office) -> None:
    """What the disk does not take is told, so that the replica sends it again, and then it is taken once."""
    caller = office.caller()
    database = office.decisions._written._database
    database.execute("PRAGMA query_only = ON")
    assert caller.send("POST", "reports", report("1", line())).problem == (503, "reports-unavailable")
    database.execute("PRAGMA query_only = OFF")
    assert caller.send("POST", "reports", report("1", line())).status == 204
    assert caller.send("GET", "insights").json["decisions"] == 1


def test_a_full_disk_is_told_once(office: Office) -> None:
    """However many reports a full disk keeps away, the log has one line a minute about it."""
    caller, said = office.caller(), []
    office.decisions._written._database.execute("PRAGMA query_only = ON")
    with observed_by(lambda event: said.append(formatEvent(event))):
        for batch in "123":
            assert caller.send("POST", "reports", report(batch, line())).status == 503
        assert len([text for text in said if text.startswith("Reported decisions can't be kept: ")]) == 1
        office.clock.advance(60)
        assert caller.send("POST", "reports", report("4", line())).status == 503
    assert len([text for text in said if "can't be kept" in text]) == 2


def test_lines_that_can_not_be_read(office: Office) -> None:
    """Lines of another kind are passed over, and the log says so once for each kind."""
    caller = office.caller()
    for batch in "12":
        bad = [{"type": "another"}, {"type": "decisions"}, line(count=2)]
        assert caller.send("POST", "reports", report(batch, *bad)).status == 204
    assert caller.send("GET", "insights").json["decisions"] == 4


def test_a_report_without_lines(office: Office) -> None:
    """A replica that only says how it is leaves nothing in the file."""
    assert office.caller().send("POST", "reports", report("1")).status == 204
    assert office.decisions._written.instances(0) == []


def test_what_is_old_is_deleted(office: Office) -> None:
    """While the process runs, what is older than 90 days goes."""
    caller = office.caller()
    caller.send("POST", "reports", report("1", line(-60)))
    office.decisions.startService()
    office.clock.advance(91 * 86_400)
    begin = instant_of(NINE - 3600)
    assert caller.send("GET", f"insights?from={begin}").json["decisions"] == 0
    office.decisions.stopService()


def test_the_reactor_does_not_wait(tmp_path: Path) -> None:
    """Whatever touches the file is done where it may block."""
    waiting: list[Any] = []

    def in_thread(work: Any, *arguments: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        waiting.append((done, work, arguments))
        return done

    office = Office(tmp_path)
    kept = KeptDecisions(tmp_path / FILE, office.clock, in_thread=in_thread)
    results: list[object] = []
    kept.keep("eu-1", "1", [json.dumps(line()).encode()]).addCallback(results.append)  # type: ignore[list-item]
    kept.look(lambda file: list(file.lines(0, 2**40))).addCallback(results.append)
    assert (results, len(waiting)) == ([], 2)
    for done, work, arguments in waiting:
        done.callback(work(*arguments))
    assert len(results) == 2


def test_the_description_has_the_parts_of_findings() -> None:
    """What `/openapi.json` says of findings is what `cors-service schema insights` says."""
    parts = components("#/components/schemas/{name}")
    assert parts == {name: COMPONENTS["schemas"][name] for name in parts}
