"""A store in etcd for a test, and changes of it."""

from __future__ import annotations

from typing import Any

from cors_service.etcd import EtcdSource, EtcdStore
from cors_service.ledger.definitions import Definitions
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Kind, Signed
from cors_service.ledger.memory import put_bodies
from cors_service.ledger.source import Step
from tests.ledger.stores import about, edits

SHOP = {"origins": ["https://shop.example.com"]}
WIDER = {"origins": ["https://shop.example.com", "https://new.example.com"]}
FIRST: tuple[tuple[Kind, str, Any], ...] = (
    ("policy", "shop", SHOP),
    ("policy", "pay", {"origins": ["@partners"]}),
    ("origin-set", "partners", ["https://a.example"]),
    ("policy", "old", {"origins": ["https://old.example.com"]}),
)
"""What a store has at first."""


def changed(url: str, *some: tuple[Kind, str, Any]) -> Signed:
    """Make a change, as whoever opens the store for it."""
    store = EtcdStore(url)
    try:
        return store.commit(store.plan(store.read(), edits(*some)), about())
    finally:
        store.close()


def numbered(count: int) -> list[tuple[Kind, str, Any]]:
    """Some policies, each with an origin of its own."""
    return [("policy", f"p{i:06}", {"origins": [f"https://p{i}.example.com"]}) for i in range(count)]


class Replica:
    """What a replica has, without the service around it.

    Attributes:
        source: Where it reads.
        head: The newest change that it has.
        bodies: The definitions that it has.
    """

    def __init__(self, url: str) -> None:
        self.source = EtcdSource(url)
        try:
            found = self.source.everything()
        except BaseException:
            self.source.close()
            raise
        self.head: Head = found.head
        self.origin = found.origin
        self.bodies: dict[Key, Body] = dict(found.bodies)

    @property
    def revision(self) -> str:
        """The revision of what it has."""
        return Definitions.of(self.bodies).revision

    def follow(self) -> list[Step] | None:
        """Take the changes behind what it has; None if these can't be had."""
        steps = self.source.since(self.head)
        for step in steps or ():
            put_bodies(self.bodies, step)
            self.head = step.signed.head
        return steps
