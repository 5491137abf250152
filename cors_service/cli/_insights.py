"""`cors-service insights`: what the lines of a roll-up log say about traffic and policies."""

from __future__ import annotations

import argparse
import gzip
import os
import stat
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from cors_service.access.files import why_unreadable
from cors_service.cli._progress import Progress
from cors_service.cli._status import ALLOWED, FAILED
from cors_service.cli.arguments import Commands, add_command, add_links, given_path, reader_limits
from cors_service.decision import ActivePolicies
from cors_service.grammar.mistakes import InvalidPolicies, plural
from cors_service.insights.findings import findings_of
from cors_service.insights.lines import LONGEST, NotALine, read_line
from cors_service.insights.plots import PLOTS
from cors_service.insights.sums import Sums
from cors_service.insights.text import in_text
from cors_service.insights.unused import UNSEEN_DAYS
from cors_service.insights.written import in_json
from cors_service.reader.sources import shown_path
from cors_service.review.sources import NotReadableError, read_source

_WRITTEN_BY: Final = "A service that is asked writes some every few seconds, with --decision-log FILE."
_TOKEN: Final = "CORS_SERVICE_TOKEN"
_STANDARD_INPUT: Final = "-"
# How files begin that were compressed, with gzip, and with xz, zstd and bzip2.
_ZIPPED: Final = b"\x1f\x8b"
_OTHERWISE_PACKED: Final = (b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh")
_LONGEST_MARK: Final = 6
_OFTEN: Final = 10_000
"""Lines after which progress is shown again."""


def add_insights(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "insights",
        "say what a decision log shows: what is refused, what is never used, what preflights cost",
        "insights decisions.log",
        "insights --policies /etc/cors-service --svg plots decisions.log.*.gz decisions.log",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a decision log, compressed with gzip or not; - for standard input"
    )
    what = "a document or directory, REV:PATH of git, or the address of a running service"
    parser.add_argument("--policies", metavar="PATH", help=f"today's policies, to say what nobody uses: {what}")
    add_links(parser)
    parser.add_argument(
        "--days",
        type=_days,
        default=UNSEEN_DAYS,
        metavar="DAYS",
        help=f"after how many days an origin counts as not used; {UNSEEN_DAYS} by default",
    )
    parser.add_argument("--json", action="store_true", help="print everything for programs")
    parser.add_argument(
        "--svg", type=given_path, metavar="DIR", help="draw traffic, refusals and preflights there, as SVG"
    )
    parser.set_defaults(run=_insights)


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to 9999")
    return int(text)


def _insights(options: argparse.Namespace) -> int:
    try:
        sums = Sums(_active(options))
    except InvalidPolicies as invalid:
        print(invalid.report(), file=sys.stderr)
        return FAILED
    except NotReadableError as error:
        return _failed(str(error))
    unread = _Unread()
    for name in options.files:
        try:
            _read(name, sums, unread)
        except (OSError, zlib.error) as error:
            return _failed(f"{shown_path(name)} can't be read: {_why(error)}")
    unread.report()
    findings = findings_of(sums, options.days)
    try:
        for name, draw in PLOTS.items() if options.svg is not None else ():
            options.svg.mkdir(parents=True, exist_ok=True)
            (options.svg / f"{name}.svg").write_text(draw(findings), encoding="utf-8")
    except OSError as error:
        return _failed(f"{shown_path(options.svg)} can't be written: {_why(error)}")
    text = in_text(findings)
    if findings.begin is None:
        _failed(f"{text} {_WRITTEN_BY}")
    if options.json:
        print(in_json(findings).decode("utf-8"))
    elif findings.begin is not None:
        print(text)
    return FAILED if findings.begin is None else ALLOWED


def _active(options: argparse.Namespace) -> ActivePolicies | None:
    if options.policies is None:
        return None
    with Progress(f"Reading {options.policies}") as progress:
        policies = read_source(options.policies, reader_limits(options), progress, os.environ.get(_TOKEN))
    return ActivePolicies(policies)


def _failed(message: str) -> int:
    print(f"cors-service insights: {message}", file=sys.stderr)
    return FAILED


def _why(error: Exception) -> str:
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "it was compressed with gzip, and is damaged"
    return why_unreadable(error) if isinstance(error, OSError) else str(error)


class _Unread:
    """The lines that could not be read.

    Attributes:
        why: How many there were, by the code of what is wrong.
    """

    def __init__(self) -> None:
        self.why: Counter[str] = Counter()
        self._first = ""

    def add(self, place: str, error: NotALine) -> None:
        self._first = self._first or f"{place}: {error.message}"
        self.why[error.code] += 1

    def report(self) -> None:
        """Say how many there were, why, and which was the first."""
        if self.why:
            total = self.why.total()
            why = ", ".join(f"{count} {code}" for code, count in sorted(self.why.items()))
            print(f"{total} {plural(total, 'line')} can't be read ({why}). {self._first}", file=sys.stderr)


def _read(name: str, sums: Sums, unread: _Unread) -> None:
    """Add the lines of a file.

    Raises:
        OSError: It can't be read.
        zlib.error: It is packed, and damaged.
    """
    with _opened(name) as (file, raw, size), Progress(f"Reading {name}") as progress:
        for number, line in enumerate(_lines(name, file), 1):
            if number % _OFTEN == 0 and size:
                progress(raw.tell(), size)
            if not line or line.isspace():
                continue
            try:
                sums.add(read_line(line))
            except NotALine as error:
                unread.add(f"{shown_path(name)}:{number}", error)


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, BinaryIO, int]]:
    """Open a file: what its lines are read from, the file itself, and its size in bytes, or 0 if it has none."""
    if name == _STANDARD_INPUT:
        yield sys.stdin.buffer, sys.stdin.buffer, 0
        return
    with Path(name).open("rb") as raw:
        status = os.fstat(raw.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        begin = raw.peek(_LONGEST_MARK) if size else b""
        if begin.startswith(_OTHERWISE_PACKED):
            raise OSError("it is compressed, but not with gzip; unpack it first")
        if begin.startswith(_ZIPPED):
            with gzip.open(raw) as unpacked:
                yield cast(BinaryIO, unpacked), raw, size
        else:
            yield raw, raw, size


def _lines(name: str, file: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a file; of one that is too long, as much as shows that it is."""
    most = LONGEST + 1
    try:
        while line := file.readline(most):
            yield line
            while len(line) == most and line[-1:] != b"\n":
                line = file.readline(most)
    except EOFError:
        # What packs it may still be at work. The end of a log that is being written is missing, too.
        print(f"{shown_path(name)} ends too early: the rest of it is missing.", file=sys.stderr)
