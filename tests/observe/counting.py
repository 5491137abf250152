"""Tables of tests, and what is counted in them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.observe.interfaces import Fact
from cors_service.observe.table import Table
from cors_service.observe.tally import Tally
from cors_service.policy import read_document

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


def die_after(count: Callable[[], object]) -> None:
    """Do something in a process of its own, which is then killed by SIGKILL."""
    process = os.fork()
    if not process:
        try:
            count()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
