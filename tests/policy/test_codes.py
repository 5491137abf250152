"""Tests that each reason code is produced: the smallest document for each, with nothing else wrong in it."""

import json
import sys

import pytest

from cors_service.grammar.mistakes import CODES
from cors_service.policy import Source
from tests.policy.documents import codes_of, json_text, toml

POLICY = 'version = 1\n[policies.a]\norigins = ["https://a.example"]\n'


H = 'request_headers = ["@h"]'


def origin(text: str) -> str:
    """A document with one policy for one origin pattern."""
    return f"version = 1\n[policies.a]\norigins = ['''{text}''']\n"


def granted(key: str, *, credentials: bool = False) -> str:
    """A document with one policy that grants this."""
    return f"{POLICY}credentials = {str(credentials).lower()}\n{key}\n"


def credentialed(text: str) -> str:
    """A document with one policy for one origin pattern, with credentials."""
    return f"{origin(text)}credentials = true\n"


EXAMPLES: dict[str, str | tuple[Source, ...]] = {
    "syntax": "version",
    "duplicate-key": (json_text('{"version": 1, "version": 1}'),),
    "missing-key": '[policies.a]\norigins = ["*"]',
    "unknown-key": granted("max_aeg = 5"),
    "wrong-type": granted('max_age = "5"'),
    "wrong-value": granted("preflight_status = 201"),
    "name-malformed": f'{POLICY}[policies."b c"]\norigins = ["*"]',
    "rules-and-flat-keys": f'{POLICY}rules = [{{origins = ["https://b.example"]}}]',
    "no-policies": "version = 1",
    "too-many-origins": (
        json_text(
            json.dumps(
                {
                    "version": 1,
                    "origin_sets": {"s": [f"https://a{number}.example" for number in range(10_000)]},
                    "policies": {f"p{number}": {"origins": ["@s"]} for number in range(300)},
                }
            )
        ),
    ),
    "policy-duplicate": (toml(POLICY, "a.toml"), toml(POLICY, "b.toml")),
    "origin-set-duplicate": (
        toml(f'{origin("@s")}[origin_sets]\ns = ["https://s.example"]', "a.toml"),
        toml('version = 1\n[origin_sets]\ns = ["https://s.example"]', "b.toml"),
    ),
    "origin-set-nested": (
        'version = 1\n[policies.a]\norigins = ["@s", "@t"]\n'
        '[origin_sets]\ns = ["https://s.example", "@t"]\nt = ["https://t.example"]'
    ),
    "origin-set-unknown": origin("@s"),
    "origin-set-unused": f'{POLICY}[origin_sets]\ns = ["https://s.example"]',
    "header-set-duplicate": (
        toml(f'{granted(H)}[header_sets]\nh = ["x-a"]', "a.toml"),
        toml('version = 1\n[header_sets]\nh = ["x-a"]', "b.toml"),
    ),
    "header-set-nested": f'{granted(H)}[header_sets]\nh = ["x-a", "@h"]',
    "header-set-unknown": granted(H),
    "header-set-unused": f'{POLICY}[header_sets]\nh = ["x-a"]',
    "match-malformed": granted('match = ["a.example"]'),
    "match-ambiguous": granted('match = ["a.example/"]\n[policies.b]\norigins = ["*"]\nmatch = ["a.example/"]'),
    "host-malformed": granted('guard = {hosts = ["tools.example.com/mcp"]}'),
    "guard-without-hosts": granted("guard = {}"),
    "match-bound-differently": granted('match = ["<a>.a.example/", "b.example/"]'),
    "no-origins": "version = 1\n[policies.a]\norigins = []",
    "refuse-and-other-keys": granted("refuse = true\ntiming = true"),
    "static-needs-one-origin": granted("static = true").replace("a.example", "*.a.example"),
    "origin-malformed": origin("a.example"),
    "origin-uppercase": origin("https://A.example"),
    "origin-unicode-host": origin("https://bücher.example"),
    "origin-default-port": origin("https://a.example:443"),
    "origin-path": origin("https://a.example/x"),
    "origin-trailing-slash": origin("https://a.example/"),
    "origin-userinfo": origin("https://u@a.example"),
    "origin-ipv4-not-canonical": origin("https://127.1"),
    "origin-ipv6-not-canonical": origin("https://[0::1]"),
    "origin-punycode-malformed": origin("https://xn--a"),
    "range-malformed": origin("http://192.168.0.1/16"),
    "wildcard-misplaced": origin("https://a.*.example"),
    "binding-malformed": origin("https://<tenant>-app.example.com"),
    "binding-unknown": origin("https://<tenant>.app.example.com"),
    "alternatives-malformed": origin("https://{a}.example"),
    "alternatives-too-many": origin("https://" + "{a,b}" * 9),
    "regex-malformed": origin("re:("),
    "regex-covers-nothing": origin("re:a"),
    "regex-too-large": origin("re:https://" + "a" * 1000),
    "regex-unavailable": origin("re:https://a"),
    "any-origin-with-credentials": credentialed("*"),
    "any-host": credentialed("moz-extension://*"),
    "null-origin": origin("null"),
    "file-origin": origin("file://"),
    "insecure-origin": credentialed("http://a.example"),
    "public-suffix-subdomains": credentialed("https://*.com"),
    "method-malformed": granted('methods = ["G T"]'),
    "method-forbidden": granted('methods = ["TRACE"]'),
    "request-header-malformed": granted('request_headers = ["x y"]'),
    "request-header-forbidden": granted('request_headers = ["cookie"]'),
    "expose-header-malformed": granted('expose_headers = ["x y"]'),
    "expose-header-forbidden": granted('expose_headers = ["set-cookie"]'),
    "any-header-with-credentials": granted('expose_headers = ["*"]', credentials=True),
    "max-age-out-of-range": granted("max_age = 86401"),
    "rule-unreachable": (
        "version = 1\n"
        '[[policies.a.rules]]\norigins = ["https://a.example"]\n'
        '[[policies.a.rules]]\norigins = ["https://a.example"]'
    ),
}
# No document can say of itself that it can't be read: these are the stores'.
OF_STORES = {"document-unreadable", "reader-failed"}
# This one is never alone: tests/policy/test_bounds.py has it.
BESIDE_OTHERS = {"too-many-mistakes"}


