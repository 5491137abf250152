"""A bundle on a web server is followed, whatever the server does; nothing is taken that is not good."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from cors_service.bundle import BundleSource
from cors_service.bundle.form import write_bundle
from cors_service.bundle.web import WebServer
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource
from cors_service.ledger.urls import NoSuchStore, open_source
from tests.bundle.bundles import ENVELOPE, FILE, HOUR, KeyPair, files, sealed, shop
from tests.bundle.served import Handler, Site, cut, drip, fail, page, reset, served, stall
from tests.certificates import Authority

LONG = 60.0
"""Seconds of waits that something else ends."""


@contextmanager
def source_of(url: str, key: KeyPair | None = None, now: Callable[[], float] = time.time) -> Iterator[BundleSource]:
    """Open a source, and close it."""
    keys = [] if key is None else [key.public]
    source = BundleSource(url + FILE, keys=keys, is_unsigned=key is None, now=now)
    try:
        yield source
    finally:
        source.close()
        with suppress(StoreUnavailable):
            source.head()


def refused(read: Callable[[], object]) -> StoreUnavailable:
    """Have something fail, and give why, which is one sentence or two on a line."""
    with pytest.raises(StoreUnavailable) as info:
        read()
    assert str(info.value).isprintable()
    assert str(info.value).endswith(".")
    return info.value


def test_signed(site: Site, url: str, key: KeyPair) -> None:
    """What was signed is read, and what was read is followed to the next change."""
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        assert verifyObject(IStoreSource, source)
        first = source.everything()
        assert first == Everything(shop(7).head, shop(7).bodies, None)
        assert source.head() == first.head
        assert source.since(first.head) == []
        site.put(files(shop(8), [key]))
        assert source.head() == shop(8).head
        assert source.since(first.head) is None
        assert source.everything().bodies == {Key("policy", "shop"): {"origins": ["https://number-8.example.com"]}}
        assert source.head() == shop(8).head


def test_by_its_url(site: Site, url: str, key: KeyPair) -> None:
    """The URL of a bundle opens it as that of any other store."""
    site.put(files(shop(7), [key]))
    source = open_source(f"{url}{FILE}", keys=[key.public])
    try:
        assert source.head() == shop(7).head
    finally:
        source.close()


def test_unsigned(site: Site, url: str) -> None:
    """Where nothing has to be signed, the bundle itself is asked for, and sent once only for each change."""
    site.put({FILE: write_bundle(shop(7))})
    with source_of(url) as source:
        assert source.head() == shop(7).head
        assert source.everything().head == shop(7).head
        assert source.head() == shop(7).head
        assert [("if-none-match" in headers) for _, headers in site.asked] == [False, True, True]
        site.put({FILE: write_bundle(shop(8))})
        assert source.head() == shop(8).head
        assert source.since(shop(7).head) is None
        assert source.everything().bodies == shop(8).bodies
        # Asked for again, it is all there again.
        assert source.everything().bodies == shop(8).bodies
    assert ENVELOPE not in site.paths()


def test_unsigned_and_as_before(site: Site, url: str) -> None:
    """Behind something that is not a bundle, the one that was there before is taken again."""
    site.put({FILE: write_bundle(shop(7))})
    with source_of(url) as source:
        assert source.everything().head == shop(7).head
        site.put({FILE: b"{}"})
        assert refused(source.head).code == "bundle-malformed"
        site.put({FILE: write_bundle(shop(7))})
        assert source.head() == shop(7).head
        assert source.everything().bodies == shop(7).bodies


def test_without_etags(site: Site, url: str) -> None:
    """A server that names no states of its files is followed, too."""
    site.has_etags = False
    site.put({FILE: write_bundle(shop(7))})
    with source_of(url) as source:
        assert source.everything().head == shop(7).head
        assert source.wait(0.01) is False
        site.put({FILE: write_bundle(shop(8))})
        assert source.head() == shop(8).head


def test_one_connection(site: Site, url: str, key: KeyPair) -> None:
    """All is asked for over one connection, and over another when the server has closed it."""
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        source.everything()
        for _ in range(5):
            source.head()
        assert site.connections == 1

        def reset_once(handler: Handler) -> None:
            site.does.clear()
            reset(handler)

        site.does[ENVELOPE] = reset_once
        assert source.head() == shop(7).head
        assert site.connections == 2


def test_every_request_asks_the_server(site: Site, url: str, key: KeyPair) -> None:
    """What stands between is told to ask the server, and to encode nothing."""
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        source.everything()
    assert {headers["cache-control"] for _, headers in site.asked} == {"no-cache"}
    assert {headers["accept-encoding"] for _, headers in site.asked} == {"identity"}
    assert not any("authorization" in headers for _, headers in site.asked)


def test_secrets_in_the_url(site: Site, url: str, key: KeyPair) -> None:
    """A query is sent to the server, and people see nothing of it."""
    site.put(files(shop(7), [key]))
    source = BundleSource(f"{url}{FILE}?token=hidden", keys=[key.public])
    source.everything()
    assert site.paths() == [f"{ENVELOPE}?token=hidden", f"{FILE}?token=hidden"]
    site.does[ENVELOPE] = fail(500)
    told = f"{source.name} {refused(source.everything)}"
    assert source.name == f"{url}{FILE}"
    assert "hidden" not in told
    source.close()


def test_credentials(site: Site, authority: Authority, key: KeyPair, tmp_path: Path) -> None:
    """A file has what the server asks for, and the authority of its certificate; it is read anew each time."""
    site.put(files(shop(7), [key]))
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    file = tmp_path / "credentials.toml"
    with served(site, authority, tmp_path) as url:
        source = BundleSource(f"{url}{FILE}?a=1&credentials={file}&b=2", keys=[key.public])
        assert source.name == f"{url}{FILE}"
        assert "can't be read: No such file" in str(refused(source.head))
        for text, shown in (
            ('user = "reader"\npassword = "s@cret"', "Basic cmVhZGVyOnNAY3JldA=="),
            ('token = "a-token"', "Bearer a-token"),
            ("", None),
        ):
            file.write_text(f'cacert = "{tmp_path / "ca.pem"}"\n{text}\n')
            assert source.head() == shop(7).head
            assert site.asked[-1][1].get("authorization") == shown
            assert site.asked[-1][0] == f"{ENVELOPE}?a=1&b=2"
        for text in ('token = "s\\u0000cret"', 'cacert = "absent"', "secret", 'secret = "secret"'):
            file.write_text(text)
            source.close()
            source = BundleSource(f"{url}{FILE}?credentials={file}", keys=[key.public])
            assert "cret" not in str(refused(source.head))
        source.close()


# Waiting.


def begun(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Begin something in another thread; give what will come of it."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


@pytest.mark.parametrize("is_signed", [True, False])
def test_the_server_waits(site: Site, url: str, key: KeyPair, *, is_signed: bool) -> None:
    """A server that can wait answers when there is something newer."""
    site.can_wait = True
    signers = [key] if is_signed else []
    site.put(files(shop(7), signers))
    with source_of(url, key if is_signed else None) as source:
        source.everything()
        thread, results = begun(lambda: source.wait(LONG))
        site.wait_for(lambda: "prefer" in site.asked[-1][1])
        assert site.asked[-1][1]["prefer"] == "wait=60"
        site.put(files(shop(8), signers))
        thread.join(30)
        assert results == [True]
        assert source.head() == shop(8).head


def test_what_came_in_between_counts(site: Site, url: str, key: KeyPair) -> None:
    """What was published before the wait began ends it at once."""
    site.can_wait = True
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        source.everything()
        site.put(files(shop(8), [key]))
        assert source.wait(LONG) is True


@pytest.mark.parametrize("can_wait", [True, False])
def test_woken(site: Site, url: str, key: KeyPair, *, can_wait: bool) -> None:
    """Another thread ends a wait, whoever waits: the server or this process; also before it begins."""
    site.can_wait = can_wait
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        source.everything()
        thread, results = begun(lambda: source.wait(LONG))
        site.wait_for(lambda: "prefer" in site.asked[-1][1])
        source.wake()
        thread.join(30)
        assert results == [False]
        source.wake()
        assert source.wait(LONG) is False
        # It goes on.
        assert source.head() == shop(7).head


def test_the_server_does_not_wait(site: Site, url: str, key: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers at once is asked to wait once, and again when there is something newer."""
    # By chance, no pause takes any time.
    monkeypatch.setattr("cors_service.bundle.source.random", lambda: 4.0)
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        source.everything()
        for _ in range(3):
            assert source.wait(LONG) is False
        assert sum("prefer" in headers for _, headers in site.asked) == 1
        site.put(files(shop(8), [key]))
        source.head()
        source.wait(LONG)
        assert sum("prefer" in headers for _, headers in site.asked) == 2


