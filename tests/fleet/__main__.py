"""Proves a fleet on PostgreSQL and on etcd: `python -m tests.fleet`, `make fleet`, and larger, `make soak`.

It exits with 1 if a change was lost, an answer mixed two revisions or let through more than its revision, an answer
was older than one before or than what all replicas had confirmed, or a replica differs in the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cors_service.ledger.urls import prepare_store
from tests.e2e.stores.scale import measured
from tests.fleet.report import Found, is_wrong, text_of, write
from tests.fleet.run import Plan, opened, run
from tests.fleet.servers import STORES


def prove(store: str, plan: Plan, policies: int, changes: int) -> Found:
    """Run a fleet on a store, and measure many policies in it."""
    begun = time.monotonic()

    def tell(line: str) -> None:
        _tell(f"{time.monotonic() - begun:6.0f} s  {store}: {line}")

    with STORES[store]() as servers:
        tell(f"{plan.calm:,} changes without faults and {plan.changes:,} with, seed {plan.seed}")
        directory = Path(tempfile.mkdtemp(prefix="cors-fleet-"))
        outcome = run(servers, plan, directory, tell)
        for example in outcome.examples:
            tell(example)
        if outcome.wrong:
            tell(f"{directory} has all answers, and what the replicas said")
        else:
            shutil.rmtree(directory)
        if not policies:
            return Found(outcome, None)
        tell(f"measuring {policies:,} policies")
        url = servers.url()
        prepare_store(url)
        with tempfile.TemporaryDirectory(prefix="cors-fleet-") as place, opened(url) as one:
            return Found(outcome, measured(one, url, Path(place), policies=policies, changes=changes))


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fleet", description="Prove that a fleet loses and mixes nothing, whatever fails."
    )
    parser.add_argument("--changes", type=int, default=1000, help="how many with faults (default: %(default)s)")
    parser.add_argument("--calm", type=int, default=150, help="how many before, without (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=8.0, help="changes a second (default: %(default)s)")
    parser.add_argument("--every", type=int, default=40, help="a fault every so many changes (default: %(default)s)")
    parser.add_argument("--policies", type=int, default=100_000, help="for the scale; 0 leaves it out")
    parser.add_argument("--policy-changes", type=int, default=100, help="changes among these (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=17, help="gives changes, questions, faults (default: %(default)s)")
    parser.add_argument("--only", choices=STORES, help="one store alone")
    parser.add_argument("--write", action="store_true", help="write docs/fleet.md and its plot")
    options = parser.parse_args(arguments)
    plan = Plan(options.seed, calm=options.calm, changes=options.changes, rate=options.rate, every=options.every)
    stores = [options.only] if options.only else list(STORES)
    try:
        found = [prove(store, plan, options.policies, options.policy_changes) for store in stores]
    except pytest.skip.Exception as missing:
        parser.error(str(missing))
    _tell(text_of(found))
    if options.write:
        write(found)
    return 1 if is_wrong(found) else 0


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - whoever runs this waits for it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
