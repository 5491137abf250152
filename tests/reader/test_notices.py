"""Tests of what the kernel says of changes in a directory, where it can."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from cors_service.reader.notices import Names, Notices
from tests.store.store_texts import toml

if sys.platform != "linux":
    pytest.skip("what other kernels say, and when, differs", allow_module_level=True)

SECONDS = 20.0


class Heard:
    """A directory, and what the kernel has said of it.

    Attributes:
        path: The directory.
        names: The names until now.
        notices: What passes them on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: set[str] = set()
        self.notices = Notices(path, self._hear)

    def hears(self, change: Callable[[], object], *names: str) -> set[str]:
        """Make a change again and again until these names were heard, since it takes a while to begin; give all."""
        self.names = set()
        deadline = time.monotonic() + SECONDS
        while not {*names} <= self.names:
            assert time.monotonic() < deadline, f"waited in vain for {names}: {self.names}"
            change()
            time.sleep(0.02)
        return set(self.names)

    def _hear(self, names: Names) -> None:
        self.names |= names


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """Give a directory that the kernel watches."""
    directory = tmp_path / "policies"
    directory.mkdir()
    heard = Heard(directory)
    heard.notices.follow()
    yield heard
    heard.notices.stop()


def replace(path: Path) -> None:
    """Put a document in place."""
    new = path.with_name(".new")
    new.write_text(toml("a"))
    new.replace(path)


def test_documents(heard: Heard) -> None:
    """Documents that are written to, put in place, or removed are named, and no others."""
    document = heard.path / "a.toml"
    assert heard.hears(lambda: document.write_text("x"), "a.toml") == {"a.toml"}
    assert heard.hears(lambda: replace(heard.path / "b.toml"), "b.toml") <= {"a.toml", "b.toml", ".new"}
    heard.hears((heard.path / "c.toml").touch, "c.toml")
    heard.hears(lambda: (heard.path / "c.toml").unlink(missing_ok=True), "c.toml")


def test_config_map(heard: Heard) -> None:
    """If the data of a ConfigMap are replaced, the link to them is named."""
    versions = iter(range(10_000))

    def update() -> None:
        version = next(versions)
        (heard.path / f"..{version}").mkdir()
        (heard.path / "..data_tmp").symlink_to(f"..{version}")
        (heard.path / "..data_tmp").replace(heard.path / "..data")

    heard.hears(update, "..data")


def test_directory_goes_and_comes(heard: Heard) -> None:
    """That the directory itself goes is said; when it is there again, it can be followed again."""
    heard.hears(lambda: (heard.path / "a.toml").write_text("x"), "a.toml")
    heard.hears(lambda: shutil.rmtree(heard.path, ignore_errors=True), "")
    heard.path.mkdir()
    heard.notices.follow()
    heard.hears(lambda: (heard.path / "b.toml").write_text("x"), "b.toml")


def test_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is nothing to follow that is told in a line, once, and nothing else happens."""
    notices = Notices(tmp_path / "absent", len)
    for _ in range(2):
        notices._watch(Event())
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Changes are only found by polling")
