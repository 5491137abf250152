"""What is wrong with a suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Self

from cors_service.grammar.mistakes import PolicyError

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


class InvalidSuite(ExceptionGroup[SuiteError]):
    """Everything that is wrong with a suite, all at once; `exceptions` holds `SuiteError`s."""

    def __new__(cls, errors: Sequence[SuiteError]) -> Self:
        """Count the mistakes in the message."""
        count = len(errors)
        return super().__new__(cls, f"{count} mistake{'s' * (count != 1)} in the suite", errors)

    def __init__(self, errors: Sequence[SuiteError]) -> None:
        super().__init__(str(self), errors)

    def derive(self, excs: Sequence[SuiteError]) -> InvalidSuite:  # type: ignore[override]
        """Keep the type when `split` and `subgroup` take errors apart."""
        return InvalidSuite(excs)

    def report(self) -> str:
        """One line a mistake and a closing line that counts them."""
        return "\n".join([*map(str, self.exceptions), f"{self.message}."])
