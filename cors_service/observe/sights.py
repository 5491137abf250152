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
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make one.

        Args:
            clock: Gives the seconds since 1970.
        """
        self.fresh: list[tuple[Counted, bool]] = []
        self._clock = clock
        self._kept: list[Sight] = []
        self._counts = {False: 0, True: 0}

    def note(self, what: Counted) -> None:
        """Note a decision that is new."""
        self._note(what, MOST_NEW, is_sample=False)

    def sample(self, what: Counted) -> None:
        """Note a decision of the sample."""
        self._note(what, MOST_SAMPLES, is_sample=True)

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
        self._counts = {False: 0, True: 0}
        return kept

    def _note(self, what: Counted, most: int, *, is_sample: bool) -> None:
        if self._counts[is_sample] < most:
            self._counts[is_sample] += 1
            self.fresh.append((what, is_sample))

    def _keep(self, name: str | None, trace: str | None) -> None:
        now = self._clock()
        self._kept += [Sight(what, now, name, trace, is_sample) for what, is_sample in self.fresh]
        self.fresh = []
