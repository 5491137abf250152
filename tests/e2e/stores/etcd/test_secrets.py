"""Who may read etcd: TLS, client certificates, users and passwords; each mistake is one sentence, without a secret."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from cors_service.etcd import EtcdSource, EtcdStore
from cors_service.ledger.kept import StoreUnavailable
from tests.answering import free_port
from tests.certificates import Authority, written
from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, Service, allows, ask, wait_for
from tests.e2e.stores.etcd.changes import FIRST, WIDER, Replica, changed
from tests.e2e.stores.etcd.members import Cluster, started, text64

PASSWORD = "correct-horse-battery"
SECRETS = (PASSWORD, "wrong-horse")


class Files:
    """Certificates, and files that name them.

    Attributes:
        directory: Where they are.
        authority: The path of the authority's certificate.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        made = Authority("the authority")
        self.authority = directory / "ca.crt"
        self.authority.write_bytes(made.certificate)
        self.server_key, self.server = written(directory, made.sign("etcd"), "server")
        self.key, self.client = written(directory, made.sign("replica"), "client")
        self.strange_key, self.strange = written(directory, Authority("another").sign("replica"), "strange")

    @property
    def context(self) -> ssl.SSLContext:
        """What the tests themselves speak."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.client, self.key)
        return context

    def credentials(self, text: str) -> Path:
        """Write a file of credentials."""
        path = self.directory / "credentials.toml"
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make certificates."""
    return Files(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a member that speaks TLS, with those alone who have a certificate."""
    arguments = ["--cert-file", str(files.server), "--key-file", str(files.server_key)]
    arguments += ["--client-cert-auth", "--trusted-ca-file", str(files.authority)]
    yield from started(Cluster(tmp_path_factory.mktemp("etcd") / "tls", arguments=arguments, context=files.context))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a member that knows its users, and forgets each second who has signed in."""
    directory = tmp_path_factory.mktemp("etcd")
    key, public = directory / "token.key", directory / "token.pub"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", str(key), "-pubout", "-out", str(public)], check=True, capture_output=True)
    token = f"jwt,pub-key={public},priv-key={key},sign-method=RS256,ttl=1s"
    cluster = Cluster(directory / "closed", arguments=["--auth-token", token, "--bcrypt-cost", "4"])
    for member in started(cluster):
        for command in (
            "user add root:root-password",
            "user grant-role root root",
            "role add cors",
            "role grant-permission cors readwrite --prefix=true /cors/",
            f"user add cors:{PASSWORD}",
            "user grant-role cors cors",
            "auth enable",
        ):
            cluster.control(*command.split())
        yield member


def credentials(directory: Path, text: str = f'user = "cors"\npassword = "{PASSWORD}"\n') -> str:
    """Write a file of credentials, and give the option that names it."""
    path = directory / "credentials.toml"
    path.write_text(text, encoding="utf-8")
    return f"?credentials={path}"


def test_tls(tls: Cluster, files: Files) -> None:
    """With TLS and a certificate of its own, a replica reads, waits and follows."""
    url = tls.url("/cors", options=f"?cacert={files.authority}&cert={files.client}&key={files.key}")
    changed(url, *FIRST)
    replica = Replica(url)
    signed = changed(url, ("policy", "shop", WIDER))
    assert wait_for(lambda: replica.source.wait(DEADLINE), "news")
    replica.follow()
    assert replica.head == signed.head == replica.newest()
    replica.source.close()


def test_certificates_in_the_file(tls: Cluster, files: Files, tmp_path: Path) -> None:
    """The file of credentials may name the certificates, too."""
    text = f'cacert = "{files.authority}"\ncert = "{files.client}"\nkey = "{files.key}"\n'
    assert EtcdStore(tls.url("/cors-2", options=credentials(tmp_path, text))).read().head.seq == 0


def test_a_token_that_expires(closed: Cluster, tmp_path: Path) -> None:
    """Whoever has been signed in for too long signs in again, and misses nothing."""
    url = closed.url("/cors", options=credentials(tmp_path))
    changed(url, *FIRST)
    replica = Replica(url)
    for body in (WIDER, FIRST[0][2]):
        # Whatever the replica has is older than this one.
        token = closed.ask("auth/authenticate", {"name": "cors", "password": PASSWORD})["token"]
        wait_for(partial(is_refused, closed, token), "the end of a token")
        signed = changed(url, ("policy", "shop", body))
        assert replica.newest() == signed.head
        assert wait_for(lambda: replica.source.wait(DEADLINE), "news")
        replica.follow()
        assert replica.head == signed.head
    replica.source.close()


def test_authentication_is_enabled_later(tmp_path: Path) -> None:
    """Authentication may be enabled under replicas and writers that run: they sign in, and need no restart."""
    for cluster in started(Cluster(tmp_path / "open", arguments=["--bcrypt-cost", "4"])):
        url = cluster.url("/cors", options=credentials(tmp_path, 'user = "root"\npassword = "secret"\n'))
        changed(url, *FIRST)
        replica, store = Replica(url), EtcdStore(url)
        assert store.read().head == replica.head
        for command in ("user add root:secret", "user grant-role root root", "auth enable"):
            cluster.control(*command.split())
        assert replica.newest() == store.read().head == replica.head
        signed = changed(url, ("policy", "shop", WIDER))
        assert wait_for(partial(replica.source.wait, DEADLINE), "news")
        replica.follow()
        assert replica.head == store.read().head == signed.head
        replica.source.close()
        store.close()


def test_nothing_secret_is_shown(closed: Cluster, tmp_path: Path) -> None:
    """Neither the log, nor the status, nor the list of processes has the password or a token of a service."""
    url = closed.url("/cors", options=credentials(tmp_path))
    changed(url, ("policy", "shop", WIDER))
    service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT, "--confirm-interval", "0.2"], tmp_path)
    try:
        changed(url, *FIRST)
        wait_for(lambda: allows(service.port, "pay", "https://a.example"), "the change")
        closed.first.pause()
        wait_for(lambda: ask(service.port, "/v1/status").json["store"]["problem"], "a problem")
        status = str(ask(service.port, "/v1/status").json)
        shown = processes()
    finally:
        closed.first.go_on()
        service.kill()
    assert any(url in line for line in shown)
    everything = "\n".join([status, *shown, *service.out, *service.err])
    assert not any(secret in everything for secret in (PASSWORD, "eyJhbGci"))


