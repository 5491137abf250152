"""What a service starts with: the policies of a store, or those of a snapshot as long as it can't be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from cors_service.follow.events import Unreachable
from cors_service.follow.followed import UNREACHABLE, Followed
from cors_service.follow.follower import Follower
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import IStoreSource
from cors_service.reader.good import GoodSet
from cors_service.reader.limits import TooLongError, in_time
from cors_service.reader.snapshot import SKEW_SECONDS, Snapshot
from cors_service.reader.sources import shown_path

PATIENCE: Final = 10.0
"""Seconds to wait for what a store has to say, where there is a snapshot."""
_ATTEMPTS: Final = 3
"""How often to read a store that does not hold what it says."""


def read_at_start(
    source: IStoreSource,
    snapshot: Snapshot | None,
    *,
    accept_rollback: bool = False,
    patience: float = PATIENCE,
    complain: Callable[[str], object] = lambda _: None,
) -> Followed:
    """Read a store for a start.

    Args:
        source: The store.
        snapshot: What was served last: only what is newer is read. It takes the place of a store that can't be read.
        accept_rollback: Whether what is there is taken even if it is older than the snapshot.
        patience: Seconds after which the snapshot takes that place, too.
        complain: Takes a sentence about a snapshot that can't be read, unless there is nothing to serve anyway.

    Returns:
        What is to be served.

    Raises:
        InvalidPolicies: There is nothing to serve.
    """
    kept, problem = _load(snapshot)
    if kept is None:
        followed = _read(source, None, accept_rollback=accept_rollback)
    else:
        try:
            followed = in_time(patience, lambda: _read(source, kept, accept_rollback=accept_rollback))
        except TooLongError:
            # What goes on being read comes to another one, which nobody uses.
            followed = _begun(source, kept_by(snapshot))
            followed.take(Unreachable(UNREACHABLE, f"{source.name} takes longer than {patience:g} seconds to read."))
    if followed.mistakes is not None and (followed.good is None or _is_too_old(kept, snapshot)):
        raise followed.mistakes if snapshot is None else _with_reason(followed.mistakes, snapshot)
    if problem is not None:
        complain(problem)
    return followed


def kept_by(snapshot: Snapshot | None) -> GoodSet | None:
    """Read a snapshot, however old it is; None if there is none."""
    kept, _ = _load(snapshot)
    return kept


def _load(snapshot: Snapshot | None) -> tuple[GoodSet | None, str | None]:
    """Read a snapshot, or say why it can't be read although there is one."""
    if snapshot is None:
        return None, None
    try:
        return snapshot.load(), None
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        shown = shown_path(snapshot.path)
        what = "What the store holds decides, even if the store has lost changes."
        return None, f"Can't read the snapshot {shown}: {why}. {what}"


def _begun(source: IStoreSource, kept: GoodSet | None, *, accept_rollback: bool = False) -> Followed:
    followed = Followed(source.name, accept_rollback=accept_rollback)
    if kept is not None:
        followed.begin_with(kept)
    return followed


def _read(source: IStoreSource, kept: GoodSet | None, *, accept_rollback: bool) -> Followed:
    followed = _begun(source, kept, accept_rollback=accept_rollback)
    follower = Follower(source, followed.take, followed.head, 0)
    followed.again = follower.again
    try:
        follower.read()
        for _ in range(_ATTEMPTS):
            if follower.is_due:
                follower.read()
    except StoreUnavailable as error:
        followed.take(Unreachable(error.code, str(error)))
    return followed


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
