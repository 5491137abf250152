"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Final, NoReturn

from cors_service import __version__
from cors_service.cli._status import FAILED
from cors_service.cli.arguments import Commands
from cors_service.streams import escape_what_can_not_be_encoded, open_closed, until_written

_MODULES: Final = {
    "check": "_check",
    "schema": "_schema",
    "decide": "_decide",
    "explain": "_explain",
    "doctor": "_doctor",
    "diff": "_diff",
    "test": "_test",
    "insights": "_insights",
    "push": "_push",
    "pull": "_push",
    "ledger": "_ledger",
    "status": "_replicas",
    "store": "_store",
    "bundle": "_bundle",
    "token": "_token",
}
"""Where each command is, in the order of the help. To load all takes twice as long as to load the one that is run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The arguments after the command's name; by default those of the process.

    Returns:
        The exit status: 0 for success or an allowed request, 1 for an error, 2 for a refusal.
    """
    open_closed()
    escape_what_can_not_be_encoded()
    given = sys.argv[1:] if arguments is None else arguments
    named = given[:1] if given and given[0] in _MODULES else _MODULES
    options, unknown = command_parser(named).parse_known_args(given)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return until_written(lambda: options.run(options), "cors-service")


class _Parser(argparse.ArgumentParser):
    """A parser that exits with 1 on errors where 2 means a refusal."""

    def error(self, message: str) -> NoReturn:
        status = self.get_default("usage_status") or FAILED
        self.exit(status, f"{self.prog}: {message}\nHelp: {self.prog} --help\n")


def command_parser(names: Iterable[str] = _MODULES) -> argparse.ArgumentParser:
    """Make the parser, which completions and the manual page are made of, too.

    Args:
        names: Of the commands that it knows.
    """
    parser: argparse.ArgumentParser = _Parser(
        prog="cors-service",
        description="Check CORS policies, and decide by them. `twist cors --help` says how to serve them.",
        epilog=(
            "exit status:\n  0 success, or allowed\n  1 an error\n  2 refused; after `diff`: a difference that "
            "--fail-on names; after `doctor`: findings; after `status`: somebody behind; after `test`: wrong use"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cors-service {__version__}")
    commands = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")
    for name in names:
        add: Callable[[Commands], None] = getattr(import_module(f"cors_service.cli.{_MODULES[name]}"), f"add_{name}")
        add(commands)
    return parser
