"""Tests of how a worker accepts connections: some in a turn, behind those that have fewer, at the end all the rest."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IListeningPort, IReadDescriptor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from cors_service.workers.sockets import GIVE_WAY_SECONDS, MOST_IN_A_TURN, OUT_OF_FILES_SECONDS, Acceptor
from tests.observing import observed_by
from tests.open_files import files_left


class Reactor(Clock):
    """A reactor that is told when there is something to read, and only counts connections.

    Attributes:
        readers: Who would be told that there is something to read.
        taken: How many connections were adopted.
        refuses: What adopting a connection fails with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Acceptor] = set()
        self.taken = 0
        self.refuses: OSError | None = None

    def addReader(self, reader: Acceptor) -> None:
        """Tell it from now on."""
        self.readers.add(reader)

    def removeReader(self, reader: Acceptor) -> None:
        """Tell it no more."""
        self.readers.discard(reader)

    def adoptStreamConnection(self, descriptor: int, family: int, factory: object) -> None:
        """Count a connection; as Twisted does, fail if there is no file for it."""
        if self.refuses is not None:
            raise self.refuses
        os.close(os.dup(descriptor))
        self.taken += 1

    def turn(self) -> None:
        """Have everybody read who wants to."""
        for reader in list(self.readers):
            reader.doRead()


class Bench:
    """An acceptor at a socket, and who connects to it."""

    def __init__(self, stack: ExitStack) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.listening.setblocking(False)
        self.address = self.listening.getsockname()
        self.reactor = Reactor()
        self.gives_way = False
        self.factory = Factory.forProtocol(Protocol)
        self.factory.noisy = False
        self._stack = stack
        stack.callback(self.listening.close)

    def acceptor(self, listening: socket.socket | None = None, **options: Any) -> Acceptor:
        """Make one that has begun."""
        acceptor = Acceptor(self.reactor, listening or self.listening, self.factory, lambda: self.gives_way, **options)
        acceptor.startListening()
        self._stack.callback(acceptor.stopListening)
        return acceptor

    def connect(self, times: int = 1) -> None:
        """Have somebody connect."""
        for _ in range(times):
            self._stack.enter_context(socket.create_connection(self.address, timeout=5))


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a bench; it is taken down with the test."""
    with ExitStack() as stack:
        yield Bench(stack)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give the text of each event above debugging."""
    texts: list[str] = []

    def observe(event: LogEvent) -> None:
        if event["log_level"].name != "debug":
            texts.append(formatEvent(event))

    with observed_by(observe):
        yield texts


def test_interfaces(bench: Bench) -> None:
    """It is what a reactor reads from, and what listens."""
    acceptor = bench.acceptor()
    assert verifyObject(IListeningPort, acceptor)
    assert verifyObject(IReadDescriptor, acceptor)
    assert acceptor.getHost() == IPv4Address("TCP", *bench.address)


def test_some_in_a_turn(bench: Bench) -> None:
    """It takes some connections in each turn, and then looks at what it has."""
    bench.acceptor()
    bench.connect(MOST_IN_A_TURN + 2)
    for taken in (MOST_IN_A_TURN, MOST_IN_A_TURN + 2, MOST_IN_A_TURN + 2):
        bench.reactor.turn()
        assert bench.reactor.taken == taken


def test_no_more_than_others(bench: Bench) -> None:
    """It takes no more in a turn than until others have fewer, and those are given the time for the next."""
    acceptor = Acceptor(bench.reactor, bench.listening.dup(), bench.factory, lambda: bench.reactor.taken >= 3)
    acceptor.startListening()
    bench.connect(5)
    bench.reactor.turn()
    assert (bench.reactor.taken, bench.reactor.readers) == (3, {acceptor})
    bench.reactor.turn()
    assert (bench.reactor.taken, bench.reactor.readers) == (3, set())
    acceptor.stopListening()


def test_gives_way(bench: Bench) -> None:
    """It leaves a connection to those that have fewer, for a moment; then it takes what is still there, and the next
    one is left to them again.
    """
    bench.acceptor()
    bench.gives_way = True
    bench.connect(2)
    for taken in (1, 2):
        bench.reactor.turn()
        assert (bench.reactor.taken, bench.reactor.readers) == (taken - 1, set())
        bench.reactor.advance(GIVE_WAY_SECONDS)
        bench.reactor.turn()
        assert bench.reactor.taken == taken


