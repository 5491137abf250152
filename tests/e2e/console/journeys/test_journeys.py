"""What people come for, from the first click to the last, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.console.journeys.conftest import SignIn
from tests.e2e.console.journeys.eyes import expect, unreadable
from tests.e2e.console.journeys.fleets import HOSTILE, Fleet
from tests.explain.patched import patched

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTNER = "https://partner.example.net"


def replace(page: Page, old: str, new: str) -> None:
    """Replace something in the document that is edited, as somebody who types."""
    area = page.get_by_label("The document, in TOML")
    text = area.input_value()
    assert old in text
    area.fill(text.replace(old, new))


def open_policy(page: Page, name: str) -> None:
    """Go to a policy's document by the links of the console."""
    page.get_by_role("navigation").get_by_role("link", name="Change").click()
    page.get_by_label("The policy").fill(name)
    page.get_by_role("button", name="Open").click()
    page.get_by_label("The document, in TOML").wait_for()


def publish(page: Page, reason: str, button: str = "Publish") -> None:
    """Say why, and publish."""
    page.get_by_label("Why?").fill(reason)
    page.get_by_role("button", name=button, exact=True).click()


def seq_of(page: Page) -> int:
    """The number of the change that a page is about."""
    page.wait_for_url(re.compile(r"/change/\d+$"))
    return int(page.url.rpartition("/")[2])


def test_a_blocked_developer(sign_in: SignIn, tmp_path: Path) -> None:
    """A developer pastes what the console printed, adds what it does not say, and leaves with a patch that mends it."""
    page = sign_in("dev")
    page.get_by_role("navigation").get_by_role("link", name="Playground").click()
    page.get_by_label("A message of a browser's console").fill(
        "app.js:7 Access to fetch at 'https://blocked.example.com/orders/7' from origin 'https://new.example.com' has "
        "been blocked by CORS policy: Response to preflight request doesn't pass access control check: No "
        "'Access-Control-Allow-Origin' header is present on the requested resource."
    )
    page.get_by_role("button", name="Explain it").click()
    expect(page.get_by_role("heading", name="Chromium printed this")).to_be_visible()
    assert unreadable(page) == []
    page.get_by_label("Method").fill("PUT")
    page.get_by_label("Cookies").select_option("include")
    page.get_by_role("button", name="What does the browser do?").click()
    expect(page.locator("#verdict")).to_contain_text("It is blocked")
    expect(page.locator(".exchange")).to_contain_text("OPTIONS /orders/7")
    for engine in ("chromium", "firefox", "webkit"):
        expect(page.locator(f"#engine-{engine}")).to_contain_text("blocked")
    # Who may only read has no button, and the link holds the question.
    expect(page.get_by_role("link", name="Carry this into a change")).to_have_count(0)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    patch = page.locator(".patch").inner_text()
    text = (
        'version = 1\n\n[policies.blocked]\nmatch = ["blocked.example.com/"]\norigins = ["https://app.example.com"]\n'
        'methods = ["GET", "PUT"]\ncredentials = true\nmax_age = 600\n'
    )
    assert '"https://new.example.com"' in patched(tmp_path, text, f"{patch}\n")


def test_an_owner_lets_a_partner_in(sign_in: SignIn, fleet: Fleet) -> None:
    """An owner adds a partner, sees what widens as it is typed, publishes with a reason, and watches three replicas."""
    page = sign_in("anna")
    open_policy(page, "partner")
    replace(page, '"https://app.example.com"', f'"https://app.example.com", "{PARTNER}"')
    # Nobody pressed a button.
    expect(page.locator("#findings")).to_contain_text("wider")
    expect(page.locator("#findings")).to_contain_text(PARTNER)
    publish(page, f"Contract 7 {HOSTILE}")
    seq = seq_of(page)
    expect(page.locator("#published")).to_contain_text("Contract 7")
    expect(page.locator("#reached")).to_have_text("3 of 3 replicas have it.")
    for replica in ("replica-1", "replica-2", "replica-3"):
        expect(page.get_by_role("row", name=re.compile(replica))).to_contain_text("yes")
    assert "hacked" not in page.title()
    entry = fleet.api("GET", f"ledger?after={seq - 1}")["entries"][0]
    assert (entry["author"], entry["wider"], entry["reason"]) == ("anna", True, f"Contract 7 {HOSTILE}")


