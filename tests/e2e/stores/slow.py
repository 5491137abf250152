"""A link that lets through so many bytes per second."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

_PART = 16_384


@contextmanager
def slow_link(port: int, rate: float) -> Iterator[int]:
    """Give a port of this machine that leads to another one, and through which answers come slowly.

    Args:
        port: Where it leads.
        rate: Bytes per second of what comes back.
    """
    is_over = Event()
    threads: list[Thread] = []

    def run(target: Callable[..., object], *arguments: object) -> Thread:
        threads.append(Thread(target=target, args=arguments, daemon=True))
        threads[-1].start()
        return threads[-1]

    def pump(origin: socket.socket, target: socket.socket, seconds: float) -> None:
        with suppress(OSError):
            while data := origin.recv(_PART):
                target.sendall(data)
                is_over.wait(len(data) * seconds)
        for one in (origin, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = run(pump, server, client, 1 / rate)
            pump(client, server, 0)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                run(serve, listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        run(accept)
        try:
            yield listening.getsockname()[1]
        finally:
            is_over.set()
            listening.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
