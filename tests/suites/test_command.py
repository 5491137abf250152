"""Tests of `cors-service test`: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cors_service.cli import main
from tests.suites.texts import POLICIES

ETC = Path(__file__).parents[2] / "etc"
GOOD = """version = 1
[[cases]]
name = "Everybody reads"
policy = "open"
origins = ["https://a.example", "null"]
expect = "readable"
"""
BAD = """version = 1
[[cases]]
name = "The admin deletes"
policy = "app"
origins = ["https://admin.example.com"]
methods = ["GET", "DELETE"]
credentials = true
expect = "readable"
"""

Captured = pytest.CaptureFixture[str]


def status_of(*arguments: str | Path) -> int:
    """Run the command, and give its exit status however it ends."""
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main(["test", *map(str, arguments)]))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory of policies, in which the command runs."""
    (tmp_path / "policies.toml").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_delivered_suite(capsys: Captured) -> None:
    """The suite that is delivered passes, and reaches every rule of the policies that are delivered."""
    assert status_of(ETC) == 0
    out, err = capsys.readouterr()
    assert err == ""
    reached, total = out.splitlines()[-2].split(" rules of ")[0].split(" of ")
    assert reached == total


def test_passes(directory: Path, capsys: Captured) -> None:
    """Suites that lie beside documents are found and pass; a document that they lie beside is none of them."""
    (directory / "open.test.toml").write_text(GOOD)
    assert status_of() == 0
    first, _, coverage, *rest = capsys.readouterr().out.splitlines()
    assert first == "open.test.toml ."
    assert coverage.startswith("1 of 3 rules of . were reached; no case reached")
    assert rest[-1] == "1 case: 1 passed, 2 requests"


def test_fails(directory: Path, capsys: Captured) -> None:
    """A failure says what the page asked, what was decided, what the browser said, and the rule at work."""
    (directory / "app.test.toml").write_text(BAD)
    (directory / "open.test.toml").write_text(GOOD)
    assert status_of() == 1
    out = capsys.readouterr().out
    assert out.startswith("app.test.toml F\nopen.test.toml .\n")
    [failure] = [part for part in out.split("\n\n") if part.startswith("__")]
    title, asked, problem, preflight, browser, rule, command = failure.splitlines()
    assert " The admin deletes (app.test.toml:2) " in title
    assert asked == "https://admin.example.com asks DELETE policy app with cookies"
    assert "expected readable, and the page is blocked" in problem
    assert "refused, 403 [method-not-allowed]: Rule 2 of policy app allows GET, HEAD, PUT" in preflight
    assert 'Add "DELETE" to methods.' in preflight
    assert "No 'Access-Control-Allow-Origin' header is present" in browser
    assert "[acao-missing]" in browser
    assert "app, rule 2: https://admin.example.com and https://*.app.example.com may use GET, HEAD and PUT" in rule
    assert command.endswith(
        "cors-service decide --policies . --policy app --origin https://admin.example.com --request-method DELETE"
    )
    assert out.splitlines()[-1] == "2 cases: 1 failed, 1 passed, 1 of 4 requests failed"


def test_command_of_a_failure_shows_it(directory: Path, capsys: Captured) -> None:
    """The command that a failure names decides as the test did."""
    (directory / "app.test.toml").write_text(BAD)
    assert status_of() == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "cors-service decide" in line]
    assert main(line.split("cors-service ")[1].split()) == 2
    assert "[method-not-allowed]" in capsys.readouterr().out


def test_linked_directories(directory: Path, capsys: Captured) -> None:
    """A linked directory is not searched, which is said, unless it is named."""
    (directory / "open.test.toml").write_text(GOOD)
    real, top = directory / "real", directory / "top"
    real.mkdir()
    top.mkdir()
    (real / "policies.toml").write_text(POLICIES)
    (real / "app.test.toml").write_text(BAD)
    (top / "policies.toml").write_text(POLICIES)
    (top / "open.test.toml").write_text(GOOD)
    (top / "team").symlink_to("../real")
    (top / ".hidden").symlink_to("../real")
    assert status_of("top") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("1 case: 1 passed")
    assert err == "Not searched: top/team/; name linked directories to have their suites run.\n"
    assert status_of("top", "top/team") == 1
    out, err = capsys.readouterr()
    assert out.startswith("top/open.test.toml .\ntop/team/app.test.toml F\n")
    assert err == ""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_directory_that_cannot_be_read(directory: Path, capsys: Captured) -> None:
    """A directory that can't be searched is a mistake, since there may be suites in it, whatever the others say."""
    (directory / "open.test.toml").write_text(GOOD)
    (directory / "closed").mkdir(0o000)
    assert status_of("--junit", "report.xml") == 1
    out, err = capsys.readouterr()
    assert "1 passed" in out
    assert err == "cors-service test: closed can't be read: Permission denied.\n"
    assert "Permission denied" in Path("report.xml").read_text()
    assert status_of("closed") == 1
    assert capsys.readouterr().err == "cors-service test: closed can't be read: Permission denied.\n"


def test_many_failures(directory: Path, capsys: Captured) -> None:
    """Of a case with many requests that fail, the first are shown and the others counted."""
    (directory / "a.test.toml").write_text(
        GOOD.replace('"open"', '"app"').replace('"null"', '"null", "https://a.b", "https://b.b"')
    )
    assert status_of() == 1
    out = capsys.readouterr().out
    assert (out.count(" asks GET "), "and 1 more of 4 requests" in out) == (3, True)


