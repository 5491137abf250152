"""Tests of what suites say, and of the mistakes in them."""

from __future__ import annotations

import jsonschema_rs
import pytest

from cors_service.suites.cases import Expectation, Page
from cors_service.suites.mistakes import CODES
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.structure import SCHEMA
from tests.suites.texts import mistakes, suite

CASE = '[[cases]]\npolicy = "open"\norigins = ["https://a.example"]\nexpect = "readable"\n'


def test_smallest() -> None:
    """A case of an origin and a policy is a GET without cookies, and has a name."""
    [case] = suite(CASE).cases
    assert list(case.pages()) == [Page("open", None, "https://a.example", "GET", (), False)]
    assert (case.name, case.line, case.expectation) == ("policy open: readable", 2, Expectation(readable=True))


def test_lists_multiply() -> None:
    """Each list multiplies the requests, and headers in a list of their own are set together."""
    [case] = suite(
        """[[cases]]
        url = ["https://app.example.com/api/", "https://app.example.com/api/7"]
        origins = ["https://a.example", "null"]
        methods = ["GET", "PUT", "patch"]
        headers = [[], "content-type", ["x-a", "X-B: 7"]]
        credentials = [true, false]
        expect = "blocked"
        """
    ).cases
    pages = list(case.pages())
    assert len(pages) == len(set(pages)) == 2 * 2 * 3 * 3 * 2
    assert {page.headers for page in pages} == {
        (),
        (("content-type", "application/json"),),
        (("x-a", "1"), ("X-B", "7")),
    }
    assert {page.method for page in pages} == {"GET", "PUT", "patch"}


def test_names_its_policies() -> None:
    """A suite can name the policies that it tests, which can be known before they are read."""
    assert SuiteDraft("a", f'version = 1\npolicies = "../p.toml"\n{CASE}').policies == "../p.toml"
    assert SuiteDraft("a", f"version = 1\n{CASE}").policies is None
    assert SuiteDraft("a", "policies = 7").policies is None


def test_schema() -> None:
    """The schema that is shipped is one, and takes what is read."""
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    document = {"version": 1, "cases": [{"policy": "a", "origins": ["null"], "expect": "blocked"}]}
    assert jsonschema_rs.Draft202012Validator(SCHEMA).is_valid(document)


def test_all_mistakes_at_once() -> None:
    """Mistakes of structure, of words and of policies are told together, each with its line, in their order."""
    found = mistakes(
        """nonsense = 1
[[cases]]
policy = "opne"
origins = ["https://a.example/", "https://*.example.com"]
headers = ["cookie", ["a b"]]
expect = "readable"
[[cases]]
origin = ["https://a.example"]
expect = "readble"
[[cases]]
url = "https://nowhere.example/"
origins = ["https://a.example"]
expect = "blocked"
reason = "origin-not-alowed"
may_read = ["etag"]
"""
    )
    assert [(error.line, error.code) for error in found] == [
        (None, "missing-key"),
        (1, "unknown-key"),
        (3, "unknown-policy"),
        (4, "origin-malformed"),
        (4, "origin-malformed"),
        (5, "header-forbidden"),
        (5, "header-malformed"),
        (7, "missing-key"),
        (8, "unknown-key"),
        (9, "wrong-value"),
        (11, "url-malformed"),
        (14, "unknown-reason"),
        (15, "contradiction"),
    ]


@pytest.mark.parametrize(
    ("case", "code", "hint"),
    [
        ('policy = "opne"', "unknown-policy", 'Did you mean "open"?'),
        ('policy = "elsewhere"', "unknown-policy", ""),
        ('origins = ["https://A.example/"]', "origin-malformed", 'Write "https://a.example".'),
        ('origins = "https://a.example"', "wrong-type", 'Write ["https://a.example"].'),
        ("origins = []", "empty-list", ""),
        ("origins = [7]", "wrong-type", ""),
        ('methods = ["a b"]', "method-malformed", "PUT"),
        ('headers = ["cookie"]', "header-forbidden", "credentials = true"),
        ('headers = ["sec-fetch-mode"]', "header-forbidden", "Remove it."),
        ('headers = ["a b"]', "header-malformed", "x-name"),
        ('headers = ["a: \\u0007"]', "header-malformed", "x-name"),
        ('may_read = ["a b"]', "header-malformed", ""),
        ("credentials = 1", "wrong-type", ""),
        ("rule = 0", "wrong-value", ""),
        ("expect = 1979-05-27", "wrong-value", ""),
        ('reason = "origin-not-allow"', "unknown-reason", 'Did you mean "origin-not-allowed"?'),
        ('expect = "blocked"\ntiming = true', "contradiction", "Remove timing."),
        ('url = "https://nowhere.example/"\npolicy = ""', "unknown-policy", ""),
        ('url = "nonsense"', "url-malformed", ""),
        ('url = ["https://api.example.com/a/../open/"]', "url-malformed", ""),
    ],
)
def test_mistakes(case: str, code: str, hint: str) -> None:
    """Each mistake has a code of the closed set, a place, and a hint where something can be said."""
    body = {"policy": '"open"', "origins": '["https://a.example"]', "expect": '"readable"'}
    body |= dict(line.split(" = ", 1) for line in case.split("\n"))
    text = "version = 1\n[[cases]]\n" + "".join(f"{key} = {value}\n" for key, value in body.items())
    [error] = mistakes(text)
    assert error.code == code
    assert error.code in CODES
    assert hint in error.hint
    assert error.line is not None
    assert error.line >= 2
    assert str(error).startswith("a.test.toml:")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version = ", "syntax"),
        (f"a = {'[' * 5000}", "syntax"),
        (f'a = "{"x" * 5000}"', "syntax"),
        (
            f"version = 1\ncases = {[{}] * 10_001}".replace("{}", '{origins=["null"],policy="open",expect="blocked"}'),
            "syntax",
        ),
        ("version = 1", "missing-key"),
        ("version = 1\ncases = []", "empty-list"),
        (f'version = 1\npolicies = ""\n{CASE}', "empty-list"),
        (f"version = 2\n{CASE}", "wrong-value"),
    ],
)
def test_not_a_suite(text: str, code: str) -> None:
    """What is not a suite as a whole is a mistake, too."""
    assert code in {error.code for error in mistakes(text)}


def test_too_many_requests() -> None:
    """Lists that multiply to more requests than anybody means are a mistake, and nothing is run."""
    origins = ", ".join(f'"https://a{number}.example"' for number in range(102))
    methods = "\n".join(f'"M{number}",' for number in range(102))
    text = (
        f'version = 1\n[[cases]]\npolicy = "open"\norigins = [{origins}]\nmethods = [{methods}]\nexpect = "blocked"\n'
    )
    [error] = mistakes(text)
    assert (error.code, error.line) == ("too-many", 2)


def test_without_policies() -> None:
    """Where the policies can't be read, everything else that is wrong is told all the same."""
    text = 'version = 1\n[[cases]]\npolicy = "anything"\norigins = ["https://a.example/"]\nexpect = "readable"\n'
    assert [error.code for error in mistakes(text, None)] == ["origin-malformed"]
