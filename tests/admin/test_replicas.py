"""Which replicas have the newest change, and until when what was taken back lives on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from cors_service.admin.replicas import ALIVE_SECONDS, FORGOTTEN_SECONDS, Replica, ReplicaProblem, Replicas
from cors_service.ledger.entry import Head
from tests.admin.trees import NARROWER, SHOP, WIDER, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def report(office: Office, instance: str, revision: str | None = None, **others: Any) -> int:
    """Send a report; by default of the newest change."""
    revision = office.desk.changes.kept.head.revision if revision is None else revision
    replica = {"instance": instance, "version": "1.0", "revision": revision, "workers": 2, **others}
    return office.caller().send("POST", "reports", {"version": 1, "replica": replica}).status


def test_fleet(office: Office) -> None:
    """Each replica is listed with what it has; one with another revision is behind, and waited for."""
    assert report(office, "eu-1", seq=1, loaded_at="2026-11-21T09:00:00Z") == 204
    office.clock.advance(5)
    assert report(office, "eu-2", "sha256:old", loaded_at=1.5) == 204
    told = office.caller().send("GET", "fleet").json
    assert (told["seq"], told["confirmed"], told["waiting"]) == (1, 1, ["eu-2"])
    first, second = told["replicas"]
    assert tuple(first[key] for key in ("instance", "alive", "current", "age_seconds", "behind_since")) == (
        "eu-1",
        True,
        True,
        5.0,
        None,
    )
    assert (second["current"], second["behind_since"]) == (False, "2026-11-21T09:00:05.000Z")


def test_behind_since(office: Office) -> None:
    """A replica is behind from the change on, until it reports that it has it."""
    report(office, "a")
    office.clock.advance(10)
    old = office.desk.changes.kept.head.revision
    office.caller().put("policies/shop", WIDER)
    office.clock.advance(1)
    report(office, "a", old)
    [replica] = office.caller().send("GET", "fleet").json["replicas"]
    assert replica["behind_since"] == "2026-11-21T09:00:10.000Z"
    report(office, "a")
    [replica] = office.caller().send("GET", "fleet").json["replicas"]
    assert (replica["current"], replica["behind_since"]) == (True, None)


def test_numbers(office: Office) -> None:
    """Of a replica that says which change it has, number and revision count; one that is ahead is not waited for."""
    head = office.desk.changes.kept.head
    report(office, "a", seq=head.seq)
    report(office, "another-revision", "sha256:other", seq=head.seq)
    report(office, "ahead", "sha256:newer", seq=head.seq + 1)
    office.caller().put("policies/shop", WIDER)
    office.caller().put("policies/shop", SHOP)
    again = office.desk.changes.kept.head
    assert (again.seq, again.revision) == (head.seq + 2, head.revision)
    report(office, "before-the-rollback", head.revision, seq=head.seq)
    report(office, "b", seq=again.seq)
    report(office, "without-numbers", head.revision)
    told = office.caller().send("GET", "fleet").json
    assert told["waiting"] == ["a", "ahead", "another-revision", "before-the-rollback"]
    assert told["confirmed"] == 2
    report(office, "ahead", "sha256:newer", seq=again.seq + 1)
    assert "ahead" not in office.caller().send("GET", "fleet").json["waiting"]


def test_lost_changes(tmp_path: Path) -> None:
    """A store that lost changes is not confirmed by replicas that still have these."""
    heads = [Head(seq=seq, revision=f"sha256:{seq}", entry="", format=1, at="") for seq in range(5)]
    replicas = Replicas(tmp_path / "replicas.json", Clock(), lambda: heads[-1])
    replicas.take(Replica(instance="a", version="1", revision="sha256:4", seq=4))
    assert replicas.confirmed == 1
    for seq in (2, 3):
        heads.append(heads[seq])
        replicas.head_changed()
        assert (replicas.confirmed, replicas.waiting) == (0, ["a"])
    # This process may have begun behind it; then the replica has to say so.
    again = Replicas(tmp_path / "others.json", Clock(), lambda: heads[-1])
    problem = ReplicaProblem("store-went-back", "The store is at change 3, and change 4 is served.")
    again.take(Replica(instance="a", version="1", revision="sha256:4", seq=4, problem=problem))
    assert (again.confirmed, again.waiting) == (0, ["a"])


def test_refused(office: Office) -> None:
    """A replica that refused what its store holds is listed with what is wrong there."""
    problem = {"code": "store-does-not-load", "message": "The policies of change 7 have mistakes (1): no."}
    report(office, "a", "sha256:old", seq=6, problem=problem)
    report(office, "b")
    first, second = office.caller().send("GET", "fleet").json["replicas"]
    assert (first["problem"], second["problem"]) == (problem, None)
    assert report(office, "a", problem={"code": ""}) == 400


def test_alive(office: Office) -> None:
    """Who has not reported for half a minute is not waited for, and is forgotten after a week."""
    report(office, "a", "sha256:old")
    office.clock.advance(ALIVE_SECONDS + 1)
    told = office.caller().send("GET", "fleet").json
    assert (told["waiting"], told["replicas"][0]["alive"]) == ([], False)
    office.clock.advance(FORGOTTEN_SECONDS)
    assert office.caller().send("GET", "fleet").json["replicas"] == []


def test_kept(office: Office, tmp_path: Path) -> None:
    """What was reported is still known behind a restart."""
    report(office, "a")
    office.desk.replicas.save()
    [replica] = Office(tmp_path).caller().send("GET", "fleet").json["replicas"]
    assert replica["instance"] == "a"


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"version": 2, "replica": {"instance": "a", "version": "1"}},
        {"version": 1},
        {"version": 1, "replica": {"instance": "", "version": "1"}},
        {"version": 1, "replica": {"instance": "a" * 257, "version": "1"}},
        {"version": 1, "replica": {"instance": "a", "version": "1", "seq": -1}},
        {"version": 1, "replica": {"instance": "a", "version": "1", "loaded_at": "x" * 257}},
        {"version": 1, "replica": {"instance": "a", "version": "1"}, "lines": {}},
    ],
    ids=str,
)
def test_malformed(office: Office, body: object) -> None:
    """What is no report is refused, and known of nobody."""
    assert office.caller().send("POST", "reports", body).problem == (400, "report-malformed")
    assert office.caller().send("GET", "fleet").json["replicas"] == []


class Shelf:
    """Keeps lines."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, list[bytes]]] = []

    def keep(self, instance: str, batch: str, lines: list[msgspec.Raw]) -> Deferred[Any]:
        """Keep them."""
        self.kept.append((instance, batch, [bytes(line) for line in lines]))
        return succeed(None)


