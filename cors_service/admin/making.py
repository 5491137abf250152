"""What a change goes through: its conditions, the store's checks, the comparison, who may make it; and what is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct, structs
from twisted.internet import defer
from twisted.internet.defer import Deferred

from cors_service.access.callers import Caller
from cors_service.admin.basis import basis_of
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import DetailedProblem
from cors_service.admin.proposals import (
    LARGEST_PROPOSAL,
    Proposal,
    Proposals,
    ProposalTooLarge,
    TooManyProposals,
)
from cors_service.admin.reports import fleet
from cors_service.algebra import Comparison, compare
from cors_service.browser.browsers import FIREFOX_MAX_AGE_CAP
from cors_service.browser.cache import DEFAULT_MAX_AGE
from cors_service.decision import Decision
from cors_service.grammar.mistakes import InvalidPolicies, Path, PolicyError
from cors_service.ledger.appending import rfc3339
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Signed
from cors_service.ledger.kept import About, Kept, Outdated, Plan, StoreIsWrong, StoreUnavailable
from cors_service.ledger.past import set_behind
from cors_service.ledger.widening import narrows, witness_of
from cors_service.policy import PolicySet, revision
from cors_service.review import written
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.problem import Problem
from cors_service.wire.json_text import write_json

LONGEST_WAIT: Final = 30
"""Seconds for which an answer may wait for replicas."""
_ATTEMPTS: Final = 3
MOST_TOLD: Final = 100
"""Entries and differences that a problem repeats."""

_EMPTY: Final = PolicySet.of((), {}, {})
_RETRY: Final = {"Retry-After": "2"}


class Order(Struct, kw_only=True):
    """What a request asks for.

    Attributes:
        caller: Who asks.
        request_id: Names the request.
        reason: Why, in the caller's words.
        edits: Gives what to write and to remove, for what is there; may raise `Problem`.
        condition: Raises `Problem` if what is there is not what the caller knows.
        place: Gives the JSON pointer of a place in the request for one in a document; None if it is not there.
        is_dry: Whether only to say what would be.
        wait: Seconds to wait for replicas.
        created: Whether the answer to a change is a 201; it is asked before the change is made.
        tag: Gives the ETag of what was changed.
        approved: The proposal that it is; None if it is none.
        review: Raises `Problem` if what would come of it is not what was looked at; None if nobody has to look.
    """

    caller: Caller
    request_id: str
    reason: str
    edits: Callable[[Kept], Sequence[Edit]]
    condition: Callable[[Kept], None]
    place: Callable[[Path], str | None]
    is_dry: bool = False
    wait: int = 0
    created: Callable[[Kept], bool] = lambda _: False
    tag: Callable[[Kept], str | None] = lambda kept: f'"{kept.head.seq}"'
    approved: Proposal | None = None
    review: Callable[[Kept, PolicySet, Comparison], None] | None = None


class Made(Struct, kw_only=True):
    """What came of an order.

    Attributes:
        before: What was there.
        plan: The change.
        comparison: What it lets through and keeps back.
        signed: Its entry; None if it was not made.
        proposal: What it became instead; None if nothing.
        status: The status of the answer.
    """

    before: Kept
    plan: Plan
    comparison: Comparison
    signed: Signed | None = None
    proposal: Proposal | None = None
    status: int = 200


async def carry_out(desk: Desk, order: Order) -> Answer:
    """Do what a request asks for, and answer it.

    Raises:
        Problem: It can't be done.
    """
    return _answer(desk, order, await make_change(desk, order))


async def make_change(desk: Desk, order: Order) -> Made:
    """Do what a request asks for.

    Raises:
        Problem: It can't be done.
    """
    try:
        made = await _made(desk, order)
    except InvalidPolicies as invalid:
        raise _invalid(422, "invalid-policies", "The policies would have mistakes.", invalid, order.place) from None
    except StoreIsWrong as error:
        raise _invalid(409, "store-has-mistakes", str(error), error.invalid, lambda _: None) from None
    except StoreUnavailable as error:
        raise Problem(503, "store-unavailable", str(error), _RETRY) from None
    except Outdated as error:
        raise Problem(503, "store-unavailable", f"{error} Try again.", _RETRY) from None
    except ProposalTooLarge:
        detail = f"A proposal has {LARGEST_PROPOSAL} bytes at most, with what it lets through: propose it in parts."
        raise Problem(413, "body-too-large", detail) from None
    except TooManyProposals:
        raise Problem(503, "too-many-proposals", "Too many proposals wait: approve or remove some.") from None
    except OSError as error:
        raise Problem(503, "store-unavailable", f"The proposal can't be kept: {error.strerror}.", _RETRY) from None
    if made.signed is not None and order.wait:
        await _replicas(desk, order.wait)
    return made


async def _made(desk: Desk, order: Order, attempts: int = _ATTEMPTS) -> Made:
    """Make a change; again, if somebody else was quicker: then its conditions are checked against what that led to."""
    try:
        return await desk.changes.work(lambda kept: _make(desk, order, kept))
    except Outdated:
        if attempts == 1:
            raise
    return await _made(desk, order, attempts - 1)


def check_scope(caller: Caller, comparison: Comparison) -> None:
    """Refuse a change that reaches further than the caller may.

    A set belongs to the policies that use it; a `match` may take URLs away from another policy.

    Raises:
        Problem: It does, or so much changes that it may.
    """
    if caller.policies is None:
        return
    if comparison.reaches is None:
        detail = "So many matches change at once that nobody can say which policies this reaches: make it in parts."
        raise Problem(403, "forbidden", detail)
    foreign = sorted(name for name in comparison.reaches if not caller.may_touch(name))
    if foreign:
        detail = f"This changes what {foreign[0]} decides, and this caller may not change that."
        raise Problem(403, "forbidden", detail)


def shown_to(caller: Caller, comparison: Comparison) -> Comparison:
    """Give the part of a comparison that is about the policies of a caller."""
    if caller.policies is None:
        return comparison
    return Comparison(
        tuple(one for one in comparison.differences if caller.may_touch(one.policy)),
        tuple(one for one in comparison.unknown if caller.may_touch(one.policy)),
        comparison.reaches,
    )


def as_entry(signed: Signed) -> dict[str, Any]:
    """Give an entry as JSON types, with its hash."""
    return {**structs.asdict(signed.entry), "hash": signed.hash}


def as_told(comparison: Comparison, before: str, after: str) -> dict[str, Any]:
    """Give what a change lets through and keeps back, for `write_json`.

    Args:
        comparison: What was found.
        before: The revision before the change.
        after: The revision after it.
    """
    told = written.as_dict(comparison, before, after)
    return {"wider": comparison.is_wider, "narrower": narrows(comparison), **told}


def since(desk: Desk, kept: Kept, seq: int, caller: Caller) -> dict[str, Any]:
    """Say what has changed since a change of the ledger, as the members of a problem.

    Args:
        desk: What resources share.
        kept: What is there.
        seq: The number of the change.
        caller: Who is told.
    """
    members: dict[str, Any] = {"head": kept.head, "entries": [], "differences": [], "unknown": []}
    if not 0 < seq < kept.head.seq:
        return members
    members["entries"] = [as_entry(one) for one in desk.changes.store.entries(seq, MOST_TOLD)]
    try:
        before = set_behind(desk.changes.store, kept, seq)
    except LookupError:
        return members
    comparison = shown_to(caller, compare(before, kept.policy_set))
    told = as_told(comparison, revision(before), kept.head.revision)
    return {**members, "differences": told["differences"][:MOST_TOLD], "unknown": told["unknown"][:MOST_TOLD]}


def _make(desk: Desk, order: Order, kept: Kept) -> Made:
    store = desk.changes.store
    order.condition(kept)
    edits = order.edits(kept)
    plan = store.plan(kept, edits)
    comparison = compare(kept.policy_set, plan.policy_set)
    check_scope(order.caller, comparison)
    made = Made(before=kept, plan=plan, comparison=comparison)
    if order.is_dry:
        return made
    if plan.changes:
        _carry_on(desk, order, made, edits)
    if order.approved is not None:
        # While nobody else uses the store, so that nobody is told that it is removed. If it stays, it is outdated.
        with suppress(OSError):
            desk.proposals.remove(order.approved.id)
    return made


def _carry_on(desk: Desk, order: Order, made: Made, edits: Sequence[Edit]) -> None:
    """Make a change, or propose it."""
    kept, plan, comparison = made.before, made.plan, made.comparison
    if order.review is not None:
        order.review(kept, plan.policy_set, comparison)
    if order.created(kept):
        made.status = 201
    if order.approved is None and needs_second(order.caller, comparison):
        made.proposal, made.status = _propose(desk, order, made, edits), 202
        return
    approved = order.approved
    about = About(
        author=order.caller.name if approved is None else approved.author,
        approver=None if approved is None else order.caller.name,
        reason=order.reason if approved is None else approved.reason,
        request_id=order.request_id if approved is None else approved.request_id,
        proposal=None if approved is None else approved.id,
        wider=comparison.is_wider,
        narrower=narrows(comparison),
        witness=witness_of(comparison),
    )
    made.signed = desk.changes.store.commit(plan, about)
    if about.narrower:
        desk.remember_preflights(made.signed.entry.seq, _preflight_seconds(made))


def needs_second(caller: Caller, comparison: Comparison) -> bool:
    """Whether somebody else has to approve a change of a caller."""
    return "write" not in caller.verbs or (caller.needs_second and comparison.is_wider)


def _propose(desk: Desk, order: Order, made: Made, edits: Sequence[Edit]) -> Proposal:
    """Keep a proposal, unless the same one waits already."""
    told = as_told(made.comparison, made.before.head.revision, made.plan.revision)
    proposal = Proposal(
        id=Proposals.new_id(),
        at=rfc3339(desk.clock.seconds()),
        author=order.caller.name,
        reason=order.reason,
        request_id=order.request_id,
        base=made.before.head.seq,
        edits=tuple(edits),
        changes=made.plan.changes,
        reaches=None if made.comparison.reaches is None else tuple(sorted(made.comparison.reaches)),
        basis=basis_of(made.before, edits, made.plan.policy_set, made.comparison),
        **told,
    )
    # A pipeline proposes the same each time that it runs. What waits for other policies is another proposal.
    waiting = next(filter(proposal.is_again, desk.proposals.all()), None)
    if waiting is not None:
        return waiting
    desk.proposals.add(proposal)
    return proposal


async def _replicas(desk: Desk, seconds: int) -> None:
    """Wait until all replicas that live have the newest change, but not for ever."""
    end = desk.clock.seconds() + seconds
    while desk.replicas.waiting and desk.clock.seconds() < end:
        reported: Deferred[None] = desk.replicas.changed()
        try:
            await reported.addTimeout(end - desk.clock.seconds(), desk.clock)
        except defer.TimeoutError:
            return


def _answer(desk: Desk, order: Order, made: Made) -> Answer:
    told = as_told(made.comparison, made.before.head.revision, made.plan.revision)
    body = {
        "changed": made.signed is not None,
        "dry_run": order.is_dry,
        "changes": made.plan.changes,
        "entry": None if made.signed is None else as_entry(made.signed),
        "proposal": None if made.proposal is None else made.proposal.id,
        **told,
        "fleet": fleet(desk),
        **revocation(desk, made),
    }
    headers = {"Cache-Control": NO_STORE}
    tag = None if made.proposal is not None or order.is_dry else order.tag(desk.changes.kept)
    if tag is not None:
        headers["ETag"] = tag
    if made.proposal is not None:
        headers["Location"] = f"/admin/v1/proposals/{made.proposal.id}"
    if order.wait:
        headers["Preference-Applied"] = f"wait={order.wait}"
    return Answer(made.status, JSON, write_json(body), headers)


def revocation(desk: Desk, made: Made) -> dict[str, str | None]:
    """Say until when what was let through lives on: with those who asked replicas, and in browsers."""
    clock: dict[str, str | None] = dict.fromkeys(
        ("enforced_everywhere_at", "decisions_cached_until", "preflights_cached_until")
    )
    replicas = desk.replicas
    # Where no replica reports, nobody knows.
    if made.signed is None or replicas.waiting or not replicas.confirmed:
        return clock
    now = desk.clock.seconds()
    clock["enforced_everywhere_at"] = rfc3339(now)
    if narrows(made.comparison):
        clock["decisions_cached_until"] = rfc3339(now + desk.decision_ttl)
        clock["preflights_cached_until"] = rfc3339(now + _preflight_seconds(made))
    return clock


def _preflight_seconds(made: Made) -> int:
    """For how long a browser may remember what a change keeps back."""
    policies = made.before.policy_set.policies
    narrowed = [one for one in made.comparison.differences if one.direction == "narrower"]
    names = {one.before.policy if isinstance(one.before, Decision) else one.policy for one in narrowed}
    ages = [
        DEFAULT_MAX_AGE if rule.max_age is None else rule.max_age
        for name in names
        if name in policies
        for rule in policies[name].rules
        if not rule.refuse
    ]
    return min(max(ages, default=DEFAULT_MAX_AGE), FIREFOX_MAX_AGE_CAP)


def _invalid(
    status: int, code: str, detail: str, invalid: InvalidPolicies, place: Callable[[Path], str | None]
) -> DetailedProblem:
    mistakes = [_mistake(one, place) for one in invalid.mistakes]
    return DetailedProblem(status, code, detail, {"mistakes": mistakes, "more": invalid.more})


def _mistake(mistake: PolicyError, place: Callable[[Path], str | None]) -> dict[str, object]:
    pointer = place(mistake.path)
    told = {**mistake.as_dict(), "pointer": pointer}
    # The document that the client would have changed is not as it would have been.
    return told if pointer is None else {**told, "file": None, "line": None}
