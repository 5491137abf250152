"""How many files a process may have open, compared with the connections that it is to have."""

from __future__ import annotations

import sys
from typing import Final

from msgspec import structs
from twisted.logger import Logger
from twisted.python.usage import UsageError

from cors_service.daemon.settings import Settings

SPARE: Final = 120
"""Files beside connections: sockets that listen, pipes, logs; and a hundred connections that are accepted in a turn of
the reactor, before those that had to go are closed."""

_BESIDE_WORKERS: Final = 40
_FOR_A_WORKER: Final = 5
"""Files of the process that starts workers: its own, and for each of them its pipes and its counts."""

_DEFAULT: Final = Settings().max_connections

_log: Final = Logger()


def with_files(settings: Settings) -> Settings:
    """Raise the limit on open files if that is needed, also for the processes that this one starts.

    Args:
        settings: The settings.

    Returns:
        The settings; with fewer connections if not more are possible, and an operator has asked for no number.

    Raises:
        UsageError: The number that an operator has asked for is not possible.
    """
    if sys.platform == "win32":
        return settings
    # Each kind of listeners has its own connections.
    sites = sum(map(bool, settings.listeners.values()))
    needed = settings.max_connections * sites + SPARE
    needed_for_workers = _BESIDE_WORKERS + _FOR_A_WORKER * settings.workers
    raised = _raise_to(max(needed, needed_for_workers))
    if raised < needed_for_workers and settings.workers > 1:
        raise UsageError(
            f"--workers {settings.workers} is not possible: {needed_for_workers} files have to be open for that, and "
            f"{raised} can be (ulimit -Hn). Raise that limit, or write "
            f"--workers={max((raised - _BESIDE_WORKERS) // _FOR_A_WORKER, 1)}."
        )
    if raised >= needed:
        return settings
    possible = max((raised - SPARE) // sites, 1)
    why = f"{needed} files have to be open for that, and {raised} can be (ulimit -Hn)"
    if settings.max_connections != _DEFAULT or raised <= SPARE:
        raise UsageError(
            f"--max-connections {settings.max_connections} is not possible: {why}. Raise that limit, or write "
            f"--max-connections={possible}."
        )
    _log.warn(
        "Only {possible} connections are possible in place of {wanted}: {why}",
        possible=possible,
        wanted=_DEFAULT,
        why=why,
    )
    return structs.replace(settings, max_connections=possible)


def _raise_to(needed: int) -> int:
    """Raise the limit on open files to a number, or as far as that is possible; give how many of them can be open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if raised > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        except (OSError, ValueError):  # a system may have a limit of its own
            raised = soft
    return raised
