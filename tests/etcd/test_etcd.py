"""A store in etcd, as far as it can be tried without etcd: what is asked, and what is made of the answers."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from cors_service.cli import main
from cors_service.etcd import EtcdSource, EtcdStore, prepare_store, reading
from cors_service.etcd.address import read_address
from cors_service.etcd.answers import Range
from cors_service.etcd.member import Member, Question, Unanswered
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.chain import verify
from cors_service.ledger.entry import Key, Kind, Signed
from cors_service.ledger.kept import Outdated, StoreIsWrong, StoreUnavailable
from tests.etcd.gateway import Gateway, Refusal, gateway
from tests.ledger.stores import about, edits

WAIT = 30.0
SHOP: tuple[Kind, str, Any] = ("policy", "shop", {"origins": ["https://shop.example.com"]})
WIDER: tuple[Kind, str, Any] = ("policy", "shop", {"origins": ["*"]})


@pytest.fixture
def etcd() -> Iterator[Gateway]:
    """Run what answers as etcd does."""
    with gateway() as server:
        yield server


@pytest.fixture
def source(etcd: Gateway) -> Iterator[EtcdSource]:
    """Give a replica's side of it; there is one policy."""
    change(etcd.url, SHOP)
    made = EtcdSource(etcd.url)
    yield made
    made.close()


def change(url: str, *some: tuple[Kind, str, Any]) -> Signed:
    """Make a change."""
    store = EtcdStore(url)
    try:
        return store.commit(store.plan(store.read(), edits(*some)), about())
    finally:
        store.close()


def many(count: int) -> list[tuple[Kind, str, Any]]:
    """Some policies."""
    return [("policy", f"p{i:03}", {"origins": [f"https://p{i}.example.com"]}) for i in range(count)]


def test_changes(etcd: Gateway, source: EtcdSource) -> None:
    """What is written is read, step by step and as a whole, small changes and large ones; all is in the ledger."""
    head = source.everything().head
    signed = [change(etcd.url, *some) for some in ([WIDER], many(300), [("policy", "p007", None)])]
    steps = source.since(head)
    assert steps is not None
    assert [step.signed for step in steps] == signed
    assert [len(step.bodies) for step in steps] == [1, 300, 0]
    found = source.everything()
    assert (found.head, len(found.bodies)) == (signed[-1].head, 300)
    store = EtcdStore(etcd.url)
    assert list(verify(store.entries(0, 10), store.read().head)) == []
    assert len(store.bodies_at(3)) == 301
    generations = {key.split("/")[3] for key in etcd.places if key.startswith("/cors/d/")}
    assert len(generations) == 1
    assert len([key for key in etcd.places if key.startswith("/cors/d/")]) == 300


@pytest.mark.parametrize("end", ["a", "/a", "/head", "/d", "/pieces", "/ledger"])
def test_prefixes(etcd: Gateway, source: EtcdSource, end: str) -> None:
    """Stores are apart where the prefix of one begins with that of the other, whatever is written in either."""
    other = EtcdSource(f"{etcd.url}{end}")
    change(f"{etcd.url}{end}", WIDER)
    heads = source.everything().head, other.everything().head
    new: tuple[Kind, str, Any] = ("policy", "shop", {"origins": ["https://new.example.com"]})
    for some in (many(200), [new], [("policy", "p007", None)]):
        for url in (etcd.url, f"{etcd.url}{end}"):
            change(url, *some)
    for one, head in zip((source, other), heads, strict=True):
        steps = one.since(head)
        assert steps is not None
        assert [len(step.bodies) for step in steps] == [200, 1, 0]
        assert len(one.everything().bodies) == 200
    other.close()


def test_large_records(etcd: Gateway, source: EtcdSource) -> None:
    """What is too large for one request is written in pieces, and read as if it were not."""
    head = source.everything().head
    origins = [f"https://o{i}.{'long-' * 10}name.example.com" for i in range(7000)]
    signed = change(etcd.url, *(("policy", letter, {"origins": origins}) for letter in "abcd"))
    assert len([key for key in etcd.places if "/pieces/" in key]) > 1
    [step] = source.since(head) or []
    assert step.signed == signed
    assert len(step.bodies) == 4
    etcd.put(next(key for key in etcd.places if "/pieces/" in key), None)
    with pytest.raises(StoreUnavailable, match="lacks pieces") as caught:
        source.since(head)
    assert caught.value.code == "store-ledger-broken"


