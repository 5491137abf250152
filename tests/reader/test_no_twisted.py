"""Tests of what is imported to read policies without a service."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "twisted"))
"""


@pytest.mark.parametrize("module", ["cors_service.reader.__main__", "cors_service.cli"])
def test_no_twisted(module: str) -> None:
    """The reader and `cors-service` load no module of Twisted, which they never use."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, module], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
