"""Tests of the `cors-service` command: what it prints where, and its exit status."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest

import cors_service
from cors_service.access import Caller, read_access
from cors_service.cli import command_parser, main
from cors_service.decision import ActivePolicies, Query
from cors_service.limits import DEFAULT_TTL
from cors_service.reader.sources import read_policies
from cors_service.wire.answers import write_decision

EXAMPLE = Path(__file__).parents[1] / "etc" / "policies.toml"
COMMAND = Path(sys.executable).with_name("cors-service")
ONE = "one: 1 rule, 1 origin pattern\n  1. https://one.example may use GET, HEAD and PUT without cookies\n"
COMMANDS = [
    name
    for action in command_parser()._actions
    if isinstance(action, argparse._SubParsersAction)
    for name in action.choices
]

Captured = pytest.CaptureFixture[str]


def status_of(*arguments: str | Path) -> int:
    """Run the command, and give its exit status however it ends."""
    with pytest.raises(SystemExit) as end:
        sys.exit(main([str(argument) for argument in arguments]))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Give a document without mistakes."""
    path = tmp_path / "good.toml"
    path.write_text('version = 1\n[policies.one]\norigins = ["https://one.example"]\nmethods = ["GET", "PUT"]\n')
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Give a document with three mistakes."""
    path = tmp_path / "bad.toml"
    path.write_text('nonsense = 1\n[policies.one]\norigins = ["https://one.example/"]\n')
    return path


# check


def test_check(good: Path, capsys: Captured) -> None:
    """Of a document without mistakes it says what is in it."""
    assert status_of("check", good) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{ONE}1 policy, no mistakes.\n", "")


def test_check_example(capsys: Captured) -> None:
    """The example that is delivered has no mistakes, and each of its policies is a line."""
    assert status_of("check", EXAMPLE) == 0
    lines = capsys.readouterr().out.splitlines()
    policies = read_policies(EXAMPLE).policies
    assert list(policies) == [line.partition(":")[0] for line in lines[:-1] if line[0] != " "]
    assert f"{len(policies)} policies, no mistakes." == lines[-1]


@pytest.mark.skipif(os.name != "posix", reason="by a shell of Unix")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(("words", "status"), [("schema", 0), ("check policies.toml", 0), ("check absent.toml", 1)])
def test_closed_streams(good: Path, words: str, status: int, closed: str) -> None:
    """A command whose output somebody has closed does what it does, and ends as it would otherwise."""
    command = f'exec "$0" -m cors_service {words.replace("policies.toml", shlex.quote(str(good)))} {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_check_fails(bad: Path, capsys: Captured) -> None:
    """Every mistake of a document is a line on standard error that begins with its place, and a line counts them."""
    assert status_of("check", bad) == 1
    out, err = capsys.readouterr()
    *lines, count = err.splitlines()
    assert (out, count) == ("", "3 mistakes in the policies.")
    assert {"missing-key", "unknown-key", "origin-trailing-slash"} == {
        line[line.rindex("[") + 1 : -1] for line in lines
    }
    assert all(line.startswith(f"{bad}:") for line in lines)
    assert sum(line.startswith(f"{bad}:1: nonsense: ") for line in lines) == 1
    assert sum(line.startswith(f"{bad}:3: policies.one.origins[0]: ") for line in lines) == 1


def test_check_several(good: Path, tmp_path: Path, capsys: Captured) -> None:
    """Several paths are one set: a policy of one document may use the origins of another."""
    sets = tmp_path / "sets" / "sets.toml"
    sets.parent.mkdir()
    sets.write_text('version = 1\n[origin_sets]\nall = ["https://all.example"]\n')
    good.write_text('version = 1\n[policies.one]\norigins = ["@all"]\n')
    assert status_of("check", good) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "1 mistake in the policies."
    assert status_of("check", good, sets.parent) == 0
    assert "1. @all may use GET, HEAD and POST without cookies\n1 policy, no mistakes.\n" in capsys.readouterr().out


def test_check_twice(good: Path, capsys: Captured) -> None:
    """A document that is named twice, by itself and by its directory, is read once."""
    assert status_of("check", good.parent, good, good) == 0
    assert capsys.readouterr().out.endswith("1 policy, no mistakes.\n")


def test_check_several_fail(good: Path, bad: Path, tmp_path: Path, capsys: Captured) -> None:
    """The mistakes of all paths are reported, whatever is wrong with those before."""
    good.write_text("nonsense = 2\n")
    assert status_of("check", tmp_path / "absent", bad, good) == 1
    err = capsys.readouterr().err
    assert all(f"{path}:" in err for path in (tmp_path / "absent", bad, good))


def test_check_names_what_it_does_not_read(good: Path, capsys: Captured) -> None:
    """What a directory has beside its documents is named, since the service does not read it, either."""
    directory = good.parent
    (directory / "team").mkdir()
    (directory / ".hidden").write_text("")
    for name in ("other.yaml", "README"):
        (directory / name).write_text("")
    assert status_of("check", directory) == 0
    out, err = capsys.readouterr()
    assert out.endswith("1 policy, no mistakes.\n")
    assert err.startswith(f"Not read in {directory}: README, other.yaml, team/; ")
    assert err.count("\n") == 1


def test_check_directory(good: Path, capsys: Captured) -> None:
    """The documents of a directory are one set."""
    good.with_name("more.toml").write_text('version = 1\n[policies.two]\norigins = ["*"]\n')
    assert status_of("check", good.parent) == 0
    assert capsys.readouterr().out.endswith("2 policies, no mistakes.\n")


def test_check_directory_fails(good: Path, bad: Path, capsys: Captured) -> None:
    """A name that two documents of a directory define is a mistake that names both."""
    assert status_of("check", good.parent) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if "policy-duplicate" in line]
    assert str(good) in line
    assert str(bad) in line


def test_check_absent(tmp_path: Path, capsys: Captured) -> None:
    """A path that is not there is one mistake."""
    assert status_of("check", tmp_path / "absent.toml") == 1
    [line, count] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'absent.toml'}: ")
    assert count == "1 mistake in the policies."


def test_check_notes(tmp_path: Path, capsys: Captured) -> None:
    """What has no effect is noted behind the facts, and is a mistake with --strict."""
    path = tmp_path / "notes.toml"
    path.write_text(
        'version = 1\n[policies.one]\norigins = ["*", "https://one.example"]\nexpose_headers = ["expires"]\n'
    )
    assert status_of("check", path) == 0
    out, err = capsys.readouterr()
    first, second, count = out.splitlines()[-3:]
    assert first == (
        "note: policy one, rule 1: Pages may always read expires."
        ' Remove "expires" from expose_headers. [already-granted]'
    )
    assert second.endswith("'https://one.example' has no effect: '*' covers it. Remove it. [pattern-covered]")
    assert (count, err) == ("2 notes.", "")
    assert status_of("check", "--strict", path) == 1
    assert capsys.readouterr().err.splitlines() == [first, second, "2 notes."]


def test_check_strict(capsys: Captured) -> None:
    """There is nothing to note on the example that is delivered."""
    assert status_of("check", "--strict", EXAMPLE) == 0
    assert "note" not in "".join(capsys.readouterr())


# schema


def test_schema(capsys: Captured) -> None:
    """It prints the schema that the package has and that documents are checked against."""
    assert status_of("schema") == 0
    printed = json.loads(capsys.readouterr().out)
    packaged = json.loads(files("cors_service.policy").joinpath("schema.json").read_text(encoding="utf-8"))
    assert packaged == printed
    assert jsonschema_rs.meta.is_valid(printed)
    assert jsonschema_rs.Draft202012Validator(printed).is_valid({"version": 1, "policies": {"a": {"origins": ["*"]}}})


# decide


def test_decide_allows(good: Path, capsys: Captured) -> None:
    """A decision that allows is told to people with its reason and the headers to emit, and is success."""
    assert status_of("decide", "--policies", good, "--policy", "one", "--origin", "https://one.example") == 0
    first, *headers = capsys.readouterr().out.splitlines()
    assert first.startswith("allowed (actual): ")
    assert first.endswith(" [allowed]")
    assert headers == ["Access-Control-Allow-Origin: https://one.example", "Vary: Origin"]


def test_decide_preflight(good: Path, capsys: Captured) -> None:
    """Where a method is asked about, the request is a preflight, and its status is told."""
    query = ["--policy", "one", "--origin", "https://one.example", "--request-method", "PUT"]
    assert status_of("decide", "--policies", good, *query) == 0
    first, *headers = capsys.readouterr().out.splitlines()
    assert first.startswith("allowed (preflight, status 204): ")
    assert "Access-Control-Allow-Methods: GET, HEAD, PUT" in headers


def test_decide_refuses(good: Path, capsys: Captured) -> None:
    """A decision that refuses is told with the same care, and has an exit status of its own."""
    assert status_of("decide", "--policies", good, "--policy", "one", "--origin", "https://evil.example") == 2
    out, err = capsys.readouterr()
    first, *headers = out.splitlines()
    assert first.startswith("refused (actual): ")
    assert first.endswith(" [origin-not-allowed]")
    assert (headers, err) == (["Vary: Origin"], "")


def test_decide_without_origin(good: Path, capsys: Captured) -> None:
    """A request that is none of CORS is nothing to refuse."""
    assert status_of("decide", "--policies", good, "--policy", "one") == 0
    assert capsys.readouterr().out.startswith("not a CORS request (no-origin): ")


def test_decide_same_origin(capsys: Captured) -> None:
    """The URL finds the policy, and says which origin is the service's own."""
    query = ["--url", "https://app.example.com/api/things", "--origin", "https://app.example.com"]
    assert status_of("decide", "--policies", EXAMPLE, *query) == 0
    assert capsys.readouterr().out.startswith("allowed (same-origin): ")


