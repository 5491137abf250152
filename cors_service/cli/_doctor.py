"""`cors-service doctor`: asks a live site what a browser would, and says what is wrong."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from typing import Final

from cors_service.asking.address import parse_address
from cors_service.browser import ENGINES, Behaviour
from cors_service.cli._colours import BAD, GOOD, painted
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_command
from cors_service.doctor.asking import make_visit
from cors_service.doctor.codes import Code
from cors_service.doctor.comparing import NoDecisionError, decide_all
from cors_service.doctor.connection import Connector
from cors_service.doctor.judging import diagnose
from cors_service.doctor.target import read_target
from cors_service.doctor.text import in_text
from cors_service.doctor.visit import MOST, visit
from cors_service.doctor.written import in_json

_TOKEN: Final = "CORS_SERVICE_TOKEN"


def add_doctor(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "doctor",
        "ask a live site what a browser would, and say what is wrong; exit status 2 for findings",
        "doctor https://api.example.com/orders/7 --from https://app.example.com",
        "doctor https://api.example.com/orders/7 --from https://app.example.com -X PUT -H 'X-Shop: 7' --json",
    )
    parser.add_argument(
        "url", metavar="URL", help=f"what the page asks for; the doctor sends at most {MOST} requests, GET and OPTIONS"
    )
    parser.add_argument("--from", dest="origin", required=True, metavar="ORIGIN", help="the page's origin, or null")
    parser.add_argument(
        "-X", "--method", default="GET", metavar="METHOD", help="the method that the page uses; GET by default"
    )
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="LINE",
        help="a header that the page sets, 'name: value'; the value of Authorization is not sent; repeatable",
    )
    parser.add_argument(
        "--credentials",
        choices=["same-origin", "include", "omit"],
        default="same-origin",
        help="whether the page sends cookies, as for fetch(); none are sent, but the answers are judged accordingly",
    )
    parser.add_argument(
        "--browser",
        choices=[engine.value for engine in ENGINES],
        default=Behaviour.CHROMIUM.value,
        help="the page's browser, which decides and prints; chromium by default",
    )
    parser.add_argument("--send", action="store_true", help="send METHOD itself, once and without a body, not a GET")
    parser.add_argument("--follow", action="store_true", help="follow redirects to other hosts, too")
    parser.add_argument("--policy", metavar="NAME", help="the policy to compare with; by default the URL finds it")
    parser.add_argument("--service", metavar="URL", help="the decision service to compare with")
    parser.add_argument("--json", action="store_true", help="print requests and findings for programs")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    if options.policy is not None and options.service is None:
        options.parser.error("--policy needs --service, which decides by it")
    credentials = options.credentials == "include"
    try:
        if options.service is not None:
            parse_address(options.service)
        request = read_target(options.url, options.origin, options.method, options.header, credentials=credentials)
    except ValueError as error:
        options.parser.error(str(error))
    plan = visit(request, secrets.token_hex(4), sends=options.send, follows=options.follow)
    try:
        with Progress("Asking") as progress:
            exchanges = make_visit(plan, Connector(), progress)
        token = os.environ.get(_TOKEN)
        decisions = decide_all(exchanges, options.service, options.policy, token) if options.service else ()
    except NoDecisionError as error:
        print(f"cors-service doctor: {error}", file=sys.stderr)
        return FAILED
    diagnosis = diagnose(request, exchanges, decisions, Behaviour(options.browser))
    print(in_json(diagnosis) if options.json else in_text(diagnosis, _painted))
    if not diagnosis.is_reached:
        return FAILED
    return ALLOWED if [finding.code for finding in diagnosis.findings] == [Code.HEALTHY] else REFUSED


def _painted(text: str, is_good: bool) -> str:
    return painted(text, GOOD if is_good else BAD, sys.stdout)
