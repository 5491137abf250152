"""Edits of documents: they say what they shall, and nothing else that somebody wrote is lost."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.ledger.editing import NotEditable, edited, new_document
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import TABLES, Key
from cors_service.ledger.sections import join, split
from cors_service.policy import Source

SHOP = """\
# The shop's policies.
version = 1

[origin_sets]
# those who sell there
partners = [
  "https://a.example",  # since 2024
  "https://b.example",
]

# The shop itself.
[policies.shop]
match = ["api.example.com/shop/"]  # all of it

# its own pages
[[policies.shop.rules]]
origins = ["https://shop.example.com"]
methods = ["GET", "PUT"]  # PUT for orders
credentials = true

# everybody
[[policies.shop.rules]]
origins = ["*"]

[policies.shop.guard]
mode = "report"  # not yet

# another
[policies.other]
origins = ["@partners"]
"""
DOCUMENT: dict[str, Any] = tomllib.loads(SHOP)
POLICY: dict[str, Any] = DOCUMENT["policies"]["shop"]
RULES: list[dict[str, Any]] = POLICY["rules"]
NEW: dict[str, Any] = {"origins": ["https://new.example"]}


def edit(text: str, kind: Any, name: str, body: object, form: str = "toml") -> str | None:
    """Edit one definition of a document."""
    return edited(Source("a", form, text), [Edit(Key(kind, name), body)])


REPEATED = {"[[policies.shop.rules]]"}

# What is written, and which lines of the document go and come, apart from empty ones.
EDITS: dict[str, tuple[str, str, Any, set[str], set[str]]] = {
    "a key of a rule": (
        "policy",
        "shop",
        POLICY | {"rules": [RULES[0] | {"methods": ["GET", "PUT", "DELETE"]}, RULES[1]]},
        {'methods = ["GET", "PUT"]  # PUT for orders'},
        {'methods = ["GET", "PUT", "DELETE"]  # PUT for orders'},
    ),
    "a rule between two": (
        "policy",
        "shop",
        POLICY | {"rules": [RULES[0], NEW, RULES[1]]},
        set(),
        {'origins = ["https://new.example"]'},
    ),
    "a rule goes with what is written about it": (
        "policy",
        "shop",
        POLICY | {"rules": [RULES[1]]},
        {
            "# its own pages",
            'origins = ["https://shop.example.com"]',
            'methods = ["GET", "PUT"]  # PUT for orders',
            "credentials = true",
        },
        set(),
    ),
    "a key of the policy": (
        "policy",
        "shop",
        POLICY | {"preflight_status": 200},
        set(),
        {"preflight_status = 200"},
    ),
    "a table of the policy goes": (
        "policy",
        "shop",
        {key: value for key, value in POLICY.items() if key != "guard"},
        {"[policies.shop.guard]", 'mode = "report"  # not yet'},
        set(),
    ),
    "a policy goes": (
        "policy",
        "other",
        None,
        {"# another", "[policies.other]", 'origins = ["@partners"]'},
        set(),
    ),
    "a new policy": (
        "policy",
        "new",
        {"match": ["api.example.com/new/"], "rules": [NEW]},
        set(),
        {
            "[policies.new]",
            'match = ["api.example.com/new/"]',
            "[[policies.new.rules]]",
            'origins = ["https://new.example"]',
        },
    ),
    "an origin of a set": (
        "origin-set",
        "partners",
        ["https://a.example", "https://c.example", "https://b.example"],
        set(),
        {'  "https://c.example",'},
    ),
    "a new header set": ("header-set", "usual", ["x-a"], set(), {"[header_sets]", 'usual = ["x-a"]'}),
}


@pytest.mark.parametrize(("kind", "name", "body", "gone", "come"), EDITS.values(), ids=EDITS)
def test_lines(kind: Any, name: str, body: object, gone: set[str], come: set[str]) -> None:
    """An edit changes the lines that say something else, and every other line stays, comments included."""
    text = edit(SHOP, kind, name, body)
    assert text is not None
    before, after = SHOP.splitlines(), text.splitlines()
    assert (gone, come) == (set(before) - set(after), set(after) - set(before))
    kept = [line for line in before if line and line not in gone]
    assert [line for line in kept if line not in REPEATED] == [
        line for line in after if line in kept and line not in REPEATED
    ]


def test_comments_stay_above_what_they_are_about() -> None:
    """A comment above a rule is still above that rule when another comes before it."""
    text = edit(SHOP, "policy", "shop", POLICY | {"rules": [NEW, *RULES]})
    assert text is not None
    assert '# its own pages\n[[policies.shop.rules]]\norigins = ["https://shop.example.com"]' in text
    assert '# everybody\n[[policies.shop.rules]]\norigins = ["*"]' in text


OTHER_FORMS = {
    "dotted keys": 'version = 1\npolicies.a.origins = ["*"]  # all\npolicies.b.origins = ["*"]\n',
    "on one line": 'version = 1\n[policies]\na = { origins = ["*"] }\n# the other\nb = { origins = ["*"] }\n',
    "rules on one line": 'version = 1\n[policies.a]\nrules = [{ origins = ["*"] }]\n[policies.b]\norigins = ["*"]\n',
    "quoted": 'version = 1\n["policies".\'a\']\norigins = ["*"]\n[policies."b"]\norigins = ["*"]\n',
    "a header in a string": 'version = 1\n[policies.a]\norigins = ["*"]\nmatch = ["""\n[policies.b]\n"""]\n',
    "carriage returns": 'version = 1\r\n\r\n[policies.a]\r\norigins = ["*"]\r\n\r\n[policies.b]\r\norigins = ["*"]\r\n',
    "no last line end": 'version = 1\n[policies.b]\norigins = ["*"]\n[policies.a]\norigins = ["*"]',
}


@pytest.mark.parametrize("text", OTHER_FORMS.values(), ids=OTHER_FORMS)
@pytest.mark.parametrize("body", [{"origins": ["https://x.example"]}, {"rules": [NEW, NEW]}, None], ids=str)
def test_other_forms(text: str, body: object) -> None:
    """However a document is written, it says what it shall behind an edit."""
    expected = tomllib.loads(text)["policies"]
    expected.pop("a")
    if body is not None:
        expected["a"] = body
    written = edit(text, "policy", "a", body)
    if not expected:
        assert written is None
    else:
        assert written is not None
        assert expected == tomllib.loads(written)["policies"]


def test_json() -> None:
    """A JSON document keeps the form of whatever stays, however it is written."""
    text = """{ "version": 1,
   "policies": {
      "a": {"origins": ["https://a.example",
                        "https://b.example"], "max_age": 60},

      "b": {"origins": ["*"]}
   }
}
"""
    body = {"origins": ["https://a.example", "https://b.example"], "max_age": 5}
    assert edit(text, "policy", "a", body, "json") == text.replace("60", "5")
    without = text.replace(
        """,

      "b": {"origins": ["*"]}""",
        "",
    )
    assert edit(text, "policy", "b", None, "json") == without


def test_large_json() -> None:
    """An edit of one policy of thousands, or of a long list, changes nothing else."""
    policies = {f"p{number}": {"origins": [f"https://a{number}.example"]} for number in range(5000)}
    policies["long"] = {"origins": [f"https://a{number}.example" for number in range(5000)]}
    text = json.dumps({"version": 1, "policies": policies}, indent=1)
    after = {"origins": [*policies["long"]["origins"], "https://x.example"]}
    for name, body in (("p7", {"origins": ["*"]}), ("long", after)):
        written = edit(text, "policy", name, body, "json")
        assert written is not None
        assert {**policies, name: body} == json.loads(written)["policies"]


def test_nothing_left() -> None:
    """A document that defines nothing any more is gone."""
    assert edit('version = 1\n# one\n[policies.a]\norigins = ["*"]\n', "policy", "a", None) is None


def test_new_document() -> None:
    """A new document says what it shall, for any kind of definition."""
    edits = [
        Edit(Key("header-set", "h"), ["x-a"]),
        Edit(Key("origin-set", "partners"), DOCUMENT["origin_sets"]["partners"]),
        Edit(Key("policy", "shop"), POLICY),
        Edit(Key("policy", "other"), {"origins": ["@partners"]}),
    ]
    expected = {**DOCUMENT, "header_sets": {"h": ["x-a"]}}
    assert expected == tomllib.loads(new_document(edits))


def test_not_editable() -> None:
    """What can't be written as TOML is refused with a sentence."""
    with pytest.raises(NotEditable, match=r"by hand\."):
        edit(SHOP, "policy", "shop", {"origins": [None]})


