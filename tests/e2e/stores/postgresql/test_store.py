"""Tests of PostgreSQL as a store of policies with a ledger: what is confirmed is there, and nothing else."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from cors_service.ledger.chain import verify
from cors_service.ledger.definitions import BEGUN, EMPTY
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Outdated, StoreIsWrong, StoreUnavailable
from cors_service.policy import InvalidPolicies, revision
from cors_service.postgresql import PostgreSQLStore, prepare_store
from tests.e2e.daemons import wait_for
from tests.e2e.stores.postgresql.conftest import Database, new_database
from tests.e2e.stores.postgresql.servers import server
from tests.ledger.model import CHANGES, SETS, Model
from tests.ledger.stores import about, change, edits

SHOP = {"origins": ["https://shop.example.com"]}
EVERYBODY = {"origins": ["*"]}


@contextmanager
def store_of(database: Database, url: str | None = None) -> Iterator[PostgreSQLStore]:
    """Use a store."""
    store = PostgreSQLStore(url or database.url())
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(database: Database) -> Iterator[PostgreSQLStore]:
    """Give a store with nothing in it."""
    with store_of(database) as one:
        yield one


def test_begins_with_an_entry(store: PostgreSQLStore) -> None:
    """What is there behind `store init` is a head, a ledger of one entry, and no policies."""
    kept = store.read()
    [signed] = store.entries(0, 10)
    assert (signed.entry.reason, signed.head) == (BEGUN, kept.head)
    assert (kept.head.seq, kept.head.revision, kept.policy_set) == (1, revision(EMPTY), EMPTY)
    assert store.bodies_at(1) == {}


def test_change(database: Database, store: PostgreSQLStore) -> None:
    """A change is read by whoever has the store, with what its author wrote, in that order."""
    body = {"rules": [{"origins": ["https://a.example"], "max_age": 1}], "match": ["a.example/"]}
    change(store, ("policy", "shop", SHOP), ("policy", "old", EVERYBODY))
    signed = change(store, ("policy", "shop", body), ("policy", "old", None))
    with store_of(database) as other:
        for one in (store, other):
            assert one.read().head == signed.head
            assert json.dumps(one.body(Key("policy", "shop"))) == json.dumps(body)
            assert one.body(Key("policy", "old")) is None
            assert one.bodies([Key("policy", "shop"), Key("policy", "old")]) == {Key("policy", "shop"): body}
            assert set(one.bodies_at(2)) == {Key("policy", "shop"), Key("policy", "old")}
            assert list(verify(one.entries(0, 10), one.read().head)) == []
    with pytest.raises(LookupError, match="no entry 4"):
        store.bodies_at(4)


def test_follows_others(database: Database, store: PostgreSQLStore) -> None:
    """What others change is followed change by change, and what did not change stays the same object."""
    change(store, ("policy", "shop", SHOP), ("policy", "pay", SHOP))
    with store_of(database) as other:
        before = other.read().policy_set
        change(store, ("policy", "new", EVERYBODY))
        change(store, ("policy", "pay", EVERYBODY))
        after = other.read()
        assert after.head == store.read().head
        assert after.policy_set.policies["shop"] is before.policies["shop"]
        assert other.body(Key("policy", "new")) == EVERYBODY


@pytest.mark.parametrize("seed", [1, 2])
def test_model(database: Database, seed: int) -> None:
    """Behind each change of two writers, the store has what the model has, and so has the ledger of each before."""
    with store_of(database) as one, store_of(database) as other:
        # Without the sets, most changes would be mistakes.
        for name in SETS:
            change(one, ("policy", name, {"origins": [f"@{name}"]}), ("origin-set", name, ["https://a.example"]))
        model = Model(seed, one, other)
        for _ in range(CHANGES):
            model.change()
        model.check_ledger()


def test_mistakes(store: PostgreSQLStore) -> None:
    """A change with mistakes is not made, and says where each is."""
    change(store, ("policy", "shop", SHOP))
    with pytest.raises(InvalidPolicies) as found:
        store.plan(
            store.read(), edits(("policy", "pay", {"origins": ["nonsense"]}), ("policy", "shop", {"origins": []}))
        )
    assert {mistake.path for mistake in found.value.mistakes} == {
        ("policies", "pay", "origins", 0),
        ("policies", "shop", "origins"),
    }


def test_two_writers(database: Database, store: PostgreSQLStore) -> None:
    """Of two changes of the same base, one is made, and the other learns what is there instead."""
    with store_of(database) as other:
        mine = store.plan(store.read(), edits(("policy", "shop", SHOP)))
        theirs = other.plan(other.read(), edits(("policy", "pay", SHOP)))
        made = other.commit(theirs, about())
        with pytest.raises(Outdated) as found:
            store.commit(mine, about())
    assert found.value.head == made.head
    assert store.read().head == made.head
    assert set(store.bodies_at(2)) == {Key("policy", "pay")}


def test_writers_at_once(database: Database) -> None:
    """Whoever writes at the same time, each change that was confirmed is in the ledger, once, and none is lost."""
    confirmed: list[str] = []

    def write(number: int) -> None:
        with store_of(database) as one:
            for turn in range(8):
                while True:
                    plan = one.plan(
                        one.read(), edits(("policy", f"p{number}", {"origins": [f"https://{turn}.example"]}))
                    )
                    try:
                        confirmed.append(one.commit(plan, about(reason=f"{number}/{turn}")).entry.reason)
                    except Outdated:
                        continue
                    break

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store_of(database) as one:
        kept = one.read()
        entries = one.entries(0, 1000)
    assert list(verify(entries, kept.head)) == []
    assert sorted(entry.entry.reason for entry in entries[1:]) == sorted(confirmed)
    assert len(confirmed) == 32
    assert {origins for policy in kept.policy_set.policies.values() for origins in policy.rules[0].origins} == {
        "https://7.example"
    }


def test_stuck_writer(database: Database, store: PostgreSQLStore) -> None:
    """While somebody keeps a transaction open, others get a sentence, not silence; and then it goes on."""
    plan = store.plan(store.read(), edits(("policy", "shop", SHOP)))
    with database.server.connect(database.name) as stuck:
        stuck.execute("BEGIN")
        stuck.execute("UPDATE cors.head SET seq = seq")
        with pytest.raises(StoreUnavailable, match=r"being written by somebody else.*two seconds\.$"):
            store.commit(plan, about())
        assert store.read().head.seq == 1
    assert store.commit(plan, about()).entry.seq == 2


def test_no_synchronous_standby() -> None:
    """While a synchronous standby is gone, changes are refused with that reason; the first is made when it is back."""
    with server() as one, closing(PostgreSQLStore(new_database(one).url())) as store:
        prepare_store(one.url("cors"))
        plan = store.plan(store.read(), edits(("policy", "shop", SHOP)))
        one.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        one.sql("postgres", "SELECT pg_reload_conf()")
        wait_for(lambda: one.sql("postgres", "SHOW synchronous_standby_names") == ["*"], "the setting")
        why = "or waits for a synchronous standby: see pg_stat_activity"
        for end in (r"Nobody knows whether change 2 was made: look at the ledger first\.$", r"in two seconds\.$"):
            with pytest.raises(StoreUnavailable, match=f"{why}.*{end}"):
                store.commit(plan, about())
        assert store.read().head.seq == 1
        one.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
        one.sql("postgres", "SELECT pg_reload_conf()")
        wait_for(lambda: store.read().head.seq == 2, "the change")


def test_killed_while_writing(database: Database) -> None:
    """Whenever its backend is killed, a change is there or not, as the writer was told."""
    killed: list[int] = []
    killer = threading.Thread(target=kill_now_and_then, args=(database, random.Random(1), killed))
    confirmed, refused = list[int](), list[str]()
    killer.start()
    with store_of(database) as one:
        while killer.is_alive() or len(confirmed) < 10:
            try:
                wanted = edits(("policy", "shop", {"origins": [f"https://{len(confirmed)}.example"]}))
                plan = one.plan(one.read(), wanted)
                confirmed.append(one.commit(plan, about()).entry.seq)
            except StoreUnavailable as error:
                refused.append(str(error))
    killer.join()
    assert sum(killed) > 0
    assert [one for one in refused if "again" not in one and "look at the ledger" not in one] == []
    with store_of(database) as one:
        entries = one.entries(0, 1000)
        assert list(verify(entries, one.read().head)) == []
    known = [entry.entry.seq for entry in entries]
    assert set(confirmed) <= set(known)
    assert len(set(confirmed)) == len(confirmed)


def kill_now_and_then(database: Database, chance: random.Random, killed: list[int]) -> None:
    """Kill what is connected to a database, at times that nobody expects; note how many there were each time."""
    with database.server.connect("postgres") as connection:
        for _ in range(30):
            threading.Event().wait(chance.random() / 20)
            found = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,)
            )
            killed.append(len(found.fetchall()))


SLOW_COMMIT = """
CREATE FUNCTION cors.take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER take_long AFTER INSERT ON cors.ledger DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION cors.take_long();
"""


def test_answer_lost(database: Database, store: PostgreSQLStore) -> None:
    """Where the answer to a commit gets lost, the writer finds out that the change was made, and makes it once."""
    database.sql(SLOW_COMMIT)
    plan = store.plan(store.read(), edits(("policy", "shop", SHOP)))
    with ThreadPoolExecutor() as threads:
        committing = threads.submit(store.commit, plan, about())
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = 'COMMIT'"
        wait_for(lambda: database.sql(asleep) == [1], "the commit")
        connected = store._writing._socket
        assert connected is not None
        connected.shutdown(socket.SHUT_RDWR)
        assert committing.result().entry.seq == 2
    assert [signed.entry.seq for signed in store.entries(0, 10)] == [1, 2]


def test_read_only(database: Database, store: PostgreSQLStore) -> None:
    """Where nothing can be written, changes are refused with a sentence, and reading goes on."""
    change(store, ("policy", "shop", SHOP))
    database.sql(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    with store_of(database) as one:
        plan = one.plan(one.read(), edits(("policy", "shop", None), ("policy", "new", SHOP)))
        with pytest.raises(StoreUnavailable, match="takes no changes"):
            one.commit(plan, about())
        assert one.read().head.seq == 2


TAMPERED = {
    "a reason": ("UPDATE cors.ledger SET entry = replace(entry::text, 'because', 'why')::json WHERE seq = 3", 3),
    "an entry that is gone": ("DELETE FROM cors.ledger WHERE seq = 2", 3),
    "a hash": ("UPDATE cors.ledger SET hash = sha256('') WHERE seq = 2", 2),
}


@pytest.mark.parametrize(("statement", "seq"), TAMPERED.values(), ids=TAMPERED)
def test_tampered(database: Database, store: PostgreSQLStore, statement: str, seq: int) -> None:
    """Nobody may change an entry; where a superuser did it nevertheless, that is found, and the entry is named."""
    for number in range(3):
        change(store, ("policy", "shop", {"origins": [f"https://{number}.example"]}))
    with pytest.raises(Exception, match="only appended to"):
        database.sql(statement)
    database.sql(f"SET session_replication_role = replica; {statement}")
    broken = list(verify(store.entries(0, 10), store.read().head))
    assert seq in {one.seq for one in broken}


def test_changed_by_hand(database: Database, store: PostgreSQLStore) -> None:
    """Definitions that somebody changed beside the ledger are not taken, and `store init` puts them back."""
    change(store, ("policy", "shop", SHOP), ("policy", "pay", SHOP))
    database.sql("""UPDATE cors.document SET body = '{"origins": ["*"]}' WHERE name = 'shop'""")
    database.sql("DELETE FROM cors.document WHERE name = 'pay'")
    assert store.read().head.seq == 2
    with store_of(database) as other, pytest.raises(StoreUnavailable, match="changed by hand") as found:
        other.read()
    assert found.value.code == "store-revision-differs"
    assert prepare_store(database.url())[-1] == "Restored what was changed by hand: policy pay, policy shop."
    with store_of(database) as other:
        assert other.read().head == store.read().head


def test_does_not_load(database: Database, store: PostgreSQLStore) -> None:
    """A change that somebody else wrote, with mistakes, leaves the last good policies until it is mended."""
    change(store, ("policy", "shop", SHOP))
    good = store.read().policy_set
    write_by_hand(database, "shop", '{"origins": ["nonsense"]}')
    kept = store.read()
    assert (kept.head.seq, kept.policy_set) == (3, good)
    assert kept.mistakes is not None
    assert "policies.shop.origins[0]" in kept.mistakes.report()
    with pytest.raises(StoreIsWrong):
        store.plan(kept, edits(("policy", "pay", SHOP)))
    with store_of(database) as other, pytest.raises(InvalidPolicies):
        other.read()
    write_by_hand(database, "shop", '{"origins": ["https://shop.example.com"]}', revision(good))
    kept = store.read()
    assert (kept.head.seq, kept.policy_set, kept.mistakes) == (4, good, None)


def write_by_hand(database: Database, name: str, body: str, its_revision: str = "sha256:0") -> None:
    """Write a policy as a program does that does not check it; the ledger is another's business."""
    database.sql(
        """
        WITH head AS (UPDATE cors.head SET seq = seq + 1, revision = %s RETURNING seq),
        change AS (
            INSERT INTO cors.change (seq, kind, name, digest, body)
            SELECT seq, 'policy', %s, sha256(''), %s FROM head RETURNING seq
        )
        UPDATE cors.document SET body = %s, seq = change.seq FROM change WHERE name = %s
        """,
        its_revision,
        name,
        body,
        body,
        name,
    )
