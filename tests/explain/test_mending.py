"""Tests of mending: for what a policy blocks, a patch that lets it through, or the reason why none does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from cors_service.browser import Request
from cors_service.browser.request import unsafe_request_header_names
from cors_service.explain import Documents, Explanation, PageRequest, explain
from cors_service.explain.exchange import Credentials
from cors_service.policy import Source
from cors_service.testing import Neighbourhood
from cors_service.testing.strategies import documents as any_document
from tests.examples import examples
from tests.explain.patched import changed_lines, documents, mended, patched

SHOP: Final = """\
version = 1

# Who sells.
[policies.shop]
match = ["api.example.com/shop/"]

# Our own page.
[[policies.shop.rules]]
origins = [
    "https://shop.example.com", # the live one
    "https://staging.example.com",
]
methods = ["GET", "POST"] # no PUT
credentials = true

# What we shut out.
[[policies.shop.rules]]
origins = ["https://old.example.com", "https://*.evil.example"]
refuse = true

# Everybody else reads.
[[policies.shop.rules]]
origins = ["http://localhost:*"]

[policies.catalogue]
match = ["<tenant>.api.example.com/"]
origins = ["https://<tenant>.app.example.com"]

[policies.fonts]
match = ["cdn.example.com/"]
static = true
origins = ["https://fonts.example.com"] # one answer for all

[policies.status]
match = ["status.example.com/"] # no secrets here
# Everybody.
origins = ["*"]
max_age = 600 # ten minutes

[policies.guarded]
match = ["tools.example.com/"]
origins = ["https://app.example.com"]

[policies.guarded.guard]
hosts = ["localhost:*"]
"""
API: Final = "https://api.example.com/shop/orders/7"
SHOPS: Final = "https://shop.example.com"

KINDS: Final[dict[str, tuple[PageRequest, list[str]]]] = {
    "origin not listed": (
        PageRequest("https://new.example.com", API),
        ['-origins = ["http://localhost:*"]', '+origins = ["http://localhost:*", "https://new.example.com"]'],
    ),
    "origin not listed, with cookies": (
        PageRequest("https://new.example.com", API, credentials="include"),
        ['+    "https://new.example.com",'],
    ),
    "method": (
        PageRequest(SHOPS, API, "PUT"),
        ['-methods = ["GET", "POST"] # no PUT', '+methods = ["GET", "POST", "PUT"] # no PUT'],
    ),
    "method where none is listed": (
        PageRequest("http://localhost:3000", API, "DELETE"),
        ['+methods = ["GET", "POST", "DELETE"]'],
    ),
    "header": (
        PageRequest(SHOPS, API, "POST", (("Content-Type", "application/json"), ("X-Trace", "1"))),
        ['+request_headers = ["content-type", "x-trace"]'],
    ),
    "credentials": (
        PageRequest("http://localhost:3000", API, credentials="include"),
        ["+credentials = true"],
    ),
    "method, header and credentials": (
        PageRequest("http://localhost:3000", API, "PUT", (("X-A", "1"),), "include"),
        ['+methods = ["GET", "POST", "PUT"]', '+request_headers = ["x-a"]', "+credentials = true"],
    ),
    "no policy for the URL": (
        PageRequest(SHOPS, "https://api.example.com/orders/7", credentials="include"),
        ['-match = ["api.example.com/shop/"]', '+match = ["api.example.com/shop/", "api.example.com/orders/"]'],
    ),
    "no policy for the host": (
        PageRequest(SHOPS, "https://other.example.com/a/b", "PUT"),
        [
            "+",
            "+[policies.a]",
            '+match = ["other.example.com/a/"]',
            '+origins = ["https://shop.example.com"]',
            '+methods = ["PUT"]',
        ],
    ),
    "refuse rule": (
        PageRequest("https://old.example.com", API),
        [
            '-origins = ["https://old.example.com", "https://*.evil.example"]',
            '+origins = ["https://*.evil.example"]',
            '-origins = ["http://localhost:*"]',
            '+origins = ["http://localhost:*", "https://old.example.com"]',
        ],
    ),
    "refuse rule with a wildcard": (
        PageRequest("https://a.evil.example", API),
        ["+[[policies.shop.rules]]", '+origins = ["https://a.evil.example"]', '+methods = ["GET"]', "+"],
    ),
    "a bound label": (
        PageRequest("https://b.app.example.com", "https://a.api.example.com/x"),
        [
            '-origins = ["https://<tenant>.app.example.com"]',
            '+origins = ["https://<tenant>.app.example.com", "https://b.app.example.com"]',
        ],
    ),
    "a static policy": (
        PageRequest("https://app.example.com", "https://cdn.example.com/a.woff2"),
        [
            "-static = true",
            '-origins = ["https://fonts.example.com"] # one answer for all',
            '+origins = ["https://fonts.example.com", "https://app.example.com"] # one answer for all',
        ],
    ),
    "a method of a static policy": (
        PageRequest("https://fonts.example.com", "https://cdn.example.com/a.woff2", "PUT"),
        ['+methods = ["GET", "POST", "PUT"]'],
    ),
    "cookies where everybody may read": (
        PageRequest("https://app.example.com", "https://status.example.com/", credentials="include"),
        [
            "+",
            "+[[policies.status.rules]]",
            '+origins = ["https://app.example.com"]',
            "+credentials = true",
            "+max_age = 600",
            "+",
            "+[[policies.status.rules]]",
        ],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: str, tmp_path: Path) -> None:
    """For each kind of block, `patch` applies the smallest edit, comments stay, and the exchange then passes."""
    exchange, expected = KINDS[kind]
    explanation, after = mended(tmp_path, SHOP, exchange)
    assert explanation.mending is not None
    assert sorted(changed_lines(explanation.mending.patch)) == sorted(expected)
    comments = [line.partition("#")[2] for line in SHOP.split("\n") if "#" in line]
    assert sorted(comments) == sorted(line.partition("#")[2] for line in after.split("\n") if "#" in line)


def test_what_else() -> None:
    """What the edit would allow besides is said, each with a query that shows it: here, to pages of another origin."""
    explanation = explain(PageRequest(SHOPS, API, "PUT", credentials="include"), documents(SHOP))
    assert explanation.mending is not None
    others = {
        origin for one in explanation.mending.also_allows for origin in (one.witness and one.witness.origins) or ()
    }
    assert others == {"https://staging.example.com"}
    assert {one.what for one in explanation.mending.also_allows} == {"method"}


def test_what_else_the_page_may_do() -> None:
    """A rule grants methods, headers and cookies, not exchanges: what else the page itself may then do is said."""
    text = """version = 1
