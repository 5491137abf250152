"""Tests of the name that was probably meant: found among few and among many, at a bounded cost."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.nearest import nearest

FEW = ["catalogue", "prices", "team-a.shop"]
MANY = {*FEW, *(f"policy-{number}" for number in range(1000))}

NEAR = {
    "a letter too many": ("priices", "prices"),
    "a letter too few": ("price", "prices"),
    "another letter": ("prizes", "prices"),
    "two letters swapped": ("pirces", "prices"),
    "another case": ("Prices", "prices"),
    "blanks": (" prices ", "prices"),
    "another separator": ("team_a.shop", "team-a.shop"),
    "another separator, everywhere": ("policy.17", "policy-17"),
    "no separator": ("policy17", "policy-17"),
    "a digit": ("policy-99x", "policy-99"),
    "something else": ("nothing", None),
    "nothing": ("", None),
    "what is very long": ("prices" * 100, None),
    "a control character": ("prices\n", "prices"),
}


@pytest.mark.parametrize(("name", "meant"), NEAR.values(), ids=NEAR)
def test_among_many(name: str, meant: str | None) -> None:
    """Among many names the one is found that differs in case, separators, or a character."""
    assert meant == nearest(name, MANY)


def test_among_few() -> None:
    """Among few names one is found that differs in more."""
    names = ["catalog", "pricing", "the-prices", "PRICES", "nothing"]
    assert [nearest(name, FEW) for name in names] == ["catalogue", "prices", "prices", "prices", None]


class Counted(set[str]):
    """Names that count how often they are looked up, or looked through."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.asked += 1
            yield name


@given(st.text(max_size=80))
def test_cost(name: str) -> None:
    """However many names there are, few times as many are looked up as the longest name has characters."""
    known = Counted(MANY)
    nearest(name, known)
    assert known.asked < 3_000