@pytest.mark.parametrize(
    ("origin", "status"), [("https://one.example", 0), ("https://evil.example", 2)], ids=["allows", "refuses"]
)
def test_decide_json(good: Path, capsys: Captured, origin: str, status: int) -> None:
    """For programs it prints what the API answers, on one line."""
    assert status == status_of("decide", "--json", "--policies", good, "--policy", "one", "--origin", origin)
    decision = ActivePolicies(read_policies(good)).advise(Query("GET", policy="one", origins=(origin,)))
    assert f"{write_decision(decision, DEFAULT_TTL).decode()}\n" == capsys.readouterr().out


def test_decide_all_options(capsys: Captured) -> None:
    """Each option is a fact of the request."""
    query = {
        "--policy": "catalogue",
        "--url": "https://api.example.com/catalogue/7",
        "--origin": "https://shop.reseller.example.net",
        "--method": "OPTIONS",
        "--request-method": "DELETE",
        "--request-headers": "x-catalogue-id,authorization",
    }
    assert status_of("decide", "--json", "--policies", EXAMPLE, *(word for pair in query.items() for word in pair)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["kind"], printed["allowed"], printed["status"], printed["rule"]) == ("preflight", True, 204, 1)
    assert dict(printed["headers"])["Access-Control-Allow-Headers"] == "x-catalogue-id, authorization"


