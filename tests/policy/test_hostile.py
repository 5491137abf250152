"""Tests of input that nobody writes on purpose: whatever it is, it is refused as a document is, or read."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from cors_service.policy import InvalidPolicies, read_document
from tests.policy.documents import codes_in, is_fine, json_text, mistakes_in, mistakes_of, policy, rule, toml

DEEP: Any = {}
for _ in range(1000):
    DEEP = {"a": DEEP}

TOML_TEXTS = {
    "nothing": "",
    "a line end": "\n",
    "a byte order mark": "\ufeffversion = 1",
    "a lone carriage return": "version = 1\rx = 1",
    "a NUL": "version = 1\n\0",
    "half a character": 'version = 1\n[policies."\ud800"]\norigins = ["\ud800"]',
    "a date": "version = 1979-05-27",
    "dates everywhere": (
        "version = 1979-05-27T07:32:00Z\nfoo = 07:32:00\n[origin_sets]\ns = [1979-05-27]\nt = 1979-05-27\n"
        "[policies.a]\norigins = [1979-05-27]\nmax_age = 1979-05-27\nrules = 1979-05-27\n[policies]\nb = 1979-05-27"
    ),
    "dates in place of tables": "version = 1\norigin_sets = 1979-05-27\npolicies = 07:32:00",
    "not a number": "version = nan\n[policies.a]\nmax_age = nan",
    "infinite numbers": "version = inf\n[policies.a]\nmax_age = -inf",
    "a huge number": f"version = 1{'0' * 10_000}",
    "a huge hexadecimal number": f"version = 0x1{'0' * 10_000}",
    "a huge hexadecimal max_age": f'version = 1\n[policies.a]\norigins = ["*"]\nmax_age = 0x1{"0" * 10_000}',
    "a huge hexadecimal number for a string": f"version = 1\n[policies.a]\norigins = [0x1{'0' * 10_000}]",
    "a huge hexadecimal number for a choice": f"version = 1\n[policies.a]\npreflight_status = 0x1{'0' * 10_000}",
    "arrays in arrays": f"version = {'[' * 100_000}",
    "arrays in arrays, closed": f"version = {'[' * 300}{']' * 300}",
    "tables in tables": f"version = {'{a=' * 100_000}",
    "a long dotted key": f"version{'.a' * 10_000} = 1",
    "a long dotted key of a policy": f"version = 1\npolicies{'.a' * 10_000} = 1",
    "a long header": f"[policies{'.a' * 10_000}]",
    "a key twice": "version = 1\nversion = 1",
    "a table twice": "[policies.a]\n[policies.a]",
    "rules as a table and as tables": "[policies.a.rules]\n[[policies.a.rules]]",
    "a long key": f"{'a' * 1_000_000} = 1",
    "a long name": f"version = 1\n[policies.{'a' * 1_000_000}]",
    "a long origin": f'version = 1\n[policies.a]\norigins = ["https://{"a" * 1_000_000}"]',
}


@pytest.mark.parametrize("text", TOML_TEXTS.values(), ids=TOML_TEXTS)
def test_toml(text: str) -> None:
    """A text that is no document is refused with mistakes of closed codes, each of them one short line."""
    found = mistakes_of(toml(text))
    assert found
    assert [mistake for mistake in found if not is_fine(mistake)] == []


JSON_TEXTS = {
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a string": '"version"',
    "a number": "1",
    "a boolean": "true",
    "an empty object": "{}",
    "a byte order mark": "\ufeff{}",
    "NaN": '{"version": NaN}',
    "a number that overflows": '{"version": 1e400, "policies": {"a": {"origins": ["*"], "max_age": 1e400}}}',
    "a huge number": f'{{"version": 1{"0" * 10_000}}}',
    "a number of thirty digits": f'{{"version": 1, "policies": {{"a": {{"origins": ["*"], "max_age": {"9" * 30}}}}}}}',
    "null everywhere": '{"version": null, "policies": {"a": null, "b": {"origins": [null], "rules": null}}}',
    "a name of digits for nothing": '{"version": 1, "policies": {"0": null, "1": {"origins": ["*"]}}}',
    "a set with a name of digits for nothing": '{"version": 1, "origin_sets": {"01": null}}',
    "an empty name for nothing": '{"version": 1, "policies": {"": null}, "origin_sets": {"": null}}',
    "half a character as a key": '{"\\ud800": 1}',
    "half a character as a name": '{"version": 1, "policies": {"\\ud800": {"origins": ["*"]}}}',
    "half a character as a name of a set": '{"version": 1, "origin_sets": {"\\ud800": ["*"]}}',
    "half a character as a key of a policy": '{"version": 1, "policies": {"a": {"origins": ["*"], "\\ud800": 1}}}',
    "half a character as an origin": '{"version": 1, "policies": {"a": {"origins": ["\\ud800"]}}}',
    "half a character in an expression": '{"version": 1, "policies": {"a": {"origins": ["re:\\ud800"]}}}',
    "half a character as a set": '{"version": 1, "policies": {"a": {"origins": ["@\\ud800"]}}}',
    "half a character as a match": '{"version": 1, "policies": {"a": {"origins": ["*"], "match": ["\\ud800"]}}}',
    "half a character as a choice": '{"version": 1, "policies": {"a": {"resource_policy": "\\ud800"}}}',
    "half a character twice": '{"\\ud800": 1, "\\ud800": 1}',
    "arrays in arrays": "[" * 100_000,
    "arrays in arrays, closed": f'{{"version": {"[" * 250}{"]" * 250}}}',
    "many arrays in arrays, closed": f'{{"version": {"[" * 900}{"]" * 900}}}',
    "objects in objects": '{"a":' * 100_000,
    "an escape that is none": '{"a": "\\x"}',
    "a control character": '{"a": "\x01"}',
    "two documents": "{}{}",
}


@pytest.mark.parametrize("text", JSON_TEXTS.values(), ids=JSON_TEXTS)
def test_json(text: str) -> None:
    """A JSON text that is no document is refused in the same way."""
    found = mistakes_of(json_text(text))
    assert found
    assert [mistake for mistake in found if not is_fine(mistake)] == []


STRUCTURES: dict[str, Any] = {
    "None": None,
    "a list": [1],
    "a number": 5,
    "a text": "version = 1",
    "bytes": policy(origins=[b"https://a.example"]),
    "a set": policy(origins={"https://a.example"}),
    "a date": {"version": date(1979, 5, 27)},
    "a time in a list": policy(origins=["*", datetime(1979, 5, 27, tzinfo=UTC)]),
    "a complex number": rule("*", max_age=1j),
    "a class": {"version": int},
    "a huge number": rule("*", max_age=10**5000),
    "keys that are no strings": {
        "version": 1,
        5: 6,
        "policies": {None: {"origins": ["*"]}, "a": {"origins": ["*"], 1.5: 1}},
    },
    "a key that is a date": {date(1979, 5, 27): 1},
    "half a character as a key": {"\ud800": 1},
    "half a character": rule("*", methods=["\ud800"], match=["\ud800/"]),
    "half a character in an expression": rule("re:https://\ud800"),
    "half a character as an origin": rule("https://\ud800"),
    "half a character in a set": {**rule("@s"), "origin_sets": {"s": ["re:\ud800"]}},
    "a deep structure": {"version": DEEP},
    "a deep structure in a policy": policy(origins=DEEP),
    "a structure in itself": {"version": 1},
}
STRUCTURES["a structure in itself"]["policies"] = STRUCTURES["a structure in itself"]


@pytest.mark.parametrize("document", STRUCTURES.values(), ids=STRUCTURES)
def test_structure(document: Any) -> None:
    """A structure that is no document is refused in the same way."""
    with pytest.raises(InvalidPolicies) as raised:
        read_document(document)
    assert [mistake for mistake in raised.value.mistakes if not is_fine(mistake)] == []


def test_many_ports_of_one_host() -> None:
    """Ten thousand ports of one host are no trouble: in quadratic time this test would run into its time limit."""
    ports = [f"https://a.example:{port}" for port in range(1000, 11_000)]
    assert codes_in(policy(rules=[{"origins": ports}, {"origins": [*ports, "https://b.example"]}])) == []


def test_many_malformed_names() -> None:
    """A thousand malformed names are a thousand mistakes."""
    body = {"origins": ["https://a.example"]}
    found = mistakes_in({"version": 1, "policies": {"a": body, **{f"a {number}": body for number in range(1000)}}})
    assert [mistake.code for mistake in found] == ["name-malformed"] * 1000


def test_many_unknown_sets() -> None:
    """What is said about a set that does not exist is short, however many sets there are."""
    sets = {f"s{number}": ["https://a.example"] for number in range(1000)}
    found = mistakes_in({**rule("@t", *(f"@{name}" for name in sets)), "origin_sets": sets})
    assert [mistake.code for mistake in found] == ["origin-set-unknown"]
    assert is_fine(found[0])
