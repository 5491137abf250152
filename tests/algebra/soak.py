"""Judges as many comparisons as you have time for: `python -m tests.algebra.soak`, a part of `make soak`.

All is numbered, so that what was found is found again. It stops at the first that is wrong, and exits with 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial

from tests.algebra import test_brute_force, test_many_policies, test_urls
from tests.grammar import test_reading_expressions

_BATCH = 100

KINDS: dict[str, Callable[[int], object]] = {
    "plain": partial(test_brute_force.judge, expressions=False),
    "expressions": partial(test_brute_force.judge, expressions=True),
    "urls": test_urls.judge,
    "policies": test_many_policies.judge,
    "texts": test_reading_expressions.judge,
}
"""What is judged by a number: an edit of plain patterns, of expressions, of matches, of several policies; an
expression, with some texts."""


def judge_batch(batch: tuple[str, int, int]) -> str:
    """Judge some, and give what is wrong; nothing if nothing is."""
    kind, first, behind = batch
    for number in range(first, behind):
        try:
            KINDS[kind](number)
        except Exception:  # noqa: BLE001 - what can't be compared is as wrong as what is compared wrongly
            return f"{traceback.format_exc()}\nagain: python -m tests.algebra.soak --first {number} --only {kind}"
    return ""


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.algebra.soak", description="Judge comparisons of policies.")
    parser.add_argument("--edits", type=int, default=100_000, help="edits of documents (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=1_000_000, help="texts of expressions (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of each kind (default: 0)")
    parser.add_argument("--only", choices=KINDS, help="one kind alone, one of it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each CPU)")
    options = parser.parse_args(arguments)
    counts = {"plain": options.edits // 2, "expressions": options.edits * 4 // 10, "urls": options.edits // 20}
    counts["policies"] = options.edits // 20
    counts["texts"] = options.texts // test_reading_expressions.TEXTS
    if options.only:
        counts = {options.only: 1}
    for kind, count in counts.items():
        last = options.first + count
        batches = [(kind, start, min(start + _BATCH, last)) for start in range(options.first, last, _BATCH)]
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            for wrong in pool.imap_unordered(judge_batch, batches):
                if wrong:
                    print(wrong)  # noqa: T201 - whoever runs this waits for it
                    return 1
        print(f"{kind}: {count:,} right", flush=True)  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