def test_the_rest(bench: Bench) -> None:
    """At the end it takes all that wait at once, whoever has fewer, and nobody can connect behind them."""
    acceptor = bench.acceptor()
    bench.gives_way = True
    bench.connect(30)
    acceptor.take_the_rest()
    assert (bench.reactor.taken, bench.reactor.readers) == (30, set())
    with pytest.raises(ConnectionRefusedError):
        bench.connect()


def test_the_rest_of_two(bench: Bench, log: list[str]) -> None:
    """That another worker has shut the socket already is no fault, at whatever moment it is found out."""
    others = [bench.acceptor(bench.listening.dup()) for _ in range(3)]
    bench.acceptor().take_the_rest()
    others[0].take_the_rest()
    others[1].doRead()
    others[2].connectionLost(Failure(ConnectionError()))
    assert (bench.reactor.readers, log) == (set(), [])


def test_leaves(bench: Bench) -> None:
    """What it leaves is another's: the queue is as it was."""
    leaving, other = bench.acceptor(bench.listening.dup()), bench.acceptor()
    bench.connect(5)
    leaving.leave()
    leaving.stopListening()
    assert leaving.fileno() == -1
    other.take_the_rest()
    assert bench.reactor.taken == 5


def test_a_socket_that_outlives_the_service(bench: Bench) -> None:
    """The socket of systemd goes on listening, with all that wait."""
    bench.acceptor(bench.listening.dup(), outlives_us=True).take_the_rest()
    bench.connect(2)
    assert bench.reactor.taken == 0


def test_stops_while_it_gives_way(bench: Bench) -> None:
    """Nothing is left in the reactor behind its end, and a second end is none."""
    acceptor = bench.acceptor()
    bench.gives_way = True
    bench.connect()
    bench.reactor.turn()
    acceptor.stopListening()
    acceptor.stopListening()
    assert (bench.reactor.getDelayedCalls(), bench.reactor.readers) == ([], set())


class Full(socket.socket):
    """A socket at which nothing can be accepted."""

    error = errno.EMFILE

    def accept(self) -> Any:
        """Fail."""
        raise OSError(self.error, "no more files")


def test_out_of_files(bench: Bench, log: list[str]) -> None:
    """If no more files can be opened it says so, and tries again some time later: it does not spin."""
    full = Full(fileno=bench.listening.dup().detach())
    bench.acceptor(full)
    for _ in range(3):
        bench.reactor.turn()
    assert (len(log), bench.reactor.readers) == (1, set())
    assert log[0].startswith("Can't accept a connection: ")
    bench.reactor.advance(OUT_OF_FILES_SECONDS)
    assert len(bench.reactor.readers) == 1


@pytest.mark.parametrize("left", [0, 1])
def test_few_files_left(bench: Bench, log: list[str], left: int) -> None:
    """It accepts nothing that it has no file to take up with: what waits is there later, or for another worker."""
    bench.acceptor()
    bench.connect(3)
    with files_left(left):
        bench.reactor.turn()
        bench.reactor.turn()
    assert (bench.reactor.taken, len(log), bench.reactor.readers) == (0, 1, set())
    bench.reactor.advance(OUT_OF_FILES_SECONDS)
    bench.reactor.turn()
    assert bench.reactor.taken == 3


def test_out_of_files_at_the_end(bench: Bench) -> None:
    """The end comes all the same."""
    full = Full(fileno=bench.listening.dup().detach())
    acceptor = bench.acceptor(full)
    acceptor.take_the_rest()
    assert (bench.reactor.readers, bench.reactor.getDelayedCalls()) == (set(), [])


def test_a_client_that_is_gone(bench: Bench, log: list[str]) -> None:
    """A client that is gone when its connection is taken up is nobody's loss, and not the end."""
    acceptor = bench.acceptor()
    bench.reactor.refuses = OSError(errno.ENOTCONN, "gone")
    bench.connect(2)
    acceptor.doRead()
    bench.reactor.refuses = None
    bench.connect()
    acceptor.doRead()
    assert (bench.reactor.taken, log) == (1, [])


def test_unix_socket(bench: Bench, tmp_path: Path) -> None:
    """A socket in the file system is left there, with its permissions, when a worker leaves it."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen()
        acceptor = bench.acceptor(listening)
        assert acceptor.getHost() == UNIXAddress(str(path))
        acceptor.stopListening()
    assert path.stat().st_mode & 0o777 == 0o600