def test_news(etcd: Gateway, source: EtcdSource) -> None:
    """A change is told to who waits, also behind a compaction; nothing is told twice, and nobody waits for ever."""
    head = source.everything().head
    assert not source.wait(0)
    change(etcd.url, WIDER)
    assert source.wait(WAIT)
    assert [step.signed.head for step in source.since(head) or ()] == [source.head()]
    source.wake()
    assert source.wait(WAIT)


def test_compacted(etcd: Gateway, source: EtcdSource) -> None:
    """A watch that begins before what etcd still has is news, and who is behind gets the changes all the same."""
    head = source.everything().head
    change(etcd.url, WIDER)
    etcd.compacted = etcd.revision
    other = EtcdSource(etcd.url)
    assert source._read is not None
    other._watch.follow(source._read)
    assert other.wait(WAIT)
    assert len(source.since(head) or ()) == 1
    other.close()


def test_other_histories(etcd: Gateway, source: EtcdSource) -> None:
    """What is not behind the head, or is in another cluster, is not what leads on from it."""
    head = source.everything().head
    assert source.since(head) == []
    assert source.since(type(head)(seq=2, revision="", entry="", format=1, at="")) is None
    assert source.since(type(head)(seq=1, revision="", entry="", format=1, at="")) is None
    etcd.cluster = "7"
    assert source.since(head) is None
    assert source.everything().origin == "7"
    etcd.put("/cors/head", None)
    assert source.since(head) is None
    with pytest.raises(StoreUnavailable, match="has no policies"):
        source.head()


def test_the_next_endpoint(etcd: Gateway, source: EtcdSource) -> None:
    """If an endpoint does not answer, or has no leader, the next one is asked, and watched."""
    with gateway() as dead:
        dead.refusal = Refusal(503, 14, "etcdserver: no leader")
        both = EtcdSource(etcd.url.replace("etcd://", f"etcd://127.0.0.1:{dead.server_address[1]},"))
        head = both.everything().head
        assert source.everything().head == head
        assert dead.asked == ["kv/range"]
        change(etcd.url, WIDER)
        assert both.wait(WAIT)
        etcd.refusal = Refusal(503, 14, "etcdserver: request timed out")
        with pytest.raises(StoreUnavailable) as caught:
            both.head()
        ports = [server.server_address[1] for server in (etcd, dead)]
        assert str(caught.value) == (
            f"{both.name} does not answer: 127.0.0.1:{ports[0]}: etcdserver: request timed out; "
            f"127.0.0.1:{ports[1]}: etcdserver: no leader."
        )
        both.close()


def test_connections(etcd: Gateway, source: EtcdSource) -> None:
    """It does not matter whether connections are kept or closed, nor when."""
    head = source.everything().head
    for closes in (True, True, False, False):
        etcd.closes = closes
        assert source.head() == head
        assert source.since(head) == []


def test_signing_in(etcd: Gateway, source: EtcdSource, tmp_path: Path) -> None:
    """A token that counts no more is renewed, with the password that is in the file by then."""
    file = tmp_path / "credentials.toml"
    file.write_text('user = "cors"\npassword = "one"\n')
    etcd.password = "one"
    signed_in = EtcdSource(f"{etcd.url}?credentials={file}")
    head = signed_in.everything().head
    etcd.token, etcd.password = "token-2", "two"
    with pytest.raises(StoreUnavailable, match=r"refuses the user or the password in the file of credentials .*\.$"):
        signed_in.head()
    file.write_text('user = "cors"\npassword = "two"\n')
    assert signed_in.head() == head
    assert "one" not in repr(signed_in._gateway.address)
    etcd.password, etcd.token = None, "token-3"
    assert signed_in.head() == head
    signed_in.close()


