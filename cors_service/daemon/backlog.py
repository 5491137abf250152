"""How many connections wait in the system's queue until they are accepted.

Twisted lets 50 wait. A burst of silent connections fills that, and an honest client tries again a second later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from cors_service.server.https import BACKLOG

# The kinds of endpoints that have a backlog, each with how many arguments without a name may stand before it.
_KINDS: Final = {"tcp": 2, "tcp6": 1, "ssl": 5, "unix": 2}
# `haproxy:` stands in front of another endpoint.
_KIND: Final = re.compile(rf"((?:haproxy:)?(?:{'|'.join(_KINDS)})):")
# A colon within an argument is written `\:`.
_COLON: Final = re.compile(r"(?<!\\):")
_NAMED: Final = re.compile(r"\w+=")
_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")

_log: Final = Logger()


def with_backlog(description: str) -> str:
    """Give the description of an endpoint our backlog, unless it has one.

    Args:
        description: What the endpoint is, as Twisted writes it.
    """
    kind = _KIND.match(description)
    if kind is None:
        return description
    arguments = _COLON.split(description[kind.end() :])
    unnamed = [argument for argument in arguments if not _NAMED.match(argument)]
    has_one = len(unnamed) > _KINDS[kind[1].rpartition(":")[2]] or any(one.startswith("backlog=") for one in arguments)
    return description if has_one else f"{kind[1]}:backlog={BACKLOG}:{description[kind.end() :]}"


def warn_if_capped(descriptions: Iterable[str], limit_file: Path = _SOMAXCONN) -> None:
    """Warn if the system lets fewer connections wait at our sockets.

    Args:
        descriptions: What the endpoints are. Sockets that systemd passes on are its own.
        limit_file: Where the system says how many.
    """
    try:
        most = int(limit_file.read_text("ascii"))
    except (OSError, ValueError):  # not Linux
        return
    if most < BACKLOG and any(not one.startswith("systemd:") for one in descriptions):
        _log.warn(
            "The system lets only {most} new connections wait at a socket: set net.core.somaxconn to {wanted} or more",
            most=most,
            wanted=BACKLOG,
        )
