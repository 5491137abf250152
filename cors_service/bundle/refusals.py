"""Why a bundle is refused, or a key."""

from __future__ import annotations

from typing import Literal

from cors_service.ledger.kept import StoreUnavailable

Code = Literal[
    "bundle-malformed",
    "bundle-unsigned",
    "bundle-key-unknown",
    "bundle-signature-wrong",
    "bundle-changed",
    "bundle-not-yet-valid",
    "bundle-expired",
]


class BundleRefused(StoreUnavailable):
    """A bundle is not taken; whatever was taken before stays. The text is a sentence that says why."""

    def __init__(self, sentence: str, code: Code) -> None:
        super().__init__(sentence, code)


class KeyUnusable(Exception):
    """A file does not hold the key that is asked for; the text is a sentence, with nothing of the key."""
