"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from cors_service.reader.limits import ReaderLimits

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_links(parser: argparse.ArgumentParser) -> None:
    """Add the option `--follow-links`."""
    parser.add_argument(
        "--follow-links", action="store_true", help="read what links in a directory lead to, also outside of it"
    )


def reader_limits(options: argparse.Namespace) -> ReaderLimits:
    """Make the limits of reading that the options ask for."""
    return ReaderLimits(follow_links=options.follow_links)
