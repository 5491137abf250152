"""A store in etcd for a test, and changes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cors_service.etcd import EtcdSource, EtcdStore
from cors_service.ledger.definitions import Definitions
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Kind, Signed
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.memory import put_bodies
from cors_service.ledger.source import Step
from tests.e2e.daemons import wait_for
from tests.ledger.stores import about, edits

_T = TypeVar("_T")

SHOP = {"origins": ["https://shop.example.com"]}
WIDER = {"origins": ["https://shop.example.com", "https://new.example.com"]}
FIRST: tuple[tuple[Kind, str, Any], ...] = (
    ("policy", "shop", SHOP),
    ("policy", "pay", {"origins": ["@partners"]}),
    ("origin-set", "partners", ["https://a.example"]),
    ("policy", "old", {"origins": ["https://old.example.com"]}),
)
"""What a store has at first."""


def patiently(ask: Callable[[], _T]) -> _T:
    """Ask until etcd answers: while its members elect a leader, none does, and a busy machine makes that last."""
    said: list[str] = []

    def answer() -> list[_T]:
        try:
            return [ask()]
        except StoreUnavailable as error:
            said.append(str(error))
            return []

    [found] = wait_for(answer, f"an answer: {said}")
    return found


def attempted(url: str, *some: tuple[Kind, str, Any]) -> Signed:
    """Try to make a change, as whoever opens the store for it."""
    store = EtcdStore(url)
    try:
        plan = store.plan(store.read(), edits(*some))
        if plan.changes:
            return store.commit(plan, about())
        # It was made, and nobody was told.
        [signed] = store.entries(plan.base.head.seq - 1, 1)
        return signed
    finally:
        store.close()


def changed(url: str, *some: tuple[Kind, str, Any]) -> Signed:
    """Make a change."""
    return patiently(lambda: attempted(url, *some))


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
            found = patiently(self.source.everything)
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

    def newest(self) -> Head:
        """Ask a quorum for the newest change."""
        return patiently(self.source.head)

    def follow(self) -> list[Step] | None:
        """Take the changes behind what it has; None if these can't be had."""
        steps = patiently(lambda: self.source.since(self.head))
        for step in steps or ():
            put_bodies(self.bodies, step)
            self.head = step.signed.head
        return steps
