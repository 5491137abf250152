"""What an operator chooses for the decision log, with the defaults. It imports nothing, as the options do."""

from __future__ import annotations

from typing import Final, Literal

Form = Literal["full", "site", "hashed"]
"""How origins are written."""
FORMS: Final[tuple[Form, ...]] = ("full", "site", "hashed")

INTERVAL_SECONDS: Final = 10.0
"""Seconds of decisions that a line sums up."""
LONGEST_NAME: Final = 256
"""Characters that the name of a service may have; a collector takes no longer one."""
MOST_ROWS: Final = 10_000
"""Kinds of decisions that are told apart in an interval."""
MOST_LINES: Final = 1000
"""How many of them have a line."""
