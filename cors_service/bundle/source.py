"""A bundle on a web server, as replicas read it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import random
from threading import Event
from typing import Final

from zope.interface import implementer

from cors_service.bundle.envelope import LONGEST, SUFFIX, Statement, Trust, check_times, read_stated, verified
from cors_service.bundle.form import Bundle, read_bundle
from cors_service.bundle.location import read_location
from cors_service.bundle.refusals import BundleRefused, KeyUnusable
from cors_service.bundle.web import SILENCE_SECONDS, Answer, Interrupted, WebServer
from cors_service.ledger.entry import Head
from cors_service.ledger.source import Everything, IStoreSource, Step
from cors_service.ledger.urls import NoSuchStore

MOST_BYTES: Final = 512 * 1024 * 1024
"""Bytes of a bundle."""

_ENVELOPE_SECONDS: Final = 10.0
_BUNDLE_SECONDS: Final = 60.0
# How often a server may replace what is being read.
_ATTEMPTS: Final = 5
_LEAST_WAIT: Final = 1.0
"""Seconds that a server can be asked to wait: it takes whole ones."""
_MOST_WAIT: Final = 60
"""Seconds that it is asked to wait: only then does it show that a server has vanished."""
_JITTER: Final = 0.25
"""The share of a pause that is left to chance, so that a fleet does not ask all at once."""
_TAKEN: Final = (http.client.OK, http.client.NOT_MODIFIED)


@implementer(IStoreSource)
class BundleSource:
    """A bundle on a web server, and its envelope beside it.

    What is asked for again and again is small: the envelope. Where nothing is signed, it is the bundle itself.

    Attributes:
        name: Its URL, without anything secret.
    """

    def __init__(
        self,
        url: str,
        *,
        keys: Sequence[Path] = (),
        key_threshold: int = 1,
        is_unsigned: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make the source, before anything is asked.

        Args:
            url: Where the bundle is.
            keys: Files with the public keys that signatures are checked against.
            key_threshold: How many of them must have signed.
            is_unsigned: Whether there is no envelope.
            now: Gives the time, in seconds since 1970.

        Raises:
            NoSuchStore: The URL names no bundle, or a file no key.
        """
        location = read_location(url)
        self.name = location.name
        self._server = WebServer(location)
        self._trust = None if is_unsigned else _read_trust(location.name, keys, key_threshold)
        self._now = now
        self._news = Event()
        self._can_wait = True
        self._newest: Head | None = None
        # What was asked for last: the envelope, or the bundle where nothing is signed.
        self._answer: Answer | None = None
        # Where nothing is signed: the newest change, and the bundle until it is given.
        self._head: Head | None = None
        self._bundle: Bundle | None = None

    def everything(self) -> Everything:
        """Read all of one moment; see `IStoreSource`."""
        bundle = self._read_unsigned() if self._trust is None else self._read_signed(self._trust)
        self._newest = bundle.head
        return Everything(bundle.head, bundle.bodies, None)

    def since(self, head: Head) -> list[Step] | None:
        """Say whether there is anything newer; see `IStoreSource`. A bundle has no changes, but all policies.

        What `head` has found is not asked for again: it is called after this, and often.
        """
        return [] if (self._newest or self.head()) == head else None

    def head(self) -> Head:
        """Read the newest change; see `IStoreSource`."""
        self._newest = self._head_unsigned() if self._trust is None else self._statement(self._trust).head
        return self._newest

    def wait(self, seconds: float) -> bool:
        """Wait for something newer; see `IStoreSource`."""
        begun = time.monotonic()
        etag = self._etag
        try:
            if etag and self._can_wait and seconds >= _LEAST_WAIT:
                asked = min(int(seconds), _MOST_WAIT)
                if self._waited(etag, asked):
                    return True
                if time.monotonic() - begun > asked / 2:
                    return False
                # A server that answers at once does not wait: it is asked to again once there is something newer.
                self._can_wait = False
            # Nobody gains by predicting it.
            pause = seconds * (1 - _JITTER * random())  # noqa: S311
            self._news.wait(max(0.0, begun + pause - time.monotonic()))
        except Interrupted:
            return False
        finally:
            self._news.clear()
        return False

    def wake(self) -> None:
        """Let `wait` return; see `IStoreSource`."""
        self._news.set()
        self._server.interrupt()

    def close(self) -> None:
        """Let go of the server; see `IStoreSource`."""
        self._news.set()
        self._server.abort()

    @property
    def _etag(self) -> str | None:
        """What the server calls what was asked for last."""
        return None if self._answer is None else self._answer.etag

    def _read_signed(self, trust: Trust) -> Bundle:
        """Read the bundle that the newest envelope is about."""
        statement = self._statement(trust)
        attempts = 0
        while True:
            attempts += 1
            most = min(statement.length, MOST_BYTES)
            file = self._server.get("", most=most, seconds=_BUNDLE_SECONDS)
            try:
                return read_stated(statement, file.body)
            except BundleRefused:
                # Both may have been replaced in between.
                before, statement = statement, self._statement(trust)
                if statement == before or attempts == _ATTEMPTS:
                    raise

    def _statement(self, trust: Trust) -> Statement:
        """Ask for the newest envelope, and check it against the keys and the clock.

        It is always read, and never just compared by its ETag: many servers make that of the length of a file and of
        the second in which it was written, and two envelopes can have both in common.
        """
        taken = (http.client.OK, http.client.NOT_FOUND)
        answer = self._server.get(SUFFIX, most=LONGEST, seconds=_ENVELOPE_SECONDS, taken=taken)
        if answer.status == http.client.NOT_FOUND:
            raise BundleRefused(
                f"The bundle has no signature: there is no {self.name}{SUFFIX}, which `bundle sign` makes.",
                "bundle-unsigned",
            )
        self._take(answer)
        statement = verified(answer.body, trust)
        check_times(statement, datetime.fromtimestamp(self._now(), UTC), answer.date)
        return statement

    def _read_unsigned(self) -> Bundle:
        """Read the newest bundle, unless it was read and not given yet."""
        self._ask(None if self._bundle is None else self._etag)
        assert self._bundle is not None
        bundle, self._bundle = self._bundle, None
        return bundle

    def _head_unsigned(self) -> Head:
        self._ask(self._etag)
        assert self._head is not None
        return self._head

    def _ask(self, etag: str | None) -> None:
        """Ask for the bundle, unless it is still the one of this ETag."""
        headers = {} if etag is None else {"If-None-Match": etag}
        answer = self._server.get("", most=MOST_BYTES, seconds=_BUNDLE_SECONDS, headers=headers, taken=_TAKEN)
        if answer.status == http.client.OK:
            self._take(answer)

    def _waited(self, etag: str, seconds: int) -> bool:
        """Ask the server to answer when there is something newer; say whether there is."""
        headers = {"If-None-Match": etag, "Prefer": f"wait={seconds}"}
        is_signed = self._trust is not None
        answer = self._server.get(
            SUFFIX if is_signed else "",
            most=LONGEST if is_signed else MOST_BYTES,
            seconds=seconds + (_ENVELOPE_SECONDS if is_signed else _BUNDLE_SECONDS),
            headers=headers,
            taken=_TAKEN,
            silence=seconds + SILENCE_SECONDS,
            until=self._news,
        )
        return answer.status == http.client.OK and self._take(answer)

    def _take(self, answer: Answer) -> bool:
        """Take note of what the server has; say whether it is something else than before."""
        before, self._answer = self._answer, None
        if self._trust is None:
            known, self._head = self._head, None
            self._bundle = read_bundle(answer.body)
            self._head = self._bundle.head
            is_other = self._head != known
            answer = Answer(answer.status, b"", answer.etag, answer.date)
        else:
            is_other = before is None or before.body != answer.body
        self._answer = answer
        self._can_wait = self._can_wait or is_other
        return is_other


def _read_trust(name: str, keys: Sequence[Path], threshold: int) -> Trust:
    if not keys:
        raise NoSuchStore(
            f"{name}: name the key that signs it with --policies-key FILE, or accept a bundle without a signature with "
            "--unsigned."
        )
    try:
        # Imported late: without a signature, nobody needs it.
        from cors_service.bundle.keys import read_trust
    except ModuleNotFoundError:
        raise NoSuchStore(f"{name}: signatures need the package cryptography: install cors-service[bundle].") from None
    try:
        return read_trust(keys, threshold)
    except KeyUnusable as error:
        raise NoSuchStore(f"{name}: {error}") from None
