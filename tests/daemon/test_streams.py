"""Tests of a start whose standard input, output or error is closed, full, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.options import BAD

# As `twist cors` does, and says what it opens next.
START = """
import os, sys
from cors_service.tap import Options
options = Options()
options.parseOptions(sys.argv[2:])
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), str(os.open(os.devnull, os.O_RDONLY)).encode())
"""


def started(said: Path, *arguments: str | Path, redirected: str) -> subprocess.CompletedProcess[str]:
    """Start with something done to the streams."""
    words = [sys.executable, "-c", START, str(said), *map(str, arguments)]
    shell = ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh"]
    return subprocess.run([*shell, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 2>&-", "0<&- >&- 2>&-"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_closed(policies: Path, tmp_path: Path, closed: str, workers: str) -> None:
    """A service starts whatever is closed, and no file that it opens takes the place of a stream."""
    said = tmp_path / "said"
    end = started(said, "--policies", policies, "--workers", workers, redirected=closed)
    assert (end.returncode, end.stdout, end.stderr) == (0, "", "")
    assert int(said.read_text()) > 2


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_refused_in_silence(policies: Path, tmp_path: Path) -> None:
    """Where standard error is closed, a start that is refused ends with its own exit status, and no other fault."""
    log = tmp_path / "log"
    policies.write_text(BAD)
    arguments = ("--policies", policies, "--json-log", log)
    assert started(tmp_path / "said", *arguments, redirected="0<&- 2>&-").returncode == 1
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_check_without_room(policies: Path, tmp_path: Path) -> None:
    """Where the disk has no room for what --check says, that is one sentence and a failure."""
    end = started(tmp_path / "said", "--policies", policies, "--check", redirected=">/dev/full")
    message = "twist cors: The output can't be written: No space left on device.\n"
    assert (end.returncode, end.stdout, end.stderr) == (1, "", message)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_check_that_nobody_reads(policies: Path, tmp_path: Path) -> None:
    """A reader of --check that goes away is no reason for a traceback, and a closed standard output none to fail."""
    arguments = ("--policies", policies, "--check")
    pipe, end_of_pipe = os.pipe()
    os.close(pipe)
    os.set_inheritable(end_of_pipe, True)
    words = [sys.executable, "-c", START, str(tmp_path / "said"), *map(str, arguments)]
    broken = subprocess.run(words, stdout=end_of_pipe, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(end_of_pipe)
    assert (broken.returncode, broken.stderr) == (1, "")
    closed = started(tmp_path / "said", *arguments, redirected=">&-")
    assert (closed.returncode, closed.stderr) == (0, "")
