"""Tests of `match` prefixes, and of the form of paths that they are compared with."""

import string

import pytest

from cors_service.grammar.match import Match, is_host_name, parse_match
from cors_service.policy import PolicyError
from tests.policy.documents import codes_of, mistakes_in, mistakes_of, rule, suggested, toml

MATCHES = {
    "all of a host": ("a.example/", ("a.example", None, "/")),
    "a path": ("api.example.com/catalogue/v1/", ("api.example.com", None, "/catalogue/v1/")),
    "a port": ("a.example:8080/x/", ("a.example", 8080, "/x/")),
    "any host": ("*/x/", ("*", None, "/x/")),
    "any host on a port": ("*:8080/", ("*", 8080, "/")),
    "sub-domains": ("*.example.com/", ("*.example.com", None, "/")),
    "sub-domains on a port": ("*.example.com:1/", ("*.example.com", 1, "/")),
    "an IPv4 address": ("127.0.0.1:80/", ("127.0.0.1", 80, "/")),
    "an IPv6 address": ("[::1]/", ("[::1]", None, "/")),
    "an IPv6 address and a port": ("[::1]:8080/", ("[::1]", 8080, "/")),
    "case counts in paths": ("a/X/", ("a", None, "/X/")),
    "all characters of a segment": ("a/Az09._~!$&'()+,=:@-/", ("a", None, "/Az09._~!$&'()+,=:@-/")),
    "any segment": ("a.example/v1/*/public/", ("a.example", None, "/v1/*/public/")),
    "three segments": ("a.example/*/*/*/", ("a.example", None, "/*/*/*/")),
    "the eighth segment": ("a.example/1/2/3/4/5/6/7/*/9/", ("a.example", None, "/1/2/3/4/5/6/7/*/9/")),
    "an ending": ("cdn.example.com/*.woff2", ("cdn.example.com", None, "/*.woff2")),
    "an ending beneath a path": ("*/v1/*/x/*.min.js", ("*", None, "/v1/*/x/*.min.js")),
    "an IRI": ("a/caf\u00e9/\u65e5/", ("a", None, "/caf\u00e9/\u65e5/")),
    "an encoded IRI": ("a/caf%C3%a9/", ("a", None, "/caf%C3%a9/")),
    "an encoded character of a match": ("a/b%3ac/", ("a", None, "/b%3ac/")),
    "one label": ("<tenant>.api.example.com/", ("<tenant>.api.example.com", None, "/")),
    "one label on a port": ("<a-1_b>.example:8443/x/", ("<a-1_b>.example", 8443, "/x/")),
    "the whole host": ("<host>/", ("<host>", None, "/")),
    "the whole host on a port": ("<host>:3000/x/", ("<host>", 3000, "/x/")),
    "dots that are no dot segment": ("a/.../.a/a./", ("a", None, "/.../.a/a./")),
}


@pytest.mark.parametrize(("text", "expected"), MATCHES.values(), ids=MATCHES)
def test_match(text: str, expected: tuple[str, int | None, str]) -> None:
    """A match is a host, a port where one is written, and a path of whole segments; it is kept as it was written."""
    match = parse_match(text)
    assert expected == (match.host, match.port, match.path)
    assert text == match.text == match.authority + match.path


@pytest.mark.parametrize(
    ("text", "binds"),
    [("a.example/", None), ("*/", None), ("<tenant>.example/", "tenant"), ("<host>:80/", "host"), ("a/<x>/", None)],
)
def test_binds(text: str, binds: str | None) -> None:
    """A match binds what stands in angle brackets in its host."""
    assert Match(text).binds == binds


KEYS = {
    "itself": ("api.example.com:8080/a/B/", "api.example.com:8080/a/B/"),
    "any host": ("*:80/", "*:80/"),
    "sub-domains": ("*.example/", "*.example/"),
    "a segment": ("a/v1/*/x/", "a/v1/?/x/"),
    "an ending": ("*/*.min.js", "*/?.min.js"),
    "a segment and an ending": ("a/*/*.js", "a/?/?.js"),
    "an IRI": ("a/\u00e9/", "a/%C3%A9/"),
    "an encoded IRI": ("a/%c3%a9/", "a/%C3%A9/"),
    "an encoded character of a match": ("a/b%3ac/", "a/b:c/"),
    "a label": ("<t>.example:80/", "?.example:80/"),
    "the whole host": ("<host>/*/", "*/?/"),
}


