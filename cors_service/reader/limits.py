"""What reading documents may take, whoever wrote them: memory, time, sizes, and where links may lead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar, cast

from msgspec import Struct

_MEBIBYTE: Final = 1 << 20
_Result = TypeVar("_Result")


class ReaderLimits(Struct, frozen=True):
    """The limits of a source. The sizes of documents follow from the memory that reading them takes.

    Attributes:
        memory: MiB that reading may take up.
        timeout: Seconds that may pass without a sign that reading goes on.
        follow_links: Whether links in a directory of documents may lead out of it.
    """

    memory: int = 2048
    timeout: float = 120.0
    follow_links: bool = False

    @property
    def document(self) -> int:
        """Bytes that a document may have: 128 MiB, unless the memory is another."""
        return self.memory * _MEBIBYTE // 16

    @property
    def total(self) -> int:
        """Bytes that all documents may have together."""
        return self.memory * _MEBIBYTE // 4

    @property
    def documents(self) -> int:
        """How many documents there may be: 262,144, unless the memory is another."""
        return self.memory * 128


DEFAULT_LIMITS: Final = ReaderLimits()
OUT_OF_MEMORY: Final = 86
"""The exit status of a reader that needs more memory than it may take up."""


class TooLongError(Exception):
    """Reading goes on for longer than it may."""


def limit_memory(mebibytes: int) -> Callable[[], None]:
    """Let this process take up so much more memory than it has now; what is beyond is a MemoryError.

    Args:
        mebibytes: How much.

    Returns:
        A function that takes the limit away.
    """
    if sys.platform == "win32":
        return lambda: None
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limits = [_address_space() + mebibytes * _MEBIBYTE, *(limit for limit in before if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_AS, before)


def in_time(seconds: float, task: Callable[[], _Result]) -> _Result:
    """Do something in another thread, and wait for it, but not for ever: it may be stuck in a call of the system.

    Raises:
        TooLongError: It takes longer; the thread is left behind.
    """
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            done.put((task(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TooLongError from None
    if error is not None:
        raise error
    return cast(_Result, result)


def _address_space() -> int:
    """Bytes of this process's address space; nothing where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
