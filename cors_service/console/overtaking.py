"""Two people edit the same: the second one gets what the first one changed, and loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import htpy as h
from msgspec import Struct

from cors_service.access.callers import Caller
from cors_service.admin.definitions import visible
from cors_service.admin.desk import Desk
from cors_service.console.checking import Typed
from cors_service.console.drawing import patch_lines
from cors_service.console.parts import instant, notice, plain, post_form
from cors_service.console.parts import name as shown_name
from cors_service.console.sheet import bodies_of, keys_with, merged, sheet_of
from cors_service.explain.patch import patch_of
from cors_service.ledger.entry import Entry, Key
from cors_service.ledger.kept import Kept

_MOST_ENTRIES: Final = 100
_LONGEST_MERGED: Final = 32 * 1024
"""Characters of a document that is offered beside the one that was typed."""


class Overtaken(Exception):
    """Somebody else has changed the same definitions meanwhile.

    Attributes:
        keys: These definitions.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__("Somebody else has changed it meanwhile.")
        self.keys = keys


class Theirs(Struct, frozen=True, kw_only=True):
    """What others have made of a document.

    Attributes:
        keys: What they have changed.
        text: The document as it is now.
        entries: Their changes, the newest first.
    """

    keys: Sequence[Key]
    text: str
    entries: Sequence[Entry]


def read_theirs(desk: Desk, kept: Kept, caller: Caller, typed: Typed, keys: Sequence[Key]) -> Theirs:
    """Read what others have made of a document; blocks.

    Args:
        desk: What resources share.
        kept: What is there.
        caller: Who is shown it.
        typed: What was typed, and the document that it was made of.
        keys: What they have changed.
    """
    store = desk.changes.store
    # What was sent to be edited may have come back as something else.
    wanted = visible(kept, caller) & {one for key in bodies_of(typed.before) for one in keys_with(key, kept)}
    recent = store.entries(max(kept.head.seq - _MOST_ENTRIES, 0), _MOST_ENTRIES)
    entries = [one.entry for one in reversed(recent) if any(touched.key in keys for touched in one.entry.changes)]
    return Theirs(keys=keys, text=sheet_of(store.bodies(wanted)), entries=entries[:1])


def draw_theirs(theirs: Theirs, typed: Typed) -> h.Node:
    """Draw what others have changed, and offer to put both edits together.

    Args:
        theirs: What others have made of the document.
        typed: What was typed, and the document that it was made of.
    """
    patch = patch_of("the document", typed.before, theirs.text)
    both = merged(typed.before, typed.text, theirs.text)
    return h.section(aria_labelledby="theirs-title")[
        h.h2("#theirs-title")["Somebody else has changed this meanwhile"],
        notice(
            "warn",
            "Nothing was published, and what you typed is below. If you publish it now, it replaces theirs.",
            role="alert",
        ),
        [_entry(entry) for entry in theirs.entries],
        h.h3["What they changed"],
        patch_lines(patch),
        both is not None and len(both) <= _LONGEST_MERGED and _both(both, theirs, typed),
    ]


def _entry(entry: Entry) -> h.Node:
    who = "Somebody, by hand" if entry.author is None else shown_name(entry.author)
    return h.p[who, ", ", instant(entry.at), f", change {entry.seq}: ", h.q[plain(entry.reason)]]


def _both(both: str, theirs: Theirs, typed: Typed) -> h.Node:
    """Offer both edits together: they are about different lines."""
    held = {"text": both, "before": theirs.text, "reason": typed.reason, "do": "check"}
    return post_form(
        "/change",
        [h.input(type="hidden", name=name, value=value) for name, value in held.items()],
        h.button(type="submit")["Put theirs and mine together"],
    )
