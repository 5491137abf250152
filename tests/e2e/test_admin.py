"""The admin process as operators start it, beside a service that reads the same directory."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cors_service.access.tokens import token_entry
from cors_service.ledger.chain import verify
from cors_service.ledger.directory import DirectoryStore
from cors_service.policy import revision
from cors_service.reader.sources import read_policies
from tests.certificates import Authority, written
from tests.e2e.daemons import ANY_PORT, TWIST, Answer, Process, Service, allows, ask, wait_for

ADMIN = (*TWIST[:-1], "cors-admin", "--store", "policies", "--data", "data")
STOPPED = -signal.SIGTERM
"""The exit status that twist has behind a SIGTERM."""
SHOP = {"origins": ["https://shop.example.com"]}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a directory with a directory of policies."""
    (tmp_path / "policies").mkdir()
    for name in ("shop", "pay"):
        text = f'version = 1\n\n# What {name} grants.\n[policies.{name}]\norigins = ["https://{name}.example.com"]\n'
        (tmp_path / "policies" / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def admin(directory: Path) -> Iterator[Service]:
    """Give an admin process on this machine."""
    process = Service([*ADMIN, "--listen", ANY_PORT], directory)
    try:
        yield process
        assert process.stop() == STOPPED
        assert [line for line in process.out + process.err if "Traceback" in line or "Unhandled" in line] == []
    finally:
        process.kill()


def send(port: int, method: str, path: str, value: Any = None, **headers: str) -> Answer:
    """Send a request to a path beneath `/admin/v1`; underscores in names of headers stand for hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    lines = {name.replace("_", "-"): line for name, line in headers.items()}
    try:
        body = None if value is None else json.dumps(value)
        connection.request(method, f"/admin/v1/{path}", body, {"Content-Type": "application/json", **lines})
        response = connection.getresponse()
        found = {name.lower(): line for name, line in response.getheaders()}
        return Answer(response.status, found, json.loads(response.read() or b"null"))
    finally:
        connection.close()


def both(number: int) -> dict[str, Any]:
    """A change of both policies."""
    origins = [f"https://number-{number}.example.com"]
    return {
        "reason": f"number {number}",
        "changes": [{"kind": "policy", "name": name, "document": {"origins": origins}} for name in ("shop", "pay")],
    }


def test_a_service_follows(admin: Service, directory: Path) -> None:
    """A service that reads the directory follows each change of several documents, and never has a part of one."""
    service = Service([*TWIST, "--policies", "policies", "--listen", ANY_PORT], directory)
    try:
        seen = {ask(service.port, "/v1/status").json["revision"]}
        for number in range(5):
            made = send(admin.port, "POST", "changes", both(number), If_Match="*").json["entry"]

            def follows(expected: str = made["revision"]) -> bool:
                seen.add(ask(service.port, "/v1/status").json["revision"])
                return expected in seen

            wait_for(follows, "the change")
        entries = send(admin.port, "GET", "ledger").json["entries"]
        assert seen <= {entry["revision"] for entry in entries}
        assert allows(service.port, "pay", "https://number-4.example.com")
        assert service.stop() == STOPPED
    finally:
        service.kill()


def test_a_replica_reports(admin: Service, directory: Path) -> None:
    """A change waits until the service that reports has it, and says until when what it took back lives on."""
    reporting = ["--report-to", f"http://127.0.0.1:{admin.port}", "--report-spool", "spool"]
    service = Service([*TWIST, "--policies", "policies", "--listen", ANY_PORT, *reporting], directory)
    try:
        wait_for(lambda: send(admin.port, "GET", "fleet").json["replicas"], "a report")
        answer = send(admin.port, "PUT", "policies/shop", SHOP | {"max_age": 60}, If_Match="*", Prefer="wait=30")
        assert answer.status == 200
        narrower = {"origins": ["https://other.example.com"]}
        told = send(admin.port, "PUT", "policies/shop", narrower, If_Match="*", Prefer="wait=30").json
        assert tuple(told["fleet"][key] for key in ("seq", "confirmed", "waiting")) == (3, 1, [])
        assert told["enforced_everywhere_at"] < told["decisions_cached_until"] < told["preflights_cached_until"]
        assert not allows(service.port, "shop", "https://shop.example.com")
    finally:
        service.kill()


def test_killed_while_it_writes(directory: Path) -> None:
    """Whenever it is killed, each change that it confirmed is there, in a ledger that is whole, and none by halves."""
    confirmed: list[int] = []
    chance = random.Random(7)
    for round_ in range(4):
        admin = Service([*ADMIN, "--listen", ANY_PORT], directory)
        # In the midst of whatever it does behind some changes.
        killing = threading.Timer(chance.random() * 0.1, lambda admin=admin: os.kill(admin.pid, signal.SIGKILL))
        last, number = chance.randrange(1, 6), 0
        try:
            while True:
                number += 1
                answer = send(admin.port, "POST", "changes", both(1000 * round_ + number), If_Match="*")
                confirmed.append(answer.json["entry"]["seq"])
                if number == last:
                    killing.start()
        except (OSError, http.client.HTTPException):
            # It is gone.
            continue
        finally:
            killing.join()
            admin.kill()
    before = revision(read_policies(directory / "policies"))
    store = DirectoryStore(directory / "policies")
    head = store.read().head
    entries = store.entries(0, 1_000_000)
    assert [*verify(entries, head)] == []
    assert set(confirmed) <= {signed.entry.seq for signed in entries}
    assert before == head.revision
    assert len(confirmed) >= 4
    # Nothing was found that nobody had ordered.
    assert all(signed.entry.author == "local" for signed in entries[1:])
    assert sorted(path.name for path in (directory / "policies").iterdir() if path.is_file()) == [
        "pay.toml",
        "shop.toml",
    ]


def test_nothing_is_lost(admin: Service) -> None:
    """Several people who each add something to one policy, and try again when told to, lose nothing of each other's."""
    path = "policies/shop"

    def add(who: int) -> None:
        for number in range(4):
            while True:
                known = send(admin.port, "GET", path)
                document = {"origins": [*known.json["origins"], f"https://of-{who}-{number}.example.com"]}
                status = send(admin.port, "PUT", path, document, If_Match=known.headers["etag"]).status
                assert status in {200, 412}
                if status == 200:
                    break

    people = [threading.Thread(target=add, args=(who,)) for who in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    added = {f"https://of-{who}-{number}.example.com" for who in range(3) for number in range(4)}
    assert set(send(admin.port, "GET", path).json["origins"]) == added | set(SHOP["origins"])
    assert send(admin.port, "GET", "status").json["head"]["seq"] == 1 + len(added)


def test_commands(admin: Service, directory: Path) -> None:
    """What is pulled can be pushed again, a change of it is one change, and the ledger says so."""
    url = f"http://127.0.0.1:{admin.port}"

    def run(*words: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "cors_service", *words]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
        assert (status, "") == (done.returncode, done.stderr if status == 0 else ""), done.stderr
        return done.stdout if status == 0 else done.stderr

    (directory / "new").mkdir()
    document = directory / "new" / "all.toml"
    document.write_text(run("pull", url), encoding="utf-8")
    assert "Nothing changes" in run("push", "new", "--to", url, "--reason", "again")
    document.write_text(document.read_text(encoding="utf-8").replace("pay.example", "buy.example"), encoding="utf-8")
    assert "It would change policy pay." in run("push", "new", "--to", url, "--reason", "buy", "--dry-run")
    assert "Change 2: policy pay." in run("push", "new", "--to", url, "--reason", "buy", "--if-seq", "1")
    assert "The newest change is 2" in run("push", "policies", "--to", url, "--reason", "a", "--if-seq", "1", status=2)
    listed = run("ledger", "list", url)
    assert run("ledger", "list", "policies") == listed
    assert "local: buy (wider and narrower)\n   ~policy pay\n" in listed
    assert run("ledger", "verify", url) == run("ledger", "verify", "policies")
    assert json.loads(run("pull", url, "--json"))["policies"]["pay"] == {"origins": ["https://buy.example.com"]}
    entry = directory / "policies" / ".ledger" / "entries" / f"{2:016}.json"
    entry.write_text(entry.read_text(encoding="utf-8").replace('"buy"', '"pay"'), encoding="utf-8")
    for where in ("policies", url):
        command = [sys.executable, "-m", "cors_service", "ledger", "verify", where]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "2: The entry was changed: its hash is not that of its content.\n")


def test_with_auth(directory: Path) -> None:
    """With --auth it listens on any address, and asks for a token."""
    entries = [token_entry("team", "secret-1", ["read", "write"]), token_entry("ci", "secret-2", ["read"])]
    (directory / "auth.toml").write_text("\n".join(entries), encoding="utf-8")
    admin = Service([*ADMIN, "--auth", "auth.toml", "--listen", "tcp:0"], directory)
    try:
        path = "policies/shop"
        assert send(admin.port, "GET", path).status == 401
        assert send(admin.port, "GET", path, X_Cors_Token="secret-2").status == 200
        assert send(admin.port, "PUT", path, SHOP, If_Match="*", Authorization="Bearer secret-2").status == 403
        assert send(admin.port, "PUT", path, SHOP, If_Match="*", Authorization="Bearer secret-1").status == 200
        assert admin.stop() == STOPPED
    finally:
        admin.kill()


def test_certificate(directory: Path) -> None:
    """A caller is known by the certificate of its connection, and the ledger has its subject."""
    authority = Authority("the authority")
    (directory / "ca.crt").write_bytes(authority.certificate)
    for name in ("service", "security"):
        written(directory, authority.sign(name), name)
    auth = '[[certificates]]\nsubject = "CN=security"\nverbs = ["write"]\n'
    (directory / "auth.toml").write_text(auth, encoding="utf-8")
    listen = "https:0:interface=127.0.0.1:key=service.key:cert=service.crt:clientCA=ca.crt"
    admin = Service([*ADMIN, "--auth", "auth.toml", "--listen", listen], directory)
    try:
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.load_cert_chain(directory / "security.crt", directory / "security.key")
        connection = http.client.HTTPSConnection("127.0.0.1", admin.port, timeout=30, context=context)
        lines = {"Content-Type": "application/json", "If-Match": "*"}
        connection.request("PUT", "/admin/v1/policies/shop", json.dumps(SHOP | {"max_age": 5}), lines)
        with connection.getresponse() as response:
            assert json.load(response)["entry"]["author"] == "CN=security"
        connection.request("GET", "/admin/v1/policies/shop")
        with connection.getresponse() as response:
            assert (response.status, json.load(response)["code"]) == (403, "forbidden")
        connection.close()
        assert admin.stop() == STOPPED
    finally:
        admin.kill()


def test_socket(directory: Path) -> None:
    """It listens on a Unix socket, for its owner and group."""
    process = Process([*ADMIN, "--listen", "unix:admin.sock"], directory)
    try:
        process.said("Listening on UNIXAddress")
        path = directory / "admin.sock"
        assert path.stat().st_mode & 0o777 == 0o660
        assert ask(path, "/admin/v1/status").status == 200
        assert process.stop() == STOPPED
    finally:
        process.kill()


def test_refused(directory: Path) -> None:
    """What can't work is refused with one sentence, and not with a traceback."""
    done = subprocess.run([*ADMIN, "--listen", "tcp:0"], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_USAGE
    first, last = done.stderr.splitlines()
    assert first.startswith(
        "twist cors-admin: --listen tcp:0 may be reached by other machines: say who may do what with"
    )
    assert last == "Help: twist cors-admin --help"


def test_mistakes(directory: Path) -> None:
    """Documents with mistakes are told as `cors-service check` tells them, and it does not start."""
    (directory / "policies" / "bad.toml").write_text("nonsense = 1\n", encoding="utf-8")
    done = subprocess.run(
        [*ADMIN, "--listen", ANY_PORT], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "policies/bad.toml:1: nonsense: The key 'nonsense' is unknown." in done.stderr
    assert "Traceback" not in done.stderr


def test_hangup(admin: Service, directory: Path) -> None:
    """On SIGHUP it looks at the documents, and what somebody has changed there becomes an entry."""
    path = directory / "policies" / "shop.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("shop.example", "web.example"), encoding="utf-8")
    assert ask(admin.port, "/admin/v1/status").status == 200
    admin.signal(signal.SIGHUP)
    wait_for(lambda: send(admin.port, "GET", "ledger?after=1").json["entries"], "the entry")
    [entry] = send(admin.port, "GET", "ledger?after=1").json["entries"]
    assert (entry["author"], entry["wider"], entry["narrower"]) == (None, True, True)
