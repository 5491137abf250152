"""What is public is documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import cors_service

DOCUMENT = Path(cors_service.__file__).parent.parent / "docs" / "api-python.md"


def documented() -> set[str]:
    """The names of the tables."""
    names: set[str] = set()
    for package, table in re.findall(
        r"^## `([\w.]+)`\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    ):
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
            names |= {f"{package}.{name}" for name in re.findall(r"`([\w.]+)`", row)}
    return names


def exported() -> dict[str, object]:
    """What the modules of the product export, by its full name."""
    found: dict[str, object] = {}
    for module in pkgutil.walk_packages(cors_service.__path__, "cors_service."):
        if module.name.endswith(".__main__"):
            continue
        loaded = importlib.import_module(module.name)
        found |= {f"{module.name}.{name}": getattr(loaded, name) for name in getattr(loaded, "__all__", ())}
    return found


def test_documented() -> None:
    """What is exported is what the page of public names has."""
    assert documented() == set(exported())


def test_docstrings() -> None:
    """Each public name has a docstring of its own."""
    assert [name for name, value in exported().items() if not inspect.getdoc(value)] == []
