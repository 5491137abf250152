"""The process that looks at policy documents and reads them, so that those that decide never have to wait for it.

It speaks over standard input and output with the process that started it, and ends when its input does: when that
process closes it, or is gone.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.limits import DEFAULT_LIMITS, OUT_OF_MEMORY, ReaderLimits, limit_memory
from cors_service.reader.messages import (
    HEARS,
    SIGNALS,
    End,
    Frames,
    Message,
    Refused,
    Working,
    decoded,
    framed,
    write_mistakes,
)
from cors_service.reader.notices import Names, Notices
from cors_service.reader.pace import Pace
from cors_service.reader.reading import Documents, read_at_start
from cors_service.reader.responder import Known, Responder
from cors_service.reader.snapshot import SharedSnapshot, Snapshot

_NICE: Final = 10
_READ_BYTES: Final = 1 << 16
_SIGN_SECONDS: Final = 1.0

Inbox = SimpleQueue[Message | Names]
"""What there is to do: a request, or names of what has changed."""


def main() -> None:
    """Read for the process that is at the other end of standard input and standard output."""
    options = _parser().parse_args()
    snapshot = options.snapshot and Snapshot(options.snapshot, options.max_snapshot_age)
    if options.shared is not None:
        snapshot = SharedSnapshot(options.shared)
    limits = ReaderLimits(options.memory, options.timeout, options.follow_links)
    # What is printed by mistake is not a message.
    output = os.dup(1)
    os.dup2(2, 1)
    if options.check:
        gc.disable()
        _write(output, framed(_checked(options.path, snapshot, limits)))
        return
    os.nice(_NICE)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    # Nearly all that it makes stays, and is not garbage.
    gc.set_threshold(100_000, 20, 100)
    limit_memory(limits.memory)
    documents = Documents(options.path, limits, working=_Signs(output).give)
    responder = Responder(
        documents,
        lambda frame: _write(output, frame),
        snapshot=snapshot,
        known=options.known and Known(options.known[0], float(options.known[1])),
    )
    inbox: Inbox = SimpleQueue()
    Thread(target=_listen, args=(inbox, snapshot), daemon=True).start()
    notices = Notices(options.path, inbox.put)
    try:
        _serve(responder, Pace(options.path, documents.looks, responder.look, notices.follow), inbox)
    except MemoryError:
        # Nothing is done that takes more of it.
        os._exit(OUT_OF_MEMORY)


class _Signs:
    """Says now and then that what takes long goes on."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._last = time.monotonic()

    def give(self) -> None:
        now = time.monotonic()
        if now - self._last >= _SIGN_SECONDS:
            self._last = now
            _write(self._output, framed(Working()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cors_service.reader", description=__doc__)
    parser.add_argument("path", type=Path, help="a policy document, or a directory of them")
    parser.add_argument("--check", action="store_true", help="only say what is wrong, and end")
    parser.add_argument(
        "--known", nargs=2, metavar=("REVISION", "SECONDS"), help="what was read already, and when since 1970"
    )
    parser.add_argument("--snapshot", type=Path, help="a file that keeps the last good policies")
    parser.add_argument("--max-snapshot-age", type=float, help="the seconds after which a start does without it")
    parser.add_argument("--shared", type=int, help="without a snapshot: the descriptor of a file for later readers")
    parser.add_argument("--memory", type=int, default=DEFAULT_LIMITS.memory, help="MiB that reading may take up")
    parser.add_argument("--timeout", type=float, default=DEFAULT_LIMITS.timeout, help="seconds that --check may take")
    parser.add_argument("--follow-links", action="store_true", help="also out of the directory")
    return parser


def _checked(path: Path, snapshot: Snapshot | None, limits: ReaderLimits) -> Message:
    try:
        good, _ = read_at_start(path, snapshot, limits)
    except InvalidPolicies as invalid:
        return Refused(write_mistakes(invalid))
    # Who reads next may find mistakes where there were none now.
    complaint = None if snapshot is None else snapshot.keep_at_start(good)
    if complaint is not None:
        sys.stderr.write(f"{complaint}\n")
    return End()


def _serve(responder: Responder, pace: Pace, inbox: Inbox) -> None:
    """Answer, look, and keep the snapshot, for ever."""
    while True:
        try:
            received = inbox.get(timeout=max(0, pace.due - time.monotonic()))
        except Empty:
            pace.look()
            responder.keeping.now_and_then()
            continue
        if isinstance(received, frozenset):
            pace.notice(received)
            continue
        begun = time.process_time()
        responder.answer(received)
        responder.keeping.now_and_then()
        pace.has_worked(time.process_time() - begun)


def _listen(inbox: Inbox, snapshot: Snapshot | None) -> None:
    frames = Frames()
    while data := os.read(HEARS, _READ_BYTES):
        for message in frames.take(data):
            inbox.put(decoded(message))
    # Whatever the other thread is doing: nobody is left to take it, and whoever comes next may have newer policies.
    if snapshot is not None:
        snapshot.close()
    os._exit(0)


def _write(descriptor: int, frame: bytes) -> None:
    data = memoryview(frame)
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
