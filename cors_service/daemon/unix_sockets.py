"""Who may connect to a Unix socket of the service."""

from __future__ import annotations

import re
from typing import Final

DEFAULT_MODE: Final = "660"
"""The owner and the group, where Twisted lets everybody connect."""

# A colon within a path is written `\:`, so the word stands for itself also after one, as in `haproxy:unix:PATH`.
# A second argument without a name is a mode, too.
_WITHOUT_MODE: Final = re.compile(r"(?:^|(?<=:))unix:(?!(?:\\.|[^\\:])*:[0-7]+(?:$|:))")


def for_the_group(description: str) -> str:
    """Give the description of an endpoint a mode for its Unix socket; the operator's own `mode=` still wins.

    Args:
        description: What the endpoint is, as Twisted writes it.

    Returns:
        The description of the same endpoint, for the owner and the group of the socket alone.
    """
    # Of arguments with the same name, Twisted takes the last.
    return _WITHOUT_MODE.sub(f"unix:mode={DEFAULT_MODE}:", description, count=1)
