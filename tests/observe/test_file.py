"""The decision log as a file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cors_service.observe.file import LogFile
from cors_service.observe.pending import Account, Pending
from tests.observe.disks import fill, small_disk

LINES = [b'{"type":"decisions","number":%d}' % number for number in range(5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "decisions.log"


@pytest.fixture
def log(path: Path) -> Iterator[LogFile]:
    """A log."""
    file = LogFile(str(path))
    yield file
    file.close()


def told(path: Path) -> list[bytes]:
    """The lines of a file, all of which have an end."""
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return data.splitlines()


def test_appends(log: LogFile, path: Path) -> None:
    """Lines come behind those that are there, in a file that others can't read."""
    path.write_bytes(b"before\n")
    log.write(LINES[:2])
    log.write(LINES[2:])
    assert told(path) == [b"before", *LINES]
    assert log.account == Account(emitted=5, delivered=5)
    path.unlink()
    log.write(LINES)
    assert not stat.S_IMODE(path.stat().st_mode) & 0o007


def test_renamed(log: LogFile, path: Path) -> None:
    """After the file was renamed, lines go to a new one of its name, and none is lost."""
    log.write(LINES[:2])
    path.rename(path.with_suffix(".1"))
    log.write(LINES[2:])
    assert (told(path.with_suffix(".1")), told(path)) == (LINES[:2], LINES[2:])


def test_reopened(log: LogFile, path: Path) -> None:
    """When it is told to, it opens the file by its name at once."""
    log.write(LINES[:2])
    path.rename(path.with_suffix(".1"))
    log.reopen()
    assert told(path) == []
    log.write(LINES[2:])
    assert told(path) == LINES[2:]


def test_cut(log: LogFile, path: Path) -> None:
    """After the file was copied and emptied, lines go to its beginning."""
    log.write(LINES[:2])
    os.truncate(path, 0)
    log.write(LINES[2:])
    assert told(path) == LINES[2:]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", []),
        (b"whole\n", [b"whole"]),
        (b'whole\n{"type":"deci', [b"whole"]),
        (b'{"type":"deci', []),
        (b"whole\nsomething else", [b"whole", b"something else"]),
    ],
)
def test_half_a_line(log: LogFile, path: Path, before: bytes, after: list[bytes]) -> None:
    """What a killed process left of a line is taken away; what is none of its lines gets an end."""
    path.write_bytes(before)
    log.write(LINES)
    assert told(path) == [*after, *LINES]


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk, no line is half there; the rest waits, and is written as soon as there is room."""
    with small_disk(tmp_path, 64) as disk:
        filler = fill(disk, leave=4096)
        log = LogFile(str(disk / "decisions.log"))
        lines = [b'{"type":"decisions","text":"%s"}' % (b"%05d" % number * 20) for number in range(100)]
        with pytest.raises(OSError, match="No space left"):
            log.write(lines)
        account = log.account
        assert 0 < account.delivered < 100
        assert (account.emitted, account.dropped, account.queued) == (100, 0, 100 - account.delivered)
        assert told(disk / "decisions.log") == lines[: account.delivered]
        filler.unlink()
        log.write([])
        assert told(disk / "decisions.log") == lines
        assert log.account == Account(emitted=100, delivered=100)
        log.close()


# Standard output is a file on a full disk, as of `> FILE`; there is room after the first try.
OVERFLOWS = """
import sys
from pathlib import Path
from cors_service.observe.file import LogFile
log = LogFile("-")
lines = [b'{"type":"decisions","text":"%s"}' % (b"%05d" % number * 20) for number in range(100)]
try:
    log.write(lines)
except OSError as error:
    sys.stderr.write(error.strerror)
