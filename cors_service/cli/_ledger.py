"""`cors-service ledger`: which changes were made, and whether the ledger of them is whole."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from cors_service.cli._admin import AdminClient, NotAdministeredError
from cors_service.cli._at_stores import STORE, StoredLedger, is_admin, kept_at, ledger_at, named
from cors_service.cli._lines import in_one_line
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_actions, add_command
from cors_service.grammar.mistakes import plural
from cors_service.ledger.chain import Broken, missing, verify
from cors_service.ledger.entry import Entry, Head, Key, Kind, Signed, Touched
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, is_url
from cors_service.ledger.written import other_bodies, other_definitions

if TYPE_CHECKING:
    from cors_service.ledger.files import LedgerFiles  # which needs Unix

_PAGE: Final = 500
_Checks = Callable[[list[Signed]], Iterable[Broken]]
"""Finds what is kept and is not what entries say."""
_Read = tuple[Head, Iterable[Signed], _Checks]
"""The newest entry, all entries, and what else is to be checked of them."""
_MOST_NAMED: Final = 3


def add_ledger(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "ledger",
        "list the changes of policies, or verify that nobody has tampered with their ledger",
        "ledger list policies",
        "ledger verify http://127.0.0.1:8081",
        "ledger verify postgresql://cors_reader@db.internal/cors",
    )
    actions = add_actions(parser)
    listing = add_command(actions, "list", "list the changes of policies, the oldest first", "ledger list policies")
    listing.add_argument("--json", action="store_true", help="print entries for programs, an object a line")
    verifying = add_command(
        actions, "verify", "verify that nobody has tampered with the ledger", "ledger verify http://127.0.0.1:8081"
    )
    for action, does in ((listing, _list), (verifying, _verify)):
        action.add_argument(
            "where",
            metavar="WHERE",
            nargs="?",
            help=f"the directory of the policies, the URL of a store, or cors-admin; by default, that in ${STORE}",
        )
        action.set_defaults(run=_ledger, does=does)


def _ledger(options: argparse.Namespace) -> int:
    where = options.where
    try:
        where = named(where, options.parser, "name the directory of the policies, a store or cors-admin")
        does: Callable[[argparse.Namespace, _Read], int] = options.does
        return does(options, _read(where))
    except (NotAdministeredError, NoSuchStore, StoreUnavailable) as error:
        print(f"cors-service ledger: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Of the output: entries are printed as they are read.
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        print(f"cors-service ledger: {where} has no ledger that can be read: {why}.", file=sys.stderr)
    return FAILED


def _read(where: str) -> _Read:
    if is_admin(where):
        client = AdminClient(where)
        first, _ = client.get("ledger?limit=1", "head", "entries")
        return msgspec.convert(first["head"], Head), _asked(client), lambda _: ()
    if is_url(where):
        ledger = ledger_at(where)
        return ledger.head, ledger.entries, lambda entries: _others(entries, where, ledger)
    # Imported late: it needs Unix.
    from cors_service.ledger.files import LedgerFiles

    files = LedgerFiles(Path(where))
    head = files.head()
    if head is None:
        raise OSError("cors-admin has made none there")
    return head, files.entries(0, head.seq + 1), lambda entries: _other_files(entries, files)


def _asked(client: AdminClient) -> Iterator[Signed]:
    seq = 0
    while True:
        page, _ = client.get(f"ledger?after={seq}&limit={_PAGE}", "entries")
        for told in page["entries"]:
            fields = {name: value for name, value in told.items() if name != "hash"}
            yield Signed(msgspec.json.decode(msgspec.json.encode(fields), type=Entry), told["hash"])
            seq = told["seq"]
        if len(page["entries"]) < _PAGE:
            return


def _verify(_: argparse.Namespace, read: _Read) -> int:
    head, entries, checks = read
    known = list(entries)
    # The same may be wrong with a definition and with what the ledger keeps of it.
    broken = dict.fromkeys([*verify(known, head), *checks(known)])
    for one in broken:
        print(f"{one.seq}: {one.sentence}")
    if broken:
        return REFUSED
    count = f"{head.seq} {plural(head.seq, 'entry', 'entries')}"
    print(f"{count}, nothing was tampered with. The newest: {head.entry}, {head.revision}")
    return ALLOWED


def _others(entries: list[Signed], url: str, ledger: StoredLedger) -> Iterator[Broken]:
    """Find what a store holds, or its ledger keeps, and is not what the entries wrote."""
    yield from other_definitions(entries, ledger.bodies)
    yield from other_bodies(entries, kept_at(url, ledger.head.seq))


def _other_files(entries: Iterable[Signed], files: LedgerFiles) -> Iterator[Broken]:
    """Find files that are kept and are not those of an entry, or not what it wrote."""
    for signed in entries:
        seq = signed.entry.seq
        try:
            kept = files.bodies(seq)
            is_exact = files.is_exact(seq)
        except (OSError, ValueError) as error:
            yield Broken(seq, f"The definitions that it wrote can't be read: {error}.")
            continue
        bodies = {Key(cast(Kind, kind), name): body for kind, some in kept.items() for name, body in some.items()}
        yield from other_bodies([signed], [(seq, bodies)])
        if not is_exact:
            yield Broken(seq, "Its files are not to the byte what was written: look for what stands there twice.")


def _list(options: argparse.Namespace, read: _Read) -> int:
    head, entries, _ = read
    seq, gaps = 0, list[int]()
    for signed in entries:
        if signed.entry.seq > seq + 1:
            gaps.append(seq + 1)
        seq = signed.entry.seq
        if options.json:
            print(msgspec.json.encode({**msgspec.structs.asdict(signed.entry), "hash": signed.hash}).decode("utf-8"))
        else:
            print("\n".join(_lines(signed.entry)))
    if head.seq > seq:
        gaps.append(seq + 1)
    for gap in gaps:
        print(f"cors-service ledger: {gap}: {missing(gap, head).sentence}", file=sys.stderr)
    return FAILED if gaps else ALLOWED


def _lines(entry: Entry) -> Iterator[str]:
    who = entry.author or "somebody"
    by = f", approved by {entry.approver}" if entry.approver else ""
    directions = [name for name, holds in (("wider", entry.wider), ("narrower", entry.narrower)) if holds]
    effect = f" ({' and '.join(directions)})" if directions else ""
    yield f"{entry.seq}  {entry.at}  {in_one_line(who)}{by}: {in_one_line(entry.reason) or 'no reason given'}{effect}"
    yield f"   {_named(entry.changes)}"


def _named(changes: tuple[Touched, ...]) -> str:
    some = [f"{_sign(one)}{one.kind} {one.name}" for one in changes[:_MOST_NAMED]]
    rest = len(changes) - len(some)
    return ", ".join(some) + (f" and {rest} more" if rest else "") if some else "nothing"


def _sign(one: Touched) -> str:
    return "+" if one.before is None else "-" if one.after is None else "~"
