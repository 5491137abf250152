"""`cors-service schema`: prints the JSON Schemas of what people write and of what commands print."""

from __future__ import annotations

import argparse
import json
from typing import Final

from cors_service.cli._status import ALLOWED
from cors_service.cli.arguments import Commands, add_command
from cors_service.doctor.written import SCHEMA as DOCTOR_SCHEMA
from cors_service.explain.written import SCHEMA as EXPLAIN_SCHEMA
from cors_service.insights.written import SCHEMA as INSIGHTS_SCHEMA
from cors_service.observe.lines import SCHEMA as LOG_SCHEMA
from cors_service.policy.schema import SCHEMA
from cors_service.review.written import SCHEMA as DIFF_SCHEMA
from cors_service.suites.structure import SCHEMA as SUITE_SCHEMA

_SCHEMAS: Final = {
    "policies": SCHEMA,
    "suite": SUITE_SCHEMA,
    "diff": DIFF_SCHEMA,
    "doctor": DOCTOR_SCHEMA,
    "explain": EXPLAIN_SCHEMA,
    "insights": INSIGHTS_SCHEMA,
    "log": LOG_SCHEMA,
}


def add_schema(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "schema",
        "print the JSON Schema of policy documents, or another",
        "schema > cors-policies.schema.json",
        "schema suite",
    )
    parser.add_argument(
        "name",
        nargs="?",
        choices=[*_SCHEMAS],
        default="policies",
        metavar="NAME",
        help="policies (the default); suite, of tests; diff, doctor, explain or insights, of what these print with "
        "--json; log, of a line of the decision log",
    )
    parser.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    print(json.dumps(_SCHEMAS[options.name], indent=2))
    return ALLOWED
