"""`cors-service decide`: decides about one request without a server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cors_service.asking.arguments import check_policy
from cors_service.cli._arguments import Commands, add_links, reader_limits
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.decision import ActivePolicies, BadQuery, Decision
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.limits import DEFAULT_TTL
from cors_service.reader.sources import read_policies
from cors_service.wire import FORM_FIELDS, make_query, write_decision


def add_decide(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("decide", help="decide about one request; exit status 0 if allowed, 2 if refused")
    parser.add_argument("--policies", required=True, type=Path, metavar="PATH", help="a document or a directory")
    add_links(parser)
    parser.add_argument("--policy", metavar="NAME", help="the policy to decide by")
    parser.add_argument("--url", metavar="URL", help="the URL of the request, to find the policy by")
    parser.add_argument("--origin", metavar="ORIGIN", help="the Origin of the request")
    parser.add_argument("--method", metavar="M", help="the method; GET, or OPTIONS with --request-method")
    parser.add_argument("--request-method", metavar="M", help="Access-Control-Request-Method")
    parser.add_argument("--request-headers", metavar="H", help="Access-Control-Request-Headers")
    parser.add_argument("--json", action="store_true", help="print the decision as the API gives it")
    parser.set_defaults(run=_decide)


def _decide(options: argparse.Namespace) -> int:
    given = {name: [value] if (value := getattr(options, name)) else [] for name in FORM_FIELDS}
    try:
        policies = read_policies(options.policies, reader_limits(options))
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


def _for_people(decision: Decision) -> str:
    verdict = {True: "allowed", False: "refused", None: "not a CORS request"}[decision.allowed]
    status = f", status {decision.status}" if decision.status else ""
    reason = decision.reason
    words = f"{reason.message} {reason.hint}".rstrip()
    lines = [f"{verdict} ({decision.kind}{status}): {words} [{reason.code}]"]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in decision.headers)])
