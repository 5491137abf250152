"""`/policies/NAME`: a policy, in words, with how often each rule is used and who changed it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import htpy as h

from cors_service.access.callers import Caller
from cors_service.admin.decisions_file import DAY, HOUR
from cors_service.admin.endpoint import parameters
from cors_service.console.changes import draw_entry
from cors_service.console.console import Console
from cors_service.console.page import Page
from cors_service.console.parts import count, instant, name, notice, plain, rows
from cors_service.grammar.mistakes import shown
from cors_service.grammar.nearest import nearest
from cors_service.grammar.pattern import write_pattern
from cors_service.insights.sums import RuleSums
from cors_service.ledger.entry import Entry, Key
from cors_service.ledger.kept import Kept, StoreUnavailable
from cors_service.policy.model import Guard, Policy, Rule
from cors_service.policy.words import rule_in_words
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

_DAYS: Final = 7
"""Days of which it is said how often a rule was used."""
_MOST_PATTERNS: Final = 200
_MOST_URLS: Final = 100
_MOST_CHANGES: Final = 10
_UNAVAILABLE: Final = "The store can't be read now: neither the definition nor its history can be shown."
_LONGEST_BODY: Final = 20_000
"""Characters of a definition that are shown."""


class PolicyPage(Page):
    """The page of one policy."""

    section = "/policies"

    def __init__(self, console: Console, policy: str) -> None:
        super().__init__(console)
        self._name = policy

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw it."""
        parameters(request)
        kept = self.desk.changes.kept
        policy = self._found(kept, caller)

        async def make() -> Answer:
            now = int(self.desk.clock.seconds())
            begin = now - _DAYS * DAY
            used = await self.console.decisions.uses(kept.policy_set, policy.name, begin - begin % HOUR, now + 1)
            kept_of_it = await self.desk.changes.ask(lambda newest: self._read(newest, policy))
            return self.draw(
                request,
                f"Policy {plain(policy.name)}",
                self._links(policy),
                _facts(policy),
                _rules(policy, kept, used),
                _kept(*kept_of_it) if kept_of_it else notice("bad", _UNAVAILABLE),
            )

        return self.later(make)

    def _found(self, kept: Kept, caller: Caller) -> Policy:
        policy = kept.policy_set.policies.get(self._name)
        if policy is not None and caller.may_touch(policy.name):
            return policy
        if not caller.may_touch(self._name):
            raise Problem(403, "forbidden", "This caller may not ask about this policy.")
        near = nearest(self._name, [one for one in kept.policy_set.policies if caller.may_touch(one)])
        hint = f" The nearest is '{near}'." if near else ""
        raise Problem(404, "unknown-policy", f"There is no policy {shown(self._name)}.{hint}")

    def _read(self, kept: Kept, policy: Policy) -> tuple[Any, list[Entry]] | None:
        """Read its definition, and what changed it or the sets that it uses; None if the store can't be read."""
        store = self.desk.changes.store
        keys = {
            Key("policy", policy.name),
            *(Key("origin-set", one) for one in policy.uses),
            *(Key("header-set", one) for one in policy.uses_headers),
        }
        try:
            recent = self.console.recent.read(store, kept)
            body = store.body(Key("policy", policy.name))
        except StoreUnavailable:
            return None
        entries = [one.entry for one in reversed(recent) if any(each.key in keys for each in one.entry.changes)]
        return body, entries[:_MOST_CHANGES]

    def _links(self, policy: Policy) -> h.Element:
        query = urlencode({"policy": policy.name})
        ways = {"/change": "Change it", "/playground": "Ask what it decides"}
        return h.p(".choices")[
            [h.a(href=f"{one.path}?{query}")[ways[one.path]] for one in self.console.sections if one.path in ways]
        ]


def _facts(policy: Policy) -> h.Element:
    urls = policy.match[:_MOST_URLS]
    more = len(policy.match) - len(urls)
    return h.dl(".facts")[
        h.dt["URLs"],
        h.dd[
            [[name(match.text), " "] for match in urls] if urls else "none: it is asked for by its name",
            more > 0 and f"and {count(more)} more",
        ],
        h.dt["Allowed preflights"],
        h.dd[f"have the status {policy.preflight_status}"],
        policy.static and [h.dt["Static"], h.dd["every answer names its one origin"]],
        policy.guard is not None and [h.dt["Guard"], h.dd[plain(guard_in_words(policy.guard), 500)]],
    ]


def guard_in_words(guard: Guard) -> str:
    """Say which requests a guard stops."""
    about = "all requests" if guard.requests == ("all",) else f"requests that are {' or '.join(guard.requests)}"
    verb = "stops" if guard.mode == "enforce" else "reports, and does not stop,"
    without = "pass" if guard.without_origin == "allow" else "do not pass"
    hosts = f"; the service may be called as {', '.join(guard.hosts)}" if guard.hosts else ""
    return f"{verb} {about} of pages that are not allowed; requests without an Origin {without}{hosts}"


def _rules(policy: Policy, kept: Kept, used: Mapping[int, RuleSums]) -> h.Element:
    lines = [
        (
            count(place),
            plain(rule_in_words(rule, kept.policy_set), 1000),
            count(used[place].count) if place in used else "0",
            instant(used[place].last) if place in used else "-",
        )
        for place, rule in enumerate(policy.rules, 1)
    ]
    last = f"Last (UTC, of {_DAYS} days)"
    return h.section[
        h.h2["Rules"],
        h.p["The first rule that covers an origin decides about it."],
        rows("Rules", ("Rule", "In words", f"Decisions in {_DAYS} days", last), lines, right=(2,)),
        [_patterns(place, rule) for place, rule in enumerate(policy.rules, 1) if len(rule.origins) > 1],
    ]


def _patterns(place: int, rule: Rule) -> h.Element:
    listed = rule.origins[:_MOST_PATTERNS]
    more = len(rule.origins) - len(listed)
    return h.details[
        h.summary[f"Origin patterns of rule {place}"],
        h.ul[[h.li[name(write_pattern(one))] for one in listed]],
        more > 0 and h.p[f"{count(more)} more are not shown."],
    ]


def _kept(body: object, entries: Sequence[Entry]) -> h.Fragment:
    return h.fragment[_written(body), _changed(entries)]


def _written(body: object) -> h.Element:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    is_cut = len(text) > _LONGEST_BODY
    return h.details[
        h.summary["As it is written"],
        is_cut and notice("plain", f"It has {count(len(text))} characters; these are the first."),
        h.pre(tabindex="0")[plain_lines(text[:_LONGEST_BODY])],
    ]


def plain_lines(text: str) -> str:
    """Give a text of several lines with each other invisible character written out."""
    return "\n".join(plain(one, _LONGEST_BODY) for one in text.split("\n"))


def _changed(entries: Sequence[Entry]) -> h.Element:
    def parts() -> Iterator[h.Node]:
        if entries:
            yield h.ol(".entries")[[draw_entry(one) for one in entries]]
        else:
            yield h.p["None of the newest changes touched it."]

    return h.section[h.h2["Changes of it, and of what it uses"], parts()]
