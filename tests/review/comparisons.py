"""Comparisons to be written: what they hold is what the engine decides."""

from __future__ import annotations

from typing import Literal

from cors_service.algebra import Comparison, Difference, Unknown
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.policy import read_document

BEFORE = ActivePolicies(read_document({"version": 1, "policies": {"app": {"origins": ["https://a.example"]}}}))
AFTER = ActivePolicies(
    read_document(
        {
            "version": 1,
            "policies": {
                "app": {"origins": ["https://*.example"], "methods": ["GET", "PUT"]},
                "new": {"origins": ["*"], "match": ["new.example/"]},
            },
        }
    )
)
B = Query("GET", "app", origins=("https://b.a.example",))
PUT = Query("OPTIONS", "app", origins=("https://a.example",), request_methods=("PUT",))
NEW = Query("GET", None, "https://new.example/x?y=1&z", origins=("https://c.example",))
TWO = Query("POST", "app", origins=("https://a.example", "https://b.example"))


def difference(
    direction: Literal["wider", "narrower", "other"],
    query: Query,
    sentence: str,
    what: str = "origin",
    policy: str = "app",
) -> Difference:
    """Make a difference of a query that both sets answer."""
    return Difference(
        direction=direction,
        policy=policy,
        what=what,
        sentence=sentence,
        witness=query,
        before=answer(BEFORE, query),
        after=answer(AFTER, query),
    )


def answer(active: ActivePolicies, query: Query) -> Decision | BadQuery:
    """Give what a set answers to a query."""
    try:
        return active.decide(query)
    except BadQuery as error:
        return error


COMPARISON = Comparison(
    (
        difference("wider", B, "https://b.a.example gets access."),
        difference("wider", PUT, "https://a.example may use PUT.", "method"),
        difference("narrower", TWO, "Nothing, really."),
        difference("wider", NEW, "There is a policy new.", "policy", "new"),
    ),
    (Unknown("app", "An expression is too large."),),
)
NOTHING = Comparison(())
