"""`cors-service decide`: decides about one request without a server."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from cors_service.asking.arguments import check_policy
from cors_service.cli._colours import BAD, GOOD, painted
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, reader_limits
from cors_service.decision import ActivePolicies, BadQuery, Decision, GuardVerdict
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.limits import DEFAULT_TTL
from cors_service.reader.sources import read_policies
from cors_service.wire.answers import write_decision
from cors_service.wire.queries import FORM_FIELDS, make_query

_OPTIONS: Final = ("policy", "url", "origin", "method", "request_method", "request_headers")


def add_decide(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "decide",
        "decide about one request; exit status 0 if allowed, 2 if refused",
        "decide --policies policies.toml --policy app --origin https://app.example.com --request-method PUT",
        "decide --policies /etc/cors-service --url https://api.example.com/ --origin https://app.example.com",
    )
    parser.add_argument("--policies", required=True, type=given_path, metavar="PATH", help="a document or a directory")
    add_links(parser)
    parser.add_argument("--policy", metavar="NAME", help="the policy to decide by")
    parser.add_argument("--url", metavar="URL", help="the URL of the request, to find the policy by")
    parser.add_argument("--origin", metavar="ORIGIN", help="the Origin of the request")
    parser.add_argument("--method", metavar="M", help="the method; GET, or OPTIONS with --request-method")
    parser.add_argument("--request-method", metavar="M", help="Access-Control-Request-Method")
    parser.add_argument("--request-headers", metavar="H", help="Access-Control-Request-Headers")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        type=_guarded_header,
        metavar="LINE",
        help="a header that a guard looks at, such as 'Sec-Fetch-Site: cross-site'; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print the decision as the API gives it")
    parser.set_defaults(run=_decide)


def _decide(options: argparse.Namespace) -> int:
    given: dict[str, list[str]] = {name: [] for name in FORM_FIELDS}
    for name in _OPTIONS:
        given[name] += [value] if (value := getattr(options, name)) else []
    for name, value in options.header:
        given[name].append(value)
    try:
        policies = read_policies(options.policies, reader_limits(options))
        check_policy(options.policy, policies)
        decision = ActivePolicies(policies).advise(make_query(given))
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except (BadQuery, ValueError) as error:
        hint = " Name one with --policy NAME or --url URL." if getattr(error, "code", "") == "no-selector" else ""
        print(f"cors-service: {error}{hint}", file=sys.stderr)
        return FAILED
    print(write_decision(decision, DEFAULT_TTL).decode("ascii") if options.json else _for_people(decision))
    is_stopped = decision.guard is not None and decision.guard.stops
    return REFUSED if decision.allowed is False or is_stopped else ALLOWED


def _guarded_header(line: str) -> tuple[str, str]:
    """Read a header line, as the name of a field of the form and its value.

    Raises:
        argparse.ArgumentTypeError: No guard looks at such a header.
    """
    name, colon, value = line.partition(":")
    if not colon or name.lower() not in CIRCUMSTANCES:
        known = ", ".join(CIRCUMSTANCES)
        raise argparse.ArgumentTypeError(f"'{line}' is not one of the headers that a guard looks at: {known}")
    return name.lower().replace("-", "_"), value.strip()


def _for_people(decision: Decision) -> str:
    verdict = {True: "allowed", False: "refused", None: "not a CORS request"}[decision.allowed]
    status = f", status {decision.status}" if decision.status else ""
    reason = decision.reason
    words = f"{reason.message} {reason.hint}".rstrip()
    if decision.allowed is not None:
        verdict = painted(verdict, GOOD if decision.allowed else BAD, sys.stdout)
    lines = [f"{verdict} ({decision.kind}{status}): {words} [{reason.code}]"]
    if decision.guard is not None:
        lines.append(_guard_for_people(decision.guard))
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in decision.headers)])


def _guard_for_people(verdict: GuardVerdict) -> str:
    what = "passes" if verdict.passes else "stopped" if verdict.stops else "passes, since the guard only reports"
    words = f"{verdict.reason.message} {verdict.reason.hint}".rstrip()
    return f"{what} (guard): {words} [{verdict.reason.code}]"
