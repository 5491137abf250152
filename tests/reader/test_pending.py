"""A change that is made and not all in its place yet is read as if it were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cors_service.policy import Source
from cors_service.reader.pending import DOCUMENTS, PENDING, PLAN, pending
from cors_service.reader.reading import Documents
from cors_service.reader.sources import look_at, read_policies, read_text, state_of

TEXT = 'version = 1\n[policies.{}]\norigins = ["{}"]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a directory of three documents, with a change of two of them and of a new one that waits."""
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.toml").write_text(TEXT.format(name, "https://old.example.com"), encoding="utf-8")
    return tmp_path


def wait(path: Path) -> None:
    """Have the change wait."""
    waiting = path / PENDING
    (waiting / DOCUMENTS).mkdir(parents=True)
    for name in ("one", "new"):
        text = TEXT.format(name, "https://new.example.com")
        (waiting / DOCUMENTS / f"{name}.toml").write_text(text, encoding="utf-8")
    planned = {"one.toml": {"before": "a"}, "new.toml": {"before": None}, "two.toml": {"before": "a", "is_gone": True}}
    plan = json.dumps({"seq": 2, "documents": planned})
    (waiting / PLAN).write_text(plan, encoding="utf-8")


def test_nothing_waits(path: Path) -> None:
    """As a rule, nothing waits."""
    assert dict(pending(path)) == {}


def test_all_of_it(path: Path) -> None:
    """Whoever reads the directory finds what is new, what is changed, and not what is gone."""
    wait(path)
    policies = read_policies(path).policies
    assert {name: policy.rules[0].origins[0] for name, policy in policies.items()} == {
        "one": "https://new.example.com",
        "new": "https://new.example.com",
        "three": "https://old.example.com",
    }


def test_one_by_one(path: Path) -> None:
    """Each document is looked at and read in the same way as all of them."""
    wait(path)
    assert look_at(path) == {name: state_of(path, name) for name in ("one.toml", "new.toml", "three.toml")}
    assert state_of(path, "two.toml") is None
    source, state = read_text(path, "one.toml")
    assert isinstance(source, Source)
    assert "new.example" in source.text
    assert state == state_of(path, "one.toml")


@pytest.mark.parametrize("done", [1, 2, 3])
def test_half_done(path: Path, done: int) -> None:
    """Whatever of it is in its place already, all of it is read."""
    wait(path)
    whole = read_policies(path)
    steps: list[Callable[[], object]] = [
        lambda: (path / PENDING / DOCUMENTS / "one.toml").rename(path / "one.toml"),
        (path / "two.toml").unlink,
        lambda: (path / PENDING / DOCUMENTS / "new.toml").rename(path / "new.toml"),
    ]
    for step in steps[:done]:
        step()
    assert whole == read_policies(path)


def test_found_as_one(path: Path) -> None:
    """Whoever hears that one document of it has changed takes all of them together."""
    documents = Documents(path)
    documents.read(everything=True)
    wait(path)
    (path / PENDING / DOCUMENTS / "one.toml").rename(path / "one.toml")
    while not documents.look(["one.toml"]):
        pass
    assert read_policies(path) == documents.read()


@pytest.mark.parametrize("plan", ["", "[]", '{"seq": "2"}'])
def test_no_plan(path: Path, plan: str) -> None:
    """What is no plan changes nothing."""
    before = read_policies(path)
    wait(path)
    (path / PENDING / PLAN).write_text(plan, encoding="utf-8")
    assert before == read_policies(path)
    (path / PENDING / PLAN).unlink()
    assert before == read_policies(path)
