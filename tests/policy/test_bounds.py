"""Tests of what a document may cost, whoever wrote it: it is counted after everything is written out, and bounded."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection
from typing import Any

import pytest

from cors_service.grammar._strangers import search
from cors_service.grammar._suggestion import suggestion
from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import MOST_MISTAKES
from cors_service.grammar.nearest import nearest
from cors_service.grammar.pattern import OriginPattern, spans_registrants
from cors_service.grammar.toml_keys import MAX_PARTS, line_of_many_parts
from cors_service.grammar.wildcard import Glob, Wildcard
from cors_service.policy import InvalidPolicies, read_document, read_sources
from cors_service.policy import schema as _schema
from cors_service.policy._coverage import _MOST_INTERVALS
from cors_service.policy._report import _MOST_GUESSES
from cors_service.policy._rules import MAX_EXPRESSIONS
from cors_service.policy.draft import MOST_ORIGINS
from tests.policy.documents import codes_of, json_text, mistakes_of, toml

MANY = ".".join("a" * (MAX_PARTS + 1))
FEW = ".".join("a" * MAX_PARTS)


def invalid(document: dict[str, Any]) -> InvalidPolicies:
    """Read a document with mistakes, and give them."""
    with pytest.raises(InvalidPolicies) as caught:
        read_document({"version": 1, **document})
    return caught.value


def policies(*rules: dict[str, Any]) -> dict[str, Any]:
    """Make a document with a policy of these rules."""
    return {"policies": {"a": {"rules": list(rules)}}}


# Keys.

KEYS = {
    f"{MANY} = 1": 1,
    f"\n\n{MANY} = 1": 3,
    f"[{MANY}]": 1,
    f"[[ {MANY.replace('.', ' . ')} ]]": 1,
    f"x = {{{MANY} = 1}}": 1,
    ".".join(["'a'", '"b"', '"c\\"d"', "e"] * MAX_PARTS) + " = 1": 1,
    f'x = """\n"" {MANY}\\""" """\n{MANY} = 1': 3,
    f"x = '''\n'' {MANY}'''''\n{MANY} = 1": 3,
    f'x = """" """""\n{MANY} = 1': 2,
    f"{FEW} = 1": None,
    f"# {MANY} = 1": None,
    f'x = "{MANY}"': None,
    f"x = '{MANY}'": None,
    f'x = """{MANY}"""': None,
    f"x = '''\n{MANY}\n'''": None,
    f'x = "unclosed\n{MANY} = 1': None,
    f"x = '''unclosed\n{MANY} = 1": None,
    "x = [" + "1.5, " * 100 + "]": None,
    'x = ["https://a.example", "https://b.example"]\n' * 100: None,
    "": None,
}


@pytest.mark.parametrize(("text", "line"), KEYS.items())
def test_keys(text: str, line: int | None) -> None:
    """A key of many parts is found wherever TOML has keys, and nowhere else."""
    assert line == line_of_many_parts(text)


def test_long_key() -> None:
    """A document with such a key is refused before the parser sees it, which takes gigabytes for it."""
    [mistake] = mistakes_of(toml(f"version = 1\npolicies.{'a.' * 1_000_000}a = 1"))
    assert (mistake.code, mistake.line) == ("syntax", 2)
    assert f"more than {MAX_PARTS} parts" in mistake.message


def test_long_syntax() -> None:
    """A mistake of syntax repeats no more of the document than fits a line."""
    name = "a" * 100_000
    [mistake] = mistakes_of(toml(f"[{name}]\n[{name}]"))
    assert (mistake.code, len(str(mistake)) < 400) == ("syntax", True)


# Mistakes.


def test_many_mistakes() -> None:
    """The first mistakes are kept, and the rest are counted; the report says both."""
    found = invalid({"policies": {"a": {"origins": ["x"] * (MOST_MISTAKES + 500)}}})
    assert (len(found.mistakes), found.more) == (MOST_MISTAKES, 500)
    assert [mistake.path[-1] for mistake in found.mistakes] == list(range(MOST_MISTAKES))
    last = f"1500 mistakes in the policies; these are the first {MOST_MISTAKES}."
    assert last == found.report().splitlines()[-1]


