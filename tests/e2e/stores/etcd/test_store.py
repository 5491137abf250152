"""Etcd as a store that is written: changes are made in one step, small and large ones, and nobody's work is lost."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cors_service.etcd import EtcdSource, EtcdStore, prepare_store
from cors_service.ledger.chain import verify
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Outdated, StoreUnavailable
from cors_service.policy import revision
from tests.e2e.stores.etcd.changes import FIRST, SHOP, WIDER, Replica, attempted, changed, numbered
from tests.e2e.stores.etcd.members import Cluster, Member
from tests.ledger.model import CHANGES, Model
from tests.ledger.stores import about, edits

LARGE = 300
"""Definitions that don't fit into one transaction."""


def test_first_change(cluster: Cluster, prefix: str) -> None:
    """The first change of an empty prefix has the number 1, and who opens it later finds what was written."""
    store = EtcdStore(cluster.url(prefix))
    assert store.read().head.seq == 0
    signed = store.commit(store.plan(store.read(), edits(*FIRST)), about(reason="the first"))
    other = EtcdStore(cluster.url(prefix))
    assert (signed.entry.seq, signed.entry.reason) == (1, "the first")
    assert store.kept == other.read()
    assert {Key(kind, name): body for kind, name, body in FIRST} == other.bodies(
        Key(kind, name) for kind, name, _ in FIRST
    )
    assert list(verify(other.entries(0, 10), other.read().head)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_model(cluster: Cluster, prefix: str, seed: int) -> None:
    """Behind each change, the store, and a replica that follows it, have what the model has; so has the ledger."""
    url = cluster.url(prefix)
    changed(url, *FIRST)
    store, replica = EtcdStore(url), Replica(url)
    model = Model(seed, store)
    for _ in range(CHANGES):
        model.change()
        assert replica.follow() is not None
        assert replica.head == EtcdStore(url).read().head
        assert replica.revision == revision(model.policy_set)
    model.check_ledger()
    replica.source.close()


def test_large_changes(cluster: Cluster, prefix: str) -> None:
    """A change that no transaction can hold is one change all the same, and leaves nothing of the generation before."""
    url = cluster.url(prefix)
    changed(url, *FIRST)
    store, replica = EtcdStore(url), Replica(url)
    store.commit(store.plan(store.read(), edits(*numbered(LARGE))), about())
    first = cluster.keys(f"{prefix}/d/")
    some = numbered(LARGE)[: LARGE // 2]
    gone = [(kind, name, None) for kind, name, _ in some]
    signed = store.commit(store.plan(store.read(), edits(*gone, ("policy", "shop", WIDER))), about())
    assert [len(step.signed.entry.changes) for step in replica.follow() or ()] == [LARGE, LARGE // 2 + 1]
    assert replica.revision == signed.entry.revision == Replica(url).revision
    second = cluster.keys(f"{prefix}/d/")
    assert len(first) == LARGE + len(FIRST)
    assert len(second) == LARGE // 2 + len(FIRST)
    assert {key.split("/")[3] for key in first}.isdisjoint(key.split("/")[3] for key in second)
    assert EtcdStore(url).read() == store.kept
    assert len(store.bodies_at(2)) == LARGE + len(FIRST)
    assert list(verify(store.entries(0, 10), signed.head)) == []


def test_large_definitions(cluster: Cluster, prefix: str) -> None:
    """A change of a few definitions that are too large together is made in parts; one that is too large is refused."""
    url = cluster.url(prefix)

    def origins(letter: str, count: int) -> list[str]:
        return [f"https://{letter}{i}.{'long-' * 10}name.example.com" for i in range(count)]

    signed = changed(url, *(("policy", letter, {"origins": origins(letter, 7000)}) for letter in "abc"))
    assert Replica(url).revision == signed.entry.revision
    with pytest.raises(StoreUnavailable, match=r"^The policy d is too large for etcd: .*\.$"):
        attempted(url, ("policy", "d", {"origins": origins("d", 12000)}))


def test_two_writers(url: str) -> None:
    """Of two changes of one base, the second is refused with the head that the first has made."""
    one, two = EtcdStore(url), EtcdStore(url)
    plans = [store.plan(store.read(), edits(("policy", "shop", WIDER))) for store in (one, two)]
    signed = one.commit(plans[0], about())
    with pytest.raises(Outdated) as caught:
        two.commit(plans[1], about())
    assert caught.value.head == signed.head
    assert two.read().head == signed.head


@pytest.mark.parametrize("count", [1, LARGE])
def test_the_head_is_compared(
    url: str, count: int, cluster: Cluster, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that another one overtakes while it is written is not made, and leaves nothing behind."""
    slow, fast = EtcdStore(url), EtcdStore(url)
    plan = slow.plan(slow.read(), edits(*numbered(count)))
    at = slow._reading.at()
    signed = fast.commit(fast.plan(fast.read(), edits(("policy", "shop", WIDER))), about())
    before = cluster.keys(prefix)
    # What it read just before.
    monkeypatch.setattr(slow._reading, "at", lambda: at)
    with pytest.raises(Outdated) as caught:
        slow.commit(plan, about())
    assert caught.value.head == signed.head
    assert before == cluster.keys(prefix)


class Losing(ThreadingHTTPServer):
    """Stands before a member, and loses the answers to changes.

    Attributes:
        lost: How many it has lost.
    """

    def __init__(self, member: Member) -> None:
        self.member = member
        self.lost = 0
        super().__init__(("127.0.0.1", 0), Loser)
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Loser(BaseHTTPRequestHandler):
    """Passes on a request, and the answer unless it is one to a change."""

    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    server: Losing

    def do_POST(self) -> None:
        """Pass it on."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.member.port)
        connection.request("POST", self.path, body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if b'"compare"' in body:
            self.server.lost += 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def losing(cluster: Cluster) -> Iterator[Losing]:
    """Put something before a member that loses answers."""
    with Losing(cluster.first) as server:
        yield server
        server.shutdown()


@pytest.mark.parametrize("count", [1, LARGE])
def test_a_lost_answer(url: str, losing: Losing, cluster: Cluster, prefix: str, count: int) -> None:
    """A change that was made although its answer was lost is recognised, and is made once."""
    port = losing.server_address[1]
    signed = changed(f"etcd://127.0.0.1:{port},127.0.0.1:{cluster.first.port}{prefix}", *numbered(count))
    assert losing.lost > 0
    assert signed.entry.seq == 2
    assert EtcdStore(url).read().head == signed.head


def test_nobody_knows(losing: Losing, prefix: str, url: str) -> None:
    """If no endpoint answers whether a change was made, the message says so, and nobody loses it."""
    store = EtcdStore(f"etcd://127.0.0.1:{losing.server_address[1]}{prefix}")
    plan = store.plan(store.read(), edits(("policy", "shop", WIDER)))
    with pytest.raises(StoreUnavailable, match=r"It is not known whether the change was made: look at the ledger\.$"):
        store.commit(plan, about())
    assert store.read().head.seq == 2
    assert store.body(Key("policy", "shop")) == WIDER


def test_leftovers(url: str, cluster: Cluster, prefix: str) -> None:
    """What a writer left that was killed in the middle of a large change is seen by nobody, and goes with the next."""
    left = f"{prefix}/d/0000000000000002-0123456789abcdef/policy/left"
    cluster.put(left, '{"origins": ["*"]}')
    cluster.put(f"{prefix}/pieces/0000000000000002-0123456789abcdef/00000000", "{")
    assert Key("policy", "left") not in Replica(url).bodies
    changed(url, *numbered(LARGE))
    assert not [key for key in cluster.keys(prefix) if "0123456789abcdef" in key]


def test_changed_by_hand(url: str, cluster: Cluster, prefix: str) -> None:
    """A definition that somebody changed past the ledger is not taken for what the head names."""
    cluster.put(f"{prefix}/d/0/policy/shop", '{"origins": ["*"]}')
    with pytest.raises(StoreUnavailable, match="without an entry in the ledger") as caught:
        EtcdStore(url).read()
    assert caught.value.code == "store-revision-differs"
    cluster.put(f"{prefix}/d/0/policy/shop", "no JSON")
    for read in (EtcdStore(url).read, EtcdSource(url).everything):
        with pytest.raises(StoreUnavailable, match=r"has a definition that is not JSON: .*\.$"):
            read()


def test_prepared(cluster: Cluster, prefix: str) -> None:
    """A store that is made ready has a ledger without policies, may be made ready again, and takes changes."""
    url = cluster.url(prefix)
    assert prepare_store(url) == [f"Began the ledger below {prefix}: there are no policies yet."]
    there = f"The ledger below {prefix} is there already, with 1 entry."
    assert prepare_store(url) == [there]
    assert (EtcdStore(url).read().head.seq, EtcdSource(url).everything().bodies) == (1, {})
    assert changed(url, *FIRST).entry.seq == 2


def test_put_back(url: str, cluster: Cluster, prefix: str) -> None:
    """What somebody changed past the ledger is put back as the ledger has it."""
    before = EtcdStore(url).read()
    cluster.put(f"{prefix}/d/0/policy/shop", '{"origins": ["*"]}')
    cluster.put(f"{prefix}/d/0/policy/more", '{"origins": ["*"]}')
    cluster.remove(f"{prefix}/d/0/policy/old")
    assert prepare_store(url) == [
        f"The ledger below {prefix} is there already, with 1 entry.",
        "Restored what was changed by hand: policy more, policy old, policy shop.",
    ]
    assert EtcdStore(url).read() == before


def test_others_change(url: str) -> None:
    """What others have changed meanwhile is read when it is asked for."""
    store = EtcdStore(url)
    before = store.read()
    signed = changed(url, ("policy", "shop", WIDER), ("policy", "old", None))
    assert store.read().head == signed.head
    assert (store.body(Key("policy", "shop")), store.body(Key("policy", "old"))) == (WIDER, None)
    assert before.policy_set.policies["shop"] != store.read().policy_set.policies["shop"]
    assert store.bodies_at(1)[Key("policy", "shop")] == SHOP
    for seq in (0, 3):
        with pytest.raises(LookupError):
            store.bodies_at(seq)
