"""`cors-service test`: what pages see by the policies, as suites expect it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from cors_service.access.files import read_small_file, why_unreadable
from cors_service.cli._status import ALLOWED, FAILED, WRONG_USE
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, reader_limits
from cors_service.decision import ActivePolicies
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import SUITE_SUFFIX, read_policies, shown_path
from cors_service.suites.junit import write_junit
from cors_service.suites.mistakes import InvalidSuite, SuiteError
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.report import coverage_in_words, failures_of, progress_of, summary_of
from cors_service.suites.running import Run, run

_LONGEST: Final = 4 * 1024 * 1024
# Directories that hold other people's files.
_PASSED_OVER: Final = frozenset({"node_modules", "__pycache__"})


def add_test(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "test",
        "run suites of tests, *.test.toml; exit status 1 if a case fails",
        "test",
        "test --policies /etc/cors-service --junit report.xml tests/",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=given_path,
        default=[Path()],
        metavar="PATH",
        help="a suite, or a directory of suites, also below it; by default the current directory",
    )
    parser.add_argument(
        "--policies",
        type=given_path,
        metavar="PATH",
        help="test these policies, whatever the suites name or lie beside",
    )
    add_links(parser)
    parser.add_argument("--junit", type=given_path, metavar="FILE", help="write a report as JUnit's XML, too")
    parser.set_defaults(run=_test, usage_status=WRONG_USE)


class _Target(Struct, frozen=True):
    """Policies that suites test.

    Attributes:
        active: The policies; None if they have mistakes.
        mistakes: Their mistakes, for people.
    """

    active: ActivePolicies | None
    mistakes: str = ""


def _test(options: argparse.Namespace) -> int:
    found = _search(options.paths)
    paths = sorted(found.suites)
    if not paths and not found.broken:
        where = ", ".join(shown_path(path) for path in options.paths)
        print(f"cors-service test: There is no *{SUITE_SUFFIX} in {where}.", file=sys.stderr)
        return WRONG_USE
    targets: dict[Path, _Target] = {}
    runs: dict[Path, list[Run]] = {}
    broken = list(found.broken)
    for path in paths:
        try:
            draft = _draft(path)
            source = options.policies or path.parent / (draft.policies or "")
            if options.policies is None and not draft.says_where:
                target = _Target(None)  # what lies beside the suite may be anything
            else:
                target = targets.get(source) or targets.setdefault(source, _read(source, reader_limits(options)))
            suite = draft.with_policies(target.active)
        except InvalidSuite as invalid:
            broken.append((shown_path(path), invalid.report()))
            continue
        if target.active is not None:
            done = run(suite, target.active)
            runs.setdefault(source, []).append(done)
            print(progress_of(done))
    broken += [(shown_path(source), target.mistakes) for source, target in targets.items() if target.mistakes]
    _report(runs)
    if options.junit is not None:
        pairs = [(one, shown_path(source)) for source, several in runs.items() for one in several]
        try:
            options.junit.write_bytes(write_junit(pairs, broken))
        except OSError as error:
            broken.append(("", f"cors-service test: {shown_path(options.junit)} can't be written: {error.strerror}"))
    for _, text in broken:
        print(text, file=sys.stderr)
    return FAILED if broken or any(one.has_failures for several in runs.values() for one in several) else ALLOWED


def _search(paths: Sequence[Path]) -> _Found:
    """Find the suites that paths lead to, and say what is passed over."""
    found = _Found()
    for path in paths:
        found.search(path)
    passed_over = sorted(found.links.difference(paths))
    if passed_over:
        links = ", ".join(f"{shown_path(link)}/" for link in passed_over)
        print(f"Not searched: {links}; name linked directories to have their suites run.", file=sys.stderr)
    return found


class _Found:
    """What paths lead to.

    Attributes:
        suites: The suites.
        links: Linked directories, which are not searched: they may lead anywhere, also back.
        broken: Directories that can't be read, each with why.
    """

    def __init__(self) -> None:
        self.suites: set[Path] = set()
        self.links: set[Path] = set()
        self.broken: list[tuple[str, str]] = []

    def search(self, path: Path) -> None:
        """Find the suites that a path leads to."""
        if not path.is_dir():
            self.suites.add(path)
            return
        for directory, names, files in os.walk(path, onerror=self._cannot_read):
            names[:] = [name for name in names if name[0] != "." and name not in _PASSED_OVER]
            self.links |= {link for name in names if (link := Path(directory, name)).is_symlink()}
            self.suites |= {Path(directory, name) for name in files if name.endswith(SUITE_SUFFIX) and name[0] != "."}

    def _cannot_read(self, error: OSError) -> None:
        name = shown_path(Path(error.filename))
        self.broken.append((name, f"cors-service test: {name} can't be read: {error.strerror}."))


def _draft(path: Path) -> SuiteDraft:
    """Read a suite as a text and a structure.

    Raises:
        InvalidSuite: It can't be read.
    """
    name = shown_path(path)
    try:
        # Some editors begin a file with a byte order mark.
        return SuiteDraft(name, read_small_file(path, _LONGEST).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        message = f"The suite can't be read: {why_unreadable(error)}."
        raise InvalidSuite([SuiteError("document-unreadable", message, file=name)]) from None


def _read(source: Path, limits: ReaderLimits) -> _Target:
    try:
        return _Target(ActivePolicies(read_policies(source, limits)))
    except InvalidPolicies as invalid:
        return _Target(None, invalid.report())
    except ValueError:
        # It has a NUL. Each Python has other words for that.
        return _Target(None, f"cors-service test: {shown_path(source)!a} can't be read: it is not a path.")


def _report(runs: dict[Path, list[Run]]) -> None:
    for source, several in runs.items():
        for one in several:
            for text in failures_of(one, shown_path(source)):
                print(f"\n{text}")
    if not runs:
        return
    print()
    for source, several in runs.items():
        print(coverage_in_words(shown_path(source), several))
    print(summary_of([one for several in runs.values() for one in several]))
