"""Each package is part of what is installed; an editable installation would not show that one is missing."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed() -> None:
    """The packages of setup.cfg are the directories with an `__init__.py`, and that of the plugins."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "cors_service").rglob("__init__.py")}
    assert setup["options"]["packages"].split() == [*sorted(packages), "twisted.plugins"]
