"""Tests of `cors-service diff`: what it prints, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from cors_service.cli import main
from cors_service.review.written import SCHEMA

COMMAND = Path(sys.executable).with_name("cors-service")
OLD = 'version = 1\n[policies.app]\norigins = ["https://a.example"]\nmax_age = 60\n'
WIDER = OLD.replace('"https://a.example"', '"https://a.example", "https://b.example"')
OTHER = OLD.replace("60", "600")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"old": OLD, "wider": WIDER, "other": OTHER, "bad": "version = 2"}.items():
        Path(f"{name}.toml").write_text(text)


def test_text(capsys: Captured) -> None:
    """What is wider is a line in words, with the request that shows it."""
    assert main(["diff", "old.toml", "wider.toml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("What changes from old.toml to wider.toml:\n\nWIDER     app: ")
    assert "https://b.example" in out.splitlines()[2]
    assert "a page of https://b.example sends GET to a URL of policy app" in out
    assert err == ""


def test_same(capsys: Captured) -> None:
    """Where nothing differs, that is said, and nothing fails."""
    assert main(["diff", "old.toml", "old.toml", "--fail-on", "any"]) == 0
    assert capsys.readouterr().out == "old.toml and old.toml decide alike about every request.\n"


@pytest.mark.parametrize(
    ("old", "new", "fail_on", "status"),
    [
        ("old", "wider", "wider", 2),
        ("old", "wider", "any", 2),
        ("wider", "old", "wider", 0),
        ("wider", "old", "any", 2),
        ("old", "other", "wider", 0),
        ("old", "other", "any", 2),
    ],
)
def test_fail_on(old: str, new: str, fail_on: str, status: int) -> None:
    """The exit status says whether there is a difference of the kind that is asked about."""
    assert main(["diff", f"{old}.toml", f"{new}.toml", "--fail-on", fail_on]) == status


def test_json(capsys: Captured) -> None:
    """Programs get JSON that fits the schema, which another command prints."""
    assert main(["diff", "old.toml", "wider.toml", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert main(["schema", "diff"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == SCHEMA
    jsonschema_rs.Draft202012Validator(schema).validate(written)
    assert {one["direction"] for one in written["differences"]} == {"wider"}


def test_markdown(capsys: Captured) -> None:
    """Pull requests get Markdown."""
    assert main(["diff", "old.toml", "wider.toml", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("## CORS policies: <code>old.toml</code> to <code>wider.toml</code>\n")


def test_always_the_same(tmp_path: Path) -> None:
    """Two runs print the same, witnesses and all, so that a comment changes only with the policies."""
    origins = [f"https://{name}.example" for name in ("a", "b", "c", "d", "e", "f")]
    for name, count in (("first", 2), ("second", 6)):
        Path(f"{name}.toml").write_text(f"version = 1\n[policies.app]\norigins = {origins[:count]}\n")
    command = [str(COMMAND), "diff", "first.toml", "second.toml", "--json"]
    printed = {
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (("old.toml", "bad.toml"), "bad.toml:1: version: 2 is not 1. Write version = 1. [wrong-value]"),
        (("absent.toml", "old.toml"), "absent.toml: The document can't be read"),
        (("HEAD:absent", "old.toml"), "cors-service diff: 'HEAD:absent' can't be read: "),
        (("old.toml", "http://127.0.0.1:1"), "cors-service diff: 'http://127.0.0.1:1' can't be read: "),
    ],
)
def test_errors(capsys: Captured, sources: tuple[str, str], words: str) -> None:
    """What can't be read, or has mistakes, is an error, and not a difference."""
    assert main(["diff", *sources, "--fail-on", "any"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


@pytest.mark.parametrize("arguments", [["old.toml"], ["old.toml", "old.toml", "--json", "--markdown"]])
def test_wrong_use(capsys: Captured, arguments: list[str]) -> None:
    """Arguments that are not understood are an error."""
    with pytest.raises(SystemExit) as end:
        main(["diff", *arguments])
    assert end.value.code == 1
    assert "cors-service diff: " in capsys.readouterr().err


def test_schemas(capsys: Captured) -> None:
    """The schemas of documents, suites and differences are printed, each by its name."""
    titles = []
    for name in ("policies", "suite", "diff"):
        assert main(["schema", name]) == 0
        titles.append(json.loads(capsys.readouterr().out)["title"])
    assert titles == ["cors-service policy document", "cors-service test suite", "cors-service diff --json"]
