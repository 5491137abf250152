"""Completions and the manual page know every command and option, since they are made of the parser of the command."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cors_service import __version__
from cors_service.access.callers import VERBS
from cors_service.cli import command_parser

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with what `make share` writes."""
    directory = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, "release/share.py", directory], cwd=ROOT, check=True)
    return directory


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Give the parser of each command."""
    for action in command_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def completed(share: Path, *words: str) -> set[str]:
    """What bash offers for the last word of a line."""
    script = share / "bash-completion" / "completions" / "cors-service"
    line = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_cors_service; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", line, script, "cors-service", *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash(share: Path) -> None:
    """In bash, the tabulator gives commands, the options of a command, the choices of an option, and paths."""
    assert completed(share, "") >= {name for name, _ in commands()}
    assert completed(share, "che") == {"check"}
    assert "--request-method" in completed(share, "decide", "--request")
    assert completed(share, "token", "--verb", "") == set(VERBS)
    assert "MANIFEST.in" in completed(share, "check", "MANIF")


def test_all_shells(share: Path) -> None:
    """The scripts of all shells have each command and each long option."""
    for name in "bash-completion/completions/cors-service", "zsh/site-functions/_cors-service":
        text = (share / name).read_text()
        for command, parser in commands():
            assert command in text
            options = {option for action in parser._actions for option in action.option_strings}
            assert {option for option in options if option not in text} == set()
    assert "complete -c cors-service" in (share / "fish" / "vendor_completions.d" / "cors-service.fish").read_text()


def test_manual(share: Path) -> None:
    """The manual page has the version, each command with its options, all examples, and what exit statuses mean."""
    text = (share / "man" / "man1" / "cors-service.1").read_text()
    plain = re.sub(r"\\f[A-Z]|\\,|\\/", "", text).replace("\\-", "-")
    assert f'"cors-service {__version__}"' in plain
    assert set(re.findall(r"^\.SH (.*)$", plain, re.MULTILINE)) >= {"NAME", "SYNOPSIS", "EXIT STATUS", "EXAMPLES"}
    for command, parser in commands():
        assert f"cors-service {command}" in plain
        for action in parser._actions:
            shown = not isinstance(action, argparse._HelpAction)
            assert not shown or all(option in plain for option in action.option_strings)
        for line in (parser.epilog or "").splitlines()[1:]:
            assert line.strip() in plain


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_manual_is_well_formed(share: Path) -> None:
    """The formatter, groff, has nothing to complain about."""
    words = ["groff", "-man", "-ww", "-z", "-Tutf8", str(share / "man" / "man1" / "cors-service.1")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
