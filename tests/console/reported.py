"""Reports of replicas, as the overview shows them."""

from __future__ import annotations

import json
from typing import Any

from cors_service.insights.lines import instant_of
from tests.admin.trees import NINE, Office
from tests.insights.logs import written

SHOP = "https://shop.example.com"
HOSTILE = (
    "<script>alert(1)</script>",
    "\u202egnp.live\u202c",
    "\u05d0\u05d1\u05d2\u0000",
    "x" * 128,
    "'\"><img src=x>",
)
"""Names that break a page which does not expect them: markup, right to left, invisible, long, quotes."""


def line(at: float = -600, **members: Any) -> Any:
    """A line about the shop, some seconds from now."""
    begin, end = instant_of(NINE + at), instant_of(NINE + at + 10)
    told = {"policy": "shop", "origin": SHOP, "to": end, "first": begin, "last": end, **members}
    return json.loads(written(begin=begin, **told))


def report(office: Office, instance: str, *lines: Any, **members: Any) -> None:
    """Have a replica report."""
    replica = {"instance": instance, "version": "1", "revision": office.desk.changes.kept.head.revision, **members}
    body = {"version": 1, "replica": replica, "batch": f"{instance} {len(lines)}", "lines": list(lines)}
    assert office.caller().send("POST", "reports", body).status == 204
