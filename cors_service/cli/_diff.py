"""`cors-service diff`: what a change of policies newly lets through, and what it no longer does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from cors_service.algebra import Comparison, compare
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_command, add_links, given_text, reader_limits
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet
from cors_service.review.markdown import in_markdown
from cors_service.review.sources import NothingYetError, NotReadableError, address_of, read_source
from cors_service.review.text import in_text
from cors_service.review.written import in_json

_TOKEN: Final = "CORS_SERVICE_TOKEN"
_FAILS: Final[dict[str | None, Callable[[Comparison], bool]]] = {
    None: lambda _: False,
    "wider": lambda comparison: comparison.is_wider,
    "any": lambda comparison: bool(comparison.differences or comparison.unknown),
}


def add_diff(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "diff",
        "show what a change of policies newly lets through, and what it no longer does",
        "diff main:policies policies",
        "diff http://127.0.0.1:8080 policies --fail-on wider",
    )
    what = "a document or directory, REV:PATH of git, or the address of a running service"
    parser.add_argument("old", type=given_text, metavar="OLD", help=f"what holds now: {what}")
    parser.add_argument("new", type=given_text, metavar="NEW", help="what is to hold, from the same")
    add_links(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the differences for programs")
    form.add_argument("--markdown", action="store_true", help="print them for a pull request")
    parser.add_argument(
        "--fail-on", choices=["wider", "any"], help="end with the exit status 2 if there is such a difference"
    )
    parser.set_defaults(run=_diff)


def _diff(options: argparse.Namespace) -> int:
    try:
        sets = _read_old(options.old, options), _read(options.new, options)
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except NotReadableError as error:
        print(f"cors-service diff: {error}", file=sys.stderr)
        return FAILED
    with Progress("Comparing"):
        comparison = compare(*sets)
    if options.json:
        print(in_json(comparison, *sets).decode("utf-8"))
    else:
        write = in_markdown if options.markdown else in_text
        service = address_of(options.new) or address_of(options.old)
        print(write(comparison, options.old, options.new, service))
    return REFUSED if _FAILS[options.fail_on](comparison) else ALLOWED


def _read_old(source: str, options: argparse.Namespace) -> PolicySet:
    """Read what holds now: nothing, where a revision has no policies yet."""
    try:
        return _read(source, options)
    except NothingYetError:
        print(f"There is nothing at {source!r} yet, so all policies are new.", file=sys.stderr)
        return PolicySet.of([], {}, {})


def _read(source: str, options: argparse.Namespace) -> PolicySet:
    with Progress(f"Reading {source}") as progress:
        return read_source(source, reader_limits(options), progress, os.environ.get(_TOKEN))
