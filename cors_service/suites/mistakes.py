"""What is wrong with a suite."""

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
        "wrong-value",
        "empty-list",
        "too-many",
        "no-policy",
        "unknown-policy",
        "url-malformed",
        "origin-malformed",
        "method-malformed",
        "header-malformed",
        "header-forbidden",
        "unknown-reason",
        "contradiction",
    }
)
"""The closed set of codes. Codes are API; messages are not."""


class SuiteError(PolicyError):
    """One mistake in a suite, told as those of policies are."""

    codes: ClassVar[frozenset[str]] = CODES


class InvalidSuite(InvalidDocument):
    """Everything that is wrong with a suite, all at once; `exceptions` holds `SuiteError`s."""

    document = "the suite"
