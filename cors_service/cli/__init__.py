"""The `cors-service` command: check documents, print the schema, decide without a server, make tokens.

Each command is a module of its own, which adds its arguments and runs it.
"""

from cors_service.cli._command import command_parser as command_parser
from cors_service.cli._command import main as main
