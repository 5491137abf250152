"""Compares two policies, by which the same queries are decided before and after a change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct, structs

from cors_service.algebra._addresses import ToldApartError, TooMany
from cors_service.algebra._engines import Engines, Finding
from cors_service.algebra._extents import Entry, Extents
from cors_service.algebra._guards import guard_queries, hosts_of_guards, through
from cors_service.algebra._places import origins
from cors_service.algebra._questions import combinations, questions
from cors_service.algebra._values import Answer, Unknown
from cors_service.algebra._walk import Walk
from cors_service.algebra._where import NO_SIDE, Where
from cors_service.decision import BadQuery, Circumstances, Query
from cors_service.grammar.automaton import TooLargeError, UnreadableError
from cors_service.grammar.expression import Expression, automaton_of
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy, Rule

_MALFORMED: Final = "https://"
_SEVERAL: Final = ("https://a.invalid", "https://b.invalid")
_NO_RULE: Final = 0
_WHY: Final = {
    UnreadableError: "an expression of it is not taken apart",
    TooLargeError: "an expression of it makes too large an automaton",
    ToldApartError: "an expression of it covers some IPv6 addresses and not others",
    TooMany: "its globs and expressions divide them into too many classes",
}
_OF_ALL: Final = frozenset({"embedding", "caching", "status", "url"})
"""What is reported once for a policy, whichever rules and patterns decide."""


class Side(Struct, frozen=True):
    """A policy and its set; no policy, if there is none.

    Attributes:
        policy: The policy.
        policy_set: The set, with its origin sets and header sets.
    """

    policy: Policy | None
    policy_set: PolicySet

    @property
    def rules(self) -> list[Rule]:
        """What its rules grant, with header sets written out, and without origins."""
        headers = self.policy_set.headers
        return [
            structs.replace(
                rule,
                origins=(),
                request_headers=headers(rule.request_headers),
                expose_headers=headers(rule.expose_headers),
                dangerously_allow=(),
            )
            for rule in (self.policy.rules if self.policy else ())
        ]


class Found(NamedTuple):
    """A difference, and the patterns that it is about.

    Attributes:
        finding: The difference, with a query that shows it.
        before: The pattern that decides in the policy before; nothing if no pattern or the same one does.
        after: The pattern that decides in the policy after.
        by_url: Whether the policies differ because the URL finds another one.
    """

    finding: Finding
    before: str = ""
    after: str = ""
    by_url: bool = False

    @property
    def what(self) -> str:
        """What it is about, as `Difference` has it."""
        return "url" if self.by_url else self.finding.effect.what


class Pair:
    """Two policies, by which the same queries are decided."""

    def __init__(self, before: Side, after: Side, engines: Engines, where: Where) -> None:
        """Look at the policies.

        Args:
            before: The policy before.
            after: The policy after.
            engines: What decides by both sets.
            where: The queries that find both.
        """
        self._sides = before, after
        self._engines = engines
        self._where = where
        self._base = where.base
        self._rules = before.rules, after.rules
        self._policies = [side.policy for side in self._sides if side.policy]
        guarded = any(policy.guard for policy in self._policies)
        self._hosts = hosts_of_guards(self._base, self._policies, engines) if guarded else {}
        self._extents = Extents()
        for side, each in enumerate(self._sides):
            for number, rule in enumerate(each.policy.rules if each.policy else (), start=1):
                self._extents.add(each.policy_set.each_pattern(rule), side, number)
        where.prepare(self._extents)
        self._tells_cleartext = any(map(self._leaves_out_cleartext, self._extents.expressions))
        self._changed = self._find_changed()
        self._found: dict[tuple[object, ...], Found] = {}
        # A query with a URL, and one without, for each pair of rules that decide.
        self._samples: dict[tuple[object, ...], Query] = {}
        # What each pair of rules was found to differ in.
        self._known: dict[tuple[object, ...], list[Finding]] = {}
        self.unknown: list[Unknown] = []

    def compare(self) -> list[Found]:
        """Give all differences, each once: by the patterns and the rules that decide, and by what they grant."""
        name = (self._sides[1].policy or self._sides[0].policy or Policy(name="", rules=())).name
        seen: list[str] = []
        try:
            for origin in origins(self._extents, self._changed):
                seen.append(origin)
                self._ask_with_urls(origin)
            if self._extents.expressions:
                self._refine(seen)
        except (UnreadableError, TooLargeError, ToldApartError, TooMany) as error:
            self.unknown.append(Unknown(name, f"Not all origins of policy {name} were compared: {_WHY[type(error)]}."))
        for origin in self._where.owns:
            self._ask(structs.replace(self._base, origins=(origin,), url=f"{origin}/"))
        for query in self._without_page():
            self._keep(self._engines.findings(query), (), "", "")
        # What no browser sends is only of interest where nothing else shows the same.
        for odd in ((_MALFORMED,), _SEVERAL):
            self._ask(structs.replace(self._base, origins=odd), is_odd=True)
        return _telling(self._found.values())

    def _refine(self, seen: Iterable[str]) -> None:
        """Ask about origins that expressions tell apart from those that were asked about."""
        if self._changed is not None and not self._changed:
            return
        walk = Walk(self._extents, self._changed, tells_cleartext=self._tells_cleartext)
        walk.see(seen)
        for origin in walk.origins():
            self._ask_with_urls(origin)
        if not walk.is_exact:
            raise ToldApartError

    def _ask_with_urls(self, origin: str) -> None:
        for url in self._where.urls(origin):
            self._ask(structs.replace(self._base, origins=(origin,), url=url))

    def _leaves_out_cleartext(self, entry: Entry) -> bool:
        """Whether an expression may match cleartext origins that it does not cover in its rule."""
        policy = self._sides[entry.side].policy
        assert policy is not None
        is_left_out = not policy.rules[entry.rule - 1].covers_cleartext
        return is_left_out and isinstance(entry.pattern, Expression) and entry.pattern.may_be_cleartext

    def _find_changed(self) -> set[Entry] | None:
        """The patterns that only one of the policies has, if their rules grant the same."""
        if self._rules[0] != self._rules[1] or len({*map(_frame, self._sides)}) > 1:
            return None
        if self._tells_cleartext and len({*map(_cleartext, self._sides)}) > 1:
            return None
        entries = [*self._extents.expressions, *self._extents.others]
        for scheme in self._extents.schemes.values():
            for table in (scheme.hosts, scheme.one_label, scheme.labels, scheme.ranges):
                entries += [entry for some in table.values() for entry in some]
            entries += [*scheme.any_host, *scheme.bound]
        entries = [entry for entry in entries if entry.side != NO_SIDE]
        both: dict[object, set[int]] = {}
        for entry in entries:
            both.setdefault((entry.rule, entry.pattern), set()).add(entry.side)
        return {entry for entry in entries if len(both[entry.rule, entry.pattern]) == 1}

    def _ask(self, query: Query, *, is_odd: bool = False) -> None:
        """Find what both decide differently about an origin."""
        answers = self._engines.answers(structs.replace(query, method="GET"))
        key = tuple(map(_outcome, answers))
        # A guard also looks at the host of a URL, so the same rules may hide from it what they show without a URL.
        self._samples.setdefault((key, query.url is None), query)
        if key not in self._known:
            rules = [rules[n - 1] for rules, n in zip(self._rules, map(_rule, answers), strict=True) if n]
            asked = self._questions(query, rules or [*self._rules[0][:1], *self._rules[1][:1]])
            self._known[key] = [finding for each in asked for finding in self._engines.findings(each)]
        if not self._known[key]:
            return
        before, after = (self._pattern(side, _rule(answers[side]), query.origins[0]) for side in (0, 1))
        if before == after:
            before = after = ""
        findings = self._known[key]
        if is_odd:
            seen = {(found.finding.effect.direction, found.finding.effect.what) for found in self._found.values()}
            findings = [each for each in findings if (each.effect.direction, each.effect.what) not in seen]
        self._keep(findings, key, before, after, query)

    def _questions(self, query: Query, rules: list[Rule]) -> list[Query]:
        """All that tells two rules apart about an origin, to guards that list the host, too."""
        asked = [*questions(query, rules)]
        host = self._hosts.get((True, True))
        if host is None:
            return asked
        plain = [structs.replace(each, circumstances=Circumstances(hosts=(host,))) for each in asked]
        handshakes = [*asked, *combinations(query, rules)]
        return [*asked, *plain, *(structs.replace(each, circumstances=through(host)) for each in handshakes)]

    def _keep(
        self, findings: Iterable[Finding], key: tuple[object, ...], before: str, after: str, query: Query | None = None
    ) -> None:
        for found in findings:
            effect = found.effect
            whole = (effect,) if effect.what in _OF_ALL else (effect, key, before, after)
            shown = None if whole in self._found else self._shown(found, query)
            if shown is not None:
                self._found[whole] = Found(shown, before, after)

    def _shown(self, finding: Finding, query: Query | None) -> Finding | None:
        """The same difference, shown by the origin and the URL of another query."""
        if query is None or (finding.query.origins, finding.query.url) == (query.origins, query.url):
            return finding
        again = structs.replace(finding.query, origins=query.origins, url=query.url)
        return next((each for each in self._engines.findings(again) if each.effect == finding.effect), None)

    def _pattern(self, side: int, rule: int, origin: str) -> str:
        """The pattern of a rule that covers an origin."""
        if rule == _NO_RULE:
            return ""
        for entry in self._extents.covering(origin):
            if (entry.side, entry.rule) == (side, rule):
                return entry.text
        for entry in self._extents.expressions:
            if (entry.side, entry.rule) == (side, rule) and automaton_of([entry.text]).Match(origin):
                return entry.text
        return ""

    def _without_page(self) -> Iterator[Query]:
        """Queries about requests without an Origin; and about the guards."""
        yield from questions(structs.replace(self._base, origins=()), [*self._rules[0], *self._rules[1]])
        if self._hosts:
            yield from guard_queries(self._base, self._hosts.values(), self._samples.values())


def _frame(side: Side) -> object:
    """What of a policy matters to all its origins, rules left out, and which of these grant something to everybody."""
    policy = side.policy
    if policy is None:
        return None
    everybody = tuple(side.policy_set.is_for_everybody(rule) for rule in policy.rules)
    return everybody, policy.static, policy.preflight_status, policy.match, policy.guard


def _cleartext(side: Side) -> object:
    """In which rules expressions cover cleartext origins."""
    return tuple(rule.covers_cleartext for rule in side.policy.rules) if side.policy else None


def _outcome(answer: Answer) -> tuple[int, str]:
    """Which rule decides; if none does, why."""
    if isinstance(answer, BadQuery):
        return _NO_RULE, answer.code
    return answer.rule or _NO_RULE, "" if answer.rule else answer.reason.code


def _rule(answer: Answer) -> int:
    return _outcome(answer)[0]


def _telling(found: Iterable[Found]) -> list[Found]:
    """Leave out what says no more than others: of a policy that is new or gone, it is of interest whom it lets in."""
    found = list(found)
    effects = {one.finding.effect for one in found}
    if any(effect.what == "policy" and effect.direction != "other" for effect in effects):
        by_page = [one for one in found if one.before or one.after]
        return [one for one in by_page or found if one.finding.effect.direction != "other"]
    return found
