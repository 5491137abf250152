"""Checks what somebody has typed, and makes the change: mistakes at their lines, what widens, tests that would fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from cors_service.access.callers import Caller
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import DetailedProblem
from cors_service.admin.making import Made, Order, make_change
from cors_service.console.sheet import NAME, overtaken, read_sheet, sets_used
from cors_service.decision import ActivePolicies
from cors_service.grammar.lines import toml_lines
from cors_service.grammar.mistakes import Path
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Kept, StoreUnavailable
from cors_service.policy import PolicySet
from cors_service.suites.mistakes import InvalidSuite
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.running import Failure, run

MOST_FAILURES: Final = 50
"""Failed requests of suites that are listed."""
_MISTAKEN: Final = frozenset({"invalid-policies"})


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


class Mistake(Struct, frozen=True):
    """A mistake of a document.

    Attributes:
        line: Its line; None if it is about another document, or about none.
        where: Its place, as people write it.
        message: What is wrong.
        hint: What to write instead; empty if nobody knows.
        code: The code of the reason.
    """

    line: int | None
    where: str
    message: str
    hint: str
    code: str


class Mistaken(Exception):
    """A document has mistakes.

    Attributes:
        mistakes: The first ones, in the order of their lines.
        more: How many there are beside.
    """

    def __init__(self, mistakes: Sequence[Mistake], more: int) -> None:
        super().__init__("The document has mistakes.")
        self.mistakes = mistakes
        self.more = more


class Overtaken(Exception):
    """Somebody else has changed the same definitions meanwhile.

    Attributes:
        keys: These definitions.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__("Somebody else has changed it meanwhile.")
        self.keys = keys


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


async def carry_out_typed(desk: Desk, caller: Caller, request_id: str, typed: Typed, *, is_dry: bool = False) -> Made:
    """Make the change that somebody has typed.

    Args:
        desk: What resources share.
        caller: Who wants it.
        request_id: Names the request.
        typed: What was typed.
        is_dry: Whether only to say what would be.

    Raises:
        Mistaken: The policies would have mistakes.
        Overtaken: Somebody else has changed the same meanwhile.
        Problem: It can't be done.
    """
    paths: list[Path] = []

    def place(path: Path) -> None:
        # Of a mistake that the rest of the policies shows, the problem tells only where in which document it is.
        paths.append(path)

    def edits(kept: Kept) -> Sequence[Edit]:
        others = desk.changes.store.bodies(sets_used(typed.text))
        return read_sheet(typed.text, typed.before, kept, others)

    def condition(kept: Kept) -> None:
        keys = [] if is_dry else overtaken(typed.before, kept)
        if keys:
            raise Overtaken(keys)

    order = Order(
        caller=caller,
        request_id=request_id,
        reason=typed.reason,
        edits=edits,
        condition=condition,
        place=place,
        is_dry=is_dry,
    )
    try:
        return await make_change(desk, order)
    except DetailedProblem as problem:
        if problem.code not in _MISTAKEN:
            raise
        more = problem.members["more"]
        assert isinstance(more, int)
        raise Mistaken(_placed(problem.members["mistakes"], paths, typed.text), more) from None


def failing_tests(desk: Desk, before: PolicySet, after: PolicySet) -> list[FailedTest]:
    """Run the suites of the store, and name the tests that a change would let fail; blocks.

    Args:
        desk: What resources share.
        before: The policies before the change; what fails by these is not named.
        after: Those behind it.
    """
    store = desk.changes.store
    try:
        suites = store.suites()
    except StoreUnavailable:
        return []
    if not suites:
        return []
    old = set(_failures(suites, before))
    return [one for one in _failures(suites, after) if one not in old][:MOST_FAILURES]


def _failures(suites: Sequence[tuple[str, str]], policy_set: PolicySet) -> list[FailedTest]:
    active = ActivePolicies(policy_set)
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


def _placed(told: Any, paths: Sequence[Path], text: str) -> list[Mistake]:
    elsewhere = {path for one, path in zip(told, paths, strict=True) if one["file"] != NAME and path}
    lines = toml_lines(text, elsewhere) if elsewhere else {}
    mistakes = [
        Mistake(
            line=one["line"] if one["file"] == NAME else lines.get(path) or None,
            where=one["path"],
            message=one["message"],
            hint=one["hint"],
            code=one["code"],
        )
        for one, path in zip(told, paths, strict=True)
    ]
    return sorted(mistakes, key=lambda one: one.line or 0)