@pytest.mark.parametrize(("text", "key"), KEYS.values(), ids=KEYS)
def test_key(text: str, key: str) -> None:
    """The key of a match is what it finds, however it is written."""
    assert parse_match(text).key == key


PUNCTUATION = "._~!$&'()+,=:@-"


CHARS = [chr(code) for code in range(1, 129)]
PLAIN = set(string.ascii_letters + string.digits + PUNCTUATION)


def is_match(text: str) -> bool:
    """Say whether a match can be read."""
    try:
        parse_match(text)
    except PolicyError:
        return False
    return True


def test_characters_of_a_match() -> None:
    """A segment of a match may hold letters, digits and some punctuation; each has a single reading."""
    assert {char for char in CHARS if is_match(f"a/x{char}x/")} == PLAIN | {"/"}
    encoded = {char for char in CHARS if is_match(f"a/x{''.join(f'%{byte:02x}' for byte in char.encode())}x/")}
    assert encoded == set("!$&'()+,=:@~")


NO_MATCHES = {
    "nothing": "",
    "no path": "a.example",
    "no path, upper case": "A.example",
    "no path and no host": "a b",
    "no slash at the end": "a.example/x",
    "a star at the end": "a.example/*",
    "a star as the last segment": "a.example/x/*",
    "a query": "a.example/x?y=1",
    "an empty segment and no slash at the end": "a.example//x",
    "a scheme": "https://a.example/",
    "a scheme and no path": "https://a.example",
    "a scheme and no slash at the end": "http://a.example/x",
    "a scheme and upper case": "https://A.example/",
    "upper case": "API.example.com/X/",
    "upper case and an empty segment": "A.example//",
    "no host": "/x/",
    "a dot for a host": "./",
    "an empty label": "a..b/",
    "a trailing dot": "a.example./",
    "a trailing dot of a suffix": "*.example./",
    "two trailing dots": "a.example../",
    "an address with a trailing dot": "127.0.0.1./",
    "an IPv6 address with a trailing dot": "[::1]./",
    "a short address": "127.1/",
    "a name that ends in a number": "a.1/",
    "a host beyond ASCII": "é.example/",
    "user information": "u@a.example/",
    "a wildcard inside": "a.*.example/",
    "two wildcards": "*.*.example/",
    "a wildcard in a label": "*a.example/",
    "sub-domains of an address, which has none": "*.[::1]/",
    "an IPv6 address without brackets": "::1/",
    "an IPv6 address that is not canonical": "[::0001]/",
    "an IPv6 address cut off": "[::1/",
    "a bracket alone": "x]/",
    "an empty port": "a.example:/",
    "a port that is too large": "a.example:65536/",
    "a zero before the port": "a.example:080/",
    "digits of another script": "a.example:٣/",
    "any port": "a.example:*/",
    "an empty segment": "a.example//",
    "a dot segment": "a.example/./",
    "two dots": "a.example/x/../",
    "an encoded character": "a.example/%61/",
    "path parameters": "a.example/x;y/",
    "a star within a segment": "a.example/x*/",
    "two stars": "a.example/**/x/",
    "two stars at the end": "a.example/x/**",
    "an ending with a slash": "a.example/*.js/",
    "an ending within": "a.example/*.js/x/",
    "an ending without a star": "a.example/x/y.js",
    "an ending of a name": "a.example/x*.js",
    "an ending without a dot": "a.example/*js",
    "an empty ending": "a.example/*.",
    "an ending of two dots": "a.example/*..js",
    "an ending with many dots": "a.example/*.a.b.c.d",
    "an ending that is a parameter": "a.example/*.js;x",
    "four segments": "a.example/*/*/*/*/",
    "the ninth segment": "a.example/1/2/3/4/5/6/7/8/*/",
    "many segments behind a star": "a.example/*/" + "a/" * 16,
    "a segment in braces": "a.example/v1/{id}/x/",
    "a segment in angle brackets": "a.example/v1/<id>/x/",
    "a parameter with a colon": "a.example/v1/:id/",
    "a parameter with an expression": "a.example/v1/:id(x)/",
    "a parameter of two": "a.example/v1/:from-:to/",
    "a parameter that may be missing": "a.example/v1/:id+/",
    "bytes that are not UTF-8": "a.example/caf%E9/",
    "a character that nobody sees": "a.example/a\u200bb/",
    "a blank beyond ASCII": "a.example/a\u00a0b/",
    "what was not UTF-8": "a.example/\ufffd/",
    "half a character": "a.example/\ud800/",
    "a label of no name": "<>.example/",
    "a label in upper case": "<Tenant>.example/",
    "a label alone": "<tenant>/",
    "a label that is the host": "<host>.example/",
    "a label within": "a.<tenant>.example/",
    "two labels": "<a>.<b>.example/",
    "a part of a label": "x-<tenant>.example/",
    "a part of a label first": "<tenant>-x.example/",
    "a label of an address": "<a>.127.0.0.1/",
    "a label of an IPv6 address": "<a>.[::1]/",
    "a label of nothing": "<a>./",
    "a label of a suffix": "<a>.*.example/",
    "a blank": "a.example/a b/",
    "a backslash": "a.example/a\\b/",
    "a line end": "a.example/a\n/",
}


