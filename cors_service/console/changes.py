"""The changes of the ledger, drawn; and the newest of them, which are read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import htpy as h

from cors_service.console.comparing import direction_badge
from cors_service.console.parts import count, instant, name, plain
from cors_service.ledger.entry import LONGEST_REASON, Entry, Signed, Touched
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import Kept, StoreUnavailable

MOST_RECENT: Final = 1000
NOBODY: Final = "somebody"
"""Who made a change of which the ledger does not know it."""
_MOST_NAMED: Final = 5
_SIGNS: Final = {"new": "+", "gone": "-", "changed": "~"}


class Recent:
    """Keeps the newest changes: entries never change, so each is read once."""

    def __init__(self) -> None:
        self._known: list[Signed] = []

    def read(self, store: IChangeStore, kept: Kept) -> Sequence[Signed]:
        """Give them in their order; it blocks, and one thread at a time may call it.

        Args:
            store: Where they are.
            kept: What it holds.
        """
        seq = kept.head.seq
        last = self._known[-1].entry.seq if self._known else 0
        if last > seq:
            # The store was replaced by an older one.
            self._known, last = [], 0
        if last < seq:
            after = max(last, seq - MOST_RECENT)
            self._known = [*self._known, *entries_between(store, after, seq)][-MOST_RECENT:]
        return self._known


def entries_between(store: IChangeStore, after: int, last: int) -> list[Signed]:
    """Read all changes after one, up to another; it blocks.

    Raises:
        StoreUnavailable: The store does not have all of them.
    """
    found = store.entries(after, last - after)
    if len(found) != last - after:
        raise StoreUnavailable(f"The store does not give the changes from {after + 1} to {last}.")
    return found


def draw_entry(entry: Entry) -> h.Element:
    """Draw a change as an item of a list."""
    return h.li[
        h.p(".title")[h.a(href=f"/history/{entry.seq}")[f"Change {entry.seq}"]],
        h.p(".hint")[instant(entry.at), " UTC, by ", who(entry)],
        h.p[why(entry)],
        h.p[list(effects(entry)), " ", touched(entry.changes)],
    ]


def who(entry: Entry) -> h.Node:
    """Draw who made a change, and who approved it."""
    author = NOBODY if entry.author is None else name(entry.author)
    return author if entry.approver is None else [author, ", approved by ", name(entry.approver)]


def why(entry: Entry) -> h.Node:
    """Draw the reason of a change."""
    return h.bdi[plain(entry.reason, LONGEST_REASON)] if entry.reason.strip() else "No reason is given."


def effects(entry: Entry) -> Iterator[h.Node]:
    """Draw whether a change made the policies wider or narrower."""
    for direction, holds in (("wider", entry.wider), ("narrower", entry.narrower)):
        if holds:
            yield direction_badge(direction)
            yield " "


def touched(changes: Sequence[Touched], most: int = _MOST_NAMED) -> h.Node:
    """Draw what a change did to which definitions.

    Args:
        changes: What it did.
        most: How many are named.
    """
    named = [
        (", " if place else "", f"{_SIGNS[what(one)]} {one.kind.replace('-', ' ')} ", name(one.name))
        for place, one in enumerate(changes[:most])
    ]
    more = len(changes) - len(named)
    return [named, f" and {count(more)} more" if more > 0 else ""] if named else "nothing"


def what(one: Touched) -> str:
    """Say what happened to a definition: it is `new`, `gone` or `changed`."""
    return "new" if one.before is None else "gone" if one.after is None else "changed"
