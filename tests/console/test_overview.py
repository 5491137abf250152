"""The overview: what is shown, and that it follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.console.live import MOST_OF_ONE, MOST_STREAMS, SECONDS
from cors_service.console.overview import filled
from cors_service.console.sessions import IDLE_SECONDS
from cors_service.insights.timeline import Point
from tests.admin.trees import access
from tests.console.reported import HOSTILE, SHOP, line, report
from tests.console.visits import ConsoleOffice, Read
from tests.insights.logs import REFUSED, UNDECIDED


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine."""
    return ConsoleOffice(tmp_path)


def test_nothing_yet(office: ConsoleOffice) -> None:
    """Before anybody reports, it says what to do."""
    text = Read(office.visitor().visit("/")).text
    assert "No replica reports to this process: start the services with --report-to." in text
    assert "Nothing was refused in the last 3 hours." in text
    assert "The newest change is number 1 , of 2026-11-21 09:00:00 UTC." in text


def test_replicas(office: ConsoleOffice) -> None:
    """Each replica is there with what it has; those that somebody has to look at come first."""
    report(office, "eu-1")
    report(office, "eu-2", revision="sha256:old")
    text = Read(office.visitor().visit("/")).text
    assert text.index("eu-2 behind old") < text.index("eu-1 current")
    assert "eu-1 current 4c3f43c562ec 1 0 s ago" in text
    assert "eu-2: not at the newest change." in text
    office.clock.advance(31)
    assert "eu-1, eu-2: no report for 30 seconds." in Read(office.visitor().visit("/")).text


def test_problems_of_replicas(office: ConsoleOffice) -> None:
    """What replicas say is wrong with their store is an alarm, once for each kind, although they are current."""
    broken = {"code": "store-ledger-broken", "message": "Entry 2 was changed."}
    report(office, "eu-1", problem=broken)
    report(office, "eu-2", problem=broken)
    report(office, "eu-3")
    text = Read(office.visitor().visit("/")).text
    assert text.count("eu-1, eu-2: Entry 2 was changed. [store-ledger-broken]") == 1
    assert "Nothing is wrong." not in text
    report(office, "eu-1")
    report(office, "eu-2")
    assert "Nothing is wrong." in Read(office.visitor().visit("/")).text


def test_traffic(office: ConsoleOffice) -> None:
    """Decisions of the last hours are there by the second, and so is who was refused most."""
    refused = {**REFUSED, "origin": "https://evil.example", "count": 120}
    preflights = line(-90, count=6, kind="preflight", method="PUT")
    report(office, "eu-1", line(count=600), line(**refused), preflights, line(**UNDECIDED, count=180))
    text = Read(office.visitor().visit("/")).text
    assert "2026-11-21 08:50:00 10 0 2 0 3" in text
    assert "2026-11-21 08:58:00 0 0.1 0 0 0" in text
    assert "https://evil.example shop origin-not-allowed 120 2026-11-21 08:50:10" in text
    assert "2026-11-21 08:50:00 1 0.01 0.2 0 0.3" in Read(office.visitor().visit("/?of=24h")).text
    assert office.visitor().visit("/?of=1y").status == 400


def test_scope(tmp_path: Path) -> None:
    """Somebody who may ask about some policies alone sees their traffic, by the hour, and no other."""
    office = ConsoleOffice(tmp_path, access(shop={"verbs": ["read"], "policies": ["sh"]}))
    office.desk.access, kept = None, office.desk.access
    refused = {**REFUSED, "origin": "https://evil.example", "policy": "pay"}
    report(office, "eu-1", line(count=3600), line(policy="pay", count=360), line(**refused))
    office.desk.access = kept
    text = Read(office.visitor("shop").visit("/")).text
    assert "2026-11-21 08:00:00 1 0 0 0" in text
    assert "evil.example" not in text


def test_a_store_with_mistakes(office: ConsoleOffice) -> None:
    """Mistakes that somebody made in the store are an alarm, with the first of them."""
    (office.path / "pay.toml").write_text("version = 1\n\n[policies.pay]\norigin = 1\n", encoding="utf-8")
    for _ in range(2):
        office.desk.changes.follow()
    text = Read(office.visitor().visit("/")).text
    assert "The store has 2 mistakes; the last good policies stay." in text
    assert "The rule has no origins." in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(office: ConsoleOffice, name: str) -> None:
    """A name is shown as what it is, wherever it comes from, and is never taken for a part of the page."""
    report(office, name, line(**{**REFUSED, "origin": name, "policy": name, "reason": name}), revision=name)
    page = office.visitor().visit("/")
    read = Read(page)
    assert {"script", "img"}.isdisjoint(tag for tag, found in read.elements if found.get("src") in {None, "x"})
    assert "\u202e" not in page.body.decode("utf-8")
    assert "\x00" not in page.body.decode("utf-8")
    shown = name.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c").replace("\x00", "\\u0000")
    assert read.text.count(shown) >= 3


def test_filled() -> None:
    """A step in which nothing happened is there with noughts."""
    assert filled([Point(120, 3)], 60, 240, 60) == [Point(60), Point(120, 3), Point(180)]


class TestEvents:
    """Open overviews."""

    def test_what_is_new(self, office: ConsoleOffice) -> None:
        """An open overview is sent what has changed since, and nothing else."""
        office.live.startService()
        stream = office.visitor().open("/events")
        office.pass_time(SECONDS)
        first = stream.events()
        assert [part for part in ("alarms", "traffic", "refused", "replicas") if f'id="{part}"' in first] == [
            "alarms",
            "traffic",
            "refused",
            "replicas",
        ]
        office.pass_time(SECONDS)
        assert stream.events() == ": nothing new\n\n"
        report(office, "eu-1", line(**{**REFUSED, "origin": SHOP}))
        office.pass_time(SECONDS)
        news = stream.events()
        assert 'id="refused"' in news
        assert all(line.startswith(("event: parts", "data: ")) for line in news.strip().splitlines())
        office.live.stopService()
        assert stream.is_over

    def test_it_ends(self, tmp_path: Path) -> None:
        """A stream ends when its session does, and it does not keep the session."""
        office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"]}))
        office.live.startService()
        stream = office.visitor("olga").open("/events")
        office.pass_time(IDLE_SECONDS - 2 * SECONDS)
        assert not stream.is_over
        office.pass_time(2 * SECONDS)
        assert stream.is_over
        assert len(office.live) == 0
        office.live.stopService()

    def test_not_too_many(self, office: ConsoleOffice) -> None:
        """There is a bounded number of streams, and one that is left makes room."""
        streams = [office.visitor().open("/events") for _ in range(MOST_STREAMS)]
        assert office.visitor().visit("/events").status == 503
        streams[0].leave()
        assert not office.visitor().open("/events").is_over
        office.live.stopService()

    def test_not_all_for_one(self, tmp_path: Path) -> None:
        """Nobody who is known by name can take the streams of others."""
        office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"]}, boris={"verbs": ["read"]}))
        olga = office.visitor("olga")
        for _ in range(MOST_OF_ONE):
            olga.open("/events")
        assert olga.visit("/events").status == 503
        assert not office.visitor("boris").open("/events").is_over
        office.live.stopService()

    def test_not_for_everybody(self, tmp_path: Path) -> None:
        """Without a session there is no stream."""
        office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"]}))
        assert office.visitor().visit("/events").status == 303
