"""Pages open WebSockets where the decision about the handshake's Origin lets them, in a real browser."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from .cases import LOGGED_IN
from .setting import Application, attempt_in
from .webdriver import Chromium

APP = "app.corp.localhost"
STRANGER = "evil.localhost"
CONTEXTS = ("page", "worker", "blob", "sandbox-same-origin", "sandbox", "data")
REFERRER_POLICIES = ("no-referrer", "same-origin", "unsafe-url")


class Handshake(NamedTuple):
    """What came of a WebSocket that a page asked for.

    Attributes:
        origin: What the browser sent.
        kind: Of the decision.
        reason: The code of its reason.
        opened: Whether the page got the WebSocket.
    """

    origin: str
    kind: str
    reason: str
    opened: bool


def shaken(
    chromium: Chromium, application: Application, page: str, policy: str, context: str = "page", query: str = ""
) -> Handshake:
    """Let a page ask the API for a WebSocket by the policy of its path; the service is asked by the URL alone."""
    url = f"ws://{LOGGED_IN}:{application.ports[0]}/{policy}/socket"
    chromium.open(f"{page}/_page{query}")
    application.take_log()
    (result,) = attempt_in(chromium, context, [{"url": url}])
    (entry,) = application.take_log()
    assert (entry["method"], entry["url"]) == ("GET", url)
    decision: dict[str, Any] = entry["decision"]
    origin = dict(entry["headers"])["Origin"]
    return Handshake(origin, decision["kind"], decision["reason"]["code"], result["read"])


@pytest.mark.parametrize("policy", ["exact", "static", "incident", "public", "session"])
def test_own_page(policy: str, chromium: Chromium, application: Application) -> None:
    """The page of a host opens a WebSocket to it by every policy: `ws://HOST` is its own origin, `http://HOST`."""
    own = f"http://{LOGGED_IN}:{application.ports[0]}"
    assert shaken(chromium, application, own, policy) == Handshake(own, "same-origin", "same-origin", True)


@pytest.mark.parametrize(
    ("host", "port", "policy", "reason"),
    [
        (APP, 0, "exact", "allowed"),
        (APP, 1, "exact", "origin-not-allowed"),
        (STRANGER, 0, "exact", "origin-not-allowed"),
        (STRANGER, 0, "tiers", "allowed"),
        (STRANGER, 0, "public", "allowed"),
        ("partner.localhost", 0, "incident", "origin-refused"),
        (LOGGED_IN, 1, "exact", "origin-not-allowed"),
        (LOGGED_IN, 1, "bound", "allowed"),
        (STRANGER, 1, "bound", "origin-not-allowed"),
    ],
)
def test_page_of_another_origin(
    host: str, port: int, policy: str, reason: str, chromium: Chromium, application: Application
) -> None:
    """The rules decide about the page of another origin, be it on another port of the same host."""
    page = f"http://{host}:{application.ports[port]}"
    expected = Handshake(page, "actual", reason, reason == "allowed")
    assert shaken(chromium, application, page, policy) == expected


@pytest.mark.parametrize("context", CONTEXTS)
def test_frames_and_workers(context: str, chromium: Chromium, application: Application) -> None:
    """A sandboxed frame of the own page is a stranger, `null`, whom a rule must let in; a worker is the page itself."""
    own = f"http://{LOGGED_IN}:{application.ports[0]}"
    found = [shaken(chromium, application, own, policy, context) for policy in ("exact", "sandbox")]
    if context in {"sandbox", "data"}:
        refused = Handshake("null", "actual", "origin-not-allowed", False)
        assert found == [refused, Handshake("null", "actual", "allowed", True)]
    else:
        assert found == [Handshake(own, "same-origin", "same-origin", True)] * 2


@pytest.mark.parametrize("referrer", REFERRER_POLICIES)
def test_referrer_policy(referrer: str, chromium: Chromium, application: Application) -> None:
    """A handshake has the page's Origin under any referrer policy, `no-referrer` included (Fetch, #origin-header)."""
    own, app, stranger = (f"http://{host}:{application.ports[0]}" for host in (LOGGED_IN, APP, STRANGER))
    found = [shaken(chromium, application, page, "exact", query=f"?referrer={referrer}") for page in (own, app)]
    found.append(shaken(chromium, application, stranger, "exact", "sandbox", f"?referrer={referrer}"))
    assert found == [
        Handshake(own, "same-origin", "same-origin", True),
        Handshake(app, "actual", "allowed", True),
        Handshake("null", "actual", "origin-not-allowed", False),
    ]
