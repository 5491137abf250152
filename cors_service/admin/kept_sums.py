"""What is asked of the lines that are kept: how much there was, of what, and what was refused most."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any, Final
from weakref import finalize

from msgspec import Struct

from cors_service.admin.decisions_file import HOUR, OTHER, CannotKeep, open_file
from cors_service.insights.lines import Decisions, Line, Others, instant_of
from cors_service.insights.timeline import Point

_KINDS_LOOKED_AT: Final = 2000
"""Kinds of refused decisions, those that were counted most, of which the origins are listed."""
_LOOKED_UP: Final = 20_000
"""Rows that are looked up to say what was refused most in a time."""

Wanted = Callable[[str | None], bool]
"""Says whether decisions by a policy are wanted; of None, whether those are that no policy made or that were not kept
apart."""


def _everything(policy: str | None) -> bool:
    return True


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


class KeptSums:
    """The file, to read. One thread at a time may use a value of this class; several values may share a file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            CannotKeep: It is something else, or can't be opened.
        """
        try:
            self._database = open_file(path)
        except (sqlite3.Error, OSError) as error:
            raise CannotKeep(f"{path} can't be used: {error}") from None
        # Also if nobody says that it is needed no more.
        finalize(self, self._database.close)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def traffic(self, begin: int, end: int, step: int) -> Iterator[Point]:
        """Give what happened, step by step; steps in which nothing did are left out.

        Args:
            begin: Seconds since 1970.
            end: The first second that is not asked about.
            step: Seconds of a step, which are whole minutes.
        """
        rows = self._database.execute(
            "SELECT minute - minute % :step AS at, sum(allowed), sum(preflights), sum(refused), sum(other), "
            "coalesce(sum(undecided.count), 0) FROM traffic LEFT JOIN undecided USING (minute) "
            "WHERE minute >= :begin AND minute < :end GROUP BY at ORDER BY at",
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
        rows = self._rows(
            wanted,
            "SELECT min(hour), max(hour), sum(count), max(last), kind.* FROM decisions "
            "JOIN kind ON kind.number = decisions.kind WHERE hour >= :begin AND hour < :end "
            "AND decisions.kind IN (SELECT number FROM kind WHERE wanted(policy)) "
            "GROUP BY decisions.kind, CASE WHEN kind.kind = 'preflight' AND allowed THEN hour END",
            {"begin": begin, "end": end},
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
        rows = self._rows(
            wanted,
            "SELECT hour, sum(count * (place = 0)), sum(count * (place = 1)), sum(count * (place = 2)), "
            "sum(count * (place = 3)), sum(count * (place = 4)) FROM decisions "
            "JOIN (SELECT number, CASE WHEN number = 0 THEN 3 WHEN allowed = 0 THEN 2 WHEN kind = 'preflight' THEN 1 "
            "WHEN kind = 'undecided' THEN 4 ELSE 0 END AS place FROM kind "
            "WHERE wanted(policy)) ON number = decisions.kind WHERE hour >= :begin AND hour < :end "
            "GROUP BY hour ORDER BY hour",
            {"begin": begin, "end": end},
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
        hours = range(begin, end, HOUR)
        rows = self._rows(
            wanted,
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
        rows = self._rows(
            wanted,
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

    def _rows(self, wanted: Wanted, statement: str, facts: Mapping[str, object]) -> sqlite3.Cursor:
        """Ask for what has `wanted(policy)` in its conditions."""
        self._database.create_function("wanted", 1, wanted)
        return self._database.execute(statement, facts)


def _line(begin: str, end: str, count: int, seen: str, columns: Sequence[Any]) -> Line:
    number, policy, rule, origin, origins, kind, method, allowed, reason, revision = columns
    if number == OTHER:
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