Path(sys.argv[1]).unlink()
log.write([])
"""


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_standard_output_on_a_full_disk(mode: str, tmp_path: Path) -> None:
    """Lines stay whole and follow each other in a file that a shell has opened, whether with `>` or with `>>`."""
    with small_disk(tmp_path, 64) as disk:
        filler = fill(disk, leave=4096)
        with (disk / "out").open(mode) as out:
            done = subprocess.run(
                [sys.executable, "-c", OVERFLOWS, str(filler)], stdout=out, stderr=subprocess.PIPE, check=True
            )
        assert done.stderr == b"No space left on device"
        assert told(disk / "out") == [
            b'{"type":"decisions","text":"%s"}' % (b"%05d" % number * 20) for number in range(100)
        ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_end_of_it() -> None:
    """If a disk stays full, the oldest lines are dropped, and counted."""
    log = LogFile("/dev/full", Pending(most_bytes=3 * len(LINES[0])))
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            log.write(LINES)
    assert log.account == Account(emitted=10, dropped=7, queued=3)
    log.close()


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    """Where the file can't be opened, lines wait until it can."""
    (place := tmp_path / "logs").mkdir()
    log = LogFile(str(place / "decisions.log"))
    place.rmdir()
    with pytest.raises(FileNotFoundError):
        log.write(LINES)
    assert log.account == Account(emitted=5, queued=5)
    place.mkdir()
    log.write([])
    assert told(place / "decisions.log") == LINES
    log.close()


def emptied(reader: int, log: LogFile) -> bytes:
    """Read a pipe until all lines of a log have passed it."""
    received = b""
    while log.account.queued:
        received += os.read(reader, 1 << 20)
        with suppress(TimeoutError):
            log.write([])
    return received + os.read(reader, 1 << 20)


def test_a_pipe_that_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe whose reader sleeps takes what it holds; the rest waits, and arrives whole when the reader wakes up."""
    monkeypatch.setattr("cors_service.observe.file._PATIENCE_MS", 50)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(str(tmp_path / "pipe"))
    lines = [b'{"type":"decisions","text":"%s"}' % (b"%05d" % number * (number % 7 * 400)) for number in range(50)]
    with pytest.raises(OSError, match="nobody reads it"):
        log.write(lines)
    assert 0 < log.account.delivered < 50
    assert emptied(reader, log).splitlines() == lines
    log.close()
    os.close(reader)


@pytest.mark.parametrize("most", [1, 7, 31, 32, 33, 70, 1000])
def test_short_writes(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little is written at once, lines arrive whole, and are counted when they have ended."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(str(tmp_path / "pipe"))
    counted = set()
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        counted.add(log.account.delivered)
        return write(descriptor, data[:most])

    monkeypatch.setattr("os.write", short)
    log.write(LINES)
    assert os.read(reader, 1 << 20).splitlines() == LINES
    assert log.account == Account(emitted=5, delivered=5)
    assert len(counted) == min(5, -(-sum(len(line) + 1 for line in LINES) // most))
    log.close()
    os.close(reader)


def test_lines_that_are_dropped_while_a_pipe_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the lines that wait for a pipe, the oldest are dropped; the one that has begun is not one of them."""
    monkeypatch.setattr("cors_service.observe.file._PATIENCE_MS", 50)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    # A pipe holds 64 KiB.
    lines = [b'{"type":"decisions","text":"%s"}' % (b"a" * size) for size in (90_000, 60_000, 60_001)]
    log = LogFile(str(tmp_path / "pipe"), Pending(most_bytes=100_000))
    with pytest.raises(OSError, match="nobody reads it"):
        log.write(lines[:1])
    with pytest.raises(OSError, match="nobody reads it"):
        log.write(lines[1:])
    assert log.account == Account(emitted=3, dropped=1, queued=2)
    received = emptied(reader, log)
    assert received.splitlines() == [lines[0], lines[2]]
    assert log.account == Account(emitted=3, delivered=2, dropped=1)
    log.close()
    os.close(reader)


WRITES = """
import resource, sys
from cors_service.observe.file import LogFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = LogFile(sys.argv[1])
lines = [b'{"type":"decisions","number":%d}' % number for number in range(1000)]
try:
    log.write(lines)
except OSError as error:
    print(error.strerror)
print(log.account.delivered, log.account.queued)
log.close()
log = LogFile("-")
log.write(lines[:2])
"""


def test_standard_output(path: Path) -> None:
    """A file that may not grow any more is a full disk; and `-` is standard output."""
    done = subprocess.run([sys.executable, "-c", WRITES, str(path)], capture_output=True, text=True, check=True)
    kept = told(path)
    assert done.stdout.splitlines() == [
        "No space left on device",
        f"{len(kept)} {1000 - len(kept)}",
        '{"type":"decisions","number":0}',
        '{"type":"decisions","number":1}',
    ]
    assert kept == [b'{"type":"decisions","number":%d}' % number for number in range(len(kept))]
