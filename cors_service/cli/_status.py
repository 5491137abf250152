"""What exit statuses mean."""

from __future__ import annotations

from typing import Final

ALLOWED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
WAITS: Final = 3
"""Nothing is wrong, and nothing is done before somebody else has agreed."""
WRONG_USE: Final = 2
"""Of commands that refuse nothing."""
