"""Every page in a real browser: what it loads, how it looks, who can use it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from tests.e2e.console.people import ChromiumPerson, Person, findings
from tests.e2e.console.places import HOSTILE, LONGEST, SHOP, Place
from tests.e2e.daemons import wait_for

PAGES = (
    "/",
    "/playground",
    "/change",
    "/change?policy=shop",
    "/inbox",
    "/policies",
    "/policies?q=https://shop.example.com",
    "/policies/shop",
    f"/policies/{LONGEST}",
    "/policies/no-such-policy",
    "/history",
    "/history/{changed}",
    "/history/compare?from={changed}&to=1",
    "/playground",
    "/playground?page=https://evil.example&url=https://api.example.com/shop/7&method=PUT&headers=x-trace",
    "/playground?page=shop&policy=shop",
    "/change",
    "/change?new=1",
    "/change?policy=shop",
    "/change?page=https://evil.example&policy=shop&mend=1",
    "/change/{changed}",
    "/inbox",
)


class Used(NamedTuple):
    """A console that has something to show.

    Attributes:
        place: The console.
        seq: The number of a change with a hostile reason.
    """

    place: Place
    seq: int

    @property
    def pages(self) -> list[str]:
        """The paths of its pages."""
        return [path.format(changed=self.seq) for path in PAGES]


@pytest.fixture(scope="module")
def used(place: Place) -> Used:
    """Have it show traffic, refusals, hostile names, and a change with a hostile reason."""
    place.decide(SHOP, times=5)
    place.decide("https://evil.example", times=7)
    reason = f"{HOSTILE} \u202eflipped\u202c {'reason ' * 20}"
    document = place.send("GET", "policies/shop").json
    document["rules"][1]["origins"].append("https://new.partner.example.net")
    answer = place.send("PUT", f"policies/shop?reason={quote(reason)}", document, If_Match="*")
    assert answer.status == 200, answer.json
    replica = {"instance": HOSTILE, "version": "1", "revision": "\u202erevision"}
    assert place.send("POST", "reports", {"version": 1, "replica": replica}, who="replica").status == 204
    wait_for(lambda: place.send("GET", "insights").json["refusals"], "the refusals")
    return Used(place, answer.json["entry"]["seq"])


@pytest.fixture
def reader(chromium: ChromiumPerson, used: Used) -> Iterator[ChromiumPerson]:
    """Somebody who is signed in with Chromium."""
    chromium.sign_out()
    chromium.sign_in("olga-token")
    chromium.violations()
    yield chromium
    assert chromium.violations() == []


def test_axe_is_pinned(axe: str) -> None:
    """axe-core is version 4.14.1, as it was published."""
    digest = hashlib.sha256(axe.encode("utf-8")).hexdigest()
    assert digest == "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


def test_access(reader: ChromiumPerson, used: Used, axe: str) -> None:
    """axe-core finds nothing on any page, in light and in dark."""
    for path in used.pages:
        reader.open(path)
        expect_nothing_found(reader, axe, path)
    reader.sign_out()
    expect_nothing_found(reader, axe, "/sign-in")


def expect_nothing_found(reader: ChromiumPerson, axe: str, path: str) -> None:
    """Fail if axe-core finds something on the page that is open."""
    for dark in (False, True):
        with reader.set(dark=dark):
            assert findings(reader, axe) == [], (path, dark)


def test_a_phone(reader: ChromiumPerson, used: Used) -> None:
    """At a width of 360 pixels, and with text at 200 %, no page has to be scrolled sideways."""
    with reader.set(width=360):
        for path in used.pages:
            reader.open(path)
            assert reader.browser.evaluate(_SIDEWAYS) <= 0, path
    with reader.set(width=720):
        for path in used.pages:
            reader.open(path)
            reader.browser.evaluate("document.documentElement.style.fontSize = '200%'")
            assert reader.browser.evaluate(_SIDEWAYS) <= 0, path
    # The style that the test has set is one that the policy of the page does not allow in the page itself.
    reader.violations()


_SIDEWAYS = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_hostile_names(reader: ChromiumPerson, used: Used) -> None:
    """A name that is markup, or runs from right to left, is shown as what it is."""
    for path in ("/", "/history", f"/history/{used.seq}", "/policies/shop"):
        reader.open(path)
        wait_for(lambda: HOSTILE in reader.text, HOSTILE)
        assert reader.browser.evaluate("return document.title").endswith("cors-service")
        assert "\u202e" not in reader.text


def test_without_scripts(reader: ChromiumPerson, used: Used) -> None:
    """Without scripts everything can be read, and asked."""
    with reader.set(scripts=False):
        for path, words in (
            ("/", "https://evil.example"),
            ("/policies?q=https://shop.example.com", "Policies that allow something: 1."),
            ("/policies/shop", "https://*.partner.example"),
            (f"/history/compare?from=1&to={used.seq}", "wider"),
        ):
            reader.open(path)
            assert words in reader.source()


def test_a_slow_network(reader: ChromiumPerson) -> None:
    """Where the network is slow, everything comes all the same, and what the scripts draw, too."""
    with reader.slow():
        reader.open("/")
        assert "Most refused origins" in reader.text
        wait_for(lambda: reader.browser.evaluate("return document.querySelectorAll('#plot canvas').length"), "a plot")


def test_by_keyboard(reader: ChromiumPerson) -> None:
    """Whoever has no mouse reaches everything, sees where they are, and skips what is on every page."""
    reader.open("/")
    reader.press("Tab")
    assert reader.browser.evaluate(_FOCUSED) == "To the content"
    reader.press("Enter")
    wait_for(lambda: reader.browser.evaluate("return document.activeElement.id") == "content", "the content")
    reader.open("/")
    for _ in range(10):
        reader.press("Tab")
        if reader.browser.evaluate(_FOCUSED) == "Policies":
            break
    assert reader.browser.evaluate(_FOCUSED) == "Policies"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert reader.browser.evaluate(outline) == "solid"
    reader.press("Enter")
    reader.sees("2 policies.")
    reader.browser.evaluate("document.getElementById('q').focus()")
    reader.type("shop")
    reader.press("Enter")
    wait_for(lambda: reader.path == "/policies?q=shop", "the answer")
    reader.sees("1 policy.")


_FOCUSED = "return document.activeElement.innerText.trim()"


def test_it_follows(reader: ChromiumPerson, used: Used) -> None:
    """What is decided now is on an overview that is open, without loading it again."""
    reader.open("/")
    reader.browser.evaluate("window.isSame = true")
    used.place.decide("https://stranger.example", times=3)
    reader.sees("https://stranger.example")
    assert reader.browser.evaluate("return window.isSame === true")
    assert reader.browser.evaluate("return document.querySelectorAll('#plot canvas').length") == 1


def test_nothing_from_elsewhere(person: Person, used: Used) -> None:
    """Either browser loads and runs what a page needs, and has nothing to say against it."""
    person.sign_in("olga-token")
    for path in used.pages:
        person.open(path)
    person.open("/")
    wait_for(lambda: person.browser.evaluate("return document.querySelectorAll('#plot canvas').length"), "the plot")
    names = "return performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)"
    assert set(person.browser.evaluate(names)) == {used.place.address}
    assert person.violations() == []


def test_what_is_refused(person: Person, used: Used) -> None:
    """The browser runs no script and no style that somebody got into a page, and says so."""
    person.sign_in("olga-token")
    person.browser.run(
        "const one = document.createElement('script'); one.textContent = 'window.isOwned = true';"
        "document.body.append(one);"
        "const other = document.createElement('script'); other.src = 'https://evil.example/x.js';"
        "document.body.append(other); setTimeout(arguments[0], 200)"
    )
    assert person.browser.evaluate("return window.isOwned === undefined")
    assert person.violations()


def test_not_in_a_frame(chromium: ChromiumPerson, used: Used, tmp_path: Path) -> None:
    """No other page shows the console in a frame, where it could have its buttons clicked."""
    chromium.violations()
    (tmp_path / "framing.html").write_text(f"<iframe src='{used.place.address}/history'></iframe>", encoding="utf-8")
    chromium.browser.open((tmp_path / "framing.html").as_uri())
    wait_for(lambda: "frame-ancestors 'none'" in " ".join(chromium.violations()), "the refusal")
