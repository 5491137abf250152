"""Tests of what is read of a file, or of all documents of a directory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cors_service.policy import InvalidPolicies, PolicyError
from cors_service.reader.sources import read_policies, state_of, states_of
from tests.store.store_texts import document, toml


def mistakes(path: Path) -> list[PolicyError]:
    """Read policies that have mistakes, and give them."""
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(path)
    return list(caught.value.mistakes)


def test_toml_file(tmp_path: Path) -> None:
    """A file is read as TOML."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    assert list(read_policies(path).policies) == ["one"]


def test_json_file(tmp_path: Path) -> None:
    """A file whose name ends in .json is read as JSON."""
    path = tmp_path / "policies.json"
    path.write_text(json.dumps(document("one")))
    assert list(read_policies(path).policies) == ["one"]


def test_other_name(tmp_path: Path) -> None:
    """A file of any other name is read as TOML if it was named itself."""
    path = tmp_path / "policies"
    path.write_text(toml("one"))
    assert list(read_policies(path).policies) == ["one"]


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark at the beginning, as some editors write it, is none of the document."""
    path = tmp_path / "policies.toml"
    path.write_bytes(toml("one").encode("utf-8-sig"))
    assert list(read_policies(path).policies) == ["one"]


def test_directory(tmp_path: Path) -> None:
    """The documents of a directory are one set, in which one may use the origin sets of another."""
    (tmp_path / "a.toml").write_text('version = 1\n[origin_sets]\nours = ["https://our.example"]\n')
    (tmp_path / "b.toml").write_text('version = 1\n[policies.b]\norigins = ["@ours"]\n')
    (tmp_path / "c.json").write_text(json.dumps(document("c")))
    policy_set = read_policies(tmp_path)
    assert (list(policy_set.policies), dict(policy_set.origin_sets)) == (["b", "c"], {"ours": ("https://our.example",)})


def test_directory_ignores(tmp_path: Path) -> None:
    """Hidden files, files of other names, and directories are not looked at."""
    (tmp_path / "a.toml").write_text(toml("one"))
    for name in (".hidden.toml", ".#a.toml", "a.toml~", "a.toml.orig", "README.md"):
        (tmp_path / name).write_text("nonsense")
    (tmp_path / "sub.toml").mkdir()
    (tmp_path / "sub.toml" / "b.toml").write_text("nonsense")
    assert list(read_policies(tmp_path).policies) == ["one"]


def test_defined_twice(tmp_path: Path) -> None:
    """A name that two documents define is a mistake that names both."""
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(toml("shared"))
    [mistake] = mistakes(tmp_path)
    assert mistake.code == "policy-duplicate"
    assert str(mistake).startswith(f"{tmp_path / 'b.toml'}:2: ")
    assert f"already defined in {tmp_path / 'a.toml'}" in str(mistake)


def test_all_mistakes_of_all_files(tmp_path: Path) -> None:
    """The mistakes of every document are reported, each with its file."""
    (tmp_path / "a.toml").write_text(toml("a").replace("example", "example/"))
    (tmp_path / "b.toml").write_text("version = 1\nnonsense")
    (tmp_path / "c.toml").write_bytes(b"\xff")
    (tmp_path / "d.toml").write_text(toml("fine"))
    found = {(mistake.code, Path(mistake.file or "").name) for mistake in mistakes(tmp_path)}
    assert {("origin-trailing-slash", "a.toml"), ("syntax", "b.toml"), ("document-unreadable", "c.toml")} == found


def test_empty_directory(tmp_path: Path) -> None:
    """A directory without documents is a mistake that says so and names it."""
    [mistake] = mistakes(tmp_path)
    assert ("no-policies", str(tmp_path)) == (mistake.code, mistake.file)


def absent(path: Path) -> Path:
    """Name a file that is not there."""
    return path / "policies.toml"


def absent_directory(path: Path) -> Path:
    """Name a file in a directory that is not there."""
    return path / "absent" / "policies.toml"


def beneath_a_file(path: Path) -> Path:
    """Name a file beneath what is no directory."""
    (path / "file").touch()
    return path / "file" / "policies.toml"


def loop(path: Path) -> Path:
    """Make a symbolic link that leads to itself."""
    (path / "loop.toml").symlink_to("loop.toml")
    return path / "loop.toml"


def dangling(path: Path) -> Path:
    """Make a symbolic link that leads nowhere."""
    (path / "link.toml").symlink_to("absent.toml")
    return path / "link.toml"


def no_utf8(path: Path) -> Path:
    """Write a file in Latin-1."""
    (path / "latin.toml").write_bytes("# Käse\n".encode("latin-1") + toml("one").encode())
    return path / "latin.toml"


def utf16(path: Path) -> Path:
    """Write a file in UTF-16."""
    (path / "utf16.toml").write_text(toml("one"), encoding="utf-16")
    return path / "utf16.toml"


UNREADABLE = [absent, absent_directory, beneath_a_file, loop, dangling, no_utf8, utf16]


@pytest.mark.parametrize("make", UNREADABLE)
def test_unreadable(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A file that can't be read is one mistake of one line, which names the file."""
    path = make(tmp_path)
    found = mistakes(path)
    assert [("document-unreadable", str(path))] == [(mistake.code, mistake.file) for mistake in found]
    assert "\n" not in str(found[0])


@pytest.mark.parametrize("make", [loop, dangling, no_utf8, utf16])
def test_unreadable_in_directory(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A document that can't be read is the only mistake where others are right, whatever they share with it."""
    path = make(tmp_path)
    (tmp_path / "sets.toml").write_text('version = 1\n[origin_sets]\nours = ["https://our.example"]\n')
    (tmp_path / "uses.toml").write_text('version = 1\n[policies.one]\norigins = ["@theirs"]\n')
    found = mistakes(tmp_path)
    assert [("document-unreadable", str(path))] == [(mistake.code, mistake.file) for mistake in found]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden(tmp_path: Path) -> None:
    """A directory that may not be listed is one mistake."""
    tmp_path.chmod(0)
    try:
        assert [mistake.code for mistake in mistakes(tmp_path)] == ["document-unreadable"]
    finally:
        tmp_path.chmod(0o700)


def hidden(path: Path) -> Path:
    """Write a file with a name that is not looked at."""
    (path / ".hidden.toml").touch()
    return path / ".hidden.toml"


def beneath(path: Path) -> Path:
    """Make a directory with the name of a document."""
    (path / "sub.toml").mkdir()
    return path / "sub.toml"


@pytest.mark.parametrize(
    ("make", "is_there"),
    [(absent, False), (dangling, True), (loop, True), (no_utf8, True), (hidden, False), (beneath, False)],
)
def test_one_is_seen_as_in_all(tmp_path: Path, make: Callable[[Path], Path], is_there: bool) -> None:
    """A look at one document finds the state that a look at all finds, and nothing where that finds nothing."""
    name = make(tmp_path).name
    (tmp_path / "other.toml").write_text(toml("other"))
    assert states_of(tmp_path).get(name) == state_of(tmp_path, name)
    assert (state_of(tmp_path, name) is not None) == is_there
