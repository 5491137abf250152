"""`cors-service token`: makes a token for a caller of the service."""

from __future__ import annotations

import argparse
import sys

from cors_service.access import InvalidAccess, read_access
from cors_service.access.callers import VERBS
from cors_service.access.tokens import new_token, token_entry
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.cli.arguments import Commands, add_command, given_unicode


def add_token(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "token",
        "make a token for a caller, and print its entry for --auth",
        "token checkout --policies checkout- >> auth.toml",
    )
    parser.add_argument("name", type=given_unicode, metavar="NAME", help="what to call it: letters, digits and ._-")
    parser.add_argument(
        "--verb", action="append", choices=VERBS, help="what it is good for; repeatable; decide by default"
    )
    parser.add_argument(
        "--policies",
        action="append",
        default=[],
        type=given_unicode,
        metavar="PREFIX",
        help="only these policies, by prefix; repeatable",
    )
    parser.add_argument(
        "--second-person", action="store_true", help="somebody else approves its changes that are wider (cors-admin)"
    )
    parser.set_defaults(run=_token)


def _token(options: argparse.Namespace) -> int:
    token = new_token()
    verbs = options.verb or ["decide"]
    entry = token_entry(options.name, token, verbs, options.policies, needs_second=options.second_person)
    try:
        read_access(entry)
    except InvalidAccess as invalid:
        for mistake in invalid.mistakes:
            print(f"cors-service: {mistake.message}", file=sys.stderr)
        return FAILED
    # So that `>> auth.toml` takes the entry, and not the token.
    print(f"The token, which is shown this once: {token}\nIts entry in the document of --auth:", file=sys.stderr)
    print(entry)
    return ALLOWED
