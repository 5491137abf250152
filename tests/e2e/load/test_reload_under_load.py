"""Decisions stream over several connections while the document is replaced again and again, a third of it broken."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from cors_service.policy import InvalidPolicies
from cors_service.reader.sources import read_policies
from tests.e2e.daemons import DEADLINE, wait_for
from tests.e2e.load.client import Connection, request
from tests.e2e.load.documents import Batch, GoodDocument, broken_document, is_good
from tests.e2e.load.figures import tell
from tests.e2e.load.service import Service, running

REPLACEMENTS = 1000
DECISIONS = 1_000_000
WARM_DECISIONS = 10_000
LOOK_SECONDS = 1

_REVISION = re.compile(rb'"revision":"([^"]+)"')

# The first test waits for the whole stream.


class Stream(Thread):
    """A client that asks over one connection until it is told to stop, and checks every answer.

    Attributes:
        decisions: How many decisions it got.
        fault: What went wrong, if anything did.
        numbers: Of the documents that decided, in the order in which they did, each once.
    """

    def __init__(self, name: str, size: int, service: Service, known: dict[str, GoodDocument], stop: Event) -> None:
        super().__init__(name=name, daemon=True)
        self.decisions = 0
        self.fault: BaseException | None = None
        self.numbers: list[int] = []
        self._known = known
        self._service = service
        self._size = size
        self._stop_asking = stop

    def run(self) -> None:
        """Ask until told to stop."""
        try:
            with self._service.connect() as connection:
                for turn in count():
                    if self._stop_asking.is_set():
                        return
                    batch = Batch(f"{self.name}-{turn}", self._size)
                    self.ask(connection, batch)
                    self.decisions += len(batch)
        except BaseException as error:  # noqa: BLE001 - the test that waits for this thread raises it
            self.fault = error
            self._stop_asking.set()

    def ask(self, connection: Connection, batch: Batch) -> None:
        """Ask the questions of a batch, and check what comes back."""
        raise NotImplementedError

    def check(self, body: bytes, expected: Callable[[GoodDocument], Collection[bytes]]) -> None:
        """Check that an answer is, byte for byte, what one good document says, and no older one than before."""
        revision = _REVISION.search(body)
        assert revision, body
        document = self._known[revision[1].decode("ascii")]
        assert body in expected(document), f"not the decisions of document {document.number}: {body!r}"
        if self.numbers[-1:] != [document.number]:
            assert all(number < document.number for number in self.numbers[-1:])
            self.numbers.append(document.number)


class BatchStream(Stream):
    """Asks in batches."""

    def ask(self, connection: Connection, batch: Batch) -> None:
        """Ask for all decisions at once."""
        connection.send(request("POST", "/v1/decisions", b'{"queries":[%b]}' % b",".join(batch.queries())))
        answer = connection.receive()
        assert answer.status == 200
        self.check(answer.body, lambda document: [b'{"decisions":[%b]}' % b",".join(batch.decisions(document))])


def decisions_of(batch: Batch, index: int, document: GoodDocument) -> list[bytes]:
    """What a document decides about one question of a batch, asked alone: with a hint, or as one too many without."""
    return [list(batch.decisions(document, single=single))[index] for single in (True, False)]


class PipelinedStream(Stream):
    """Sends a request for each question, all of them before it reads the first answer."""

    def ask(self, connection: Connection, batch: Batch) -> None:
        """Ask for each decision alone."""
        connection.send(b"".join(self.requests(batch)))
        for index in range(len(batch)):
            answer = connection.receive()
            assert answer.status == 200, answer
            self.check(answer.body, partial(decisions_of, batch, index))

    def requests(self, batch: Batch) -> Iterable[bytes]:
        """The requests for a batch."""
        return (request("GET", path.decode("ascii")) for path in batch.paths())


class PipelinedBodyStream(PipelinedStream):
    """Sends requests with bodies, all of them before it reads the first answer."""

    def requests(self, batch: Batch) -> Iterable[bytes]:
        """The requests for a batch."""
        return (request("POST", "/v1/decision", query) for query in batch.queries())


class Replaced:
    """What there is to say once the document was replaced a thousand times.

    Attributes:
        last: The last document that was good.
        status: What the service said of itself in the end.
        streams: The clients.
        warm: The memory of the service after the first decisions, in bytes.
        full: The same in the end.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "policies.toml"
        self._known: dict[str, GoodDocument] = {}
        self.last = self._write_good(0)
        with running(self._path) as service:
            self._stream(service)

    def _stream(self, service: Service) -> None:
        stop = Event()
        warming = BatchStream("warming", 1000, service, self._known, stop)
        with service.connect() as connection:
            for turn in range(WARM_DECISIONS // 1000):
                warming.ask(connection, Batch(f"warm-{turn}", 1000))
            self.warm = service.memory()
            self.streams = [
                BatchStream("one", 150, service, self._known, stop),
                BatchStream("two", 150, service, self._known, stop),
                PipelinedStream("three", 20, service, self._known, stop),
                PipelinedBodyStream("four", 1, service, self._known, stop),
            ]
            with _started(self.streams, stop):
                for number in range(1, REPLACEMENTS + 1):
                    due = number * (DECISIONS // REPLACEMENTS)
                    wait_for(partial(self._is_due, due, stop), f"{due} decisions")
                    if stop.is_set():
                        break
                    self._replace(number, service, connection)
            self.full = service.memory()
            self.status = connection.get("/v1/status").json

    def _is_due(self, decisions: int, stop: Event) -> bool:
        return self.asked() >= decisions or stop.is_set()

    def asked(self) -> int:
        """How many decisions the clients got."""
        return sum(stream.decisions for stream in self.streams)

    def _replace(self, number: int, service: Service, connection: Connection) -> None:
        """Put the next document in place, and wait until the service has had a look at it."""
        if number % 3:
            self.last = self._write_good(number)
            mistakes = []
        else:
            data = broken_document(GoodDocument(number), number // 3)
            assert not is_good(data)
            self._write(data, number)
            mistakes = _mistakes(self._path)
        service.signal(signal.SIGHUP)
        deadline = time.monotonic() + DEADLINE
        while True:
            status = connection.get("/v1/status").json
            if (status["revision"], status["mistakes"]) == (self.last.revision, mistakes):
                return
            assert time.monotonic() < deadline, f"document {number} was not tried: {status}"

    def _write_good(self, number: int) -> GoodDocument:
        document = GoodDocument(number)
        self._known[document.revision] = document
        self._write(document.text.encode("ascii"), number)
        return document

    def _write(self, data: bytes, number: int) -> None:
        if number % 5:
            new = self._path.with_suffix(".new")
            new.write_bytes(data)
            new.replace(self._path)
        else:
            self._path.write_bytes(data)


@contextmanager
def _started(streams: list[Stream], stop: Event) -> Iterator[None]:
    for stream in streams:
        stream.start()
    try:
        yield
    finally:
        stop.set()
        for stream in streams:
            stream.join()


def _mistakes(path: Path) -> list[dict[str, Any]]:
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(path)
    return [mistake.as_dict() for mistake in caught.value.mistakes]


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> Replaced:
    """Stream decisions while the document is replaced."""
    return Replaced(tmp_path_factory.mktemp("replaced"))


def test_every_answer_is_that_of_one_good_document(replaced: Replaced) -> None:
    """Each of a million decisions is, in its place and byte for byte, that of one good document for the whole
    answer, and none is missing.
    """
    for stream in replaced.streams:
        if stream.fault is not None:
            raise stream.fault
    assert replaced.asked() >= DECISIONS


def test_answers_follow_the_documents(replaced: Replaced) -> None:
    """While a thousand documents come and go, the clients see hundreds of the good ones, each later than the last."""
    for stream in replaced.streams:
        assert stream.numbers == sorted(set(stream.numbers))
        assert len(stream.numbers) > REPLACEMENTS // 10


def test_the_last_good_document_stays(replaced: Replaced) -> None:
    """In the end the status names the last good document, and has counted every one of them."""
    good = REPLACEMENTS - REPLACEMENTS // 3
    assert replaced.status["revision"] == replaced.last.revision
    assert replaced.status["generation"] == good + 1


def test_memory_does_not_grow(replaced: Replaced) -> None:
    """After a million decisions and a thousand reloads the service has as much memory in use as after the first ten
    thousand decisions, give or take a twentieth.
    """
    tell(f"{replaced.warm} bytes when warm, {replaced.full} in the end: {replaced.full / replaced.warm - 1:+.1%}")
    assert replaced.full <= replaced.warm * 1.05


def test_pipelined_requests_with_bodies_are_answered_in_order(tmp_path: Path) -> None:
    """Twenty POSTs that are sent before the first answer is read are answered, each with its own decision."""
    document = GoodDocument(1)
    policies = tmp_path / "policies.toml"
    policies.write_text(document.text, encoding="ascii")
    with running(policies) as service, service.connect() as connection:
        stream = PipelinedBodyStream("one", 20, service, {document.revision: document}, Event())
        stream.ask(connection, Batch("one", 20))


def test_a_document_that_is_being_written_is_not_taken(tmp_path: Path) -> None:
    """A document that still changes from one look to the next is not made active, even though it is a good document
    as far as it goes: what is missing may be what restricts it.
    """
    policies = tmp_path / "policies.toml"
    policies.write_text(GoodDocument(1).text, encoding="ascii")
    with running(policies) as service, service.connect() as connection:
        before = connection.get("/v1/status").json["revision"]
        with policies.open("w", encoding="ascii", buffering=1) as file:
            file.write('version = 1\n[policies.catalogue]\norigins = ["https://partner.example"]\n')
            started = now = time.monotonic()
            # A writer that is held up for as long as a look takes has stopped, for whoever looks.
            while now < started + 3 * LOOK_SECONDS and time.monotonic() - now < LOOK_SECONDS / 2:
                now = time.monotonic()
                file.write("# a slow writer\n")
                assert connection.get("/v1/status").json["revision"] == before
            file.write('methods = ["GET"]\n')
        wait_for(lambda: connection.get("/v1/status").json["revision"] != before, "the whole document")
        decision = connection.get("/v1/decision?policy=catalogue&origin=https://partner.example&method=POST").json
        assert decision["reason"]["code"] == "method-not-allowed"
