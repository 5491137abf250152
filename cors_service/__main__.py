"""`cors-service` as a process; `python -m cors_service` is the same where the command is not on the PATH."""

from __future__ import annotations

import signal
import sys
from typing import Final

_INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status by which shells name the signal."""


def run() -> int:
    """Run the command of this process; on ^C, have the signal end the process.

    A shell stops a script only if it sees that the signal ended the command (https://www.cons.org/cracauer/sigint.html).
    So once everything is cleaned up, the signal is raised again, for the system to handle. That is what Python does
    itself, after a traceback.

    Returns:
        The exit status.
    """
    try:
        # Imported late: it takes long enough for somebody to interrupt it.
        from cors_service.cli import main

        return main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        # Somebody has blocked it.
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
