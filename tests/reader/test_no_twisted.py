"""Tests of what is imported to read policies without a service."""

from __future__ import annotations

import subprocess
import sys

import pytest

TELL = 'import sys; print(*sorted(name for name in sys.modules if name.partition(".")[0] == "twisted"))'


@pytest.mark.parametrize(
    "loading", ["import cors_service.reader.__main__", "from cors_service.cli import command_parser; command_parser()"]
)
def test_no_twisted(loading: str) -> None:
    """The reader and all commands of `cors-service` load no module of Twisted, which they never use."""
    done = subprocess.run([sys.executable, "-c", f"{loading}; {TELL}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
