"""What a service of several processes reports about each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Self

from msgspec import Struct, convert, structs

State = Literal["waiting", "starting", "serving", "ending"]


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """What is known about a worker. Times are in seconds since 1970.

    Attributes:
        number: From 1; a process that replaces another one has the same.
        pid: The process id; None while there is no process.
        state: `waiting` while there is no process, `starting` before it has policies, `serving`, or `ending`.
        started_at: When the process was started.
        replaced: How often the process was replaced since the service was started.
        revision: The revision of the policies that are active there; None before there are any.
        generation: How often other policies became active there since it was started.
        loaded_at: When the policies were read; None before there are any.
        stale: Whether the policies are not those that were read last.
        connections: The number of open connections.
    """

    number: int
    pid: int | None
    state: State
    started_at: float | None = None
    replaced: int = 0
    revision: str | None = None
    generation: int = 0
    loaded_at: float | None = None
    stale: bool = False
    connections: int = 0

    @classmethod
    def all_of(cls, value: object) -> list[Self]:
        """Read a list that was written as JSON.

        Raises:
            msgspec.ValidationError: It is something else.
        """
        return convert(value, list[cls])  # type: ignore[valid-type]

    def with_history(self, *, started_at: float | None, replaced: int) -> Self:
        """Add what only the supervisor knows."""
        return structs.replace(self, started_at=started_at, replaced=replaced)

    def as_dict(self) -> dict[str, object]:
        """The fields as the API gives them."""
        return structs.asdict(self) | {"started_at": iso(self.started_at), "loaded_at": iso(self.loaded_at)}


def iso(seconds: float | None) -> str | None:
    """Write a time as the API does.

    Args:
        seconds: Since 1970.
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
