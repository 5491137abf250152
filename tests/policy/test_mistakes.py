"""Tests of the mistakes of documents: all at once, each with its place, none that is not one."""

import json
import re
import tomllib
from datetime import date
from typing import Any

import pytest

from cors_service.policy import InvalidPolicies, PolicyError, Source, read_sources
from cors_service.policy._wrong_values import MAX_AGE
from cors_service.policy.schema import SCHEMA
from tests.policy.documents import codes_in, codes_of, json_text, mistakes_in, mistakes_of, policy, rule, toml

TEN_MISTAKES = """\
version = 1
origin_set = {}

[origin_sets]
partners = [
  "https://fine.example",
  "https://Partner.example",
]
unused = ["https://unused.example"]

[policies.catalogue]
match = ["api.example.com/catalogue"]
preflight_status = 201

[[policies.catalogue.rules]]
origins = ["@partners", "http://a.example"]
credentials = true
max_age = -1

[[policies.catalogue.rules]]
origins = ["https://b.example", 'https://c.example/']
methods = [
  "GET",
  "TRACE",
]

[[policies.catalogue.rules]]
origins = ["https://d.example"]
request_headers = ["x-fine", "Cookie"]
"""
RULES = ("policies", "catalogue", "rules")
EXPECTED: list[tuple[int, str, tuple[str | int, ...], object]] = [
    (2, "unknown-key", ("origin_set",), "origin_set"),
    (7, "origin-uppercase", ("origin_sets", "partners", 1), "https://Partner.example"),
    (9, "origin-set-unused", ("origin_sets", "unused"), "unused"),
    (12, "match-malformed", ("policies", "catalogue", "match", 0), "api.example.com/catalogue"),
    (13, "wrong-value", ("policies", "catalogue", "preflight_status"), 201),
    (16, "insecure-origin", (*RULES, 0, "origins", 1), "http://a.example"),
    (18, "max-age-out-of-range", (*RULES, 0, "max_age"), -1),
    (21, "origin-trailing-slash", (*RULES, 1, "origins", 1), "https://c.example/"),
    (24, "method-forbidden", (*RULES, 1, "methods", 1), "TRACE"),
    (29, "request-header-forbidden", (*RULES, 2, "request_headers", 1), "Cookie"),
]


def test_ten_mistakes() -> None:
    """Ten mistakes of all kinds are reported at once, each with its place and value, in order of lines."""
    found = mistakes_of(toml(TEN_MISTAKES, "cors.toml"))
    assert [(one.line, one.code, one.path, one.value) for one in found] == EXPECTED
    assert {one.file for one in found} == {"cors.toml"}
    assert all(one.hint for one in found if one.code != "wrong-value")


def test_ten_mistakes_with_other_line_ends() -> None:
    """The lines are the same where they end in CR LF."""
    found = mistakes_of(toml(TEN_MISTAKES.replace("\n", "\r\n")))
    assert [one.line for one in found] == [line for line, *_ in EXPECTED]


def test_ten_mistakes_in_json() -> None:
    """The same structure in JSON has the same mistakes, on the lines where they are written there."""
    text = json.dumps(tomllib.loads(TEN_MISTAKES), indent=1)
    found = mistakes_of(json_text(text))
    assert {(one.code, one.path, one.value) for one in found} == {expected[1:] for expected in EXPECTED}
    assert sorted(one.line or 0 for one in found) == [one.line for one in found]
    lines = text.splitlines()
    assert [one for one in found if json.dumps(one.value) not in lines[(one.line or 0) - 1]] == []


def test_ten_mistakes_of_a_structure() -> None:
    """A structure without a text has the same mistakes, without file and line."""
    found = mistakes_in(tomllib.loads(TEN_MISTAKES))
    assert {(one.code, one.path, one.value) for one in found} == {expected[1:] for expected in EXPECTED}
    assert {(one.file, one.line) for one in found} == {(None, None)}


def test_report_of_ten_mistakes() -> None:
    """The report has a line for each mistake, which begins with the file and the line, and a line that counts them."""
    with pytest.raises(InvalidPolicies) as raised:
        read_sources([toml(TEN_MISTAKES, "etc/cors.toml")])
    *lines, last = raised.value.report().split("\n")
    assert [line.partition(": ")[0] for line in lines] == [f"etc/cors.toml:{line}" for line, *_ in EXPECTED]
    assert last == "10 mistakes in the policies."


