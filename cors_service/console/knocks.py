"""What the inbox lists: origins that knocked and were refused, who they probably are, and what lets them in."""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import islice
from typing import Final

from msgspec import Struct

from cors_service.admin.kept_sums import Knock
from cors_service.console.ignored import Knocker
from cors_service.console.owners import likely_owners
from cors_service.console.question import Question
from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL

_OF_ORIGIN: Final = frozenset({"origin-not-allowed", "origin-refused", "method-not-allowed"})
"""The reasons of which the log has all that a rule needs to know."""


class Knocking(Struct, frozen=True, kw_only=True):
    """An origin that knocked.

    Attributes:
        knock: What is counted.
        owner: Who probably answers for it.
        question: The request that is asked about when somebody lets it in; None if that is not known.
        is_open: Whether somebody has to add to the question what the log does not have.
    """

    knock: Knock
    owner: str
    question: Question | None
    is_open: bool


def callers_of(
    knocks: Iterable[Knock], active: ActivePolicies, ignored: Container[Knocker], most: int
) -> list[Knocking]:
    """Say who knocked, and is still refused.

    Args:
        knocks: What is counted, the most frequent first.
        active: The policies of today.
        ignored: What nobody wants to see.
        most: How many to give at most.
    """
    left = (one for one in knocks if (one.policy, one.origin) not in ignored and not _is_let_in(one, active))
    wanted = list(islice(left, most))
    owners = likely_owners({_page(one) for one in wanted}, active.policy_set)
    return [_caller(one, owners[_page(one)], active) for one in wanted]


def _page(knock: Knock) -> str:
    """The origin as browsers send it; empty where the log does not have it."""
    return knock.origin if knock.origins == "full" and knock.origin is not None else ""


def _is_let_in(knock: Knock, active: ActivePolicies) -> bool:
    """Whether a policy was changed since, so that it refuses none of this any more."""
    if knock.policy is None:
        return False
    if knock.policy not in active.policy_set.policies:
        return True
    page = _page(knock)
    asked = [(reason, method) for reason, method in knock.reasons if reason in _OF_ORIGIN]
    if not page or len(asked) < len(knock.reasons):
        return False
    return all(_allows(active, Query(method or "GET", policy=knock.policy, origins=(page,))) for _, method in asked)


def _allows(active: ActivePolicies, query: Query) -> bool:
    try:
        return active.decide(query).allowed is True
    except BadQuery:
        return False


def _caller(knock: Knock, owner: str, active: ActivePolicies) -> Knocking:
    page = _page(knock)
    if knock.policy is None or not (page == NULL or read_origin(page)):
        return Knocking(knock=knock, owner=owner, question=None, is_open=False)
    known = [method for reason, method in knock.reasons if reason in _OF_ORIGIN]
    methods = known or [method for _, method in knock.reasons]
    question = Question(page=page, policy=knock.policy, method=methods[0] or "GET" if methods else "GET")
    return Knocking(knock=knock, owner=owner, question=question, is_open=not known)
