"""Tests of what is read of a file, or of all documents of a directory."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cors_service.policy import InvalidPolicies, PolicyError
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.sources import _read, read_policies, state_of, states_of
from tests.store.store_texts import document, toml


def mistakes(path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> list[PolicyError]:
    """Read policies that have mistakes, and give them."""
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(path, limits)
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


def fifo(path: Path) -> Path:
    """Make a pipe that nobody writes to."""
    os.mkfifo(path / "fifo.toml")
    return path / "fifo.toml"


def unix_socket(path: Path) -> Path:
    """Make a socket at which nobody listens."""
    # Not at the path itself, which can be longer than the name of a socket may be.
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path):
        made.bind("socket.toml")
    return path / "socket.toml"


def device(path: Path) -> Path:
    """Make a link to what never comes to an end."""
    (path / "device.toml").symlink_to("/dev/zero")
    return path / "device.toml"


def own_input(path: Path) -> Path:
    """Make a link to the standard input of whoever reads it."""
    (path / "input.toml").symlink_to("/proc/self/fd/0")
    return path / "input.toml"


ENDLESS = [fifo, unix_socket, device, own_input]
UNREADABLE = [absent, absent_directory, beneath_a_file, loop, dangling, no_utf8, utf16, *ENDLESS]


@pytest.mark.parametrize("make", UNREADABLE)
def test_unreadable(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A file that can't be read is one mistake of one line, which names the file."""
    path = make(tmp_path)
    found = mistakes(path)
    assert [("document-unreadable", str(path))] == [(mistake.code, mistake.file) for mistake in found]
    assert "\n" not in str(found[0])


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("make", ENDLESS)
def test_endless(tmp_path: Path, make: Callable[[Path], Path], follow_links: bool) -> None:
    """What is no regular file is a mistake, and never waited for, wherever links may lead."""
    path = make(tmp_path)
    (tmp_path / "good.toml").write_text(toml("good"))
    [mistake] = mistakes(tmp_path, ReaderLimits(follow_links=follow_links))
    assert ("document-unreadable", str(path)) == (mistake.code, mistake.file)


def test_link_that_leads_out(tmp_path: Path) -> None:
    """A link leads out of the directory only if that is allowed; a link that was named itself may lead anywhere."""
    (tmp_path / "outside.toml").write_text(toml("one"))
    directory = tmp_path / "policies"
    directory.mkdir()
    for target in ("../outside.toml", str(tmp_path / "outside.toml")):
        link = directory / "link.toml"
        link.symlink_to(target)
        [mistake] = mistakes(directory)
        assert ("document-unreadable", str(link)) == (mistake.code, mistake.file)
        assert "leads out of the directory (--follow-links)" in mistake.message
        assert list(read_policies(directory, ReaderLimits(follow_links=True)).policies) == ["one"]
        assert list(read_policies(link).policies) == ["one"]
        link.unlink()


def test_link_through_a_link_that_leads_out(tmp_path: Path) -> None:
    """A link within the directory that leads on to the outside leads out."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.toml").write_text(toml("one"))
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "within").symlink_to("../outside")
    (directory / "a.toml").symlink_to("within/a.toml")
    assert [mistake.code for mistake in mistakes(directory)] == ["document-unreadable"]


def test_links_within(tmp_path: Path) -> None:
    """Links that stay in the directory are read, as Kubernetes makes them, also if the directory is reached by one."""
    directory = tmp_path / "policies"
    (directory / "..2026_11_28" / "inner").mkdir(parents=True)
    (directory / "..2026_11_28" / "a.toml").write_text(toml("a"))
    (directory / "..2026_11_28" / "inner" / "b.toml").write_text(toml("b"))
    (directory / "..data").symlink_to("..2026_11_28")
    (directory / "a.toml").symlink_to("..data/a.toml")
    (directory / "b.toml").symlink_to("..data/inner/b.toml")
    (directory / "c.toml").symlink_to(directory / "..data" / "a.toml")
    (directory / "c.toml").unlink()
    (tmp_path / "link").symlink_to("policies")
    for path in (directory, tmp_path / "link"):
        assert list(read_policies(path).policies) == ["a", "b"]


def test_large_document(tmp_path: Path) -> None:
    """A document that is larger than it may be is a mistake, and not read; one that is as large is."""
    # The stack of a thread has to fit, too.
    limits = ReaderLimits(memory=64)
    (tmp_path / "a.toml").write_text(toml("one"))
    with (tmp_path / "b.toml").open("wb") as file:
        file.truncate(1 << 40)
    [mistake] = mistakes(tmp_path, limits)
    assert ("document-unreadable", str(tmp_path / "b.toml")) == (mistake.code, mistake.file)
    assert f"more than {limits.document} bytes" in mistake.message
    (tmp_path / "b.toml").write_text(toml("two").ljust(limits.document, "#"))
    assert list(read_policies(tmp_path, limits).policies) == ["one", "two"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs the /proc of Linux")
def test_document_without_a_size(tmp_path: Path) -> None:
    """A file that does not say how large it is is read up to what a document may have."""
    (tmp_path / "a.toml").symlink_to("/proc/self/maps")
    [mistake] = mistakes(tmp_path, ReaderLimits(memory=64, follow_links=True))
    assert mistake.code == "syntax"
    data, _ = _read(str(tmp_path / "a.toml"), str(tmp_path), ReaderLimits(memory=64, follow_links=True))
    assert data.count(b"\n") > 10


def test_many_documents(tmp_path: Path) -> None:
    """A directory with more documents than it may have is a mistake, and is not taken for one without any."""
    limits = ReaderLimits(memory=64)
    for number in range(limits.documents + 1):
        (tmp_path / f"a{number}.toml").touch()
    [mistake] = mistakes(tmp_path, limits)
    assert ("document-unreadable", str(tmp_path)) == (mistake.code, mistake.file)
    assert f"more than {limits.documents} documents" in mistake.message
    assert states_of(tmp_path, limits) == {}


def test_all_documents(tmp_path: Path) -> None:
    """All documents together may have only so many bytes."""
    limits = ReaderLimits(memory=64)
    count = limits.total // limits.document
    for number in range(count + 1):
        (tmp_path / f"a{number}.toml").write_bytes(b"#" * limits.document)
    [mistake] = mistakes(tmp_path, limits)
    assert ("document-unreadable", str(tmp_path)) == (mistake.code, mistake.file)
    assert f"more than {limits.total} bytes" in mistake.message


def test_sizes() -> None:
    """What is read by default has room for a million origins, for 100,000 policies, and for as many documents."""
    limits = ReaderLimits()
    assert (limits.document, limits.total, limits.documents) == (128 << 20, 512 << 20, 262_144)


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
