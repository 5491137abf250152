"""Tests of `cors-service doctor`: what it prints, and its exit status."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import jsonschema_rs
import pytest
from twisted.internet.threads import deferToThread

from cors_service.cli import main
from cors_service.doctor.codes import Code
from cors_service.doctor.exchanges import Role
from cors_service.doctor.written import SCHEMA
from tests.answering import real
from tests.doctor.listeners import Answering, listening, saying
from tests.doctor.sites import PAGE, URL

GOOD = saying(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\r\n")
HOSTILE = saying(
    b"HTTP/1.1 200 \x1b]0;owned\x07\r\nAccess-Control-Allow-Origin: \x1b[2J\x9b31m\x7f\r\n"
    b"WWW-Authenticate: \x1b[8m\r\nServer: nginx\x1b[1A\r\nX-Cache: hit\x1b[1A\r\n\r\n"
)
Captured = pytest.CaptureFixture[str]


def status_of(*arguments: str) -> int:
    """Run the command, and give its exit status however it ends."""
    with pytest.raises(SystemExit) as end:
        sys.exit(main(["doctor", *arguments]))
    assert isinstance(end.value.code, int)
    return end.value.code


def examine(answering: Answering, *arguments: str) -> int:
    """Have it look at a site."""
    with listening(answering) as port:
        return status_of(f"http://127.0.0.1:{port}/orders/7", "--from", PAGE, *arguments)


def test_healthy(capsys: Captured) -> None:
    """Where nothing is wrong, it says so, shows what it judged by, and ends with 0."""
    assert examine(GOOD) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("healthy: nothing is wrong\n  > GET http://127.0.0.1:")
    assert f"\n  > Origin: {PAGE}\n  < 200 OK\n  < Access-Control-Allow-Origin: *\n\n6 requests to " in out
    assert out.endswith(f"A page of {PAGE} that uses GET can read the answer in Chromium.\n")


def test_fifteen_requests(capsys: Captured) -> None:
    """A site gets fifteen requests at most, however much there is to ask."""
    heads: list[bytes] = []

    def answer(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        allowed = f"Access-Control-Allow-Origin: {PAGE}\r\nAccess-Control-Allow-Methods: PUT\r\n".encode()
        is_page = f"\r\nOrigin: {PAGE}\r\n".encode() in head
        connection.sendall(b"HTTP/1.1 204 OK\r\nVary: Origin\r\n%b\r\n" % (allowed if is_page else b""))

    assert examine(answer, "-X", "PUT") == 0
    assert len(heads) == 15
    assert {head.split(b" ")[0] for head in heads} == {b"GET", b"OPTIONS"}
    assert "\n15 requests to " in capsys.readouterr().out


def test_not_sent(capsys: Captured) -> None:
    """It says that a method was not sent, and what it judged by instead."""
    assert examine(GOOD, "-X", "PUT") == 2
    out = capsys.readouterr().out
    assert out.startswith("method-missing: the method is not on the list\n  > OPTIONS http://127.0.0.1:")
    assert "\n  browser  Access to fetch at 'http://127.0.0.1:" in out
    assert "can NOT read the answer in Chromium, as far as a GET shows: PUT was not sent." in out


@pytest.mark.parametrize(
    ("browser", "name", "says"),
    [
        ("firefox", "Firefox", ["Did not find method in CORS header ‘Access-Control-Allow-Methods’)."]),
        (
            "webkit",
            "WebKit",
            [
                "Method PUT is not allowed by Access-Control-Allow-Methods.",
                "due to access control checks.",
            ],
        ),
    ],
)
def test_other_browsers(browser: str, name: str, says: list[str], capsys: Captured) -> None:
    """It speaks for another browser, and prints what that one's console prints, line by line."""
    assert examine(GOOD, "-X", "PUT", "--browser", browser) == 2
    out = capsys.readouterr().out
    begin = out.index("\n  browser  ")
    lines = out[begin + 1 : out.index("\n  mend")].splitlines()
    assert all(line.endswith(end) for line, end in zip(lines, says, strict=True))
    assert f"can NOT read the answer in {name}, " in out


