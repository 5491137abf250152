"""What is wrong with a document that says who may ask."""

from __future__ import annotations

from typing import ClassVar, Final

from cors_service.grammar.mistakes import InvalidDocument, PolicyError

CODES: Final = frozenset(
    {
        "document-unreadable",
        "syntax",
        "missing-key",
        "unknown-key",
        "wrong-type",
        "empty-list",
        "too-many",
        "name-malformed",
        "hash-malformed",
        "subject-malformed",
        "person-malformed",
        "prefix-malformed",
        "unknown-verb",
        "duplicate",
        "nobody",
    }
)
"""The closed set of reason codes. Codes are API; messages are not."""


class AccessError(PolicyError):
    """One mistake in a document that says who may ask, told as those of policies are, but never with a value.

    A value may be a token that somebody wrote where its hash belongs.
    """

    codes: ClassVar[frozenset[str]] = CODES


class InvalidAccess(InvalidDocument):
    """Everything that is wrong with a document, all at once; `exceptions` holds `AccessError`s."""

    document = "who may ask"

    @property
    def mistakes(self) -> tuple[AccessError, ...]:
        """The mistakes; the same as `exceptions`, unless the group was taken apart."""
        return tuple(error for error in self.exceptions if isinstance(error, AccessError))