def test_every_code_has_an_example() -> None:
    """The set of codes is closed: each is produced by a document below or by the stores, and there are no others."""
    assert set(CODES) == EXAMPLES.keys() | OF_STORES | BESIDE_OTHERS


@pytest.mark.parametrize("code", EXAMPLES)
def test_code(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest document with a mistake is refused with its code, and with no other."""
    if code == "regex-unavailable":
        monkeypatch.setitem(sys.modules, "re2", None)
    example = EXAMPLES[code]
    sources = (toml(example),) if isinstance(example, str) else example
    assert codes_of(*sources) == [code]


VALID = {
    "a policy": POLICY,
    "what may be granted": granted(
        'methods = ["PATCH"]\nrequest_headers = ["x-*", "authorization"]\nexpose_headers = ["*"]'
    ),
    "what may be sent": granted(
        'max_age = 86400\ntiming = true\nresource_policy = "same-site"\npreflight_status = 200'
    ),
    "a refusal of whatever is dangerous otherwise": (
        "version = 1\n[[policies.a.rules]]\norigins = ['null', 'http://a.example', '@s']\nrefuse = true\n"
        "[[policies.a.rules]]\norigins = ['https://b.example']\ncredentials = true\nrefuse = false\n"
        "[origin_sets]\ns = ['null', 'http://*.com']"
    ),
    "an origin that every answer names": granted("static = true", credentials=True),
    "a match": granted('match = ["a.example/"]', credentials=True),
    "a wildcard with credentials": credentialed("https://*.a.example"),
    "a header set that is used": (
        granted('request_headers = ["@h", "x-b"]\nexpose_headers = ["@s", "@h"]')
        + '[header_sets]\nh = ["X-A"]\ns = ["*", "etag"]'
    ),
    "a set of each kind of one name": f'{origin("@s")}request_headers = ["@s"]\n'
    '[origin_sets]\ns = ["https://s.example"]\n[header_sets]\ns = ["x-*", "*", "authorization"]',
    "a set that is used": f'{origin("@s")}[origin_sets]\ns = ["https://s.example"]',
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_no_code(text: str) -> None:
    """What the examples above are made of is valid where there is no mistake in it."""
    assert codes_of(toml(text)) == []
