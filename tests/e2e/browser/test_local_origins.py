"""Files, extensions and shy forms have origins of their own, and are let in by them, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.requirements import need

from .setting import Application
from .webdriver import Chromium, running_chromium

READ = """
const [url, done] = arguments;
fetch(url).then(answer => answer.text()).then(() => done(true), () => done(false));
"""
SUBMIT = """
const [url, done] = arguments;
const form = Object.assign(document.createElement("form"), { method: "POST", action: url, target: "frame" });
const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
document.body.append(frame, form);
frame.addEventListener("load", () => done(null));
form.submit();
"""
POLICIES = ("files", "extensions", "sandbox", "exact", "public")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """An extension whose only page is a file."""
    directory = tmp_path / "pages"
    directory.mkdir()
    manifest = {"manifest_version": 3, "name": "Pages", "version": "1"}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "page.html").write_text("<!doctype html><title>A page</title>")
    return directory / "page.html"


Start = Callable[..., AbstractContextManager[Chromium]]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts a browser of its own, with an option; see `running_chromium`."""
    browser, driver = need("chromium", "chromedriver")
    # The path of a socket in it has few characters.
    return partial(running_chromium, browser, driver, tmp_path_factory.mktemp("own"))


def identifier(extension: Path) -> str:
    """The host of an extension that has no key: the hash of where it lies, in letters for hexadecimal digits."""
    digits = sha256(str(extension).encode()).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digits)


def tried(chromium: Chromium, application: Application) -> tuple[set[str], dict[str, bool]]:
    """Let a page ask by each policy: with which origins it did, and what it could read."""
    application.take_log()
    place = f"http://127.0.0.1:{application.ports[0]}"
    read = {policy: chromium.run(READ, f"{place}/{policy}/things") for policy in POLICIES}
    sent = {dict(entry["headers"]).get("Origin", "none") for entry in application.take_log()}
    return sent, read


def reading(*policies: str) -> dict[str, bool]:
    """What a page reads that these policies let in."""
    return {policy: policy in policies for policy in POLICIES}


def test_files_without_an_origin(page: Path, chromium: Chromium, application: Application) -> None:
    """A file that a browser opens has the origin `null`, and is let in where that is listed."""
    chromium.open(page.as_uri())
    assert tried(chromium, application) == ({"null"}, reading("sandbox", "public"))


def test_files_with_an_origin(page: Path, application: Application, start: Start) -> None:
    """Where files have an origin it is `file://`, and they are let in where that is listed."""
    with start(files=True) as chromium:
        chromium.open(page.as_uri())
        assert tried(chromium, application) == ({"file://"}, reading("files", "public"))


def test_extension(page: Path, application: Application, start: Start) -> None:
    """The pages of an extension have its origin, and are let in where any host of its scheme is listed."""
    with start(extension=page.parent) as chromium:
        origin = f"chrome-extension://{identifier(page.parent)}"
        chromium.open(f"{origin}/page.html")
        assert tried(chromium, application) == ({origin}, reading("extensions", "public"))


@pytest.mark.parametrize(
    ("referrer", "sent"), [("no-referrer", ("null", "actual")), ("same-origin", ("own", "same-origin"))]
)
def test_form_of_the_own_page(
    referrer: str, sent: tuple[str, str], chromium: Chromium, application: Application
) -> None:
    """A form that is posted to its own host has its origin, but for `no-referrer`: then it is a stranger, `null`."""
    own = f"http://api.corp.localhost:{application.ports[0]}"
    chromium.open(f"{own}/_page?referrer={referrer}")
    application.take_log()
    chromium.run(SUBMIT, f"{own}/exact/things")
    (entry,) = application.take_log()
    origin = dict(entry["headers"])["Origin"]
    assert sent == ("own" if origin == own else origin, entry["decision"]["kind"])
