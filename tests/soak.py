"""Judges as many pairs as you have time for: `python -m tests.soak`, or `make soak`.

The documents are numbered, and each is drawn by its number and the seed, with its requests; so what was found is found
again. It stops at the first pair on which not all agree, shows it, and exits with 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from tests.pairs import EXCHANGES, judge_numbered

_BATCH = 20
"""Documents that a process takes at a time."""
_PAUSE = 5.0
"""Seconds between two lines."""


class Batch(NamedTuple):
    """What came of some documents.

    Attributes:
        reasons: How often each reason code was given.
        allowed: How many pairs were allowed.
        wrong: What was wrong, and with which document; empty if nothing was.
    """

    reasons: Counter[str]
    allowed: int
    wrong: str = ""


def judge_batch(seed: int, numbers: range) -> Batch:
    """Judge the pairs of some documents, up to the first that is wrong."""
    reasons: Counter[str] = Counter()
    allowed = 0
    for number in numbers:
        try:
            for judgement in judge_numbered(seed, number):
                reasons[judgement.reason] += 1
                allowed += judgement.allowed
        except Exception:  # noqa: BLE001 - what can't be decided is as wrong as what is decided wrongly
            again = f"python -m tests.soak --seed {seed} --first {number} --pairs {EXCHANGES}"
            return Batch(reasons, allowed, f"{traceback.format_exc()}\nagain: {again}")
    return Batch(reasons, allowed)


def soak(seed: int, first: int, pairs: int, jobs: int) -> bool:
    """Judge pairs, and print how it goes.

    Args:
        seed: The name of the series of documents.
        first: The number of the first document.
        pairs: How many pairs to judge, rounded up to whole documents.
        jobs: How many processes.

    Returns:
        Whether all agree on all of them.
    """
    reasons: Counter[str] = Counter()
    allowed = 0
    last = first - (-pairs // EXCHANGES)
    batches = [range(number, min(number + _BATCH, last)) for number in range(first, last, _BATCH)]
    _tell(f"seed {seed}, documents {first} to {last - 1}, {EXCHANGES} pairs each, {jobs} processes")
    started = told = time.monotonic()
    with _judged(partial(judge_batch, seed), batches, jobs) as judged:
        for batch in judged:
            reasons += batch.reasons
            allowed += batch.allowed
            now = time.monotonic()
            if batch.wrong:
                _tell(f"{batch.wrong}\n{reasons.total():,} pairs were right before this one")
                return False
            if now - told >= _PAUSE:
                told = now
                _tell(_progress(reasons.total(), (last - first) * EXCHANGES, now - started))
    seconds = time.monotonic() - started
    done = reasons.total()
    _tell(f"{done:,} pairs in {seconds:.0f} s, {done / seconds:,.0f} a second: 0 wrong, {allowed / done:.1%} allowed")
    for reason, count in reasons.most_common():
        _tell(f"  {reason:20} {count:>12,} {count / done:7.2%}")
    return True


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - whoever runs this waits for it


def _progress(done: int, pairs: int, seconds: float) -> str:
    rate = done / seconds
    left = round((pairs - done) / rate)
    share = f"{done:,} of {pairs:,} pairs ({done / pairs:.1%})"
    return f"{share}, {rate:,.0f} a second, {left // 60}:{left % 60:02} left, 0 wrong"


@contextmanager
def _judged(judge: partial[Batch], batches: Sequence[range], jobs: int) -> Iterator[Iterator[Batch]]:
    if jobs == 1:
        yield map(judge, batches)
        return
    # What is interrupted is this process; it ends the others.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("spawn").Pool(jobs, ignore) as pool:
        yield pool.imap_unordered(judge, batches)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Judge decisions by the document and by a model of the browser."
    )
    parser.add_argument("--pairs", type=int, default=10_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="default: another each time")
    parser.add_argument("--first", type=int, default=0, help="the number of the first document (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each CPU)")
    options = parser.parse_args(arguments)
    if min(options.pairs, options.jobs) < 1:
        parser.error("--pairs and --jobs must be at least 1")
    return 0 if soak(options.seed, options.first, options.pairs, options.jobs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