def test_refusal_with_grants() -> None:
    """A rule that refuses may have no other key than its origins, and the mistake names those that it has."""
    refusal = {"origins": ["https://a.example"], "refuse": True, "methods": ["TRACE"], "credentials": False}
    for document, path in (
        (policy(rules=[refusal]), ("policies", "a", "rules", 0, "credentials")),
        (policy(match=["a.example/"], **refusal), ("policies", "a", "credentials")),
    ):
        (mistake,) = mistakes_in(document)
        assert (mistake.code, mistake.path) == ("refuse-and-other-keys", path)
        assert mistake.message == "The rule refuses its origins, and has credentials, methods."


@pytest.mark.parametrize(
    "key", ["methods", "request_headers", "expose_headers", "origins", "match", "dangerously_allow"]
)
@pytest.mark.parametrize("text", ["GET, HEAD", "Content-Type: text/html", "*", "all", "https://a.example/x b.example"])
def test_followed_hint_of_a_list(key: str, text: str) -> None:
    """What a hint says to write in place of a string is a list that has no mistake, or none that a hint mends."""
    found = [
        mistake for mistake in mistakes_in(policy(**{"origins": ["*"], key: text})) if mistake.code == "wrong-type"
    ]
    for mistake in found:
        listed = re.fullmatch(r"Write (\[.*\])\.", mistake.hint)
        if listed:
            rest = mistakes_in(policy(**{"origins": ["*"], key: json.loads(listed[1])}))
            assert [one.hint for one in rest if one.hint.startswith("Write ")] == []


DOCUMENTS: dict[str, tuple[str, str]] = {
    "keys of a rule at the top": ('origins = ["*"]', "A policy has a name: write [policies.NAME] above it."),
    "keys of a rule in `policies`": (
        '[policies]\norigins = ["*"]',
        "A policy has a name: write [policies.NAME] above its keys.",
    ),
    "a list of policies": ('[[policies]]\norigins = ["*"]', "Write [policies.NAME] for each policy."),
    "a name with dots": (
        '[policies.api.example.com]\norigins = ["*"]',
        'A name with dots is quoted: write [policies."api.example.com"].',
    ),
    "a name with a blank": ('[policies."my api"]\norigins = ["*"]', 'Write "my-api".'),
    "a name of signs": ('[policies."!"]\norigins = ["*"]', ""),
    "a set as a table": (
        '[origin_sets.a]\norigins = ["https://a.example"]\n[policies.a]\norigins = ["@a"]',
        "Write a = [...], a list.",
    ),
    "another word for sets": ("[sets]", "Did you mean origin_sets?"),
}