def test_four_eyes(sign_in: SignIn, fleet: Fleet) -> None:
    """Whoever needs a second person proposes what widens; the second one sees what it does, and approves."""
    carla, boris = sign_in("carla"), sign_in("boris")
    open_policy(carla, "eyes")
    replace(carla, '"https://app.example.com"', f'"https://app.example.com", "{PARTNER}"')
    expect(carla.locator("#findings")).to_contain_text("publishing proposes it")
    publish(carla, f"Two eyes are not enough {HOSTILE}")
    carla.wait_for_url("**/change/proposals/*")
    expect(carla.get_by_text("This proposal is your own")).to_be_visible()
    expect(carla.get_by_role("button", name="Approve and publish")).to_have_count(0)
    boris.get_by_role("navigation").get_by_role("link", name="Change").click()
    boris.get_by_role("link", name=re.compile("Two eyes are not enough")).click()
    expect(boris.locator("#proposed")).to_contain_text("carla")
    expect(boris.locator(".patch")).to_contain_text(PARTNER)
    expect(boris.get_by_role("main")).to_contain_text("wider")
    assert unreadable(boris) == []
    boris.get_by_role("button", name="Approve and publish").click()
    seq = seq_of(boris)
    expect(boris.locator("#published")).to_contain_text("approved by boris")
    entry = fleet.api("GET", f"ledger?after={seq - 1}")["entries"][0]
    assert (entry["author"], entry["approver"]) == ("carla", "boris")
    assert "hacked" not in boris.title()


def test_an_incident(sign_in: SignIn) -> None:
    """In an incident, an origin is shut out; a clock says until when what was taken back lives on, and where."""
    page = sign_in("anna")
    open_policy(page, "incident")
    replace(page, "credentials = true\n", "")
    expect(page.locator("#findings")).to_contain_text("narrower")
    publish(page, "The cookies leaked")
    seq_of(page)
    expect(page.locator("#reached")).to_have_text("3 of 3 replicas have it.")
    clock = page.locator("#clock")
    expect(clock).to_contain_text("No replica allows it any more")
    assert unreadable(page) == []
    expect(clock).to_contain_text(re.compile(r"Browsers may reuse an older answer to a preflight\s*until .* \d+ min"))


def test_five_mistakes(sign_in: SignIn, fleet: Fleet) -> None:
    """Five mistakes are shown at their lines while somebody types, and go as they are corrected."""
    page = sign_in("anna")
    open_policy(page, "mistakes")
    good = page.get_by_label("The document, in TOML").input_value()
    page.get_by_label("The document, in TOML").fill(
        good.replace("mistakes.example.com/", "mistakes.example.com")
        .replace("https://app.example.com", "https://app.example.com/")
        .replace('"GET"', '"G ET"')
        .replace("credentials", "credental")
        .replace("600", f"-600 # {HOSTILE}")
    )
    findings = page.locator("#findings")
    expect(findings.get_by_role("heading")).to_have_text("5 mistakes")
    for line in (4, 5, 6, 7, 8):
        expect(findings).to_contain_text(f"Line {line}")
        expect(page.locator("#gutter")).to_contain_text(f"✗ {line}")
    expect(findings).to_contain_text("Did you mean credentials?")
    assert unreadable(page) == []
    before = fleet.api("GET", "fleet")["seq"]
    publish(page, "With mistakes")
    expect(findings.get_by_role("heading")).to_have_text("5 mistakes")
    assert fleet.api("GET", "fleet")["seq"] == before
    page.get_by_label("The document, in TOML").fill(good)
    expect(findings).to_contain_text("Nothing changes")
    expect(page.locator("#gutter mark")).to_have_count(0)


