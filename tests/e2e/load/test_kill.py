"""`kill -9` at any moment: the service that starts next serves a whole, good set, or says why it can't."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from tests.e2e.daemons import DEADLINE, wait_for
from tests.e2e.load.client import request
from tests.e2e.load.documents import Batch, GoodDocument
from tests.e2e.load.figures import tell
from tests.e2e.load.service import Service, refused_start, running

ROUNDS = 8
CHUNKS = 12
PAUSE_SECONDS = 0.01


class Writer:
    """Writes one document after the other, piece by piece, and stops in the middle.

    Attributes:
        known: The documents that it began to write, by their revisions.
        path: Where they are.
    """

    def __init__(self, path: Path, moment: random.Random, *, in_place: bool, origins: int) -> None:
        """Make a writer.

        Args:
            path: Where the document shall be.
            moment: Decides when what happens.
            in_place: Whether it writes over the document, or beside it and renames.
            origins: How many more origins each document has.
        """
        self.known: dict[str, GoodDocument] = {}
        self.path = path
        self._moment = moment
        self._in_place = in_place
        self._numbers = count(1)
        self._origins = origins

    def write(self, service: Service | None = None, pieces: int | None = None) -> int:
        """Write a document, and have it read.

        Args:
            service: Who shall read it; who does not run yet will in any case.
            pieces: After how many pieces to stop; behind the last one by default.

        Returns:
            How many pieces were written.
        """
        document = GoodDocument(next(self._numbers), self._origins)
        self.known[document.revision] = document
        text = document.text.encode("ascii")
        size = -(-len(text) // CHUNKS)
        path = self.path if self._in_place else self.path.with_suffix(".new")
        written = 0
        with path.open("wb", buffering=0) as file:
            for start in range(0, len(text), size):
                if written == pieces:
                    return written
                file.write(text[start : start + size])
                written += 1
                # Not to wait for anything: one of these moments is the last.
                Event().wait(self._moment.uniform(0, PAUSE_SECONDS))
        if path != self.path:
            path.replace(self.path)
        if service is not None:
            service.signal(signal.SIGHUP)
        return written

    def write_and_wait(self, service: Service, snapshot: Path) -> None:
        """Write a document, and wait until a service has saved a snapshot of it."""
        self.write(service)
        *_, revision = self.known
        # Not until it is another file: its number may be that of the one before the last.
        wait_for(lambda: revision in snapshot.read_text(encoding="ascii"), "a newer snapshot")

    def write_and_kill(self, service: Service) -> None:
        """Write documents, and kill the service after some piece of one of them."""
        pieces = self._moment.randrange(1, 4 * CHUNKS)
        while pieces > 0:
            pieces -= self.write(service, pieces)
        service.kill()

    @property
    def is_whole(self) -> bool:
        """Whether the document is one of those that were to be written."""
        return self.path.read_bytes() in {one.text.encode("ascii") for one in self.known.values()}


def served(service: Service, known: dict[str, GoodDocument]) -> GoodDocument:
    """The document that a service serves, whole: its decisions are those of that document."""
    document = known[service.status()["revision"]]
    batch = Batch("after", 50)
    with service.connect() as connection:
        connection.send(request("POST", "/v1/decisions", b'{"queries":[%b]}' % b",".join(batch.queries())))
        assert connection.receive().body == b'{"decisions":[%b]}' % b",".join(batch.decisions(document))
    return document


def entries(directory: Path) -> set[tuple[str, int]]:
    """The files of a directory, each one different from all that were there before: it has a time of its own."""
    found = set()
    for entry in os.scandir(directory):
        # It may have taken another's place meanwhile.
        with suppress(FileNotFoundError):
            found.add((entry.name, entry.stat().st_mtime_ns))
    return found


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "renamed"])
def test_killed_while_a_document_is_written(in_place: bool, tmp_path: Path) -> None:
    """Killed while documents are written, the service serves the one that is there when it starts again, or, if
    that is half-written, reports it and exits with 1.
    """
    writer = Writer(tmp_path / "policies.toml", random.Random(in_place), in_place=in_place, origins=100)
    refused = 0
    writer.write()
    for _ in range(ROUNDS):
        if not writer.is_whole:
            refused += 1
            status, said = refused_start(writer.path)
            assert status == 1
            assert str(writer.path) in said
            writer.write()
        with running(writer.path) as service:
            assert served(service, writer.known).text == writer.path.read_text(encoding="ascii")
            writer.write_and_kill(service)
    tell(f"{refused} of {ROUNDS} documents were half-written")
    assert (refused > 0) is in_place


def test_killed_while_a_snapshot_is_written(tmp_path: Path) -> None:
    """Killed while snapshots are written, the service serves a whole one when it starts again and can't read the
    document, and none that is older than the one before.
    """
    snapshot = tmp_path / "snapshot" / "policies.json"
    snapshot.parent.mkdir()
    writer = Writer(tmp_path / "policies.toml", random.Random(2), in_place=False, origins=2000)
    writer.write()
    with running(writer.path, f"--snapshot={snapshot}"):
        wait_for(snapshot.exists, "the first snapshot")
    number = 0
    for turn in range(2 * ROUNDS):
        writer.path.unlink(missing_ok=True)
        with running(writer.path, f"--snapshot={snapshot}") as service:
            document = served(service, writer.known)
            assert document.number >= number
            assert service.status()["stale"] is True
            number = document.number
            if turn % 2:
                # At least one of them is whole, however slow the machine is.
                writer.write_and_wait(service, snapshot)
                writer.write_and_kill(service)
                continue
            before = entries(snapshot.parent)
            writer.write(service)
            deadline = time.monotonic() + DEADLINE
            # Without a pause, since what is waited for is there for a moment only.
            while entries(snapshot.parent) <= before:
                assert time.monotonic() < deadline, "no snapshot was written"
            service.kill()
    assert number > ROUNDS


def test_a_half_written_document_beside_a_snapshot(tmp_path: Path) -> None:
    """A start beside a half written document serves the last whole one, and hides no mistake of the other; without a
    snapshot it is refused.
    """
    snapshot = tmp_path / "snapshot.json"
    writer = Writer(tmp_path / "policies.toml", random.Random(3), in_place=True, origins=10)
    writer.write()
    with running(writer.path, f"--snapshot={snapshot}"):
        wait_for(snapshot.exists, "the first snapshot")
    writer.write(pieces=CHUNKS - 1)
    assert not writer.is_whole
    with running(writer.path, f"--snapshot={snapshot}") as service:
        assert served(service, writer.known).number == 1
        assert service.status()["stale"] is True
        assert {mistake["file"] for mistake in service.status()["mistakes"]} == {str(writer.path)}
    status, said = refused_start(writer.path)
    assert status == 1
    assert str(writer.path) in said