@pytest.mark.parametrize("has_user", [True, False])
def test_authentication_is_enabled_later(etcd: Gateway, source: EtcdSource, tmp_path: Path, *, has_user: bool) -> None:
    """Whoever has read and written without signing in signs in once etcd asks for it and the file has a user."""
    file, user = tmp_path / "credentials.toml", 'user = "cors"\npassword = "one"\n'
    file.write_text(user if has_user else "")
    url = f"{etcd.url}?credentials={file}"
    reading, store = EtcdSource(url), EtcdStore(url)
    head = reading.everything().head
    assert store.read().head == head
    etcd.password = "one"
    if not has_user:
        wanted = "wants a user and a password: write them into the file of credentials "
        with pytest.raises(StoreUnavailable, match=wanted):
            reading.head()
        file.write_text(user)
    assert reading.head() == store.read().head == head
    signed = store.commit(store.plan(store.read(), edits(WIDER)), about())
    assert reading.wait(WAIT)
    assert [step.signed for step in reading.since(head) or ()] == [signed]
    reading.close()
    store.close()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("etcdserver: mvcc: database space exceeded", "has no space left: nothing can be written until somebody"),
        ("etcdserver: request is too large", "refuses a request of that size: it needs --max-request-bytes=1572864"),
        ("etcdserver: too many operations in txn request", "it needs --max-txn-ops=128, which is its default."),
        ("etcdserver: permission denied", "does not let the user in its URL do this: grant it a role"),
        ("etcdserver: user name is empty", "wants a user and a password: name a file with them by ?credentials="),
        ("CommonName of client sending a request", "does not accept a client certificate with a common name together"),
        ("etcdserver: something else", "refuses this: etcdserver: something else."),
    ],
)
def test_refusals(etcd: Gateway, source: EtcdSource, message: str, said: str) -> None:
    """Whatever etcd refuses, the sentence says what to do."""
    etcd.refusal = Refusal(400, 3, message)
    with pytest.raises(StoreUnavailable) as caught:
        source.everything()
    assert said in str(caught.value)


def test_no_space(etcd: Gateway, source: EtcdSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is refused is not made; one that etcd made nevertheless counts."""
    store = EtcdStore(etcd.url)
    plan = store.plan(store.read(), edits(WIDER))
    done = etcd._transaction

    def refused(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            if made:
                done(request)
            raise Refusal(400, 8, "etcdserver: mvcc: database space exceeded")
        return done(request)

    made = False
    # Etcd does both.
    monkeypatch.setattr(etcd, "_transaction", refused)
    with pytest.raises(StoreUnavailable, match="has no space left"):
        store.commit(plan, about())
    made = True
    assert store.commit(plan, about()).head == source.head()


@pytest.mark.parametrize("some", [[WIDER], many(300)], ids=["small", "large"])
def test_late_requests(
    etcd: Gateway, source: EtcdSource, some: list[tuple[Kind, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a member does a second time, long after a change was made by another one, changes nothing."""
    done, asked = etcd._transaction, list[dict[str, Any]]()

    def recorded(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return done(request)

    monkeypatch.setattr(etcd, "_transaction", recorded)
    change(etcd.url, *some)
    change(etcd.url, (*some[0][:2], {"origins": ["https://newest.example.com"]}))
    before, keys = source.everything(), etcd.places
    for request in asked:
        done(request)
    assert (source.everything(), etcd.places) == (before, keys)


def test_two_writers(etcd: Gateway, source: EtcdSource) -> None:
    """Of two changes of one base, the second is refused."""
    one, two = EtcdStore(etcd.url), EtcdStore(etcd.url)
    plans = [store.plan(store.read(), edits(WIDER)) for store in (one, two)]
    signed = one.commit(plans[0], about())
    with pytest.raises(Outdated) as caught:
        two.commit(plans[1], about())
    assert caught.value.head == signed.head
    assert two.read().head == signed.head
    assert two.body(Key("policy", "shop")) == WIDER[2]


def test_prepared(etcd: Gateway) -> None:
    """A store is made ready, and mended where somebody changed it past the ledger."""
    assert prepare_store(etcd.url) == ["Began the ledger below /cors: there are no policies yet."]
    change(etcd.url, SHOP)
    etcd.put("/cors/d/0/policy/shop", b'{"origins": ["*"]}')
    with pytest.raises(StoreUnavailable, match="`cors-service store init URL` puts it back"):
        EtcdStore(etcd.url).read()
    there = "The ledger below /cors is there already, with 2 entries."
    assert prepare_store(etcd.url) == [there, "Restored what was changed by hand: policy shop."]
    assert prepare_store(etcd.url) == [there]
    assert EtcdStore(etcd.url).read().head.seq == 2


def test_does_not_load(etcd: Gateway, source: EtcdSource) -> None:
    """A change that somebody else wrote, with mistakes, leaves the last good policies until it is mended."""
    store = EtcdStore(etcd.url)
    good = store.read()
    head, shop = (etcd.value(f"/cors/{place}") for place in ("head", "d/0/policy/shop"))
    newer = head.replace(b'"seq":1', b'"seq":2')
    etcd.put("/cors/d/0/policy/shop", b'{"origins": ["nonsense"]}')
    etcd.put("/cors/head", newer)
    for _ in range(2):
        kept = store.read()
        assert (kept.head.seq, kept.policy_set) == (2, good.policy_set)
        assert kept.mistakes is not None
        assert "policies.shop.origins[0]" in kept.mistakes.report()
        with pytest.raises(StoreIsWrong):
            store.plan(kept, edits(("policy", "shop", None)))
    with pytest.raises(InvalidPolicies):
        EtcdStore(etcd.url).read()
    etcd.put("/cors/d/0/policy/shop", shop)
    etcd.put("/cors/head", newer.replace(b'"seq":2', b'"seq":3'))
    kept = store.read()
    assert (kept.head.seq, kept.policy_set, kept.mistakes) == (3, good.policy_set, None)


def test_a_tampered_ledger(etcd: Gateway, source: EtcdSource, capsys: pytest.CaptureFixture[str]) -> None:
    """What somebody has changed in the ledger is named, and does not take the place of a definition that is right."""
    change(etcd.url, ("policy", "pay", SHOP[2]))
    good = source.everything()
    place = "/cors/ledger/0000000000000002"
    etcd.put(place, etcd.value(place).replace(b"https://shop.example.com", b"https://evil.example"))
    assert main(["ledger", "verify", etcd.url]) == 2
    assert capsys.readouterr().out == "2: What is kept of the policy pay is not what it wrote.\n"
    [_, said] = prepare_store(etcd.url)
    assert "Entry 2: What is kept of the policy pay is not what it wrote." in said
    assert source.everything() == good
    etcd.put("/cors/d/0/policy/pay", b'{"origins": ["https://evil.example"]}')
    with pytest.raises(StoreUnavailable, match="Nothing was restored"):
        prepare_store(etcd.url)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("x", "was not written by cors-service: remove it, or choose another prefix."),
        (json.dumps({"layout": 2}), "is of a newer version, 2; this one knows 1. Update cors-service."),
        (json.dumps({"layout": 0}), "is of an older version, 0; this one knows 1. Copy the policies with"),
    ],
)
def test_strange_heads(etcd: Gateway, source: EtcdSource, head: str, said: str) -> None:
    """What another version or somebody else has written is not read as something that it is not."""
    etcd.put("/cors/head", head.encode())
    with pytest.raises(StoreUnavailable) as caught:
        source.everything()
    assert said in str(caught.value)
    assert caught.value.code == "store-does-not-load"


