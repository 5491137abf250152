"""`cors-service check`: reports every mistake in policy documents."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from cors_service.cli._arguments import Commands, add_command, add_links, reader_limits
from cors_service.cli._colours import BAD, GOOD, painted
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy.summary import summarize
from cors_service.reader.sources import read_together, shown_path, unread_names

_MOST_NAMES: Final = 10


def add_check(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "check",
        "report every mistake in policy documents",
        "check /etc/cors-service",
        "check common.toml checkout.toml",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a document, or a directory of *.toml and *.json documents; several are checked as one set",
    )
    add_links(parser)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    for path in options.paths:
        _report_unread(path)
    try:
        policies = read_together(options.paths, reader_limits(options))
    except InvalidPolicies as invalid:
        *mistakes, count = invalid.report().splitlines()
        print(*mistakes, painted(count, BAD, sys.stderr), sep="\n", file=sys.stderr)
        return FAILED
    *lines, count = summarize(policies).splitlines()
    print(*lines, painted(count, GOOD, sys.stdout), sep="\n")
    return ALLOWED


def _report_unread(path: Path) -> None:
    """Say what a directory has that the service does not read, either."""
    names = unread_names(path)
    if names:
        shown = ", ".join(shown_path(name) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        what = "only *.toml and *.json of the directory itself are"
        print(f"Not read in {shown_path(path)}: {shown}{more}; {what}.", file=sys.stderr)
