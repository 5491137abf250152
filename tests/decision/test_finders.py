"""Tests of the finders of single kinds of patterns, in small worlds in which all there is can be listed."""

from collections import deque
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision._addresses import AddressIndex
from cors_service.decision._globs import GlobIndex
from cors_service.decision._ports import NO_RULE
from cors_service.decision.steps import at_once, sorted_in_steps
from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import read_pattern
from cors_service.grammar.wildcard import Glob
from tests import naive
from tests.examples import examples

PORTS = ["", ":*", ":8080", ":8080-8081"]


def expected(rules: Sequence[str], origin: str) -> int:
    """The index of the first rule that the oracle finds to cover an origin."""
    return next((index for index, pattern in enumerate(rules) if naive.covers(pattern, origin)), NO_RULE)


RANGES = [
    *(f"10.0.0.{first}/{length}" for length in range(28, 33) for first in range(0, 16, 1 << (32 - length))),
    *("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "255.255.255.255/32", "10.0.1.0/24", "10.1.0.0/16", "11.0.0.0/8"),
    *("[::]/0", "[::]/127", "[::]/128", "[::1]/128", "[::2]/127", "[ffff::]/16", "[1:2:3:4:5:6:7:8]/128", "[1::]/16"),
]
ADDRESSES = [
    *(f"10.0.0.{last}" for last in range(17)),
    *("0.0.0.0", "9.255.255.255", "127.255.255.255", "128.0.0.0", "255.255.255.255", "255.255.255.254", "10.0.1.0"),
    *("10.0.1.255", "10.0.2.0", "10.1.0.0", "10.1.255.255", "10.2.0.0", "11.0.0.0", "11.255.255.255", "12.0.0.0"),
    *("[::]", "[::1]", "[::2]", "[::3]", "[::4]", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[fffe::]", "[ffff::]"),
    *("[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:9]", "[2::]", "a.example", "10.a"),
]


@examples(150)
@given(st.lists(st.sampled_from([f"http://{one}{port}" for one, port in product(RANGES, PORTS)]), max_size=12))
def test_addresses(rules: list[str]) -> None:
    """Each address is found by the first range that it is in, at each border of all ranges."""
    index = AddressIndex()
    for number, text in enumerate(rules):
        pattern = read_pattern(text)
        assert isinstance(pattern, AddressRange)
        index.add(pattern, number)
    deque(index.seal(), 0)
    for origin in (f"http://{address}{port}" for address in ADDRESSES for port in ("", ":8080", ":8081")):
        parsed = read_origin(origin)
        assert parsed is not None
        assert expected(rules, origin) == index.find(parsed), origin


ENDS = ["", "a", "ab", "aba", "b", "b-", "-", "_", "a_"]
GLOBS = [f"{before}*{behind}" for before, behind in product(ENDS, ENDS) if before or behind]
SUFFIXES = ["x", "x:*", "x:8080", "x:9000-9999", "y", "a.x"]
LABELS = [
    *("".join(chars) for length in range(1, 5) for chars in product("ab-", repeat=length)),
    *("".join(chars) for length in (2, 3, 4) for chars in product("ab_", repeat=length)),
    "aXb",
]


@examples(60)
@given(st.lists(st.sampled_from([f"app://{glob}.{suffix}" for glob, suffix in product(GLOBS, SUFFIXES)]), max_size=12))
def test_globs(rules: list[str]) -> None:
    """Each label is found by the first glob that it fits, however the globs begin and end."""
    index = GlobIndex()
    for number, text in enumerate(rules):
        pattern = read_pattern(text)
        assert isinstance(pattern, Glob)
        index.add(pattern, number)
    deque(index.seal(), 0)
    for origin in (
        f"app://{label}.{suffix}" for label in LABELS for suffix in ("x", "x:8080", "x:8500", "x:65535", "a.x")
    ):
        parsed = read_origin(origin)
        assert parsed is not None
        assert expected(rules, origin) == index.find(parsed), origin


@pytest.mark.parametrize("count", [0, 1, 2000, 2001, 4500])
def test_sorted_in_steps(count: int) -> None:
    """However many items there are, they get sorted, and no step takes more than two thousand of them."""
    items = [number * 7919 % 4507 for number in range(count)]
    steps = sorted_in_steps(items)
    taken = sum(1 for _ in sorted_in_steps(items))
    assert at_once(steps) == sorted(items)
    assert taken == -(-count // 2000) + (-(-count // 200) if count > 2000 else 0)
