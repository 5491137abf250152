"""`cors-service check`: reports every mistake in policy documents, or who may do what by them."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import Final

from cors_service.cli._colours import BAD, GOOD, painted
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, reader_limits
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet
from cors_service.policy.notes import notes_on
from cors_service.policy.summary import counted, describe
from cors_service.reader.sources import read_together, shown_path, unread_names

_MOST_NAMES: Final = 10
_MOST_NOTES: Final = 1000


def add_check(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "check",
        "report every mistake in policy documents, or who may do what by them",
        "check /etc/cors-service",
        "check common.toml checkout.toml",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=given_path,
        metavar="PATH",
        help="a document, or a directory of *.toml and *.json documents; several are checked as one set",
    )
    add_links(parser)
    parser.add_argument(
        "--strict", action="store_true", help="treat notes as mistakes, such as those on what has no effect"
    )
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    for path in options.paths:
        _report_unread(path)
    try:
        with Progress("Reading") as progress:
            policies = read_together(options.paths, reader_limits(options), progress)
    except InvalidPolicies as invalid:
        *mistakes, count = invalid.report().splitlines()
        print(*mistakes, painted(count, BAD, sys.stderr), sep="\n", file=sys.stderr)
        return FAILED
    *lines, count = describe(policies)
    print(*lines, painted(count, GOOD, sys.stdout), sep="\n")
    has_notes = _report_notes(policies, options)
    return FAILED if has_notes and options.strict else ALLOWED


def _report_notes(policies: PolicySet, options: argparse.Namespace) -> bool:
    """Print notes on what is in policies; say whether there are any."""
    notes = notes_on(policies)
    first = list(islice(notes, _MOST_NOTES))
    if not first:
        return False
    stream = sys.stderr if options.strict else sys.stdout
    count = len(first) + sum(1 for _ in notes)
    which = f"; these are the first {_MOST_NOTES}" if count > _MOST_NOTES else ""
    *lines, last = [*map(str, first), f"{counted(count, 'note', 'notes')}{which}."]
    print(*(f"note: {line}" for line in lines), last, sep="\n", file=stream)
    return True


def _report_unread(path: Path) -> None:
    """Say what a directory has that the service does not read, either."""
    names = unread_names(path)
    if names:
        shown = ", ".join(shown_path(name) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        what = "only *.toml and *.json of the directory itself are"
        print(f"Not read in {shown_path(path)}: {shown}{more}; {what}.", file=sys.stderr)
