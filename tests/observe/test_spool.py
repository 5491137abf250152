"""The spool of reports: what it has got is delivered, dropped, or still there."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cors_service.observe.pending import Account, Pending
from cors_service.observe.spool import BATCH_BYTES, BATCH_LINES, CannotSpool, Spool
from tests.observe.disks import fill, small_disk

LINES = [b'{"number":%d}' % number for number in range(5)]
LARGE = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "reports.spool"


def everything(spool: Spool) -> Iterator[bytes]:
    """Deliver all that a spool has, and give the lines."""
    while (batch := spool.first()) is not None:
        lines = json.loads(b"[%b]" % batch.body)
        assert len(lines) == batch.lines
        yield from (b'{"number":%d}' % line["number"] for line in lines)
        spool.settle(batch, "delivered")


def closes(account: Account) -> bool:
    """Whether the account closes."""
    return account.emitted == account.delivered + account.dropped + account.queued


def test_order(path: Path) -> None:
    """Batches come back in order, each under a name of its own, until they are settled."""
    spool = Spool(path, LARGE)
    spool.put(LINES[:2])
    spool.put(LINES[2:])
    first = spool.first()
    assert first is not None
    assert first == spool.first()
    assert first.body == b",".join(LINES[:2])
    assert spool.account == Account(emitted=5, queued=5)
    spool.settle(first, "dropped")
    second = spool.first()
    assert second is not None
    assert (second.lines, second.id == first.id) == (3, False)
    spool.settle(second, "delivered")
    assert (spool.first(), spool.account) == (None, Account(emitted=5, delivered=3, dropped=2))
    spool.close()


def test_batches_are_small(path: Path) -> None:
    """What is put at once is sent in batches of a bounded size."""
    spool = Spool(path, LARGE)
    spool.put([b"%d" % number for number in range(BATCH_LINES + 1)])
    spool.put([b'"%b"' % bytes([letter]) * (BATCH_BYTES // 3) for letter in b"abcdef"])
    sizes = []
    while (batch := spool.first()) is not None:
        sizes.append(batch.lines)
        assert len(batch.body) <= BATCH_BYTES * 1.1
        spool.settle(batch, "delivered")
    assert sizes[:2] == [BATCH_LINES, 1]
    assert len(sizes) > 4
    spool.close()


def test_opened_again(path: Path) -> None:
    """Another process finds the batches and the account, and names a batch as the first did."""
    spool = Spool(path, LARGE)
    spool.put(LINES)
    before = spool.first()
    spool.close()
    again = Spool(path, LARGE)
    assert (again.first(), again.account) == (before, Account(emitted=5, queued=5))
    assert [*everything(again)] == LINES
    again.close()
    assert not path.stat().st_mode & 0o077


def test_one_process(path: Path) -> None:
    """Nobody else can have a spool that is in use."""
    spool = Spool(path, LARGE)
    done = subprocess.run([sys.executable, "-c", ENDLESS, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(f"CannotSpool: '{path}' is in use by another process")
    spool.close()


def test_bounded(path: Path) -> None:
    """Of more than it may keep, the oldest batches are dropped, and counted; but not the one that was sent."""
    spool = Spool(path, 3 * len(LINES[0]))
    for line in LINES:
        spool.put([line])
    assert spool.account == Account(emitted=5, dropped=2, queued=3)
    sent = spool.first()
    assert sent is not None
    assert sent.body == LINES[2]
    for line in LINES:
        spool.put([line])
    spool.settle(sent, "delivered")
    assert spool.account == Account(emitted=10, delivered=1, dropped=7, queued=2)
    assert [*everything(spool)] == LINES[3:]
    spool.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"version = 1\n" * 1000, "is not a spool"),
        (None, "is a database of another program"),
    ],
    ids=["text", "database"],
)
def test_not_a_spool(path: Path, content: bytes | None, why: str) -> None:
    """A file that is something else is refused, and not touched."""
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE theirs (number INTEGER)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(CannotSpool, match=why):
        Spool(path, LARGE)
    assert path.read_bytes() == before


def spoilt_by_randomness(data: bytearray) -> None:
    """Spoil some batches."""
    data[8192:200_000] = random.Random(1).randbytes(200_000 - 8192)


def without_tables(data: bytearray) -> None:
    """Spoil what says which tables there are."""
    data[100:4096] = bytes(4096 - 100)


def cut_to(size: int) -> Callable[[bytearray], None]:
    """Cut a spool short."""

    def cut(data: bytearray) -> None:
        del data[size:]

    return cut


@pytest.mark.parametrize(
    "spoil",
    [spoilt_by_randomness, without_tables, cut_to(300_000), cut_to(5000), cut_to(4096), cut_to(100)],
    ids=["random", "tables", "300000", "5000", "4096", "100"],
)
def test_damaged(path: Path, spoil: Callable[[bytearray], None]) -> None:
    """A spool that a disk has spoilt or cut short is put aside, and another one begun."""
    spool = Spool(path, LARGE)
    for _ in range(100):
        spool.put([b'"%b"' % (b"x" * 5000)])
    spool.close()
    data = bytearray(path.read_bytes())
    spoil(data)
    path.write_bytes(data)
    again = Spool(path, LARGE)
    assert again.damaged == path.with_name("reports.spool.damaged")
    assert again.damaged.read_bytes() == data
    again.put(LINES)
    assert [*everything(again)] == LINES
    again.close()


def test_a_damaged_database_of_another_program(path: Path) -> None:
    """A database that is damaged and is not a spool is refused, and not touched."""
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (number INTEGER)")
    other.close()
    os.truncate(path, 1000)
    before = path.read_bytes()
    with pytest.raises(CannotSpool, match="malformed"):
        Spool(path, LARGE)
    assert path.read_bytes() == before


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk, lines wait in memory, and what is delivered leaves; when there is room, all goes on as before."""
    with small_disk(tmp_path, 256) as disk:
        spool = Spool(disk / "spool", LARGE)
        lines = [b'{"number":%d}' % number for number in range(5_000)]
        spool.put(lines[:100])
        filler = fill(disk, leave=40_000)
        with pytest.raises(OSError, match="full"):
            spool.put(lines[100:])
        assert spool.account == Account(emitted=5_000, queued=5_000)
        batch = spool.first()
        assert batch is not None
        with pytest.raises(OSError, match="full"):
            spool.settle(batch, "delivered")
        # The file has it still, and nobody gets it again.
        assert spool.first() is None
        assert spool.account == Account(emitted=5_000, delivered=100, queued=4_900)
        filler.unlink()
        spool.put([])
        assert [*everything(spool)] == lines[100:]
        assert spool.account == Account(emitted=5_000, delivered=5_000)
        spool.close()


