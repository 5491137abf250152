"""SIGTERM under load: what was asked is answered, and then the process ends."""

from __future__ import annotations

import random
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest

from tests.e2e.daemons import DEADLINE, wait_for
from tests.e2e.load.client import ClosedBefore, Connection, CutShort, request
from tests.e2e.load.documents import Batch, GoodDocument
from tests.e2e.load.figures import tell
from tests.e2e.load.service import Service, running

ROUNDS = 10

# What may become of a request.
ANSWERED = "answered"
CLOSED_WHEN_REUSED = "closed before a byte of the answer, over a connection that had served before"
UNANSWERED = "closed before a byte of the answer, over a new connection"
PARTIAL = "cut within the answer"
RESET = "reset"
NOT_TAKEN_UP = "reset over a new connection, which the process need not have seen"
WRONG = "answered with something else"

document = GoodDocument(1)


class Client(Thread):
    """Asks for decisions until nobody listens any more.

    A request counts once all of it was handed to the system over a connection that the server's side had taken up.
    That nobody takes up a connection ends the client, and is no failure.

    Attributes:
        outcomes: What became of the requests.
    """

    def __init__(self, name: str, service: Service, *, size: int, reuse: bool) -> None:
        """Make a client.

        Args:
            name: What no other client is called.
            service: Who is asked.
            size: How many questions each request has.
            reuse: Whether it uses a connection as often as it can, or once.
        """
        super().__init__(name=name, daemon=True)
        self.outcomes: Counter[str] = Counter()
        self._service = service
        self._size = size
        self._reuse = reuse
        self._turn = count()
        self._end = Event()

    def run(self) -> None:
        """Ask until nobody listens."""
        while not self._end.is_set():
            try:
                connection = self._service.connect()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # refused between two steps of the handshake
                return
            with connection:
                for times_used in count():
                    outcome, closes = self._ask(connection, times_used)
                    self.outcomes[outcome] += 1
                    if closes or not self._reuse:
                        break

    def end(self) -> None:
        """Ask no more."""
        self._end.set()

    def _ask(self, connection: Connection, times_used: int) -> tuple[str, bool]:
        batch = Batch(f"{self.name}-{next(self._turn)}", self._size)
        try:
            connection.send(request("POST", "/v1/decisions", b'{"queries":[%b]}' % b",".join(batch.queries())))
            answer = connection.receive()
        except ClosedBefore:
            return CLOSED_WHEN_REUSED if times_used else UNANSWERED, True
        except CutShort:
            return PARTIAL, True
        except (ConnectionResetError, BrokenPipeError):
            return RESET if times_used else NOT_TAKEN_UP, True
        right = (200, b'{"decisions":[%b]}' % b",".join(batch.decisions(document)))
        return ANSWERED if (answer.status, answer.body) == right else WRONG, answer.closes


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A document to decide by."""
    path = tmp_path / "policies.toml"
    path.write_text(document.text, encoding="ascii")
    return path


class Stop(NamedTuple):
    """How a service under load came to its end.

    Attributes:
        outcomes: What became of the requests of all clients.
        was_cut: Whether connections were cut because the time for the stop was over.
        status: Its exit status; negative for a signal.
    """

    outcomes: Counter[str]
    was_cut: bool
    status: int


def stop(service: Service, moment: random.Random) -> Stop:
    """Put a service under load, and send SIGTERM at a random moment."""
    clients = [
        *(Client(f"batches-{number}", service, size=100, reuse=True) for number in range(4)),
        *(Client(f"single-{number}", service, size=1, reuse=True) for number in range(2)),
        *(Client(f"once-{number}", service, size=1, reuse=False) for number in range(3)),
    ]
    answers = moment.randrange(3, 20)
    for client in clients:
        client.start()
    try:
        wait_for(lambda: all(client.outcomes[ANSWERED] > answers for client in clients), "clients at work")
        service.signal(signal.SIGTERM)
        status = service.ends()
    finally:
        for client in clients:
            client.end()
        for client in clients:
            client.join(DEADLINE)
    return Stop(sum((client.outcomes for client in clients), Counter()), was_cut(service), status)


@pytest.fixture(scope="module")
def stops(tmp_path_factory: pytest.TempPathFactory) -> list[Stop]:
    """Stop a service under load, again and again."""
    directory = tmp_path_factory.mktemp("stops")
    policies = directory / "policies.toml"
    policies.write_text(document.text, encoding="ascii")
    ended = []
    for seed in range(ROUNDS):
        with running(policies) as service:
            ended.append(stop(service, random.Random(seed)))
    total = sum((one.outcomes for one in ended), Counter())
    tell(f"{ROUNDS} stops; requests: {dict(total)}")
    return ended


def test_no_request_is_lost(stops: list[Stop]) -> None:
    """At any moment under load, SIGTERM leaves no request that was taken up without its whole answer: none is cut,
    none gets something else, and no connection that served before is closed over one.
    """
    lost = [set(one.outcomes) - {ANSWERED, NOT_TAKEN_UP} for one in stops]
    assert lost == [set()] * ROUNDS


def test_connections_are_taken_up_until_nobody_listens(stops: list[Stop]) -> None:
    """New connections are not reset because the process takes none up any more and still listens."""
    losses = [one.outcomes[NOT_TAKEN_UP] for one in stops]
    # No system call closes a port on condition that nobody waits: for some microseconds, or for as long as another
    # process has the processor, a connection can be lost.
    assert sum(map(bool, losses)) < ROUNDS / 2, losses


def test_the_process_ends_in_time(stops: list[Stop]) -> None:
    """Under load the process ends before the time is over that it has for that, and by nothing but SIGTERM."""
    assert {one.status for one in stops} <= {0, -signal.SIGTERM}
    assert not any(one.was_cut for one in stops)


def test_connections_in_the_queue_are_answered(policies: Path) -> None:
    """Requests over connections that the system has taken up, and the process has not yet, are answered too."""
    with running(policies) as service, ExitStack() as held:
        service.signal(signal.SIGSTOP)
        connections = [held.enter_context(service.connect()) for _ in range(40)]
        for connection in connections:
            connection.send(request("GET", "/livez"))
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGCONT)
        assert Counter(outcome_of(connection) for connection in connections) == {ANSWERED: len(connections)}
        service.ends()


def test_requests_that_come_while_it_is_busy_are_answered(policies: Path) -> None:
    """A request that came well before its connection is closed is answered, also if the process was too busy with
    others to look at it.
    """
    # This process may be held up for so long that the service is done with the others before the request is sent.
    assert any(comes_while_it_is_busy(policies) for _ in range(10))


def comes_while_it_is_busy(policies: Path) -> bool:
    """Send a request while the service is busy; say whether its connection was still open. If so, it is answered."""
    # Each asks something else: an answer that is remembered takes no time.
    batches = [Batch(f"batch-{number}", 1000) for number in range(50)]
    with running(policies) as service, ExitStack() as held:
        busy = [held.enter_context(service.connect()) for _ in batches]
        begun, quiet = held.enter_context(service.connect()), held.enter_context(service.connect())
        assert quiet.get("/livez").status == 200
        begun.send(request("GET", "/livez")[:-1])
        service.signal(signal.SIGTERM)
        wait_for(lambda: is_leaving(service), "the beginning of the end")
        service.signal(signal.SIGSTOP)
        for connection, batch in zip(busy, batches, strict=True):
            connection.send(request("POST", "/v1/decisions", b'{"queries":[%b]}' % b",".join(batch.queries())))
        before = service.processor_time()
        service.signal(signal.SIGCONT)
        wait_for(lambda: service.processor_time() > before + 0.1, "the process to be busy")
        service.signal(signal.SIGSTOP)
        is_open = not quiet.is_closed()
        if is_open:
            quiet.send(request("GET", "/livez"))
        service.signal(signal.SIGCONT)
        assert Counter(outcome_of(connection) for connection in busy) == {ANSWERED: len(busy)}
        assert not is_open or outcome_of(quiet) == ANSWERED
        begun.send(b"\n")
        assert outcome_of(begun) == ANSWERED
        service.ends()
    return is_open


def test_a_request_that_was_begun_is_answered(policies: Path) -> None:
    """A request that began before SIGTERM may be completed after it, and is answered."""
    whole = request("POST", "/v1/decisions", b'{"queries":[]}')
    with running(policies) as service, ExitStack() as held:
        connections = [held.enter_context(service.connect()) for _ in whole[1:]]
        for place, connection in enumerate(connections, start=1):
            connection.send(whole[:place])
        # Connections are taken up in order: this one comes behind the others.
        assert service.status()["stale"] is False
        service.signal(signal.SIGTERM)
        wait_for(lambda: is_closed(service), "the end of listening")
        for place, connection in enumerate(connections, start=1):
            connection.send(whole[place:])
        answers = [connection.receive() for connection in connections]
        assert {(answer.status, answer.body, answer.closes) for answer in answers} == {(200, b'{"decisions":[]}', True)}
        service.ends()


def test_a_request_that_is_completed_late_does_not_hold_the_process_up(policies: Path) -> None:
    """Behind the answer to a request that was begun before SIGTERM, and completed when all else was closed, the
    connection is closed, and the process ends.
    """
    whole = request("POST", "/v1/decisions", b'{"queries":[]}')
    with running(policies) as service, ExitStack() as held:
        idle, begun = held.enter_context(service.connect()), held.enter_context(service.connect())
        begun.send(whole[:-1])
        assert service.status()["stale"] is False
        service.signal(signal.SIGTERM)
        assert outcome_of(idle) == UNANSWERED
        begun.send(whole[-1:])
        assert outcome_of(begun) == ANSWERED
        service.ends()
        assert not was_cut(service)


def test_an_answer_that_is_read_slowly_is_whole(policies: Path) -> None:
    """An answer that fits into no buffer on its way is sent to its end although the process stops meanwhile."""
    batch = Batch("batch", 1000)
    with running(policies) as service, ExitStack() as held:
        connections = [held.enter_context(Connection(service.port, receive_buffer=4096)) for _ in range(4)]
        for connection in connections:
            connection.send(request("POST", "/v1/decisions", b'{"queries":[%b]}' % b",".join(batch.queries())))
            readable(connection)
        service.signal(signal.SIGTERM)
        wait_for(lambda: is_closed(service), "the end of listening")
        for connection in connections:
            assert connection.receive().body == b'{"decisions":[%b]}' % b",".join(batch.decisions(document))
        service.ends()


def test_idle_connections_are_closed_cleanly(policies: Path) -> None:
    """Connections that wait for nothing are closed, not reset, and the process ends without waiting for them."""
    with running(policies) as service, ExitStack() as held:
        connections = [held.enter_context(service.connect()) for _ in range(20)]
        for connection in connections[::2]:
            assert connection.get("/livez").status == 200
        service.signal(signal.SIGTERM)
        assert Counter(outcome_of(connection) for connection in connections) == {UNANSWERED: len(connections)}
        service.ends()
        assert not was_cut(service)


def test_what_never_ends_is_cut(policies: Path) -> None:
    """A request that is begun and never completed holds the process up for the time of the drain, and not longer."""
    with running(policies, "--drain-timeout=1", "--request-timeout=3600") as service, service.connect() as connection:
        connection.send(b"GET /livez HTTP/1.1\r\n")
        assert service.status()["stale"] is False
        service.signal(signal.SIGTERM)
        service.ends()
        assert was_cut(service)


def was_cut(service: Service) -> bool:
    """Whether a service that has ended said that it cut connections."""
    return any("Cutting" in line for line in service.out)


def outcome_of(connection: Connection) -> str:
    """What became of the last request of a connection."""
    try:
        answer = connection.receive()
    except ClosedBefore:
        return UNANSWERED
    except CutShort:
        return PARTIAL
    except ConnectionResetError:
        return RESET
    return ANSWERED if answer.status == 200 else WRONG


def readable(connection: Connection) -> None:
    """Wait until something of an answer has come, without taking it."""
    assert connection.socket.recv(1, socket.MSG_PEEK)


def is_leaving(service: Service) -> bool:
    """Whether it says that it is about to stop."""
    with service.connect() as connection:
        return connection.get("/readyz").status == 503


def is_closed(service: Service) -> bool:
    """Whether nobody listens any more."""
    try:
        service.connect().close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False
