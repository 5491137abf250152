"""What is behind every gateway: the application, the decision service, and what can be in its place."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.e2e.daemons import ANY_PORT, TWIST, Process, Service
from tests.e2e.gateways.gateway import BOUND
from tests.e2e.scenarios import POLICIES, State, Subject

_GRANT: Final = b"Access-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nno"
_ANSWERS: Final = {
    State.GARBAGE: b"\x00\xff\x16 220 this is not HTTP\r\n\r\n",
    State.CUT: b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Al",
    State.ERROR: b"HTTP/1.1 503 Service Unavailable\r\n" + _GRANT,
    State.FORBIDDING: b"HTTP/1.1 403 Forbidden\r\n" + _GRANT,
}
"""What each answers to whatever it is sent; then it closes the connection."""


class Switch:
    """What listens at the address of the decision service: a way to the service, or something else.

    Attributes:
        port: The address; it stays the same.
        connections: How many were accepted.
    """

    def __init__(self, service: int) -> None:
        """Let it lead to the service.

        Args:
            service: The port of the service.
        """
        self._service = service
        self._state = State.UP
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._crowd: list[socket.socket] = []
        self.connections = 0
        # Bound, but not listening: it keeps the port while nobody is to be there.
        self._place = _socket(0)
        self.port: int = self._place.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.turn(State.UP)

    def turn(self, state: State) -> None:
        """Put something else there; all connections to what was there are broken off."""
        self._run(self._turn(state))

    def close(self) -> None:
        """Be gone."""
        self.turn(State.DOWN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._place.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _turn(self, state: State) -> None:
        if self._server is not None:
            for listener in self._server.sockets:
                self._loop.remove_reader(listener.fileno())
            # What asyncio has accepted and not yet begun with when a server is closed, it forgets, and never closes:
            # https://github.com/python/cpython/issues/109564
            for _ in range(5):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._crowd:
            self._crowd.pop().close()
        self._state = state
        if state is State.UNREACHABLE:
            self._crowd = _full(self.port)
        elif state is not State.DOWN:
            self._server = await asyncio.start_server(self._accept, sock=_socket(self.port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(OSError):
                await self._talk(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is State.UP:
            await self._lead(reader, writer)
        elif self._state is State.SLOW:
            while await reader.read(65536):
                pass
        elif await reader.read(65536):
            writer.write(_ANSWERS[self._state])
            await writer.drain()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", self._service))
        try:
            there, back = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Nobody else would close it.
            (await opening)[1].close()
            raise
        ways = [asyncio.ensure_future(_copy(reader, back)), asyncio.ensure_future(_copy(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def _socket(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _full(port: int) -> list[socket.socket]:
    """Listen, but let the queue of those who want to connect be full: the system leaves others without an answer."""
    crowd = [_socket(port)]
    crowd[0].listen(0)
    for _ in range(8):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))
        crowd.append(waiting)
    return crowd


class World(NamedTuple):
    """What runs behind every gateway.

    Attributes:
        application: The port of the application.
        service: The port of the decision service.
        switch: Stands between it and the gateways.
        second: Stands there for a gateway that asks two instances.
    """

    application: int
    service: int
    switch: Switch
    second: Switch


class GatewaySubject(Subject):
    """A gateway that runs."""

    def __init__(self, port: int, *switches: Switch) -> None:
        self.port = port
        self._switches = switches

    @property
    def connections(self) -> int:
        """How many connections to the decision service were made."""
        return sum(switch.connections for switch in self._switches)

    @contextmanager
    def service(self, state: State) -> Iterator[None]:
        """Replace the decision service, all instances of it, until the block ends."""
        try:
            for switch in self._switches:
                switch.turn(state)
            yield
        finally:
            for switch in self._switches:
                switch.turn(State.UP)


@contextmanager
def running_world(directory: Path) -> Iterator[World]:
    """Run the application and the decision service until the block ends.

    Args:
        directory: Where the policies may lie; empty.
    """
    policies = directory / "policies.toml"
    policies.write_text(POLICIES, encoding="utf-8")
    program = str(Path(__file__).with_name("application.py"))
    application = Process([*BOUND, sys.executable, program], directory)
    try:
        port = int(application.said(r"port (\d+)")[1])
        service = Service([*BOUND, *TWIST, "--policies", str(policies), "--listen", ANY_PORT], directory)
        try:
            with closing(Switch(service.port)) as switch, closing(Switch(service.port)) as second:
                yield World(port, service.port, switch, second)
        finally:
            service.kill()
    finally:
        application.kill()
