"""Checks what somebody types: mistakes at their lines, what would become wider or narrower, tests that would fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from cors_service.access.callers import Caller
from cors_service.admin.compiled import Compiled
from cors_service.admin.making import check_scope
from cors_service.algebra import Comparison, compare
from cors_service.console.sheet import placed, read_sheet, sets_used
from cors_service.decision import ActivePolicies
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.ledger.chain import differences
from cors_service.ledger.definitions import NOTHING, Definitions
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Touched
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import Kept, StoreIsWrong, StoreUnavailable
from cors_service.policy import PolicySet
from cors_service.suites.mistakes import InvalidSuite
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.running import Failure, run

MOST_FAILURES: Final = 50
"""Failed requests of suites that are listed."""


class Typed(Struct, frozen=True, kw_only=True):
    """What somebody has typed.

    Attributes:
        text: The document.
        before: The document as it was sent to be edited.
        reason: Why.
    """

    text: str
    before: str = ""
    reason: str = ""


class Mistaken(Exception):
    """A document has mistakes.

    Attributes:
        mistakes: The first ones, in the order of their lines.
        more: How many there are beside.
    """

    def __init__(self, mistakes: Sequence[PolicyError], more: int) -> None:
        super().__init__("The document has mistakes.")
        self.mistakes = mistakes
        self.more = more


class FailedTest(Struct, frozen=True):
    """A test that would fail.

    Attributes:
        suite: The name of its suite.
        case: The name of the case.
        request: What a page asks.
        problems: What would be different from what the case expects.
    """

    suite: str
    case: str
    request: str
    problems: tuple[str, ...]


class Checked(Struct, frozen=True, kw_only=True):
    """What a change would do.

    Attributes:
        edits: What it writes and removes.
        changes: What that does to definitions.
        after: The policies that they lead to.
        comparison: What it lets through and keeps back.
        failures: The tests that would fail.
    """

    edits: Sequence[Edit]
    changes: Sequence[Touched]
    after: PolicySet
    comparison: Comparison
    failures: Sequence[FailedTest]


class Checks:
    """Checks one text after the other, without reading all policies again. One thread at a time uses it."""

    def __init__(self) -> None:
        self._definitions: Definitions | None = None
        self._now, self._then = Compiled(), Compiled()

    def read(self, store: IChangeStore, kept: Kept) -> Definitions:
        """Read what is there; of what was read before, only what has changed.

        Args:
            store: Where it is.
            kept: What it holds.
        """
        known = self._definitions
        if known is None:
            # Nothing at all would be a mistake.
            self._definitions = known = Definitions.of(store.bodies(kept.digests)) if kept.digests else NOTHING
        elif known.digests != kept.digests:
            keys = known.digests.keys() | kept.digests.keys()
            changed = [key for key in keys if known.digests.get(key) != kept.digests.get(key)]
            bodies = store.bodies(changed)
            self._definitions = known = known.changed({key: bodies.get(key) for key in changed})
        return known

    def typed(self, store: IChangeStore, kept: Kept, caller: Caller, typed: Typed) -> Checked:
        """Say what somebody has typed would do; blocks.

        Args:
            store: The store.
            kept: What it holds.
            caller: Who wants it.
            typed: What was typed.

        Raises:
            Mistaken: The policies would have mistakes.
            Problem: The caller may not change that.
            StoreIsWrong: Somebody else has to mend something first.
        """
        try:
            edits = read_sheet(typed.text, typed.before, kept, store.bodies(sets_used(typed.text)))
            return self.edited(store, kept, caller, edits)
        except InvalidPolicies as invalid:
            raise Mistaken(placed(invalid.mistakes, typed.text), invalid.more) from None

    def edited(self, store: IChangeStore, kept: Kept, caller: Caller, edits: Sequence[Edit]) -> Checked:
        """Say what edits would do; blocks.

        Args:
            store: The store.
            kept: What it holds.
            caller: Who wants them.
            edits: What to write and to remove.

        Raises:
            InvalidPolicies: The policies would have mistakes.
            Problem: The caller may not change that.
            StoreIsWrong: Somebody else has to mend something first.
        """
        if kept.mistakes is not None:
            raise StoreIsWrong(kept.mistakes)
        before = self.read(store, kept)
        after = before.changed({edit.key: edit.body for edit in edits}) if edits else before
        comparison = compare(before.policy_set, after.policy_set)
        check_scope(caller, comparison)
        keys = [edit.key for edit in edits]
        changes = differences(
            {key: before.digests[key] for key in keys if key in before.digests},
            {key: after.digests[key] for key in keys if key in after.digests},
        )
        failures = self._failing(store, before.policy_set, after.policy_set) if changes else []
        return Checked(edits=edits, changes=changes, after=after.policy_set, comparison=comparison, failures=failures)

    def _failing(self, store: IChangeStore, before: PolicySet, after: PolicySet) -> list[FailedTest]:
        """Run the suites of the store, and name the tests that a change would let fail, and that pass now."""
        try:
            suites = store.suites()
        except StoreUnavailable:
            return []
        if not suites:
            return []
        old = set(_failures(suites, self._now.of(before)))
        return [one for one in _failures(suites, self._then.of(after)) if one not in old][:MOST_FAILURES]


def _failures(suites: Sequence[tuple[str, str]], active: ActivePolicies) -> list[FailedTest]:
    found: list[FailedTest] = []
    for name, text in suites:
        try:
            done = run(SuiteDraft(name, text).with_policies(active), active)
        except InvalidSuite as invalid:
            found += [FailedTest(name, "", "", (mistake.message,)) for mistake in invalid.mistakes]
            continue
        found += [
            _failed(name, outcome.case.name, failure) for outcome in done.outcomes for failure in outcome.failures
        ]
    return found


def _failed(suite: str, case: str, failure: Failure) -> FailedTest:
    return FailedTest(suite, case, failure.exchange.page.in_words(), failure.problems)
