"""How the API gives what a service of several processes knows about each."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import structs

from cors_service.reader.messages import WorkerStatus


def write_worker(status: WorkerStatus) -> dict[str, object]:
    """Give the fields of a worker's status."""
    return structs.asdict(status) | {"started_at": iso(status.started_at), "loaded_at": iso(status.loaded_at)}


def iso(seconds: float | None) -> str | None:
    """Write a time as the API does.

    Args:
        seconds: Since 1970.
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
