"""Tests of what is public, and of the floors: each package imports only from those beneath it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import cors_service

ROOT = Path(cors_service.__file__).parent
DOCUMENT = ROOT.parent / "docs" / "api-python.md"

# Each row imports from the rows above it, and from what stands before in its own.
FLOORS = (
    ("_twisted", "grammar", "browser"),
    ("policy", "access"),
    ("decision", "algebra", "insights"),
    ("wire", "limits", "reader", "suites", "stopped", "explain"),
    ("processes", "ledger", "postgresql", "etcd", "bundle", "follow", "store", "observe"),
    ("web", "asking", "client", "protect", "review", "doctor", "admin"),
    ("server", "console"),
    ("workers", "daemon", "tap", "tap_admin", "cli"),
    ("testing",),
    ("__main__",),
)
HEIGHTS = {package: (row, place) for row, packages in enumerate(FLOORS) for place, package in enumerate(packages)}
PURE = (
    "grammar",
    "browser",
    "policy",
    "access",
    "decision",
    "algebra",
    "wire",
    "limits",
    "reader",
    "suites",
    "insights",
    "stopped",
    "explain",
    "asking",
)
"""Packages that import neither Twisted nor what comes with it."""


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


class Import(NamedTuple):
    """An import: who imports what, by its full name."""

    package: str
    path: str
    name: str

    @property
    def other(self) -> str | None:
        """The package of the product that the name comes from, if that is another."""
        top, _, rest = self.name.partition(".")
        package = rest.partition(".")[0]
        return package if top == "cors_service" and package in HEIGHTS and package != self.package else None


@cache
def imports() -> list[Import]:
    """All imports of the product, wherever they are in its modules."""
    found: list[Import] = []
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        package = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{inside} has a relative import"
                names = [f"{node.module}.{name.name}" for name in node.names]
            found += [Import(package, str(inside), name) for name in names]
    return found


def test_each_package_has_a_floor() -> None:
    """A new package has to say where it stands."""
    inside = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert inside - {"__init__", "__pycache__"} == set(HEIGHTS)


def test_floors() -> None:
    """No package imports from one above it."""
    assert [one for one in imports() if one.other and HEIGHTS[one.other] > HEIGHTS[one.package]] == []


def test_privacy() -> None:
    """No package imports a private module, or a private name, of another."""
    private = [one for one in imports() if one.other and any(part[0] == "_" for part in one.name.split(".")[2:])]
    assert private == []


@pytest.mark.parametrize("package", PURE)
def test_without_twisted(package: str) -> None:
    """What is pure imports nothing of Twisted, and no package that does."""
    foreign = {"twisted", "zope", "treq"}
    impure = [
        one
        for one in imports()
        if one.package == package and (one.name.split(".")[0] in foreign or (one.other and one.other not in PURE))
    ]
    assert impure == []
