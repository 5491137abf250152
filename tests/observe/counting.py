"""Tables of tests, and what is counted in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.observe.interfaces import Fact
from cors_service.observe.table import Table
from cors_service.observe.tally import Tally
from cors_service.policy import read_document

ROOT = Path(__file__).parents[2]
POLICIES = ActivePolicies(
    read_document(
        {
            "version": 1,
            "policies": {
                "shop": {"origins": ["https://shop.example"], "methods": ["PUT"]},
                "open": {"origins": ["*"]},
            },
        }
    )
)
ALLOWED = Query("GET", "shop", origins=("https://shop.example",))
REFUSED = Query("DELETE", "shop", origins=("https://shop.example",))
PREFLIGHT = Query("OPTIONS", "shop", origins=("https://shop.example",), request_methods=("PUT",))
NO_ORIGIN = Query("GET", "open")
UNKNOWN = Query("GET", "none", origins=("https://shop.example",))


def fact_of(tally: Tally, query: Query) -> Fact:
    """Give what counts a query, be it decided or not."""
    try:
        return tally.fact(query, POLICIES.decide(query))
    except BadQuery as error:
        return tally.undecided(query, error, POLICIES.revision)


def stranger(number: int) -> Query:
    """A query of an origin that no other query has."""
    return Query("GET", "shop", origins=(f"https://{number}.example",))


@contextmanager
def shared(rows: int) -> Iterator[tuple[Table, Table]]:
    """A table as two processes have it open: the one that counts first."""
    descriptor = Table.make(rows)
    tables = Table(descriptor, rows), Table(descriptor, rows)
    os.close(descriptor)
    try:
        yield tables
    finally:
        for table in tables:
            table.close()


# Counts a number of decisions and something else, and is then killed.
_COUNTS = """
import os, signal, sys
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally
from tests.observe.counting import ALLOWED, fact_of
tally = RowTally(Table(int(sys.argv[1])))
for _ in range(int(sys.argv[2])):
    tally.anew(fact_of(tally, ALLOWED))
tally.add("closed", "crowded")
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def counted_and_killed(times: int) -> Iterator[Table]:
    """Have another process count ALLOWED so many times, and then be killed by SIGKILL; give its table."""
    descriptor = Table.make()
    table = Table(descriptor)
    try:
        words = [sys.executable, "-c", _COUNTS, str(descriptor), str(times)]
        done = subprocess.run(words, pass_fds=[descriptor], cwd=ROOT, timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
        yield table
    finally:
        os.close(descriptor)