@pytest.mark.parametrize(
    "query",
    [
        ["--policy", "absent"],
        ["--origin", "https://one.example"],
        ["--url", "https://nowhere.example/"],
        ["--url", "nonsense"],
        ["--url", "https://one.example/a/../b"],
    ],
    ids=" ".join,
)
def test_decide_bad_query(good: Path, capsys: Captured, query: list[str]) -> None:
    """A question to which no decision exists is an error, told in a line on standard error."""
    assert status_of("decide", "--policies", good, *query) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:14]) == ("", 1, "cors-service: ")


def test_decide_by_nothing(good: Path, capsys: Captured) -> None:
    """Without a policy and a URL, the error says which options name one."""
    assert status_of("decide", "--policies", good) == 1
    assert capsys.readouterr().err.endswith("nor a URL. Name one with --policy NAME or --url URL.\n")


def test_decide_unknown_policy(good: Path, capsys: Captured) -> None:
    """The error names the policies that there are."""
    assert status_of("decide", "--policies", good, "--policy", "onne") == 1
    assert capsys.readouterr().err.startswith("cors-service: There is no policy 'onne'. The policies are: one")


def test_decide_bad_documents(bad: Path, capsys: Captured) -> None:
    """Documents with mistakes are an error; nothing is decided by them."""
    assert status_of("decide", "--policies", bad, "--policy", "one", "--origin", "https://one.example") == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "3 mistakes in the policies.")


