"""What an end-to-end test needs on the machine: skip without it, or fail where everything was installed."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "nginx": "nginx",
}
"""The Debian package of each program; install-packages.sh has the same list."""

# Servers are where the PATH of ordinary users does not lead.
_SEARCHED = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def need(*programs: str) -> list[str]:
    """Find programs, or end the test: skipped, or failed if the environment says ``E2E=require``.

    Args:
        programs: Names out of PACKAGES.

    Returns:
        Their paths, in order.
    """
    found = {program: shutil.which(program, path=_SEARCHED) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        reason = f"needs {', '.join(missing)}: run tests/e2e/install-packages.sh, or apt-get install {packages}"
        if os.environ.get("E2E") == "require":
            pytest.fail(f"{reason} (a failure and not a skip, because of E2E=require)", pytrace=False)
        pytest.skip(reason)
    return [path for path in found.values() if path is not None]
