"""The process that looks at policy documents and reads them, so that those that decide never have to wait for it.

It speaks over standard input and output with the process that started it, and ends when its input does: when that
process closes it, or is gone.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.frames import framed
from cors_service.reader.limits import OUT_OF_MEMORY, ReaderLimits
from cors_service.reader.messages import End, Message, Refused
from cors_service.reader.notices import Names, Notices
from cors_service.reader.pace import Pace
from cors_service.reader.parts import write_mistakes
from cors_service.reader.process import (
    Signs,
    add_options,
    complain,
    known_of,
    listen,
    open_output,
    settle,
    snapshot_of,
    write,
)
from cors_service.reader.reading import Documents, read_at_start
from cors_service.reader.responder import Responder
from cors_service.reader.snapshot import Snapshot

Inbox = SimpleQueue[Message | Names]
"""What there is to do: a request, or names of what has changed."""


def main() -> None:
    """Read for the process that is at the other end of standard input and standard output."""
    options = _parser().parse_args()
    snapshot = snapshot_of(options)
    limits = ReaderLimits(options.memory, options.timeout, options.follow_links)
    output = open_output()
    if options.check:
        gc.disable()
        write(output, framed(_checked(options.path, snapshot, limits)))
        return
    settle(limits.memory)
    documents = Documents(options.path, limits, working=Signs(output).give)
    responder = Responder(documents, lambda frame: write(output, frame), snapshot=snapshot, known=known_of(options))
    inbox: Inbox = SimpleQueue()
    Thread(target=listen, args=(inbox.put, snapshot), daemon=True).start()
    notices = Notices(options.path, inbox.put)
    try:
        _serve(responder, Pace(options.path, documents.looks, responder.look, notices.follow), inbox)
    except MemoryError:
        # Nothing is done that takes more of it.
        os._exit(OUT_OF_MEMORY)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cors_service.reader", description=__doc__)
    parser.add_argument("path", type=Path, help="a policy document, or a directory of them")
    parser.add_argument("--follow-links", action="store_true", help="also out of the directory")
    add_options(parser)
    return parser


def _checked(path: Path, snapshot: Snapshot | None, limits: ReaderLimits) -> Message:
    try:
        good, _ = read_at_start(path, snapshot, limits)
    except InvalidPolicies as invalid:
        return Refused(write_mistakes(invalid))
    # Who reads next may find mistakes where there were none now.
    complain(None if snapshot is None else snapshot.keep_at_start(good))
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


if __name__ == "__main__":
    main()
