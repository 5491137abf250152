"""Tests of `cors-service insights`: what it prints, and its exit status."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from cors_service.cli import main
from cors_service.insights.lines import LONGEST
from cors_service.insights.written import SCHEMA
from tests.insights.logs import POLICIES, active, asked, decided, preflight, written

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies.toml").write_text(POLICIES)
    Path("bad.toml").write_text("version = 2\n")
    policies = active()
    app = "https://app.example.com"
    lines = [decided(policies, query, count=5) for query in (asked(app), preflight(app), asked("https://x.example"))]
    Path("decisions.log").write_bytes(b"\n".join(lines) + b"\n")


def test_text(capsys: Captured) -> None:
    """A log is told in words, and all is well."""
    assert main(["insights", "decisions.log"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("15 decisions in 10 s")
    assert err == ""


def test_policies(capsys: Captured) -> None:
    """With policies, it says what nobody uses."""
    assert main(["insights", "decisions.log", "--policies", "policies.toml", "--days", "7"]) == 0
    assert "not seen for 7 days" in capsys.readouterr().out


def test_json(capsys: Captured) -> None:
    """Programs get the same as JSON, of the schema that `cors-service schema insights` prints."""
    assert main(["insights", "decisions.log", "--policies", "policies.toml", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["decisions"] == 15
    assert main(["schema", "insights"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == SCHEMA
    assert jsonschema_rs.validator_for(schema).is_valid(value)


def test_plots(capsys: Captured) -> None:
    """The plots are written into a directory, which is made if it is not there."""
    assert main(["insights", "decisions.log", "--svg", "new/plots"]) == 0
    assert sorted(path.name for path in Path("new/plots").iterdir()) == [
        "preflights.svg",
        "refusals.svg",
        "traffic.svg",
    ]
    assert main(["insights", "decisions.log", "--svg", "policies.toml"]) == 1
    assert capsys.readouterr().err == "cors-service insights: policies.toml can't be written: File exists\n"


def test_several_files(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several logs are read together, packed ones and standard input, too."""
    text = Path("decisions.log").read_bytes()
    Path("old.gz").write_bytes(gzip.compress(text))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert main(["insights", "old.gz", "decisions.log", "-"]) == 0
    assert capsys.readouterr().out.startswith("45 decisions")


def test_lines_that_cannot_be_read(capsys: Captured) -> None:
    """It says how many lines it could not read, why, and which was the first; and goes on."""
    good = Path("decisions.log").read_bytes()
    bad = [b"", b"{", b"x" * (3 * LONGEST), written(version=2), b"also bad", b'{"type": "another"}']
    Path("bad.log").write_bytes(b"\n".join(bad) + b"\n" + good)
    assert main(["insights", "bad.log"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("15 decisions")
    assert err == (
        "5 lines can't be read (2 not-json, 1 not-of-the-log, 1 too-long, 1 version-unknown). "
        "bad.log:2: Input data was truncated\n"
    )


def test_a_line_that_is_not_finished(capsys: Captured) -> None:
    """The last line of a log that is being written may be half there."""
    text = Path("decisions.log").read_bytes()
    Path("decisions.log").write_bytes(text + written()[:50])
    assert main(["insights", "decisions.log"]) == 0
    assert "1 line can't be read (1 not-json)" in capsys.readouterr().err


def test_a_packed_log_that_is_not_finished(capsys: Captured) -> None:
    """Of a log that is being compressed, or whose end is lost, what is there counts, and it is said that more was."""
    text = b"".join(written(count=number) + b"\n" for number in range(1, 1001))
    Path("cut.gz").write_bytes(gzip.compress(text)[:-200])
    assert main(["insights", "cut.gz", "--json"]) == 0
    out, err = capsys.readouterr()
    assert 100 < json.loads(out)["decisions"] < sum(range(1, 1001))
    assert err.splitlines()[0] == "cut.gz ends too early: the rest of it is missing."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.log"], "cors-service insights: missing.log can't be read: No such file or directory\n"),
        (["."], "cors-service insights: . can't be read: Is a directory\n"),
        (["broken.gz"], "cors-service insights: broken.gz can't be read: it was compressed with gzip, and is damaged"),
        (["longer.gz"], "cors-service insights: longer.gz can't be read: it was compressed with gzip, and is damaged"),
        (["log.xz"], "cors-service insights: log.xz can't be read: it is compressed, but not with gzip; unpack it"),
        (["log.zst"], "cors-service insights: log.zst can't be read: it is compressed, but not with gzip"),
        (["log.bz2"], "cors-service insights: log.bz2 can't be read: it is compressed, but not with gzip"),
        (["none.log"], "1 line can't be read (1 not-json). none.log:1: "),
        (["decisions.log", "--policies", "bad.toml"], "bad.toml:1:"),
        (["decisions.log", "--policies", "missing.toml"], ""),
        (
            ["decisions.log", "--policies", "HEAD:missing.toml"],
            "cors-service insights: 'HEAD:missing.toml' can't be read",
        ),
    ],
)
def test_errors(arguments: list[str], message: str, capsys: Captured) -> None:
    """What can't be read is told in a sentence, with the exit status 1."""
    packed = gzip.compress(Path("decisions.log").read_bytes())
    Path("log.xz").write_bytes(lzma.compress(b"log"))
    Path("log.bz2").write_bytes(bz2.compress(b"log"))
    Path("log.zst").write_bytes(bytes.fromhex("28b52ffd2404210000626f6fd9a0b3a7"))
    Path("longer.gz").write_bytes(packed + b"junk")
    Path("broken.gz").write_bytes(packed[:20] + b"broken" + packed[26:])
    Path("none.log").write_text("nothing of the kind\n")
    assert main(["insights", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error


@pytest.mark.parametrize("arguments", [[], ["decisions.log", "--days", "0"], ["decisions.log", "--days", "soon"]])
def test_wrong_use(arguments: list[str], capsys: Captured) -> None:
    """Wrong use is told in two lines."""
    with pytest.raises(SystemExit) as ended:
        main(["insights", *arguments])
    assert ended.value.code == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("text", ["", '{"type": "seen"}\n'], ids=["nothing", "no counts"])
def test_an_empty_log(text: str, capsys: Captured) -> None:
    """Of a log without lines about decisions, that is all that is said, with the exit status 1; programs get zeros."""
    Path("empty.log").write_text(text)
    for options in ([], ["--json"]):
        assert main(["insights", "empty.log", *options]) == 1
        out, err = capsys.readouterr()
        assert err.startswith("cors-service insights: The log has no lines about decisions. ")
        assert [json.loads(line)["decisions"] for line in out.splitlines()] == [0 for _ in options]
