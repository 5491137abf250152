"""Collects every mistake of the documents that make up a set, and finds their lines once, at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

from cors_service.policy._errors import InvalidPolicies, Path, PolicyError
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
    """The mistakes found so far.

    Attributes:
        complete: Whether all of every document could be read; if not, what is missing may stand in the rest.
    """

    def __init__(self, unreadable: Iterable[PolicyError] = ()) -> None:
        """Begin with what is known of documents that could not even be read."""
        self._found: list[tuple[Source | None, PolicyError]] = [(None, error) for error in unreadable]
        self.complete = not self._found
        self._refused: set[tuple[int, Path]] = set()
        self._above: set[tuple[int, Path]] = set()

    def add(self, source: Source | None, path: Path, error: PolicyError) -> None:
        """Note a mistake at a path of a document."""
        error.path = path
        error.file = source.name if source else None
        self._found.append((source, error))
        self._refused.add((id(source), path))
        self._above.update((id(source), path[:length]) for length in range(len(path) + 1))

    def has(self, source: Source | None, path: Path) -> bool:
        """Say whether a mistake was noted at this very path."""
        return (id(source), path) in self._refused

    def has_beneath(self, source: Source | None, path: Path) -> bool:
        """Say whether a mistake was noted at this path or anywhere beneath it."""
        return (id(source), path) in self._above

    def raise_if_any(self) -> None:
        """Raise everything that was noted.

        Raises:
            InvalidPolicies: At least one mistake was noted; ordered by document, then by line.
        """
        if not self._found:
            return
        wanted: dict[int, tuple[Source, set[Path]]] = {}
        for source, error in self._found:
            if source is not None and error.line is None:
                wanted.setdefault(id(source), (source, set()))[1].add(error.path)
        lines = {key: _LINES[source.format](source.text, paths) for key, (source, paths) in wanted.items()}
        for source, error in self._found:
            if source is not None and error.line is None:
                error.line = lines[id(source)].get(error.path)
        errors = [error for _, error in self._found]
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
        self.report.add(self.source, self.path, error)

    @property
    def is_refused(self) -> bool:
        """Whether a mistake was noted here."""
        return self.report.has(self.source, self.path)

    @property
    def name(self) -> str:
        """What people call the document."""
        name = (self.source and self.source.name) or "the document"
        return name if name.isprintable() else ascii(name)
