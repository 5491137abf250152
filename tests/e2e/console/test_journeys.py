"""What people come for, from the first click to the last, in real browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.console.people import FirefoxPerson, Person
from tests.e2e.console.places import SHOP, Place
from tests.e2e.daemons import wait_for


@pytest.fixture
def changed(place: Place) -> Iterator[int]:
    """The number of a change that lets somebody in whom it should not have."""
    before = place.send("GET", "policies/shop").json
    document = {**before, "rules": [*before["rules"], {"origins": ["https://mistake.example"]}]}
    entry = place.send("PUT", "policies/shop?reason=by+mistake", document, If_Match="*").json["entry"]
    yield entry["seq"]
    assert place.send("GET", "policies/shop").json == before


def roll_back(person: Person, seq: int, reason: str) -> None:
    """Go from the overview to the newest change, look at what going back does, and say why."""
    person.click("History")
    person.click(f"Change {seq - 1}")
    person.click("Roll back to it")
    person.sees("mistake.example")
    person.sees("narrower")
    person.fill("Why", reason)


def test_a_rollback(person: Person, place: Place, changed: int) -> None:
    """A bad change is found, looked at, and taken back with a reason; the replicas follow, and the ledger has who."""
    person.sign_in("olga-token")
    roll_back(person, changed, "nobody wanted that")
    person.click("Roll back")
    person.sees("Over the fleet")
    person.sees("Until it is gone for good")
    entry = place.send("GET", f"ledger?after={changed}").json["entries"][0]
    assert (entry["author"], entry["reason"], entry["narrower"]) == ("olga", "nobody wanted that", True)
    wait_for(lambda: not place.send("GET", "fleet").json["waiting"], "the replicas")
    person.click("Overview")
    person.sees(f"number {changed + 1}")
    assert person.violations() == []


def test_a_session_ends(person: Person, place: Place, changed: int) -> None:
    """Somebody whose session ends in the middle signs in again, finds all that was typed, and goes on."""
    person.sign_in("olga-token")
    reason = "<b>nobody</b> wanted 'that' & \"this\""
    roll_back(person, changed, reason)
    # In another window.
    person.browser.run("fetch('/sign-out', { method: 'POST' }).then(() => arguments[0]())")
    person.click("Roll back")
    person.sees("Your session has ended. What you typed is kept")
    assert place.send("GET", "status").json["head"]["seq"] == changed
    person.fill("Token", "olga-token")
    person.click("Sign in")
    person.sees("Nothing of this was sent yet.")
    person.click("Send it now")
    person.sees("Over the fleet")
    person.sees(reason)
    assert person.violations() == []


def test_a_stranger(person: Person, place: Place) -> None:
    """An origin that is refused is found on the overview, and so is the policy that refused it, and what it may do."""
    place.decide("https://knocks.example", times=2)
    person.sign_in("reader-token")
    person.sees("https://knocks.example")
    person.click("shop")
    person.sees("https://shop.example.com may use GET, HEAD and PUT with cookies")
    person.click("Policies")
    person.fill("Name, URL or origin", SHOP)
    person.click("Find")
    person.sees("Policies that allow something: 1.")
    assert "Roll back" not in person.text


def test_the_store_goes_down(person: Person, place: Place) -> None:
    """An overview that is open says that the store is gone, and when it is back; pages can be read meanwhile."""
    person.sign_in("olga-token")
    directory = place.directory / "policies"
    away = directory.rename(place.directory / "away")
    try:
        person.sees("The store can't be read")
        person.click("Policies")
        person.sees("2 policies.")
        person.click("Overview")
        person.sees("The store can't be read")
    finally:
        Path(away).rename(directory)
    wait_for(lambda: "The store can't be read" not in person.text, "the store")
    assert person.violations() == []


def test_over_tls(firefox: FirefoxPerson, place: Place) -> None:
    """Over TLS the cookie is one that no other host can set, no script can read and no clear text carries."""
    person = Person(firefox.browser, place.secure_address)
    person.sign_out()
    person.sign_in("reader-token")
    assert firefox.browser.evaluate("return document.cookie") == ""
    [cookie] = [one for one in firefox.browser.cookies() if one["name"] == "__Host-cors-session"]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, True, "strict", "/")
    assert person.violations() == []
    person.click("Sign out")
    assert "__Host-cors-session" not in [one["name"] for one in firefox.browser.cookies()]