def test_closed_while_it_reads(site: Site, url: str, key: KeyPair) -> None:
    """Closing ends whatever is under way, and nothing can be read any more."""
    site.put(files(shop(7), [key]))
    site.does[FILE] = stall
    source = BundleSource(url + FILE, keys=[key.public])
    thread, results = begun(lambda: refused(source.everything))
    site.wait_for(lambda: FILE in site.paths())
    source.close()
    thread.join(30)
    assert len(results) == 1
    refused(source.head)


# What is refused.


def test_no_envelope(site: Site, url: str, key: KeyPair) -> None:
    """A bundle without an envelope is refused where a key is given."""
    site.put({FILE: write_bundle(shop(7))})
    with source_of(url, key) as source:
        error = refused(source.head)
        assert error.code == "bundle-unsigned"
        assert f"there is no {url}{ENVELOPE}" in str(error)


def test_tampered(site: Site, url: str, key: KeyPair, other: KeyPair) -> None:
    """What somebody changed at the server is refused, and what is good again is taken."""
    good = files(shop(7), [key])
    bodies = {
        "bundle-changed": {FILE: good[FILE].replace(b"number-7", b"number-6")},
        "bundle-key-unknown": {ENVELOPE: files(shop(7), [other])[ENVELOPE]},
        "bundle-expired": files(shop(7), [key], begins=-2 * HOUR, ends=-HOUR),
        "bundle-not-yet-valid": files(shop(7), [key], begins=HOUR, ends=2 * HOUR),
        "bundle-malformed": {ENVELOPE: b"{}"},
    }
    with source_of(url, key) as source:
        for code, wrong in bodies.items():
            site.put({**good, **wrong})
            assert refused(source.everything).code == code
            site.put(good)
            assert source.everything().head == shop(7).head