def test_a_rollback(sign_in: SignIn, fleet: Fleet) -> None:
    """What should not have been published is found in the history, taken back with a reason, and gone everywhere."""
    page = sign_in("anna")
    before = fleet.api("GET", "fleet")["seq"]
    open_policy(page, "rollback")
    replace(page, '"https://app.example.com"', '"https://app.example.com", "https://mistake.example"')
    publish(page, "By mistake")
    seq_of(page)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="History").click()
    page.get_by_role("link", name=f"Change {before}", exact=True).click()
    page.get_by_role("link", name="Roll back to it").click()
    expect(page.get_by_role("main")).to_contain_text("https://mistake.example")
    expect(page.get_by_role("main")).to_contain_text("narrower")
    page.get_by_label("Why").fill(f"Nobody wanted that {HOSTILE}")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("main")).to_contain_text("Nobody wanted that")
    assert fleet.api("GET", "policies/rollback")["origins"] == ["https://app.example.com"]
    page.goto(f"{fleet.url}/change/{fleet.api('GET', 'fleet')['seq']}")
    expect(page.locator("#reached")).to_have_text("3 of 3 replicas have it.")
    expect(page.locator("#clock")).to_contain_text("No replica allows it any more")
    assert "hacked" not in page.title()


def test_an_origin_that_knocked(sign_in: SignIn, fleet: Fleet) -> None:
    """An origin that was refused is let in by the smallest rule; another one is ignored, and stays so."""
    fleet.knock("knocked", "https://new.example.com", 12)
    fleet.knock("knocked", f"https://{HOSTILE}", 3)
    page = sign_in("anna")
    page.get_by_role("navigation").get_by_role("link", name="Inbox").click()
    item = page.get_by_role("listitem").filter(has_text="https://new.example.com")
    expect(item).to_contain_text("Refused 12 times")
    expect(item).to_contain_text("the owner of example.com")
    assert "hacked" not in page.title()
    page.get_by_role("listitem").filter(has_text="document.title").get_by_role("button", name="Ignore").click()
    expect(page.get_by_text("1 origin ignored")).to_be_visible()
    item.get_by_role("link", name="Let it in").click()
    expect(page.get_by_label("Why?")).to_have_value(re.compile("refused 12 times"))
    page.get_by_role("button", name="Publish", exact=True).click()
    seq_of(page)
    page.get_by_role("navigation").get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    expect(page.get_by_role("main")).not_to_contain_text("https://new.example.com")
    assert "https://new.example.com" in str(fleet.api("GET", "policies/knocked"))


def test_a_session_ends(sign_in: SignIn, fleet: Fleet) -> None:
    """When a session ends in the middle of an edit, signing in again brings back all that was typed."""
    page = sign_in("anna")
    open_policy(page, "session")
    replace(page, "max_age = 600", "max_age = 60  # typed before the session ended")
    expect(page.locator("#findings")).to_contain_text("It would change policy session")
    page.context.clear_cookies()
    replace(page, "max_age = 60 ", "max_age = 61 ")
    expect(page.locator("#findings")).to_contain_text("Your session has ended")
    publish(page, "Faster")
    page.get_by_label("Token").fill("token-of-anna")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=re.compile("Send it|Publish")).first.click()
    seq_of(page)
    expect(page.locator("#published")).to_contain_text("Faster")
    assert fleet.api("GET", "policies/session")["max_age"] == 61


