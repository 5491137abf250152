"""Watches the head: says that there may be something newer, as soon as etcd does.

It is a hint alone. Whatever a watch leaves out, such as the deletion at a compacted revision (etcd#18089), nothing is
lost: what changed is read from the ledger, and each head is read again by a quorum.
"""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from threading import Condition, Event, Thread
from typing import Final

import msgspec

from cors_service.etcd.answers import Line, Watched
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.member import Member, Unanswered
from cors_service.etcd.reading import At
from cors_service.etcd.refusals import is_denied
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.sockets import shut

_PAUSE: Final = 1.0
_LONGEST_LINE: Final = 1024 * 1024
_KEEPALIVE: Final = 5


class HeadWatch:
    """A watch of the head, in a thread of its own, at the member that also answers.

    Attributes:
        news: Set when there may be something newer.
    """

    def __init__(self, gateway: Gateway, key: bytes) -> None:
        """Watch a key, once it was read."""
        self.news = Event()
        self._gateway = gateway
        self._key = key
        self._changed = Condition()
        self._from: At | None = None
        self._open: tuple[Member, HTTPConnection, At] | None = None
        self._is_closed = False
        self._thread: Thread | None = None

    def follow(self, at: At) -> None:
        """Watch from what was read of the head now; what is newer is news."""
        with self._changed:
            self._from = at
            if self._thread is None:
                self._thread = Thread(target=self._run, name="etcd-watch", daemon=True)
                self._thread.start()
            watched = self._open
            if watched is not None and (watched[0] is not self._gateway.member or _is_elsewhere(watched[2], at)):
                _cut(watched[1])
            self._changed.notify()

    def leave(self) -> None:
        """Watch at the member that is asked now, if that is another one."""
        with self._changed:
            if self._open is not None and self._open[0] is not self._gateway.member:
                _cut(self._open[1])

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._is_closed = True
            if self._open is not None:
                _cut(self._open[1])
            self._changed.notify()
        self.news.set()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    return
                at = self._from
            assert at is not None
            member = self._gateway.member
            with suppress(OSError, http.client.HTTPException, ValueError, Unanswered, StoreUnavailable):
                self._watch(member, at)
            with self._changed:
                self._open = None
                if not self._is_closed:
                    self._changed.wait(_PAUSE)

    def _watch(self, member: Member, at: At) -> None:
        body = {"create_request": {"key": self._key, "start_revision": at.revision + 1}}
        connection, response = self._gateway.watch(member, body)
        try:
            _keep_alive(connection)
            with self._changed:
                self._open = member, connection, at
                is_wanted = not self._is_closed and member is self._gateway.member
            if is_wanted:
                self._read(response)
        finally:
            connection.close()

    def _read(self, response: HTTPResponse) -> None:
        while line := response.readline(_LONGEST_LINE):
            told = msgspec.json.decode(line, type=Line, strict=False).result or Watched(canceled=True)
            if told.canceled and is_denied(told.cancel_reason):
                # Etcd says the same of an old token.
                self._gateway.forget_token()
            if told.events or told.compact_revision:
                self.news.set()
            if told.canceled:
                return


def _is_elsewhere(watched: At, at: At) -> bool:
    """Whether etcd is another one, or began again from an earlier revision."""
    return watched.cluster != at.cluster or watched.revision > at.revision


def _keep_alive(connection: HTTPConnection) -> None:
    """Wait for ever, but not for a machine that is gone."""
    sock: socket.socket = connection.sock
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), _KEEPALIVE)


def _cut(connection: HTTPConnection) -> None:
    """End what another thread reads."""
    if connection.sock is not None:
        shut(connection.sock)
