"""Instances of the decision service that are restarted and paused, and a load that counts what is lost meanwhile."""

from __future__ import annotations

import http.client
import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Event, Thread
from time import monotonic
from typing import Final, NamedTuple, Self

from cors_service.browser import preflight_check, preflight_headers
from tests.answering import free_port
from tests.e2e.daemons import DEADLINE, TWIST, Process, ask
from tests.e2e.gateways.gateway import BOUND, PATIENCE
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, POLICIES, Connection, page

CLIENTS: Final = 4
"""Connections over which requests come, one behind another."""

SLOW_SECONDS: Final = 0.75 * PATIENCE
"""Less than any gateway waits for an instance."""

BREAK_SECONDS: Final = 0.005
"""Between two requests of a client: the instances have to start beside them."""


class Instance:
    """A decision service with a port of its own, which stays when the service is restarted.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, directory: Path) -> None:
        """Start it.

        Args:
            directory: Where its policies may lie; empty.
        """
        policies = directory / "policies.toml"
        policies.write_text(POLICIES, encoding="utf-8")
        self.port = free_port()
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        self._command = [*BOUND, *TWIST, "--policies", str(policies), "--listen", listen]
        self._directory = directory
        self._process = self._started()

    def _started(self) -> Process:
        process = Process(self._command, self._directory)
        process.said("Listening on ")
        # It listens before it answers.
        assert ask(self.port, "/readyz").status == 200
        return process

    def restart(self) -> None:
        """Stop it as service managers do, and start it again once it has ended."""
        status = self._process.stop()
        self._process.kill()
        assert status == -signal.SIGTERM, f"the service ended with {status}"
        self._process = self._started()

    def pause(self) -> None:
        """Let it do nothing at all; it goes on listening."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it."""
        self._process.kill()


@contextmanager
def instances(directory: Path, number: int) -> Iterator[list[Instance]]:
    """Run instances until the block ends.

    Args:
        directory: Where their policies may lie; empty.
        number: How many.
    """
    running: list[Instance] = []
    try:
        for name in range(number):
            place = directory / f"instance-{name}"
            place.mkdir()
            running.append(Instance(place))
        yield running
    finally:
        for instance in running:
            instance.kill()


@contextmanager
def paused(*running: Instance) -> Iterator[None]:
    """Let instances do nothing until the block ends."""
    try:
        for instance in running:
            instance.pause()
        yield
    finally:
        for instance in running:
            instance.resume()


class Lost(NamedTuple):
    """A request whose answer lacked what is decided.

    Attributes:
        begun: When it was sent, in seconds of `time.monotonic`.
        took: Seconds until its answer.
        method: OPTIONS for a preflight.
        status: Of its answer.
        headers: The headers of CORS in its answer.
    """

    begun: float
    took: float
    method: str
    status: int
    headers: object


class Load:
    """Clients that send requests of pages, and preflights, to a gateway until the block ends.

    Attributes:
        port: That of the gateway.
        answered: How many requests were answered.
        lost: Those of them whose answers lacked what is decided.
        slow: How many took longer than an instance that does what it should.
        longest: Seconds that the longest of them took.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self.lost: list[Lost] = []
        self.slow = 0
        self.longest = 0.0
        self._failures: list[BaseException] = []
        self._end = Event()
        self._changed = Condition()
        self._clients = [Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for client in self._clients:
            client.join(DEADLINE)
        assert not self._failures, self._failures

    def more(self, number: int) -> None:
        """Wait until so many more requests were answered."""
        until = self.answered + number
        self._wait(lambda: self.answered >= until)

    def more_slow(self, number: int, *, most: int) -> None:
        """Wait until so many more requests were slow, or `most` more were answered."""
        slow, answered = self.slow + number, self.answered + most
        self._wait(lambda: self.slow >= slow or self.answered >= answered)

    def more_lost(self, number: int) -> None:
        """Wait until so many more requests were lost."""
        until = len(self.lost) + number
        self._wait(lambda: len(self.lost) >= until)

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: condition() or self._failures, DEADLINE)
        assert done, f"waited in vain: {self.found}"

    @property
    def found(self) -> str:
        """What became of the requests, as a sentence."""
        return f"{len(self.lost)} of {self.answered} without headers, the longest took {self.longest:.2f} s"

    def _run(self) -> None:
        try:
            self._ask()
        except BaseException as error:
            with self._changed:
                self._failures.append(error)
                self._changed.notify_all()
            raise

    def _ask(self) -> None:
        connection = Connection("127.0.0.1", self.port)
        request = page(PARTNER, "PUT", credentials=True)
        asked = preflight_headers(request)
        for number in itertools.count():
            if self._end.wait(BREAK_SECONDS):
                break
            begun = monotonic()
            method = "OPTIONS" if number % 2 else "GET"
            try:
                answer = connection.ask(method, PATH, asked if number % 2 else [("Origin", PARTNER)])
            except (ConnectionError, http.client.HTTPException):
                # Gateways end connections after so many requests.
                connection.close()
                answer = connection.ask(method, PATH, asked if number % 2 else [("Origin", PARTNER)])
            if number % 2:
                is_decided = preflight_check(request, answer.status, answer.lines).allowed
            else:
                is_decided = answer.cors == DECIDED[PARTNER]
            took = monotonic() - begun
            with self._changed:
                self.answered += 1
                self.slow += took > SLOW_SECONDS
                self.longest = max(self.longest, took)
                if not is_decided:
                    self.lost.append(Lost(begun, took, method, answer.status, answer.cors))
                self._changed.notify_all()
        connection.close()
