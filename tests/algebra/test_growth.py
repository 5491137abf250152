"""The time of a comparison grows with what changed, and not with its square; beyond a bound, nothing is claimed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cors_service.algebra import Comparison, compare
from cors_service.decision import ActivePolicies, Decision, Query
from tests.algebra.edits import Document, read

_A: Document = {"origins": ["https://a.x"]}


def _ports(count: int) -> tuple[Document, Document]:
    matches = [f"h{number}.example.com:{3000 + number}/" for number in range(count)]
    return {"p": {**_A, "match": matches}}, {"p": {**_A, "match": matches[1:]}}


def _guards(count: int) -> tuple[Document, Document]:
    hosts = [f"h{number}.example.com:{3000 + number}" for number in range(count)]
    before, after = ({"hosts": some} for some in (hosts, hosts[1:]))
    return {"p": {**_A, "guard": before}}, {"p": {**_A, "guard": after}}


def _globs(count: int) -> tuple[Document, Document]:
    origins = [f"https://a{number}*b{number}.example.com" for number in range(count)]
    return {"p": {"origins": origins}}, {"p": {"origins": origins, "methods": ["PUT"]}}


def _one_path_less(count: int) -> tuple[Document, Document]:
    policies = {f"p{number}": {**_A, "match": [f"s/v{number}/"]} for number in range(count)}
    return policies, {name: policy for name, policy in policies.items() if name != "p0"}


def _renamed(count: int) -> tuple[Document, Document]:
    before, after = ({f"{name}{n}": {**_A, "match": [f"s/v{n}/"]} for n in range(count)} for name in "pq")
    return before, after


def _compared(before: Document, after: Document) -> Comparison:
    old, new = (read({"version": 1, "policies": policies}) for policies in (before, after))
    assert old is not None
    assert new is not None
    return compare(old, new)


@pytest.mark.parametrize("change", [_ports, _guards, _globs, _one_path_less, _renamed])
def test_twice_as_much(change: Callable[[int], tuple[Document, Document]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twice as many matches, hosts of guards, globs or policies, about twice as many queries are decided."""
    asked = 0
    decide = ActivePolicies.decide

    def counted(self: ActivePolicies, query: Query) -> Decision:
        nonlocal asked
        asked += 1
        return decide(self, query)

    monkeypatch.setattr(ActivePolicies, "decide", counted)
    counts: list[int] = []
    for size in (40, 80):
        asked = 0
        assert _compared(*change(size)).unknown == ()
        counts.append(asked)
    assert counts[1] <= 2.2 * counts[0]


def test_labels_of_many_globs() -> None:
    """Globs that tell too many labels apart, each beginning with each end, are not compared, which is said."""
    origins = [text for number in range(200) for text in (f"https://a{number}*.x.com", f"https://*b{number}.x.com")]
    policies: list[dict[str, Any]] = [{"p": {"origins": origins, "methods": [method]}} for method in ("GET", "PUT")]
    (unknown,) = _compared(policies[0], policies[1]).unknown
    assert "too many classes" in unknown.sentence
