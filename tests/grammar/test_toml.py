"""Tests of parsing TOML: what a text that can't be parsed is reported with."""

from __future__ import annotations

import pytest

from cors_service.grammar.toml import InvalidTOML, parse_toml


def test_parses() -> None:
    """A text is a table of its keys."""
    assert parse_toml('a = 1\n[b]\nc = ["d"]\n', "suite") == {"a": 1, "b": {"c": ["d"]}}


@pytest.mark.parametrize(
    ("text", "start", "line"),
    [
        ("a = 1\nb\n", "The suite is not valid TOML: Expected '=' after a key in a key/value pair in column 2.", 2),
        ('a = {"é" = 1, "é" = 2}', "The suite is not valid TOML: ", 1),
        ("\na = [1]\n# " + "x" * 4096, "The line has more than 4096 characters.", 3),
        ("a = " + "[" * 4000, "The suite is not valid TOML: it is nested too deeply.", None),
    ],
    ids=["place", "odd", "long", "deep"],
)
def test_mistakes(text: str, start: str, line: int | None) -> None:
    """A mistake is a sentence of ASCII, so that it forges nothing in a log, with its line where that is known."""
    with pytest.raises(InvalidTOML) as caught:
        parse_toml(text, "suite")
    assert str(caught.value).startswith(start)
    assert str(caught.value).isascii()
    assert caught.value.line == line
