"""The main journeys in Firefox; those in Chromium are in `journeys`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.console.people import Person
from tests.e2e.console.places import SHOP, Place
from tests.e2e.daemons import wait_for

NEW = "https://new.example.com"
DOCUMENT = "The document, in TOML"


@pytest.fixture
def person(firefox: Person, place: Place) -> Iterator[Person]:
    """Somebody in front of Firefox, signed out; the policies are as before when they have gone."""
    before = place.send("GET", "policies/shop").json
    firefox.sign_out()
    firefox.violations()
    yield firefox
    assert firefox.violations() == []
    if place.send("GET", "policies/shop").json != before:
        assert place.send("PUT", "policies/shop", before, If_Match="*").status == 200


def replace(person: Person, old: str, new: str) -> None:
    """Replace something in the document that is edited."""
    text = person.browser.evaluate("return document.getElementById('text').value")
    assert old in text
    person.fill(DOCUMENT, text.replace(old, new))


def open_shop(person: Person) -> None:
    """Open the policy of the shop by the links of the console."""
    person.click("Change")
    person.fill("The policy", "shop")
    person.click("Open")
    person.sees(DOCUMENT)


def test_a_blocked_developer(person: Person) -> None:
    """A developer pastes what Firefox printed, adds the method, and carries the patch into a change."""
    person.sign_in("olga-token")
    person.click("Playground")
    person.fill(
        "A message of a browser's console, or a recorded session (HAR)",
        "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at "
        "https://api.example.com/shop/7. (Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: "
        "403.",
    )
    person.click("Explain it")
    person.sees("Firefox printed this")
    person.fill("The page that asks", NEW)
    person.fill("Method", "PUT")
    person.click("What does the browser do?")
    person.sees("It is blocked: no browser lets the page read it.")
    person.sees("> OPTIONS /shop/7")
    person.click("Carry this into a change")
    person.sees("This lets the request through that you asked about.")
    assert NEW in person.browser.evaluate("return document.getElementById('text').value")


def test_an_owner_lets_a_partner_in(person: Person, place: Place) -> None:
    """An owner corrects two mistakes, sees what widens as it is typed, publishes, and sees it reach the replica."""
    person.sign_in("olga-token")
    open_shop(person)
    replace(person, f'"{SHOP}"', f'"{SHOP}", "{NEW}/"')
    person.sees("1 mistake")
    person.sees("Write")
    replace(person, f'"{NEW}/"', f'"{NEW}"')
    person.sees("It would change policy shop (changed).")
    person.sees("wider")
    person.fill("Why? The ledger keeps it", "a partner")
    person.click("Publish")
    person.sees("Published by olga")
    person.sees("it.")
    seq = int(person.path.rpartition("/")[2])
    assert place.send("GET", f"ledger?after={seq - 1}").json["entries"][0]["author"] == "olga"
    wait_for(lambda: "eu-1 yes" in person.text, "the replica")


def test_four_eyes(person: Person, place: Place) -> None:
    """What widens waits for a second person where one is needed, who sees what it does, and approves it."""
    person.sign_in("second-token")
    open_shop(person)
    replace(person, f'"{SHOP}"', f'"{SHOP}", "{NEW}"')
    person.sees("publishing proposes it")
    person.fill("Why? The ledger keeps it", "a partner, by two")
    person.click("Publish")
    person.sees("This proposal is your own: somebody else must approve it.")
    person.sign_out()
    person.sign_in("approver-token")
    person.click("Change")
    person.click("a partner, by two")
    person.sees("Proposed by second")
    person.sees("wider")
    person.click("Approve and publish")
    person.sees("Published by second, approved by approver")
    seq = int(person.path.rpartition("/")[2])
    entry = place.send("GET", f"ledger?after={seq - 1}").json["entries"][0]
    assert (entry["author"], entry["approver"]) == ("second", "approver")
