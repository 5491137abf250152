"""Who protects an application of WSGI or ASGI needs no Twisted, and nothing of a framework."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["cors_service.asking", "cors_service.protect.wsgi", "cors_service.protect.asgi"])
def test_without_twisted(module: str) -> None:
    """It works where Twisted, zope.interface and treq are not even installed."""
    program = (
        "import sys\n"
        "for name in ('twisted', 'zope', 'zope.interface', 'treq', 'starlette', 'flask', 'django'):\n"
        "    sys.modules[name] = None\n"
        f"import {module}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
