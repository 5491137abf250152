"""What a part of the benchmarks found, kept from its run until the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.targets import Target

DIRECTORY: Final = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / "figures"


class Part(NamedTuple):
    """What a part of the benchmarks found.

    Attributes:
        name: The part.
        text: The tables, in Markdown.
        targets: What it had to reach.
        data: What plots are drawn of.
        quick: Whether it was a run that only shows that it works.
    """

    name: str
    text: str
    targets: Sequence[Target]
    data: dict[str, Any]
    quick: bool = False

    def __str__(self) -> str:
        return "\n".join([self.text.rstrip("\n"), "", *(f"- {target}" for target in self.targets), ""])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown, and the empty line behind it; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def save(part: Part, directory: Path = DIRECTORY) -> None:
    """Keep what a part found, in place of what it found before."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = part._asdict() | {"targets": [target._asdict() for target in part.targets]}
    (directory / f"{part.name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def load(name: str, directory: Path = DIRECTORY) -> Part | None:
    """What a part found when it was last run, or None."""
    try:
        kept = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Part(**kept | {"targets": [Target(**target) for target in kept["targets"]]})
