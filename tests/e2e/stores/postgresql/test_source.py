"""Tests of PostgreSQL as replicas read it: each failure happens to a real server."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from cors_service.ledger.chain import digests_of_entries
from cors_service.ledger.edits import digest_of_body
from cors_service.ledger.entry import Head, Key, Signed
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource
from cors_service.postgresql import PostgreSQLSource, PostgreSQLStore, prepare_store, reading, session
from cors_service.postgresql import source as postgresql_source
from tests.e2e.daemons import wait_for
from tests.e2e.stores.postgresql.conftest import Database, new_database, pair
from tests.e2e.stores.postgresql.servers import Server, pool, server
from tests.e2e.stores.slow import slow_link
from tests.ledger.stores import change

LONG = 60.0
"""More seconds than anything may take."""


@pytest.fixture
def store(database: Database) -> Iterator[PostgreSQLStore]:
    """Give who writes."""
    with closing(PostgreSQLStore(database.url())) as one:
        yield one


@pytest.fixture
def source(database: Database) -> Iterator[PostgreSQLSource]:
    """Give who reads, and what follows each time."""
    with closing(PostgreSQLSource(database.url())) as one:
        yield one


def publish(store: PostgreSQLStore, number: int) -> Signed:
    """Make a change."""
    return change(store, ("policy", "shop", {"origins": [f"https://{number}.example.com"]}))


def follow(source: IStoreSource, base: Head) -> Head:
    """Follow changes, each of which fits the one before; give the newest."""
    steps = source.since(base)
    assert steps is not None
    for step in steps:
        entry = step.signed.entry
        assert (entry.seq, entry.previous) == (base.seq + 1, base.entry)
        for touched in entry.changes:
            if touched.after is not None:
                assert digest_of_body(touched.key, step.bodies[touched.key]) == touched.after
        base = step.signed.head
    return base


def test_everything(store: PostgreSQLStore, source: PostgreSQLSource) -> None:
    """What is read at once is of one moment, and says which history it is."""
    empty = source.everything()
    assert (empty.bodies, empty.head.seq) == ({}, 1)
    publish(store, 1)
    signed = change(store, ("origin-set", "all", ["https://a.example"]), ("policy", "pay", {"origins": ["@all"]}))
    found = source.everything()
    assert found == Everything(signed.head, found.bodies, empty.origin)
    assert digests_of_entries(store.entries(0, 10)) == {
        key: digest_of_body(key, one) for key, one in found.bodies.items()
    }
    assert found.origin is not None
    assert found.origin.endswith("/1")


def test_since(store: PostgreSQLStore, source: PostgreSQLSource) -> None:
    """Changes are read whole and in order; those behind a change of another history can't be had."""
    begun = source.everything().head
    heads = [publish(store, number).head for number in range(3)]
    assert follow(source, begun) == heads[2] == source.head()
    assert follow(source, heads[1]) == heads[2]
    assert source.since(heads[2]) == []
    removed = change(store, ("policy", "shop", None), ("policy", "new", {"origins": ["*"]}))
    steps = source.since(heads[2])
    assert steps is not None
    assert [set(step.bodies) for step in steps] == [{Key("policy", "new")}]
    for other in (heads[0], removed.head):
        assert source.since(Head(seq=other.seq, revision=other.revision, entry="00", format=1, at=other.at)) is None
    assert source.since(Head(seq=9, revision="", entry="", format=1, at="")) is None


