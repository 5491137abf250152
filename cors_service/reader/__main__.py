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
from cors_service.reader.notices import Names, Notices
from cors_service.reader.pace import Pace
from cors_service.reader.reading import Documents
from cors_service.reader.responder import Known, Responder
from cors_service.reader.snapshot import Snapshot, read_at_start

_NICE: Final = 10
_READ_BYTES: Final = 1 << 16

Inbox = SimpleQueue[Message | Names | None]
"""What there is to do: a request, names of what has changed, or nothing more."""


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
    documents = Documents(options.path)
    responder = Responder(
        documents,
        lambda frame: _write(output, frame),
        snapshot=options.snapshot,
        known=options.known and Known(options.known[0], float(options.known[1])),
    )
    inbox: Inbox = SimpleQueue()
    Thread(target=_listen, args=(inbox, responder), daemon=True).start()
    notices = Notices(options.path, inbox.put)
    _serve(responder, Pace(options.path, documents.looks, responder.look, notices.follow), inbox)


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


def _serve(responder: Responder, pace: Pace, inbox: Inbox) -> None:
    """Answer, look, and keep the snapshot, until there is nobody to answer."""
    while True:
        try:
            received = inbox.get(timeout=max(0, pace.due - time.monotonic()))
        except Empty:
            pace.look()
            responder.save()
            continue
        if received is None:
            break
        if isinstance(received, frozenset):
            pace.notice(received)
            continue
        begun = time.process_time()
        responder.answer(received)
        responder.save()
        pace.has_worked(time.process_time() - begun)
    responder.finish()


def _listen(inbox: Inbox, responder: Responder) -> None:
    frames = Frames()
    while data := os.read(HEARS, _READ_BYTES):
        for message in frames.take(data):
            inbox.put(decoded(message))
    if responder.has_saved:
        os._exit(0)  # whatever the other thread is doing: nobody is left to take it
    inbox.put(None)


def _write(descriptor: int, frame: bytes) -> None:
    data = memoryview(frame)
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
