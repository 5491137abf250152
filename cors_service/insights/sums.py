"""Adds up the lines of a roll-up log, in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import UNSET

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision.covering import RulePatterns
from cors_service.insights._frequent import FrequentKeys
from cors_service.insights._moments import Moments
from cors_service.insights.lines import Decisions, Form, Line, Others, seconds_of
from cors_service.insights.timeline import Timeline, outcome_of

_REFUSALS: Final = 20_000
_SERVED: Final = 50_000
_POLICIES: Final = 20_000
_REVISIONS: Final = 100
_INSTANCES: Final = 1000
_REASONS: Final = 50
"""Reasons why nothing can be decided; a service knows a handful."""
_KINDS: Final = 50
"""Kinds of decisions; a service knows a handful."""
_METHODS: Final = 20
"""Methods of a rule that are counted one by one."""
_MOMENTS: Final = 2000
"""Origins whose preflights are placed in time, of all rules together."""
_REMEMBERED: Final = 100_000
"""Answers of the policies that are remembered while lines are added."""

Refusal = tuple[str | None, str | None, Form, str, str]
"""The policy, the origin and its form, the code of the reason, and the method if that is what the reason is about."""
Served = tuple[str, int, str, str]
"""The policy, the number of the rule, the pattern and the origin."""

# A place that is not known.
_UNKNOWN: Final[tuple[int, str | None]] = (0, None)
_ABOUT_METHOD: Final = frozenset({"method-not-allowed", "method-malformed"})


class RuleSums:
    """What a rule decided.

    Attributes:
        count: Decisions, refusals of what it covers but does not grant among them.
        last: When it decided last.
        masked: Decisions about origins that are not written as they are.
        preflights: Preflights that it allowed, by the method that they ask about.
        requests: Other requests that it allowed, by method.
        example: An origin that it allowed a preflight, if there was one.
        moments: For each origin, when it allowed it preflights.
    """

    __slots__ = ("count", "example", "last", "masked", "moments", "preflights", "requests")

    def __init__(self) -> None:
        self.count = self.masked = 0
        self.last = ""
        self.preflights: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.example: str | None = None
        self.moments: dict[str | None, Moments] = {}


class Sums:
    """What many lines say together.

    Attributes:
        active: The policies that it is about; None if they are not known.
        begin: When the first interval began; empty if there is no line.
        end: When the last one ended.
        lines: How many lines were added.
        other: Decisions that were not told apart.
        masked: Decisions whose origins were not written as they are.
        unplaced: Decisions of other revisions about which it is not known which rule of these policies covers them.
        unplaced_of: The same by policy, for the policies of `active`.
        longest: Seconds of the longest interval of preflights.
        kinds: Decisions by their kind and by whether they were allowed.
        instances: The services, 1,000 at most.
        revisions: Decisions by the revision of the policies.
        policies: Decisions by policy.
        asked: The policies of `active` that somebody asked for.
        refusals: Refused requests by `Refusal`.
        undecided: Questions about which nothing could be decided, by the code of the reason.
        rules: By policy and rule; without policies those of the log, whatever its revisions meant by them.
        exact: For a policy and the number of a rule, when origins that it lists were seen last.
        served: Decisions by `Served`, where the pattern is not the origin itself.
        timeline: Traffic over time.
    """

    def __init__(self, active: ActivePolicies | None = None) -> None:
        """Begin with nothing.

        Args:
            active: The policies that it is about.
        """
        self.active = active
        self.begin = self.end = ""
        self.lines = self.other = self.masked = self.unplaced = 0
        self.unplaced_of: Counter[str] = Counter()
        self.longest = 0.0
        self._moments = 0
        self.kinds: Counter[tuple[str, bool | None]] = Counter()
        self.instances: set[str] = set()
        self.revisions: FrequentKeys[str | None] = FrequentKeys(_REVISIONS)
        self.policies: FrequentKeys[str | None] = FrequentKeys(_POLICIES)
        self.asked: set[str] = set()
        self.refusals: FrequentKeys[Refusal] = FrequentKeys(_REFUSALS)
        self.undecided: FrequentKeys[str] = FrequentKeys(_REASONS)
        self.rules: dict[tuple[str, int], RuleSums] = {}
        self.exact: dict[tuple[str, int], dict[str, str]] = {}
        self.served: FrequentKeys[Served] = FrequentKeys(_SERVED)
        self.timeline = Timeline()
        self._patterns: dict[tuple[str, int], RulePatterns] = {}
        self._places: dict[tuple[str, str, int | None], tuple[int, str | None] | None] = {}

    def add_all(self, lines: Iterable[Line]) -> None:
        """Add lines in any order."""
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> None:
        """Add a line; one about a single decision, which others count, says nothing new."""
        if isinstance(line, Decisions):
            self._cover(line.begin, line.end)
            self._add(line)
        elif isinstance(line, Others):
            self._cover(line.begin, line.end)
            self.other += line.count
            self.timeline.add(seconds_of(line.begin), "other", line.count)

    def is_whole(self, policy: str, number: int) -> bool:
        """Whether all origins are known about which a rule decided, as far as decisions were told apart at all."""
        rule = self.rules.get((policy, number))
        return not (self.unplaced_of[policy] or (rule is not None and rule.masked))

    def _cover(self, begin: str, end: str) -> None:
        self.lines += 1
        if not self.begin or begin < self.begin:
            self.begin = begin
        self.end = max(self.end, end)

    def _add(self, line: Decisions) -> None:
        count, allowed = line.count, line.allowed
        kind = (line.kind, allowed)
        self.kinds[kind if kind in self.kinds or len(self.kinds) < _KINDS else ("", None)] += count
        self.policies.add(line.policy, count, line.seen)
        self.revisions.add(line.revision, count, line.seen)
        if len(self.instances) < _INSTANCES:
            self.instances.add(line.instance)
        if line.is_masked:
            self.masked += count
        what = outcome_of(line)
        self.timeline.add(seconds_of(line.begin), what, count)
        if what == "undecided":
            self.undecided.add(line.reason, count, line.seen)
        if allowed is False:
            method = line.method if line.reason in _ABOUT_METHOD else ""
            origin = None if line.origin is UNSET else line.origin
            self.refusals.add((line.policy, origin, line.origins, line.reason, method), count, line.seen)
        if line.policy is None:
            return
        if self.active is not None and line.policy in self.active.policy_set.policies:
            self.asked.add(line.policy)
        if line.kind in {"preflight", "actual"}:
            self._add_to_rule(line.policy, line)

    def _add_to_rule(self, policy: str, line: Decisions) -> None:
        """Add a decision to the rule that decides about its origin."""
        place = self._place(policy, line)
        if place is None:
            return
        if place is _UNKNOWN:
            self.unplaced += line.count
            if policy in self.asked:
                self.unplaced_of[policy] += line.count
            return
        number, pattern = place
        sums = self.rules.get((policy, number))
        if sums is None:
            # Without policies, nothing else bounds them.
            if self.active is None and len(self.rules) >= _POLICIES:
                return
            sums = self.rules[policy, number] = RuleSums()
        sums.count += line.count
        sums.last = max(sums.last, line.seen)
        if line.is_masked:
            sums.masked += line.count
        if line.allowed:
            methods = sums.preflights if line.kind == "preflight" else sums.requests
            method = line.method if line.method in methods or len(methods) < _METHODS else ""
            methods[method] += line.count
            if line.kind == "preflight":
                self._place_in_time(sums, line)
        if pattern is not None and line.page is not None:
            self._see(policy, number, pattern, line.page, line)

    def _see(self, policy: str, number: int, pattern: str, page: str, line: Decisions) -> None:
        if pattern == page:
            seen = self.exact.setdefault((policy, number), {})
            seen[pattern] = max(seen.get(pattern, ""), line.seen)
        else:
            self.served.add((policy, number, pattern, page), line.count, line.seen)

    def _place_in_time(self, sums: RuleSums, line: Decisions) -> None:
        if line.page is not None:
            sums.example = line.page
        moments = sums.moments.get(line.page)
        if moments is None:
            if self._moments >= _MOMENTS:
                return
            self._moments += 1
            moments = sums.moments[line.page] = Moments()
        begin = seconds_of(line.begin)
        moments.add(begin)
        self.longest = max(self.longest, seconds_of(line.end) - begin)

    def _place(self, policy: str, line: Decisions) -> tuple[int, str | None] | None:
        """Find the number of the rule, and of its patterns the one that covers the origin."""
        active, origin = self.active, line.page
        if active is None:
            return None if line.rule is None else (line.rule, None)
        # Another revision may have meant another rule by the number.
        number = line.rule if line.revision == active.revision else None
        if origin is None:
            return (number, None) if number is not None else None if line.rule is None else _UNKNOWN
        key = policy, origin, number
        if key in self._places:
            return self._places[key]
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        place = self._places[key] = self._find(active, policy, origin, number)
        return place

    def _find(
        self, active: ActivePolicies, policy: str, origin: str, number: int | None
    ) -> tuple[int, str | None] | None:
        if number is None:
            try:
                decision = active.decide(Query("GET", policy=policy, origins=(origin,)))
            except BadQuery:
                return None
            if decision.rule is None:
                return _UNKNOWN if decision.reason.code == "origin-needs-url" else None
            number = decision.rule
        known = active.policy_set.policies.get(policy)
        if known is None or not 0 < number <= len(known.rules):
            return None
        patterns = self._patterns.get((policy, number))
        if patterns is None:
            patterns = self._patterns[policy, number] = RulePatterns.of(known.rules[number - 1], active.policy_set)
        return number, patterns.find(origin)
