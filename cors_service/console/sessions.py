"""Sessions: who has shown a token once need not show it again, for some hours.

A cookie holds the secret of a session, and the file its hash. A session is worth what its token is: when that is no
longer among those that are known, the session is over.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cors_service.access.callers import digest_of_token

LONGEST_SECONDS: Final = 12 * 3600.0
"""After which a session ends, however often it is used."""
IDLE_SECONDS: Final = 3600.0
"""After which one ends that is not used."""
MOST_SESSIONS: Final = 1000
MOST_OF_A_TOKEN: Final = 20
_SAVED_SECONDS: Final = 60.0
_BYTES: Final = 32
_MODE: Final = 0o600


class Session(Struct, frozen=True, kw_only=True):
    """Somebody who is signed in.

    Attributes:
        secret: The hash of what the cookie holds.
        token: The hash of the token that was shown.
        began: When that was, in seconds since 1970.
        used: When the session was used last.
    """

    secret: str
    token: str
    began: float
    used: float


class Sessions:
    """Keeps them, in memory and in a file."""

    _log: Final = Logger()

    def __init__(self, path: Path, clock: IReactorTime) -> None:
        """Make one, with what the file has.

        Args:
            path: The file.
            clock: The reactor.
        """
        self._path = path
        self._clock = clock
        self._saved_at = 0.0
        # By the hash of their secrets; the one that began last stands last.
        self._known: dict[str, Session] = {}
        with suppress(OSError, ValueError):
            for one in msgspec.json.decode(path.read_bytes(), type=list[Session]):
                self._known[one.secret] = one

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, token: bytes) -> str:
        """Begin a session.

        Args:
            token: The token that was shown; somebody has it.

        Returns:
            Its secret.
        """
        now = self._clock.seconds()
        secret, digest = secrets.token_urlsafe(_BYTES), digest_of_token(token)
        self._forget(now)
        own = [one.secret for one in self._known.values() if one.token == digest]
        for old in own[: max(0, len(own) - MOST_OF_A_TOKEN + 1)]:
            del self._known[old]
        if len(self._known) >= MOST_SESSIONS:
            del self._known[next(iter(self._known))]
        session = Session(secret=_hashed(secret), token=digest, began=now, used=now)
        self._known[session.secret] = session
        self._save()
        return secret

    def find(self, secret: str, *, is_use: bool = True) -> Session | None:
        """Find the session of a secret; None if there is none, or it is over.

        Args:
            secret: What the cookie holds.
            is_use: Whether the session is used thereby, and goes on.
        """
        now, key = self._clock.seconds(), _hashed(secret)
        session = self._known.get(key)
        if session is None or _is_over(session, now):
            return None
        if not is_use:
            return session
        self._known[key] = structs.replace(session, used=now)
        if now >= self._saved_at + _SAVED_SECONDS:
            self._save()
        return session

    def end(self, secret: str) -> None:
        """End the session of a secret, if there is one."""
        if self._known.pop(_hashed(secret), None) is not None:
            self._save()

    def _forget(self, now: float) -> None:
        for key in [key for key, one in self._known.items() if _is_over(one, now)]:
            del self._known[key]

    def _save(self) -> None:
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
                file.write(msgspec.json.encode(list(self._known.values())))
            new.replace(self._path)
        except OSError as error:
            self._log.error("Can't save who is signed in: {error}", error=error)
            return
        self._saved_at = self._clock.seconds()


def _hashed(secret: str) -> str:
    return digest_of_token(secret.encode("utf-8", "replace"))


def _is_over(session: Session, now: float) -> bool:
    return now >= session.began + LONGEST_SECONDS or now >= session.used + IDLE_SECONDS