def test_junit(directory: Path) -> None:
    """The report for pipelines has each case with its place, the text of failures, and suites with mistakes."""
    (directory / "app.test.toml").write_text(BAD + GOOD.partition("\n")[2])
    (directory / "broken.test.toml").write_text("version = 2\n")
    assert status_of("--junit", "report.xml") == 1
    root = ET.parse("report.xml").getroot()
    counts = [(one.get("name"), one.get("tests"), one.get("failures"), one.get("errors")) for one in root]
    assert counts == [("app.test.toml", "2", "1", "0"), ("broken.test.toml", "1", "0", "1")]
    failed, passed, broken = root.iter("testcase")
    assert (failed.get("file"), failed.get("line"), passed.get("name")) == ("app.test.toml", "2", "Everybody reads")
    assert "Rule 2 of policy app" in (failed.findtext("failure") or "")
    assert passed.find("failure") is None
    assert "missing-key" in (broken.findtext("error") or "")


def test_junit_that_cannot_be_written(directory: Path, capsys: Captured) -> None:
    """A report that can't be written is one sentence and a failure, even if all cases pass."""
    (directory / "a.test.toml").write_text(GOOD)
    assert status_of("--junit", "absent/report.xml") == 1
    out, err = capsys.readouterr()
    assert "1 passed" in out
    assert err == "cors-service test: absent/report.xml can't be written: No such file or directory\n"


def test_junit_of_odd_names(directory: Path) -> None:
    """The report is XML whatever a case is called, a character that XML lacks included."""
    (directory / "app.test.toml").write_text(GOOD.replace("Everybody reads", r"Everybody \u0001 reads <&>"))
    assert status_of("--junit", "report.xml") == 0
    assert [case.get("name") for case in ET.parse("report.xml").iter("testcase")] == ["Everybody \ufffd reads <&>"]


def test_mistakes(directory: Path, capsys: Captured) -> None:
    """Mistakes of suites and of policies are told on standard error, and what can be run is run."""
    (directory / "open.test.toml").write_text(GOOD)
    (directory / "broken.test.toml").write_text("version = 2\n")
    (directory / "other.test.toml").write_text(f'policies = "absent.toml"\n{GOOD}')
    assert status_of() == 1
    out, err = capsys.readouterr()
    assert out.startswith("open.test.toml .\n")
    assert {line.rpartition(" ")[2] for line in err.splitlines() if line.endswith("]")} == {
        "[wrong-value]",
        "[missing-key]",
        "[document-unreadable]",
    }


@pytest.mark.parametrize(
    ("text", "code"), [("[[cases]\n", "syntax"), (f"policies = 1\n{GOOD}", "wrong-type")], ids=["syntax", "policies"]
)
def test_a_suite_that_does_not_say_where(directory: Path, capsys: Captured, text: str, code: str) -> None:
    """Where a suite can't be read far enough to know its policies, files beside it are not taken for them."""
    (directory / "own").mkdir()
    (directory / "own" / "other.toml").write_text("[tool]\n")
    (directory / "own" / "a.test.toml").write_text(text)
    assert status_of("own") == 1
    [line, count] = capsys.readouterr().err.splitlines()
    assert (line.startswith("own/a.test.toml:1:"), line.endswith(f"[{code}]"), count[:9]) == (True, True, "1 mistake")


def test_no_path(directory: Path, capsys: Captured) -> None:
    """A suite that names policies by what no path can be is told so, and the others run, with a report of all."""
    (directory / "open.test.toml").write_text(GOOD)
    (directory / "nul.test.toml").write_text(f'policies = "a\\u0000b"\n{GOOD}')
    assert status_of("--junit", "report.xml") == 1
    out, err = capsys.readouterr()
    assert out.startswith("open.test.toml .\n")
    assert err == "cors-service test: 'a\\x00b' can't be read: it is not a path.\n"
    assert len([*ET.parse("report.xml").iter("testcase")]) == 2


def test_unreadable(directory: Path, capsys: Captured) -> None:
    """A suite that is not text is a mistake like any other."""
    (directory / "a.test.toml").write_bytes(b"\xff")
    assert status_of("a.test.toml") == 1
    assert capsys.readouterr().err.startswith("a.test.toml: The suite can't be read: ")


def test_other_policies(directory: Path, capsys: Captured) -> None:
    """Suites can be run against other policies than those that they lie beside."""
    (directory / "suites").mkdir()
    (directory / "suites" / "a.test.toml").write_text(GOOD)
    assert status_of("suites") == 1
    assert "There is no *.toml and no *.json file in the directory." in capsys.readouterr().err
    assert status_of("suites", "--policies", "policies.toml") == 0
    (directory / "suites" / "a.test.toml").write_text(f'policies = "../policies.toml"\n{GOOD}')
    assert status_of("suites") == 0


def test_finds_below(directory: Path, capsys: Captured) -> None:
    """Suites are found at any depth, but not among hidden files or what was installed."""
    for place in ("a/b", ".git", "node_modules/x"):
        (directory / place).mkdir(parents=True)
        (directory / place / "a.test.toml").write_text(f'policies = "../../policies.toml"\n{GOOD}')
    assert status_of() == 0
    assert capsys.readouterr().out.startswith("a/b/a.test.toml .\n\n")


@pytest.mark.parametrize("arguments", [["--junit"], ["."], ["--nonsense"]], ids=str)
def test_wrong_use(directory: Path, capsys: Captured, arguments: list[str]) -> None:
    """What is not understood, and a directory without suites, have an exit status of their own."""
    assert status_of(*arguments) == 2
    assert "cors-service test: " in capsys.readouterr().err
