"""A command that ^C interrupts ends as shells expect of it: by the signal, and without a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.explain.test_har import ASKED, SENT, recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")

COMMAND: Final = [sys.executable, "-m", "cors_service"]
POLICIES: Final = """\
version = 1

[policies.shop]
match = ["api.example.com/"]
origins = ["https://app.example.com"]
"""
SUITE: Final = """\
version = 1
policies = "policies.toml"
"""
CASE: Final = """
[[cases]]
name = "number {number} is refused, which is not so, and takes a few words to say"
policy = "shop"
origins = ["https://app.example.com"]
expect = "blocked"
"""
IMPORTING: Final = """\
import signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "cors_service.cli._explain":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from cors_service.__main__ import run
sys.exit(run())
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies.toml").write_text(POLICIES)


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    return subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a command, and check how it ends."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-signal.SIGINT, b"")


def test_importing() -> None:
    """^C ends a command that has not even begun."""
    done = subprocess.run([sys.executable, "-c", IMPORTING], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize(
    "words",
    [["insights", "pipe"], ["bundle", "sign", "pipe", "--key", "release.key"]],
    ids=lambda words: words[0],
)
def test_reading(words: list[str]) -> None:
    """^C ends a command that waits for what it reads."""
    os.mkfifo("pipe")
    with started(*words) as process, Path("pipe").open("wb"):
        interrupt(process)


@pytest.mark.parametrize(
    "words", [["explain", "--har", "long.har"], ["test", "long.test.toml"]], ids=lambda words: words[0]
)
def test_printing(words: list[str]) -> None:
    """^C ends a command that waits for whoever reads what it prints."""
    Path("long.har").write_bytes(recording(*[ASKED, SENT] * 1_000))
    Path("long.test.toml").write_text(SUITE + "".join(CASE.format(number=number) for number in range(1_000)))
    with started(*words) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        interrupt(process)


@pytest.mark.parametrize(
    "words",
    [
        ["push", "policies.toml", "--reason", "the shop", "--to", "{url}"],
        ["pull", "{url}"],
        ["ledger", "list", "{url}"],
        ["status", "{url}"],
        ["diff", "{url}", "policies.toml"],
        ["doctor", "{url}/orders/7", "--from", "https://app.example.com"],
    ],
    ids=lambda words: words[0],
)
def test_asking(words: list[str]) -> None:
    """^C ends a command that waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with started(*(word.format(url=url) for word in words)) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1)
                interrupt(process)