@pytest.mark.parametrize(("text", "hint"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_structure_of_another_system(text: str, hint: str) -> None:
    """Where the structure is not the one of a document, the hint says how it is written."""
    assert hint in [mistake.hint for mistake in mistakes_of(toml(f"version = 1\n{text}"))]


@pytest.mark.parametrize("version", ['"1"', "2", '"1.0"', "true"])
def test_another_version(version: str) -> None:
    """There is one version, and the hint says how it is written."""
    (mistake,) = mistakes_of(toml(f'version = {version}\n[policies.a]\norigins = ["*"]'))
    assert (mistake.code, mistake.hint) == ("wrong-value", "Write version = 1.")


SLIPS: dict[str, tuple[str, str]] = {
    "a colon": ('origins: ["*"]', "Write = in place of the colon: key = value."),
    "curved quotation marks": ("origins = [\u201chttps://a.example\u201d]", "Write straight quotation marks, \" or '."),
    "no quotation marks": ("origins = [https://a.example]", "Write each text in quotation marks."),
    "a comment of C": ("// everybody", "A comment begins with #."),
    "a capital": ("credentials = True", "Write true or false."),
    "another word": ("credentials = yes", "Write true or false."),
    "nothing": ("max_age = null", "Leave the key out."),
    "a backslash": (
        'origins = ["re:https://a\\.example"]',
        "Write a text with backslashes in single quotation marks: 're:...'.",
    ),
    "a dash": ('origins =\n- "*"', ""),
    "something else": ("origins = [", ""),
}


@pytest.mark.parametrize(("line", "hint"), SLIPS.values(), ids=SLIPS)
def test_slip_in_toml(line: str, hint: str) -> None:
    """A line that is not TOML, but would be in another language, gets what to write."""
    (mistake,) = mistakes_of(toml(f"version = 1\n[policies.a]\n{line}\n"))
    assert (mistake.code, mistake.hint) == ("syntax", hint)


SLIPS_OF_JSON: dict[str, tuple[str, str]] = {
    "a comment": ("// everybody", "JSON has no comments: remove it."),
    "single quotation marks": ("'version': 1", 'Write double quotation marks, ".'),
    "no quotation marks": ("version: 1", "Write each key in double quotation marks."),
    "a capital": ('"version": True', "Write true or false."),
    "nothing": ('"version": None', "Leave the key out."),
    "something else": ('"version" 1', ""),
}


@pytest.mark.parametrize(("line", "hint"), SLIPS_OF_JSON.values(), ids=SLIPS_OF_JSON)
def test_slip_in_json(line: str, hint: str) -> None:
    """A line that is not JSON, but would be in another language, gets what to write."""
    (mistake,) = mistakes_of(json_text(f"{{\n{line}\n}}"))
    assert (mistake.code, mistake.hint) == ("syntax", hint)


def test_the_other_format() -> None:
    """A document in the other format is told the name that its file should have."""
    (mistake,) = mistakes_of(toml('\n{"version": 1}'))
    assert mistake.hint == "This is JSON: give the file a name that ends in .json."
    for text in ("version = 1\n", "# a comment\n", '[policies.a]\norigins = ["*"]'):
        (mistake,) = mistakes_of(json_text(text))
        assert mistake.hint == "This is TOML: give the file a name that ends in .toml."


def test_longest_age() -> None:
    """What hints call the longest max_age is the longest that the schema takes."""
    assert SCHEMA["$defs"]["rule"]["properties"]["max_age"]["maximum"] == MAX_AGE


KEYS = {
    "request_headers": ["allowed_headers", "allow_headers", "headers", "allowedHeaders", "CORS_ALLOW_HEADERS",
                        "Access-Control-Allow-Headers", "request-headers"],
    "expose_headers": ["exposed_headers", "exposedHeaders", "Access-Control-Expose-Headers"],
    "methods": ["allowed_methods", "allowMethods", "CORS_ALLOW_METHODS", "Access-Control-Allow-Methods", "method"],
    "match": ["path", "paths", "mapping", "hosts", "url", "location", "route", "pathPrefix", "url_patterns"],
    "timing": ["timing_allow_origin", "Timing-Allow-Origin"],
    "resource_policy": ["cross_origin_resource_policy"],
    "guard": ["csrf"],
    "origins": ["origin", "allow_origins", "accessControlAllowOriginList", "CORS_ORIGIN_WHITELIST",
                "CORS_ALLOWED_ORIGINS", "allowedOriginPatterns", "orgins"],
    "credentials": ["allow_credentials", "supports_credentials", "allowCredentials", "credential"],
    "max_age": ["maxAge", "MAX-AGE", "max_aeg", "preflight_max_age", "Access-Control-Max-Age",
                "AccessControlMaxAgeSec", "MaxAgeSeconds"],
    "preflight_status": ["optionsSuccessStatus"],
}  # fmt: skip


@pytest.mark.parametrize(("meant", "key"), [(meant, key) for meant, keys in KEYS.items() for key in keys])
def test_key_of_another_system(meant: str, key: str) -> None:
    """A key as other systems call it, or one with a slip of the pen, gets the name that it has here."""
    (mistake,) = mistakes_in(rule("*", **{key: ["x"]}))
    assert (mistake.code, mistake.hint) == ("unknown-key", f"Did you mean {meant}?")


@pytest.mark.parametrize(
    "key",
    ["deny", "denied_origins", "blockedOrigins", "DISALLOWED_ORIGINS", "excludeOrigins", "blacklist"],
)
def test_key_that_shuts_out_elsewhere(key: str) -> None:
    """For a key with which other systems shut origins out, nobody is told to write `origins`, which lets them in."""
    (mistake,) = mistakes_in(rule("*", **{key: ["x"]}))
    expected = "Write a rule before all others, with these origins and refuse = true."
    assert (mistake.code, mistake.hint) == ("unknown-key", expected)


INSTEAD = {
    "preflightContinue": "Remove it: preflights are always answered by the decision.",
    "OptionsPassthrough": "Remove it: preflights are always answered by the decision.",
    "addVaryHeader": "Remove it: every answer has the Vary that it needs.",
    "allow_private_network": "Remove it: browsers ask the user, and no header grants it.",
    "allow_origin_regex": "Did you mean origins, with re: before each expression?",
    "accessControlAllowOriginListRegex": "Did you mean origins, with re: before each expression?",
    "CORS_ORIGIN_ALLOW_ALL": 'Write origins = ["*"].',
    "anyHost": 'Write origins = ["*"].',
    "allow_all_headers": 'Write request_headers = ["*"].',
    "enabled": "Remove it, or the whole policy.",
    "default": "Remove it: what no rule covers has no access.",
    "name": "Remove it: the name is the one in [policies.NAME].",
    "description": "Write a comment, after a #.",
}


@pytest.mark.parametrize(("key", "hint"), INSTEAD.items(), ids=INSTEAD)
def test_key_without_a_counterpart(key: str, hint: str) -> None:
    """A key of other systems that has no counterpart is not taken for one that sounds like it."""
    (mistake,) = mistakes_in(rule("*", **{key: True}))
    assert (mistake.code, mistake.hint) == ("unknown-key", hint)


def test_key_of_nobody() -> None:
    """A key that no system has gets the list of those that there are."""
    (mistake,) = mistakes_in(rule("*", foo=True))
    assert mistake.hint.startswith("The keys here are credentials, ")


LISTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "methods in one string": ({"methods": "GET, POST"}, "wrong-type", 'Write ["GET", "POST"].'),
    "methods in one item": ({"methods": ["GET, POST"]}, "method-malformed", 'Write "GET", "POST".'),
    "methods with spaces": ({"methods": ["GET POST  PUT"]}, "method-malformed", 'Write "GET", "POST", "PUT".'),
    "no method at all": ({"methods": ["G(T, POST"]}, "method-malformed", ""),
    "one method and a comma": ({"methods": ["GET,"]}, "method-malformed", 'Write "GET".'),
    "methods with bars": ({"methods": ["GET|POST"]}, "method-malformed", 'Write "GET", "POST".'),
    "methods with slashes": ({"methods": "GET/POST"}, "wrong-type", 'Write ["GET", "POST"].'),
    "every method of API Gateway": ({"methods": ["ANY"]}, "method-malformed", 'Write "*".'),
    "every method of Express": ({"methods": "all"}, "wrong-type", 'Write ["*"].'),
    "every method": ({"methods": True}, "wrong-type", 'Write ["*"].'),
    "request headers": ({"request_headers": ["x-a,x-b"]}, "request-header-malformed", 'Write "x-a", "x-b".'),
    "exposed headers": ({"expose_headers": ["x-a;x-b"]}, "expose-header-malformed", 'Write "x-a", "x-b".'),
    "a header with its value": (
        {"request_headers": "Content-Type: application/json"},
        "wrong-type",
        'Write ["Content-Type"].',
    ),
    "a header with its value in an item": (
        {"request_headers": ["Authorization: Bearer abc"]},
        "request-header-malformed",
        'Write "Authorization".',
    ),
    "headers with their values": ({"request_headers": "x-a: 1, x-b: 2"}, "wrong-type", 'Write ["x-a", "x-b"].'),
    "the header that lists them": (
        {"request_headers": "Access-Control-Allow-Headers: Content-Type, X-*"},
        "wrong-type",
        'Write ["Content-Type", "X-*"].',
    ),
    "an exposed header with its value": ({"expose_headers": "ETag: x"}, "wrong-type", 'Write ["ETag"].'),
    "a blank for a hyphen": (
        {"request_headers": ["Content Type"]},
        "request-header-malformed",
        'Write "Content-Type".',
    ),
    "no header": (
        {"request_headers": ["x{a}: 1"]},
        "request-header-malformed",
        "Write one name, prefix-* or * in each item.",
    ),
    "exposed headers, all": ({"expose_headers": True}, "wrong-type", "List the headers that pages may read."),
    "headers, null": ({"request_headers": None}, "wrong-type", "Leave the key out for the default."),
    "a word": ({"credentials": "True"}, "wrong-type", "Write true without quotation marks."),
    "another word": ({"credentials": "yes"}, "wrong-type", "Write true."),
    "a word of Fetch": ({"credentials": "omit"}, "wrong-type", "Write false."),
    "one for true": ({"credentials": 1}, "wrong-type", "Write true."),
    "a word of nobody": ({"credentials": "maybe"}, "wrong-type", ""),
    "a star for true": ({"timing": "*"}, "wrong-type", "Write true."),
    "origins that may measure": (
        {"timing": ["https://a.example"]},
        "wrong-type",
        "Write true: the origins of the rule may measure.",
    ),
    "a duration": ({"max_age": "1h"}, "wrong-type", "Write 3600."),
    "a duration in words": ({"max_age": "10 minutes"}, "wrong-type", "Write 600."),
    "a duration of ISO 8601": ({"max_age": "PT2H"}, "wrong-type", "Write 7200."),
    "a long duration": ({"max_age": "30d"}, "wrong-type", "Write 86400."),
    "months": ({"max_age": "1 month"}, "wrong-type", ""),
    "a year in seconds": (
        {"max_age": 31536000},
        "max-age-out-of-range",
        "Write 86400: no browser keeps an answer for longer.",
    ),
    "a number in quotation marks": ({"preflight_status": "204"}, "wrong-value", "Write 204 without quotation marks."),
    "a word with an underscore": ({"resource_policy": "same_site"}, "wrong-value", 'Write "same-site".'),
    "the beginning of a word": ({"dangerously_allow": ["null"]}, "wrong-value", 'Write "null-origin".'),
    "all dangers": ({"dangerously_allow": True}, "wrong-type", 'Name each danger, as in ["null-origin"].'),
    "a number": ({"max_age": " 600 "}, "wrong-type", "Write 600 without quotation marks."),
    "an origin": ({"origins": "https://a.example"}, "wrong-type", 'Write ["https://a.example"].'),
    "origins with mistakes": (
        {"origins": "https://a.example/, localhost:3000"},
        "wrong-type",
        'Write ["https://a.example", "http://localhost:3000"].',
    ),
    "origins, true": ({"origins": True}, "wrong-type", 'Write ["*"] for everybody, or list the origins.'),
    "origins, false": ({"origins": False}, "wrong-type", "List the origins, or remove the policy."),
    "an origin in a table": (
        {"origins": [{"origin": "https://a.example"}]},
        "wrong-type",
        "Write it as a string alone.",
    ),
    "a match with a mistake": ({"match": "https://a.example/v1/**"}, "wrong-type", 'Write ["a.example/v1/"].'),
    "one rule in a table": (
        {"origins": None, "rules": {"origins": ["*"]}},
        "wrong-type",
        "Write [[policies.a.rules]], with two brackets.",
    ),
    "an expression": ({"origins": "re:https://a{1,2}"}, "wrong-type", 'Write ["re:https://a{1,2}"].'),
    "alternatives": ({"origins": "https://{a,b}.example"}, "wrong-type", 'Write ["https://{a,b}.example"].'),
    "an escape": ({"origins": "a\\b"}, "wrong-type", 'Write ["a\\\\b"].'),
    "an escape in a name": ({"request_headers": "a\\b"}, "wrong-type", ""),
}


@pytest.mark.parametrize(("keys", "code", "hint"), LISTS.values(), ids=LISTS)
def test_value_in_another_form(keys: dict[str, Any], code: str, hint: str) -> None:
    """Several words in one string, and what is in quotation marks by mistake, get the form to write."""
    found = mistakes_in(policy(**{"origins": ["*"], **keys}))
    assert (code, hint) in [(mistake.code, mistake.hint) for mistake in found]


NOT_STATIC: dict[str, dict[str, Any]] = {
    "two origins": {"origins": ["https://a.example", "https://b.example"]},
    "two alternatives": {"origins": ["https://{a,b}.example"]},
    "a wildcard": {"origins": ["https://*.a.example"]},
    "an expression": {"origins": ["re:https://a"]},
    "everybody": {"origins": ["*"]},
    "a set": {"origins": ["@s"]},
    "null": {"origins": ["null"], "dangerously_allow": ["null-origin"]},
    "a refusal": {"origins": ["https://a.example"], "refuse": True},
    "two rules": {"rules": [{"origins": ["https://a.example"]}, {"origins": ["https://b.example"]}]},
    "another rule that refuses": {"rules": [{"origins": ["https://a.example"]}, {"origins": ["*"], "refuse": True}]},
}


@pytest.mark.parametrize("body", NOT_STATIC.values(), ids=NOT_STATIC)
def test_not_static(body: dict[str, Any]) -> None:
    """A static policy names one exact origin in every answer, so it can't have any other."""
    document = policy(static=True, **body)
    if body.get("origins") == ["@s"]:
        document["origin_sets"] = {"s": ["https://a.example"]}
    found = [(mistake.code, mistake.path) for mistake in mistakes_in(document)]
    assert found == [("static-needs-one-origin", ("policies", "a", "static"))]


def test_static_with_a_mistake() -> None:
    """Nobody can say what a policy names as long as its origin is a mistake."""
    assert codes_in(rule("https://A.example", static=True)) == ["origin-uppercase"]


def test_order_of_documents() -> None:
    """Mistakes are reported in the order of the names of documents, and of lines in each, whatever the order given."""
    text = 'version = 1\n[policies.{0}]\norigins = ["{0}"]\nmax_age = -1'
    sources = [toml(text.format(name[0]), name) for name in ("z.toml", "a.toml", "m.toml")]
    expected = [(name, line) for name in ("a.toml", "m.toml", "z.toml") for line in (3, 4)]
    assert [(one.file, one.line) for one in mistakes_of(*sources)] == expected


def test_unreadable_documents() -> None:
    """Documents that could not be had are mistakes; what may stand in them is not missed in the others."""
    text = 'version = 1\n[policies.a]\norigins = ["@s", "x"]\n[origin_sets]\nt = ["https://t.example"]'
    gone = [PolicyError("document-unreadable", "It is gone.", file=name) for name in ("z.toml", "a.toml")]
    with pytest.raises(InvalidPolicies) as raised:
        read_sources([toml(text, "m.toml")], unreadable=iter(gone))
    expected = ["document-unreadable", "origin-malformed", "document-unreadable"]
    assert [one.code for one in raised.value.mistakes] == expected
    assert gone == [raised.value.mistakes[2], raised.value.mistakes[0]]


def test_nothing_but_unreadable_documents() -> None:
    """Where no document could be had, nothing is said about policies."""
    gone = PolicyError("document-unreadable", "It is gone.", file="a.toml")
    with pytest.raises(InvalidPolicies) as raised:
        read_sources([], unreadable=[gone])
    assert raised.value.mistakes == (gone,)


def test_duplicates_name_the_other_document() -> None:
    """What two documents define is refused in the second, and the message names the first."""
    text = 'version = 1\n[policies.a]\norigins = ["@s"]\n[origin_sets]\ns = ["https://s.example"]'
    found = mistakes_of(toml(text, "a.toml"), toml(text, "b.toml"))
    expected = [("policy-duplicate", "b.toml", 2), ("origin-set-duplicate", "b.toml", 5)]
    assert [(one.code, one.file, one.line) for one in found] == expected
    assert all("a.toml" in one.message for one in found)


def test_duplicates_without_names() -> None:
    """Documents without names can be told of as well."""
    text = 'version = 1\n[policies.a]\norigins = ["*"]'
    (mistake,) = mistakes_of(toml(text, None), toml(text, None))
    assert "the document" in mistake.message


def test_name_of_a_document_forges_a_line() -> None:
    """No name of a document can forge a line of a log."""
    text = 'version = 1\n[policies.a]\norigins = ["*"]'
    (mistake,) = mistakes_of(toml(text, "a\n[forged]"), toml(text, "b\x1b[2J"))
    assert str(mistake).isprintable()


def test_other_documents_of_an_unreadable_one() -> None:
    """What may stand in a document that does not parse is not missed elsewhere; other mistakes are reported."""
    text = 'version = 1\n[policies.a]\norigins = ["@s", "x"]\n[origin_sets]\nt = ["https://t.example"]'
    found = mistakes_of(toml(text, "a.toml"), toml("[", "b.toml"))
    assert [(one.code, one.file) for one in found] == [("origin-malformed", "a.toml"), ("syntax", "b.toml")]


def test_no_policies_in_several_documents() -> None:
    """Where several documents have no policies, the mistake is that of none of them."""
    (mistake,) = mistakes_of(toml("version = 1", "a.toml"), toml("version = 1", "b.toml"))
    assert (mistake.code, mistake.file, mistake.path) == ("no-policies", None, ())


def test_no_policies_in_one_document() -> None:
    """Where the only document has no policies, the mistake is its own."""
    mistake = one_mistake(toml("version = 1", "a.toml"))
    assert (mistake.code, mistake.file, mistake.path) == ("no-policies", "a.toml", ())


def test_no_documents() -> None:
    """No documents are no policies."""
    assert codes_of() == ["no-policies"]


ORIGINS = ["https://a.example"]
SETS = {"s": ["https://s.example"]}
# Documents with one mistake, and nothing but its consequences beside it.
ONE_MISTAKE: dict[str, tuple[dict[str, Any], str]] = {
    "a policy with a malformed name is one": (
        {"version": 1, "policies": {"a b": {"origins": ORIGINS}}},
        "name-malformed",
    ),
    "a policy with a malformed name uses its set": (
        {"version": 1, "policies": {"a b": {"origins": ["@s"]}, "a": {"origins": ORIGINS}}, "origin_sets": SETS},
        "name-malformed",
    ),
    "a policy that is no table is one": ({"version": 1, "policies": {"a": 5}}, "wrong-type"),
    "a set with a malformed name exists": (
        {**rule("@s t"), "origin_sets": {"s t": ["https://s.example"]}},
        "name-malformed",
    ),
    "a set in a string in place of a list is used": (
        {**policy(origins="@s"), "origin_sets": SETS},
        "wrong-type",
    ),
    "a set beside what is no string is used": (
        {**policy(origins=[5, "@s"]), "origin_sets": SETS},
        "wrong-type",
    ),
    "rules in place of a list": (policy(rules={"origins": ORIGINS}), "wrong-type"),
    "a rule that is no table": (policy(rules=[5]), "wrong-type"),
    "no rules": (policy(rules=[]), "no-origins"),
    "a rule without origins behind another": (
        policy(rules=[{"origins": ORIGINS}, {"origins": []}]),
        "no-origins",
    ),
    "a date": (rule("*", max_age=date(1979, 5, 27)), "wrong-type"),
    "a date among origins": (rule("*", date(1979, 5, 27)), "wrong-type"),  # type: ignore[arg-type]
    "origins that are no list": (policy(origins=5), "wrong-type"),
    "origins that are no strings": (policy(origins=[5]), "wrong-type"),
    "an empty set": ({**rule("@s"), "origin_sets": {"s": []}}, "no-origins"),
    "a set that is no list": ({**rule("@s"), "origin_sets": {"s": 5}}, "wrong-type"),
    "a set of what are no strings": ({**rule("@s"), "origin_sets": {"s": [5]}}, "wrong-type"),
    "a set of what are no origins": ({**rule("@s"), "origin_sets": {"s": ["x"]}}, "origin-malformed"),
    "credentials that are no boolean": (rule("*", credentials="yes", expose_headers=["*"]), "wrong-type"),
    "no methods": (rule("*", methods=[]), "wrong-value"),
    "a flag that does not exist": (rule("*", dangerously_allow=["everything"]), "wrong-value"),
    "a flag that is no string": (rule("*", dangerously_allow=[5]), "wrong-value"),
}


@pytest.mark.parametrize(("document", "code"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake(document: dict[str, Any], code: str) -> None:
    """One mistake is reported as one, without others that are not true or merely follow from it."""
    assert codes_in(document) == [code]


@pytest.mark.parametrize("name", ["a", "1", "01", "2024"])
def test_places_beneath_a_name(name: str) -> None:
    """The place of a mistake is right whatever the name of its policy or set, digits too."""
    text = (
        f"version = 1\n[policies.{name}]\nmax_age = -1\nfoo = 1\nrules = [\n"
        f'{{origins = 5}},\n{{origins = ["*"], max_age = "x"}}]\n[origin_sets]\n{name} = 5'
    )
    expected: list[tuple[str, tuple[str | int, ...], int]] = [
        ("max-age-out-of-range", ("policies", name, "max_age"), 3),
        ("unknown-key", ("policies", name, "foo"), 4),
        ("wrong-type", ("policies", name, "rules", 0, "origins"), 6),
        ("wrong-type", ("policies", name, "rules", 1, "max_age"), 7),
        ("wrong-type", ("origin_sets", name), 9),
    ]
    assert [(one.code, one.path, one.line) for one in mistakes_of(toml(text))] == expected


def test_place_beneath_one_of_two_names() -> None:
    """Names that are the same number are not the same."""
    names = ["1", "01", "001"]
    for name in names:
        bodies = {each: {"origins": ["*"], "max_age": -1 if each == name else 1} for each in names}
        (mistake,) = mistakes_in({"version": 1, "policies": bodies})
        assert mistake.path == ("policies", name, "max_age")


def test_place_beneath_an_empty_name() -> None:
    """What stands beneath an empty name has its place there."""
    found = mistakes_in({"version": 1, "policies": {"": {"origins": ["*"], "max_age": -1, "foo": 1}}})
    assert ("max-age-out-of-range", ("policies", "", "max_age")) in [(one.code, one.path) for one in found]
    assert ("unknown-key", ("policies", "", "foo")) in [(one.code, one.path) for one in found]


# Documents with a second mistake that must not hide behind the first.
SEVERAL: dict[str, tuple[dict[str, Any], set[str]]] = {
    "in the rules of a policy with keys beside them": (
        policy(methods=["PUT"], rules=[{"origins": ["https://A.example"]}]),
        {"rules-and-flat-keys", "origin-uppercase"},
    ),
    "in a policy with a malformed name": (
        {"version": 1, "policies": {"a b": {"origins": ["https://A.example"]}}},
        {"name-malformed", "origin-uppercase"},
    ),
    "beside an unknown key": (rule("https://A.example", foo=1), {"unknown-key", "origin-uppercase"}),
    "beside a missing version": (
        {"policies": {"a": {"origins": ["https://A.example"]}}},
        {"missing-key", "origin-uppercase"},
    ),
    "behind what is no string": (rule(5, "https://A.example"), {"wrong-type", "origin-uppercase"}),  # type: ignore[arg-type]
    "behind a rule that is no table": (
        policy(rules=[5, {"origins": ["https://A.example"]}]),
        {"wrong-type", "origin-uppercase"},
    ),
    "behind a match that is no string": (rule("*", match=[5, "a"]), {"wrong-type", "match-malformed"}),
    "behind a method that is no string": (rule("*", methods=[5, "TRACE"]), {"wrong-type", "method-forbidden"}),
    "two of one origin in one rule": (
        rule("null", credentials=True, expose_headers=["*"]),
        {"null-origin", "any-header-with-credentials"},
    ),
}


@pytest.mark.parametrize(("document", "codes"), SEVERAL.values(), ids=SEVERAL)
def test_several_mistakes(document: dict[str, Any], codes: set[str]) -> None:
    """No mistake hides another."""
    assert set(codes_in(document)) == codes


def one_mistake(text: str | Source) -> PolicyError:
    """The only mistake of a document."""
    (mistake,) = mistakes_of(toml(text) if isinstance(text, str) else text)
    return mistake


SYNTAX = {
    "TOML": (toml('version = 1\n[policies.a]\norigins = ["*"'), None, "TOML"),
    "TOML with a line": (toml("version = 1\n[policies.a\n"), 2, "TOML"),
    "TOML, a table twice": (toml("version = 1\n[policies.a]\n[policies.a]"), 3, "TOML"),
    "TOML, a number too long": (toml(f"version = 1{'0' * 5000}"), None, "TOML"),
    "JSON": (json_text('{"version": 1,\n}'), 2, "JSON"),
    "JSON, a comma at the end of a list": (json_text('{"a": [1,\n \n]}'), 3, "JSON"),
    "JSON, nothing": (json_text(""), 1, "JSON"),
    "JSON, a byte order mark": (json_text("\ufeff{}"), 1, "JSON"),
    "JSON, NaN": (json_text('{"version": NaN}'), None, "NaN"),
    "JSON, Infinity": (json_text('{"version": -Infinity}'), None, "-Infinity"),
    "JSON, a number too long": (json_text(f'{{"version": 1{"0" * 5000}}}'), None, "JSON"),
    "JSON, nested too deeply": (json_text("[" * 100_000), None, "too deeply"),
}


@pytest.mark.parametrize(("source", "line", "words"), SYNTAX.values(), ids=SYNTAX)
def test_syntax(source: Source, line: int | None, words: str) -> None:
    """What does not parse is one mistake, with its line where the parser tells it."""
    mistake = one_mistake(source)
    assert (mistake.code, mistake.line, mistake.path) == ("syntax", line, ())
    assert words in mistake.message


def test_wording_of_syntax() -> None:
    """The message reads well whichever way the parser puts it."""
    assert "at in" not in one_mistake(json_text('{"a": "\n"}')).message


def test_key_twice() -> None:
    """A key that stands twice in one object is refused, and not decided by which comes last."""
    mistake = one_mistake(
        json_text('{"version": 1, "policies": {"a": {"origins": [], "timing": true, "origins": ["*"]}}}')
    )
    assert (mistake.code, mistake.value) == ("duplicate-key", "origins")


HINTS = {
    "a close key": ('version = 1\n[policies.a]\norigins = ["*"]\nmax-age = 5', "Did you mean max_age?"),
    "a close key in capitals": ('version = 1\n[policies.a]\norigins = ["*"]\nMAX-AGE = 5', "Did you mean max_age?"),
    "a close key of the root": ('version = 1\n[policy.a]\n[policies.a]\norigins = ["*"]', "Did you mean policies?"),
    "a close key of a rule": ("version = 1\n[policies.a]\nrules = [{Origins = []}]", "Did you mean origins?"),
    "a key like no other": (
        'version = 1\nxyz = 1\n[policies.a]\norigins = ["*"]',
        "$schema, header_sets, origin_sets, policies, version",
    ),
    "a version that is missing": ('[policies.a]\norigins = ["*"]', "version = 1"),
    "a set that does not exist, but almost": (
        'version = 1\n[policies.a]\norigins = ["@parners", "@partners"]\n[origin_sets]\npartners = ["app://a"]',
        "@partners",
    ),
    "a set like no other": ('version = 1\n[policies.a]\norigins = ["@t"]', "[origin_sets]"),
    "a set that is not used": (
        'version = 1\n[policies.a]\norigins = ["*"]\n[origin_sets]\ns = ["https://a.example"]',
        '"@s"',
    ),
}


@pytest.mark.parametrize(("text", "words"), HINTS.values(), ids=HINTS)
def test_hint(text: str, words: str) -> None:
    """A hint says what there is, or what was probably meant."""
    assert words in mistakes_of(toml(text))[0].hint


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_number_that_json_does_not_have(number: str) -> None:
    """A number that JSON does not have is refused, and shown as what it is."""
    mistake = one_mistake(f'version = 1\n[policies.a]\norigins = ["*"]\nmax_age = {number}')
    assert (mistake.path, mistake.line) == (("policies", "a", "max_age"), 4)
    assert number in mistake.message


def test_number_beyond_all_bounds() -> None:
    """A number that overflows is refused, and shown as what it is read as."""
    mistake = one_mistake(json_text('{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": 1e400}}}'))
    assert mistake.path == ("policies", "a", "max_age")
    assert "inf" in mistake.message
