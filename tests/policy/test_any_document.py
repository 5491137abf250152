"""Tests of whatever can be generated: it is refused as documents are, or read."""

import json
from typing import Any

import tomli_w
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cors_service.policy import Source, read_document, write_document
from cors_service.policy.schema import SCHEMA
from tests.policy.documents import codes_of, is_fine, json_text, mistakes_in, mistakes_of, toml

KEYS = st.sampled_from(["a", *SCHEMA["properties"], *SCHEMA["$defs"]["policy"]["properties"]]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=3
)
STRINGS = st.sampled_from(
    [
        "*",
        "null",
        "@a",
        "re:(",
        "re:a",
        "https://a.example",
        "http://*.com",
        "{a,b}://c",
        "GET",
        "x-*",
        "null-origin",
        "a/",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | STRINGS
VALUES = st.recursive(
    SCALARS | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
# Explaining a failure of documents as large as these takes minutes.
SEARCH = settings(
    deadline=None,
    max_examples=200,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],
)
BODIES = st.dictionaries(KEYS, st.lists(STRINGS, max_size=3) | VALUES, max_size=5)
DOCUMENTS = st.fixed_dictionaries(
    {"version": st.just(1) | SCALARS},
    optional={
        "policies": st.dictionaries(STRINGS | KEYS, BODIES | VALUES, max_size=3) | VALUES,
        "origin_sets": st.dictionaries(STRINGS | KEYS, st.lists(STRINGS, max_size=3) | VALUES, max_size=3) | VALUES,
        "foo": VALUES,
    },
)


@SEARCH
@given(DOCUMENTS)
def test_any_structure(document: dict[str, Any]) -> None:
    """Any structure is either read, and then can be written, or refused with mistakes at places that exist in it."""
    found = mistakes_in(document)
    assert [mistake for mistake in found if not is_fine(mistake)] == []
    assert [mistake for mistake in found if not leads_somewhere(document, mistake.path)] == []
    if not found:
        policy_set = read_document(document)
        assert read_document(write_document(policy_set)) == policy_set


def leads_somewhere(node: Any, path: tuple[str | int, ...]) -> bool:
    """Whether there is something at a path."""
    for part in path:
        if not (part in node if isinstance(node, dict) else isinstance(part, int) and part < len(node)):
            return False
        node = node[part]
    return True


def without_none(node: Any) -> Any:
    """Leave out what TOML has no word for."""
    if isinstance(node, dict):
        return {key: without_none(value) for key, value in node.items() if value is not None}
    return [without_none(value) for value in node if value is not None] if isinstance(node, list) else node


@SEARCH
@given(DOCUMENTS.map(without_none), st.integers(0), st.text(max_size=2))
def test_damaged_toml(document: dict[str, Any], place: int, insert: str) -> None:
    """A TOML document with a piece cut out or put in is read or refused; lines are lines of the text."""
    text = tomli_w.dumps(document)
    check_text(toml(damaged(text, place, insert)))


@SEARCH
@given(DOCUMENTS, st.integers(0), st.text(max_size=2))
def test_damaged_json(document: dict[str, Any], place: int, insert: str) -> None:
    """A JSON document with a piece cut out or put in is read or refused; lines are lines of the text."""
    text = json.dumps(document, default=str, indent=1)
    check_text(json_text(damaged(text, place, insert)))


def damaged(text: str, place: int, insert: str) -> str:
    """Put something in place of a character of a text, or add it."""
    place %= len(text) + 1
    return text[:place] + insert + text[place + 1 :]


def check_text(source: Source) -> None:
    """Check that a text is read or refused, with lines that exist."""
    last = source.text.count("\n") + 1
    found = mistakes_of(source)
    assert [mistake for mistake in found if not is_fine(mistake)] == []
    assert [mistake for mistake in found if not 1 <= (mistake.line or 1) <= last] == []


@given(st.text())
def test_any_toml(text: str) -> None:
    """Any text whatever is refused as TOML, or is at least no policy."""
    assert codes_of(toml(text)) != []


@given(st.text())
def test_any_json(text: str) -> None:
    """Any text whatever is refused as JSON, or is at least no policy."""
    assert codes_of(json_text(text)) != []
