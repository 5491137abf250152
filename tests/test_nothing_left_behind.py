"""Tests of what holds for every test: what is left behind fails it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LONGEST, TESTS

ROOT = Path(__file__).parents[1]
BEHIND = """
import gc
from twisted.internet import reactor
from twisted.internet.defer import Deferred

def in_a_cycle():
    deferred = Deferred()
    deferred.itself = deferred
    return deferred

def test_failure(): in_a_cycle().errback(ValueError("young"))

def test_no_failure(): pass

def test_failure_of_what_is_old():
    deferred = in_a_cycle()
    gc.collect()
    gc.collect()
    deferred.errback(ValueError("old"))

def test_delayed_call(): reactor.callLater(100, print)

def test_last(): pass
"""


def test_the_longest_modules_exist() -> None:
    """A module that was moved still begins first."""
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []


@pytest.mark.slow
def test_what_is_left_behind_is_an_error(tmp_path: Path) -> None:
    """A failure that nobody heard of and a call that nobody waits for are errors of their test, or of the module's last
    test where only a full collection finds them; also where several processes run the tests.
    """
    (tmp_path / "test_behind.py").write_text(BEHIND, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-c",
        "setup.cfg",
        "--numprocesses=1",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert re.findall(r"^ERROR \S+::(\w+)", done.stdout, re.MULTILINE) == [
        "test_failure",
        "test_delayed_call",
        "test_last",
    ]
    assert "5 passed, 3 errors" in done.stdout
