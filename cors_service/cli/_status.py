"""What exit statuses mean."""

from __future__ import annotations

from typing import Final

ALLOWED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
WRONG_USE: Final = 2
"""Of commands that refuse nothing."""
