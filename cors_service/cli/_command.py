"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from cors_service import __version__
from cors_service.cli._bundle import add_bundle
from cors_service.cli._check import add_check
from cors_service.cli._decide import add_decide
from cors_service.cli._diff import add_diff
from cors_service.cli._doctor import add_doctor
from cors_service.cli._explain import add_explain
from cors_service.cli._insights import add_insights
from cors_service.cli._ledger import add_ledger
from cors_service.cli._push import add_pull, add_push
from cors_service.cli._replicas import add_status
from cors_service.cli._schema import add_schema
from cors_service.cli._status import FAILED
from cors_service.cli._store import add_store
from cors_service.cli._test import add_test
from cors_service.cli._token import add_token
from cors_service.streams import escape_what_can_not_be_encoded, open_closed, until_written

_COMMANDS = (
    add_check,
    add_schema,
    add_decide,
    add_explain,
    add_doctor,
    add_diff,
    add_test,
    add_insights,
    add_push,
    add_pull,
    add_ledger,
    add_status,
    add_store,
    add_bundle,
    add_token,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The arguments after the command's name; by default those of the process.

    Returns:
        The exit status: 0 for success or an allowed request, 1 for an error, 2 for a refusal.
    """
    open_closed()
    escape_what_can_not_be_encoded()
    options, unknown = command_parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return until_written(lambda: options.run(options), "cors-service")


class _Parser(argparse.ArgumentParser):
    """A parser that exits with 1 on errors where 2 means a refusal."""

    def error(self, message: str) -> NoReturn:
        status = self.get_default("usage_status") or FAILED
        self.exit(status, f"{self.prog}: {message}\nHelp: {self.prog} --help\n")


def command_parser() -> argparse.ArgumentParser:
    """Make the parser, which completions and the manual page are made of, too."""
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
    for add in _COMMANDS:
        add(commands)
    return parser
