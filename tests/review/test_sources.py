"""Tests of where a set of policies may be: in files, in a revision of git, in a running service."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from cors_service.policy import InvalidPolicies, revision, write_document
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.sources import read_policies
from cors_service.review.sources import NotReadableError, address_of, read_source
from tests.store.store_texts import document, toml


def names(source: str | Path, limits: ReaderLimits = DEFAULT_LIMITS) -> list[str]:
    """The names of the policies of a source."""
    return list(read_source(str(source), limits).policies)


def git(directory: Path, *arguments: str) -> None:
    """Run git."""
    who = ("-c", "user.name=a", "-c", "user.email=a@a.example", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with two commits, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "a.toml").write_text(toml("one"))
    (directory / "b.json").write_text(json.dumps(document("two")))
    (directory / "a.test.toml").write_text("version = 1")
    (directory / "README.md").write_text("nonsense")
    (directory / "sub.toml").mkdir()
    (directory / "sub.toml" / "c.toml").write_text("nonsense")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (directory / "a.toml").write_text(toml("three"))
    git(tmp_path, "commit", "-am", "second")
    (directory / "a.toml").write_text(toml("four"))
    return tmp_path


def test_path(repository: Path) -> None:
    """A path is read as it is on disk, a document or a directory."""
    assert names("policies") == ["four", "two"]
    assert names("policies/b.json") == ["two"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("HEAD:policies", ["three", "two"]),
        ("HEAD~1:policies", ["one", "two"]),
        ("main~1:policies/", ["one", "two"]),
        ("main:policies/a.toml", ["three"]),
        ("HEAD~1:policies/b.json", ["two"]),
        ("HEAD~1:./policies/a.toml", ["one"]),
    ],
)
def test_revision(repository: Path, source: str, expected: list[str]) -> None:
    """A revision of git is read as it was, a document or a directory, whatever is on disk."""
    assert names(source) == expected


def test_path_with_a_colon(repository: Path) -> None:
    """What exists as a path is one, even if it looks like a revision."""
    (repository / "HEAD:policies").write_text(toml("colon"))
    assert names("HEAD:policies") == ["colon"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("HEAD:absent", "the revision has no such path"),
        ("absent:policies", "git knows no such revision"),
        ("--help:policies", "git knows no such revision"),
        ("https://a.example/?x", "is not the address of a decision service"),
        ("http://127.0.0.1:1", "refused"),
        ("unix:/absent.sock", "No such file"),
    ],
)
def test_not_readable(repository: Path, source: str, words: str) -> None:
    """What can't be read says why, in a sentence that names it."""
    with pytest.raises(NotReadableError) as caught:
        read_source(source, DEFAULT_LIMITS)
    assert words in str(caught.value)
    assert source in str(caught.value)


def test_git_refuses(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git does not even look, it says itself why: the checkout is of somebody else, or is none."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(NotReadableError, match=r"git says: detected dubious ownership .* --add safe\.directory \S+$"):
        read_source("HEAD:policies", DEFAULT_LIMITS)
    (tmp_path / ".git").rename(tmp_path / "away")
    with pytest.raises(NotReadableError, match=r"git says: not a git repository"):
        read_source("HEAD:policies", DEFAULT_LIMITS)


def test_mistakes_of_a_revision(repository: Path) -> None:
    """Mistakes of a revision name it, with their lines; what is no text, and links, are mistakes, too."""
    (repository / "policies" / "a.toml").write_text("version = 1\nnonsense = 1\n")
    (repository / "policies" / "c.toml").symlink_to("a.toml")
    (repository / "policies" / "d.toml").write_bytes(b"\xff")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "third")
    with pytest.raises(InvalidPolicies) as caught:
        read_source("HEAD:policies", DEFAULT_LIMITS)
    found = {(error.file, error.line, error.code) for error in caught.value.mistakes}
    assert found == {
        ("HEAD:policies/a.toml", 2, "unknown-key"),
        ("HEAD:policies/c.toml", None, "document-unreadable"),
        ("HEAD:policies/d.toml", None, "document-unreadable"),
    }
    with pytest.raises(InvalidPolicies, match="1 mistake"):
        read_source("HEAD:policies/sub.toml", ReaderLimits())


