"""Collects every mistake of a document, and finds the lines of those of all documents once, at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NoReturn

from msgspec import Struct

from cors_service.grammar.mistakes import InvalidPolicies, Path, PolicyError
from cors_service.policy._lines import json_lines, toml_lines

_LINES: Final[Mapping[str, Callable[[str, Collection[Path]], dict[Path, int]]]] = {
    "toml": toml_lines,
    "json": json_lines,
}


class Source(Struct, frozen=True):
    """One document of a policy set.

    Attributes:
        name: What people call it, such as the path of its file; None if it has no name.
        format: `toml` or `json`.
        text: The document, decoded.
    """

    name: str | None
    format: str
    text: str


class Report:
    """The mistakes found so far in a document.

    Attributes:
        complete: Whether all could be read; if not, what is missing may stand in the rest.
        found: The mistakes, in the order in which they were found.
    """

    def __init__(self) -> None:
        self.complete = True
        self.found: list[PolicyError] = []
        self._refused: set[Path] = set()
        self._above: set[Path] = set()

    def add(self, path: Path, error: PolicyError) -> None:
        """Note a mistake at a path of the document."""
        self.found.append(error)
        self._refused.add(path)
        self._above.update(path[:length] for length in range(len(path) + 1))

    def has(self, path: Path) -> bool:
        """Say whether a mistake was noted at this very path."""
        return path in self._refused

    def has_beneath(self, path: Path) -> bool:
        """Say whether a mistake was noted at this path or anywhere beneath it."""
        return path in self._above


def raise_all(found: Sequence[tuple[Source | None, PolicyError]]) -> NoReturn:
    """Raise mistakes, each with the line of its document.

    Raises:
        InvalidPolicies: Always; ordered by document, then by line, then as they come.
    """
    wanted: dict[int, tuple[Source, set[Path]]] = {}
    for source, error in found:
        if source is not None and error.line is None:
            wanted.setdefault(id(source), (source, set()))[1].add(error.path)
    lines = {key: _LINES[source.format](source.text, paths) for key, (source, paths) in wanted.items()}
    for source, error in found:
        if source is not None and error.line is None:
            error.line = lines[id(source)].get(error.path)
    errors = [error for _, error in found]
    raise InvalidPolicies(sorted(errors, key=lambda error: (error.file or "", error.line or 0)))


class Place(Struct, frozen=True):
    """A place in a document where mistakes can be noted.

    Attributes:
        report: Takes the mistakes.
        source: The document, or None for a structure without a text.
        path: Where in the document.
    """

    report: Report
    source: Source | None
    path: Path = ()

    def at(self, *parts: str | int) -> Place:
        """A place beneath this one."""
        return Place(self.report, self.source, (*self.path, *parts))

    def refuse(self, error: PolicyError) -> None:
        """Note a mistake here."""
        self.report.add(self.path, self.mark(error))

    def mark(self, error: PolicyError) -> PolicyError:
        """Give a mistake this place, without noting it."""
        error.path = self.path
        error.file = self.source.name if self.source else None
        return error

    @property
    def is_refused(self) -> bool:
        """Whether a mistake was noted here."""
        return self.report.has(self.path)


def name_of(source: Source | None) -> str:
    """What people call a document."""
    name = (source and source.name) or "the document"
    return name if name.isprintable() else ascii(name)
