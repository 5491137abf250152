"""Policy documents for tests of stores, small enough to be read at a glance."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from cors_service.policy.change import Change

TEN_MISTAKES = """\
version = 1
nonsense = 1

[origin_sets]
unused = ["https://unused.example"]

[policies.a]
origins = ["https://A.example"]

[policies.b]
origins = ["https://b.example/"]

[policies.c]
origins = ["https://c.example"]
methods = ["TRACE"]

[policies.d]
origins = ["*"]
credentials = true

[policies.e]
origins = ["null"]

[policies.f]
origins = ["https://f.example:443"]

[policies.g]
origins = ["@absent"]

[policies.h]
origins = ["https://h.example"]
max_age = -1
"""


def toml(*names: str) -> str:
    """Write a document with a policy of each name, which speaks for one origin."""
    return "version = 1\n" + "".join(f'[policies.{name}]\norigins = ["https://{name}.example"]\n' for name in names)


def document(*names: str) -> dict[str, Any]:
    """Make the same document as a structure."""
    return {"version": 1, "policies": {name: {"origins": [f"https://{name}.example"]} for name in names}}


def names(change: Change) -> list[str]:
    """Give the names of the policies of a change."""
    return [policy.name for policy in change.policies]


def now(deferred: Deferred[Any]) -> Any:
    """Give the result of a Deferred that has one, or raise its failure."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    [result] = results or pytest.fail("The Deferred has no result yet.")
    if isinstance(result, Failure):
        result.raiseException()
    return result