def test_decide_absent_documents(tmp_path: Path, capsys: Captured) -> None:
    """Documents that are not there are an error."""
    assert status_of("decide", "--policies", tmp_path / "absent", "--policy", "one") == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "1 mistake in the policies.")


# The command itself.


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["schema", "nonsense"],
        ["decide"],
        ["decide", "--policies", "good.toml", "--nonsense"],
        ["decide", "--policies", "good.toml", "--origin"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_bad_arguments(capsys: Captured, arguments: list[str]) -> None:
    """Arguments that are not understood are an error, which is not the exit status of a refusal."""
    assert status_of(*arguments) == 1
    out, err = capsys.readouterr()
    what, where = err.splitlines()
    assert (out, what[:12]) == ("", "cors-service")
    assert re.fullmatch(r"Help: cors-service( [a-z]+)? --help", where)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name: str, capsys: Captured) -> None:
    """The help of each command shows what one may type, and the command understands it."""
    assert status_of(name, "--help") == 0
    _, _, shown = capsys.readouterr().out.partition("example")
    examples = [shlex.split(line.partition(">")[0]) for line in shown.splitlines() if line.startswith("  ")]
    assert examples
    for program, *arguments in examples:
        assert (program, arguments[0]) == ("cors-service", name)
        assert command_parser().parse_args(arguments).run


def test_module(good: Path) -> None:
    """Python runs the package as the command, under the command's name."""
    words = [sys.executable, "-m", "cors_service", "check"]
    assert subprocess.run([*words, good], check=True, capture_output=True).stdout.endswith(b"1 policy, no mistakes.\n")
    assert subprocess.run(words, check=False, capture_output=True).stderr.startswith(b"cors-service check: ")


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
    ids=["a terminal", "NO_COLOR", "a dumb terminal", "an unknown terminal"],
)
def test_colours(good: Path, environment: dict[str, str], *, colours: bool) -> None:
    """Colours are for terminals that have them, unless the environment says that they are not wanted."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [COMMAND, "check", good], check=True, stdout=theirs, env={"PATH": os.environ["PATH"]} | environment
        )
    finally:
        os.close(theirs)
    assert (b"\033[32m1 policy, no mistakes.\033[0m" in written_to(ours)) == colours


def written_to(terminal: int) -> bytes:
    """Give all that was written to a terminal that nobody else has open: each line may come by itself."""
    lines = []
    # The error is how Linux tells the end.
    with os.fdopen(terminal, "rb", buffering=0) as file, suppress(OSError):
        while line := file.read(4096):
            lines.append(line)
    return b"".join(lines)


def test_version(capsys: Captured) -> None:
    """It tells its version."""
    assert status_of("--version") == 0
    assert f"cors-service {cors_service.__version__}\n" == capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["check"], ["schema"], ["decide"]], ids=" ".join)
def test_help(capsys: Captured, command: list[str]) -> None:
    """It and its commands tell what they do."""
    assert status_of(*command, "--help") == 0
    assert capsys.readouterr().out.startswith("usage: cors-service")


def test_installed(bad: Path) -> None:
    """The command that is installed is this one, and its exit status arrives."""
    done = subprocess.run([COMMAND, "check", bad], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (1, "", "3 mistakes in the policies.")


@pytest.mark.parametrize("arguments", [["check", EXAMPLE], ["schema"], ["token", "ci"]], ids=lambda words: words[0])
def test_full_disk(arguments: list[str | Path]) -> None:
    """Output that a disk has no room for is one sentence and a failure, however much of it there is."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("cors-service: The output can't be written: No space left on device.\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["schema"], ["check", str(EXAMPLE)]], ids=["schema", "check"])
