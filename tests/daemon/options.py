"""Options of `twist cors`, and documents for them."""

from __future__ import annotations

from pathlib import Path

from cors_service.tap import Options

GOOD = 'version = 1\n[policies.one]\norigins = ["https://one.example"]\n'
BAD = GOOD.replace("https://one", "https://ONE").replace("version", "nonsense")


def parse(*arguments: str | Path) -> Options:
    """Parse options."""
    options = Options()
    options.parseOptions([str(argument) for argument in arguments])
    return options


def absent(path: Path) -> None:
    """Remove the document."""
    path.unlink()
