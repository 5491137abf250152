"""Tests of the endpoint for HTTPS: its descriptions, its handshakes, and that a bad file never replaces a good one."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory

from cors_service.server.https import BACKLOG, HTTPSServerEndpoint, WrongEndpoint
from tests.certificates import Authority, Signed, written
from tests.observing import observed_by

AUTHORITY = Authority("the authority")
SIGNED, OTHER = AUTHORITY.sign("service"), AUTHORITY.sign("service")
DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a directory with a key, a certificate and that of an authority."""
    written(tmp_path, SIGNED)
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.certificate)
    return tmp_path


def described(files: Path, port: str = "0", **more: str) -> str:
    """A description of an endpoint."""
    arguments = {"key": str(files / "service.key"), "cert": str(files / "service.crt"), **more}
    return ":".join(["https", port, *(f"{name}={value}" for name, value in arguments.items() if value != "-")])


def endpoint(files: Path, reactor: Any = None, **more: str) -> HTTPSServerEndpoint:
    """Make an endpoint as options do."""
    made = serverFromString(reactor or MemoryReactorClock(), described(files, **more))
    assert isinstance(made, HTTPSServerEndpoint)
    return made


def test_listens(files: Path) -> None:
    """It listens where it is told to, with a queue that takes a burst, and speaks TLS."""
    reactor = MemoryReactorClock()
    for more in ({}, {"interface": "127.0.0.1", "backlog": "7"}):
        endpoint(files, reactor, port="8443", **more).listen(Factory())
    assert [(server[0], *server[2:]) for server in reactor.tcpServers] == [
        (8443, BACKLOG, ""),
        (8443, 7, "127.0.0.1"),
    ]
    assert all(isinstance(server[1], TLSMemoryBIOFactory) for server in reactor.tcpServers)


def encrypted(path: Path) -> None:
    """Encrypt a key with a password."""
    key: Any = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")))


def fifo(path: Path) -> None:
    """Put a fifo in the place of a file, to which nobody writes."""
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    """Put a directory in the place of a file."""
    path.unlink()
    path.mkdir()


Change = Callable[[Path], object]
WRONG_FILES: dict[str, tuple[str, Change, str]] = {
    "no key": ("service.key", Path.unlink, "key=.* can't be read: No such file"),
    "a key that is none": ("service.key", lambda path: path.write_text("x"), "is not a private key in PEM"),
    "a key with a password": ("service.key", encrypted, "is not a private key in PEM without a password"),
    "another key": (
        "service.key",
        lambda path: path.write_bytes(OTHER.key),
        "does not belong to the first certificate",
    ),
    "a fifo": ("service.key", fifo, "it is not a regular file"),
    "a directory": ("ca.crt", directory, "clientCA=.* can't be read"),
    "no certificate": ("service.crt", lambda path: path.write_bytes(SIGNED.key), "cert=.* has no certificate in PEM"),
    "half a certificate": (
        "service.crt",
        lambda path: path.write_bytes(SIGNED.certificate.replace(b"M", b"", 3)),
        "cert=.* has a certificate that can't be read",
    ),
    "no authority": ("ca.crt", lambda path: path.write_text(""), "clientCA=.* has no certificate in PEM"),
}


