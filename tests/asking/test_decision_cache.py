"""Decisions are used again for as long as they may be, and no more of them are kept than there is room for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cors_service.asking.cache import DecisionCache
from cors_service.decision import Query, Reason
from cors_service.wire.received import Received

A, B, C = (Query("GET", "app", None, (f"https://{name}.example",)) for name in "abc")


def decision(ttl: int = 5, revision: str = "1") -> Received:
    """Make a decision."""
    return Received("actual", False, None, Reason("origin-not-allowed", ""), (), "app", None, revision, ttl=ttl)


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def seconds(self) -> float:
        """Tell it."""
        return self.now


@pytest.fixture
def time() -> Time:
    """The time."""
    return Time()


def test_lifetime(time: Time) -> None:
    """A decision holds for its ttl, from the moment at which it is kept, and is renewed by the next."""
    cache, one, other = DecisionCache(time.seconds), decision(5), decision(7)
    assert cache.get(A) is None
    cache.keep(A, one)
    time.now += 4.9
    assert cache.get(A) is one
    time.now += 0.1
    assert cache.get(A) is None
    cache.keep(A, other)
    time.now += 6.9
    assert cache.get(A) is other
    assert cache.get(B) is None


def test_no_lifetime(time: Time) -> None:
    """With a ttl of 0 a decision is not used again, nor is a cache of size 0 used at all."""
    cache, none = DecisionCache(time.seconds), DecisionCache(time.seconds, 0)
    cache.keep(A, decision(0))
    none.keep(A, decision())
    assert (cache.get(A), none.get(A)) == (None, None)


def test_another_revision(time: Time) -> None:
    """Whatever it is about and however long it holds, it ends what was decided by the one before."""
    cache = DecisionCache(time.seconds)
    cache.keep(A, decision(3600))
    cache.keep(B, decision(0, "2"))
    assert cache.get(A) is None
    cache.keep(A, decision(3600, "2"))
    assert cache.get(A) is not None


def test_replicas_differ(time: Time) -> None:
    """While answers come from two revisions in turns, those of both are remembered, each for its ttl."""
    cache, old, new = DecisionCache(time.seconds), decision(5, "1"), decision(5, "2")
    cache.keep(A, old)
    cache.keep(A, new)
    cache.keep(B, old)
    cache.keep(C, new)
    assert [cache.get(query) for query in (A, B, C)] == [new, old, new]
    time.now += 5
    assert [cache.get(query) for query in (A, B, C)] == [None, None, None]


def test_an_earlier_revision_again(time: Time) -> None:
    """Who goes back to earlier policies after a while has changed them, too."""
    cache = DecisionCache(time.seconds)
    cache.keep(A, decision(5, "1"))
    time.now += 1
    cache.keep(B, decision(3600, "2"))
    time.now += 5
    cache.keep(C, decision(5, "1"))
    assert cache.get(B) is None


def test_bounded(time: Time) -> None:
    """The one that was kept first makes room; one that is renewed does not, and is the last again."""
    cache = DecisionCache(time.seconds, 2)
    for query in (A, B, B):
        cache.keep(query, decision())
    assert cache.get(A) is not None, "what is renewed takes no other's room"
    for query in (A, C):
        cache.keep(query, decision())
    assert [cache.get(query) is not None for query in (A, B, C)] == [True, False, True]


@pytest.mark.parametrize(
    "query",
    [
        Query("x" * 2000),
        Query("GET", "x" * 2000),
        Query("GET", None, "x" * 2000),
        Query("GET", "app", None, ("x" * 2000,)),
        Query("GET", "app", None, ("",) * 2000),
        Query("GET", "app", None, (), ("x",) * 2000),
        Query("GET", "app", None, (), (), ("x" * 600, "x" * 600)),
    ],
    ids=["method", "policy", "url", "origin", "origins", "methods", "headers"],
)
def test_long_queries(time: Time, query: Query) -> None:
    """Memory is not for those who ask what no browser asks; but it is seen that the policies have changed."""
    cache = DecisionCache(time.seconds)
    cache.keep(A, decision())
    cache.keep(query, decision(5))
    assert cache.get(query) is None
    assert cache.get(A) is not None
    cache.keep(query, decision(5, "2"))
    assert cache.get(A) is None


def test_threads() -> None:
    """Several at once neither break it nor get what was decided about something else."""
    cache = DecisionCache(lambda: 0, 10)
    queries = [Query("GET", str(number)) for number in range(30)]

    def work(seed: int) -> bool:
        for turn in range(2000):
            query = queries[(turn * 7 + seed) % len(queries)]
            revision = str(turn // 500)
            policy = query.policy or ""
            cache.keep(query, Received("no-origin", None, None, Reason("", ""), (), policy, None, revision, ttl=9))
            found = cache.get(query)
            assert found is None or found.policy == query.policy
        return True

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [True] * 4
    assert sum(cache.get(query) is not None for query in queries) <= 10
