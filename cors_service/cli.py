"""The `cors-service` command: check documents, print the schema, decide without a server, make tokens."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cors_service import __version__
from cors_service.access import InvalidAccess, read_access
from cors_service.access.callers import VERBS
from cors_service.access.tokens import new_token, token_entry
from cors_service.asking.arguments import check_policy
from cors_service.decision import ActivePolicies, BadQuery, Decision
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.limits import DEFAULT_TTL
from cors_service.policy.schema import SCHEMA
from cors_service.policy.summary import summarize
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import read_policies
from cors_service.wire import FORM_FIELDS, make_query, write_decision

ALLOWED, FAILED, REFUSED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The arguments behind the command's name; by default those of the process.

    Returns:
        The exit status: 0 for success or an allowed request, 1 for an error, 2 for a refusal.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. Python's last flush goes nowhere, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


class _Parser(argparse.ArgumentParser):
    """A parser that exits with 1 on errors, since 2 means a refusal."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cors-service", description="Check CORS policies, and decide by them.")
    parser.add_argument("--version", action="version", version=f"cors-service {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="report every mistake in policy documents")
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a document or a directory of documents")
    _add_links(check)
    check.set_defaults(run=_check)

    schema = commands.add_parser("schema", help="print the JSON Schema of policy documents")
    schema.set_defaults(run=_schema)

    decide = commands.add_parser("decide", help="decide about one request; exit status 0 if allowed, 2 if refused")
    decide.add_argument("--policies", required=True, type=Path, metavar="PATH", help="a document or a directory")
    _add_links(decide)
    decide.add_argument("--policy", metavar="NAME", help="the policy to decide by")
    decide.add_argument("--url", metavar="URL", help="the URL of the request, to find the policy by")
    decide.add_argument("--origin", metavar="ORIGIN", help="the Origin of the request")
    decide.add_argument("--method", metavar="M", help="the method; GET, or OPTIONS with --request-method")
    decide.add_argument("--request-method", metavar="M", help="Access-Control-Request-Method")
    decide.add_argument("--request-headers", metavar="H", help="Access-Control-Request-Headers")
    decide.add_argument("--json", action="store_true", help="print the decision as the API gives it")
    decide.set_defaults(run=_decide)

    token = commands.add_parser("token", help="make a token for a caller, and print its entry for --auth")
    token.add_argument("name", metavar="NAME", help="what to call it: letters, digits and ._-")
    token.add_argument(
        "--verb", action="append", choices=VERBS, help="what it is good for; repeatable; decide by default"
    )
    token.add_argument(
        "--policies", action="append", default=[], metavar="PREFIX", help="only these policies, by prefix; repeatable"
    )
    token.set_defaults(run=_token)
    return parser


def _add_links(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow-links", action="store_true", help="read what links in a directory lead to, also outside of it"
    )


def _check(options: argparse.Namespace) -> int:
    status = ALLOWED
    for path in options.paths:
        try:
            print(summarize(read_policies(path, ReaderLimits(follow_links=options.follow_links))))
        except InvalidPolicies as invalid:
            print(invalid.report(), file=sys.stderr)
            status = FAILED
    return status


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(SCHEMA, indent=2))
    return ALLOWED


def _decide(options: argparse.Namespace) -> int:
    given = {name: [value] if (value := getattr(options, name)) else [] for name in FORM_FIELDS}
    try:
        policies = read_policies(options.policies, ReaderLimits(follow_links=options.follow_links))
        check_policy(options.policy, policies)
        decision = ActivePolicies(policies).advise(make_query(given))
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except (BadQuery, ValueError) as error:
        print(f"cors-service: {error}", file=sys.stderr)
        return FAILED
    print(write_decision(decision, DEFAULT_TTL).decode("ascii") if options.json else _for_people(decision))
    return REFUSED if decision.allowed is False else ALLOWED


def _token(options: argparse.Namespace) -> int:
    token = new_token()
    entry = token_entry(options.name, token, options.verb or ["decide"], options.policies)
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


def _for_people(decision: Decision) -> str:
    verdict = {True: "allowed", False: "refused", None: "not a CORS request"}[decision.allowed]
    status = f", status {decision.status}" if decision.status else ""
    reason = decision.reason
    words = f"{reason.message} {reason.hint}".rstrip()
    lines = [f"{verdict} ({decision.kind}{status}): {words} [{reason.code}]"]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in decision.headers)])
