"""The process that looks at policy documents and reads them, so that the one that decides never has to wait for it.

It is started by `ReaderPolicyStore` as `python -m cors_service.reader PATH`, and ends when its standard input
does, which is when whoever started it closes it, or is no more.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.messages import (
    IGNORED,
    REQUESTS,
    Answer,
    Begin,
    Changed,
    Failed,
    Frames,
    Load,
    Request,
    Save,
    Saved,
    framed,
    parts_of,
    refused,
)
from cors_service.reader.reading import FileReader
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import POLL_SECONDS

_NICE: Final = 10
# How many times as long as it has worked it does nothing: it takes a sixth of a core at most. What counts is its own
# time, and not that of whoever else had the core.
_REST: Final = 5


class Reader:
    """Answers what a service asks about documents, and tells it when they change."""

    def __init__(self, path: Path, send: Callable[[Answer], object]) -> None:
        """Make a reader.

        Args:
            path: The file or directory.
            send: Takes a message to the service.
        """
        self._files = FileReader(path)
        self._send = send
        self._has_told = False

    def answer(self, request: Request) -> None:
        """Do what the service asks for."""
        try:
            if isinstance(request, Begin):
                self._begin(request)
            elif isinstance(request, Load):
                self._load(request)
            else:
                self._save(request)
        except Exception:  # noqa: BLE001 - whatever it is, the service has to know
            self._send(Failed(ascii(traceback.format_exc())))

    def look(self) -> None:
        """Look at the documents; tell the service of a change, once until it asks."""
        if self._files.look() and not self._has_told:
            self._tell()

    def _begin(self, request: Begin) -> None:
        # What the service knows is read here, too, so that what is told later is what changes it.
        self._files.begin(request.mark)

    def _tell(self) -> None:
        self._has_told = True
        self._send(Changed())

    def _load(self, request: Load) -> None:
        self._has_told = False
        try:
            change = self._files.change(request.base, everything=request.everything)
        except InvalidPolicies as invalid:
            self._send(refused(invalid))
        else:
            for part in parts_of(change):
                self._send(part)

    def _save(self, request: Save) -> None:
        policy_set = self._files.policy_set
        if policy_set is None or self._files.revision != request.revision:
            self._send(Saved(is_known=False, error=""))
            return
        try:
            Snapshot(Path(request.path)).save(policy_set, request.loaded_at)
        except OSError as error:
            self._send(Saved(is_known=True, error=str(error)))
        else:
            self._send(Saved(is_known=True, error=""))


def main() -> None:
    """Read for the service that is at the other end of standard input and standard output."""
    os.nice(_NICE)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Nearly all that it makes stays, and is no garbage.
    gc.set_threshold(100_000, 20, 100)
    requests: SimpleQueue[Request] = SimpleQueue()
    Thread(target=_listen, args=(requests,), daemon=True).start()
    reader = Reader(Path(sys.argv[1]), _send)
    reader.answer(requests.get())
    due = time.monotonic()
    while True:
        try:
            request = requests.get(timeout=max(0, due - time.monotonic()))
        except Empty:
            request = None
        worked = time.process_time()
        if request is None:
            due = time.monotonic() + POLL_SECONDS
            reader.look()
        else:
            reader.answer(request)
        due = max(due, time.monotonic()) + _REST * (time.process_time() - worked)


def _listen(requests: SimpleQueue[Request]) -> None:
    frames = Frames()
    while data := os.read(0, 65536):
        for message in frames.take(data):
            requests.put(REQUESTS.decode(message))
    os._exit(0)  # whatever the other thread is at: nobody is there any more to take it


def _send(message: Answer) -> None:
    data = memoryview(framed(message))
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