def test_two_editors(sign_in: SignIn, fleet: Fleet) -> None:
    """The second of two editors is shown what the first one changed, keeps what was typed, and puts both together."""
    first, second = sign_in("anna"), sign_in("boris")
    for page in (first, second):
        open_policy(page, "editors")
    replace(first, '"https://app.example.com"', f'"https://app.example.com", "{PARTNER}"')
    publish(first, f"Theirs {HOSTILE}")
    seq_of(first)
    replace(second, "max_age = 600", "max_age = 60")
    publish(second, "Mine")
    expect(second.get_by_role("heading", name="Somebody else has changed this meanwhile")).to_be_visible()
    expect(second.get_by_role("main")).to_contain_text("Theirs")
    expect(second.locator(".patch")).to_contain_text(PARTNER)
    expect(second.get_by_label("The document, in TOML")).to_have_value(re.compile("max_age = 60\n"))
    expect(second.get_by_label("Why?")).to_have_value("Mine")
    assert unreadable(second) == []
    second.get_by_role("button", name="Put theirs and mine together").click()
    expect(second.get_by_label("The document, in TOML")).to_have_value(re.compile(PARTNER))
    second.get_by_role("button", name="Publish", exact=True).click()
    seq_of(second)
    assert fleet.api("GET", "policies/editors")["max_age"] == 60
    assert PARTNER in fleet.api("GET", "policies/editors")["origins"]
    assert "hacked" not in second.title()


def test_the_store_is_down(sign_in: SignIn, fleet: Fleet) -> None:
    """While the store is down a sentence says so, and what was typed stays; when it is back, it is published."""
    page = sign_in("anna")
    open_policy(page, "down")
    replace(page, "max_age = 600", "max_age = 6")
    expect(page.locator("#findings")).to_contain_text("It would change policy down")
    ledger = fleet.directory / "policies" / ".ledger"
    ledger.rename(ledger.with_name(".gone"))
    ledger.write_text("no directory", encoding="utf-8")
    try:
        publish(page, "Shorter")
        expect(page.get_by_role("alert")).to_contain_text("The store can't be used")
        expect(page.get_by_label("The document, in TOML")).to_have_value(re.compile("max_age = 6\n"))
    finally:
        ledger.unlink()
        ledger.with_name(".gone").rename(ledger)
    page.get_by_role("button", name="Publish", exact=True).click()
    seq_of(page)
    assert fleet.api("GET", "policies/down")["max_age"] == 6


def test_without_scripts(plain: SignIn) -> None:
    """Without scripts, a question is asked and answered, and a change is checked and published by buttons."""
    page = plain("anna")
    page.get_by_role("navigation").get_by_role("link", name="Playground").click()
    page.get_by_label("The page that asks").fill("https://new.example.com")
    page.get_by_label("The URL that it asks for").fill("https://blocked.example.com/orders/7")
    page.get_by_role("button", name="What does the browser do?").click()
    expect(page.locator("#verdict")).to_contain_text("It is blocked")
    page.get_by_role("link", name="Carry this into a change").click()
    expect(page.get_by_label("The document, in TOML")).to_have_value(re.compile("https://new.example.com"))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#findings")).to_contain_text("wider")
    publish(page, "By hand")
    seq_of(page)
    expect(page.locator("#published")).to_contain_text("By hand")


def test_a_slow_network(sign_in: SignIn) -> None:
    """Over a slow network, what is shown in the end is about what was typed last."""
    page = sign_in("anna")
    open_policy(page, "mistakes")
    tools = page.context.new_cdp_session(page)
    tools.send("Network.enable")
    slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    tools.send("Network.emulateNetworkConditions", slow)
    replace(page, "credentials = true", "credentals = true")
    expect(page.locator("#findings")).to_contain_text("Did you mean credentials?")
    with page.expect_request("**/change/check"):
        replace(page, "credentals = true", "creds = true")
    replace(page, "creds = true", "credentials = true")
    expect(page.locator("#findings")).to_have_text("Nothing changes: the policies say this already.")
    expect(page.locator("#gutter mark")).to_have_count(0)
