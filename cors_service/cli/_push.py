"""`cors-service push` and `pull`: policies as one change into an admin process or a store, and out of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from cors_service.cli._admin import AdminClient, NotAdministeredError
from cors_service.cli._at_stores import STORE, definitions_at, is_admin, named, publish, store_at
from cors_service.cli._documents import read_whole
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED, REFUSED, WAITS
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, reader_limits
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.editing import new_document
from cors_service.ledger.edits import Edit, as_document, bodies_of
from cors_service.ledger.entry import LONGEST_REASON
from cors_service.ledger.kept import Outdated, StoreIsWrong, StoreUnavailable
from cors_service.ledger.urls import NoSuchStore
from cors_service.wire.json_text import write_json

_OUTDATED: Final = 412


def add_push(commands: Commands) -> None:
    """Add the command `push`."""
    parser = add_command(
        commands,
        "push",
        "publish a document, or a directory, as one change; exit status 3 if it waits for a second person",
        "push policies --to http://127.0.0.1:8081 --reason 'the new shop'",
        'push policies --to https://cors-admin.internal --reason "$CI_COMMIT_TITLE" --if-seq 41',
        "push policies --to postgresql://cors_writer@db.internal/cors --reason 'the new shop'",
    )
    parser.add_argument(
        "path", type=given_path, metavar="PATH", help="a document or a directory, which replaces everything"
    )
    parser.add_argument(
        "--to", metavar="URL", help=f"the address of cors-admin, or a store; by default, the store in ${STORE}"
    )
    parser.add_argument("--reason", type=_reason, required=True, metavar="TEXT", help="why, for the ledger")
    parser.add_argument(
        "--if-seq", type=int, metavar="N", help="only if change N is the newest; by default, whatever is newest now"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument(
        "--wait", type=int, default=5, metavar="SECONDS", help="how long to wait for replicas; by default, 5"
    )
    add_links(parser)
    parser.add_argument("--json", action="store_true", help="print the answer for programs")
    parser.set_defaults(run=_push)


def add_pull(commands: Commands) -> None:
    """Add the command `pull`."""
    parser = add_command(
        commands,
        "pull",
        "print the policies of an admin process or a store as one document",
        "pull http://127.0.0.1:8081 > policies.toml",
        "pull postgresql://cors_reader@db.internal/cors > policies.toml",
    )
    parser.add_argument(
        "url", metavar="URL", nargs="?", help=f"the address of cors-admin, or a store; by default, that in ${STORE}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of TOML")
    parser.set_defaults(run=_pull)


def _push(options: argparse.Namespace) -> int:
    try:
        options.to = named(options.to, options.parser, "say with --to where to publish them")
        with Progress(f"Reading {options.path}"):
            document, _ = read_whole(options.path, reader_limits(options))
        with Progress("Publishing"):
            made = (_to_admin if is_admin(options.to) else _to_store)(options, document)
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except _OutdatedError as error:
        print(f"cors-service push: {error}", file=sys.stderr)
        return REFUSED
    except (NotAdministeredError, NoSuchStore, StoreUnavailable) as error:
        print(f"cors-service push: {error}", file=sys.stderr)
        return FAILED
    print(write_json(made).decode("utf-8") if options.json else "\n".join(_told(made)))
    return WAITS if made.get("proposal") is not None else ALLOWED


def _reason(text: str) -> str:
    """Take a reason; no ledger has a change without one, or with a part of one.

    Raises:
        ArgumentTypeError: It is empty or too long.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; say why, since the ledger keeps it")
    if len(text) > LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"it has {len(text)} characters; the ledger keeps {LONGEST_REASON} at most")
    return text


class _OutdatedError(Exception):
    """What is there is not what the caller knows; the text says what it is."""


def _to_admin(options: argparse.Namespace, document: dict[str, Any]) -> dict[str, Any]:
    client = AdminClient(options.to)
    seq = options.if_seq
    tag = client.get("policies")[1].headers.get("etag", "*") if seq is None else f'"{seq}"'
    reply = client.send(
        "POST",
        f"changes?dry_run={int(options.dry_run)}",
        {"reason": options.reason, "document": document},
        If_Match=tag,
        Prefer=f"wait={max(options.wait, 0)}",
    )
    if reply.is_ok:
        made: dict[str, Any] = client.told(reply, "changes", "differences", "unknown", "dry_run", "entry")
        return made
    refusal = client.refusal(reply)
    raise _OutdatedError(str(refusal)) if reply.status == _OUTDATED else refusal


def _to_store(options: argparse.Namespace, document: dict[str, Any]) -> dict[str, Any]:
    try:
        with store_at(options.to) as store:
            return publish(store, document, options.reason, if_seq=options.if_seq, is_dry=options.dry_run)
    except StoreIsWrong as error:
        raise error.invalid from None
    except Outdated as error:
        raise _OutdatedError(f"{error} Look at what has changed, and try again.") from None


def _pull(options: argparse.Namespace) -> int:
    try:
        where = named(options.url, options.parser, "name the address of cors-admin, or a store")
        if is_admin(where):
            document, _ = AdminClient(where).get("policies", "version", "policies")
        else:
            document = as_document(definitions_at(where))
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except (NotAdministeredError, NoSuchStore, StoreUnavailable) as error:
        print(f"cors-service pull: {error}", file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(new_document([Edit(key, body) for key, body in bodies_of(document).items()]), end="")
    return ALLOWED


def _told(made: dict[str, Any]) -> list[str]:
    changes = made["changes"]
    if not changes:
        return ["Nothing changes: everything is there already."]
    lines = [f"{one['direction'].upper():<8}  {one['policy']}: {one['sentence']}" for one in made["differences"]]
    lines += [f"UNKNOWN   {one['policy']}: {one['sentence']}" for one in made["unknown"]]
    names = ", ".join(f"{one['kind']} {one['name']}" for one in changes[:20])
    rest = f" and {len(changes) - 20} more" if len(changes) > 20 else ""
    if made["dry_run"]:
        return [*lines, f"It would change {names}{rest}."]
    if made.get("proposal") is not None:
        waits = f"Nothing is published yet: it waits for a second person, as proposal {made['proposal']}"
        return [*lines, f"{waits}: {names}{rest}."]
    return [*lines, f"Change {made['entry']['seq']}: {names}{rest}.", *told_of_fleet(made.get("fleet"))]


def told_of_fleet(fleet: dict[str, Any] | None) -> list[str]:
    """Say in a line, or in none, which replicas have a change.

    Args:
        fleet: What an admin process answers about them; None if it does not know any.
    """
    if fleet is None:
        return []
    waiting, confirmed = fleet["waiting"], fleet["confirmed"]
    if waiting:
        total = confirmed + len(waiting)
        return [f"{confirmed} of {total} replicas have it; not yet: {', '.join(waiting)}."]
    if confirmed == 1:
        return ["The one replica that reports has it."]
    return [f"All {confirmed} replicas that report have it."] if confirmed else []
