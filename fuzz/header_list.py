"""The reader of Access-Control-Request-Headers: a preflight is allowed if every name of every line is granted.

An input begins with the digit of a policy and the method that is asked for; each further line is one of the header.
"""

from __future__ import annotations

from typing import Any

from cors_service.decision import ActivePolicies, Query
from cors_service.decision.query import MAX_HEADER_BYTES, MAX_HEADER_NAMES
from cors_service.policy import read_document
from fuzz import checked

PAGE = "https://page.example"


def _policy(*names: str, **keys: Any) -> dict[str, Any]:
    return {"origins": [PAGE], "methods": ["GET", "PUT", "PATCH"], "request_headers": list(names), **keys}


_ACTIVE = ActivePolicies(
    read_document(
        {
            "version": 1,
            "policies": {
                "0": _policy(),
                "1": _policy("content-type", "x-a", "authorization", credentials=True),
                "2": _policy("content-type", "x-*", "y-z-*"),
                "3": _policy("*", methods=["*"]),
                "4": _policy("*", "authorization", credentials=True),
                "5": _policy("*", origins=["*"], max_age=600),
                "6": _policy("authorization*", "au*", "x-a"),
            },
        }
    )
)
_LONGEST_ANSWER = 2 * MAX_HEADER_BYTES


def check(data: bytes) -> None:
    """Decide about a preflight, and hold the answer against a reading that does it name by name."""
    policy = str((data[0] - ord("0")) % len(_ACTIVE.policy_set.policies)) if data else "0"
    method, *lines = data[1:].decode("utf-8", "replace").split("\n")
    query = Query("OPTIONS", policy, None, (PAGE,), (method,), tuple(lines))
    decision = checked.decide(_ACTIVE, query)
    assert decision.kind == "preflight"
    assert len(decision.reason.message) + sum(len(value) for _, value in decision.headers) <= _LONGEST_ANSWER
    rule = _ACTIVE.policy_set.policies[policy].rules[0]
    names = checked.members(query.request_headers)
    if sum(map(len, lines)) > MAX_HEADER_BYTES or len(names) - names.count("") > MAX_HEADER_NAMES:
        assert not decision.allowed
    elif decision.reason.code in {"header-malformed", "header-not-allowed"}:
        malformed = [name for name in names if name and not checked.is_token(name)]
        tokens = filter(checked.is_token, names)
        refused = [name for name in tokens if not checked.is_granted(rule, name, _ACTIVE.policy_set)]
        assert malformed if decision.reason.code == "header-malformed" else refused
    elif decision.reason.code == "too-many-headers":
        assert len(names) > MAX_HEADER_NAMES
