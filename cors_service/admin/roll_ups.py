"""The lines of decision logs, kept for 90 days in a file: by the hour for insights, by the minute for traffic.

An interval of a replica is ten seconds, and its lines are many. So the file has sums: for each hour a row for each kind
of decision, and for each minute a row for what came of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from heapq import nlargest
from pathlib import Path
from typing import Any, Final
from weakref import finalize

from msgspec import UNSET, Struct

from cors_service.insights.lines import Decisions, Line, NotALine, Others, instant_of, read_line, seconds_of
from cors_service.insights.timeline import Point

KEPT_DAYS: Final = 90
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 24 * HOUR

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
_KINDS_LOOKED_AT: Final = 2000
"""Kinds of refused decisions, those that were counted most, of which the origins are listed."""
_LOOKED_UP: Final = 20_000
"""Rows that are looked up to say what was refused most in a time."""
_OTHER: Final = 0
"""The number of the kind that stands for all that were not kept apart."""

# "CORR", and the version of the tables, as the tables say it.
_APPLICATION: Final = 0x434F5252
_VERSION: Final = 1
_TABLES: Final = """
BEGIN EXCLUSIVE;
CREATE TABLE batch (instance TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (instance, id)) WITHOUT ROWID;
CREATE INDEX batch_at ON batch (at);
CREATE TABLE kind (number INTEGER PRIMARY KEY, policy TEXT, rule INTEGER, origin TEXT, origins TEXT NOT NULL,
    kind TEXT NOT NULL, method TEXT NOT NULL, allowed INTEGER, reason TEXT NOT NULL, revision TEXT);
CREATE TABLE decisions (hour INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL, last TEXT NOT NULL,
    PRIMARY KEY (hour, kind)) WITHOUT ROWID;
CREATE TABLE traffic (minute INTEGER PRIMARY KEY, allowed INTEGER NOT NULL, preflights INTEGER NOT NULL,
    refused INTEGER NOT NULL, other INTEGER NOT NULL);
INSERT INTO kind VALUES (0, NULL, NULL, NULL, 'full', '', '', NULL, '', NULL);
PRAGMA application_id = 0x434F5252;
PRAGMA user_version = 1;
COMMIT;
"""
# What was refused, summed over all hours. Files of earlier programs lack it.
_REFUSED: Final = """
BEGIN EXCLUSIVE;
CREATE TABLE refused (kind INTEGER PRIMARY KEY, count INTEGER NOT NULL, first INTEGER NOT NULL,
    last TEXT NOT NULL);
CREATE INDEX refused_count ON refused (count);
CREATE INDEX kind_page ON kind (policy, origin);
INSERT INTO refused SELECT decisions.kind, sum(count), min(hour), max(last)
    FROM decisions JOIN kind ON number = decisions.kind WHERE allowed = 0 GROUP BY decisions.kind;
COMMIT;
"""
_MODE: Final = 0o600

Wanted = Callable[[str | None], bool]
"""Says whether decisions by a policy are wanted; of None, whether those are that no policy made or that were not kept
apart."""

_Kind = tuple[str | None, int | None, str | None, str, str, str, bool | None, str, str | None]


def _everything(policy: str | None) -> bool:
    return True


class CannotKeep(Exception):
    """The file can't be used; the text says why."""


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


class RefusedOrigin(Struct, frozen=True):
    """Requests of an origin that a policy refused for one reason.

    Attributes:
        origin: The origin, in the form that `origins` names; None if there was none.
        origins: Its form: `full`, `site` or `hashed`.
        policy: The policy; None if none was found.
        reason: The code of the reason.
        count: How many there were.
        first: When the hour of the first one began, in seconds since 1970.
        last: When the last one was.
    """

    origin: str | None
    origins: str
    policy: str | None
    reason: str
    count: int
    first: int
    last: str


class Knock(Struct, frozen=True):
    """Requests of an origin that a policy refused.

    Attributes:
        policy: The policy; None if none was found.
        origin: The origin, in the form that `origins` names; None if there was none.
        origins: Its form: `full`, `site` or `hashed`.
        count: How many there were.
        first: When the hour of the first one began, in seconds since 1970.
        last: When the last one was.
        reasons: The codes of the reasons with the methods, those first that were counted most.
    """

    policy: str | None
    origin: str | None
    origins: str
    count: int
    first: int
    last: str
    reasons: tuple[tuple[str, str], ...]