def test_json(capsys: Captured) -> None:
    """For programs, it prints the findings and all that was asked, with the answers line by line."""
    assert examine(saying(b"HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\n\r\n"), "--json") == 2
    out = json.loads(capsys.readouterr().out)
    assert list(out) == ["findings", "requests"]
    [finding] = out["findings"]
    assert list(finding) == ["code", "evidence", "sentence", "mend"]
    assert finding["code"] == Code.ACAO_MISSING
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(out)
    first = out["requests"][0]
    assert (first["role"], first["method"], first["status"], first["answer"]) == (
        "actual",
        "GET",
        200,
        [["A", "1"], ["A", "2"]],
    )
    assert first["verdict"] == {"step": "acao-missing", "allowed": False}
    assert first["policy"] is None


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_limit(capsys: Captured, form: list[str]) -> None:
    """If most requests meet a limit, that is a finding, in either form: the site is not called healthy."""
    asked: list[bytes] = []

    def answer(connection: socket.socket, head: bytes) -> None:
        asked.append(head)
        is_page = f"\r\nOrigin: {PAGE}\r\n".encode() in head
        allowed = f"Access-Control-Allow-Origin: {PAGE}\r\n".encode() if is_page else b""
        status = b"200 OK" if len(asked) <= 3 else b"429 Too Many Requests"
        connection.sendall(b"HTTP/1.1 %b\r\nVary: Origin\r\n%b\r\n" % (status, allowed))

    assert examine(answer, *form) == 2
    out = capsys.readouterr().out
    assert "healthy" not in out
    assert "unanswered" in out
    assert "requests got 429: what other origins get is not known. Ask again later" in re.sub(r"\s+", " ", out)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_hostile_site(form: list[str], capsys: Captured) -> None:
    """Nothing that a site sends can do more to a terminal than to be read on it."""
    assert examine(HOSTILE, *form) == 2
    out, err = capsys.readouterr()
    assert all(char == "\n" or " " <= char <= "~" or (form and char == "\x7f") for char in out + err)


def test_unreachable(capsys: Captured) -> None:
    """Where nobody answers, it says why, asks no more, and ends with 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert status_of(f"http://127.0.0.1:{port}/", "--from", PAGE) == 1
    out = capsys.readouterr().out
    assert out.startswith("unreachable: no answer\n")
    assert f"\n  why      127.0.0.1:{port} can't be reached: Connection refused.\n" in out
    assert out.endswith(f"\n1 request to http://127.0.0.1:{port}/.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([URL], "the following arguments are required: --from"),
        ([URL, "--from", "https://a.example/"], "'https://a.example/' is not an origin: "),
        (["api.example.net", "--from", PAGE], "'api.example.net' is not a URL to ask: "),
        ([URL, "--from", PAGE, "-X", "CONNECT"], "'CONNECT' is not a method that a page can use."),
        ([URL, "--from", PAGE, "-H", "Host: a"], "'Host' is not a header that a page can set."),
        ([URL, "--from", PAGE, "--policy", "orders"], "--policy needs --service, which decides by it"),
        ([URL, "--from", PAGE, "--service", "nonsense"], "'nonsense' is not the address of a decision service; "),
    ],
)
def test_wrong_use(arguments: list[str], says: str, capsys: Captured) -> None:
    """Wrong use is two lines, before anybody is asked."""
    assert status_of(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"cors-service doctor: {says}")
    assert err.endswith("Help: cors-service doctor --help\n")
    assert len(err.splitlines()) == 2


def test_no_service(capsys: Captured) -> None:
    """If the service to compare with does not decide, that is an error, which names it."""
    with listening(saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")) as port:
        assert examine(GOOD, "--service", f"http://127.0.0.1:{port}") == 1
    assert f"cors-service doctor: The decision service at http://127.0.0.1:{port} can't be asked: " in (
        capsys.readouterr().err
    )


def test_schema() -> None:
    """The schema of what it prints for programs has every code and every role."""
    finding = SCHEMA["properties"]["findings"]["items"]["properties"]
    assert [code.value for code in Code] == finding["code"]["enum"]
    assert [role.value for role in Role] == SCHEMA["$defs"]["request"]["properties"]["role"]["enum"]


def test_large_answers(capsys: Captured) -> None:
    """What a site sends can't fill a terminal."""
    long = b"x, " * 50_000
    head = b"HTTP/1.1 401 No\r\nVia: %b\r\nWWW-Authenticate: %b\r\nAccess-Control-Allow-Origin: %b\r\n\r\n"
    assert examine(saying(head % (long, long[:50_000], long[:50_000]))) == 2
    assert len(capsys.readouterr().out) < 10_000


def test_page() -> None:
    """The page about the doctor has every code, in order, and the number of requests."""
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [
        line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.split("`")[1] in set(Code)
    ]
    assert [code.value for code in Code] == rows


async def test_policy(capsys: Captured) -> None:
    """Beside each request stands what the policy of a service says, and where the site differs that is a finding."""
    document = {"version": 1, "policies": {"orders": {"origins": ["https://b.example"]}}}
    allowing = saying(f"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: {PAGE}\r\n\r\n".encode())
    async with real(document) as there:
        options = ["--policy", "orders", "--service", f"http://127.0.0.1:{there.port}"]
        assert await deferToThread(examine, allowing, *options, "--json") == 2
        out = json.loads(capsys.readouterr().out)
        assert await deferToThread(examine, allowing, *options[:1], "nonsense", *options[2:]) == 1
        assert "does not decide: There is no policy 'nonsense'" in capsys.readouterr().err
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(out)
    [finding] = out["findings"]
    assert finding["code"] == Code.ACAO_OTHER
    assert finding["evidence"][-1] == (
        "= policy orders: refused [origin-not-allowed], Access-Control-Allow-Origin: none"
    )
    assert out["requests"][0]["policy"] == {
        "name": "orders",
        "allowed": False,
        "reason": "origin-not-allowed",
        "headers": [["Vary", "Origin"]],
        "differs": ["access-control-allow-origin"],
    }
