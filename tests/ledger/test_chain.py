"""Whatever somebody changes in a ledger, it is found, and the entry is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from cors_service.ledger.chain import Broken, differences, digests_of_entries, revision_by, verify
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.edits import digest_of_body, digests_of
from cors_service.ledger.entry import Head, Key, Signed, Touched
from cors_service.policy import read_document, revision
from tests.ledger.stores import change, written

Entries = list[Signed]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> tuple[Entries, Head]:
    """Give a ledger of four entries, and its head."""
    path: Path = written(tmp_path_factory.mktemp("ledger") / "policies")
    store = DirectoryStore(path)
    change(store, ("policy", "shop", {"origins": ["*"]}))
    change(store, ("policy", "new", {"origins": ["*"]}), ("policy", "old", None))
    change(store, ("policy", "shop", {"origins": ["https://shop.example.com"]}))
    assert store.kept is not None
    return store.entries(0, 10), store.kept.head


def test_whole(ledger: tuple[Entries, Head]) -> None:
    """A ledger that nobody touched is whole, and so is one that was not begun."""
    assert list(verify(*ledger)) == []
    assert list(verify([], None)) == []


def with_entry(number: int, entries: Entries, *, is_signed: bool = False, **fields: object) -> Entries:
    """Change an entry; sign it anew, if whoever did that knew how to."""
    entry = structs.replace(entries[number - 1].entry, **fields)
    signed = Signed.of(entry) if is_signed else Signed(entry, entries[number - 1].hash)
    return [*entries[: number - 1], signed, *entries[number:]]


TAMPERED: dict[str, tuple[Callable[[Entries], Entries], int]] = {
    "a reason": (lambda entries: with_entry(2, entries, reason="another"), 2),
    "an author": (lambda entries: with_entry(4, entries, author="another"), 4),
    "a reason, signed": (lambda entries: with_entry(2, entries, is_signed=True, reason="another"), 3),
    "the last one, signed": (lambda entries: with_entry(4, entries, is_signed=True, reason="another"), 4),
    "a number": (lambda entries: with_entry(3, entries, is_signed=True, seq=5), 3),
    "a change that is left out": (lambda entries: with_entry(3, entries, is_signed=True, changes=()), 3),
    "a revision": (lambda entries: with_entry(2, entries, is_signed=True, revision=f"sha256:{'0' * 64}"), 2),
    "an entry that is gone": (lambda entries: [*entries[:1], *entries[2:]], 2),
    "two that are exchanged": (lambda entries: [entries[0], entries[2], entries[1], entries[3]], 2),
    "the first one": (lambda entries: entries[1:], 1),
    "the last one": (lambda entries: entries[:-1], 4),
    "the last two": (lambda entries: entries[:-2], 3),
    "all of them": (lambda _: [], 1),
}


@pytest.mark.parametrize(("tamper", "seq"), TAMPERED.values(), ids=TAMPERED)
def test_tampered(ledger: tuple[Entries, Head], tamper: Callable[[Entries], Entries], seq: int) -> None:
    """The first entry that does not fit is named."""
    entries, head = ledger
    broken = list(verify(tamper(entries), head))
    assert broken[0].seq == seq
    assert all(one.sentence.endswith(".") for one in broken)


def test_another_head(ledger: tuple[Entries, Head]) -> None:
    """A head that names another entry, or none, is found."""
    entries, head = ledger
    for other in (structs.replace(head, entry="0" * 64), structs.replace(head, seq=3), None):
        assert [one.seq for one in verify(entries, other)] == [4]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_missing(ledger: tuple[Entries, Head], kept: int) -> None:
    """Where entries end before the head, the first one that is missing is named, and nothing else."""
    entries, head = ledger
    assert list(verify(entries[:kept], head)) == [Broken(kept + 1, "This entry is missing; the head names entry 4.")]


def test_json(ledger: tuple[Entries, Head]) -> None:
    """An entry that was written and read again has the hash that it had."""
    entries, head = ledger
    again = [msgspec.json.decode(msgspec.json.encode(one), type=Signed) for one in entries]
    assert list(verify(again, head)) == []


def test_digests() -> None:
    """The revision of a policy set follows from the digests of what it defines, each of which is that of its body."""
    document = {
        "version": 1,
        "origin_sets": {"partners": ["https://a.example"]},
        "header_sets": {"usual": ["x-a"]},
        "policies": {"one": {"origins": ["@partners"], "request_headers": ["@usual"]}, "two": {"origins": ["*"]}},
    }
    policy_set = read_document(document)
    digests = digests_of(policy_set)
    assert revision_by(digests) == revision(policy_set)
    tables = {"policy": "policies", "origin-set": "origin_sets", "header-set": "header_sets"}
    for key, digest in digests.items():
        body = dict(document)[tables[key.kind]]
        assert isinstance(body, dict)
        assert digest_of_body(key, body[key.name]) == digest
    assert digest_of_body(Key("policy", "a"), []) is None


def test_differences(ledger: tuple[Entries, Head]) -> None:
    """What leads from one set to another is what is new, gone and different, in the order of kinds and names."""
    entries, _ = ledger
    one, other = (digests_of_entries(entries[:count]) for count in (1, 3))
    found = differences(one, other)
    assert [(touched.name, touched.before is None, touched.after is None) for touched in found] == [
        ("new", True, False),
        ("old", False, True),
        ("shop", False, False),
    ]
    assert differences(one, one) == ()
    assert Touched(kind="policy", name="a").key == Key("policy", "a")