@pytest.mark.parametrize("text", NO_MATCHES.values(), ids=NO_MATCHES)
def test_no_match(text: str) -> None:
    """What is no match is refused; where a hint says what to write, that is a match itself."""
    with pytest.raises(PolicyError) as raised:
        parse_match(text)
    error = raised.value
    assert (error.code, error.value) == ("match-malformed", text)
    instead = suggested(error)
    if instead is not None:
        parse_match(instead)


IN_OTHER_LANGUAGES = {
    "Express, a parameter": ("a.example/v1/:id/", "a.example/v1/*/"),
    "Express, a parameter with an expression": ("a.example/v1/:id([0-9]+)/x/", "a.example/v1/*/x/"),
    "Express, two parameters": ("a.example/v1/:from-:to/", "a.example/v1/*/"),
    "Express, no host": ("/api/:id", "*/api/*/"),
    "Express, the rest": ("/api/*splat", "*/api/"),
    "Express, all": ("*", "*/"),
    "Rails, the rest": ("a.example/files/*path", "a.example/files/"),
    "Spring, a path": ("/api/**", "*/api/"),
    "Spring, all": ("/**", "*/"),
    "Spring, a parameter": ("a.example/v1/{id}/x/", "a.example/v1/*/x/"),
    "Spring, a parameter with an expression": ("a.example/v1/{id:[0-9]+}/x/", "a.example/v1/*/x/"),
    "Spring, the rest": ("a.example/v1/{*path}", "a.example/v1/"),
    "Go, the rest": ("GET a.example/v1/{path...}", "a.example/v1/"),
    "Go, a method": ("GET /v1/{id}", "*/v1/*/"),
    "API Gateway, the rest": ("ANY /v1/{proxy+}", "*/v1/"),
    "FastAPI, the rest": ("/v1/{rest:path}", "*/v1/"),
    "Flask, a parameter": ("/v1/<int:id>/", "*/v1/*/"),
    "Flask, the rest": ("/v1/<path:rest>", "*/v1/"),
    "Next.js, a parameter": ("/v1/[id]/x", "*/v1/*/x/"),
    "Next.js, the rest": ("/v1/[...slug]", "*/v1/"),
    "nginx, a prefix": ("^~ /api/", "*/api/"),
    "nginx, an expression": ("~* ^/api/.*$", "*/api/"),
    "an expression": ("^/api/", "*/api/"),
    "Traefik, a host": ("Host(`a.example`)", "a.example/"),
    "Traefik, a host and a prefix": ("Host(`a.example`) && PathPrefix(`/v1`)", "a.example/v1/"),
    "a host of any tenant": ("{tenant}.a.example/v1/", "<tenant>.a.example/v1/"),
    "a host of any tenant, with a colon": (":tenant.a.example/", "<tenant>.a.example/"),
    "a dot first": (".a.example/", "*.a.example/"),
    "two stars first": ("**.a.example/x", "*.a.example/x/"),
    "an extension's match pattern": ("*://*.a.example/*", "*.a.example/"),
    "no scheme, but slashes": ("//a.example/x", "a.example/x/"),
    "nothing": ("", None),
    "no IPv6 address": ("[x]/", None),
    "an IPv6 address beyond ASCII": ("[\ud800]/", None),
    "blanks": ("  ", None),
}


