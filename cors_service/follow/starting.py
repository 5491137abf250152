"""What a service starts with: the policies of a store, or those of a snapshot as long as it can't be read."""

from __future__ import annotations

import time

from cors_service.follow.events import Unreachable
from cors_service.follow.followed import Followed
from cors_service.follow.follower import Follower
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import IStoreSource
from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import SKEW_SECONDS, Snapshot

_ATTEMPTS = 3
"""How often to read a store that does not hold what it says."""


def read_at_start(source: IStoreSource, snapshot: Snapshot | None, *, accept_rollback: bool = False) -> Followed:
    """Read a store for a start.

    Args:
        source: The store.
        snapshot: What was served last: only what is newer is read. It takes the place of a store that can't be read.
        accept_rollback: Whether what is there is taken even if it is older than the snapshot.

    Returns:
        What is to be served.

    Raises:
        InvalidPolicies: There is nothing to serve.
    """
    followed = Followed(source.name, accept_rollback=accept_rollback)
    kept = kept_by(snapshot)
    if kept is not None:
        followed.begin_with(kept)
    follower = Follower(source, followed.take, followed.head, 0)
    followed.again = follower.again
    try:
        follower.read()
        for _ in range(_ATTEMPTS):
            if follower.is_due:
                follower.read()
    except StoreUnavailable as error:
        followed.take(Unreachable(error.code, str(error)))
    if followed.mistakes is not None and (followed.good is None or _is_too_old(kept, snapshot)):
        raise followed.mistakes if snapshot is None else _with_reason(followed.mistakes, snapshot)
    return followed


def kept_by(snapshot: Snapshot | None) -> GoodSet | None:
    """Read a snapshot, however old it is; None if there is none."""
    if snapshot is None:
        return None
    try:
        return snapshot.load()
    except (OSError, ValueError):
        return None


def _is_too_old(kept: GoodSet | None, snapshot: Snapshot | None) -> bool:
    if kept is None or snapshot is None or snapshot.max_age is None:
        return False
    return not -SKEW_SECONDS <= time.time() - kept.loaded_at <= snapshot.max_age


def _with_reason(invalid: InvalidPolicies, snapshot: Snapshot) -> InvalidPolicies:
    """Add why the snapshot is of no use."""
    try:
        snapshot.in_place_of(invalid, is_start=True)
    except InvalidPolicies as both:
        return both
    return invalid
