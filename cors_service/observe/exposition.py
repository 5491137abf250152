"""Writes metrics in the formats that Prometheus reads: its own text, and OpenMetrics.

See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from cors_service.observe.process import Process
from cors_service.observe.totals import Totals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_END: Final = b"# EOF\n"


class Written(NamedTuple):
    """Metrics as they are sent."""

    media_type: str
    text: bytes


class Exposition:
    """Writes all metrics of a service.

    Attributes:
        further: What gives families of metrics that this package does not know.
    """

    def __init__(
        self,
        totals: Totals,
        clock: Callable[[], float],
        processes: Callable[[], Sequence[Process]],
        restarts: Callable[[], int] = lambda: 0,
    ) -> None:
        """Make one.

        Args:
            totals: Sums up what is counted.
            clock: Gives seconds since 1970.
            processes: Gives how those are that serve.
            restarts: Gives how often one took the place of another.
        """
        self.further: list[Callable[[], Iterable[Metric]]] = []
        self._totals = totals
        self._clock = clock
        self._processes = processes
        self._restarts = restarts

    def steps(self, accept: str) -> Generator[None, None, Written]:
        """Write the metrics as they are now.

        Args:
            accept: The formats that the reader takes, as its header has them.

        Yields:
            None between two steps, of a millisecond each.

        Returns:
            What is written.
        """
        # Imported late: a service that nobody measures starts in less time, and with less memory.
        from prometheus_client.exposition import choose_encoder

        encode, media_type = choose_encoder(accept)
        pieces = []
        name, ends = "", False
        for metric in self._families():
            if metric is None:
                yield None
                continue
            text = encode(_One(metric))
            ends = text.endswith(_END)
            text = text.removesuffix(_END)
            pieces.append(_without_head(text) if metric.name == name else text)
            name = metric.name
            yield None
        return Written(media_type, b"".join([*pieces, _END] if ends else pieces))

    def _families(self) -> Generator[Metric | None, None, None]:
        """Give one family after the other, and None behind steps that lead to none yet."""
        from cors_service.observe.metrics import families
        from cors_service.observe.usage import usage

        sums = yield from self._totals.sums(self._clock())
        yield from families(sums, self._processes(), self._restarts())
        for further in self.further:
            yield from further()
        yield from usage()


class _One:
    """A collector of one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _without_head(text: bytes) -> bytes:
    """Leave out what says what a family is: this is another piece of it."""
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))