def test_endless(site: Site, url: str, key: KeyPair) -> None:
    """Of a file that is longer than was signed, no more is read than shows it."""
    sent: list[int] = []

    def endless(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):
            while not site.closing.is_set():
                # Noted before: whoever reads some of it may close the connection before the rest is written.
                sent.append(65536)
                handler.wfile.write(b" " * 65536)

    site.put(files(shop(7), [key]))
    site.does[FILE] = endless
    with source_of(url, key) as source:
        assert refused(source.everything).code == "bundle-changed"
    # What the system keeps on its way is sent in any case.
    assert 0 < sum(sent) < 1 << 25


def test_replaced_in_between(site: Site, url: str, key: KeyPair) -> None:
    """Who reads while both files are replaced gets both of the new ones."""
    site.put(files(shop(7), [key]))

    def replace(handler: Handler) -> None:
        site.does.clear()
        site.put(files(shop(8), [key]))
        handler.give(200, site.files[FILE])

    site.does[FILE] = replace
    with source_of(url, key) as source:
        assert source.everything().head == shop(8).head


def test_replaced_without_end(site: Site, url: str, key: KeyPair) -> None:
    """A server that gives another good envelope each time, and never its bundle, is not asked for ever."""
    site.put(files(shop(7), [key]))
    old, new = files(shop(7), [key]), files(shop(8), [key])
    asked = 0

    def alternate(handler: Handler) -> None:
        nonlocal asked
        asked += 1
        handler.give(200, (old, new)[asked % 2][ENVELOPE])

    site.does[ENVELOPE] = alternate
    site.does[FILE] = lambda handler: handler.give(200, b"neither of them")
    with source_of(url, key) as source:
        assert refused(source.everything).code == "bundle-changed"
    assert asked < 10


def test_clock_of_the_server(site: Site, url: str, key: KeyPair) -> None:
    """Where the clock of this machine is an hour behind that of the server, the sentence says so."""
    site.put(files(shop(7), [key], begins=timedelta(seconds=-1)))
    with source_of(url, key, now=lambda: time.time() - 3600) as source:
        assert "is 1 hour behind that of the web server" in str(refused(source.head))


def test_expires_meanwhile(site: Site, url: str, key: KeyPair) -> None:
    """What was good expires, and is not taken for the newest any more; signed anew, it is again."""
    site.put(files(shop(7), [key]))
    later = [0.0]
    with source_of(url, key, now=lambda: time.time() + later[0]) as source:
        source.everything()
        later[0] = 7200
        assert refused(source.head).code == "bundle-expired"
        site.put({ENVELOPE: sealed(site.files[FILE], shop(7).head, [key], ends=3 * HOUR)})
        assert source.head() == shop(7).head


BAD_NIGHTS: dict[str, tuple[Callable[[Handler], object], str]] = {
    "page": (page, "it looks like a web page"),
    "500": (fail(500), "the server answers with 500"),
    "404": (fail(404), "there is no such file"),
    "403": (fail(403), "it does not let everybody read it"),
    "redirect": (
        fail(302, Location="https://u:secret@elsewhere.example/a?b=secret"),
        "leads to https://elsewhere.example/a; name that URL",
    ),
    "reset": (reset, "can't be read"),
    "half": (cut, "ended in the middle"),
    "encoded": (lambda handler: handler.give(200, b"x", **{"Content-Encoding": "br"}), "which nobody asked for"),
}


