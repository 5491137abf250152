"""Writes what systems keep beside a command, out of its parser: completions for three shells, and the manual page.

The argument is the directory to write into.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import shtab
from argparse_manpage.manpage import Manpage

from cors_service import __version__
from cors_service.cli import command_parser
from cors_service.cli.arguments import given_path

COMPLETIONS: Final = {
    "bash": "bash-completion/completions/cors-service",
    "fish": "fish/vendor_completions.d/cors-service.fish",
    "zsh": "zsh/site-functions/_cors-service",
}
"""Where each shell looks, below a directory such as /usr/share."""
MANUAL: Final = "man/man1/cors-service.1"


def main(target: str) -> None:
    """Write the files below a directory."""
    # What a terminal has does not belong into them.
    os.environ.update(COLUMNS="80", NO_COLOR="1")
    for shell, place in COMPLETIONS.items():
        _write(Path(target, place), completion(shell))
    _write(Path(target, MANUAL), manual())


def completion(shell: str) -> str:
    """Give the script that completes commands, options, choices and paths in a shell."""
    parser = command_parser()
    for action in (action for inner in _commands(parser) for action in inner._actions):
        if action.type is given_path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # an attribute that shtab looks for
    script: str = shtab.complete(parser, shell)
    return script.rstrip() + "\n"


def manual() -> str:
    """Give the manual page, with the date of SOURCE_DATE_EPOCH."""
    parser = command_parser()
    statuses, parser.epilog = parser.epilog, None
    page = Manpage(parser)
    page.source = f"cors-service {__version__}"
    page.manual = "CORS policy service"
    # Its own choice depends on the time zone.
    page.date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), UTC).date().isoformat()
    page.description = "check CORS policies, and decide by them"
    page.add_section("exit status", "=", _verbatim([statuses or ""]))
    page.add_section("examples", "=", _verbatim(inner.epilog or "" for inner in _commands(parser)))
    page.add_section("see also", "=", "https://github.com/cors\\-service/cors\\-service")
    return str(page)


def _verbatim(texts: Iterable[str]) -> str:
    """Write the indented lines of texts as they are."""
    lines = [line[2:] for text in texts for line in text.splitlines() if line.startswith("  ")]
    escaped = "\n".join(lines).replace("\\", r"\e").replace("-", r"\-")
    return f".nf\n{escaped}\n.fi"


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
