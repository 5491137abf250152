"""The pictures of docs/console.md: `CONSOLE_PICTURES=docs/console` writes them."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cors_service.insights.lines import instant_of
from tests.e2e.console.people import ChromiumPerson
from tests.e2e.console.places import Place, running_place
from tests.e2e.daemons import wait_for
from tests.insights.logs import REFUSED, written

ETC = Path(__file__).resolve().parents[3] / "etc"
LARGEST = 60_000
"""Bytes of a picture."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The policies of etc/, three replicas, and three hours of traffic."""
    policies = (ETC / "policies.toml").read_text(encoding="utf-8")
    with running_place(tmp_path_factory.mktemp("fleet"), replicas=3, policies=policies) as place:
        lines = [json.loads(line) for minute in range(1, 185) for line in _minute(minute)]
        replica = place.send("GET", "fleet").json["replicas"][0]
        told = {name: replica[name] for name in ("instance", "version", "revision")}
        report = {"version": 1, "replica": told, "batch": "earlier", "lines": lines}
        assert place.send("POST", "reports", report, who="replica").status == 204
        narrower: Any = place.send("GET", "policies/app").json
        narrower["rules"] = narrower["rules"][:1]
        assert place.send("PUT", "policies/app?reason=no+previews+any+more", narrower, If_Match="*").status == 200
        wait_for(lambda: not place.send("GET", "fleet").json["waiting"], "the replicas")
        yield place


def _minute(minute: int) -> Iterator[bytes]:
    """What was decided so many minutes ago."""
    at = time.time() // 60 * 60 - 60 * minute
    times: dict[str, Any] = {
        "begin": instant_of(at),
        "to": instant_of(at + 10),
        "last": instant_of(at + 10),
        "policy": "app",
    }
    wave = 1 + math.sin(minute / 25) / 2
    yield written(**times, origin="https://app.example.com", count=round(900 * wave))
    yield written(**times, origin="https://app.example.com", kind="preflight", method="PUT", count=round(200 * wave))
    for place, name in enumerate(("partner-portal", "app-preview", "shop")):
        refused = {**REFUSED, "origin": f"https://{name}.example.net", "count": 90 // (place + 1)}
        if minute < 40:
            yield written(**{**times, **refused})


_HEIGHTS = {"overview": 900}
_ASKED = "page=https://shop.example.net&url=https://app.example.com/api/orders/7&method=PUT&credentials=include"


def _mistype(person: ChromiumPerson) -> None:
    """Make two mistakes in the document that is edited."""
    text = person.browser.evaluate("return document.getElementById('text').value")
    person.fill("The document, in TOML", text.replace('"POST"', '"PO ST"').replace("credentials", "credential"))
    person.sees("2 mistakes")


@pytest.mark.parametrize(
    ("name", "path", "dark"),
    [
        ("overview", "/", False),
        ("policy", "/policies/app", False),
        ("comparison", "/history/compare?from=2&to=1", True),
        ("playground", f"/playground?{_ASKED}#exchange-title", False),
        ("change", "/change?policy=app", True),
        ("inbox", "/inbox", False),
    ],
)
def test_pictures(chromium: ChromiumPerson, fleet: Place, tmp_path: Path, name: str, path: str, dark: bool) -> None:
    """Each picture of the page can be made, and is small."""
    into = Path(os.environ.get("CONSOLE_PICTURES", tmp_path))
    elsewhere, chromium.address = chromium.address, fleet.address
    try:
        chromium.sign_out()
        chromium.sign_in("olga-token")
        with chromium.set(dark=dark, width=900, height=_HEIGHTS.get(name, 640)):
            chromium.open(path)
            if name == "change":
                _mistype(chromium)
            picture = chromium.picture()
    finally:
        chromium.address = elsewhere
    assert len(picture) < LARGEST
    (into / f"{name}.webp").write_bytes(picture)
