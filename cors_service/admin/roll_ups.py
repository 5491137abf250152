"""The lines of decision logs, kept for 90 days in a file: by the hour for insights, by the minute for traffic.

An interval of a replica is ten seconds, and its lines are many. So the file has sums: for each hour a row for each kind
of decision, and for each minute a row for what came of it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct

from cors_service.admin.decisions_file import DAY, HOUR, KEPT_DAYS, MINUTE, OTHER, CannotKeep
from cors_service.admin.kept_sums import KeptSums
from cors_service.insights.lines import Decisions, NotALine, Others, read_line, seconds_of
from cors_service.insights.timeline import outcome_of

_BATCH_DAYS: Final = 30
"""For how long it is known that a batch was taken. A replica tries again within minutes."""
_MOST_KINDS: Final = 200_000
"""Kinds of decisions that are kept apart; strangers can ask by any number of origins."""
_MOST_REFUSED: Final = 100_000
"""Of these, kinds that are refused: others must find room."""
_HOURLY: Final = 10_000
"""Kinds of decisions in an hour."""
_HOURS: Final = 4
"""Hours whose kinds are in memory."""

_TRAFFIC: Final = ("allowed", "preflights", "refused", "other")
"""What the table of that name has of a minute."""

_Kind = tuple[str | None, int | None, str | None, str, str, str, bool | None, str, str | None]


class Taken(Struct, frozen=True):
    """What came of a batch.

    Attributes:
        is_new: Whether it was not taken before.
        unread: Lines that could not be read.
        why: What was wrong with the first of them; empty if nothing was.
    """

    is_new: bool
    unread: int = 0
    why: str = ""


class RollUps(KeptSums):
    """The file, to read and to write. One thread at a time may use a value; several values may share a file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            CannotKeep: It is something else, or can't be opened.
        """
        super().__init__(path)
        self._kinds: dict[_Kind, int] = {}
        self._refused = 0
        try:
            for number, *kind in self._database.execute("SELECT * FROM kind WHERE number != 0"):
                kind[6] = None if kind[6] is None else bool(kind[6])
                self._kinds[tuple(kind)] = number
                self._refused += kind[6] is False
        except sqlite3.Error as error:
            raise CannotKeep(f"{path} can't be used: {error}") from None
        # The kinds of hours that lines came of lately.
        self._hours: dict[int, set[int]] = {}
        self._next = max(self._kinds.values(), default=OTHER) + 1

    def take(self, instance: str, batch: str, lines: Iterable[bytes], now: float) -> Taken:
        """Keep the lines of a batch, unless it was taken before: all of it, or nothing.

        Args:
            instance: The replica that sent it.
            batch: Its name, which no other batch of that replica has.
            lines: Its lines. One that can't be read is passed over.
            now: The time in seconds since 1970.

        Raises:
            CannotKeep: The disk does not take it; then the same batch may come again.
        """
        read, unread = _read(lines)
        added: list[tuple[_Kind, int]] = []
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    self._database.execute("INSERT INTO batch VALUES (?, ?, ?)", (instance, batch, int(now)))
                except sqlite3.IntegrityError:
                    return Taken(is_new=False)
                self._keep(read, now, added)
        except sqlite3.Error as error:
            # What the file did not take, it does not know either.
            for kind, _ in added:
                self._refused -= kind[6] is False
                del self._kinds[kind]
            self._hours.clear()
            raise CannotKeep(f"decisions can't be kept: {error}") from None
        return Taken(is_new=True, unread=len(unread), why=unread[0] if unread else "")

    def forget(self, now: float) -> None:
        """Delete what is older than 90 days.

        Args:
            now: The time in seconds since 1970.

        Raises:
            CannotKeep: The disk does not take it.
        """
        first = int(now) - KEPT_DAYS * DAY
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._forget_refused(first - first % HOUR)
                self._database.execute("DELETE FROM decisions WHERE hour < ?", (first - first % HOUR,))
                self._database.execute("DELETE FROM traffic WHERE minute < ?", (first,))
                self._database.execute("DELETE FROM undecided WHERE minute < ?", (first,))
                self._database.execute("DELETE FROM batch WHERE at < ?", (int(now) - _BATCH_DAYS * DAY,))
                rows = self._database.execute(
                    "DELETE FROM kind WHERE number != 0 AND number NOT IN (SELECT kind FROM decisions) RETURNING number"
                )
                numbers = {number for (number,) in rows}
                self._database.execute("DELETE FROM refused WHERE kind NOT IN (SELECT number FROM kind)")
        except sqlite3.Error as error:
            raise CannotKeep(f"old decisions can't be deleted: {error}") from None
        self._kinds = {kind: number for kind, number in self._kinds.items() if number not in numbers}
        self._refused = sum(kind[6] is False for kind in self._kinds)

    def _keep(self, lines: Sequence[Decisions | Others], now: float, added: list[tuple[_Kind, int]]) -> None:
        hours: dict[tuple[int, int], list[tuple[int, str]]] = {}
        minutes: dict[int, Counter[str]] = {}
        refused: set[int] = set()
        for line in lines:
            at = int(seconds_of(line.begin))
            if not now - KEPT_DAYS * DAY <= at <= now + DAY:
                continue  # a clock that is wrong by so much says nothing
            hour = at - at % HOUR
            number = self._number(line, self._known_of(hour), added)
            seen = line.seen if isinstance(line, Decisions) else line.end
            hours.setdefault((hour, number), []).append((line.count, seen))
            if isinstance(line, Decisions) and line.allowed is False and number != OTHER:
                refused.add(number)
            minutes.setdefault(at - at % MINUTE, Counter())[_outcome(line)] += line.count
        self._database.executemany(
            "INSERT INTO kind VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ((n, *k) for k, n in added)
        )
        self._database.executemany(
            "INSERT INTO decisions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count, "
            "last = max(last, excluded.last)",
            (
                (*key, sum(count for count, _ in counted), max(seen for _, seen in counted))
                for key, counted in hours.items()
            ),
        )
        self._database.executemany(
            "INSERT INTO refused VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count, "
            "first = min(first, excluded.first), last = max(last, excluded.last)",
            (
                (number, sum(count for count, _ in counted), hour, max(seen for _, seen in counted))
                for (hour, number), counted in hours.items()
                if number in refused
            ),
        )
        self._database.executemany(
            "INSERT INTO traffic VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "allowed = allowed + excluded.allowed, preflights = preflights + excluded.preflights, "
            "refused = refused + excluded.refused, other = other + excluded.other",
            ((minute, *map(counts.__getitem__, _TRAFFIC)) for minute, counts in minutes.items()),
        )
        self._database.executemany(
            "INSERT INTO undecided VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            ((minute, counts["undecided"]) for minute, counts in minutes.items() if counts["undecided"]),
        )

    def _forget_refused(self, first: int) -> None:
        """Take out of the sums what is deleted: the hours before one."""
        rows = self._database.execute(
            "SELECT :first, sum(count), kind FROM decisions WHERE hour < :first "
            "AND kind IN (SELECT kind FROM refused) GROUP BY kind",
            {"first": first},
        ).fetchall()
        self._database.executemany("UPDATE refused SET first = max(first, ?), count = count - ? WHERE kind = ?", rows)

    def _known_of(self, hour: int) -> set[int]:
        """The numbers of the kinds that an hour has already."""
        known = self._hours.get(hour)
        if known is None:
            rows = self._database.execute("SELECT kind FROM decisions WHERE hour = ?", (hour,))
            if len(self._hours) >= _HOURS:
                del self._hours[min(self._hours)]
            known = self._hours[hour] = {number for (number,) in rows}
        return known

    def _number(self, line: Decisions | Others, known: set[int], added: list[tuple[_Kind, int]]) -> int:
        """The number of the kind of a line; that of all others if there are too many."""
        if isinstance(line, Others):
            return OTHER
        kind = _kind(line)
        number = self._kinds.get(kind)
        is_refused = line.allowed is False
        if number is None and len(self._kinds) < _MOST_KINDS and not (is_refused and self._refused >= _MOST_REFUSED):
            if len(known) >= _HOURLY:
                return OTHER
            number = self._kinds[kind] = self._next
            self._next += 1
            self._refused += is_refused
            added.append((kind, number))
        if number is None or (number not in known and len(known) >= _HOURLY):
            return OTHER
        known.add(number)
        return number


def _read(lines: Iterable[bytes]) -> tuple[list[Decisions | Others], list[str]]:
    read: list[Decisions | Others] = []
    unread: list[str] = []
    for text in lines:
        try:
            line = read_line(text)
        except NotALine as error:
            unread.append(error.message)
        else:
            if isinstance(line, Decisions | Others):
                read.append(line)
    return read, unread


def _kind(line: Decisions) -> _Kind:
    # An origin that is not written is masked, whatever the form.
    origins = "site" if line.origin is UNSET and line.origins == "full" else line.origins
    origin = None if line.origin is UNSET else line.origin
    return (
        line.policy,
        line.rule,
        origin,
        origins,
        line.kind,
        line.method,
        line.allowed,
        line.reason,
        line.revision,
    )


def _outcome(line: Decisions | Others) -> str:
    """Which of the counts of a minute a line belongs to."""
    return "other" if isinstance(line, Others) else outcome_of(line)
