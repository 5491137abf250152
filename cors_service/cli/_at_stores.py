"""Commands at a store itself, where no admin process stands in between: a directory, or the URL of a store."""

from __future__ import annotations

import argparse
import getpass
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from cors_service.algebra import compare
from cors_service.ledger.edits import Body, bodies_of, replacing
from cors_service.ledger.entry import Head, Key, Signed
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About, Outdated, StoreUnavailable
from cors_service.ledger.source import Everything
from cors_service.ledger.urls import check_url, is_url, open_source, open_store, store_name
from cors_service.ledger.widening import narrows, witness_of
from cors_service.review.written import as_dict

STORE: Final = "CORS_SERVICE_STORE"
"""The variable that names a store where a command does not."""

_ADMIN: Final = re.compile(r"https?://|unix:")
_PAGE: Final = 500


def is_admin(where: str) -> bool:
    """Say whether something is the address of an admin process, and not a store."""
    return _ADMIN.match(where) is not None


def named(given: str | None, parser: argparse.ArgumentParser, what: str) -> str:
    """Give the place that a command names or, if it names none, the environment.

    Args:
        given: What the command names; None for nothing.
        parser: That of the command.
        what: What to name, in the imperative.

    Raises:
        NoSuchStore: The command names a URL with something secret in it, which everybody on the machine can see.
    """
    if given is None:
        found = os.environ.get(STORE)
        if not found:
            parser.error(f"{what}, or put the URL of a store into ${STORE}.")
        return found
    if not given:
        # That of a variable that is not set. As a path it would be the current directory.
        parser.error(f"the place is empty: {what}.")
    if is_url(given) and not is_admin(given):
        check_url(given)
    return given


@contextmanager
def store_at(where: str) -> Iterator[IChangeStore]:
    """Open a store, by its URL or its directory, for as long as the block lasts.

    Raises:
        NoSuchStore: The URL names none.
        StoreUnavailable: There is no such directory.
    """
    store = open_store(where) if is_url(where) else _in_directory(where)
    try:
        yield store
    finally:
        store.close()


def _in_directory(where: str) -> IChangeStore:
    if not Path(where).is_dir():
        raise StoreUnavailable(
            f"{where!a} is neither the address of cors-admin nor a store: there is no such directory."
        )
    # Imported late: it needs Unix.
    from cors_service.ledger.directory import DirectoryStore

    return DirectoryStore(Path(where))


def publish(
    store: IChangeStore, document: Mapping[str, Any], reason: str, *, if_seq: int | None, is_dry: bool
) -> dict[str, Any]:
    """Make the definitions of a document all that there is in a store, in one change.

    Args:
        store: The store.
        document: The document.
        reason: Why, for the ledger; LONGEST_REASON characters at most.
        if_seq: The number that the newest change must have; None for any.
        is_dry: Whether only to say what would be.

    Returns:
        What an admin process would answer, as far as it is about policies.

    Raises:
        InvalidPolicies: They have mistakes.
        StoreIsWrong: What is there has mistakes.
        StoreUnavailable: The store can't be used.
        Outdated: The newest change is another.
    """
    kept = store.read()
    if if_seq not in {None, kept.head.seq}:
        raise Outdated(kept.head)
    plan = store.plan(kept, replacing(bodies_of(document), kept.digests, kept.digests))
    comparison = compare(kept.policy_set, plan.policy_set)
    entry = None
    if plan.changes and not is_dry:
        about = About(
            author=_author(),
            reason=reason,
            request_id=os.urandom(12).hex(),
            wider=comparison.is_wider,
            narrower=narrows(comparison),
            witness=witness_of(comparison),
        )
        signed = store.commit(plan, about)
        entry = {**structs.asdict(signed.entry), "hash": signed.hash}
    return {
        "changed": entry is not None,
        "dry_run": is_dry,
        "changes": [structs.asdict(one) for one in plan.changes],
        "entry": entry,
        "wider": comparison.is_wider,
        "narrower": narrows(comparison),
        **as_dict(comparison, kept.head.revision, plan.revision),
    }


def definitions_at(where: str) -> dict[Key, Body]:
    """Give all definitions that a store holds.

    Raises:
        NoSuchStore: The URL names none.
        StoreUnavailable: It can't be read, or nothing was ever written there.
    """
    with store_at(where) as store:
        kept = store.read()
        if not kept.head.seq:
            how = "write policies with `cors-service push`, or correct the URL"
            raise StoreUnavailable(f"{store_name(where)} has no policies: {how}.")
        return store.bodies(kept.digests)


class StoredLedger(Struct, frozen=True):
    """The ledger of a store, and what the store holds.

    Attributes:
        head: The newest change.
        entries: Its entries.
        bodies: All definitions.
    """

    head: Head
    entries: Iterable[Signed]
    bodies: Mapping[Key, Body]


def ledger_at(url: str) -> StoredLedger:
    """Read the ledger of a store.

    Raises:
        NoSuchStore: The URL names none.
        StoreUnavailable: It can't be read.
    """
    everything = everything_at(url)
    with store_at(url) as store:
        return StoredLedger(everything.head, list(_entries(store, everything.head.seq)), everything.bodies)


def everything_at(url: str) -> Everything:
    """Read all that there is in a store.

    Raises:
        NoSuchStore: The URL names none.
        StoreUnavailable: It can't be read.
    """
    source = open_source(url)
    try:
        return source.everything()
    finally:
        source.close()


def kept_at(url: str, newest: int) -> Iterator[tuple[int, Mapping[Key, Body | None]]]:
    """Read what the ledger of a store keeps of each change.

    Args:
        url: The URL of the store.
        newest: The number of the last change to read.

    Raises:
        StoreUnavailable: It can't be read.
    """
    with store_at(url) as store:
        yield from store.bodies_of_changes(newest)


def _entries(store: IChangeStore, newest: int) -> Iterator[Signed]:
    seq = 0
    while seq < newest:
        page = store.entries(seq, min(_PAGE, newest - seq))
        yield from page
        if not page:
            return
        # One may be gone, or say that it is another.
        seq = max(seq + len(page), page[-1].entry.seq)


def _author() -> str | None:
    """Who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