def test_many_mistakes_of_many_documents() -> None:
    """They are the first ones of all documents, in the order of their names and lines."""
    origins = '"x",\n' * 700
    with pytest.raises(InvalidPolicies) as caught:
        read_sources(
            [toml(f"version = 1\n[policies.{name}]\norigins = [\n{origins}]", name) for name in ("b", "a", "c")]
        )
    found = caught.value
    assert (len(found.mistakes), found.more) == (MOST_MISTAKES, 1100)
    assert [(found.mistakes[index].file, found.mistakes[index].line) for index in (0, 699, 700)] == [
        ("a", 4),
        ("a", 703),
        ("b", 4),
    ]


@pytest.mark.slow
def test_too_many_mistakes() -> None:
    """A document with a great many mistakes is not read to its end, and says so first."""
    [first, *others] = mistakes_of(json_text(f'{{"version": 1, "policies": {{"a": {{"origins": {[1] * 100_001}}}}}}}'))
    assert (first.code, len(others)) == ("too-many-mistakes", MOST_MISTAKES - 1)
    assert {mistake.code for mistake in others} == {"wrong-type"}


def test_too_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a document with a great many keys, only the first mistake in its structure is told."""
    monkeypatch.setattr(_schema, "_MOST_ENTRIES", 10)
    document = {"version": 1, "policies": {f"p{number}": {"origins": "*"} for number in range(20)}}
    assert codes_of(json_text(json.dumps(document))) == ["too-many-mistakes", "wrong-type"]
    for policy in document["policies"].values():  # type: ignore[attr-defined]
        policy["origins"] = ["*"]
    assert codes_of(json_text(json.dumps(document))) == []


def test_long_names_and_values() -> None:
    """What is told of a mistake is short, however long names and values are."""
    found = invalid({"policies": {"b" * 100_000: {"origins": ["x" * 100_000]}}})
    assert [True] * len(found.mistakes) == [len(json.dumps(mistake.as_dict())) < 2000 for mistake in found.mistakes]


def test_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many unknown origin sets only the first have a guess at what was meant."""
    guessed: list[str] = []

    def counted(name: str, known: Collection[str]) -> str | None:
        guessed.append(name)
        return nearest(name, known)

    monkeypatch.setattr("cors_service.policy._rules.nearest", counted)
    sets = {f"{'a' * 20}{number}": ["https://a.example"] for number in range(300)}
    uses = {f"p{number}": {"origins": [f"@{'a' * 19}{number}"]} for number in range(300)}
    found = invalid({"origin_sets": sets, "policies": uses})
    assert len(guessed) == _MOST_GUESSES
    unknown = [mistake for mistake in found.mistakes if mistake.code == "origin-set-unknown"]
    hints = [mistake.hint.startswith("Did you mean @") for mistake in unknown]
    assert (hints.count(True), len(hints)) == (_MOST_GUESSES, 300)


def test_a_guess() -> None:
    """One that is probably meant is named."""
    found = invalid({"origin_sets": {"partners": ["https://a.example"]}, "policies": {"a": {"origins": ["@partner"]}}})
    assert "Did you mean @partners?" in [mistake.hint for mistake in found.mistakes]


def test_guesses_at_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown keys that are only counted cost no guess."""
    guessed: list[str] = []
    before = difflib.get_close_matches

    def counted(word: str, *arguments: Any, **keys: Any) -> list[str]:
        guessed.append(word)
        return before(word, *arguments, **keys) if word else []

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    found = invalid({"policies": {f"p{number}": {"orgins": []} for number in range(3 * MOST_MISTAKES)}})
    assert sum(map(bool, guessed)) <= MOST_MISTAKES
    assert found.mistakes[0].hint == "Did you mean origins?"


def test_guesses_at_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns that are only counted cost no guess at what to write, in rules and in sets."""
    guessed: list[str] = []

    def counted(text: str, code: str) -> str:
        guessed.append(text)
        return suggestion(text, code)

    monkeypatch.setattr("cors_service.grammar.pattern.suggestion", counted)
    many = [f"host{number}" for number in range(3 * MOST_MISTAKES)]
    for document in (
        {"policies": {"a": {"origins": many}}},
        {"policies": {"a": {"origins": ["@many"]}}, "origin_sets": {"many": many}},
    ):
        guessed.clear()
        found = invalid(document)
        assert (len(guessed), found.more) == (MOST_MISTAKES, 2 * MOST_MISTAKES)
        assert [mistake.hint for mistake in found.mistakes] == [f'Write "https://{text}".' for text in guessed]