def test_reader_goes_away(arguments: list[str]) -> None:
    """A reader that goes away, such as head, is no reason for a traceback."""
    process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == b""


FIREFOX = (
    "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://api.a/."
)
REFUSED_PAGE = ["--page", "https://x.example", "--url", "https://api.a/"]


def printed(encoding: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """What the command prints where output has an encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    words = [sys.executable, "-m", "cors_service", *arguments]
    return subprocess.run(words, check=False, capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:surrogateescape"])
def test_any_encoding(good: Path, encoding: str) -> None:
    """Output is printed in any encoding: what that does not have is escaped, and the exit status stays."""
    done = printed(encoding, "explain", "--policies", good, "--policy", "one", *REFUSED_PAGE)
    assert (done.returncode, done.stderr) == (2, b"")
    assert FIREFOX in done.stdout.decode(encoding.partition(":")[0]).replace("\n", " ")


def test_json_in_any_encoding(good: Path) -> None:
    """JSON is JSON in any encoding, whatever is in it."""
    asked: list[str | Path] = ["explain", "--policies", good, "--policy", "one", *REFUSED_PAGE, "--json"]
    plain, escaped = (printed(encoding, *asked).stdout for encoding in ("utf-8", "ascii"))
    assert not plain.isascii()
    assert json.loads(escaped) == json.loads(plain)


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_name_that_is_not_utf_8(good: Path) -> None:
    """A file whose name is not UTF-8 is read or written, and its name printed with an escape."""
    out = os.fsdecode(os.fsencode(good.parent) + b"/\xe9.json")
    done = printed("utf-8:strict", "bundle", "build", good, "--seq", "1", "--out", out)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"/\\udce9.json: change 1, 1 policy, " in done.stdout
    assert Path(out).exists()


# token


def test_token(capsys: Captured) -> None:
    """It prints a new token once, and apart from it the entry that lets in whoever shows it."""
    assert status_of("token", "ci") == 0
    out, err = capsys.readouterr()
    token = err.splitlines()[0].rpartition(" ")[2]
    assert len(token) == 43
    assert token not in out
    caller = read_access(out).by_token(token.encode())
    assert caller == Caller(name="ci", verbs=frozenset({"decide"}))
    assert status_of("token", "ci") == 0
    assert token not in "".join(capsys.readouterr())


def test_token_with_verbs(capsys: Captured) -> None:
    """The entry has the verbs and the policies that were asked for; entries can be put into one document."""
    assert (
        status_of("token", "a", "--verb", "read", "--verb", "decide", "--policies", "team-a-", "--policies", "b.") == 0
    )
    assert status_of("token", "b", "--verb", "read") == 0
    first, second = read_access(capsys.readouterr().out).tokens
    assert first.caller == Caller(name="a", verbs=frozenset({"read", "decide"}), policies=("team-a-", "b."))
    assert second.caller == Caller(name="b", verbs=frozenset({"read"}))


@pytest.mark.parametrize(
    "words",
    [
        ["a b"],
        ['a"b'],
        ["\udce9"],
        [""],
        ["a", "--policies", "x y"],
        ["a", "--policies", "\udce9"],
        ["a", "--verb", "publish"],
        [],
    ],
)
def test_token_refused(words: list[str], capsys: Captured) -> None:
    """Of a name or a verb that no document takes, it makes no token."""
    assert status_of("token", *words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "cors-service" in err
    assert "shown this once" not in err


def test_alone(good: Path) -> None:
    """A command starts in half the time, since it loads no other."""
    program = (
        "import sys; from cors_service.cli import main; main(['check', sys.argv[1]]);"
        "print(*{'cors_service.cli._bundle', 'cors_service.cli._diff'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, good], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