@pytest.mark.parametrize(("text", "expected"), IN_OTHER_LANGUAGES.values(), ids=IN_OTHER_LANGUAGES)
def test_match_in_another_language(text: str, expected: str | None) -> None:
    """What routers and gateways call a path is no match, and the hint says what it is here."""
    with pytest.raises(PolicyError) as raised:
        parse_match(text)
    assert expected == suggested(raised.value)


@pytest.mark.parametrize(
    "segment", ["things:batchGet", "http:web:80", ":", "a:", "::", ":1", ":-", "urn:isbn:1", "@:a"]
)
def test_colons_in_a_segment(segment: str) -> None:
    """A colon is a character of a segment like any other; only `:name` is what routers take for a parameter."""
    assert parse_match(f"a.example/v1/{segment}/").path == f"/v1/{segment}/"


SUGGESTED = {
    "no path": ("a.example", "a.example/"),
    "no slash at the end": ("a.example/x", "a.example/x/"),
    "a star at the end": ("a.example/*", "a.example/"),
    "a star as the last segment": ("a.example/x/*", "a.example/x/"),
    "a scheme": ("https://a.example/x/", "a.example/x/"),
    "an ending behind a scheme": ("https://a.example/x/*.js", "a.example/x/*.js"),
    "an ending with a slash": ("a.example/*.js/", "a.example/*.js"),
    "a segment in braces": ("a.example/v1/{id}/x/", "a.example/v1/*/x/"),
    "a segment in angle brackets": ("a.example/v1/<id>/x", "a.example/v1/*/x/"),
    "two stars": ("a.example/x/**", "a.example/x/"),
    "a label in upper case": ("<Tenant>.example/", "<tenant>.example/"),
    "upper case": ("API.example.com/X/", "api.example.com/X/"),
    "a trailing dot": ("a.example./x/", "a.example/x/"),
    "a trailing dot and a port": ("a.example.:8080/", "a.example:8080/"),
    "a trailing dot of a suffix": ("*.example./", "*.example/"),
    "two slashes at the end": ("https://a.example/x//", "a.example/x/"),
    "an IPv6 address with a port": ("http://[0:0::1]:80/x/", "[::1]:80/x/"),
    "an address in another notation": ("0x7f.1:80/", "127.0.0.1:80/"),
    "an IPv6 address in another notation": ("[0:0::1]/", "[::1]/"),
}


@pytest.mark.parametrize(("text", "expected"), SUGGESTED.values(), ids=SUGGESTED)
def test_suggested_match(text: str, expected: str) -> None:
    """Where it is clear what the author meant, the hint says what to write."""
    with pytest.raises(PolicyError) as raised:
        parse_match(text)
    assert expected == suggested(raised.value)


CONTROLS = ["a\n[forged]", "a/b\n[forged]", "https://a\n[forged]", "A\n[forged]/", "a\n/\x1b[2J/"]


@pytest.mark.parametrize("text", CONTROLS)
def test_no_match_forges_a_line(text: str) -> None:
    """No control character of a match gets into what is said about it."""
    (mistake,) = mistakes_in(rule("*", match=[text]))
    assert str(mistake).isprintable()


def test_place_of_a_match() -> None:
    """A malformed match is reported at its own place, and those beside it are read nevertheless."""
    text = 'version = 1\n[policies.a]\norigins = ["*"]\nmatch = [\n"a/",\n"b",\n"c/",\n"D/",\n]'
    expected = [(("policies", "a", "match", 1), 6), (("policies", "a", "match", 3), 8)]
    assert expected == [(mistake.path, mistake.line) for mistake in mistakes_of(toml(text))]


