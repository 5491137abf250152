"""Single decisions that a log tells of: what is new, and a sample.

The process that decides notes them while it makes an answer, and gives them the name of the answer, and of the trace
that the question belongs to, when the answer gets its own headers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from cors_service.observe.counted import Counted
from cors_service.observe.trace import trace_of

MOST_NEW: Final = 100
MOST_SAMPLES: Final = 1000
"""So many are kept until somebody takes them; there may be no end of new origins."""
MORE_NEW: Final = 20
"""Where there is no end of them, so many new ones are kept the next time; a log has room for few, and all cost time."""


class Sight(Struct, frozen=True, array_like=True):
    """A decision.

    Attributes:
        what: What it is counted with.
        at: When it was made, in seconds since 1970.
        id: Its `Cors-Decision-Id`; None if it is one of several answers that were made in turns.
        trace: The trace id that came with the question; None without one.
        is_sample: Whether it is of the sample, rather than new.
    """

    what: Counted
    at: float
    id: str | None
    trace: str | None
    is_sample: bool = False


_decode: Final = msgspec.msgpack.Decoder(list[Sight]).decode


def write_sights(sights: Sequence[Sight]) -> bytes:
    """Write decisions for another process."""
    return msgspec.msgpack.encode(sights)


def read_sights(data: bytes) -> list[Sight]:
    """Read what `write_sights` wrote."""
    return _decode(data)


class Sights:
    """Keeps single decisions until they are taken.

    Attributes:
        fresh: Those of the answer that is being made, and whether each is of the sample.
        has_room: Whether there is room for something new until then. There may be no end of it, so look here first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make one.

        Args:
            clock: Gives the seconds since 1970.
        """
        self.fresh: list[tuple[Counted, bool]] = []
        self.has_room = True
        self._clock = clock
        self._kept: list[Sight] = []
        self._room = MOST_NEW
        self._samples = 0

    def note(self, what: Counted) -> None:
        """Note a decision that is new."""
        if self.has_room:
            self._room -= 1
            self.has_room = self._room > 0
            self.fresh.append((what, False))

    def sample(self, what: Counted) -> None:
        """Note a decision of the sample."""
        if self._samples < MOST_SAMPLES:
            self._samples += 1
            self.fresh.append((what, True))

    def name(self, name: bytes, traceparents: Sequence[bytes] | None) -> None:
        """Give those of the answer that is being made its name.

        Args:
            name: The `Cors-Decision-Id` of the answer.
            traceparents: The headers of that name that came with the question.
        """
        self._keep(name.decode("ascii"), trace_of(traceparents))

    def leave(self) -> None:
        """An answer will be completed later, and others before it: leave those of it without a name."""
        if self.fresh:
            self._keep(None, None)

    def take(self) -> list[Sight]:
        """Give those that were kept since that was done last."""
        self.leave()
        kept, self._kept = self._kept, []
        self._room = min(MOST_NEW, self._room + MORE_NEW)
        self._samples = 0
        self.has_room = True
        return kept

    def _keep(self, name: str | None, trace: str | None) -> None:
        now = self._clock()
        self._kept += [Sight(what, now, name, trace, is_sample) for what, is_sample in self.fresh]
        self.fresh = []


NO_SIGHTS: Final = Sights(float)
"""Has no room for anything new."""
NO_SIGHTS.has_room = False