[policies.a]
origins = ["https://a.example"]
methods = ["GET", "PUT"]
request_headers = ["x-a", "x-b-*"]
"""
    exchange = PageRequest("https://a.example", API, credentials="include", policy="a")
    explanation = explain(exchange, documents(text))
    assert explanation.mending is not None
    assert [(one.what, one.sentence) for one in explanation.mending.also_allows] == [
        ("method", "Pages of 'https://a.example' may use the method PUT with cookies, too."),
        ("request-header", "Pages of 'https://a.example' may send the headers x-a, x-b-any with cookies, too."),
    ]
    assert [one.witness and one.witness.request_methods for one in explanation.mending.also_allows] == [
        ("PUT",),
        ("GET",),
    ]


def test_nothing_else() -> None:
    """An edit for the page and its request alone allows nothing else."""
    text = 'version = 1\n[policies.a]\norigins = ["https://a.example"]\nmethods = ["GET"]\n'
    explanation = explain(PageRequest("https://a.example", "https://b.example/", "PUT", policy="a"), documents(text))
    assert explanation.mending is not None
    assert explanation.mending.also_allows == ()


def also(text: str, exchange: PageRequest) -> list[str]:
    """What the edit would allow besides, in sentences."""
    mending = explain(exchange, documents(text)).mending
    assert mending is not None
    return [one.sentence for one in mending.also_allows]


@pytest.mark.parametrize(
    ("origins", "such"),
    [
        (["*"], "https://q"),
        (["https://*.a.example"], "https://xx.a.example"),
        (["https://b.example", "https://p.a.example", "https://c.example"], "https://b.example"),
    ],
)
def test_what_else_all_pages_of_a_rule_may_do(origins: list[str], such: str) -> None:
    """If an edit grants something to all pages of a rule, one line says so; what it does not change is not named."""
    text = f"version = 1\n[policies.a]\norigins = {json.dumps(origins)}\n"
    page = f"Pages that rule 1 covers, such as those of '{such}',"
    asked = PageRequest("https://p.a.example", API, "DELETE", policy="a")
    assert also(text, asked) == [f"{page} may use the method DELETE."]
    asked = PageRequest("https://p.a.example", API, headers=(("x-a", "1"),), policy="a")
    assert also(text, asked) == [f"{page} may send the header x-a."]


def test_what_else_the_own_origin_may_do() -> None:
    """Pages of the service's own origin read everything, so nothing more is allowed to them."""
    text = 'version = 1\n[policies.a]\nmatch = ["api.example/"]\nstatic = true\norigins = ["https://p.example"]\n'
    exchange = PageRequest("https://p.example", "https://api.example/", credentials="include")
    assert also(text, exchange) == ["Pages of 'https://p.example' may use the method POST with cookies, too."]