def test_lines(office: Office) -> None:
    """The lines that come with a report go to whoever keeps them."""
    shelf = office.tree.reports.lines = Shelf()
    body = {"version": 1, "replica": {"instance": "a", "version": "1"}, "batch": "7", "lines": [{"count": 1}, 2]}
    assert office.caller().send("POST", "reports", body).status == 204
    assert shelf.kept == [("a", "7", [b'{"count": 1}', b"2"])]


def test_wait(office: Office) -> None:
    """A change waits for the replicas that live, and then says until when what it took back lives on."""
    report(office, "a")
    report(office, "b")
    answers = office.caller().begin("policies/shop", NARROWER, Prefer="wait=5")
    assert answers.json() is None
    office.clock.advance(1)
    report(office, "a")
    assert answers.json() is None
    office.clock.advance(1)
    report(office, "b")
    told = answers.json()
    assert {key: told["fleet"][key] for key in ("seq", "confirmed", "waiting")} == {
        "seq": 2,
        "confirmed": 2,
        "waiting": [],
    }
    assert tuple(
        told[key] for key in ("enforced_everywhere_at", "decisions_cached_until", "preflights_cached_until")
    ) == (
        "2026-11-21T09:00:02.000Z",
        "2026-11-21T09:00:07.000Z",
        "2026-11-21T09:10:02.000Z",
    )


def test_wait_in_vain(office: Office) -> None:
    """A change waits no longer than it was told to, and names those that do not have it."""
    report(office, "a")
    answers = office.caller().begin("policies/shop", NARROWER, Prefer='respond-async, wait="3"')
    office.clock.advance(2)
    assert answers.json() is None
    office.clock.advance(2)
    told = answers.json()
    assert told["fleet"]["waiting"] == ["a"]
    assert tuple(
        told[key] for key in ("enforced_everywhere_at", "decisions_cached_until", "preflights_cached_until")
    ) == (None, None, None)


def test_nobody_to_wait_for(office: Office) -> None:
    """Where no replica reports, nobody is waited for, and nobody knows what is enforced."""
    told = office.caller().put("policies/shop", NARROWER, Prefer="wait=5").json
    assert (told["fleet"]["confirmed"], told["enforced_everywhere_at"]) == (0, None)


def test_clock_of_what_is_wider(office: Office) -> None:
    """Of a change that takes nothing back, nothing lives on."""
    report(office, "a")
    answers = office.caller().begin("policies/shop", WIDER, Prefer="wait=5")
    report(office, "a")
    told = answers.json()
    assert told["enforced_everywhere_at"] is not None
    assert (told["decisions_cached_until"], told["preflights_cached_until"]) == (None, None)


@pytest.mark.parametrize(("max_age", "seconds"), [(None, 5), (86400, 86400), (600, 600)])
def test_preflights(office: Office, max_age: int | None, seconds: int) -> None:
    """Browsers remember what was granted for its max_age, a day at most, or for five seconds if it has none."""
    rule = {key: value for key, value in SHOP["rules"][0].items() if key != "max_age"}
    before = {**SHOP, "rules": [rule if max_age is None else {**rule, "max_age": max_age}]}
    office.caller().put("policies/shop", before)
    report(office, "a")
    answers = office.caller().begin(
        "policies/shop", {**SHOP, "rules": [{**rule, "credentials": False}]}, Prefer="wait=1"
    )
    report(office, "a")
    told = answers.json()
    at, until = told["enforced_everywhere_at"], told["preflights_cached_until"]
    assert seconds == (datetime.fromisoformat(until) - datetime.fromisoformat(at)).total_seconds()
