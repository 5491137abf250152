"""`cors-service schema`: prints the JSON Schema of policy documents."""

from __future__ import annotations

import argparse
import json

from cors_service.cli._arguments import Commands, add_command
from cors_service.cli._status import ALLOWED
from cors_service.policy.schema import SCHEMA


def add_schema(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "schema", "print the JSON Schema of policy documents", "schema > cors-policies.schema.json"
    )
    parser.set_defaults(run=_schema)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(SCHEMA, indent=2))
    return ALLOWED
