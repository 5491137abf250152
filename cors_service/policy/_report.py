"""Collects every mistake of every document, and finds their lines once, at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import Final, NoReturn

from msgspec import Struct

from cors_service.grammar.lines import json_lines, toml_lines
from cors_service.grammar.mistakes import MOST_MISTAKES, InvalidPolicies, Path, PolicyError

_MOST_COUNTED: Final = 100_000
_MOST_GUESSES: Final = 20
_TOO_MANY: Final = f"The document has more than {_MOST_COUNTED} mistakes; the rest of it was not read."
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


class Found(Struct, frozen=True):
    """Mistakes of a document.

    Attributes:
        errors: Those that are kept.
        more: The number of the rest.
    """

    errors: tuple[PolicyError, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.errors)


class NotReadError(Exception):
    """A document has so much in it, mistakes or costly patterns, that the rest of it is not read."""


class Report:
    """The mistakes found so far in a document.

    Attributes:
        source: The document, or None for a structure without a text.
        is_complete: Whether all of the document could be read; if not, the rest may define names.
        count: How many there are.
        weight: What the patterns cost that stand for more than one origin.
        expressions: The instructions of expressions.
        found: The first ones, in the order in which they were found.
    """

    def __init__(self, source: Source | None) -> None:
        self.source = source
        self.is_complete = True
        self.count = 0
        self.weight = 0
        self.expressions = 0
        self._guesses = 0
        self.found: list[PolicyError] = []
        self._name = source.name if source else None
        self._refused: set[Path] = set()
        self._above: set[Path] = set()

    def add(self, path: Path, error: PolicyError) -> None:
        """Note a mistake at a path of the document.

        Raises:
            NotReadError: There are so many that the rest of the document is not read.
        """
        if self.count == _MOST_COUNTED:
            self.stop((), PolicyError("too-many-mistakes", _TOO_MANY))
        self._note(path, error)

    def stop(self, path: Path, error: PolicyError) -> NoReturn:
        """Note the reason why the rest of the document is not read.

        Raises:
            NotReadError: Always.
        """
        self.is_complete = False
        del self.found[MOST_MISTAKES - 1 :]
        self._note(path, error)
        raise NotReadError

    def _note(self, path: Path, error: PolicyError) -> None:
        self.count += 1
        error.path = path
        error.file = self._name
        # Its traceback would keep alive the variables of the functions that it went through.
        error.__traceback__ = error.__context__ = None
        if self.has_room:
            self.found.append(error)
        self._refused.add(path)
        self._above.update(path[:length] for length in range(len(path) + 1))

    def as_found(self) -> Found:
        """Give what was found."""
        return Found(tuple(self.found), self.count - len(self.found))

    @property
    def has_room(self) -> bool:
        """Whether one more mistake is kept; what is only counted needs no hint."""
        return len(self.found) < MOST_MISTAKES

    def may_guess(self) -> bool:
        """Whether it is worth the time to guess what a name was meant to be: not for a great many."""
        self._guesses += 1
        return self._guesses <= _MOST_GUESSES

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
    """The mistakes of all documents of a set; of each document the first ones, and the number of the rest."""

    def __init__(self) -> None:
        self._found: list[tuple[Source | None, PolicyError]] = []
        self._more = 0
        self._kept: Counter[int] = Counter()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def add(self, source: Source | None, mistakes: Found) -> None:
        """Add mistakes of one document."""
        kept = mistakes.errors[: MOST_MISTAKES - self._kept[id(source)]]
        self._found += [(source, mistake) for mistake in kept]
        self._kept[id(source)] += len(kept)
        self._more += mistakes.more + len(mistakes.errors) - len(kept)

    def refuse(
        self, source: Source | None, path: Path, code: str, message: str, *, hint: str = "", value: object = None
    ) -> None:
        """Add a mistake that depends on several documents."""
        report = Report(source)
        Place(report, path).refuse(code, message, hint=hint, value=value)
        self.add(source, report.as_found())

    def as_error(self) -> InvalidPolicies:
        """The first mistakes with their lines, ordered by document and line, and the number of the rest."""
        errors: list[PolicyError] = []
        for _, found in groupby(sorted(self._found, key=lambda one: one[1].file or ""), lambda one: one[1].file):
            if len(errors) >= MOST_MISTAKES:
                break  # lines of other documents need not be known
            errors += sorted(_with_lines(list(found)), key=lambda error: error.line or 0)
        kept = errors[:MOST_MISTAKES]
        return InvalidPolicies(kept, self._more + len(self._found) - len(kept))


def _with_lines(found: list[tuple[Source | None, PolicyError]]) -> list[PolicyError]:
    """Find the lines of mistakes that don't have one yet."""
    wanted: dict[int, tuple[Source, set[Path]]] = {}
    for source, error in found:
        if source is not None and error.line is None:
            wanted.setdefault(id(source), (source, set()))[1].add(error.path)
    lines = {key: _LINES[source.format](source.text, paths) for key, (source, paths) in wanted.items()}
    for source, error in found:
        if source is not None and error.line is None:
            error.line = lines[id(source)].get(error.path)
    return [error for _, error in found]


def name_of(source: Source | None) -> str:
    """What people call a document."""
    name = (source and source.name) or "the document"
    return name if name.isprintable() else ascii(name)
