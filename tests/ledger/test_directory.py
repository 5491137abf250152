"""Tests of a directory of documents as a store: changes are made in one step, and nobody's work is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cors_service.ledger.chain import verify
from cors_service.ledger.directory import BY_HAND, FOUND, DirectoryStore
from cors_service.ledger.entry import Key
from cors_service.ledger.files import LedgerFiles
from cors_service.ledger.kept import Outdated, StoreIsWrong, StoreUnavailable
from cors_service.policy import InvalidPolicies, revision
from cors_service.reader.sources import read_policies
from tests.ledger.stores import TEXTS, about, change, documents, edits, written

ROOT = Path(__file__).parents[2]
SHOP = {"origins": ["https://shop.example.com", "https://new.example.com"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a directory of documents."""
    return written(tmp_path / "policies")


def test_first_entry(path: Path) -> None:
    """What is found is the first entry, without an author, and nothing of it is written anew."""
    store = DirectoryStore(path)
    kept = store.read()
    [signed] = store.entries(0, 10)
    assert (signed.entry.seq, signed.entry.reason, signed.entry.author) == (1, FOUND, None)
    assert signed.head == kept.head
    assert kept.head.revision == revision(read_policies(path))
    assert documents(path) == TEXTS


def test_change(path: Path) -> None:
    """A change edits the documents that define something, makes new ones, and removes what has nothing left."""
    store = DirectoryStore(path)
    signed = change(store, ("policy", "shop", SHOP), ("policy", "old", None), ("policy", "new", {"origins": ["*"]}))
    assert signed.entry.seq == 2
    assert {
        "shop.toml": TEXTS["shop.toml"].replace('.com"]', '.com", "https://new.example.com"]'),
        "pay.toml": TEXTS["pay.toml"],
        "new.toml": 'version = 1\n\n[policies.new]\norigins = ["*"]\n',
    } == documents(path)
    assert signed.entry.revision == revision(read_policies(path))
    assert store.kept == store.read()
    assert [*verify(store.entries(0, 10), signed.head)] == []


def test_another_reads_the_same(path: Path) -> None:
    """Whoever opens the directory later finds the head and the digests that were kept."""
    store = DirectoryStore(path)
    change(store, ("policy", "shop", SHOP))
    assert store.kept == DirectoryStore(path).read()


def test_a_set_comes_with_its_policy(path: Path) -> None:
    """A new set stands in the document of the new policy that uses it; any other has a document of its own."""
    change(
        DirectoryStore(path),
        ("origin-set", "team", ["https://team.example"]),
        ("policy", "team", {"origins": ["@team"]}),
        ("header-set", "usual", ["x-a"]),
        ("policy", "shop", {"origins": ["*"], "request_headers": ["@usual"]}),
    )
    assert {"shop.toml", "pay.toml", "old.json", "team.toml", "header-set-usual.toml"} == set(documents(path))
    assert '[origin_sets]\nteam = ["https://team.example"]' in documents(path)["team.toml"]


@pytest.mark.parametrize("name", ["x.test", "SHOP", "shop2"])
def test_names_of_documents(path: Path, name: str) -> None:
    """The document of a new policy is one that is read, and takes no other's place, whatever the policy is called."""
    store = DirectoryStore(path)
    change(store, ("policy", name, {"origins": ["*"]}))
    assert {key: text for key, text in documents(path).items() if key in TEXTS} == TEXTS
    assert name in read_policies(path).policies


def test_by_hand(path: Path) -> None:
    """What somebody changes by hand becomes an entry as soon as it is at rest."""
    store = DirectoryStore(path)
    store.read()
    (path / "shop.toml").write_text(TEXTS["shop.toml"].replace("shop.example", "web.example"), encoding="utf-8")
    seen = [store.read().head.seq for _ in range(3)]
    assert seen == [1, 2, 2]
    [signed] = store.entries(1, 10)
    assert (
        signed.entry.reason,
        signed.entry.author,
        signed.entry.wider,
        signed.entry.narrower,
    ) == (BY_HAND, None, True, True)
    assert signed.entry.witness is not None
    assert "web.example.com" in msgspec.json.decode(signed.entry.witness.query)["headers"][0][1]


