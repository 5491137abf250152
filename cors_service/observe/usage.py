"""What the processes of a service use: time, memory, files. Linux alone tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_PROC: Final = Path("/proc")


class _Used(NamedTuple):
    """What a process uses; see proc_pid_stat(5).

    Attributes:
        seconds: Of processors, with those of its children that have ended.
        started: Seconds from the start of the system.
        virtual: Bytes.
        resident: Bytes.
        files: How many are open.
    """

    seconds: float
    started: float
    virtual: int
    resident: int
    files: int


def usage() -> Iterator[Metric]:
    """Give the families that every Prometheus client has, of this process and its children together."""
    try:
        own = _used("self")
        booted = _booted()
    except (OSError, ValueError, LookupError):
        return
    used = [own]
    for child in _children():
        # It may have ended meanwhile.
        with suppress(OSError, ValueError, LookupError):
            used.append(_used(child))
    seconds = "Processor seconds that all processes have used, including those that have ended."
    yield CounterMetricFamily("process_cpu_seconds", seconds, sum(one.seconds for one in used))
    yield _gauge("process_resident_memory_bytes", "Memory of all processes.", sum(one.resident for one in used))
    yield _gauge("process_virtual_memory_bytes", "Virtual memory of all processes.", sum(one.virtual for one in used))
    yield _gauge("process_open_fds", "Open files of the process that has most.", max(one.files for one in used))
    yield _gauge("process_max_fds", "Files that each process may have open.", _most_files())
    yield _gauge("process_start_time_seconds", "When the first process was started.", booted + own.started)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value)


def _used(process: str) -> _Used:
    # What stands before the last parenthesis is the name, which may be anything.
    fields = (_PROC / process / "stat").read_text("latin-1").rpartition(")")[2].split()
    second = os.sysconf("SC_CLK_TCK")
    return _Used(
        seconds=sum(map(int, fields[11:15])) / second,
        started=int(fields[19]) / second,
        virtual=int(fields[20]),
        resident=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        files=sum(1 for _ in (_PROC / process / "fd").iterdir()),
    )


def _children() -> list[str]:
    children = []
    for task in (_PROC / "self" / "task").iterdir():
        with suppress(OSError):
            children += (task / "children").read_text("ascii").split()
    return children


def _booted() -> float:
    lines = (_PROC / "stat").read_text("ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("btime ")))


def _most_files() -> float:
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return float("inf") if most == resource.RLIM_INFINITY else most