def test_other_hosts_of_what_is_bound() -> None:
    """A page that is listed where `match` binds a label may ask the hosts of all labels, and that is said."""
    exchange, _ = KINDS["a bound label"]
    explanation = explain(exchange, documents(SHOP))
    assert explanation.mending is not None
    assert {one.what for one in explanation.mending.also_allows} == {"method", "origin"}
    assert "every host that match finds" in explanation.steps[-1].message


DANGERS: Final = {
    "null-origin": PageRequest("null", API),
    "file-origin": PageRequest("file://", API),
    "insecure-origins": PageRequest("http://shop.example.com", API, credentials="include"),
}


@pytest.mark.parametrize("danger", DANGERS)
def test_dangers(danger: str, tmp_path: Path) -> None:
    """An edit that needs a dangerous flag says so, and gives it to the page alone."""
    explanation, _ = mended(tmp_path, SHOP, DANGERS[danger])
    assert explanation.mending is not None
    assert f'dangerously_allow = ["{danger}"]' in explanation.steps[-1].message
    assert f'+dangerously_allow = ["{danger}"]' in changed_lines(explanation.mending.patch)
    assert "+[[policies.shop.rules]]" in changed_lines(explanation.mending.patch)


FLAGGED: Final = """\
version = 1

[policies.a]
origins = ["https://*.github.io", "http://b.example"]
dangerously_allow = ["public-suffix-subdomains", "insecure-origins"]

[policies.b]
origins = ["http://b.example"]
credentials = true
dangerously_allow = ["insecure-origins"]
"""


def test_dangers_that_are_accepted_already() -> None:
    """Cookies are not added to a rule that accepts what is dangerous with them; a rule of its own lets the page in."""
    exchange = PageRequest("https://p.github.io", API, credentials="include", policy="a")
    explanation = explain(exchange, documents(FLAGGED))
    assert explanation.mending is not None
    assert '+origins = ["https://p.github.io"]' in changed_lines(explanation.mending.patch)
    assert [one.sentence for one in explanation.mending.also_allows] == [
        "Pages of 'https://p.github.io' may use the method POST with cookies, too."
    ]


def test_dangers_of_the_rule() -> None:
    """A page without TLS that is listed beside others with cookies has a danger, whether or not it sends any."""
    explanation = explain(PageRequest("http://p.example", API, policy="b"), documents(FLAGGED))
    assert explanation.mending is not None
    assert 'dangerously_allow = ["insecure-origins"]' in explanation.steps[-1].message


def test_refused_on_purpose() -> None:
    """Whoever lets in what a rule refuses is told to ask first."""
    explanation = explain(PageRequest("https://old.example.com", API), documents(SHOP))
    assert "Rule 2 refuses the page on purpose: ask whoever wrote it first." in explanation.steps[-1].message