def test_while_nobody_looked(path: Path) -> None:
    """What somebody changed by hand while nobody looked is found by whoever opens the directory."""
    change(DirectoryStore(path), ("policy", "shop", SHOP))
    (path / "more.toml").write_text('version = 1\n[policies.more]\norigins = ["*"]\n', encoding="utf-8")
    store = DirectoryStore(path)
    assert store.read().head.seq == 3
    assert [Key("policy", "more")] == [one.key for one in store.entries(2, 1)[0].entry.changes]


def test_comments_alone(path: Path) -> None:
    """A document that says the same in other words makes no entry."""
    store = DirectoryStore(path)
    store.read()
    (path / "shop.toml").write_text(f"# New.\n{TEXTS['shop.toml']}", encoding="utf-8")
    assert [store.read().head.seq for _ in range(3)] == [1, 1, 1]


def test_mistakes_of_others(path: Path) -> None:
    """As long as somebody's documents have mistakes, the policies stay, and nothing is changed."""
    store = DirectoryStore(path)
    before = store.read()
    (path / "shop.toml").write_text("nonsense = 1\n", encoding="utf-8")
    kept = [store.read() for _ in range(3)][-1]
    assert (before.head, before.policy_set) == (kept.head, kept.policy_set)
    assert kept.mistakes is not None
    with pytest.raises(StoreIsWrong):
        store.plan(kept, edits(("policy", "pay", {"origins": ["*"]})))
    with pytest.raises(InvalidPolicies):
        DirectoryStore(path).read()
    (path / "shop.toml").write_text(TEXTS["shop.toml"], encoding="utf-8")
    assert [store.read() for _ in range(3)][-1].mistakes is None


def test_no_mistakes_are_written(path: Path) -> None:
    """A change with which the policies would have mistakes says all of them, and writes nothing."""
    store = DirectoryStore(path)
    kept = store.read()
    with pytest.raises(InvalidPolicies) as caught:
        store.plan(kept, edits(("policy", "shop", {"origins": ["@nobody", "@partners"]}), ("policy", "old", None)))
    assert [one.code for one in caught.value.mistakes] == ["origin-set-unknown"]
    with pytest.raises(InvalidPolicies) as caught:
        store.plan(kept, edits(("policy", "shop", {"origins": [1], "nonsense": 2})))
    assert {"wrong-type", "unknown-key"} == {one.code for one in caught.value.mistakes}
    assert documents(path) == TEXTS
    assert kept == store.read()


def test_two_writers(path: Path) -> None:
    """Of two changes of the same policies, one is made, and the other is told which change is the newest."""
    one, other = DirectoryStore(path), DirectoryStore(path)
    first = one.plan(one.read(), edits(("policy", "shop", SHOP)))
    second = other.plan(other.read(), edits(("policy", "pay", SHOP), ("origin-set", "partners", None)))
    made = one.commit(first, about())
    with pytest.raises(Outdated) as caught:
        other.commit(second, about())
    assert made.head == caught.value.head
    assert TEXTS["pay.toml"] == documents(path)["pay.toml"]
    assert change(other, ("policy", "pay", SHOP), ("origin-set", "partners", None)).entry.seq == 3


def test_edited_meanwhile(path: Path) -> None:
    """A document that somebody edits between the check of a change and the change is not overwritten."""
    store = DirectoryStore(path)
    plan = store.plan(store.read(), edits(("policy", "shop", SHOP)))
    (path / "shop.toml").write_text("# mine\n", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="try again"):
        store.commit(plan, about())
    assert documents(path)["shop.toml"] == "# mine\n"


def test_link(path: Path) -> None:
    """A document that is a link, as in a ConfigMap, is not replaced by a file."""
    (path / "shop.toml").rename(path / ".shop")
    (path / "shop.toml").symlink_to(".shop")
    store = DirectoryStore(path)
    with pytest.raises(StoreUnavailable, match="is a link"):
        store.plan(store.read(), edits(("policy", "shop", SHOP)))


def test_mode(path: Path) -> None:
    """A document keeps its mode."""
    (path / "shop.toml").chmod(0o640)
    change(DirectoryStore(path), ("policy", "shop", SHOP))
    assert (path / "shop.toml").stat().st_mode & 0o7777 == 0o640


