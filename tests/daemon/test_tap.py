"""Tests of the options of `twist cors` and `twistd cors`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from cors_service.daemon.settings import DEFAULT_LISTEN
from cors_service.tap import Options
from tests.daemon.options import GOOD, parse

Captured = pytest.CaptureFixture[str]


def test_defaults(policies: Path) -> None:
    """With nothing but policies it listens on port 8080 of this machine alone, and logs nothing of its own."""
    prepared = parse("--policies", policies).prepared
    assert [description for description, _ in prepared.endpoints["listen"]] == [DEFAULT_LISTEN]
    assert DEFAULT_LISTEN == "tcp:8080:interface=127.0.0.1"
    settings = prepared.settings
    assert (settings.decision_ttl, settings.max_body, settings.idle_timeout, settings.workers) == (5, 2**20, 60, 1)
    assert settings.drain_timeout == 10
    assert [settings.snapshot, settings.access_log, settings.json_log, prepared.json_log] == [None, None, None, None]


def test_listen_repeatedly(policies: Path) -> None:
    """It listens on each endpoint that is named, in that order, and not on that of the default."""
    options = parse("-p", policies, "--listen", "tcp:1", "-l", "unix:/tmp/a.sock", r"--listen=tcp:2:interface=\:\:1")
    described = [text for text, _ in options.prepared.endpoints["listen"]]
    assert described == ["tcp:1", "unix:/tmp/a.sock", r"tcp:2:interface=\:\:1"]


def test_all_mistakes_of_values(policies: Path) -> None:
    """Everything that is wrong with the values of options is reported at once, a line each."""
    wrong = "--workers 0 --decision-ttl -1 --log-origins bad --instance= --snapshot="
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, *wrong.split())
    lines = str(caught.value).splitlines()
    assert sorted(line.split()[0] for line in lines) == [
        "--decision-ttl",
        "--instance",
        "--log-origins",
        "--snapshot",
        "--workers",
    ]


def test_all_mistakes_of_combinations() -> None:
    """Everything that is wrong with how options go together is reported at once, a line each."""
    with pytest.raises(UsageError) as caught:
        parse(
            *[
                "--max-snapshot-age",
                "1",
                "--metrics-listen",
                "tcp:0",
                "--no-metrics",
                "--report-token",
                "t",
                "--unsigned",
            ]
        )
    assert len(str(caught.value).splitlines()) == 5


def test_mistakes_under_twist(policies: Path, capsys: Captured) -> None:
    """Under twist, each mistake is a line on standard error, and one in the log as JSON."""
    options, log = Options(), policies.with_name("log.json")
    options.parent = options
    with pytest.raises(SystemExit):
        options.parseOptions(["--json-log", str(log), "--workers", "0", "--decision-ttl", "x"])
    *lines, last = capsys.readouterr().err.splitlines()
    assert [line.split(" must")[0] for line in lines] == ["twist cors: --decision-ttl", "twist cors: --workers"]
    assert (last, len(log.read_text().splitlines())) == ("Help: twist cors --help", 2)


def test_help(capsys: Captured) -> None:
    """The help names every option, and each of its lines can be read on a terminal."""
    with pytest.raises(SystemExit) as end:
        parse("--help")
    out = capsys.readouterr().out
    assert not end.value.code
    for name in (
        "policies",
        "listen",
        "decision-ttl",
        "max-body",
        "snapshot",
        "access-log",
        "json-log",
        "check",
        "auth",
    ):
        assert f"--{name}" in out


BAD_OPTIONS = [
    "--listen tcp:99999",
    "--listen tcp:65536",
    "--listen tcp:-1",
    "--listen tcp:x",
    "--listen tcp:",
    "--listen tcp",
    "--listen tcp6:99999",
    "--listen tcp:1:2:3:4",
    "--listen tcp:0:nonsense=1",
    "--listen tcp:0:backlog=x",
    "--listen nonsense",
    "--listen 8080",
    "--listen http://localhost:8080",
    "--listen=",
    "--listen :8080",
    "--listen unix",
    "--listen unix:",
    "--listen unix:/tmp/a:mode=x",
    "--listen ssl:443:privateKey=/absent.pem",
    "--listen tls:/absent:tcp:443",
    "--listen https",
    "--listen https:8443",
    "--listen https:8443:key=/absent:cert=/absent",
    "--listen https:8443:privateKey=/absent",
    "--listen systemd:domain=INET:index=0",
    "--listen tcp:0 --listen tcp:x",
    "--decision-ttl -1",
    "--decision-ttl 0.5",
    "--decision-ttl x",
    "--decision-ttl=",
    "--decision-ttl nan",
    "--decision-ttl 3601",
    "--host http://cors.internal",
    "--host=",
    "--operator-listen tcp:x",
    "--operator-listen stdio: --workers 2",
    "--metrics-listen tcp:x",
    "--metrics-listen stdio: --workers 2",
    "--metrics-listen tcp:0 --no-metrics",
    "--policies postgresql://user:secret@db/cors",
    "--policies postgresql://user:sec/secret?a@db/cors",
    "--policies postgresql://db/cors?password=secret",
    "--policies etcd://root:secret@db:2379/cors",
    "--shadow postgresql://db/secret",
    "--confirm-interval 0",
    "--confirm-interval nan",
    "--max-stale 60",
    "--accept-rollback",
    "--policies-key key.pub",
    "--unsigned",
    "--policies-key-threshold 0",
    "--policies-key key.pub --unsigned --policies https://example.com/policies.json",
    "--max-body -1",
    "--max-body 1.5",
    "--max-body 1M",
    "--max-body 1e6",
    "--max-body 100000000000000000000",
    "--max-head -1",
    "--max-head x",
    "--max-head-lines -1",
    "--max-head-lines x",
    "--max-connections 0",
    "--max-connections -1",
    "--max-connections x",
    "--request-timeout -1",
    "--request-timeout nan",
    "--request-timeout x",
    "--idle-timeout -0.1",
    "--idle-timeout nan",
    "--idle-timeout inf",
    "--idle-timeout -inf",
    "--idle-timeout x",
    "--idle-timeout 0",
    "--drain-timeout -1",
    "--drain-timeout nan",
    "--drain-timeout inf",
    "--drain-timeout x",
    "--workers 0",
    "--workers -1",
    "--workers 257",
    "--workers 1.5",
    "--workers x",
    "--workers=",
    "--listen stdio: --workers 2",
    "--json-log /absent/log.json",
    "--json-log /",
    "--access-log /absent/access.log",
    "--access-log /",
    "--snapshot /absent/snapshot.json",
    "--decision-log /absent/decisions.log",
    "--decision-log /",
    "--log-interval 0",
    "--log-interval x",
    "--log-lines 0",
    "--log-lines 10001",
    "--log-origins none",
    "--log-sample -0.1",
    "--log-sample 1.1",
    "--log-sample x",
    "--log-sample 0.1",
    "--report-to http://127.0.0.1",
    "--report-to ftp://127.0.0.1 --report-spool spool",
    "--report-to http://alice:secret@127.0.0.1 --report-spool spool",
    "--report-spool spool",
    "--report-spool /absent/spool --report-to http://127.0.0.1",
    "--report-spool-size 0",
    "--report-token /absent/token --report-to http://127.0.0.1 --report-spool spool",
    "--report-token /dev/null --report-to http://127.0.0.1 --report-spool spool",
    "--report-token token",
    "--nonsense",
    "--policies=",
    "--auth=",
    "--snapshot=",
    "--decision-log=",
    "--report-to=",
    "--instance=",
    f"--instance {'x' * 257}",
    "--instance eu\n1",
]


@pytest.mark.parametrize("arguments", BAD_OPTIONS)
def test_bad_option(policies: Path, arguments: str) -> None:
    """Whatever is wrong with the options is one line, which names the option and no password."""
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, *arguments.split(" "))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    assert arguments.split(" ", maxsplit=1)[0].partition("=")[0] in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "enforcement" not in str(caught.value)


NO_ENDPOINTS = {
    "tcp:abc": "the port is not a number from 0 to 65535",
    "tcp:": "the port is missing",
    "tcp": "the port is missing",
    "tcp6:port=x": "the port is not a number from 0 to 65535",
    "haproxy:tcp:x": "the port is not a number from 0 to 65535",
    "tcp:99999": "the port is not a number from 0 to 65535",
    "tcp:1:2:3:4": "tcp: takes no more than 3 arguments",
    "tcp:0:nonsense=1": "tcp: has no nonsense=",
    "tcp:0:backlog=x": "the backlog is not a number",
    "8080": "Write tcp:8080 to listen on every address, or tcp:8080:interface=127.0.0.1.",
    "127.0.0.1:8080": "Write tcp:8080:interface=127.0.0.1.",
    ":8080": "Write tcp:8080.",
    "/run/cors.sock": "Write unix:/run/cors.sock.",
    "localhost:8080": "there is no kind of endpoint 'localhost'",
    "unix:x:mode=999": "the mode is not an octal number such as 660",
    "unix:x:999": "the mode is not an octal number such as 660",
    "unix:": "the path is missing",
    "systemd:domain=INET:index=0": "systemd passed no such socket. Is its socket unit started?",
    "systemd:domain=INET:name=x": "systemd passed no such socket. Is its socket unit started?",
    "systemd:domain=INET": "it needs either index= or name=",
    "systemd:domain=IN:index=0": "the domain is not INET, INET6 or UNIX",
    "ssl:8443": "its key and certificate are missing. Write ssl:8443:privateKey=FILE:certKey=FILE.",
    "ssl:8443:privateKey=/absent.pem": "/absent.pem can't be read: No such file or directory.",
}


@pytest.mark.parametrize("text", NO_ENDPOINTS)
def test_why_no_endpoint(policies: Path, text: str) -> None:
    """What is wrong with an endpoint is said as the operator knows it, without words of Python's."""
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, "--listen", text)
    assert f"--listen {text} is not an endpoint: {NO_ENDPOINTS[text]}" in str(caught.value)
    assert not re.search(r"Error|invalid literal|argument:|_parse|Errno", str(caught.value))


