"""`cors-service check`: reports every mistake in policy documents."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cors_service.cli._arguments import Commands, add_links, reader_limits
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy.summary import summarize
from cors_service.reader.sources import read_policies


def add_check(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("check", help="report every mistake in policy documents")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a document or a directory of documents")
    add_links(parser)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    status = ALLOWED
    for path in options.paths:
        try:
            print(summarize(read_policies(path, reader_limits(options))))
        except InvalidPolicies as invalid:
            print(invalid.report(), file=sys.stderr)
            status = FAILED
    return status