@pytest.mark.parametrize(("name", "change", "told"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_wrong_files(files: Path, name: str, change: Change, told: str) -> None:
    """A file that can't be used is told in one line, which names its argument."""
    change(files / name)
    with pytest.raises(WrongEndpoint, match=told) as caught:
        endpoint(files, clientCA=str(files / "ca.crt"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "change", "told"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_reload_of_wrong_files(files: Path, name: str, change: Change, told: str) -> None:
    """Where a file can't be used any more, all that was read before stays, and the log says why."""
    made = endpoint(files, clientCA=str(files / "ca.crt"))
    before = made._credentials._options
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    change(files / name)
    with observed_by(note):
        made.reload()
    assert made._credentials._options is before
    assert len(lines) == 1
    assert "https:0 keeps its certificates: " in lines[0]


def test_all_wrong_files(files: Path) -> None:
    """Everything that is wrong with the files is told at once."""
    for name in ("service.key", "service.crt", "ca.crt"):
        (files / name).unlink()
    with pytest.raises(WrongEndpoint, match=r"^key=.* can't be read: .* cert=.* can't be read: .* clientCA=.*$"):
        endpoint(files, clientCA=str(files / "ca.crt"))


def test_reload(files: Path) -> None:
    """What is read again is what new connections get."""
    made = endpoint(files)
    before = made._credentials._options
    written(files, OTHER)
    made.reload()
    after: Any = made._credentials._options
    assert after is not before
    assert after.certificate.public_bytes(Encoding.PEM) == OTHER.certificate


def test_reload_of_an_expired_certificate(files: Path) -> None:
    """A certificate that has expired replaces none that is valid, and the log says when it did."""
    made = endpoint(files)
    before = made._credentials._options
    written(files, AUTHORITY.sign("service", hours=-1))
    lines: list[str] = []
    with observed_by(lambda event: lines.append(formatEvent(event))):
        made.reload()
    assert made._credentials._options is before
    [line] = lines
    assert re.fullmatch(rf"https:0 keeps its certificates: cert={files}/service.crt expired on {DATE}\.", line)


def test_reload_where_none_is_valid(files: Path) -> None:
    """What has expired as well is replaced: the operator knows no better."""
    written(files, AUTHORITY.sign("service", hours=-1))
    made = endpoint(files)
    before = made._credentials._options
    written(files, AUTHORITY.sign("service", hours=-2))
    made.reload()
    assert made._credentials._options is not before


WRONG = {
    "https": "the port is missing",
    "https:": "the port is missing",
    "https:x": "key= is missing",
    "https:1:key=/k": "cert= is missing",
    "https:1:key=:cert=/c": "key= is missing",
    "https:1:2": "What is '2'",
    "https:1:keys=/k": "There is no keys=",
    "https:1:port=2:key=/k:cert=/c": "key=/k can't be read",
    "https:1:key=/k:cert=/c:clientCA=": "clientCA= names no file",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items(), ids=WRONG)
def test_wrong_descriptions(text: str, told: str) -> None:
    """A description that is wrong is told in one line, which says what to write."""
    with pytest.raises(WrongEndpoint, match=told) as caught:
        serverFromString(MemoryReactorClock(), text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", [{"port": "65536"}, {"port": "-1"}, {"port": "x"}, {"backlog": "x"}, {"port": "９"}])
def test_wrong_numbers(files: Path, more: dict[str, str]) -> None:
    """A port and a queue are numbers of the size that they may have."""
    with pytest.raises(WrongEndpoint, match="is not a number"):
        endpoint(files, **more)


def test_missing_library(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries for TLS, the line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "OpenSSL", None)
    with pytest.raises(WrongEndpoint, match=r'pip install "cors-service\[tls\]"'):
        endpoint(files)


def handshake(made: HTTPSServerEndpoint, client: ssl.SSLContext) -> tuple[str | None, str | None, bytes]:
    """Shake hands in memory; give version and protocol, and the certificate of the server.

    Raises:
        ssl.SSLError: The client did not like what it saw, or the server said that it did not.
    """
    from OpenSSL.SSL import Error, WantReadError

    server = made._credentials.serverConnectionForTLS(None)  # type: ignore[arg-type]
    server.set_accept_state()
    factory: Any = TLSMemoryBIOFactory(made._credentials, False, Factory(), MemoryReactorClock())
    server.set_app_data(SimpleNamespace(factory=factory))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    for _ in range(6):
        for step in (connection.do_handshake, lambda: connection.read(1)):
            try:
                step()
            except ssl.SSLWantReadError:
                break
        if data := outgoing.read():
            server.bio_write(data)
        with suppress(WantReadError, Error):
            server.do_handshake()
        with suppress(WantReadError):
            incoming.write(server.bio_read(1 << 16))
    return connection.version(), connection.selected_alpn_protocol(), connection.getpeercert(binary_form=True) or b""


def client_of(files: Path, shows: Signed | None = None) -> ssl.SSLContext:
    """A client that believes the authority."""
    context = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
    if shows is not None:
        key, certificate = written(files, shows, "client")
        context.load_cert_chain(certificate, key)
    return context


def test_protocols(files: Path) -> None:
    """It speaks HTTP/1.1 over TLS 1.2 and later, and nothing else."""
    made = endpoint(files)
    context = client_of(files)
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(made, context)[:2] == ("TLSv1.3", "http/1.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(made, context)[:2] == ("TLSv1.2", "http/1.1")
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(made, context)


def test_clients(files: Path) -> None:
    """Where an authority of clients is named, only those that it has signed come through the handshake."""
    made = endpoint(files, clientCA=str(files / "ca.crt"))
    assert handshake(made, client_of(files, AUTHORITY.sign("gateway")))[0] == "TLSv1.3"
    for shows, told in [
        (None, "CERTIFICATE_REQUIRED"),
        (Authority("another").sign("gateway"), "UNKNOWN_CA"),
        (Authority("the authority").sign("gateway"), "UNKNOWN_CA|DECRYPT_ERROR"),
        (AUTHORITY.sign("gateway", hours=-1), "EXPIRED"),
    ]:
        with pytest.raises(ssl.SSLError, match=told):
            handshake(made, client_of(files, shows))


def test_no_authority_of_clients(files: Path) -> None:
    """Where none is named, clients need no certificate."""
    assert handshake(endpoint(files), client_of(files))[0] == "TLSv1.3"


def test_chain(files: Path) -> None:
    """What stands behind the first certificate of the file is sent with it."""
    (files / "service.crt").write_bytes(SIGNED.certificate + AUTHORITY.certificate)
    made = endpoint(files)
    assert len(made._credentials._options.extraCertChain) == 1
    assert handshake(made, client_of(files))[2] == ssl.PEM_cert_to_DER_cert(SIGNED.certificate.decode())