def test_dangers_of_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dangerous in an origin set is found once for all rules with the same flags, and noted for each."""
    asked: list[OriginPattern] = []

    def counting(pattern: OriginPattern) -> bool:
        asked.append(pattern)
        return spans_registrants(pattern)

    monkeypatch.setattr("cors_service.policy._dangers.spans_registrants", counting)
    some = [rf"re:https://{number}[^x]{{0,60}}\.[a-z.]{{0,60}}" for number in range(2)]
    sets = {"s": [*some, "https://*.com", "https://*.a.example", "http://a.example"]}
    uses = {f"p{number}": {"origins": ["@s"], "credentials": True} for number in range(MOST_MISTAKES)}
    found = invalid({"origin_sets": sets, "policies": uses})
    assert len(asked) == 4
    codes = ["public-suffix-subdomains"] * 3 + ["insecure-origin"]
    assert [(mistake.code, mistake.path[1]) for mistake in found.mistakes] == [
        (code, f"p{number}") for number in range(MOST_MISTAKES // 4) for code in codes
    ]
    assert found.more == 3 * MOST_MISTAKES
    asked.clear()
    uses["p0"]["dangerously_allow"] = ["insecure-origins"]
    uses["p1"]["credentials"] = False
    found = invalid({"origin_sets": sets, "policies": uses})
    assert (len(asked), len(found.mistakes) + found.more) == (9, 4 * MOST_MISTAKES - 5)


def test_dangers_that_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dangers that are only counted cost no search for whom they let in, and none for what to write instead."""
    asked: list[object] = []

    def counting(pattern: object) -> str:
        asked.append(pattern)
        return "https://evil.example"

    for kind in (Wildcard, Glob, Expression):
        monkeypatch.setattr(kind, "stranger", property(counting))
    monkeypatch.setattr(Expression, "with_escaped_dots", property(counting))
    dangerous = ["https://*.amazonaws.com", "https://app-*.vercel.app", "re:https://.*x.com"]
    uses = {f"p{number}": {"origins": [*dangerous, "@s"], "credentials": True} for number in range(300)}
    found = invalid({"origin_sets": {"s": dangerous}, "policies": uses})
    assert (len(found.mistakes), found.more) == (MOST_MISTAKES, 6 * 300 - MOST_MISTAKES)
    assert len(asked) == 300 * 4 + 4


def test_expressions_of_many_rules() -> None:
    """What is dangerous in an expression is found once, whatever rules have it."""
    search.cache_clear()
    origins = [rf"re:https://{number}[^x]{{0,9}}\.[a-z.]{{0,9}}" for number in range(20)]
    found = invalid({"policies": {name: {"origins": origins, "credentials": True} for name in "abc"}})
    assert (len(found.mistakes), search.cache_info().misses) == (60, 20)


LISTS = {"match": 1000, "rules": 1000, "methods": 100, "request_headers": 200, "expose_headers": 200}


@pytest.mark.parametrize(("key", "most"), LISTS.items())
def test_lists(key: str, most: int) -> None:
    """The lists of a policy but for its origins have bounds, which are far from what anybody grants."""
    items: dict[str, Callable[[int], object]] = {
        "match": lambda number: f"a{number}.example/",
        "rules": lambda number: {"origins": [f"https://a{number}.example"]},
    }
    item = items.get(key, lambda number: f"x-{number}")
    flat = {} if key == "rules" else {"origins": ["https://a.example"]}
    full = [item(number) for number in range(most)]
    assert read_document({"version": 1, "policies": {"a": {key: full, **flat}}})
    [mistake] = invalid({"policies": {"a": {key: [*full, item(most)], **flat}}}).mistakes
    assert (mistake.code, mistake.where) == ("wrong-value", f"policies.a.{key}")
    assert f"more than {most} items" in mistake.message


