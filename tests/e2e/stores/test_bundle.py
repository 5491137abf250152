"""Replicas follow a signed bundle on a web server over TLS, and whatever happens to it, they say so and keep the last
good one.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cors_service.bundle.form import Bundle, write_bundle
from tests.bundle.bundles import ENVELOPE, FILE, HOUR, KeyPair, files, key_pair, shop
from tests.bundle.served import Site, fail, page, reset, served, stall
from tests.certificates import Authority
from tests.e2e.daemons import ANY_PORT, TWIST, Process, Service, allows, ask, wait_for

STOPPED = -signal.SIGTERM
FAILED, USAGE = 1, os.EX_USAGE
OFTEN = ["--confirm-interval", "0.1"]


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Give an authority."""
    return Authority("bundles")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyPair, KeyPair]:
    """Give a key, and another."""
    directory = tmp_path_factory.mktemp("keys")
    return key_pair(directory, "one.key"), key_pair(directory, "two.key")


@pytest.fixture
def key(keys: tuple[KeyPair, KeyPair]) -> KeyPair:
    """Give the key."""
    return keys[0]


@pytest.fixture
def site() -> Site:
    """Give what the web server gives out."""
    return Site()


@pytest.fixture
def url(site: Site, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the URL of the bundle; the processes that the test starts trust its server."""
    (tmp_path / "authority.pem").write_bytes(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with served(site, authority, tmp_path) as here:
        yield here + FILE


Start = Callable[..., Service]


@pytest.fixture
def start(url: str, key: KeyPair, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a service which follows the bundle."""
    services: list[Service] = []

    def begin(*options: str, keys: tuple[KeyPair, ...] = (key,)) -> Service:
        given = [word for one in keys for word in ("--policies-key", str(one.public))]
        services.append(Service([*TWIST, "--policies", url, *given, "--listen", ANY_PORT, *OFTEN, *options], tmp_path))
        return services[-1]

    yield begin
    for service in services:
        service.kill()


def refused(url: str, directory: Path, *options: str) -> str:
    """Start a service that can't start, and give what it says."""
    process = Process([*TWIST, "--policies", url, "--listen", ANY_PORT, *options], directory)
    try:
        assert process.ends() in {FAILED, USAGE}
        told = "\n".join(process.out + process.err)
        assert "Traceback" not in told
        return told
    finally:
        process.kill()


def store(service: Service) -> dict[str, Any]:
    """What the status says of the store."""
    found: dict[str, Any] = ask(service.port, "/v1/status").json["store"]
    return found


def origin(seq: int) -> str:
    """The origin that the bundle of a change allows."""
    return f"https://number-{seq}.example.com"


def has(service: Service, seq: int) -> bool:
    """Whether the service decides by the bundle of a change, and its store has confirmed that."""
    told = store(service)
    return allows(service.port, "shop", origin(seq)) is True and (
        told["seq"],
        told["head_seq"],
        told["problem"],
    ) == (seq, seq, None)


def problem(service: Service) -> str | None:
    """The code of what is wrong."""
    found = store(service)["problem"]
    return None if found is None else str(found["code"])


def reaches(service: Service, seq: int) -> None:
    """Wait until the service has the bundle of a change."""
    wait_for(lambda: has(service, seq), f"change {seq}")


def shows(service: Service, code: str) -> None:
    """Wait until the service says what is wrong."""
    wait_for(lambda: problem(service) == code, code)


def arguments_of_all() -> bytes:
    """The arguments of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # Some end meanwhile.
        with suppress(OSError):
            found.append(path.read_bytes())
    return b"\n".join(found)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_follows(site: Site, url: str, keys: tuple[KeyPair, KeyPair], start: Start, workers: str) -> None:
    """A service serves what enough people have signed, and follows it from change to change; with two workers, too,
    one process asks.
    """
    site.put(files(shop(7), keys))
    service = start("--workers", workers, "--policies-key-threshold", "2", keys=keys)
    reaches(service, 7)
    site.put(files(shop(8), keys[:1]))
    shows(service, "bundle-unsigned")
    assert allows(service.port, "shop", "https://number-7.example.com")
    site.put(files(shop(8), keys))
    reaches(service, 8)
    assert store(service)["name"] == url
    wait_for(lambda: site.open == 1, "one connection alone")
    assert service.stop() == STOPPED
    assert not any("Traceback" in line for line in service.out + service.err)


def test_a_server_that_waits(site: Site, key: KeyPair, start: Start) -> None:
    """Where the server waits, a change is there long before the next question is due."""
    site.can_wait = True
    site.put(files(shop(7), [key]))
    service = start("--confirm-interval", "3600")
    reaches(service, 7)
    wait_for(lambda: "prefer" in site.asked[-1][1], "the question")
    site.put(files(shop(8), [key]))
    reaches(service, 8)


def tampered(seq: int, key: KeyPair) -> dict[str, bytes]:
    """A bundle with something else in it than was signed."""
    new = files(shop(seq), [key])
    return {**new, FILE: new[FILE].replace(b"https://number", b"https://lumber")}


def unloadable(seq: int) -> Bundle:
    """A bundle with a mistake in its policies."""
    return Bundle(shop(seq).head, {key: {"origins": ["https://a.example/"]} for key in shop(seq).bodies})


WRONG: dict[str, Callable[[int, KeyPair, KeyPair], dict[str, bytes]]] = {
    "bundle-changed": lambda seq, key, _: tampered(seq, key),
    "bundle-key-unknown": lambda seq, _, other: files(shop(seq), [other]),
    "bundle-unsigned": lambda seq, *_: files(shop(seq), []),
    "bundle-expired": lambda seq, key, _: files(shop(seq), [key], begins=-2 * HOUR, ends=-HOUR),
    "bundle-not-yet-valid": lambda seq, key, _: files(shop(seq), [key], begins=HOUR, ends=2 * HOUR),
    "bundle-malformed": lambda seq, key, _: {**files(shop(seq), [key]), ENVELOPE: b"{}"},
    "store-went-back": lambda _, key, __: files(shop(1), [key]),
    "store-does-not-load": lambda seq, key, _: files(unloadable(seq), [key]),
    "store-revision-differs": lambda seq, key, _: files(Bundle(shop(seq).head, shop(1).bodies), [key]),
}


def test_whatever_happens_to_it(site: Site, keys: tuple[KeyPair, KeyPair], start: Start) -> None:
    """Whatever is wrong with a newer bundle, and whatever the server does instead, the last good one serves, the status
    has a code for it, and a good bundle that follows is taken.
    """
    key, seq = keys[0], 1
    site.put(files(shop(seq), [key]))
    service = start("--max-stale", "0.5")
    reaches(service, seq)
    for code, new in WRONG.items():
        site.put(new(seq + 1, *keys))
        shows(service, code)
        assert (store(service)["seq"], allows(service.port, "shop", origin(seq))) == (seq, True)
        seq += 2
        site.put(files(shop(seq), [key]))
        reaches(service, seq)
    for does in (stall, reset, page, fail(500), fail(404)):
        site.does = {FILE: does, ENVELOPE: does}
        site.put(files(shop(seq + 1), [key]))
        wait_for(lambda: ask(service.port, "/readyz").status == 503, "its age")
        wait_for(lambda: problem(service), "the problem")
        assert allows(service.port, "shop", origin(seq))
        seq += 1
        site.does = {}
        reaches(service, seq)
        wait_for(lambda: ask(service.port, "/readyz").status == 200, "its age")
    assert service.stop() == STOPPED
    assert not any("Traceback" in line for line in service.out + service.err)


def test_restarts(site: Site, key: KeyPair, start: Start, tmp_path: Path) -> None:
    """An older bundle that is still valid is refused behind a restart, too, since the snapshot has the number of the
    last one; an operator may accept it. While the server is down, a restart serves what was served last.
    """
    old = files(shop(7), [key])
    site.put(files(shop(8), [key]))
    snapshot = ["--snapshot", str(tmp_path / "kept.json")]
    service = start(*snapshot)
    reaches(service, 8)
    assert service.stop() == STOPPED
    site.put(old)
    service = start(*snapshot)
    shows(service, "store-went-back")
    assert allows(service.port, "shop", origin(8))
    assert not allows(service.port, "shop", origin(7))
    assert service.stop() == STOPPED
    service = start(*snapshot, "--accept-rollback")
    reaches(service, 7)
    assert service.stop() == STOPPED
    site.does[ENVELOPE] = fail(503)
    service = start(*snapshot)
    shows(service, "store-unreachable")
    assert allows(service.port, "shop", origin(7))
    site.put(files(shop(7), [key], begins=-2 * HOUR, ends=-HOUR))
    site.does = {}
    shows(service, "bundle-expired")
    assert (store(service)["seq"], allows(service.port, "shop", origin(7))) == (7, True)


def test_refused_starts(site: Site, url: str, keys: tuple[KeyPair, KeyPair], tmp_path: Path) -> None:
    """Without anything to serve, the start fails with a sentence that says what to do."""
    key = ["--policies-key", str(keys[0].public)]
    assert "name the key that signs it with --policies-key" in refused(url, tmp_path)
    assert "there is no https://" in refused(url, tmp_path, *key)
    site.put(files(shop(7), [keys[0]], begins=-2 * HOUR, ends=-HOUR))
    assert "The bundle expired 1 hour ago" in refused(url, tmp_path, *key)
    told = refused(url.replace("https://", "https://user:secret@"), tmp_path, *key)
    assert "?credentials=FILE" in told
    assert "secret" not in told


def test_unsigned_behind_a_token(site: Site, url: str, start: Start, tmp_path: Path) -> None:
    """Where an operator says so, a bundle needs no signature. What the server asks for is in a file, so no process has
    it among its arguments, in its status or in its log.
    """
    (tmp_path / "credentials.toml").write_text('token = "a-secret-token"\n')
    site.put({FILE: write_bundle(shop(7))})
    service = start("--policies", f"{url}?credentials={tmp_path / 'credentials.toml'}", "--unsigned", keys=())
    reaches(service, 7)
    site.put({FILE: write_bundle(shop(8))})
    reaches(service, 8)
    assert {headers.get("authorization") for _, headers in site.asked} == {"Bearer a-secret-token"}
    assert b"a-secret" not in arguments_of_all()
    assert "a-secret" not in json.dumps(ask(service.port, "/v1/status").json) + "".join(service.out + service.err)