@pytest.mark.parametrize("night", BAD_NIGHTS)
def test_bad_nights(site: Site, url: str, key: KeyPair, night: str) -> None:
    """Whatever the server does, it is reported in a sentence without secrets, and what comes after is taken."""
    does, says = BAD_NIGHTS[night]
    site.put(files(shop(7), [key]))
    with source_of(url, key) as source:
        for path in (FILE, ENVELOPE):
            if (night, path) != ("404", ENVELOPE):
                site.does = {path: does}
                told = str(refused(source.everything))
                assert says in told or (night, path) == ("page", FILE)
                assert "secret" not in told
            site.does = {}
            assert source.everything().head == shop(7).head


@pytest.mark.parametrize("does", [stall, drip])
def test_slow_server(
    site: Site, url: str, key: KeyPair, does: Callable[[Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never answers, or never comes to an end, is given up in time."""
    site.does[ENVELOPE] = does
    with source_of(url, key) as source:
        with monkeypatch.context() as patched:
            patched.setattr("cors_service.bundle.source._ENVELOPE_SECONDS", 0.3)
            assert "no answer came within 0.3 seconds" in str(refused(source.head))
        site.does.clear()
        site.put(files(shop(7), [key]))
        assert source.head() == shop(7).head


def test_slow_to_connect(site: Site, url: str, key: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one to which it takes all the time to connect, as where names are found slowly."""
    is_over = threading.Event()
    too_late = WebServer._too_late

    def note(server: WebServer) -> None:
        too_late(server)
        is_over.set()

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        assert is_over.wait(30)
        return socket.create_connection(address, seconds)

    monkeypatch.setattr(WebServer, "_too_late", note)
    monkeypatch.setattr("cors_service.bundle.web.create_connection", connect)
    monkeypatch.setattr("cors_service.bundle.source._ENVELOPE_SECONDS", 0.01)
    site.does[ENVELOPE] = drip
    with source_of(url, key) as source:
        assert "no answer came within 0.01 seconds" in str(refused(source.head))


def test_nobody_listens(site: Site, authority: Authority, trusted: Path, key: KeyPair, tmp_path: Path) -> None:
    """A server that is gone is reported."""
    with served(site, authority, tmp_path) as url:
        pass
    with source_of(url, key) as source:
        error = refused(source.everything)
        assert error.code == "store-unreachable"
        assert "Connection refused" in str(error)


def test_unknown_name(key: KeyPair) -> None:
    """A name that nobody knows is reported."""
    with source_of("https://nobody.invalid", key) as source:
        assert "the name of its server is not known" in str(refused(source.everything))


def test_other_authority(
    site: Site, tmp_path: Path, authority: Authority, key: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a certificate of somebody else is not read, and the sentence says how to trust it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with served(site, authority, tmp_path) as url, source_of(url, key) as source:
        told = str(refused(source.everything))
        assert "its certificate is not accepted" in told
        assert "name its authority by cacert" in told
    assert site.asked == []


def test_no_tls(site: Site, key: KeyPair, tmp_path: Path) -> None:
    """A server without TLS is not read as https; on this machine, http:// reads it."""
    site.put(files(shop(7), [key]))
    with served(site, None, tmp_path) as url:
        with source_of(url.replace("http:", "https:"), key) as source:
            assert "TLS" in str(refused(source.everything))
        with source_of(url, key) as source:
            assert source.everything().head == shop(7).head


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/p.json", "only https:// leads to other machines"),
        ("https://example.com", "does not name a file"),
        ("https://example.com/", "does not name a file"),
        ("https:///p.json", "write https://HOST/PATH"),
        ("https://example.com:port/p.json", "write https://HOST/PATH"),
        ("https://example.com/p.json#part", "write https://HOST/PATH"),
        ("https://example.com/a b.json", "write https://HOST/PATH"),
        ("https://example.com/p\n.json", "write https://HOST/PATH"),
        ("https://user:secret@[::1/p.json", "write https://HOST/PATH"),
        ("https://user:secret@example.com/p.json", "do not belong in a URL"),
        ("https://bücher.example/p.json", "write https://HOST/PATH"),
    ],
)
def test_wrong_urls(url: str, says: str, key: KeyPair) -> None:
    """A URL that names no bundle is refused in a sentence, without what is secret in it."""
    with pytest.raises(NoSuchStore) as error:
        BundleSource(url, keys=[key.public])
    assert says in str(error.value)
    assert "secret" not in str(error.value)
    assert str(error.value).isprintable()


def test_no_key() -> None:
    """Without a key, nothing is read that nobody said may be unsigned."""
    with pytest.raises(NoSuchStore, match="--policies-key FILE"):
        BundleSource("https://example.com/p.json")


def test_wrong_key(key: KeyPair) -> None:
    """A private key given to a replica is a mistake that is reported."""
    with pytest.raises(NoSuchStore, match="is a private key"):
        BundleSource("https://example.com/p.json", keys=[key.private])
