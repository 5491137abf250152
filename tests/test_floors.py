"""The floors of the package: each imports only from those beneath."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cors_service

ROOT = Path(cors_service.__file__).parent
FLOORS = (
    {"grammar", "browser"},
    {"policy"},
    {"decision"},
    {"algebra", "insights"},
    {"wire", "limits", "reader", "access", "suites"},
    {"explain"},
    {"stopped", "ledger"},
    {"postgresql", "etcd", "bundle", "follow"},
    {"_twisted", "processes"},
    {"store", "observe"},
    {"web", "asking"},
    {"client", "review"},
    {"protect", "testing", "doctor", "admin"},
    {"server", "console"},
    {"workers"},
    {"daemon"},
    {"tap", "tap_admin", "cli"},
)
LEVELS = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
PURE = (
    "grammar",
    "browser",
    "policy",
    "decision",
    "algebra",
    "explain",
    "wire",
    "reader",
    "access",
    "limits",
    "suites",
    "insights",
    "stopped",
    "ledger",
    "etcd",
    "postgresql",
    "bundle",
    "follow",
)


def room(path: Path) -> str:
    """Give the package or module at the top level that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Give the full name of each module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(name)):
                # `from cors_service import x` imports a module of that name, or a value such as `__version__`.
                yield from (f"{name}.{alias.name}" for alias in node.names) if name == "cors_service" else [name]


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.parent != ROOT or path.stem[:2] != "__"]


def test_every_room_has_a_floor() -> None:
    """Each package and module at the top level stands on a floor."""
    assert set(LEVELS) == {room(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_downwards(path: Path) -> None:
    """A file imports from its own package and from the floors beneath it, and from no other."""
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("cors_service.")} - {"__version__"}
    above = {name for name in rooms - {room(path)} if LEVELS[name] >= LEVELS[room(path)]}
    assert above == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_modules_stay_private(path: Path) -> None:
    """A file imports no private module of another package."""
    others = [name.split(".") for name in imported(path) if name.startswith("cors_service.")]
    private = {".".join(parts) for parts in others if parts[1] != room(path) and any(map(is_private, parts[2:]))}
    assert private == set()


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in PURE], ids=lambda path: path.stem)
def test_no_twisted(path: Path) -> None:
    """The lower floors, which are plain functions over plain values, do without Twisted."""
    assert not any(name.split(".")[0] == "twisted" for name in imported(path))


def is_private(name: str) -> bool:
    """Say whether a module is private to its package."""
    return name.startswith("_") and not name.startswith("__")
