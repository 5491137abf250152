"""What somebody should look at now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from cors_service.admin.desk import Desk
from cors_service.console.parts import counted, duration

_SHOWN = 5


class Alarm(NamedTuple):
    """One of them.

    Attributes:
        kind: `bad`, or `warn` where nothing is wrong yet.
        sentence: What is wrong.
    """

    kind: Literal["bad", "warn"]
    sentence: str


def alarms(desk: Desk, replicas: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    """Find what somebody should look at.

    Args:
        desk: What resources share.
        replicas: What is known of each replica, as `Replicas.as_list` gives it.
    """
    changes = desk.changes
    if changes.problem is not None:
        seconds = desk.clock.seconds() - changes.read_at
        yield Alarm("bad", f"The store can't be read: {changes.problem} It was read last {duration(seconds)} ago.")
    mistakes = changes.kept.mistakes
    if mistakes is not None:
        number = len(mistakes.mistakes) + mistakes.more
        yield Alarm(
            "bad", f"The store has {counted(number, 'mistake')}; the last good policies stay. {mistakes.mistakes[0]}"
        )
    silent = [one["instance"] for one in replicas if not one["alive"]]
    behind = [one["instance"] for one in replicas if one["alive"] and not one["current"]]
    if silent:
        yield Alarm("bad", f"{_listed(silent)}: no report for 30 seconds.")
    if behind:
        yield Alarm("warn", f"{_listed(behind)}: not at the newest change.")
    yield from _reported(replicas)
    if not replicas:
        yield Alarm("warn", "No replica reports to this process: start the services with --report-to.")
    waiting = len(desk.proposals)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        yield Alarm("warn", f"{counted(waiting, 'proposal')} {verb} for a second person.")
    access = desk.access
    if access is not None and access.as_dict().get("stale"):
        yield Alarm("bad", "The file of --auth has mistakes: whoever was let in before still is, and nobody else.")


def _reported(replicas: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    """What replicas say is wrong: one alarm for each kind, with what the first of them says."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for one in replicas:
        if one["alive"] and one["problem"] is not None:
            kinds.setdefault(one["problem"]["code"], []).append(one)
    for code, having in sorted(kinds.items()):
        message = having[0]["problem"]["message"]
        yield Alarm("bad", f"{_listed([one['instance'] for one in having])}: {message} [{code}]")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
