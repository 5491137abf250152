"""The trace that a question belongs to, as the caller says (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# The values of traceparent; other versions than 00 may have more behind (3.2.4).
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_of(traceparents: Sequence[bytes] | None) -> str | None:
    """Give the trace id of the one `traceparent` header; None without one."""
    if traceparents is None or len(traceparents) != 1:
        return None
    match = _TRACEPARENT.fullmatch(traceparents[0].decode("ascii", "replace"))
    return None if match is None else match[1]