@pytest.mark.parametrize("text", ["tc\np:1", "unix:/tmp/a\nb:mode=x"], ids=ascii)
def test_bad_option_of_several_lines(policies: Path, text: str) -> None:
    """What is wrong with an endpoint is one line, even if the description has several."""
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, "--listen", text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("option", ["--listen", "--operator-listen", "--metrics-listen"])
def test_empty_endpoint(policies: Path, option: str) -> None:
    """An empty endpoint, as the image has it, is refused with what to write for this machine, and for all."""
    with pytest.raises(UsageError, match=rf"^{option} is empty; write {DEFAULT_LISTEN}, or tcp:8080 to .*\.$"):
        parse("--policies", policies, f"{option}=")


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("--json-log", "--decision-log"),
        ("--access-log", "--json-log"),
        ("--snapshot", "--json-log"),
        ("--json-log", "--policies"),
        ("--access-log", "--shadow"),
        ("--decision-log", "--auth"),
    ],
)
def test_clash(policies: Path, written: str, other: str) -> None:
    """A file that is written is named by one option alone; what is in it stays as it is."""
    path = policies if other == "--policies" else policies.with_name("file")
    with pytest.raises(UsageError, match=f"^{written} and {other} name the same file: '.*{path.name}'.$"):
        parse("--policies", policies, other, path, written, f"{path.parent}/./{path.name}")
    assert policies.read_text() == GOOD


