"""Tests of who may ask a service that runs as operators run it: by certificate, by token, and as their files change."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.certificates import Authority, Signed, written
from tests.e2e.daemons import DEADLINE, TWIST, Process, Service, wait_for
from tests.e2e.requirements import need
from tests.store.store_texts import toml

ASKED = "/v1/decision?policy=one&origin=https://one.example"


def token(name: str, *verbs: str, more: str = "") -> str:
    """The entry of a token that is called as it is."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f'[[tokens]]\nname = "{name}"\nsha256 = "{digest}"\nverbs = {json.dumps(verbs)}\n{more}'


GATEWAY = '[[certificates]]\nsubject = "CN=gateway"\nverbs = ["decide"]\n'
AUTH = token("operator", "decide", "read") + token("team", "decide", more='policies = ["two"]\n') + GATEWAY


class Got(NamedTuple):
    """What curl got.

    Attributes:
        status: The status; 0 for none.
        version: The version of HTTP.
        said: What curl says of its failure.
        body: The body.
    """

    status: int
    version: str
    said: str
    body: str


class House:
    """A directory with a policy, keys, certificates, and who may ask.

    Attributes:
        path: The directory.
        authority: Signs the certificate of the service, and those of clients.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = Authority("the authority")
        (path / "policies.toml").write_text(toml("one", "two"))
        (path / "auth.toml").write_text(AUTH)
        (path / "ca.crt").write_bytes(self.authority.certificate)
        written(path, self.authority.sign("service"))
        self.client("gateway", self.authority.sign("gateway"))

    def client(self, name: str, signed: Signed) -> None:
        """Write the key and the certificate of a client."""
        written(self.path, signed, name)

    @property
    def listen(self) -> str:
        """Where the service listens."""
        return "https:0:interface=127.0.0.1:key=service.key:cert=service.crt:clientCA=ca.crt"

    def curl(self, port: int, target: str, client: str | None = "gateway", *more: str) -> Got:
        """Ask with curl, which shows a client's certificate."""
        [program] = need("curl")
        shows = [] if client is None else ["--cert", f"{client}.crt", "--key", f"{client}.key"]
        told = "\\n%{http_code} %{http_version}"
        done = subprocess.run(
            [program, "-sS", "--cacert", "ca.crt", *shows, "-w", told, *more, f"https://127.0.0.1:{port}{target}"],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        body, _, last = done.stdout.rpartition("\n")
        status, version = last.split()
        return Got(int(status), version, done.stderr.strip(), body)

    def shown(self, port: int) -> bytes:
        """The certificate that the service shows, as PEM."""
        context = ssl.create_default_context(cafile=str(self.path / "ca.crt"))
        context.load_cert_chain(self.path / "gateway.crt", self.path / "gateway.key")
        with (
            socket.create_connection(("127.0.0.1", port), DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"").encode()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Give a directory to start a service in."""
    return House(tmp_path)


Start = Callable[..., Service]


@pytest.fixture
def fail(house: House) -> Iterator[Callable[..., Process]]:
    """Give a function that starts what ends by itself; it is ended with the test in any case."""
    processes: list[Process] = []

    def begin(*words: str) -> Process:
        processes.append(Process([*TWIST, "--policies", "policies.toml", *words], house.path))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    """Give a function that starts a service, and waits until it serves; it is ended with the test."""
    services: list[Service] = []

    def begin(workers: int = 1) -> Service:
        words = ["--policies", "policies.toml", "--auth", "auth.toml", "--listen", house.listen]
        service = Service([*TWIST, *words, "--workers", str(workers)], house.path)
        services.append(service)
        if workers > 1:
            service.said(r"\[worker .\] Listening on", workers)
        return service

    yield begin
    for service in services:
        service.kill()


EACH = pytest.mark.parametrize("workers", [1, 2])


@EACH
def test_certificates(house: House, start: Start, workers: int) -> None:
    """Only clients with a certificate of the authority come in, over TLS 1.2 and later, and by HTTP/1.1."""
    house.client("other", house.authority.sign("other"))
    house.client("foreign", Authority("the authority").sign("gateway"))
    house.client("expired", house.authority.sign("gateway", hours=-1))
    port = start(workers).port
    assert house.curl(port, ASKED).status == 200
    assert house.curl(port, ASKED, "gateway", "--tls-max", "1.2").status == 200
    assert house.curl(port, ASKED, "gateway", "--http2").version == "1.1"
    # It is known, and has not the verb; this one is not known.
    assert [house.curl(port, "/v1/status", client).status for client in ("gateway", "other")] == [403, 401]
    assert house.curl(port, "/livez", "other").status == 200
    metadata = json.loads(house.curl(port, "/.well-known/authzen-configuration").body)
    assert metadata["policy_decision_point"] == f"https://127.0.0.1:{port}"
    refused = {
        client: house.curl(port, "/livez", None if client == "none" else client)
        for client in ("none", "foreign", "expired")
    }
    assert {got.status for got in refused.values()} == {0}
    assert "certificate required" in refused["none"].said
    assert "certificate expired" in refused["expired"].said
    old = house.curl(port, "/livez", "gateway", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    assert (old.status, "protocol version" in old.said) == (0, True)


@EACH
def test_tokens(house: House, start: Start, workers: int) -> None:
    """A token has its verbs and its policies, whatever the certificate; the log and the status do not tell it."""
    house.client("other", house.authority.sign("other"))
    service = start(workers)

    def ask(target: str, shown: str, header: str = "Authorization: Bearer") -> int:
        return house.curl(service.port, target, "other", "-H", f"{header} {shown}").status

    assert (ask(ASKED, "operator"), ask("/v1/status", "operator")) == (200, 200)
    assert ask("/v1/auth-request/one", "operator", "X-Cors-Token:") == 200
    assert (ask(ASKED, "team"), ask(ASKED.replace("one", "two"), "team"), ask("/v1/status", "team")) == (403, 200, 403)
    assert ask(ASKED, "hunter2") == 401
    status = house.curl(service.port, "/v1/status", "other", "-H", "Authorization: Bearer operator").body
    told = "\n".join([status, *service.out, *service.err])
    assert "hunter2" not in told
    assert json.loads(status)["access"]["tokens"] == 2


@EACH
def test_changed_certificates(house: House, start: Start, workers: int) -> None:
    """New certificates and another authority hold from SIGHUP on; bad ones change nothing, and the log says so."""
    service = start(workers)
    before = house.shown(service.port)
    (house.path / "service.key").write_text("nonsense")
    service.signal(signal.SIGHUP)
    service.said("keeps its certificates: key=service.key is not a private key", workers)
    assert house.shown(service.port) == before

    new = house.authority.sign("service")
    written(house.path, new)
    service.signal(signal.SIGHUP)
    service.said("has read its certificates", workers)
    assert house.shown(service.port) == new.certificate != before

    other = Authority("another authority")
    (house.path / "ca.crt").write_bytes(house.authority.certificate + other.certificate)
    house.client("gateway-2", other.sign("gateway"))
    assert house.curl(service.port, ASKED, "gateway-2").status == 0
    service.signal(signal.SIGHUP)
    service.said("has read its certificates", 2 * workers)
    assert house.curl(service.port, ASKED, "gateway-2").status == 200


@EACH
def test_changed_access(house: House, start: Start, workers: int) -> None:
    """Who may ask is read again as it changes; a bad file takes nobody's right away, and is loud."""
    service = start(workers)
    path = house.path / "auth.toml"

    def status(shown: str) -> Any:
        got = house.curl(service.port, "/v1/status", "gateway", "-H", f"Authorization: Bearer {shown}")
        return json.loads(got.body)["access"] if got.status == 200 else got.status

    path.write_text(AUTH.replace("[[tokens]]", "[[token]]", 1))
    service.said("mistakes? in auth.toml; who could ask before still can", workers)
    assert status("operator")["stale"]
    assert [mistake["code"] for mistake in status("operator")["mistakes"]] == ["unknown-key"]

    path.write_text(token("newcomer", "read"))
    service.said("auth.toml says who may ask: 1 token, 0 certificates", workers)
    assert (status("operator"), status("newcomer")["stale"]) == (401, False)
    assert house.curl(service.port, ASKED).status == 401

    path.write_text(AUTH)
    service.signal(signal.SIGHUP)
    wait_for(lambda: status("newcomer") == 403 and status("operator") != 403, "the reload")


def test_worker_that_starts_while_the_file_is_bad(house: House, start: Start) -> None:
    """A worker that takes another's place while the file is bad goes by what the others go by."""
    service = start(2)
    (house.path / "auth.toml").write_text("nonsense")
    service.said("mistakes? in auth.toml; who could ask before still can", 2)
    shown = "-H", "Authorization: Bearer operator"
    status = json.loads(house.curl(service.port, "/v1/status", "gateway", *shown).body)
    os.kill(status["workers"][0]["pid"], signal.SIGKILL)
    service.said(r"\[worker 1\] Listening on", 2)
    service.said(r"\[worker 1\] 1 mistake in auth.toml", 2)

    def answered() -> bool:
        got = house.curl(service.port, "/v1/status", "gateway", *shown)
        assert got.status == 200
        return bool(json.loads(got.body)["worker"] == 1)

    wait_for(answered, "an answer of the new worker")


@pytest.mark.parametrize("more", [[], ["--check"], ["--workers=2"]])
def test_start_with_mistakes(house: House, fail: Callable[..., Process], more: list[str]) -> None:
    """A start with a bad file is refused, with every mistake on standard error; --check tells the same."""
    (house.path / "auth.toml").write_text(AUTH + token("x y", "wirte"))
    process = fail("--auth", "auth.toml", *more)
    assert process.ends() == 1
    told = [line.split(":")[:2] for line in process.err[:2]]
    assert told == [["auth.toml", "14"], ["auth.toml", "16"]]
    assert process.err[2] == "2 mistakes in who may ask."


@pytest.mark.parametrize(
    ("listen", "told"),
    [
        ("https:0:cert=service.crt", "--listen https:0:cert=service.crt: key= is missing"),
        ("https:0:key=absent:cert=service.crt", "key=absent can't be read: No such file or directory."),
        ("https:0:key=gateway.key:cert=service.crt", "key=gateway.key does not belong to the first certificate"),
        ("https:0:key=service.key:cert=service.crt:clientCA=auth.toml", "clientCA=auth.toml has no certificate"),
    ],
)
def test_wrong_endpoints(fail: Callable[..., Process], listen: str, told: str) -> None:
    """A wrong endpoint is a line on standard error, and no service."""
    process = fail("--listen", listen)
    assert process.ends() > 0
    lines = process.out + process.err
    assert any(told in line for line in lines)
    assert not any("Traceback" in line for line in lines)