# Patterns.


def test_alternatives() -> None:
    """Alternatives are counted as what they stand for; a document with too many is not read any further."""
    many = [f"https://{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}.a{number}.example" for number in range(1000)]
    found = invalid({"policies": {"a": {"origins": [*many, "x"]}}})
    assert [("too-many-origins", "https://*.example.com" in found.mistakes[0].hint)] == [
        (mistake.code, "*" in mistake.hint) for mistake in found.mistakes
    ]
    assert read_document({"version": 1, "policies": {"a": {"origins": many[:100]}}})


@pytest.mark.slow
def test_sets() -> None:
    """An origin set is counted wherever it is used, however short the documents are that do so."""
    origins = [f"https://a{number}.example" for number in range(2000)]
    uses = {f"p{number}": {"origins": ["@s"]} for number in range(MOST_ORIGINS // 2001 + 1)}
    found = invalid({"origin_sets": {"s": origins}, "policies": uses})
    assert [mistake.code for mistake in found.mistakes] == ["too-many-origins"]
    uses.popitem()
    assert read_document({"version": 1, "origin_sets": {"s": origins}, "policies": uses})


@pytest.mark.parametrize(
    "expression",
    [
        r"re:https://[a-z]{1,999}b{1,99}",
        f"re:https://{'a' * 1000}",
        r"re:https://\pL{1000}",
        r"re:((\pL{10}){10}){10}",
    ],
)
def test_expression(expression: str) -> None:
    """An expression that makes a large automaton is refused, with what to write instead."""
    [mistake] = invalid(policies({"origins": [expression]})).mistakes
    assert (mistake.code, "wildcard" in mistake.hint) == ("regex-too-large", True)


def test_expressions() -> None:
    """All expressions of a policy together are bounded, those of its origin sets too, wherever they are used."""
    some = [f"re:https://[a-z]{{1,200}}{number}" for number in range(MAX_EXPRESSIONS // 1000)]
    others = [f"re:https://[a-z]{{1,200}}a{number}" for number in range(MAX_EXPRESSIONS // 1000)]
    assert read_document({"version": 1, **policies({"origins": some}, {"origins": others})})
    found = invalid(policies({"origins": some}, {"origins": others}, {"origins": [*some, *others]}))
    assert [(mistake.code, mistake.path) for mistake in found.mistakes if mistake.code != "rule-unreachable"] == [
        ("regex-too-large", ("policies", "a", "rules", 2))
    ]
    rules = [{"origins": ["@s"]}, {"origins": ["@t"]}]
    assert read_document({"version": 1, "origin_sets": {"s": some, "t": others}, **policies(*rules)})
    found = invalid({"origin_sets": {"s": some, "t": others}, **policies(*rules, {"origins": ["@s", "@t"]})})
    assert "regex-too-large" in [mistake.code for mistake in found.mistakes]


def test_pieces_of_ports() -> None:
    """A rule whose ports earlier rules cover in a great many pieces may pass; one in a few pieces may not."""
    covered = [[f"http://a.example:{port}" for port in range(100, count)] for count in (120, _MOST_INTERVALS + 120)]
    found = [
        codes_of(
            json_text(
                json.dumps(
                    {
                        "version": 1,
                        **policies(
                            {"origins": ["http://?.example:90-99", *ports[::2]]},
                            {
                                "origins": [
                                    "http://*.example:90-99",
                                    *[port.replace("a.", "*.") for port in ports[1::2]],
                                ]
                            },
                            {"origins": [f"http://a.example:100-{len(ports) + 99}"]},
                        ),
                    }
                )
            )
        )
        for ports in covered
    ]
    assert found == [["rule-unreachable"], []]
