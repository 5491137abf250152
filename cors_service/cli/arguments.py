"""How a command is added, and arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from cors_service.grammar.mistakes import shown
from cors_service.reader.limits import ReaderLimits

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(commands: Commands, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: Those that there are.
        name: Its name.
        summary: What it does, in half a sentence.
        examples: What one may type, without the name of the program.

    Returns:
        Its parser, for its arguments.
    """
    shown = "\n".join(f"  cors-service {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{'example' if len(examples) == 1 else 'examples'}:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # For what is found to be wrong later.
    parser.set_defaults(parser=parser)
    return parser


def add_actions(parser: argparse.ArgumentParser) -> Commands:
    """Have a command do one of several things; `add_command` adds each."""
    return parser.add_subparsers(required=True, title="what to do", metavar="ACTION")


def given_text(text: str) -> str:
    """Take an argument that names something; an empty one comes from a variable that is not set.

    Raises:
        ArgumentTypeError: It is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; write . for the current directory")
    return text


def given_unicode(text: str) -> str:
    """Take an argument that goes into JSON or into a document.

    Raises:
        ArgumentTypeError: It is not text: the shell passed bytes that are not UTF-8.
    """
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not UTF-8")
    return text


def given_path(text: str) -> Path:
    """Take an argument that is a path.

    Raises:
        ArgumentTypeError: It is empty.
    """
    return Path(given_text(text))


def add_links(parser: argparse.ArgumentParser) -> None:
    """Add the option `--follow-links`."""
    parser.add_argument("--follow-links", action="store_true", help="follow links in the directory that lead out of it")


def reader_limits(options: argparse.Namespace) -> ReaderLimits:
    """Make the limits of reading that the options ask for."""
    return ReaderLimits(follow_links=options.follow_links)