PAIRS = {
    "the same text": ("a.example/x/", "a.example/x/", True),
    "another path": ("a.example/x/", "a.example/y/", False),
    "a longer path": ("a.example/x/", "a.example/x/y/", False),
    "another case": ("a.example/x/", "a.example/X/", False),
    "a more specific host": ("*.example/x/", "a.example/x/", False),
    "any host": ("*/x/", "*.example/x/", False),
    "a port written": ("a.example/x/", "a.example:443/x/", False),
    "an IRI in two spellings": ("a.example/\u00e9/", "a.example/%c3%a9/", True),
    "two names for one label": ("<a>.example/x/", "<b>.example/x/", True),
    "a label, and sub-domains": ("<a>.example/x/", "*.example/x/", False),
    "the whole host, and any": ("<host>/x/", "*/x/", True),
    "the same segment": ("a.example/*/x/", "a.example/*/x/", True),
    "another segment": ("a.example/*/x/", "a.example/x/*/", False),
    "a segment, and an ending": ("a.example/*/", "a.example/*.js", False),
    "two endings": ("a.example/*.js", "a.example/*.min.js", False),
    "the same ending": ("a.example/*.js", "a.example/*.js", True),
}


@pytest.mark.parametrize(("first", "second", "ambiguous"), PAIRS.values(), ids=PAIRS)
def test_ambiguous(first: str, second: str, *, ambiguous: bool) -> None:
    """Two policies that would find the same URL equally well are refused, at the second of them."""
    # All matches of a policy bind the same.
    other = f"{first}z/" if first[0] == "<" else "z/"
    document = {
        "version": 1,
        "policies": {"b": {"origins": ["*"], "match": [second]}, "a": {"origins": ["*"], "match": [other, first]}},
    }
    expected = [("match-ambiguous", ("policies", "b", "match", 0), second)] if ambiguous else []
    assert expected == [(one.code, one.path, one.value) for one in mistakes_in(document)]


BOUND: dict[str, tuple[list[str], int | None]] = {
    "nothing": (["a/", "b/"], None),
    "the same": (["<t>.a.example/", "<t>.b.example:8443/x/"], None),
    "the whole host": (["<host>/", "<host>:3000/x/"], None),
    "two names": (["<t>.a.example/", "<t>.b.example/", "<u>.c.example/"], 2),
    "one and nothing": (["<t>.a.example/", "a.example/"], 1),
    "nothing and one": (["a.example/", "b.example/", "<t>.a.example/", "<u>.a.example/"], 2),
    "a label and the whole": (["<t>.a.example/", "<host>/"], 1),
    "beside a mistake": (["a", "<t>.a.example/"], None),
}


@pytest.mark.parametrize(("matches", "place"), BOUND.values(), ids=BOUND)
def test_bound_differently(matches: list[str], place: int | None) -> None:
    """All matches of a policy bind the same, so that its origins know what they get; the first other one is named."""
    found = [one for one in mistakes_in(rule("*", match=matches)) if one.code != "match-malformed"]
    expected = [] if place is None else [("match-bound-differently", ("policies", "a", "match", place))]
    assert expected == [(one.code, one.path) for one in found]


def test_same_match_twice_in_one_policy() -> None:
    """A policy that lists a match twice finds its URLs all the same."""
    expected: list[str] = []
    assert expected == codes_of(toml('version = 1\n[policies.a]\norigins = ["*"]\nmatch = ["a/", "a/"]'))


HOSTS = {
    "a name": ("a.example", True),
    "a trailing dot": ("a.example.", False),
    "an address that is too short": ("127.1", False),
    "an address in another notation": ("0x7f.0.0.1", False),
    "an address as one number": ("2130706433", False),
    "a name that ends in a number": ("a.1", False),
    "an address": ("127.0.0.1", True),
    "an IPv6 address": ("[::1]", True),
    "upper case": ("A", False),
    "nothing": ("", False),
    "a dot": (".", False),
    "an empty label": ("a..b", False),
    "beyond ASCII": ("é", False),
    "an IPv6 address that is not canonical": ("[::01]", False),
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.values(), ids=HOSTS)
def test_host_name(host: str, *, expected: bool) -> None:
    """A host of a match is a lower-case name or a canonical address."""
    assert expected == is_host_name(host)
