"""What is wrong with a document that says who may ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Self

from cors_service.grammar.mistakes import PolicyError, plural

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


class InvalidAccess(ExceptionGroup[AccessError]):
    """Everything that is wrong with a document, all at once; `exceptions` holds `AccessError`s."""

    def __new__(cls, errors: Sequence[AccessError]) -> Self:
        """Count the mistakes in the message."""
        count = len(errors)
        return super().__new__(cls, f"{count} {plural(count, 'mistake')} in who may ask", errors)

    def __init__(self, errors: Sequence[AccessError]) -> None:
        super().__init__(str(self), errors)

    def derive(self, excs: Sequence[AccessError]) -> InvalidAccess:  # type: ignore[override]
        """Keep the type when `split` and `subgroup` take errors apart."""
        return InvalidAccess(excs)

    @property
    def mistakes(self) -> tuple[AccessError, ...]:
        """What is wrong."""
        return tuple(error for error in self.exceptions if isinstance(error, AccessError))

    def report(self) -> str:
        """One line a mistake and a closing line that counts them."""
        return "\n".join([*map(str, self.exceptions), f"{self.message}."])
