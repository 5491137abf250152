"""No page grows with the number of policies, replicas and decisions."""

from __future__ import annotations

import pytest

from tests.console.large import PAGES, large_office
from tests.console.visits import ConsoleOffice

LARGEST = 300 * 1024
"""Bytes of a page."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> ConsoleOffice:
    """Give a large console."""
    return large_office(tmp_path_factory.mktemp("large"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_size(office: ConsoleOffice, path: str) -> None:
    """With 10,000 policies, 20 replicas and 20,000 lines, a page has 300 KiB at most."""
    answer = office.visitor().visit(path)
    assert answer.status == 200
    assert len(answer.body) <= LARGEST
