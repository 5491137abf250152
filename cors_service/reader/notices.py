"""What the kernel says of changes in a directory: which names, and sooner than a look at everything would find them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Final

_STEP_MILLISECONDS: Final = 20
_DEBOUNCE_MILLISECONDS: Final = 200
_TIMEOUT_MILLISECONDS: Final = 1000

Names = frozenset[str]


class Notices:
    """Passes on the names that change in a directory. What comes of them may be late, lost, or wrong: it is a hint."""

    def __init__(self, path: Path, pass_on: Callable[[Names], object]) -> None:
        """Make notices of nothing.

        Args:
            path: The directory.
            pass_on: Is called with names, in another thread; an empty name means the directory itself.
        """
        self._path = path
        self._pass_on = pass_on
        self._stop: Event | None = None
        self._has_complained = False

    def follow(self) -> None:
        """Follow the directory that the path leads to now, and no other."""
        self.stop()
        self._stop = Event()
        Thread(target=self._watch, args=(self._stop,), daemon=True).start()

    def stop(self) -> None:
        """Follow nothing."""
        if self._stop is not None:
            self._stop.set()

    def _watch(self, stop: Event) -> None:
        try:
            from watchfiles import watch

            for changes in watch(
                self._path,
                watch_filter=None,
                debounce=_DEBOUNCE_MILLISECONDS,
                step=_STEP_MILLISECONDS,
                stop_event=stop,
                rust_timeout=_TIMEOUT_MILLISECONDS,
                raise_interrupt=False,
                force_polling=False,
                recursive=False,
            ):
                if not stop.is_set():
                    self._pass_on(frozenset(self._name_of(changed) for _, changed in changes))
        except Exception as error:  # noqa: BLE001 - whatever it is, looks find what it would have told
            if not (stop.is_set() or self._has_complained):
                self._has_complained = True
                sys.stderr.write(f"Changes are only found by polling, since the system can't report them: {error}\n")

    def _name_of(self, changed: str) -> str:
        path = Path(changed)
        return "" if path == self._path else path.name
