"""What members of etcd do to those who read them, and what these make of it: nothing is lost, and nothing is mixed."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cors_service.etcd.refusals import Refused
from cors_service.ledger.entry import Head, Kind
from cors_service.ledger.kept import StoreUnavailable
from tests.e2e.daemons import DEADLINE, wait_for
from tests.e2e.stores.etcd.changes import FIRST, SHOP, WIDER, Replica, attempted, changed, numbered
from tests.e2e.stores.etcd.members import Cluster, Member, fill, started, text64

OLD: tuple[Kind, str, None] = ("policy", "old", None)


@pytest.fixture(scope="module")
def cluster(three: Cluster) -> Cluster:
    """Give three members to all tests."""
    return three


@pytest.fixture
def replica(url: str) -> Iterator[Replica]:
    """Give a replica of the store."""
    made = Replica(url)
    yield made
    made.source.close()


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """Give the cluster to somebody who does something to its members; it is mended behind that."""
    yield cluster
    for member in cluster.members:
        if member.is_alive:
            member.go_on()
    cluster.start()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster of one member, whose data a test may do anything to."""
    yield from started(Cluster(tmp_path / "single"))


def watched(
    member: Member, key: str, revision: int, *, until: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Watch a key as the gateway has it, up to a message; give the messages, or up to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", member.port, timeout=DEADLINE)
    body = {"create_request": {"key": text64(key), "start_revision": revision}}
    connection.request("POST", "/v3/watch", json.dumps(body), {"Grpc-Metadata-hasleader": "true"})
    found = []
    for line in connection.getresponse():
        found.append(json.loads(line))
        if until(found[-1]):
            break
    connection.close()
    return found


def has_events(message: dict[str, Any]) -> bool:
    """Whether something has happened."""
    return "events" in message.get("result", {})


def news(replica: Replica, head: Head) -> None:
    """Wait until the watch says that there is something, and follow it up to a change."""
    wait_for(lambda: replica.source.wait(DEADLINE) and replica.follow() is not None and replica.head == head, "news")


def test_news(replica: Replica, url: str) -> None:
    """A change is told as soon as it is made, and so is one that was made before anybody waited."""
    news(replica, changed(url, ("policy", "shop", WIDER)).head)
    signed = changed(url, OLD)
    assert replica.source.wait(DEADLINE)
    assert [step.signed for step in replica.follow() or ()] == [signed]
    assert replica.newest() == signed.head
    assert replica.revision == signed.entry.revision


def test_waiting_ends(replica: Replica) -> None:
    """Without news, waiting ends by itself, or when somebody wakes it."""
    assert not replica.source.wait(0)
    replica.source.wake()
    assert replica.source.wait(DEADLINE)


def test_compacted(cluster: Cluster, replica: Replica, url: str) -> None:
    """Compaction takes away what a watch would have to begin with, and no change from who is behind."""
    start = cluster.revision()
    signed = [changed(url, ("policy", "shop", body)) for body in (WIDER, SHOP, WIDER)]
    cluster.compact(cluster.revision())
    *_, last = watched(cluster.first, "/", start, until=lambda one: one["result"].get("canceled", False))
    assert int(last["result"]["compact_revision"]) > start
    assert [step.signed for step in replica.follow() or ()] == signed
    assert replica.revision == signed[-1].entry.revision


def test_compacted_in_the_middle(cluster: Cluster, replica: Replica, url: str, prefix: str) -> None:
    """A revision that is compacted while its pages are read is given up, and all is read again."""
    changed(url, *numbered(100))
    reading = replica.source._reading
    pages = reading.pages(f"{prefix}/d/".encode(), f"{prefix}/e".encode(), reading.at())
    next(pages)
    signed = changed(url, ("policy", "shop", WIDER))
    cluster.compact(cluster.revision())
    with pytest.raises(Refused) as caught:
        list(pages)
    assert caught.value.is_history
    assert replica.source.everything().head == signed.head


def test_deletion_at_the_compacted_revision(cluster: Cluster, replica: Replica, url: str, prefix: str) -> None:
    """Etcd never delivers a deletion at the compacted revision (etcd#18089); who was behind has it anyway."""
    changed(url, ("policy", "shop", WIDER))
    removed = changed(url, OLD)
    revision = cluster.revision()
    again = changed(url, ("policy", "old", {"origins": ["https://older.example.com"]}))
    cluster.compact(revision)
    *_, last = watched(cluster.first, f"{prefix}/d/0/policy/old", revision, until=has_events)
    assert [event.get("type", "PUT") for event in last["result"]["events"]] == ["PUT"]
    steps = replica.follow()
    assert [step.signed for step in (steps or ())[-2:]] == [removed, again]
    assert replica.revision == again.entry.revision == Replica(url).revision


def test_a_minority(whole: Cluster, url: str) -> None:
    """A member that is cut off from the others ends its watches, and its head counts for nothing."""
    first, *others = whole.members
    replica = Replica(url)
    for member in others:
        member.kill()
    *_, last = watched(first, "/", whole_revision(first), until=lambda one: "error" in one)
    assert "no leader" in last["error"]["message"]
    assert "kvs" in first.ask(
        "kv/range", {"key": text64(f"{replica.source._reading._keys.prefix}/head"), "serializable": True}
    )
    with pytest.raises(StoreUnavailable, match=r"^etcd://.* does not answer: .*\.$"):
        replica.source.head()
    with pytest.raises(StoreUnavailable):
        replica.source.since(replica.head)
    whole.start()
    signed = changed(url, ("policy", "shop", WIDER))
    assert replica.newest() == signed.head
    assert [step.signed for step in replica.follow() or ()] == [signed]
    replica.source.close()


def whole_revision(member: Member) -> int:
    """Give the revision that a member is at, whatever the others say."""
    return int(member.ask("kv/range", {"key": text64("/"), "serializable": True})["header"]["revision"]) + 1


@pytest.mark.parametrize("how", [Member.kill, Member.pause], ids=["killed", "stopped"])
def test_the_next_endpoint(
    whole: Cluster, replica: Replica, url: str, prefix: str, how: Callable[[Member], None]
) -> None:
    """If a member is killed or stopped, the next one is asked, and watched, and the changes go on."""
    how(whole.first)
    others = whole.url(prefix, *whole.members[1:])
    signed = changed(others, ("policy", "shop", WIDER))
    assert replica.newest() == signed.head
    assert [step.signed for step in replica.follow() or ()] == [signed]
    news(replica, changed(others, ("policy", "shop", SHOP)).head)


def test_a_restored_backup(single: Cluster, tmp_path: Path) -> None:
    """A cluster that was made of a backup is another history: nothing leads on to it, and its origin is another."""
    url = single.url("/cors")
    changed(url, *FIRST)
    backup = tmp_path / "backup"
    single.control("snapshot", "save", str(backup))
    changed(url, ("policy", "shop", WIDER))
    replica = Replica(url)
    single.stop()
    single.restore(backup)
    single.start()
    assert replica.follow() is None
    found = replica.source.everything()
    assert (found.head.seq, replica.head.seq) == (1, 2)
    assert found.origin != replica.origin
    news_of_the_new_one(replica, url)


def test_older_data(single: Cluster, tmp_path: Path) -> None:
    """A member that has lost its newest data is behind, so its revisions are those of a future: all is read again."""
    url = single.url("/cors")
    changed(url, *FIRST)
    single.stop()
    shutil.copytree(single.first.data, tmp_path / "copy")
    single.start()
    changed(url, ("policy", "shop", WIDER))
    replica = Replica(url)
    single.stop()
    shutil.rmtree(single.first.data)
    (tmp_path / "copy").rename(single.first.data)
    single.start()
    assert replica.newest().seq == 1
    assert replica.follow() is None
    found = replica.source.everything()
    assert (found.head.seq, replica.head.seq) == (1, 2)
    assert found.origin == replica.origin
    news_of_the_new_one(replica, url)


def news_of_the_new_one(replica: Replica, url: str) -> None:
    """What is watched behind it is the new history."""
    found = replica.source.everything()
    replica.head, replica.bodies = found.head, dict(found.bodies)
    news(replica, changed(url, OLD).head)
    replica.source.close()


def test_another_cluster(single: Cluster, cluster: Cluster, url: str, prefix: str) -> None:
    """A replica whose endpoints lead to another cluster does not follow it."""
    changed(single.url(prefix), *FIRST)
    replica = Replica(f"{single.url(prefix)},127.0.0.1:{cluster.first.port}".replace(f"{prefix},", ",") + prefix)
    single.stop()
    assert replica.follow() is None
    assert replica.source.everything().origin != replica.origin
    replica.source.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster with little space."""
    yield from started(Cluster(tmp_path / "small", arguments=["--quota-backend-bytes", str(4 << 20)]))


def test_no_space(small: Cluster) -> None:
    """Without space, nothing can be written, everything can be read, and it goes on once there is some."""
    url = small.url("/cors")
    signed = changed(url, *FIRST)
    replica = Replica(url)
    wait_for(lambda: "error" in fill(small), "the end of the space")
    with pytest.raises(StoreUnavailable, match=r"has no space left: .* disarms its alarm\.$"):
        attempted(url, ("policy", "shop", WIDER))
    assert replica.newest() == signed.head == Replica(url).head
    small.free()
    news(replica, changed(url, ("policy", "shop", WIDER)).head)
    replica.source.close()