def test_no_documents_in_a_revision(repository: Path) -> None:
    """A directory of a revision without documents is the mistake that it is on disk."""
    (repository / "other").mkdir()
    (repository / "other" / "README.md").write_text("")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "third")
    with pytest.raises(InvalidPolicies) as caught:
        read_source("HEAD:other", DEFAULT_LIMITS)
    assert [error.code for error in caught.value.mistakes] == ["no-policies"]


@pytest.mark.parametrize(("count", "size"), [(1, 5_000_000), (5, 4_000_000)], ids=["one", "together"])
def test_large_revision(repository: Path, count: int, size: int) -> None:
    """Documents of a revision are bounded as those on disk are, each and together."""
    for number in range(count):
        text = f"{toml(f'large-{number}')}# {'x' * size}\n"
        (repository / "policies" / f"large-{number}.toml").write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "-m", "third")
    with pytest.raises(NotReadableError, match="larger than documents may be"):
        read_source("HEAD:policies", ReaderLimits(memory=64))


def test_progress(repository: Path) -> None:
    """Whoever asks is told how many documents were read, and how many there are."""
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    read_source("policies", DEFAULT_LIMITS, tell)
    read_source("HEAD:policies", DEFAULT_LIMITS, tell)
    assert told == [(1, 2), (2, 2)] * 2


class _Answers(BaseHTTPRequestHandler):
    """Answers as a service does, or not."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    """Give the address of a server that answers with `_Answers.body`."""
    http = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_service(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is asked for its policies, below its path and with a token, and gives the same revision."""
    (tmp_path / "a.toml").write_text(toml("one"))
    policies = read_policies(tmp_path)
    monkeypatch.setattr(_Answers, "body", json.dumps(write_document(policies)).encode())
    monkeypatch.setattr(_Answers, "asked", [])
    read = read_source(f"{server}/cors/", DEFAULT_LIMITS, token="secret")
    assert revision(read) == revision(policies)
    assert _Answers.asked == [("/cors/v1/policies", "Bearer secret")]
    read_source(server, DEFAULT_LIMITS)
    assert _Answers.asked[1:] == [("/v1/policies", None)]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, b'{"detail": "The token is not known."}', "it answers with 403: The token is not known."),
        (404, b"<html>", "it answers with 404"),
        (200, b"\xff", "can't decode"),
    ],
)
def test_service_refuses(server: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, words: str) -> None:
    """A service that does not give its policies is named with what it says instead."""
    monkeypatch.setattr(_Answers, "status", status)
    monkeypatch.setattr(_Answers, "body", body)
    with pytest.raises(NotReadableError) as caught:
        read_source(server, DEFAULT_LIMITS)
    assert words in str(caught.value)


def test_service_with_large_policies(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a service, no more is read than documents may have together."""
    limits = ReaderLimits(memory=64)
    monkeypatch.setattr(_Answers, "body", b" " * (limits.total + 1))
    with pytest.raises(NotReadableError, match="more than 16777216 bytes"):
        read_source(server, limits)


def test_service_with_other_policies(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no document for this version is a mistake, with the address of the service as its file."""
    monkeypatch.setattr(_Answers, "body", b'{"version": 2}')
    with pytest.raises(InvalidPolicies) as caught:
        read_source(server, DEFAULT_LIMITS)
    assert {error.file for error in caught.value.mistakes} == {f"{server}/v1/policies"}


def test_no_service() -> None:
    """What listens, and speaks no HTTP, is not a service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(NotReadableError, match="it is not a decision service"):
            read_source(f"http://127.0.0.1:{listener.getsockname()[1]}", DEFAULT_LIMITS)
        thread.join()


def test_address() -> None:
    """Of a source that curl can ask, the address is known."""
    sources = ["http://a.example:8080/", "https://a.example/cors", "unix:/run/a.sock", "HEAD:policies", "policies"]
    assert [address_of(source) for source in sources] == [
        "http://a.example:8080",
        "https://a.example/cors",
        None,
        None,
        None,
    ]
