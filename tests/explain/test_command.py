"""Tests of `cors-service explain`: what it prints, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import jsonschema_rs
import pytest

from cors_service.cli import main
from cors_service.explain.written import SCHEMA
from tests.explain.patched import patched
from tests.explain.test_har import ASKED, SENT, entry, recording

POLICIES: Final = """\
version = 1

[policies.shop]
match = ["api.example.com/"]
origins = ["https://app.example.com"] # our own
methods = ["GET"]
"""
ASK: Final = ["--page", "https://app.example.com/cart", "--url", "https://api.example.com/orders/7"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.toml").write_text(POLICIES)
    Path("bad.toml").write_text("version = 2")
    Path("session.har").write_bytes(recording(ASKED, SENT))


def test_passes(capsys: Captured) -> None:
    """An exchange that passes has the exit status 0, and no patch."""
    assert main(["explain", "--policies", "shop.toml", *ASK]) == 0
    out, err = capsys.readouterr()
    assert "Chromium  readable" in out
    assert "---" not in out
    assert err == ""


def test_blocked(capsys: Captured, tmp_path: Path) -> None:
    """A blocked one has the exit status 2, its lines, Chromium's sentence, and a patch that can be cut out."""
    assert main(["explain", "--policies", "shop.toml", *ASK, "-X", "PUT", "-H", "X-A: 1"]) == 2
    out, _ = capsys.readouterr()
    assert "          > Access-Control-Request-Headers: x-a\n" in out
    assert "          < 403\n" in out
    assert "Chromium  blocked: Access to fetch at 'https://api.example.com/orders/7'" in out
    patch = out[out.index("--- ") : out.index("\n\nIt ")] + "\n"
    assert '"PUT"] # no' not in patched(tmp_path, POLICIES, patch, "shop.toml")
    assert main(["explain", "--policies", "shop.toml", *ASK, "-X", "PUT", "-H", "X-A: 1"]) == 0


def test_json(capsys: Captured) -> None:
    """For programs the same is JSON."""
    assert main(["explain", "--policies", "shop.toml", *ASK, "--credentials", "include", "--json"]) == 2
    written = json.loads(capsys.readouterr().out)
    assert list(written) == ["steps", "decisions", "engines", "mending"]
    assert written["decisions"][0]["policy"] == "shop"
    assert "+credentials = true" in written["mending"]["patch"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--policies", "shop.toml", *ASK],
        ["--policies", "shop.toml", *ASK, "-X", "PUT", "-H", "X-A: 1"],
        ["--policies", "shop.toml", *ASK, "--policy", "shop", "--mode", "websocket"],
        ["--policies", "shop.toml", "--page", "null", "--url", "https://other.example/"],
        ["--har", "session.har"],
        ["--har", "session.har", "--policies", "shop.toml"],
        ["--message", "Access to fetch at 'https://a.example/' from origin 'null' has been blocked by CORS policy: "],
    ],
)
def test_schema(arguments: list[str], capsys: Captured) -> None:
    """What is printed for programs is as the schema has it."""
    main(["explain", "--json", *arguments])
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))


def test_nothing_reaches_the_terminal(capsys: Captured) -> None:
    """What a site sent can't act on the terminal of whoever reads its recording."""
    answer = {"Access-Control-Allow-Origin": "https://app.example.com \x1b[2J\x9b31m"}
    Path("odd.har").write_bytes(recording(entry("GET", "https://api.example.com/", {"Origin": "null"}, 200, answer)))
    assert main(["explain", "--har", "odd.har"]) == 2
    out = capsys.readouterr().out
    assert "\\u001B[2J\\u009B31m" in out
    assert out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: --policies, --page, --url"),
        (["--policies", "shop.toml"], "the following arguments are required: --page, --url"),
        (["--policies", "shop.toml", *ASK, "-H", "X-A"], "'X-A' is not a header line such as 'X-Trace: 1'"),
        (["--policies", "shop.toml", *ASK, "--credentials", "yes"], "invalid choice: 'yes'"),
        (["--policies", "shop.toml", *ASK, "--json", "--url", "https://a.example/\udce9"], "/\\udce9' is not UTF-8"),
        (["--json", "--message", "TypeError: Failed to fetch \udce9"], "\\udce9' is not UTF-8"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, capsys: Captured) -> None:
    """Wrong use is told in two lines."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])
    assert ended.value.code == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policies", "bad.toml", *ASK], "bad.toml"),
        (["--policies", "none.toml", *ASK], "can't be read"),
        (["--policies", "shop.toml", *ASK, "--policy", "shops"], "shop"),
        (["--policies", "shop.toml", *ASK, "-X", "A B"], "not a token"),
        (["--policies", "shop.toml", "--page", "app", "--url", "https://a.example/"], "the origin of a page"),
        (
            ["--policies", "shop.toml", "--page", "null", "--url", "a.example/x"],
            "no page can ask a service for this URL",
        ),
        (
            ["--policies", "shop.toml", "--page", "null", "--url", "https://a:b@a.example/"],
            "no page can ask a service for this URL",
        ),
        (
            ["--policies", "shop.toml", "--page", "null", "--url", "ftp://a.example/"],
            "no page can ask a service for this URL",
        ),
        (["--har", "shop.toml"], "is not a recording"),
        (["--har", "none.har"], "'none.har' can't be read: No such file"),
        (["--har", "."], "'.' can't be read: it is not a regular file"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: Captured) -> None:
    """What can't be read or asked has the exit status 1, and a sentence on standard error."""
    assert main(["explain", *arguments]) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


@pytest.mark.skipif(os.name != "posix", reason="by a pipe of Unix")
def test_reader_goes_away() -> None:
    """A reader that goes away, such as head, gets no sentence about that, however long the recording is."""
    Path("long.har").write_bytes(recording(*[ASKED, SENT] * 2_000))
    words = [sys.executable, "-m", "cors_service", "explain", "--har", "long.har"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_recording(capsys: Captured) -> None:
    """Every request of a recording is explained: by its own answers, or by the policies that its URL finds."""
    assert main(["explain", "--har", "session.har"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "   1  blocked   https://app.example.com sends PUT to https://api.example.com/orders/7"
    assert lines[-1] == "2 requests, 2 of them blocked."
    assert main(["explain", "--har", "session.har", "--policies", "shop.toml", "--json"]) == 2
    written = json.loads(capsys.readouterr().out)
    assert all(one["mending"] for one in written["exchanges"])
    assert "secret" not in json.dumps(written)