def test_full_for_long(tmp_path: Path) -> None:
    """If a disk stays full, the oldest lines in memory are dropped, and counted, in the file, too, when that goes."""
    with small_disk(tmp_path, 64) as disk:
        spool = Spool(disk / "spool", LARGE, Pending(most_bytes=2 * 10_000))
        filler = fill(disk)
        for _ in range(3):
            with pytest.raises(OSError, match="full"):
                spool.put([b'"%b"' % (b"x" * 9_998)])
        assert spool.account == Account(emitted=3, dropped=1, queued=2)
        filler.unlink()
        spool.put([])
        spool.close()
        again = Spool(disk / "spool", LARGE)
        assert again.account == Account(emitted=3, dropped=1, queued=2)
        again.close()


# Puts and settles until it is killed, and says after each step how many lines it has got.
ENDLESS = """
import sys
from pathlib import Path
from cors_service.observe.spool import Spool
spool = Spool(Path(sys.argv[1]), 20_000)
print("ready", flush=True)
number = 0
while True:
    spool.put([b'{"number":%d}' % (number + each) for each in range(7)])
    number += 7
    if number % 3 == 0 and (batch := spool.first()):
        spool.settle(batch, "dropped" if number % 2 else "delivered")
    print(spool.account.emitted, flush=True)
"""


def test_killed(path: Path) -> None:
    """Whenever a process is killed, the account in its spool closes, and has all that it has ever said."""
    emitted = 0
    for steps in range(1, 6):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(steps * 10)][1:]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        last = [line for line in said if line.endswith("\n")][-1]
        spool = Spool(path, LARGE)
        assert closes(spool.account)
        # It may have done one more step than it could say.
        assert 0 <= spool.account.emitted - int(last) <= 7
        assert spool.account.emitted > emitted
        emitted = spool.account.emitted
        spool.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["first", "delivered", "dropped", "reopen"]), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=50)
@given(steps=STEPS)
def test_any_order(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int | None]]) -> None:
    """Whatever is put, sent and settled in whatever order, the account closes and the file has it, too."""
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path, 500)
    emitted = 0
    for step, number in steps:
        match step:
            case "put":
                assert number is not None
                spool.put([b'{"number":%d}' % each for each in range(number)])
                emitted += number
            case "first":
                spool.first()
            case "delivered" | "dropped" if (batch := spool.first()) is not None:
                spool.settle(batch, "delivered" if step == "delivered" else "dropped")
            case "reopen":
                before = spool.account
                spool.close()
                spool = Spool(path, 500)
                assert spool.account == before
        assert closes(spool.account)
        assert spool.account.emitted == emitted
    spool.close()
    path.unlink()
