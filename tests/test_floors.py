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
    {"_twisted", "processes", "streams"},
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
    "asking",
)
WITH_INTERFACES = {"ledger", "etcd", "postgresql", "bundle"}
"""Those of the pure ones that have parts which can be replaced."""
MODEST = {
    "_twisted": set(),
    "limits": set(),
    "access": {"grammar"},
    "processes": {"reader"},
    "stopped": {"decision", "wire"},
    "streams": set(),
}
"""What is lower than its floor: all that it imports."""


def room(path: Path) -> str:
    """Give the package or module at the top level that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Give the full name of each module, and of each name of one, that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=name, level=level):
                assert level == 0, f"{path} has a relative import"
                yield from (f"{name}.{alias.name}" for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    """Give the packages and modules at the top level that a file imports from."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("cors_service.")} - {"__version__"}


EVERY_FILE = sorted(ROOT.rglob("*.py"))
FILES = [path for path in EVERY_FILE if path.parent != ROOT or path.stem[:2] != "__"]


def test_every_room_has_a_floor() -> None:
    """Each package and module at the top level stands on a floor."""
    assert set(LEVELS) == {room(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_downwards(path: Path) -> None:
    """A file imports from its own package and from the floors beneath it, and from no other."""
    above = {name for name in rooms_of(path) - {room(path)} if LEVELS[name] >= LEVELS[room(path)]}
    assert above == set()


@pytest.mark.parametrize("modest", MODEST)
def test_what_is_lower_than_its_floor_imports_less(modest: str) -> None:
    """Some stand on a floor for the picture's sake, and import from far beneath it."""
    assert set().union(*(rooms_of(path) for path in FILES if room(path) == modest)) - {modest} <= MODEST[modest]


def test_the_product_does_without_its_test_doubles() -> None:
    """Nothing imports from `testing`, which is for tests of programs that ask."""
    assert {room(path) for path in FILES if "testing" in rooms_of(path)} <= {"testing"}


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_modules_stay_private(path: Path) -> None:
    """A file imports no private module of another package, and no private name."""
    others = [name.split(".") for name in imported(path) if name.startswith("cors_service.")]
    private = {".".join(parts) for parts in others if parts[1] != room(path) and any(map(is_private, parts[2:]))}
    assert private == set()


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in PURE], ids=lambda path: path.stem)
def test_no_twisted(path: Path) -> None:
    """The lower floors, which are plain functions over plain values, import neither Twisted nor what does."""
    foreign = {"twisted", "treq"} if room(path) in WITH_INTERFACES else {"twisted", "treq", "zope"}
    assert foreign.isdisjoint(name.split(".")[0] for name in imported(path))
    assert rooms_of(path) <= {room(path), *PURE}


def is_private(name: str) -> bool:
    """Say whether a module, or a name, is private to its package."""
    return name.startswith("_") and not name.startswith("__")
