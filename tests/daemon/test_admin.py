"""Tests of the options of the admin process: what can't work is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from cors_service.daemon.admin_settings import DEFAULT_LISTEN, AdminSettings
from cors_service.tap_admin import Options

GOOD = 'version = 1\n[policies.one]\norigins = ["https://one.example"]\n'


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory of policies, beside which is nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "one.toml").write_text(GOOD, encoding="utf-8")
    return tmp_path / "policies"


def parse(*arguments: str) -> Options:
    """Parse options."""
    options = Options()
    options.parseOptions(["--store", "policies", "--data", "data", *arguments])
    return options


def test_defaults(store: Path) -> None:
    """It listens on this machine alone, unless it is told otherwise, and makes its directory for its owner alone."""
    prepared = parse().prepared
    assert prepared.settings == AdminSettings(store="policies", data="data")
    assert [description for description, _ in prepared.endpoints] == [DEFAULT_LISTEN]
    assert (store.parent / "data").stat().st_mode & 0o777 == 0o700
    assert prepared.changes.kept.head.seq == 1


@pytest.mark.parametrize("endpoint", ["tcp:0:interface=127.0.0.2", "tcp6:0:interface=\\:\\:1", "unix:admin.sock"])
def test_this_machine(store: Path, endpoint: str) -> None:
    """Without --auth, it listens where only this machine can connect."""
    assert [endpoint] == [description for description, _ in parse("--listen", endpoint).prepared.endpoints]


def test_with_auth(store: Path) -> None:
    """With --auth, it listens anywhere."""
    entry = f'[[tokens]]\nname = "a"\nsha256 = "{"0" * 64}"\nverbs = ["read"]\n'
    (store.parent / "auth.toml").write_text(entry, encoding="utf-8")
    assert parse("--auth", "auth.toml", "--listen", "tcp:0").prepared.access is not None


REFUSED: dict[str, tuple[list[str], str]] = {
    "any address": (["--listen", "tcp:0"], "may be reached by other machines"),
    "another address": (["--listen", "tcp:0:interface=192.0.2.1"], "may be reached by other machines"),
    "a name": (["--listen", "tcp:0:interface=localhost"], "may be reached by other machines"),
    "an address in another endpoint": (["--listen", "haproxy:tcp:0"], "may be reached by other machines"),
    "no endpoint": (["--listen", "nonsense"], "--listen nonsense is not an endpoint"),
    "another kind of store": (["--store", "redis://host"], "redis:// is not a kind of store"),
    "nothing as its store": (["--store", ""], "--store is empty: give it a value, or leave it out."),
    "nothing for data": (["--data", ""], "--data is empty"),
    "nobody who may": (["--auth", ""], "--auth is empty"),
    "no directory": (["--store", "absent"], "'absent' does not exist"),
    "a document": (["--store", "policies/one.toml"], "is a file"),
    "data among the policies": (["--data", "policies"], "--data can't be the directory of the policies"),
    "data that is a file": (["--data", "policies/one.toml"], "--data: 'policies/one.toml' can't be used"),
    "data in nothing": (["--data", "absent/data"], "--data: 'absent/data' can't be used: No such file or directory"),
    "a host": (["--host", "a b"], "--host: 'a b' is not a name"),
    "a number": (["--decision-ttl", "-1"], "--decision-ttl must be a whole number"),
    "a log": (["--json-log", "absent/log"], "--json-log can't be opened"),
    "an access log": (["--access-log", "absent/log"], "--access-log can't be opened"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(store: Path, options: list[str], message: str) -> None:
    """What can't work is refused with a sentence."""
    with pytest.raises(UsageError) as caught:
        parse(*options)
    assert message in str(caught.value)


@pytest.mark.parametrize(("option", "words"), [("--store", ["--data", "data"]), ("--data", ["--store", "policies"])])
def test_missing(store: Path, option: str, words: list[str]) -> None:
    """Without a store, or without a place for data, it says which option is missing."""
    with pytest.raises(UsageError, match=f"{option} is missing"):
        Options().parseOptions(words)


@pytest.mark.parametrize("text", ["nonsense = 1\n", "["])
def test_mistakes(store: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents with mistakes, or who may do what with some, are reported as a whole, and end the start with 1."""
    (store / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        parse()
    assert caught.value.code == 1
    assert "policies/bad.toml" in capsys.readouterr().err
    (store / "bad.toml").unlink()
    (store.parent / "auth.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        parse("--auth", "auth.toml")
    assert "auth.toml" in capsys.readouterr().err
