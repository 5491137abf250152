"""Collects every mistake of every document, and finds their lines once, at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

from cors_service.grammar.lines import json_lines, toml_lines
from cors_service.grammar.mistakes import InvalidPolicies, Path, PolicyError

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
        source: The document, or None for a structure without a text.
        is_complete: Whether all of the document could be read; if not, the rest may define names.
        found: The mistakes, in the order in which they were found.
    """

    def __init__(self, source: Source | None) -> None:
        self.source = source
        self.is_complete = True
        self.found: list[PolicyError] = []
        self._refused: set[Path] = set()
        self._above: set[Path] = set()

    def add(self, path: Path, error: PolicyError) -> None:
        """Note a mistake at a path of the document."""
        error.path = path
        error.file = self.source.name if self.source else None
        # Its traceback would keep alive the variables of the functions that it went through.
        error.__traceback__ = error.__context__ = None
        self.found.append(error)
        self._refused.add(path)
        self._above.update(path[:length] for length in range(len(path) + 1))

    def has(self, path: Path) -> bool:
        """Say whether a mistake was noted at this very path."""
        return path in self._refused

    def has_beneath(self, path: Path) -> bool:
        """Say whether a mistake was noted at this path or anywhere beneath it."""
        return path in self._above


class Place(Struct, frozen=True):
    """A place in a document where mistakes can be noted.

    Attributes:
        report: Takes the mistakes.
        path: Where in the document.
    """

    report: Report
    path: Path = ()

    def at(self, *parts: str | int) -> Place:
        """A place beneath this one."""
        return Place(self.report, (*self.path, *parts))

    def refuse(self, code: str, message: str, *, hint: str = "", value: object = None) -> None:
        """Note a mistake here; the arguments are those of `PolicyError`."""
        self.note(PolicyError(code, message, hint=hint, value=value))

    def note(self, error: PolicyError) -> None:
        """Note a mistake that was raised here."""
        self.report.add(self.path, error)

    @property
    def is_refused(self) -> bool:
        """Whether a mistake was noted here."""
        return self.report.has(self.path)

    @property
    def is_sound(self) -> bool:
        """Whether no mistake was noted here or anywhere beneath."""
        return not self.report.has_beneath(self.path)


class Findings:
    """The mistakes of all documents of a set."""

    def __init__(self) -> None:
        self._found: list[tuple[Source | None, PolicyError]] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def add(self, source: Source | None, mistakes: Iterable[PolicyError]) -> None:
        """Add mistakes of one document."""
        self._found += [(source, mistake) for mistake in mistakes]

    def refuse(
        self, source: Source | None, path: Path, code: str, message: str, *, hint: str = "", value: object = None
    ) -> None:
        """Add a mistake that depends on several documents."""
        report = Report(source)
        Place(report, path).refuse(code, message, hint=hint, value=value)
        self.add(source, report.found)

    def as_error(self) -> InvalidPolicies:
        """All mistakes with their lines, ordered by document and line."""
        wanted: dict[int, tuple[Source, set[Path]]] = {}
        for source, error in self._found:
            if source is not None and error.line is None:
                wanted.setdefault(id(source), (source, set()))[1].add(error.path)
        lines = {key: _LINES[source.format](source.text, paths) for key, (source, paths) in wanted.items()}
        for source, error in self._found:
            if source is not None and error.line is None:
                error.line = lines[id(source)].get(error.path)
        errors = [error for _, error in self._found]
        return InvalidPolicies(sorted(errors, key=lambda error: (error.file or "", error.line or 0)))


def name_of(source: Source | None) -> str:
    """What people call a document."""
    name = (source and source.name) or "the document"
    return name if name.isprintable() else ascii(name)
