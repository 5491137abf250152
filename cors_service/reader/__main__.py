"""The process that looks at policy documents and reads them, so that those that decide never have to wait for it.

It speaks over standard input and output with the process that started it, and ends when its input does: when that
process closes it, or is gone.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.looking import POLL_SECONDS
from cors_service.reader.messages import (
    HEARS,
    SIGNALS,
    End,
    Frames,
    Message,
    Refused,
    decoded,
    framed,
    write_mistakes,
)
from cors_service.reader.reading import Documents
from cors_service.reader.responder import Known, Responder
from cors_service.reader.snapshot import Snapshot, read_at_start

_NICE: Final = 10
_READ_BYTES: Final = 1 << 16
# How many times as long as it has worked it does nothing: it takes a sixth of a core at most. What counts is its own
# time, and not that of another process that had the core.
_REST: Final = 5


def main() -> None:
    """Read for the process that is at the other end of standard input and standard output."""
    options = _parser().parse_args()
    # What is printed by mistake is not a message.
    output = os.dup(1)
    os.dup2(2, 1)
    if options.check:
        gc.disable()
        _write(output, framed(_checked(options.path, options.snapshot)))
        return
    os.nice(_NICE)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    # Nearly all that it makes stays, and is not garbage.
    gc.set_threshold(100_000, 20, 100)
    responder = Responder(
        Documents(options.path),
        lambda frame: _write(output, frame),
        snapshot=options.snapshot,
        known=options.known and Known(options.known[0], float(options.known[1])),
    )
    requests: SimpleQueue[Message | None] = SimpleQueue()
    Thread(target=_listen, args=(requests, responder), daemon=True).start()
    _serve(responder, requests)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cors_service.reader", description=__doc__)
    parser.add_argument("path", type=Path, help="a policy document, or a directory of them")
    parser.add_argument("--check", action="store_true", help="only say what is wrong, and end")
    parser.add_argument(
        "--known", nargs=2, metavar=("REVISION", "SECONDS"), help="what was read already, and when since 1970"
    )
    parser.add_argument(
        "--snapshot", type=lambda text: Snapshot(Path(text)), help="a file that keeps the last good policies"
    )
    return parser


def _checked(path: Path, snapshot: Snapshot | None) -> Message:
    try:
        read_at_start(path, snapshot)
    except InvalidPolicies as invalid:
        return Refused(write_mistakes(invalid))
    return End()


def _serve(responder: Responder, requests: SimpleQueue[Message | None]) -> None:
    due = time.monotonic()
    while True:
        worked = time.process_time()
        try:
            request = requests.get(timeout=max(0, due - time.monotonic()))
        except Empty:
            due = time.monotonic() + POLL_SECONDS
            responder.look()
        else:
            if request is None:
                break
            responder.answer(request)
        responder.save()
        due = max(due, time.monotonic()) + _REST * (time.process_time() - worked)
    responder.finish()


def _listen(requests: SimpleQueue[Message | None], responder: Responder) -> None:
    frames = Frames()
    while data := os.read(HEARS, _READ_BYTES):
        for message in frames.take(data):
            requests.put(decoded(message))
    if responder.has_saved:
        os._exit(0)  # whatever the other thread is doing: nobody is left to take it
    requests.put(None)


def _write(descriptor: int, frame: bytes) -> None:
    data = memoryview(frame)
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