NONE: Final[dict[str, tuple[PageRequest, str]]] = {
    "a method that no page may use": (PageRequest(SHOPS, API, "TRACE"), "use another method than TRACE"),
    "a method called *": (PageRequest(SHOPS, API, "*"), "another method than *"),
    "a method in lower case": (PageRequest("https://p.example.com", API, "patch", policy="upper"), "send PATCH"),
    "too many headers": (
        PageRequest(SHOPS, API, headers=tuple((f"x-{number}", "1") for number in range(65))),
        "send fewer headers",
    ),
    "a header called *": (PageRequest(SHOPS, API, headers=(("*", "1"),)), "another header than *"),
    "a header that ends in *": (PageRequest(SHOPS, API, headers=(("x-*", "1"),)), "another header than x-*"),
    "the same of a page that is not listed": (
        PageRequest("https://new.example.com", API, headers=(("x-*", "1"),)),
        "another header than x-*",
    ),
    "an origin that can't be listed": (PageRequest('https://a"b.example', API), "no policy can list an origin"),
    "mixed content": (PageRequest(SHOPS, "http://api.example.com/shop/"), "serve the URL over https"),
    "a relative URL": (PageRequest(SHOPS, "/shop/"), "absolute URL"),
    "a URL with two readings": (PageRequest(SHOPS, "https://api.example.com/shop/..%2f"), "in one way"),
    "a policy that does not exist": (PageRequest(SHOPS, API, policy="shops"), "The nearest is 'shop'"),
    "a guard": (PageRequest("https://app.example.com", "https://tools.example.com/"), "add it to hosts of the guard"),
    "the mode same-origin": (PageRequest(SHOPS, API, mode="same-origin"), 'Have it use "cors"'),
    "a redirect": (PageRequest("null", API, redirected_from="https://other.example.net/"), "request this URL directly"),
    "the mode no-cors": (PageRequest(SHOPS, API, "PUT", mode="no-cors"), 'use the mode "cors"'),
}
UPPER: Final = '\n[policies.upper]\norigins = ["https://p.example.com"]\nmethods = ["PATCH"]\n'


@pytest.mark.parametrize("kind", NONE)
def test_what_no_policy_mends(kind: str) -> None:
    """Where no edit of a policy helps, the last step says what does."""
    exchange, expected = NONE[kind]
    explanation = explain(exchange, documents(SHOP + UPPER))
    assert not explanation.passes
    assert explanation.mending is None
    assert expected in explanation.steps[-1].message


STARS: Final = {
    "https://api.example.org/*/y/z": "api.example.org/",
    "https://api.example.org/a/*/z": "api.example.org/a/",
    "https://api.example.org/a/*": "api.example.org/a/",
    "https://api.example.org/a/*.b/z": "api.example.org/a/",
    "https://api.example.org/*": "api.example.org/",
}


@pytest.mark.parametrize("url", STARS)
def test_stars_in_paths(url: str, tmp_path: Path) -> None:
    """A star in the path of a URL does not become one of the match, which would find other paths, too."""
    explanation, _ = mended(tmp_path, SHOP, PageRequest(SHOPS, url))
    assert explanation.mending is not None
    assert f'+match = ["{STARS[url]}"]' in changed_lines(explanation.mending.patch)


