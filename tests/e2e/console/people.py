"""People who use the console with a real browser: they read, click, type and press keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from tests.e2e.browser.firefox import Firefox
from tests.e2e.browser.webdriver import Chromium
from tests.e2e.daemons import wait_for

# The visible element of a kind that has a text or an accessible name.
_FIND: Final = """
const [kinds, words] = [arguments[0], arguments[1]];
const nameOf = (one) => (one.getAttribute("aria-label") || one.innerText || one.value || "").trim();
const found = [...document.querySelectorAll(kinds)].filter((one) => one.checkVisibility() && nameOf(one) === words);
"""
_CLICK: Final = (
    _FIND
    + """
const [one] = found;
const leads = one && (one.matches("a[href]") || (one.form && !one.closest("[hx-post], [hx-get]")));
window.isLeft = Boolean(leads);
if (one) one.click();
return found.length;
"""
)
_IS_THERE: Final = "return !window.isLeft && document.readyState === 'complete'"
_LABELLED: Final = """
const [words, value] = [arguments[0], arguments[1]];
const label = [...document.querySelectorAll("label")].find((one) => one.innerText.trim() === words);
const field = label && (label.control || document.getElementById(label.htmlFor));
if (field) {
  field.focus();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}
return Boolean(field);
"""


class Driven(Protocol):
    """A browser that is driven."""

    def open(self, url: str) -> None:
        """Load a page."""

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page; its last argument takes the result."""

    def evaluate(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, and give what it returns."""

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call."""


class Person:
    """Somebody in front of a browser.

    Attributes:
        browser: The browser.
    """

    def __init__(self, browser: Driven, address: str) -> None:
        self.browser = browser
        self.address = address

    def open(self, path: str) -> None:
        """Open a page by its path."""
        self.browser.open(f"{self.address}{path}")

    def sign_in(self, token: str) -> None:
        """Open the console, show a token, and see the overview."""
        self.open("/sign-in")
        self.fill("Token", token)
        self.click("Sign in")
        self.sees("Replicas")

    def sign_out(self) -> None:
        """End the session, if there is one."""
        self.open("/sign-in")
        if "Sign out" in self.text:
            self.click("Sign out")

    def click(self, words: str, kinds: str = "a, button, summary") -> None:
        """Click what has these words, and wait for the page that it leads to, if it does."""
        found = self.browser.evaluate(_CLICK, kinds, words)
        assert found, f"there is no {words!r} in {self.text!r}"
        self._is_loaded()

    def fill(self, label: str, value: str) -> None:
        """Put a text into the field of a label."""
        assert self.browser.evaluate(_LABELLED, label, value), f"there is no field {label!r} in {self.text!r}"

    @property
    def text(self) -> str:
        """What is written on the page, with one blank for any white space."""
        found: str = self.browser.evaluate("return document.body.innerText")
        return " ".join(found.split())

    @property
    def path(self) -> str:
        """The path of the page, with its query."""
        found: str = self.browser.evaluate("return location.pathname + location.search")
        return found

    def sees(self, words: str) -> None:
        """Wait until something is written on the page."""
        wait_for(lambda: words in self.text, f"{words!r} in {self.text!r}")

    def violations(self) -> list[str]:
        """What the browser has said about the page's Content-Security-Policy since the last call."""
        return [line for line in self.browser.console() if "content" in line.lower() and "security" in line.lower()]

    def _is_loaded(self) -> None:
        wait_for(lambda: self.browser.evaluate(_IS_THERE), "the page")


class FirefoxPerson(Person):
    """Somebody in front of Firefox."""

    browser: Firefox


class ChromiumPerson(Person):
    """Somebody in front of Chromium, of which more can be set."""

    browser: Chromium

    def press(self, key: str, times: int = 1) -> None:
        """Press a key, such as `Tab` or `a`."""
        code = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", " ": " "}.get(key, key)
        actions = [{"type": kind, "value": code} for kind in ("keyDown", "keyUp")] * times
        self.browser._command("POST", "actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        for letter in text:
            self.press(letter)

    @contextmanager
    def set(self, *, dark: bool = False, width: int = 1000, height: int = 800, scripts: bool = True) -> Iterator[None]:
        """Set how the browser shows pages, until the block ends."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        try:
            self._devtools("Emulation.setEmulatedMedia", features=scheme)
            self._devtools("Emulation.setDeviceMetricsOverride", **metrics)
            self._devtools("Emulation.setScriptExecutionDisabled", value=not scripts)
            yield
        finally:
            self._devtools("Emulation.setScriptExecutionDisabled", value=False)
            self._devtools("Emulation.clearDeviceMetricsOverride")
            self._devtools("Emulation.setEmulatedMedia", features=[])

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Have a network as with a telephone far from everything, and nothing kept, until the block ends."""
        limits = {"latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
        try:
            self._devtools("Network.enable")
            self._devtools("Network.setCacheDisabled", cacheDisabled=True)
            self._devtools("Network.emulateNetworkConditions", offline=False, **limits)
            yield
        finally:
            self._devtools("Network.disable")

    def source(self) -> str:
        """The page as it was sent, also where scripts are off."""
        found: str = self.browser._command("GET", "source", None)
        return found

    def picture(self) -> bytes:
        """A picture of what is shown, as WebP."""
        found = self._devtools("Page.captureScreenshot", format="webp", quality=60)
        return base64.b64decode(found["data"])

    def _devtools(self, method: str, **parameters: object) -> Any:
        return self.browser._command("POST", "goog/cdp/execute", {"cmd": method, "params": parameters})


def findings(person: Person, axe: str) -> list[str]:
    """What axe-core finds on a page, each with the element that it is about.

    Args:
        person: Who is on the page.
        axe: The source of axe-core.
    """
    if not person.browser.evaluate("return Boolean(window.axe)"):
        # Once a page: it has 600 KB.
        person.browser.evaluate(axe)
    found = person.browser.run("const done = arguments[0]; axe.run().then((found) => done(found.violations))")
    return [f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])[:500]}" for one in found]
