"""The process that follows a store of policies, so that those that decide never have to wait for it.

It speaks over standard input and output with the process that started it, as the reader of documents does, and ends
when its input does.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from cors_service.follow.events import Event
from cors_service.follow.followed import Followed, unreadable
from cors_service.follow.follower import Follower
from cors_service.follow.starting import PATIENCE, kept_by, read_at_start
from cors_service.follow.store import StoreToFollow
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.source import IStoreSource
from cors_service.ledger.urls import NoSuchStore
from cors_service.reader.frames import framed
from cors_service.reader.limits import OUT_OF_MEMORY, TooLongError, in_time, limit_memory
from cors_service.reader.messages import Following, Load, Message, Refused
from cors_service.reader.parts import parts_of, write_mistakes
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
from cors_service.reader.responder import Responder
from cors_service.reader.snapshot import Snapshot

_LOOK_SECONDS: Final = 1.0
"""How often to check whether the snapshot must be written again."""

Inbox = SimpleQueue[Message | Event]
"""What there is to do: a request, or something that was found out about the store."""


def main() -> None:
    """Follow for the process that is at the other end of standard input and standard output."""
    options = _parser().parse_args()
    store, snapshot = StoreToFollow.of(options), snapshot_of(options)
    output = open_output()
    if options.check:
        gc.disable()
        limit_memory(options.memory)
        for message in _checked(store, snapshot, options):
            write(output, framed(message))
        # A thread that waits for a store may be left behind.
        os._exit(0)
    # A change is little work, and until it is done, what it revokes is still allowed.
    settle(options.memory, is_urgent=True)
    inbox: Inbox = SimpleQueue()
    try:
        source = store.open()
        followed = Followed(source.name, accept_rollback=store.accept_rollback, working=Signs(output).give)
        kept = kept_by(snapshot)
        if kept is not None:
            followed.begin_with(kept)
        follower = Follower(source, inbox.put, followed.head, store.confirm_interval)
        followed.again = follower.again
        responder = Responder(followed, lambda frame: write(output, frame), snapshot=snapshot, known=known_of(options))
        Thread(target=listen, args=(inbox.put, snapshot), daemon=True).start()
        follower.start()
        _Desk(followed, responder, lambda told: write(output, framed(told))).serve(inbox)
    except MemoryError:
        # Nothing is done that takes more of it.
        os._exit(OUT_OF_MEMORY)


class _Desk:
    """Takes what is asked, and what is found out, one after the other."""

    def __init__(self, followed: Followed, responder: Responder, tell: Callable[[Following], object]) -> None:
        self._followed = followed
        self._responder = responder
        self._tell = tell
        self._told: Following | None = None
        # Requests that came before there was an answer.
        self._waiting: list[Message] = []

    def serve(self, inbox: Inbox) -> None:
        """Answer, apply, and keep the snapshot, for ever."""
        self._responder.look()
        self._tell_news()
        while True:
            try:
                received = inbox.get(timeout=_LOOK_SECONDS)
            except Empty:
                pass
            else:
                self._take(received)
            self._responder.keeping.now_and_then()

    def _take(self, received: Message | Event) -> None:
        if not isinstance(received, Event):
            self._answer(received)
            return
        self._followed.take(received)
        # What is reported is never ahead of what can be read.
        self._responder.look()
        self._tell_news()
        if self._waiting and self._followed.is_decided:
            waiting, self._waiting = self._waiting, []
            for request in waiting:
                self._responder.answer(request)

    def _answer(self, request: Message) -> None:
        if isinstance(request, Load) and not self._followed.is_decided:
            self._waiting.append(request)
        else:
            self._responder.answer(request)

    def _tell_news(self) -> None:
        told = self._followed.told
        if told != self._told:
            self._told = told
            self._tell(told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cors_service.follow", description=__doc__)
    StoreToFollow.add_arguments(parser)
    add_options(parser)
    return parser


def _checked(store: StoreToFollow, snapshot: Snapshot | None, options: argparse.Namespace) -> Iterator[Message]:
    """Give the policies to start with, or what is wrong."""
    try:
        followed = in_time(options.timeout, lambda: _read(store.open(), snapshot, store, options.timeout))
    except InvalidPolicies as invalid:
        yield Refused(write_mistakes(invalid))
        return
    except NoSuchStore as error:
        yield _refused(store, str(error))
        return
    except TooLongError:
        yield _refused(store, f"Reading the store takes longer than {options.timeout:g} seconds (--reader-timeout).")
        return
    except MemoryError:
        what = f"Reading the store takes more than {options.memory} MiB of memory (--reader-memory)."
        yield _refused(store, what)
        return
    if snapshot is not None and followed.good is not None:
        complain(snapshot.keep_at_start(followed.good))
    yield from parts_of(followed.change(None))


def _read(source: IStoreSource, snapshot: Snapshot | None, store: StoreToFollow, timeout: float) -> Followed:
    # A part of the time is left for the snapshot.
    patience = min(PATIENCE, timeout / 2)
    try:
        return read_at_start(
            source, snapshot, accept_rollback=store.accept_rollback, patience=patience, complain=complain
        )
    finally:
        source.close()


def _refused(store: StoreToFollow, sentence: str) -> Refused:
    return Refused(write_mistakes(unreadable(store.name, sentence)))


if __name__ == "__main__":
    main()