FORMS: Final = {
    "in one line": 'version = 1\npolicies = {a = {origins = ["https://a.example"]}} # all\n',
    "dotted keys": 'version = 1\npolicies.a.origins = ["https://a.example"] # all\npolicies.a.max_age = 60\n',
    "rules in a list": 'version = 1\n[policies.a]\nrules = [\n  {origins = ["https://a.example"]}, # one\n]\n',
    "without a line end": 'version = 1\n[policies.a]\norigins = ["https://a.example"]',
    "line ends of Windows": 'version = 1\r\n[policies.a]\r\norigins = ["https://a.example"] # one\r\n',
    "commas first": 'version = 1\n[policies.a]\norigins = [\n  "https://a.example" # one\n  , "https://c.example"\n]\n',
    "indented": 'version = 1\n[policies.a]\n  [[policies.a.rules]]\n    origins = ["https://a.example"]\n',
    "quoted": "version = 1\n[policies.'a']\n'origins' = ['https://a.example']\n",
    "out of order": (
        'version = 1\n[policies.a]\norigins = ["@x"]\n[origin_sets]\nx = ["https://a.example"]\n'
        '[policies.b]\norigins = ["*"]\n'
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_toml(form: str, tmp_path: Path) -> None:
    """A document is edited however it is written, and keeps its form."""
    text = FORMS[form]
    explanation, after = mended(tmp_path, text, PageRequest("https://b.example", "https://s.example/", policy="a"))
    assert explanation.mending is not None
    assert len(changed_lines(explanation.mending.patch)) <= 2
    assert after.count("#") == text.count("#")
    assert after.count("\r\n") in {0, after.count("\n")}


def test_new_policy_in_one_line(tmp_path: Path) -> None:
    """Where all policies are in one line, a new one is put there, too."""
    text = 'version = 1\npolicies = {a = {match = ["a.example/"], origins = ["*"]}} # all\n'
    _, after = mended(tmp_path, text, PageRequest("https://b.example", "https://s.example/"))
    assert after.count("\n") == 2
    assert after.endswith("# all\n")


def test_not_edited() -> None:
    """Where a document is written in a way that is not edited, it is said how to write it."""
    text = 'version = 1\npolicies.a.match = ["a.example/"]\npolicies.a.origins = ["*"]\n'
    explanation = explain(PageRequest("https://b.example", "https://s.example/"), documents(text))
    assert explanation.mending is None
    assert "Write it as a table of its own, [policies.NAME]." in explanation.steps[-1].message


def test_indentation(tmp_path: Path) -> None:
    """A key is indented as its header is, whatever comment is moved above that."""
    text = (
        'version = 1\n[policies.a]\n[[policies.a.rules]]\norigins = ["https://p.a.example"]\nrefuse = true\n'
        '# all else\n[[policies.a.rules]]\norigins = ["https://*.a.example"]\n'
    )
    _, after = mended(tmp_path, text, PageRequest("https://p.a.example", "https://s.example/", "PUT", policy="a"))
    assert "\nmethods = " in after


RULES: Final = """\
version = 1

[policies.a]
match = ["a.example/"]

# Shut out,
# for good.
[[policies.a.rules]]
origins = ["https://old.example"]
refuse = true

# Ours.
[[policies.a.rules]]
origins = ["https://x.example"]
credentials = true

# Shut out, too.
[[policies.a.rules]]
origins = ["https://bad.example"]
refuse = true

# Over the network.
[[policies.a.rules]]
origins = ["http://*.y.example"]

# All.
[[policies.a.rules]]
origins = ["*"]
"""
GUARDED: Final = """\
version = 1

[policies.a]
origins = ["*"] # all

[policies.a.guard]
hosts = ["s.example"]

[policies.b]
origins = ["*"]
"""
SET_OF_ONE: Final = """\
version = 1

[origin_sets]
some = ["https://p.example"]

[[policies.a.rules]]
origins = ["https://x.example"]

[[policies.a.rules]]
origins = ["@some"]
refuse = true
"""
ALONE: Final = 'version = 1\n[policies.a]\norigins = ["https://p.example"] # shut out\nrefuse = true\n'
LINES: Final = (
    'version = 1\n[policies.a]\nrules = [\n  {origins = ["https://*.y.example"]}, # one\n  {origins = ["*"]},\n]\n'
)
ONE: Final = '{origins = ["*"], max_age = 60}'
LINE: Final = f"version = 1\npolicies = {{a = {ONE}}} # one line\n"
AFTER_LINE: Final = (
    'policies = {a = { rules = [{origins = ["https://p.example"], credentials = true, max_age = 60}, '
    + ONE
    + "]}} # one line"
)
PLACES: Final[dict[str, tuple[str, PageRequest, list[str]]]] = {
    "the first rule is removed": (
        RULES,
        PageRequest("https://old.example", API, policy="a"),
        [
            "-# Shut out,",
            "-# for good.",
            "-[[policies.a.rules]]",
            '-origins = ["https://old.example"]',
            "-refuse = true",
            "-",
        ],
    ),
    "a later rule is removed": (
        RULES,
        PageRequest("https://bad.example", API, policy="a"),
        ["-# Shut out, too.", "-[[policies.a.rules]]", '-origins = ["https://bad.example"]', "-refuse = true", "-"],
    ),
    "a rule refuses no longer": (
        RULES,
        PageRequest("https://bad.example", API, "PUT", policy="a"),
        ["-refuse = true", '+methods = ["PUT"]'],
    ),
    "the only rule refuses no longer": (
        ALONE,
        PageRequest("https://p.example", API, "PUT", policy="a"),
        ["-refuse = true", '+methods = ["PUT"]'],
    ),
    "a rule that refuses a set of one refuses no longer": (
        SET_OF_ONE,
        PageRequest("https://p.example", API, policy="a"),
        ["-refuse = true", '+methods = ["GET"]'],
    ),
    "a rule is put between others": (
        RULES,
        PageRequest("http://z.y.example", API, credentials="include", policy="a"),
        [
            "+[[policies.a.rules]]",
            '+origins = ["http://z.y.example"]',
            "+credentials = true",
            '+dangerously_allow = ["insecure-origins"]',
            "+",
        ],
    ),
    "a rule is put before the last": (
        RULES,
        PageRequest("https://p.example", API, credentials="include", policy="a"),
        ["+[[policies.a.rules]]", '+origins = ["https://p.example"]', "+credentials = true", "+"],
    ),
    "a policy with a guard gets rules": (
        GUARDED,
        PageRequest("https://p.example", "https://s.example/", credentials="include", policy="a"),
        [
            '-origins = ["*"] # all',
            "+[[policies.a.rules]]",
            '+origins = ["https://p.example"]',
            "+credentials = true",
            "+",
            "+[[policies.a.rules]]",
            '+origins = ["*"] # all',
            "+",
        ],
    ),
    "a rule in a list": (
        LINES,
        PageRequest("https://p.example", API, credentials="include", policy="a"),
        ['+  {origins = ["https://p.example"], credentials = true},'],
    ),
    "a policy in one line": (
        LINE,
        PageRequest("https://p.example", API, credentials="include", policy="a"),
        [f"-{line}" for line in LINE.splitlines()[1:]]
        + [
            f"+{AFTER_LINE}",
        ],
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_places(place: str, tmp_path: Path) -> None:
    """Rules come and go in their order, comments stay above or go with what they are about, and nothing else moves."""
    text, exchange, expected = PLACES[place]
    explanation, after = mended(tmp_path, text, exchange)
    assert explanation.mending is not None
    assert sorted(changed_lines(explanation.mending.patch)) == sorted(expected)
    gone = {line[1:] for line in expected if line[:2] == "-#"}
    assert [line for line in after.split("\n") if line[:1] == "#"] == [
        line for line in text.split("\n") if line[:1] == "#" and line not in gone
    ]


def test_comments_lead_to_their_rules(tmp_path: Path) -> None:
    """A rule that is put before another one stands above its comment, not between the two."""
    text = RULES.replace("https://old.example", "https://*.old.example")
    exchange = PageRequest("https://p.old.example", API, policy="a")
    _, after = mended(tmp_path, text, exchange)
    assert after.index("https://p.old.example") < after.index("# Shut out,\n# for good.\n[[policies.a.rules]]")


def test_what_harms_others() -> None:
    """An edit that takes something from other pages is not proposed, and it is said what it would take."""
    text = 'version = 1\n[policies.a]\norigins = ["*"]\ntiming = true\n'
    explanation = explain(PageRequest("https://p.example", API, credentials="include", policy="a"), documents(text))
    assert explanation.mending is None
    assert "without harm to other pages: Every page may no longer measure" in explanation.steps[-1].message


def test_too_long() -> None:
    """A document that nobody writes by hand is not edited."""
    text = f'version = 1\n[policies.a]\norigins = ["https://a.example"]\n{"# filler" * 120}\n' + "# filler\n" * 120_000
    explanation = explain(PageRequest("https://p.example", API, policy="a"), documents(text))
    assert explanation.mending is None
    assert "too long to be edited" in explanation.steps[-1].message


JSONS: Final = {
    "compact": json.dumps({"version": 1, "policies": {"a": {"origins": ["https://a.example"]}}}),
    "indented by 2": json.dumps({"version": 1, "policies": {"a": {"origins": ["https://a.example"]}}}, indent=2) + "\n",
    "indented by tabs": json.dumps(
        {"version": 1, "policies": {"a": {"rules": [{"origins": ["https://a.example"], "max_age": 60}]}}}, indent="\t"
    ),
    "by hand": '{ "version": 1,\n  "policies":\n  { "a": { "origins": [ "https://a.example" ], "max_age":60 } } }\n',
}


@pytest.mark.parametrize("form", JSONS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_forms_of_json(form: str, method: str, tmp_path: Path) -> None:
    """A document in JSON is edited, too, and keeps its form."""
    exchange = PageRequest("https://b.example", "https://s.example/", method, policy="a")
    _, after = mended(tmp_path, JSONS[form], exchange, "policies.json")
    lines = {line.strip(" \t,") for line in after.split("\n")}
    assert len({line.strip(" \t,") for line in JSONS[form].split("\n")} - lines) <= 1


def test_only_what_is_meant() -> None:
    """A policy that is split into rules in JSON keeps the lines of all others."""
    text = json.dumps(
        {"version": 1, "policies": {"a": {"origins": ["*"], "max_age": 60}, "b": {"origins": ["*"]}}}, indent=2
    )
    exchange = PageRequest("https://b.example", "https://s.example/", credentials="include", policy="a")
    explanation = explain(exchange, documents(text, "a.json"))
    assert explanation.mending is not None
    assert not any('"b"' in line for line in changed_lines(explanation.mending.patch))


def test_several_documents() -> None:
    """The patch is of the document that has the policy."""
    one = Source("one.toml", "toml", 'version = 1\n[policies.a]\norigins = ["@x"]\n')
    two = Source("two.toml", "toml", 'version = 1\n[origin_sets]\nx = ["https://a.example"]\n')
    explanation = explain(PageRequest("https://b.example", "https://s.example/", policy="a"), Documents([two, one]))
    assert explanation.mending is not None
    assert explanation.mending.patch.startswith("--- one.toml\n+++ one.toml\n")


def blocked_and_mended(
    document: dict[str, Any], exchange: PageRequest, form: str, directory: Path
) -> Explanation | None:
    """Explain an exchange; if it is blocked, see that the patch lets it through, if there is one."""
    text = json.dumps(document, indent=1) if form == "json" else tomli_w.dumps(document)
    name = f"policies.{form}"
    explanation = explain(exchange, documents(text, name))
    if explanation.passes:
        assert explanation.mending is None
        return None
    if explanation.mending is not None:
        after = patched(directory, text, explanation.mending.patch, name)
        assert explain(exchange, documents(after, name)).passes
    return explanation


@settings(examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_document(), st.integers(0, 2**32), st.sampled_from(["toml", "json"]))
def test_any_exchange(tmp_path: Path, document: dict[str, Any], seed: int, form: str) -> None:
    """For whatever exchange is blocked there is a patch whose result lets it through, or a reason why none does."""
    drawn = Neighbourhood(document, "a").draw_exchange(Random(seed)).request
    exchange = PageRequest(
        drawn.origin,
        drawn.url,
        drawn.method,
        drawn.headers,
        "include" if drawn.credentials else "same-origin",
        policy="a",
    )
    explanation = blocked_and_mended(document, exchange, form, tmp_path)
    if explanation is not None and explanation.mending is None:
        reason = explanation.steps[-1]
        assert reason.step == "mending"
        kinds = ("No policy mends it", "No rule mends it", "No edit lets it through without harm to other pages")
        assert reason.message.startswith(kinds), reason.message


def as_asked(drawn: Request, page: str | None = None) -> PageRequest:
    """The request of a page of the policy, or the same of another page."""
    credentials: Credentials = "include" if drawn.credentials else "same-origin"
    return PageRequest(page or drawn.origin, drawn.url, drawn.method, drawn.headers, credentials, policy="a")


def is_within(other: PageRequest, asked: PageRequest, before: Documents) -> bool:
    """Whether a request has no part that is neither of another one nor what its page could do without the edit.

    Rules grant parts: whoever is granted a method may use it with each header that he could send before.
    """
    if other.request.origin != asked.request.origin:
        return False

    def could(method: str, headers: Sequence[tuple[str, str]] = (), credentials: Credentials = "omit") -> bool:
        part = structs.replace(other, method=method, headers=tuple(headers), credentials=credentials)
        return explain(part, before.active).passes

    methods = {asked.request.method, "HEAD"} if asked.request.method == "GET" else {asked.request.method}
    names = [set(unsafe_request_header_names(one.request.headers)) for one in (other, asked)]
    unasked = [header for header in other.headers if header[0].lower() in names[0] - names[1]]
    return (
        (other.request.method in methods or could(other.method))
        and all(any(could(method, [header]) for method in (other.method, asked.method, "GET")) for header in unasked)
        and (asked.request.credentials or not other.request.credentials or could(other.method, (), other.credentials))
    )


@settings(examples(100))
@given(any_document(), st.randoms(use_true_random=False))
def test_what_else_is_all(document: dict[str, Any], random: Random) -> None:
    """If a request that is more than what was asked passes by the edit and not without it, something else is named."""
    near = Neighbourhood(document, "a")
    asked = as_asked(near.draw_exchange(random).request)
    before = documents(json.dumps(document, indent=1), "a.json")
    mending = explain(asked, before).mending
    if mending is None or mending.also_allows:
        return
    with TemporaryDirectory() as directory:
        text = patched(Path(directory), json.dumps(document, indent=1), mending.patch, "a.json")
    after = documents(text, "a.json")
    for _ in range(30):
        drawn = near.draw_exchange(random).request
        other = as_asked(drawn, random.choice((None, asked.page)))
        if explain(other, after.active).passes and not explain(other, before.active).passes:
            assert is_within(other, asked, before), other