NAMES = st.from_regex("[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)
STRINGS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1, max_size=4)
BODIES = st.fixed_dictionaries(
    {
        "rules": st.lists(
            st.fixed_dictionaries({"origins": STRINGS, "max_age": st.integers(0, 9)}), min_size=1, max_size=4
        )
    },
    optional={"match": STRINGS, "static": st.booleans(), "guard": st.fixed_dictionaries({"hosts": STRINGS})},
)


@given(
    documents=st.dictionaries(NAMES, BODIES, min_size=1, max_size=4),
    sets=st.dictionaries(NAMES, STRINGS, max_size=3),
    data=st.data(),
)
def test_any_edit(documents: dict[str, Any], sets: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is edited, one edit behind another, the document says exactly that."""
    text: str | None = new_document(
        [
            *(Edit(Key("origin-set", n), b) for n, b in sets.items()),
            *(Edit(Key("policy", n), b) for n, b in documents.items()),
        ]
    )
    expected = {"policies": dict(documents), "origin_sets": dict(sets)}
    for _ in range(3):
        kind: Any = data.draw(st.sampled_from(["policy", "origin-set"]))
        table = expected[TABLES[kind]]
        name = data.draw(st.one_of(st.sampled_from(sorted(table)), NAMES) if table else NAMES)
        body = data.draw(
            st.one_of(BODIES if kind == "policy" else STRINGS, st.none() if name in table else st.nothing())
        )
        assert text is not None
        text = edit(text, kind, name, body)
        table.pop(name, None)
        if body is not None:
            table[name] = body
        if not any(expected.values()):
            assert text is None
            return
        assert text is not None
        found = tomllib.loads(text)
        assert expected == {key: found.get(key, {}) for key in expected}


@given(st.text(alphabet="[]{}\"'#\n\\=a. ", max_size=60))
def test_split(text: str) -> None:
    """Taking a document apart loses nothing of it, whatever it is."""
    try:
        tomllib.loads(text)
    except ValueError:
        return
    assert text == join(split(text))
