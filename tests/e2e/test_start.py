"""What a start loads: how long a restart takes depends on it more than on anything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for
from tests.e2e.test_workers import children

TLS = {"OpenSSL", "cryptography", "service_identity"}
NEEDED = {
    "attr",
    "attrs",
    "constantly",
    "hyperlink",
    "idna",
    "incremental",
    "jsonschema_rs",
    "msgspec",
    "publicsuffixlist",
    "re2",
    "twisted",
    "typing_extensions",
    "zope",
}
"""What any start may load that is not part of Python: what is installed, and what Twisted itself loads."""
POLICIES = 'version = 1\n\n[policies.one]\norigins = ["https://one.example"]\n'

LOADED = """
import sys
from twisted.application.twist._twist import Twist

class Loading(Twist):
    @staticmethod
    def run(options):
        for name, module in sorted(sys.modules.items()):
            if "site-packages" in (getattr(module, "__file__", None) or "") or name.startswith("cors_service."):
                print(name)

sys.argv[0] = "twist"
Loading.main()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a directory with a policy."""
    (tmp_path / "policies.toml").write_text(POLICIES)
    return tmp_path


def loaded(directory: Path, *options: str) -> list[str]:
    """The modules that `twist cors` has loaded when it begins to serve, but for those of Python."""
    command = [sys.executable, "-c", LOADED, "cors", "--policies", "policies.toml", *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout.split()


def packages(names: list[str]) -> set[str]:
    """Those that the modules belong to, but for ours, and for what setuptools has each Python load."""
    return {name.partition(".")[0] for name in names} - {"cors_service", "_distutils_hack"}


def test_plain(directory: Path) -> None:
    """Without TLS nothing of it is loaded, nor what clients, workers, the reader or tests need."""
    names = loaded(directory, "--listen", ANY_PORT)
    assert packages(names) - NEEDED == set()
    for room in ("client", "protect", "testing", "reader.notices", "workers.supervisor"):
        assert [name for name in names if name.startswith(f"cors_service.{room}")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers(directory: Path) -> None:
    """Nor do workers, their supervisor and the reader load it."""
    options = ["--policies", "policies.toml", "--workers", "2", "--listen", ANY_PORT]
    service = Service([*TWIST, *options], directory)
    try:
        wait_for(lambda: len(children(service.pid)) == 3, "two workers and a reader")
        assert ask(service.port, "/readyz").status == 200
        pids = [service.pid, *children(service.pid)]
        assert [pid for pid in pids if "/cryptography/" in Path(f"/proc/{pid}/maps").read_text()] == []
    finally:
        service.kill()