def test_a_slow_link() -> None:
    """A large answer may take longer than a small one, as long as it keeps coming."""
    value = base64.b64encode(b"x" * 60_000)
    body = b'{"kvs": [{"value": "%b"}]}' % value

    def send() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for start in range(0, len(body), 8000):
                Event().wait(0.05)
                connection.sendall(body[start : start + 8000])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = read_address(f"etcd://127.0.0.1:{listening.getsockname()[1]}/cors")
        thread = Thread(target=send, daemon=True)
        thread.start()
        with closing(Member(address, address.endpoints[0])) as member:
            answer = member.ask(Question("kv/range", {}, Range, 0.1), "")
        thread.join()
    assert answer.kvs[0].value == b"x" * 60_000


def test_far_behind(etcd: Gateway, source: EtcdSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where much was written meanwhile, everything is read at once."""
    head = source.everything().head
    signed = [change(etcd.url, ("policy", "shop", {"origins": [f"https://{i}.example.com"]})) for i in range(40)]
    assert [step.signed for step in source.since(head) or ()] == signed
    monkeypatch.setattr(reading, "MOST_BYTES", 20_000)
    assert source.since(signed[30].head) is not None
    assert source.since(head) is None


@pytest.mark.parametrize("filler", [b"X-Filler: 1\r\n", b"x"], ids=["lines", "bytes"])
def test_slow_answers(filler: bytes) -> None:
    """A member that begins to answer, and never comes to an end, is given up in time."""
    is_over = Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not is_over.wait(0.02):
                connection.sendall(filler)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = read_address(f"etcd://127.0.0.1:{listening.getsockname()[1]}/cors")
        thread = Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(Unanswered, match="no answer in time"):
            Member(address, address.endpoints[0]).ask(Question("kv/range", {}, Range, 0.1), "")
        is_over.set()
        thread.join()
