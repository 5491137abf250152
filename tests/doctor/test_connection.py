"""Real connections: every line as it came, nothing followed, and no site can hold the doctor up."""

from __future__ import annotations

import itertools
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.doctor.connection import MOST_HEAD, USER_AGENT, Connector, UnreachableError, parse_head
from cors_service.doctor.exchanges import Answer, Lines, Question, Role
from tests.certificates import Authority, written
from tests.doctor.listeners import Answering, listening, saying
from tests.doctor.sites import PAGE, request

PIECES = (
    b"HTTP/1.1 200 OK",
    b"http",
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"Content-Length: ",
    b"1",
    b"Location: ",
)
LINES = (("Origin", PAGE), ("X-Shop", "7"))


def ask(
    port: int, *, scheme: str = "http", host: str = "127.0.0.1", seconds: float = 30, method: str = "GET"
) -> Answer:
    """Ask what listens on a port."""
    question = Question(Role.ACTUAL, request(), method, f"{scheme}://{host}:{port}/orders/7?a=b", LINES)
    return Connector(seconds).ask(question)


def asked(answering: Answering, seconds: float = 30) -> Answer:
    """Ask something."""
    with listening(answering) as port:
        return ask(port, seconds=seconds)


def why(answering: Answering, seconds: float = 30) -> str:
    """Ask something that gives no answer; give the sentence about it."""
    with pytest.raises(UnreachableError) as error:
        asked(answering, seconds)
    return str(error.value)


def test_lines_as_they_came() -> None:
    """Repeated lines stay apart, in their order, and each byte is kept, also those that end lines elsewhere."""
    head = b"HTTP/1.1 200 Fine\r\nA \t:1\r\nb: 2 \r\nA: \x85\x1b[2J\x0b\xff\r\nno colon\r\nc: x\r\n\ty\r\n\r\n{}"
    expected = (("A", "1"), ("b", " 2 "), ("A", " \x85\x1b[2J\x0b\xff"), ("c", " x y"))
    assert Answer(200, "Fine", expected) == asked(saying(head))


def test_bare_line_feeds() -> None:
    """Lines may end as they do on old servers."""
    assert Answer(200, "OK", (("A", " 1"),)) == asked(saying(b"HTTP/1.0 200 OK\nA: 1\n\nB: 2\r\n\r\n"))


def test_local_names() -> None:
    """A name below localhost is this machine, as browsers have it, whether the system knows it or not."""
    with listening(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as port:
        assert ask(port, host="shop.localhost").status == 204


def test_interim_answers() -> None:
    """What comes before the answer is not the answer."""
    text = (
        b"HTTP/1.1 103 Early Hints\r\nA: 1\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nB: 2\r\n\r\n"
    )
    assert Answer(204, "No Content", (("B", " 2"),)) == asked(saying(text))
    assert "interim" in why(saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 100))


def test_request() -> None:
    """A request says who sends it, has the lines that are asked for, and asks for one answer."""
    heads: list[bytes] = []

    def keep(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with listening(keep) as port:
        ask(port, method="PUT")
    [data] = heads
    assert data.decode().split("\r\n") == [
        "PUT /orders/7?a=b HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"User-Agent: {USER_AGENT}",
        f"Origin: {PAGE}",
        "X-Shop: 7",
        "Connection: close",
        "Content-Length: 0",
        "",
        "",
    ]


def test_endless_body() -> None:
    """A body without an end does not matter: the head is the answer."""

    def pour(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert asked(pour).status == 200


def test_silent_body() -> None:
    """Nor does one that never comes."""

    def wait(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        connection.recv(1)

    assert asked(wait).status == 200


def test_endless_head() -> None:
    """A head without an end is cut off."""

    def pour(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"a: b\r\n" * 10_000)

    assert why(pour) == f"The head of its answer is longer than {MOST_HEAD // 1024} KiB."


def test_slow_head() -> None:
    """A head that drips is given up in time, however lively it is."""

    def drip(connection: socket.socket, head: bytes) -> None:
        for number in itertools.count():
            connection.sendall(b"HTTP/1.1 200 OK\r\na: "[number : number + 1] or b"x")
            with suppress(TimeoutError):
                connection.settimeout(0.01)
                if not connection.recv(1):
                    return

    assert why(drip, 0.5).endswith("did not answer within 0.5 seconds.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "It closes the connection without an answer."),
        (b"HTTP/1.1 200 OK\r\nA: 1", "It closes the connection in the middle of the head."),
        (b"SSH-2.0-OpenSSH\x1b[2J\r\n\r\n", r"Its answer is not HTTP/1.1: it begins with 'SSH-2.0-OpenSSH\x1b[2J'."),
        (b"\r\n\r\n", "Its answer is not HTTP/1.1: it begins with ''."),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", "The head of its answer has a zero byte, which browsers refuse."),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n",
            "Its answer has several lines of content-length that differ, which browsers refuse.",
        ),
    ],
)
def test_no_answers(text: bytes, says: str) -> None:
    """What is not an answer is said in a sentence, which nothing of it can harm."""
    assert says == why(saying(text))


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=12).map(b"".join))
def test_any_head(head: bytes) -> None:
    """Any bytes are the head of an answer or are refused in a sentence, and what is kept of them was there."""
    said = ""
    lines: Lines = ()
    try:
        lines = parse_head(head).lines
    except UnreachableError as error:
        said = str(error)
    assert said.isprintable()
    assert all(name in head.decode("latin-1") for name, _ in lines)
    assert not any(char in value for _, value in lines for char in "\r\n\0")


def test_nobody_listens() -> None:
    """A port that refuses is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=rf"127\.0\.0\.1:{port} can't be reached: Connection refused\."):
        ask(port)


def test_no_such_name() -> None:
    """A name that nobody has is named."""
    with pytest.raises(UnreachableError, match=r"nobody\.invalid can't be resolved: "):
        ask(80, host="nobody.invalid")
    with pytest.raises(UnreachableError, match=r"can't be resolved: it is not a name"):
        ask(80, host=f"{'a' * 64}.invalid")


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS works as browsers have it: with a certificate of an authority that is trusted, and not without."""
    authority = Authority("ours")
    key, certificate = written(tmp_path, authority.sign("127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n"), context) as port:
        with pytest.raises(UnreachableError, match=r"The certificate of 127\.0\.0\.1 is not valid: .+\."):
            ask(port, scheme="https")
        (tmp_path / "ours.crt").write_bytes(authority.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.crt"))
        assert ask(port, scheme="https").status == 200
    says = pytest.raises(UnreachableError, match=r"127\.0\.0\.1")
    with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port, says:
        ask(port, scheme="https", seconds=0.5)
