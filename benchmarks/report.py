"""Writes what the parts found: the tables and plots of docs/performance.md, and a line for each target.

What people wrote there stays: a run replaces what stands between its own marks, such as

    <!-- measured: throughput -->
    <!-- end -->
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # In place of this directory, whose http.py is not the library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.figures import Part, load
from benchmarks.machine import description

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
PARTS: Final = ("throughput", "latency", "scale", "growth", "cores", "hostile", "decide", "counting")
"""In the order in which their targets are told."""
_MARKED: Final = re.compile(r"(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def verdicts(parts: Mapping[str, Part]) -> list[str]:
    """A line for each target; parts that were not run have a line of their own."""
    lines = []
    for name in PARTS:
        lines += [str(target) for target in parts[name].targets] if name in parts else [f"NOT RUN: {name}"]
    return lines


def written(document: str, texts: Mapping[str, str]) -> str:
    """The document with what was measured.

    Args:
        document: As it is.
        texts: What goes between the marks, by their name; marks of other names keep what they have.

    Raises:
        ValueError: There is no place for one of the texts.
    """
    missing = set(texts) - {match[2] for match in _MARKED.finditer(document)}
    if missing:
        raise ValueError(f"the document has no mark for {', '.join(sorted(missing))}")

    def fill(match: re.Match[str]) -> str:
        text = texts.get(match[2])
        return match[0] if text is None else f"{match[1]}\n{text.strip()}\n\n{match[3]}"

    return _MARKED.sub(fill, document)


def write(parts: Mapping[str, Part], document: Path) -> None:
    """Write the document and its plots.

    Args:
        parts: What was measured.
        document: To be written; the plots go into the directory of its name.
    """
    from benchmarks import plots

    texts = {name: part.text for name, part in parts.items()}
    texts["machine"] = "\n".join(f"* {line}" for line in description())
    texts["targets"] = "\n".join(f"* {line}" for line in verdicts(parts))
    document.write_text(written(document.read_text(encoding="utf-8"), texts), encoding="utf-8")
    plots.draw(parts, document.with_suffix(""))


def main() -> None:
    """Read the command line and what was measured; write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the lines, also of quick runs")
    arguments = parser.parse_args()
    found = {name: part for name in PARTS if (part := load(name)) is not None}
    quick = [name for name, part in found.items() if part.quick]
    if not arguments.quick:
        if quick:
            sys.exit(f"These are of a quick run, which is not to be published: {', '.join(quick)}.")
        write(found, DOCUMENT)
    print("\n".join(["Targets:", *verdicts(found)]))


if __name__ == "__main__":
    main()
