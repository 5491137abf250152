"""Tests of comments in TOML documents that are edited: each one stays with what it is about, and goes with it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.explain._edits import Add, Edit, Insert, NotEditedError, Take, edited
from cors_service.explain._toml import edit_toml

NEW: Final = 77
FORMS: Final = {
    "tables": (
        "version = 1\n\n# of none\n[policies.a]\nmatch = ['a.example/'] # of none\n",
        "\n{above}[[policies.a.rules]]{behind}\nmax_age = {n}\n",
        "\n# of none\n[policies.b]\nmax_age = 99\n",
    ),
    "tables without blank lines": (
        "version = 1\n[policies.a]\nmatch = ['a.example/']\n",
        "{above}[[policies.a.rules]]\nmax_age = {n}{behind}\n",
        "# of none\n[policies.b]\nmax_age = 99\n",
    ),
    "tables without one of the policy": (
        "version = 1\n# of none\n[origin_sets]\nx = ['@x'] # of none\n",
        "\n{above}[[policies.a.rules]]\nmax_age = {n}\n",
        "",
    ),
    "tables behind another policy": (
        "[policies.b]\nmatch = ['b.example/']\n\n[policies.b.guard]\nhosts = ['b'] # of none\n\n# of none\n",
        "\n{above}[[policies.a.rules]]\nmax_age = {n}\n",
        "\n# of none\n",
    ),
    "tables at the top": ("# of none\n\n", "{above}[[policies.a.rules]]\nmax_age = {n}\n\n", "# of none\n"),
    "dotted keys above": (
        "[policies.a]\nguard.hosts = ['a'] # of none\n",
        "\n{above}[[policies.a.rules]]\nmax_age = {n}\n",
        "",
    ),
    "indented tables": (
        "[policies.a]\n  match = ['a.example/']\n",
        "\n{above}  [[policies.a.rules]]\n    max_age = {n}\n",
        "",
    ),
    "a list": (
        "[policies.a]\n# of none\nrules = [ # of none\n",
        "{above}  {{max_age = {n}}},{behind}\n",
        "\n  # of none\n] # of none\n# of none\nmax_age = 99\n",
    ),
    "a list without a last comma": (
        "[policies.a]\nrules = [\n  # of none\n\n",
        "{above}  {{max_age = {n}}}{comma}{behind}\n",
        "]\n",
    ),
    "a list of a dotted key": ("[policies]\na.rules = [\n", "{above}\t{{max_age = {n}}},\n", "# of none\n]\n"),
    "a list with lists": (
        "[policies.a]\nrules = [\n",
        "{above}  {{max_age = {n}, origins = [\n    # within\n    'https://x.example',\n  ]}},{behind}\n",
        "]\n",
    ),
    "a list in a line": (
        "policies = {{a = {{rules = [\n",
        "{above}  {{max_age = {n}}},{behind}\n",
        "]}}}} # of none\n",
    ),
}


class Written(NamedTuple):
    """A rule as it is written.

    Attributes:
        n: Its number.
        above: Lines of comment above it.
        is_apart: Whether a comment stands apart from them, above a blank line.
        is_gone: Whether only that comment is left.
    """

    n: int
    above: int = 0
    is_apart: bool = False
    is_gone: bool = False


def written(form: str, rules: Sequence[Written]) -> str:
    """Write a policy with rules, each with comments that have its number."""
    start, rule, end = FORMS[form]
    text = start.replace("{{", "{").replace("}}", "}")
    for number, one in enumerate(rules):
        apart = "# of none\n\n" if one.is_apart else ""
        above = apart + "".join(f"# {one.n}, line {line}\n" for line in range(one.above))
        comma = "," if number < len(rules) - 1 else ""
        behind = f" # behind {one.n}" if one.n != NEW else ""
        text += apart if one.is_gone else rule.format(above=above, n=one.n, behind=behind, comma=comma)
    return text + end.replace("}}", "}")


def lines(text: str) -> list[str]:
    """The lines of a text, without blank ones and without blanks around them; the last comma of a list may be there."""
    return [line.strip().replace("},", "}").replace("] ,", "]") for line in text.split("\n") if line.strip()]


_RULES = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=2, max_size=4)


@given(st.sampled_from(sorted(FORMS)), _RULES, st.integers(0, 3))
def test_removed_rule(form: str, drawn: list[tuple[int, bool]], index: int) -> None:
    """With a rule go the comments right above it and behind it, and all others stay where they are."""
    rules = [Written(n, above, is_apart) for n, (above, is_apart) in enumerate(drawn)]
    index %= len(rules)
    text = written(form, rules)
    after = edit_toml(text, [Take(("policies", "a", "rules", index))])
    rules[index] = rules[index]._replace(is_gone=True)
    assert lines(after) == lines(written(form, rules))
    assert "\n\n\n" not in after or "\n\n\n" in text


@given(st.sampled_from(sorted(FORMS)), _RULES, st.integers(0, 4))
def test_inserted_rule(form: str, drawn: list[tuple[int, bool]], index: int) -> None:
    """A rule is put above the comments of the one that it stands before, and behind those of the one before it."""
    rules = [Written(n, above) for n, (above, _) in enumerate(drawn)]
    index = min(index, len(rules))
    edit = Insert(("policies", "a", "rules", index), {"max_age": NEW})
    text = written(form, rules)
    after = edit_toml(text, [edit])
    assert tomllib.loads(after) == edited(tomllib.loads(text), [edit])
    rules.insert(index, Written(NEW))
    expected = lines(written(form, rules))
    if form == "a list with lists":
        start = expected.index(f"{{max_age = {NEW}, origins = [")
        expected[start : start + 4] = [f"{{max_age = {NEW}}}"]
    assert lines(after) == expected


LISTS: Final[dict[str, tuple[str, Edit, str]]] = {
    "the first item": (
        "a = [\n  # first,\n  # long ago\n  'x', # one\n  # second\n  'y', # two\n]\n",
        Take(("a", 0)),
        "a = [\n  # second\n  'y', # two\n]\n",
    ),
    "the last item": (
        "a = [\n  # first\n  'x', # one\n  # second\n  'y' # two\n  # none\n]\n",
        Take(("a", 1)),
        "a = [\n  # first\n  'x', # one\n  # none\n]\n",
    ),
    "the only item": ("a = [\n  # first\n  'x',\n]\n", Take(("a", 0)), "a = [\n]\n"),
    "the last item before the bracket": (
        "a = [\n  # first\n  'x',\n  # second\n  'y' ]\n",
        Take(("a", 1)),
        "a = [\n  # first\n  'x',\n]\n",
    ),
    "an item at the bracket": ("a = ['x',\n  # second\n  'y']\n", Take(("a", 0)), "a = [\n  # second\n  'y']\n"),
    "an item of a line": (
        "a = [\n  # several\n  'x', 'y', 'z', # all\n]\n",
        Take(("a", 1)),
        "a = [\n  # several\n  'x', 'z', # all\n]\n",
    ),
    "the first item of a line": (
        "a = [\n  # several\n  'x', 'y', # all\n]\n",
        Take(("a", 0)),
        "a = [\n  # several\n  'y', # all\n]\n",
    ),
    "the last item of a line": (
        "a = [\n  # several\n  'x', 'y', # all\n]\n",
        Take(("a", 1)),
        "a = [\n  # several\n  'x', # all\n]\n",
    ),
    "a new item": (
        "a = [\n  # first\n  'x',\n  # 'y',\n]\n",
        Add(("a",), "z"),
        "a = [\n  # first\n  'x',\n  \"z\",\n  # 'y',\n]\n",
    ),
    "a new item without a comma": (
        "a = [\n  # first\n  'x' # one\n]\n",
        Add(("a",), "z"),
        "a = [\n  # first\n  'x', # one\n  \"z\"\n]\n",
    ),
    "a new item at the bracket": ("a = [\n  # first\n  'x']\n", Add(("a",), "z"), "a = [\n  # first\n  'x', \"z\"]\n"),
    "a new item of a line": (
        "a = [\n  # first\n  'x', 'y',\n]\n",
        Add(("a",), "z"),
        "a = [\n  # first\n  'x', 'y', \"z\",\n]\n",
    ),
    "a list in a list": (
        "a = [\n  {b = [\n    # first\n    'x',\n    # second\n    'y',\n  ]}, # one\n]\n",
        Take(("a", 0, "b", 0)),
        "a = [\n  {b = [\n    # second\n    'y',\n  ]}, # one\n]\n",
    ),
    "line ends of Windows": (
        "a = [\r\n  # first\r\n  'x', # one\r\n  # second\r\n  'y',\r\n]\r\n",
        Take(("a", 1)),
        "a = [\r\n  # first\r\n  'x', # one\r\n]\r\n",
    ),
    "what looks like a comment": (
        "a = [\n  '''\n# no comment, but\n''', \"],#\",\n  # second\n  'y',\n]\n",
        Take(("a", 2)),
        "a = [\n  '''\n# no comment, but\n''', \"],#\",\n]\n",
    ),
    "a key": (
        "# none\n[a]\nx = 1 # one\n# of y\ny = 2 # two\n# of z\nz = 3\n",
        Take(("a", "y")),
        "# none\n[a]\nx = 1 # one\n# of z\nz = 3\n",
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_items(kind: str) -> None:
    """With an item of a list, or a key, go the comments about it, and a new one takes none of another."""
    text, edit, expected = LISTS[kind]
    assert edit_toml(text, [edit]) == expected


@pytest.mark.parametrize("edit", [Take(("a", 0)), Add(("a",), "z")])
def test_commas_elsewhere(edit: Edit) -> None:
    """A list with comments and with commas elsewhere than behind its items is not edited, and it is said why."""
    with pytest.raises(NotEditedError, match="Write each item on a line of its own"):
        edit_toml("a = [\n  # first\n  'x'\n  # second\n  , 'y'\n  ,\n]\n", [edit])