@pytest.mark.parametrize(("name", "most"), [("MOST_STEPS", 3), ("MOST_ROWS", 4)])
def test_far_behind(
    store: PostgreSQLStore, source: PostgreSQLSource, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    """Where much was changed meanwhile, everything is read at once, which takes a known time."""
    monkeypatch.setattr(reading, name, most)
    begun = source.everything().head
    heads = [publish(store, number).head for number in range(5)]
    assert source.since(begun) is None
    assert follow(source, heads[1]) == heads[4] == source.everything().head


def test_a_slow_link(
    database: Database, store: PostgreSQLStore, source: PostgreSQLSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever takes longer than a server may keep silent is read all the same, be it much or one large definition."""
    monkeypatch.setattr(session, "SECONDS", 1)
    begun = source.everything().head
    origins = [f"https://{secrets.token_hex(12)}.example.com" for _ in range(20_000)]
    for number in (1, 2):
        change(store, ("policy", "shop", {"origins": [*origins, f"https://{number}.example.com"]}))
    with slow_link(database.server.port, 600_000) as port:
        url = database.url().replace(f":{database.server.port}/", f":{port}/")
        with closing(PostgreSQLSource(url)) as slow, closing(PostgreSQLStore(url)) as other:
            monkeypatch.setattr(reading, "MOST_BYTES", 1 << 30)
            assert follow(slow, begun) == source.head()
            monkeypatch.setattr(reading, "MOST_BYTES", 1 << 10)
            assert slow.since(begun) is None
            assert slow.everything() == source.everything()
            assert other.read().head == source.head()


def test_notified(store: PostgreSQLStore, source: PostgreSQLSource) -> None:
    """A commit ends the wait, also one that came before the wait; without one, it ends by itself, or is ended."""
    head = source.everything().head
    publish(store, 1)
    assert source.wait(LONG)
    head = follow(source, head)
    publish(store, 2)
    head = follow(source, head)
    publish(store, 3)
    assert source.wait(LONG)
    assert follow(source, head).seq == 4
    while source.wait(0):
        pass
    source.wake()
    assert not source.wait(LONG)


def test_killed_backend(database: Database, store: PostgreSQLStore, source: PostgreSQLSource) -> None:
    """Whoever kills the connection while changes are made, nothing of them is missed."""
    head = source.everything().head
    for number in range(5):
        database.server.kill_backends()
        publish(store, number)
        database.server.kill_backends()
        assert source.wait(LONG)
        head = follow(source, head)
        assert head.seq == number + 2
        assert source.head() == head


def test_behind_a_pool(database: Database) -> None:
    """Behind a pool, where notifications get lost, changes are made and followed all the same."""
    with pool(database.server) as port:
        url = f"postgresql://anybody@127.0.0.1:{port}/{database.name}"
        with closing(PostgreSQLStore(url)) as store, closing(PostgreSQLSource(url)) as source:
            head = source.everything().head
            for number in range(5):
                signed = publish(store, number)
                source.wait(0)
                head = follow(source, head)
                assert head == signed.head == source.head()


def test_one_connection(database: Database, store: PostgreSQLStore, source: PostgreSQLSource) -> None:
    """Reading, listening and the barrier take one connection together."""
    source.head()
    publish(store, 1)
    source.since(source.everything().head)
    store.close()
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'cors-service'"
    wait_for(lambda: database.server.sql("postgres", count, database.name) == [1], "one connection")


def test_tampered(database: Database, store: PostgreSQLStore) -> None:
    """Whoever asks for the newest change learns which entry was changed by hand; definitions still come."""
    for number in range(3):
        publish(store, number)
    with closing(PostgreSQLSource(database.url(), check_seconds=0)) as source:
        head = source.head()
        tamper = "UPDATE cors.ledger SET entry = replace(entry::text, 'because', 'why')::json WHERE seq = 3"
        database.sql(f"SET session_replication_role = replica; {tamper}")
        problem = wait_for(lambda: problem_of(source), "the next check")
        assert problem.code == "store-ledger-broken"
        assert str(problem).startswith("Entry 3 of the ledger of")
        assert source.everything().head == head


def test_tampered_anywhere(database: Database, store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that is too long to be checked at once is checked in parts, again and again: any entry is found."""
    monkeypatch.setattr(postgresql_source, "_MOST_CHECKED", 3)
    for number in range(8):
        publish(store, number)
    with closing(PostgreSQLSource(database.url(), check_seconds=0)) as source:
        source.head()
        for seq in range(1, 10):
            for change in ("replace(entry::text, 'request_id', 'request_ID')", "entry::text || ' '"):
                entry = database.sql(f"SELECT entry::text FROM cors.ledger WHERE seq = {seq}")
                tamper(database, f"UPDATE cors.ledger SET entry = ({change})::json WHERE seq = {seq}")
                problem = wait_for(lambda: problem_of(source), f"entry {seq}")
                assert str(problem).startswith(f"Entry {seq} of the ledger of")
                tamper(database, f"UPDATE cors.ledger SET entry = %s WHERE seq = {seq}", *entry)
        assert [problem_of(source) for _ in range(9)] == [None] * 9
        tamper(database, "DELETE FROM cors.ledger WHERE seq = 4")
        assert str(wait_for(lambda: problem_of(source), "entry 4")).startswith("Entry 5 of the ledger of")


def test_check_takes_long(database: Database, store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that the server does not do in time is done in smaller parts, and what was tampered with is found."""
    monkeypatch.setattr(postgresql_source, "_LONGEST_CHECK", 0.1)
    for number in range(12):
        publish(store, number)
    # Each entry takes as long to read as a very large one.
    database.sql(SLOW_ENTRIES)
    with closing(PostgreSQLSource(database.url(), check_seconds=0)) as source:
        monkeypatch.setattr(postgresql_source, "_CHECK_SHARE", 0)
        tamper(database, "UPDATE cors.ledger_kept SET entry = (entry::text || ' ')::json WHERE seq = 9")
        problem = wait_for(lambda: problem_of(source), "entry 9")
        assert str(problem).startswith("Entry 9 of the ledger of")


SLOW_ENTRIES = """
ALTER TABLE cors.ledger RENAME TO ledger_kept;
CREATE FUNCTION cors.slow(entry json) RETURNS json STABLE LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(0.02); RETURN entry; END';
CREATE VIEW cors.ledger AS SELECT seq, cors.slow(entry) AS entry, hash FROM cors.ledger_kept;
"""


def tamper(database: Database, statement: str, *values: object) -> None:
    """Get around what protects the ledger."""
    with database.server.connect(database.name) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode(), values or None)


def problem_of(source: IStoreSource) -> StoreUnavailable | None:
    """What keeps a source from saying what is newest; None if nothing does."""
    try:
        source.head()
    except StoreUnavailable as problem:
        return problem
    return None


def test_closed(source: PostgreSQLSource) -> None:
    """Whoever closes it ends the wait of another thread, and nothing is read any more."""
    source.everything()
    source.close()
    source.wait(LONG)
    with pytest.raises(StoreUnavailable, match="was closed"):
        source.head()


def test_frozen() -> None:
    """A server that stands still is given up with a sentence; when it goes on, so does the source."""
    with server() as one:
        database = new_database(one)
        prepare_store(database.url())
        with closing(PostgreSQLSource(database.url())) as source, closing(PostgreSQLStore(database.url())) as store:
            head = source.everything().head
            store.read()
            one.freeze()
            with ThreadPoolExecutor() as threads:
                for asked in [threads.submit(ask) for ask in (source.head, store.read)]:
                    with pytest.raises(StoreUnavailable, match="does not answer within 5 seconds"):
                        asked.result()
            one.let_go()
            publish(store, 1)
            assert follow(source, head) == source.head()
            one.stop(signal.SIGQUIT)
            with pytest.raises(StoreUnavailable, match=r"does not listen there|has closed the connection"):
                source.head()
            with pytest.raises(StoreUnavailable, match="does not listen there"):
                source.since(head)
            one.start()
            assert follow(source, head) == source.head()


def test_standby_and_failover() -> None:
    """A standby is followed, without the barrier; behind a failover that lost commits, they are seen to be gone."""
    with pair() as two:
        primary, standby, database = two
        both = two.both(database.url())
        with (
            closing(PostgreSQLStore(both)) as store,
            closing(PostgreSQLSource(both)) as follower,
            closing(PostgreSQLSource(standby.url(database.name))) as reader,
        ):
            check_standby(store, reader)
            check_lagging(primary, standby, store, both)
            check_preferring(standby, store, f"{both}?target_session_attrs=prefer-standby&application_name=other")
            check_failover(primary, standby, store, follower, reader)


def check_standby(store: PostgreSQLStore, reader: PostgreSQLSource) -> None:
    """What a standby has is followed by looking; what is newest, it can't know."""
    head = reader.everything().head
    newest = publish(store, 1).head
    wait_for(lambda: reader.wait(0.05) and follow(reader, head) == newest, "the standby")
    with pytest.raises(StoreUnavailable, match="is a standby, so it may lack the newest change: name the primary"):
        reader.head()


def check_lagging(primary: Server, standby: Server, store: PostgreSQLStore, url: str) -> None:
    """What a standby lacks when its primary goes is neither lost nor read again and again."""
    with closing(PostgreSQLSource(url)) as source:
        before = source.everything()
        standby.sql("postgres", "SELECT pg_wal_replay_pause()")
        newest = publish(store, 5).head
        assert follow(source, before.head) == newest == source.head()
        assert not source.everything().may_lag
        primary.stop()
        assert source.since(newest) == []
        with pytest.raises(StoreUnavailable, match="is a standby, so it may lack the newest change"):
            source.head()
        found = source.everything()
        assert (found.head, found.may_lag) == (before.head, True)
        primary.start()
        standby.sql("postgres", "SELECT pg_wal_replay_resume()")
        wait_for(lambda: problem_of(source) is None, "the primary")
        assert source.since(newest) == []


def check_preferring(standby: Server, store: PostgreSQLStore, url: str) -> None:
    """Who asks for a standby reads from it, and learns from the primary what is newest."""
    with closing(PostgreSQLSource(url)) as source:
        head = source.everything().head
        newest = publish(store, 1).head
        assert source.head() == newest
        wait_for(lambda: source.wait(0.05) and follow(source, head) == newest, "the standby")
        names = "SELECT application_name FROM pg_stat_activity WHERE application_name = 'other'"
        assert standby.sql("postgres", names) == ["other"]


def check_failover(
    primary: Server, standby: Server, store: PostgreSQLStore, follower: PostgreSQLSource, reader: PostgreSQLSource
) -> None:
    """Promote the standby, which lacks what was written last."""
    before = follower.everything()
    wait_for(lambda: reader.since(before.head) == [], "the standby")
    standby.stop()
    lost = [publish(store, number).head for number in (2, 3)][-1]
    assert follow(follower, before.head) == lost == follower.head()
    primary.stop(signal.SIGQUIT)
    standby.start()
    standby.promote()
    assert follower.since(lost) is None
    after = follower.everything()
    assert (after.head, after.bodies) == (before.head, before.bodies)
    assert after.origin is not None
    assert before.origin is not None
    assert after.origin.split("/")[0] == before.origin.split("/")[0]
    assert (before.origin.split("/")[1], after.origin.split("/")[1]) == ("1", "2")
    assert follower.head() == reader.head() == before.head
    other = [publish(store, number).head for number in (4, 5)][-1]
    assert other.seq == lost.seq
    assert follower.since(lost) is None
    assert follow(follower, before.head) == other == follower.head()
