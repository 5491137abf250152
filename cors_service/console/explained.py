"""Answers to the questions of the playground: the exchange by the policies that somebody may see, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, structs

from cors_service.access.callers import Caller
from cors_service.admin.compiled import Compiled
from cors_service.console.question import Question
from cors_service.console.sheet import bodies_of, is_long, keys_with, sheet_of
from cors_service.decision import ActivePolicies
from cors_service.explain import Documents, ExchangeStep, Explanation, PageRequest, explain
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Kept
from cors_service.policy import PolicySet, Source
from cors_service.policy.words import rule_in_words

DOCUMENT: Final = "policies.toml"
"""What a patch calls the document."""
_FEW: Final = 50
"""Policies that are looked at where none decides."""
_TOO_LONG: Final = "The policy lists too many origins to look for an edit here: ask cors-service explain for one."
_SCOPES: Final = 8
"""Callers with policies of their own for whom these are kept compiled."""

Bodies = Callable[[Iterable[Key]], Mapping[Key, Body]]
"""Gives definitions."""


class Visible:
    """The policies that somebody may see, ready to decide. One thread at a time uses it."""

    def __init__(self) -> None:
        # By the prefixes of the policies that a caller may see: what they are a part of, and that part.
        self._known: dict[tuple[str, ...] | None, tuple[PolicySet, PolicySet]] = {}
        self._compiled: dict[tuple[str, ...] | None, Compiled] = {}

    def to(self, caller: Caller, kept: Kept) -> ActivePolicies:
        """Give those that a caller may see."""
        whole, scope = kept.policy_set, caller.policies
        known = self._known.get(scope)
        if known is None or known[0] is not whole:
            if known is None and len(self._known) >= _SCOPES:
                oldest = next(iter(self._known))
                del self._known[oldest], self._compiled[oldest]
            known = self._known[scope] = (whole, _scope(caller, whole))
        return self._compiled.setdefault(scope, Compiled()).of(known[1])


class RuleAtWork(Struct, frozen=True):
    """A rule that decides.

    Attributes:
        policy: The name of its policy.
        number: Its number, from 1.
        words: What it says.
    """

    policy: str
    number: int
    words: str


class Change(Struct, frozen=True):
    """A change that lets an exchange through.

    Attributes:
        name: The name of the policy.
        before: The document that it changes; empty for a new policy.
        text: The same, changed.
    """

    name: str
    before: str
    text: str


class Answered(Struct, frozen=True):
    """The answer to a question.

    Attributes:
        explanation: What comes of the exchange.
        rules: The rules that decide.
        change: What lets it through, as a change; None if nothing does, or nothing has to.
    """

    explanation: Explanation
    rules: tuple[RuleAtWork, ...] = ()
    change: Change | None = None


def answered(exchange: PageRequest, active: ActivePolicies, kept: Kept, bodies: Bodies) -> Answered:
    """Answer a question.

    Args:
        exchange: What is asked.
        active: The policies that may be seen.
        kept: What is there.
        bodies: Gives definitions.
    """
    explanation = explain(exchange, active)
    rules = _rules(explanation, active.policy_set)
    keys = [] if explanation.passes else _keys(explanation, active.policy_set, kept)
    if not keys:
        return Answered(explanation, rules)
    if is_long(keys, kept):
        step = ExchangeStep("mending", "note", _TOO_LONG)
        return Answered(structs.replace(explanation, steps=(*explanation.steps, step)), rules)
    text = sheet_of(bodies(keys))
    documents = Documents([Source(DOCUMENT, "toml", text)], elsewhere=kept.policy_set.policies)
    mended = explain(exchange, documents)
    steps = tuple(step for step in mended.steps if step.step == "mending")
    explanation = structs.replace(explanation, steps=(*explanation.steps, *steps), mending=mended.mending)
    change = None if mended.mending is None else _change(text, mended.mending.document, kept)
    return Answered(explanation, rules, change)


def asked(question: Question, active: ActivePolicies) -> PageRequest:
    """Give the exchange that a question is about.

    Raises:
        InvalidQuestion: No page can ask this.
    """
    return question.exchange(active.policy_set.policies)


def _scope(caller: Caller, policy_set: PolicySet) -> PolicySet:
    if caller.policies is None:
        return policy_set
    policies = [policy for name, policy in policy_set.policies.items() if caller.may_touch(name)]
    return PolicySet.of(
        policies,
        {name: policy_set.origin_sets[name] for policy in policies for name in policy.uses},
        {name: policy_set.header_sets[name] for policy in policies for name in policy.uses_headers},
    )


def _rules(explanation: Explanation, policy_set: PolicySet) -> tuple[RuleAtWork, ...]:
    found = {(decision.policy, decision.rule) for decision in explanation.decisions if decision.rule is not None}
    return tuple(
        RuleAtWork(name, number, rule_in_words(policy_set.policies[name].rules[number - 1], policy_set))
        for name, number in sorted(found)
    )


def _keys(explanation: Explanation, policy_set: PolicySet, kept: Kept) -> list[Key]:
    """What an edit may be about: the policy that decides, or else those for the same host."""
    names = {decision.policy for decision in explanation.decisions}
    if not names and explanation.exchange.policy is None:
        host = urlsplit(explanation.exchange.url).netloc.lower()
        beside = [
            policy.name
            for policy in policy_set.policies.values()
            if any(match.authority == host for match in policy.match)
        ]
        # A document without a policy is none.
        names = set(beside[:_FEW] or list(policy_set.policies)[:1])
    return sorted({key for name in names for key in keys_with(Key("policy", name), kept)})


def _change(before: str, after: str, kept: Kept) -> Change | None:
    """Take the policy that was edited out of a document."""
    old, new = bodies_of(before), bodies_of(after)
    changed = [key for key, body in new.items() if key.kind == "policy" and body != old.get(key)]
    if len(changed) != 1:
        return None
    [key] = changed
    if key not in old:
        return Change(key.name, "", sheet_of({key: new[key]}))
    keys = keys_with(key, kept)
    return Change(key.name, sheet_of({one: old[one] for one in keys}), sheet_of({one: new[one] for one in keys}))