def test_no_change(path: Path) -> None:
    """A plan that says the same in other words changes nothing."""
    store = DirectoryStore(path)
    plan = store.plan(store.read(), edits(("policy", "shop", {"rules": [{"origins": ["https://shop.example.com"]}]})))
    assert plan.changes == ()


def test_empty(tmp_path: Path) -> None:
    """A directory without documents is a store, too."""
    store = DirectoryStore(tmp_path)
    assert store.read().head.seq == 1
    assert change(store, ("policy", "first", {"origins": ["*"]})).entry.seq == 2
    assert list(read_policies(tmp_path).policies) == ["first"]


def test_head_is_missing(path: Path) -> None:
    """Entries without the head that names the newest one, as of half a backup, are never written over."""
    store = DirectoryStore(path)
    change(store, ("policy", "shop", SHOP))
    head = path / ".ledger" / "head.json"
    kept = head.read_bytes()
    head.unlink()
    before = {one.name: one.read_bytes() for one in path.glob(".ledger/entries/*")}
    says = r"the ledger has entries and no head\.json: restore that file, or move \.ledger away\."
    with pytest.raises(StoreUnavailable, match=says):
        DirectoryStore(path).read()
    with pytest.raises(StoreUnavailable, match=says):
        change(store, ("policy", "shop", {"origins": ["*"]}))
    assert {one.name: one.read_bytes() for one in path.glob(".ledger/entries/*")} == before
    head.write_bytes(kept)
    assert DirectoryStore(path).read().head.seq == 2


def test_bodies_at(path: Path) -> None:
    """What was defined behind each change can be read later, as its author wrote it."""
    store = DirectoryStore(path)
    store.read()
    first = store.bodies_at(1)
    change(store, ("policy", "shop", SHOP), ("policy", "old", None))
    change(store, ("policy", "shop", {"origins": ["*"]}))
    assert first[Key("policy", "pay")] == {"origins": ["@partners"]}
    assert first == store.bodies_at(1)
    assert store.bodies_at(2)[Key("policy", "shop")] == SHOP
    assert {Key("policy", "shop"), Key("policy", "pay"), Key("origin-set", "partners")} == set(store.bodies_at(3))
    for seq in (0, 4):
        with pytest.raises(LookupError):
            store.bodies_at(seq)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable(path: Path) -> None:
    """A directory that can't be written is a sentence, not a traceback."""
    path.chmod(0o500)
    with pytest.raises(StoreUnavailable, match=r"Permission denied\."):
        DirectoryStore(path).read()


def test_moved_away_meanwhile(path: Path) -> None:
    """A directory that is moved away while it is written to does not come back with the change and nothing else."""
    store = DirectoryStore(path)
    signed = store.read().head
    files = LedgerFiles(path)
    [entry] = files.entries(signed.seq - 1, 1)
    with files.locked():
        path.rename(path.with_name("away"))
        with pytest.raises(FileNotFoundError):
            files.stage(entry, {}, {})
    assert not path.exists()


def test_killed_anywhere(path: Path, tmp_path: Path) -> None:
    """Killed before whichever step, a change is made as a whole or not at all, and whoever comes next finishes it."""
    DirectoryStore(path).read()
    program = [sys.executable, "-m", "tests.ledger.killed_anywhere", str(path), str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) > 20
    assert found[0]["documents"] == TEXTS
    last = found[-1]
    assert list(last["documents"]) == ["new.toml", "pay.toml", "shop.toml"]
    seqs = [one["seq"] for one in found]
    assert sorted(seqs) == seqs
    assert {1, 2} == set(seqs)
    # Whoever reads the documents before that finds all of the change, or nothing of it.
    assert [found[0]["read"] if seq == 1 else last["read"] for seq in seqs] == [one["read"] for one in found]
    for one in found:
        assert (found[0] if one["seq"] == 1 else last)["documents"] == one["documents"]
        assert (one["is_whole"], one["broken"], one["left"]) == (True, [], [".ledger"])
        assert one["ledger"] == ["bodies", "entries", "head.json", "lock"]


def test_full_disk(path: Path) -> None:
    """A change that can't be written changes nothing, and can be made when there is room again."""
    program = [sys.executable, "-m", "tests.ledger.full_disk", str(path)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["said"] == "The store can't be used: File too large."
    assert found["left"] == TEXTS
    assert found["seqs"] == [1, 1, 2]
