"""The judge of a comparison: every query is decided by both sets.

What differs has to be reported, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cors_service.algebra import Comparison, Difference
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.policy import PolicySet

Answer = Decision | BadQuery
_LEVELS = {"same-origin": (1, 1), "same-site": (2, 2), "cross-origin": (3, 3), "": (3, 1)}
_ONCE = {"embedding", "caching", "status", "guard", "policy", "url", "timing", "exposed-header"}
"""What is not reported for each pair of rules."""


class Seen(NamedTuple):
    """A difference of two answers."""

    direction: str
    what: str


class Judge:
    """Two policy sets, decided by afresh."""

    def __init__(self, before: PolicySet, after: PolicySet, comparison: Comparison) -> None:
        self._before, self._after = ActivePolicies(before), ActivePolicies(after)
        self._comparison = comparison
        self._reported = {key for one in comparison.differences for key in _keys(one)}

    def invented(self) -> list[Difference]:
        """The differences that their own witnesses do not show."""
        return [one for one in self._comparison.differences if not self._is_shown(one)]

    def missed(self, queries: Iterable[Query]) -> list[tuple[Query, Seen, Answer, Answer]]:
        """The queries that show what is not reported."""
        found: list[tuple[Query, Seen, Answer, Answer]] = []
        for query in queries:
            before, after = answer_of(self._before, query), answer_of(self._after, query)
            found += [
                (query, seen, before, after)
                for seen in differences(query, before, after)
                if not self._is_reported(query, seen, before, after)
            ]
        return found

    def _is_reported(self, query: Query, seen: Seen, before: Answer, after: Answer) -> bool:
        if self._comparison.unknown and seen.direction == "wider":
            return True
        if seen.what == "policy" and seen.direction == "other":
            return any(what == "policy" for _, what, _, _ in self._reported)
        is_odd = any(isinstance(each, Decision) and each.reason.code == "origin-malformed" for each in (before, after))
        if seen.what in _ONCE or len(query.origins) != 1 or is_odd:
            return any(key[:2] == seen for key in self._reported)
        return (*seen, _rule(before), _rule(after)) in self._reported

    def _is_shown(self, one: Difference) -> bool:
        before, after = answer_of(self._before, one.witness), answer_of(self._after, one.witness)
        if (_plain(before), _plain(after)) != (_plain(one.before), _plain(one.after)):
            return False
        shown = differences(one.witness, before, after)
        names = [answer.policy for answer in (before, after) if isinstance(answer, Decision)]
        if (one.what == "url" and len(set(names)) != 1) or isinstance(one.before, BadQuery):
            return any(seen.direction == one.direction for seen in shown)
        return any(seen == (one.direction, one.what) for seen in shown)


def _keys(one: Difference) -> Iterator[tuple[str, str, int | None, int | None]]:
    yield one.direction, one.what, _rule(one.before), _rule(one.after)


def _plain(answer: Answer) -> object:
    if isinstance(answer, BadQuery):
        return answer.code
    return answer.kind, answer.allowed, answer.status, answer.headers, answer.policy, answer.rule, answer.guard


def answer_of(policies: ActivePolicies, query: Query) -> Answer:
    """Decide about a query; give why there is no decision."""
    try:
        return policies.decide(query)
    except BadQuery as error:
        return error


def name_of(answer: Answer) -> str:
    """The policy that decided, or why none did."""
    return answer.policy if isinstance(answer, Decision) else answer.code


def _rule(answer: Answer) -> int | None:
    return answer.rule if isinstance(answer, Decision) else None


def _turn(before: bool, after: bool) -> str:
    return "other" if before == after else "wider" if after else "narrower"


def differences(query: Query, before: Answer, after: Answer) -> list[Seen]:
    """What two answers differ in, by what a page can do."""
    if isinstance(before, BadQuery) and isinstance(after, BadQuery):
        return []
    let, lets = (isinstance(each, Decision) and each.allowed is True for each in (before, after))
    if isinstance(before, BadQuery) or isinstance(after, BadQuery):
        (code,) = {each.code for each in (before, after) if isinstance(each, BadQuery)}
        return [Seen(_turn(let, lets), "policy" if code == "unknown-policy" else "url")]
    old, new = dict(before.headers), dict(after.headers)
    found: list[Seen] = []
    if let != lets:
        code = (after if let else before).reason.code
        what = "method" if "method" in code else "request-header" if "header" in code else "origin"
        found.append(Seen(_turn(let, lets), "url" if "same-origin" in {before.kind, after.kind} else what))
    elif before.kind != after.kind:
        found.append(Seen("other", "url"))
    elif let:
        found += _of_grants(before, after, old, new)
    if before.kind != "preflight":
        found += _lists("timing", old, new, "Timing-Allow-Origin", query.origins[0] if query.origins else None)
        levels = [_LEVELS[headers.get("Cross-Origin-Resource-Policy", "")] for headers in (old, new)]
        found += [Seen("wider", "embedding")] * any(levels[1][n] > levels[0][n] for n in (0, 1))
        found += [Seen("narrower", "embedding")] * any(levels[1][n] < levels[0][n] for n in (0, 1))
    named = [_named(query, headers) for headers in (old, new)]
    if old.get("Vary") != new.get("Vary") or (let and lets and named[0] != named[1]):
        found.append(Seen("other", "caching"))
    return [*found, *_of_guards(before, after)]


def _of_grants(before: Decision, after: Decision, old: dict[str, str], new: dict[str, str]) -> Iterator[Seen]:
    credentials = [headers.get("Access-Control-Allow-Credentials") == "true" for headers in (old, new)]
    if credentials[0] != credentials[1]:
        yield Seen(_turn(*credentials), "credentials")
    if old.get("Access-Control-Max-Age") != new.get("Access-Control-Max-Age"):
        yield Seen("other", "max-age")
    if before.status != after.status:
        yield Seen("other", "status")
    yield from _lists("exposed-header", old, new, "Access-Control-Expose-Headers", None)


def _of_guards(before: Decision, after: Decision) -> Iterator[Seen]:
    stopped, stops = (each.guard is not None and each.guard.stops for each in (before, after))
    if stopped != stops:
        yield Seen(_turn(not stopped, not stops), "guard")
    elif len({each.guard is None or each.guard.passes for each in (before, after)}) > 1:
        yield Seen("other", "guard")


def _named(query: Query, headers: dict[str, str]) -> str:
    named = headers.get("Access-Control-Allow-Origin", "")
    return named if named in {"", "*"} else str(named in query.origins)


def _lists(what: str, old: dict[str, str], new: dict[str, str], name: str, only: str | None) -> Iterator[Seen]:
    was, now = (set(headers.get(name, "").split(", ")) - {""} for headers in (old, new))
    if only is not None:
        was, now = ({only} if names & {"*", only} else set() for names in (was, now))
    if "*" not in was and now - was:
        yield Seen("wider", what)
    if "*" not in now and was - now:
        yield Seen("narrower", what)