def processes() -> list[str]:
    """The commands of all processes, as everybody can see them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return found


def is_refused(cluster: Cluster, token: str) -> bool:
    """Whether a token counts for nothing."""
    return "error" in cluster.ask("kv/range", {"key": text64("/cors/head")}, token=token)


def sentence(url: str) -> str:
    """Give what is said of a URL that can't be used: the same of what reads it and of what writes it."""
    source, store = EtcdSource(url), EtcdStore(url)
    with pytest.raises(StoreUnavailable) as caught:
        source.everything()
    with pytest.raises(StoreUnavailable) as again:
        store.read()
    assert str(caught.value) == str(again.value)
    assert not any(secret in f"{caught.value!r}" for secret in SECRETS)
    source.close()
    return str(caught.value)


def test_a_certificate_and_a_user(files: Files, tmp_path: Path) -> None:
    """Etcd's gateway takes no certificate with a common name where users sign in, and the sentence says so."""
    arguments = ["--cert-file", str(files.server), "--key-file", str(files.server_key), "--client-cert-auth"]
    arguments += ["--trusted-ca-file", str(files.authority), "--bcrypt-cost", "4"]
    for cluster in started(Cluster(tmp_path / "both", arguments=arguments, context=files.context)):
        shown = [f"--cacert={files.authority}", f"--cert={files.client}", f"--key={files.key}"]
        for command in ("user add root:secret", "user grant-role root root", "auth enable"):
            cluster.control(*shown, *command.split())
        name = cluster.url("/cors")
        option = credentials(tmp_path, 'user = "root"\npassword = "secret"\n')
        assert sentence(f"{name}{option}&cacert={files.authority}&cert={files.client}&key={files.key}") == (
            f"{name} does not accept a client certificate with a common name together with a user: use one without."
        )


