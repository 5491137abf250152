"""What processes that read policies have in common: they hear and speak over pipes, and end when nobody is left."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cors_service.reader.frames import Frames, decoded, framed
from cors_service.reader.limits import DEFAULT_LIMITS, limit_memory
from cors_service.reader.messages import HEARS, SIGNALS, Message, Working
from cors_service.reader.responder import Known
from cors_service.reader.snapshot import SharedSnapshot, Snapshot

_NICE: Final = 10
_READ_BYTES: Final = 1 << 16
_SIGN_SECONDS: Final = 1.0


class Signs:
    """Says now and then that what takes long goes on."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._last = time.monotonic()

    def give(self) -> None:
        """Go on with it."""
        now = time.monotonic()
        if now - self._last >= _SIGN_SECONDS:
            self._last = now
            write(self._output, framed(Working()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every such process."""
    parser.add_argument("--check", action="store_true", help="only say what is wrong, and end")
    parser.add_argument(
        "--known", nargs=2, metavar=("REVISION", "SECONDS"), help="what was read already, and when since 1970"
    )
    parser.add_argument("--snapshot", type=Path, help="a file that keeps the last good policies")
    parser.add_argument("--max-snapshot-age", type=float, help="the seconds after which a start does without it")
    parser.add_argument("--shared", type=int, help="without a snapshot: the descriptor of a file for later readers")
    parser.add_argument("--memory", type=int, default=DEFAULT_LIMITS.memory, help="MiB that reading may take up")
    parser.add_argument("--timeout", type=float, default=DEFAULT_LIMITS.timeout, help="seconds that --check may take")


def snapshot_of(options: argparse.Namespace) -> Snapshot | None:
    """The snapshot that the options name."""
    if options.shared is not None:
        return SharedSnapshot(options.shared)
    return options.snapshot and Snapshot(options.snapshot, options.max_snapshot_age)


def known_of(options: argparse.Namespace) -> Known | None:
    """What the service has read itself."""
    return options.known and Known(options.known[0], float(options.known[1]))


def open_output() -> int:
    """Give the descriptor of what is said. What is printed by mistake is not a message."""
    output = os.dup(1)
    os.dup2(2, 1)
    return output


def settle(memory: int, *, is_urgent: bool = False) -> None:
    """Make this process one that stays beside another.

    Args:
        memory: MiB that reading may take up.
        is_urgent: Whether somebody waits for what it does, so that it does not stand back.
    """
    if not is_urgent:
        os.nice(_NICE)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    # Nearly all that it makes stays, and is not garbage.
    gc.set_threshold(100_000, 20, 100)
    limit_memory(memory)


def listen(heard: Callable[[Message], object], snapshot: Snapshot | None) -> None:
    """Pass on what is heard, and end the process when nobody is left to be answered.

    Args:
        heard: Takes each message, in this thread.
        snapshot: What the process keeps.
    """
    frames = Frames()
    while data := os.read(HEARS, _READ_BYTES):
        for message in frames.take(data):
            heard(decoded(message))
    # Whatever the other thread is doing: whoever comes next may have newer policies.
    if snapshot is not None:
        snapshot.close()
    os._exit(0)


def complain(complaint: str | None) -> None:
    """Write what went wrong to the log of the service, if something did."""
    if complaint is not None:
        sys.stderr.write(f"{complaint}\n")


def write(descriptor: int, frame: bytes) -> None:
    """Say something."""
    data = memoryview(frame)
    while data:
        data = data[os.write(descriptor, data) :]