class RollUps:
    """The file. One thread at a time may use a value of this class; several values may share a file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            CannotKeep: It is something else, or can't be opened.
        """
        try:
            self._database = _opened(path)
            # Also if nobody says that it is needed no more.
            finalize(self, self._database.close)
            self._kinds: dict[_Kind, int] = {}
            self._refused = 0
            for number, *kind in self._database.execute("SELECT * FROM kind WHERE number != 0"):
                kind[6] = None if kind[6] is None else bool(kind[6])
                self._kinds[tuple(kind)] = number
                self._refused += kind[6] is False
            # The kinds of hours that lines came of lately.
            self._hours: dict[int, set[int]] = {}
            self._next = max(self._kinds.values(), default=_OTHER) + 1
        except (sqlite3.Error, OSError) as error:
            raise CannotKeep(f"{path} can't be used: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

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

    def traffic(self, begin: int, end: int, step: int) -> Iterator[Point]:
        """Give what happened, step by step; steps in which nothing did are left out.

        Args:
            begin: Seconds since 1970.
            end: The first second that is not asked about.
            step: Seconds of a step, which are whole minutes.
        """
        rows = self._database.execute(
            "SELECT minute - minute % :step AS at, sum(allowed), sum(preflights), sum(refused), sum(other) "
            "FROM traffic WHERE minute >= :begin AND minute < :end GROUP BY at ORDER BY at",
            {"step": step, "begin": begin, "end": end},
        )
        return map(Point._make, rows)

    def lines(self, begin: int, end: int, wanted: Wanted = _everything) -> Iterator[Line]:
        """Give a line for each kind of decision, as if all were of one interval; allowed preflights hour by hour.

        Args:
            begin: Seconds since 1970, a whole hour.
            end: The first second that is not asked about.
            wanted: Says by the name of a policy whether its decisions are wanted.
        """
        self._database.create_function("wanted", 1, wanted)
        rows = self._database.execute(
            "SELECT min(hour), max(hour), sum(count), max(last), kind.* FROM decisions "
            "JOIN kind ON kind.number = decisions.kind WHERE hour >= ? AND hour < ? "
            "AND decisions.kind IN (SELECT number FROM kind WHERE wanted(policy)) "
            "GROUP BY decisions.kind, CASE WHEN kind.kind = 'preflight' AND allowed THEN hour END",
            (begin, end),
        )
        for first, last, count, seen, *kind in rows:
            yield _line(instant_of(first), instant_of(last + HOUR), count, seen, kind)

    def hours(self, begin: int, end: int, wanted: Wanted = _everything) -> Iterator[Point]:
        """Give what happened hour by hour; hours in which nothing did are left out.

        Args:
            begin: Seconds since 1970, a whole hour.
            end: The first second that is not asked about.
            wanted: Says by the name of a policy whether its decisions are wanted.
        """
        self._database.create_function("wanted", 1, wanted)
        rows = self._database.execute(
            "SELECT hour, sum(count * (place = 0)), sum(count * (place = 1)), sum(count * (place = 2)), "
            "sum(count * (place = 3)) FROM decisions JOIN (SELECT number, CASE WHEN number = 0 THEN 3 "
            "WHEN allowed = 0 THEN 2 WHEN kind = 'preflight' THEN 1 ELSE 0 END AS place FROM kind "
            "WHERE wanted(policy)) ON number = decisions.kind WHERE hour >= ? AND hour < ? GROUP BY hour ORDER BY hour",
            (begin, end),
        )
        return map(Point._make, rows)

    def refused(self, begin: int, end: int, most: int, wanted: Wanted = _everything) -> list[RefusedOrigin]:
        """Give what was refused most often, of what was refused most often over all hours.

        Args:
            begin: Seconds since 1970, a whole hour.
            end: The first second that is not asked about.
            most: How many to give at most.
            wanted: Says by the name of a policy whether its decisions are wanted.
        """
        self._database.create_function("wanted", 1, wanted)
        hours = range(begin, end, HOUR)
        rows = self._database.execute(
            "WITH most AS (SELECT kind.* FROM refused JOIN kind ON number = refused.kind "
            "WHERE last >= :since AND (:all OR wanted(policy)) ORDER BY count DESC LIMIT :kinds) "
            "SELECT origin, origins, policy, reason, sum(count) AS refusals, min(hour), max(last) "
            "FROM most JOIN json_each(:hours) AS asked "
            "JOIN decisions ON hour = asked.value AND decisions.kind = most.number "
            "GROUP BY origin, origins, policy, reason ORDER BY refusals DESC, max(last) DESC LIMIT :most",
            {
                "since": instant_of(begin),
                "all": wanted is _everything,
                "kinds": max(_LOOKED_UP // max(len(hours), 1), most),
                "hours": json.dumps([*hours]),
                "most": most,
            },
        )
        return [RefusedOrigin(*row) for row in rows]

    def knocks(self, most: int, wanted: Wanted = _everything) -> list[Knock]:
        """Give the origins that were refused most often, each at each policy.

        Args:
            most: How many to give at most.
            wanted: Says by the name of a policy whether its decisions are wanted.
        """
        self._database.create_function("wanted", 1, wanted)
        rows = self._database.execute(
            "WITH page AS (SELECT DISTINCT policy, origin, origins "
            "FROM (SELECT kind FROM refused ORDER BY count DESC LIMIT :kinds) AS most "
            "JOIN kind ON number = most.kind WHERE :all OR wanted(policy)) "
            "SELECT page.*, reason, method, count, first, last FROM page JOIN kind ON kind.policy IS page.policy "
            "AND kind.origin IS page.origin AND kind.origins = page.origins JOIN refused ON refused.kind = number",
            {"kinds": _KINDS_LOOKED_AT, "all": wanted is _everything},
        )
        found: dict[tuple[str | None, str | None, str], list[tuple[str, str, int, int, str]]] = {}
        for policy, origin, origins, *facts in rows:
            found.setdefault((policy, origin, origins), []).append(tuple(facts))
        return nlargest(most, (_knock(*page, counted) for page, counted in found.items()), key=lambda one: one.count)

    def instances(self, begin: int) -> list[str]:
        """Name the replicas of which there are batches since some time, in seconds since 1970."""
        rows = self._database.execute("SELECT DISTINCT instance FROM batch WHERE at >= ? ORDER BY 1", (begin,))
        return [name for (name,) in rows]

    def _keep(self, lines: Sequence[Decisions | Others], now: float, added: list[tuple[_Kind, int]]) -> None:
        hours: dict[tuple[int, int], list[tuple[int, str]]] = {}
        minutes: dict[int, list[int]] = {}
        refused: set[int] = set()
        for line in lines:
            at = int(seconds_of(line.begin))
            if not now - KEPT_DAYS * DAY <= at <= now + DAY:
                continue  # a clock that is wrong by so much says nothing
            hour = at - at % HOUR
            number = self._number(line, self._known_of(hour), added)
            seen = line.seen if isinstance(line, Decisions) else line.end
            hours.setdefault((hour, number), []).append((line.count, seen))
            if isinstance(line, Decisions) and line.allowed is False and number != _OTHER:
                refused.add(number)
            counts = minutes.setdefault(at - at % MINUTE, [0, 0, 0, 0])
            counts[_place(line)] += line.count
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
            ((minute, *counts) for minute, counts in minutes.items()),
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
            return _OTHER
        kind = _kind(line)
        number = self._kinds.get(kind)
        is_refused = line.allowed is False
        if number is None and len(self._kinds) < _MOST_KINDS and not (is_refused and self._refused >= _MOST_REFUSED):
            if len(known) >= _HOURLY:
                return _OTHER
            number = self._kinds[kind] = self._next
            self._next += 1
            self._refused += is_refused
            added.append((kind, number))
        if number is None or (number not in known and len(known) >= _HOURLY):
            return _OTHER
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


def _line(begin: str, end: str, count: int, seen: str, columns: Sequence[Any]) -> Line:
    number, policy, rule, origin, origins, kind, method, allowed, reason, revision = columns
    if number == _OTHER:
        return Others(begin, end, count)
    return Decisions(
        begin=begin,
        end=end,
        kind=kind,
        reason=reason,
        count=count,
        allowed=None if allowed is None else bool(allowed),
        policy=policy,
        rule=rule,
        origin=origin,
        method=method,
        revision=revision,
        last=seen,
        origins=origins,
    )


def _place(line: Decisions | Others) -> int:
    """Which of the counts of a minute a line belongs to."""
    if isinstance(line, Others):
        return 3
    if line.allowed is False:
        return 2
    return 1 if line.kind == "preflight" else 0


def _knock(
    policy: str | None, origin: str | None, origins: str, counted: Sequence[tuple[str, str, int, int, str]]
) -> Knock:
    """Sum what was refused of an origin by a policy."""
    reasons: Counter[tuple[str, str]] = Counter()
    for reason, method, count, _, _ in counted:
        reasons[reason, method] += count
    return Knock(
        policy=policy,
        origin=origin,
        origins=origins,
        count=reasons.total(),
        first=min(first for *_, first, _ in counted),
        last=max(last for *_, last in counted),
        reasons=tuple(one for one, _ in reasons.most_common()),
    )


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, or make it.

    Raises:
        CannotKeep: It is something else.
    """
    path.touch(_MODE)
    database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        _check(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file, and see that another one is ours.

    Raises:
        CannotKeep: It is not.
    """
    with closing(database.execute("PRAGMA application_id")) as found:
        (application,) = found.fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if (application, version) == (0, 0) and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
    elif (application, version) != (_APPLICATION, _VERSION):
        raise CannotKeep(f"{path} is not a file of this program, or was written by a later version")
    if not database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'refused'").fetchone()[0]:
        database.executescript(_REFUSED)