def test_written_among_the_policies(policies: Path) -> None:
    """A file that is written is no document in the directory of the policies; another file may be there."""
    parse("--policies", policies.parent, "--access-log", policies.with_name("log"))
    with pytest.raises(UsageError, match=r"^--json-log would be read as a document of --policies: "):
        parse("--policies", policies.parent, "--json-log", policies.with_name("log.json"))


def test_a_bad_option_beside_a_clash(policies: Path, capsys: Captured) -> None:
    """The reason of a refused start is not written into the policies, even if the log as JSON is to be there."""
    options = Options()
    options.parent = options  # as under twist
    with pytest.raises(SystemExit):
        options.parseOptions(["--policies", str(policies), "--json-log", str(policies), "--nonsense"])
    assert "--nonsense" in capsys.readouterr().err
    assert policies.read_text() == GOOD


def test_devices_may_be_shared(policies: Path) -> None:
    """Several logs may go to the same device."""
    parse("--policies", policies, "--decision-log", "/dev/null", "--access-log", "/dev/null")


def test_the_last_value_counts(policies: Path) -> None:
    """Of an option that is given twice the last value counts: the image is told its policies so."""
    assert parse("--policies", "/absent", "--policies", policies).prepared.settings.policies == str(policies)


@pytest.mark.parametrize(
    ("meant", "said"),
    [
        ("--polices", "option --polices not recognized. Did you mean --policies?"),
        ("--decision_log", "option --decision_log not recognized. Did you mean --decision-log?"),
        ("--nonsense", "option --nonsense not recognized"),
        ("--snapshot", "option --snapshot requires argument"),
    ],
)
def test_hint(meant: str, said: str) -> None:
    """An option that does not exist is refused with the one that was probably meant."""
    with pytest.raises(UsageError) as caught:
        parse(meant)
    assert str(caught.value) == said


def test_no_arguments(policies: Path) -> None:
    """An argument that is not an option is refused in one line, which has it."""
    with pytest.raises(UsageError, match=r"^What is 'nonsense'\? [^\n]+$"):
        parse("--policies", policies, "nonsense")


def test_policies_are_missing() -> None:
    """Without policies there is nothing to serve, and one line says so."""
    with pytest.raises(UsageError, match=r"^--policies is missing.*$"):
        parse()


@pytest.mark.parametrize(
    "arguments",
    [
        "--decision-ttl 0",
        "--max-body 1",
        "--idle-timeout 1.5",
        "--drain-timeout 0",
        "--drain-timeout 0.5",
        "--listen tcp:0",
        "--listen tcp:65535",
        "--listen tcp6:0",
        "--listen unix:/tmp/cors.sock:mode=660",
        "--listen haproxy:tcp:0",
        "--workers 1",
        "--workers 256",
        "--workers 2 --listen unix:/tmp/cors.sock --listen haproxy:tcp:0",
        "--access-log -",
        "--json-log -",
        "--decision-log -",
        "--log-interval 0.1 --log-lines 10000 --log-origins site --log-sample 1 --decision-log -",
        "--log-origins hashed --log-sample 0",
        "--report-to https://admin.internal --report-spool spool --report-spool-size 1 --instance eu-1",
    ],
)
def test_good_option(policies: Path, arguments: str) -> None:
    """Values at the limits of what is allowed are allowed."""
    assert parse("--policies", policies, *arguments.split(" ")).prepared.endpoints
