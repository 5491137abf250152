"""What passes between a store of policies with a ledger and those who use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.chain import Digests
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Touched, Witness
from cors_service.policy import PolicySet


class StoreUnavailable(Exception):
    """The store can't be read or written now; the text is a sentence that says why.

    Attributes:
        code: What `/v1/status` calls it.
    """

    def __init__(self, sentence: str, code: str = "store-unreachable") -> None:
        super().__init__(sentence)
        self.code = code


class StoreIsWrong(Exception):
    """What is in the store was written by somebody else, and has mistakes.

    Attributes:
        invalid: The mistakes.
    """

    def __init__(self, invalid: InvalidPolicies) -> None:
        super().__init__("The documents have mistakes; until these are corrected, nothing is changed.")
        self.invalid = invalid


class Outdated(Exception):
    """A change was made for another set of policies than the one that is there.

    Attributes:
        head: The newest change.
    """

    def __init__(self, head: Head) -> None:
        super().__init__(f"The newest change is {head.seq} by now.")
        self.head = head


class Kept(Struct, frozen=True, kw_only=True):
    """What a store holds at a moment.

    Attributes:
        head: The newest change.
        policy_set: The policies.
        digests: The digest of each definition.
        mistakes: What is wrong with newer documents, which somebody else wrote; None if nothing is.
    """

    head: Head
    policy_set: PolicySet
    digests: Digests
    mistakes: InvalidPolicies | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """A change that can be made.

    Attributes:
        base: What it is a change of.
        policy_set: The policies that it leads to.
        revision: Their revision.
        changes: What it does.
        bodies: The definitions that it writes.
        work: What the store has prepared for it.
    """

    base: Kept
    policy_set: PolicySet
    revision: str
    changes: tuple[Touched, ...]
    bodies: Mapping[Key, Body]
    work: Any


class About(Struct, frozen=True, kw_only=True):
    """What the entry of a change says, beside what the change does; the attributes are those of `Entry`."""

    author: str | None
    reason: str
    request_id: str
    wider: bool
    narrower: bool
    witness: Witness | None = None
    approver: str | None = None
    proposal: str | None = None
