"""`cors-service push` and `cors-service pull`: policies into an admin process as one change, and out of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from cors_service.cli._admin import AdminClient, NotAdministeredError
from cors_service.cli._arguments import Commands, add_command, add_links, reader_limits
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.editing import new_document, read_structure
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import TABLES, Key
from cors_service.policy import Source
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import document_names, read_policies, read_text

_OUTDATED: Final = 412
_PROPOSED: Final = 202


def add_push(commands: Commands) -> None:
    """Add the command `push`."""
    parser = add_command(
        commands,
        "push",
        "publish a document, or a directory of documents, through an admin process, as one change",
        "push policies --to http://127.0.0.1:8081 --reason 'the new shop'",
        'push policies --to https://cors-admin.internal --reason "$CI_COMMIT_TITLE" --if-seq 41',
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a document or a directory, which replaces everything")
    parser.add_argument("--to", required=True, metavar="URL", help="the address of cors-admin")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for the ledger")
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
        "print the policies of an admin process as one document",
        "pull http://127.0.0.1:8081 > policies.toml",
    )
    parser.add_argument("url", metavar="URL", help="the address of cors-admin")
    parser.add_argument("--json", action="store_true", help="print JSON instead of TOML")
    parser.set_defaults(run=_pull)


def _push(options: argparse.Namespace) -> int:
    try:
        with Progress(f"Reading {options.path}"):
            document = _document(options.path, reader_limits(options))
        client = AdminClient(options.to)
        seq = options.if_seq
        tag = client.get("policies")[1].headers.get("etag", "*") if seq is None else f'"{seq}"'
        with Progress("Publishing"):
            reply = client.send(
                "POST",
                f"changes?dry_run={int(options.dry_run)}",
                {"reason": options.reason, "document": document},
                If_Match=tag,
                Prefer=f"wait={max(options.wait, 0)}",
            )
        if not reply.is_ok:
            print(f"cors-service push: {client.refusal(reply)}", file=sys.stderr)
            return REFUSED if reply.status == _OUTDATED else FAILED
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except NotAdministeredError as error:
        print(f"cors-service push: {error}", file=sys.stderr)
        return FAILED
    made = json.loads(reply.body)
    if options.json:
        print(reply.body.decode("utf-8"))
    else:
        print("\n".join(_told(made, is_proposed=reply.status == _PROPOSED)))
    return ALLOWED


def _pull(options: argparse.Namespace) -> int:
    try:
        document, _ = AdminClient(options.url).get("policies")
    except NotAdministeredError as error:
        print(f"cors-service pull: {error}", file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        tables = [(kind, document.get(table, {})) for kind, table in TABLES.items()]
        edits = [Edit(Key(kind, name), body) for kind, table in tables for name, body in table.items()]
        print(new_document(edits), end="")
    return ALLOWED


def _document(path: Path, limits: ReaderLimits) -> dict[str, Any]:
    """Write all documents of a path as one, as their authors wrote them.

    Raises:
        InvalidPolicies: They have mistakes.
    """
    read_policies(path, limits)
    whole: dict[str, Any] = {"version": 1}
    for name in document_names(path, limits):
        source, _ = read_text(path, name, limits)
        if isinstance(source, Source):
            for table in TABLES.values():
                whole.setdefault(table, {}).update(read_structure(source).get(table, {}))
    return whole


def _told(made: dict[str, Any], *, is_proposed: bool) -> list[str]:
    changes = made["changes"]
    if not changes:
        return ["Nothing changes: everything is there already."]
    lines = [f"{one['direction'].upper():<8}  {one['policy']}: {one['sentence']}" for one in made["differences"]]
    lines += [f"UNKNOWN   {one['policy']}: {one['sentence']}" for one in made["unknown"]]
    names = ", ".join(f"{one['kind']} {one['name']}" for one in changes[:20])
    rest = f" and {len(changes) - 20} more" if len(changes) > 20 else ""
    if made["dry_run"]:
        return [*lines, f"It would change {names}{rest}."]
    if is_proposed:
        return [*lines, f"It waits for a second person, as proposal {made['proposal']}: {names}{rest}."]
    return [*lines, f"Change {made['entry']['seq']}: {names}{rest}.", *_fleet(made["fleet"])]


def _fleet(fleet: dict[str, Any]) -> list[str]:
    waiting = fleet["waiting"]
    if waiting:
        return [f"{fleet['confirmed']} replicas have it, and these do not yet: {', '.join(waiting)}."]
    return [f"All {fleet['confirmed']} replicas that report have it."] if fleet["confirmed"] else []