def test_wrong_users(closed: Cluster, tmp_path: Path) -> None:
    """Who is not known, or may not do it, is told so, and what to do."""
    name = closed.url("/cors")
    assert sentence(name) == f"{name} wants a user and a password: name a file with them by ?credentials=FILE."
    wrong = credentials(tmp_path, 'user = "cors"\npassword = "wrong-horse"\n')
    file = f"the file of credentials '{tmp_path}/credentials.toml'"
    assert sentence(name + wrong) == f"{name} refuses the user or the password in {file}: correct them."
    elsewhere = closed.url("/elsewhere")
    assert sentence(elsewhere + credentials(tmp_path)) == (
        f"{elsewhere} does not let the user in {file} do this: "
        "grant it a role with the keys that begin with /elsewhere/."
    )
    half = credentials(tmp_path, 'user = "cors"\n')
    assert sentence(name + half).endswith(" needs both a user and a password, or neither.")
    assert sentence(f"{name}?credentials={tmp_path}/absent").endswith(" can't be read: No such file or directory.")


def test_users_that_nobody_asks_for(cluster: Cluster, url: str, tmp_path: Path) -> None:
    """Where etcd does not ask who somebody is, a user and a password do no harm."""
    assert EtcdSource(url + credentials(tmp_path)).everything().head.seq == 1


def test_wrong_certificates(tls: Cluster, cluster: Cluster, files: Files) -> None:
    """Whoever is not trusted, or speaks TLS with what does not, or the other way round, is told what to write."""
    name = tls.url("/cors")
    ours = f"?cacert={files.authority}"
    said = sentence(name)
    assert said.startswith(f"{name} does not answer: its certificate is not trusted (")
    assert said.endswith("): name the authority by ?cacert=FILE.")
    closes = f"{name} does not answer: it closes the connection: "
    wants = "if it wants a client certificate, name it by ?cert=FILE&key=FILE."
    assert sentence(name + ours) == closes + wants
    strange = sentence(f"{name}{ours}&cert={files.strange}&key={files.strange_key}")
    assert strange == closes + "it may not take the client certificate."
    assert sentence(f"{name}?cacert={files.key}").startswith("The authorities in ")
    assert sentence(f"{name}?cacert=/no/such/file").endswith(" can't be read: No such file or directory.")
    assert sentence(f"{name}{ours}&cert={files.client}&key={files.strange_key}").startswith(
        "The certificate and the key in "
    )
    plain = name.replace("etcds://", "etcd://")
    assert "write etcds://" in sentence(plain)
    crypted = cluster.url("/cors", cluster.first).replace("etcd://", "etcds://")
    assert sentence(crypted + ours) == f"{crypted} does not answer: it does not speak TLS: write etcd://."


def test_wrong_places(cluster: Cluster, prefix: str) -> None:
    """Where there is no etcd, nothing, or nothing of ours, the sentence says so."""
    url = f"etcd://127.0.0.1:{free_port()}{prefix}"
    assert sentence(url) == f"{url} does not answer: connection refused."
    url = f"etcd://nowhere.invalid{prefix}"
    assert sentence(url) == f"{url} does not answer: there is no such host."
    url = cluster.url(prefix)
    with pytest.raises(StoreUnavailable) as caught:
        EtcdSource(url).everything()
    assert (
        str(caught.value) == f"{url} has no policies: write policies with `cors-service push`, or correct the prefix."
    )
    cluster.put(f"{prefix}/head", "something")
    assert sentence(url) == (
        f"What {url} has at the key `head` was not written by cors-service: remove it, or choose another prefix."
    )
    for layout, version, what in (
        (2, "a newer", "Update cors-service."),
        (0, "an older", "Copy the policies with `cors-service pull` and `push`."),
    ):
        cluster.put(f"{prefix}/head", f'{{"layout": {layout}}}')
        assert sentence(url) == f"{url} is of {version} version, {layout}; this one knows 1. {what}"


def test_what_is_not_etcd(prefix: str) -> None:
    """A server that is none, or one that never answers, is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"etcd://127.0.0.1:{listening.getsockname()[1]}{prefix}"
        Thread(target=answer_all, args=(listening,), daemon=True).start()
        assert "does not answer as etcd does" in sentence(url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"etcd://127.0.0.1:{silent.getsockname()[1]}{prefix}"
        assert sentence(url) == f"{url} does not answer: no answer in time."


def answer_all(listening: socket.socket) -> None:
    """Answer each connection as a web server does."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found")
