"""When to look at documents, and at which of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cors_service.reader.looking import MANY, POLL_SECONDS, Looks
from cors_service.reader.notices import Names

REST: Final = 5
"""How many times as long as a look at everything took to wait before the next one."""
LONG_REST: Final = 60
"""The same where the kernel says what changes."""


class Pace:
    """Looks at everything now and then, and at once at what the kernel says has changed.

    The kernel has to prove itself, since some file systems, such as those on a network, say nothing, and some links
    lead to where nobody watches: it is trusted once it has named a document that had changed, and until a look finds
    one that it has not named.
    """

    def __init__(
        self,
        path: Path,
        looks: Looks,
        look: Callable[[Names | None], object],
        follow: Callable[[], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a pace.

        Args:
            path: The file or directory.
            looks: Knows what the last look found.
            look: Looks at documents by their names, or at all.
            follow: Has the kernel say what changes in the directory.
            clock: Gives the time, in seconds.
        """
        self._path = path
        self._looks = looks
        self._look = look
        self._follow = follow
        self._clock = clock
        self._named: set[str] = set()
        # What the last look at everything found, and nobody had named yet.
        self._unnamed: set[str] = set()
        self._directory: object = None
        self._rest = REST
        self._not_before = self._next_of_all = clock()
        # When something was looked at last, and when it was last asked whether there is something to look at.
        self._last_look = self._last_time = self._not_before - POLL_SECONDS

    @property
    def due(self) -> float:
        """When to look next."""
        is_urgent = self._named or self._looks.has_changes
        return max(self._not_before, POLL_SECONDS + (self._last_look if is_urgent else self._last_time))

    def notice(self, names: Names) -> None:
        """Take names from the kernel; the empty one means the directory itself."""
        self._named |= names

    def has_worked(self, seconds: float) -> None:
        """Put the next look off for as long as something else took: half of a core is for others."""
        self._not_before = self._clock() + seconds

    def look(self) -> None:
        """Look at whatever it is time for."""
        named, self._named = frozenset(self._named), set()
        is_other = self._is_other_directory()
        self._last_time = self._clock()
        if self._unnamed - named:
            self._rest = REST
            self._next_of_all = min(self._next_of_all, self._last_time + REST * self._looks.seconds)
        self._unnamed = set()
        if is_other or self._last_time >= self._next_of_all or self._takes_a_look_at_all(named):
            self._last_look = self._last_time
            self._look(None)
            # The kernel says nothing before it follows a directory, and loses some of a great many names.
            says_all = self._rest == LONG_REST and not is_other and len(self._looks.moved) < MANY
            self._next_of_all = self._clock() + self._looks.seconds * (LONG_REST if says_all else REST)
            self._unnamed = self._looks.moved - named if says_all else set()
        elif named or self._looks.has_changes:
            self._last_look = self._last_time
            self._look(named)
            if self._looks.moved & named:
                self._rest = LONG_REST

    def _is_other_directory(self) -> bool:
        """Whether the path leads elsewhere than before; if so, follow that."""
        try:
            status = self._path.stat()
            directory = (status.st_dev, status.st_ino) if self._path.is_dir() else None
        except OSError:
            directory = None
        before, self._directory = self._directory, directory
        if directory != before and directory is not None:
            self._follow()
        return directory != before

    def _takes_a_look_at_all(self, named: Names) -> bool:
        """Whether names mean more than the documents of these names."""
        return "" in named or len(named) > MANY or any(self._may_lead_to_documents(name) for name in named)

    def _may_lead_to_documents(self, name: str) -> bool:
        # Documents can be links through other links, as those of a ConfigMap are, or through directories.
        path = self._path / name
        return path.is_symlink() or path.is_dir()
