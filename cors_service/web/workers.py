"""How the API gives what a service of several processes knows about each."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import structs

from cors_service.reader.messages import WorkerStatus
from cors_service.store.following import StoreStatus


def write_worker(status: WorkerStatus) -> dict[str, object]:
    """Give the fields of a worker's status."""
    return structs.asdict(status) | {
        "started_at": iso(status.started_at),
        "loaded_at": iso(status.loaded_at),
        "confirmed_at": precise(status.confirmed_at),
    }


def write_store(status: StoreStatus | None) -> dict[str, object] | None:
    """Give the fields of what is known of a store."""
    if status is None:
        return None
    return structs.asdict(status) | {
        "confirmed_at": precise(status.confirmed_at),
        "behind_since": precise(status.behind_since),
    }


def precise(seconds: float | None) -> str | None:
    """Write a time with milliseconds.

    Args:
        seconds: Since 1970.
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def iso(seconds: float | None) -> str | None:
    """Write a time as the API does.

    Args:
        seconds: Since 1970.
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
