"""Tests of `match` prefixes, and of the form of paths that they are compared with."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.match import fold_path, is_host_name, parse_match
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
    "dots that are no dot segment": ("a/.../.a/a./", ("a", None, "/.../.a/a./")),
}


@pytest.mark.parametrize(("text", "expected"), MATCHES.values(), ids=MATCHES)
def test_match(text: str, expected: tuple[str, int | None, str]) -> None:
    """A match is a host, a port where one is written, and a path of whole segments; it is kept as it was written."""
    match = parse_match(text)
    assert expected == (match.host, match.port, match.path)
    assert text == match.text == match.authority + match.path


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
    """A segment of a match may hold letters, digits and some punctuation, each of which has a single reading."""
    assert {char for char in CHARS if is_match(f"a/x{char}x/")} == PLAIN | {"/"}


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
    "a star inside": "a.example/*/x/",
    "a blank": "a.example/a b/",
    "a path beyond ASCII": "a.example/é/",
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


SUGGESTED = {
    "no path": ("a.example", "a.example/"),
    "no slash at the end": ("a.example/x", "a.example/x/"),
    "a star at the end": ("a.example/*", "a.example/"),
    "a star as the last segment": ("a.example/x/*", "a.example/x/"),
    "a scheme": ("https://a.example/x/", "a.example/x/"),
    "upper case": ("API.example.com/X/", "api.example.com/X/"),
    "a trailing dot": ("a.example./x/", "a.example/x/"),
    "a trailing dot and a port": ("a.example.:8080/", "a.example:8080/"),
    "a trailing dot of a suffix": ("*.example./", "*.example/"),
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
}


@pytest.mark.parametrize(("first", "second", "ambiguous"), PAIRS.values(), ids=PAIRS)
def test_ambiguous(first: str, second: str, *, ambiguous: bool) -> None:
    """Two policies that would find the same URL equally well are refused, at the second of them."""
    document = {
        "version": 1,
        "policies": {"b": {"origins": ["*"], "match": [second]}, "a": {"origins": ["*"], "match": ["z/", first]}},
    }
    expected = [("match-ambiguous", ("policies", "b", "match", 0), second)] if ambiguous else []
    assert expected == [(one.code, one.path, one.value) for one in mistakes_in(document)]


def test_same_match_twice_in_one_policy() -> None:
    """A policy that lists a match twice finds its URLs all the same."""
    expected: list[str] = []
    assert expected == codes_of(toml('version = 1\n[policies.a]\norigins = ["*"]\nmatch = ["a/", "a/"]'))


PATHS = {
    "the root": ("/", "/"),
    "segments": ("/a/b", "/a/b"),
    "a slash at the end": ("/a/b/", "/a/b/"),
    "nothing": ("", ""),
    "all characters": ("/Az09._~!$&'()*+,;=:@|[]^-", "/Az09._~!$&'()*+,;=:@|[]^-"),
    "path parameters": ("/a;v=1/b", "/a;v=1/b"),
    "dots that are no dot segment": ("/.../.a/a./..a", "/.../.a/a./..a"),
    "an encoded blank, which stays": ("/a%20b", "/a%20b"),
    "an encoded percent sign, which stays": ("/a%2541", "/a%2541"),
    "encoded UTF-8, which stays": ("/%C3%a9", "/%C3%a9"),
    "an encoded semicolon, which stays": ("/a%3Bb", "/a%3Bb"),
    "encoded characters of a match": (
        "/%21%24%26%27%28%29%2B%2c%3D%3a%40%7E",
        "/!$&'()+,=:@~",
    ),
    "a dot segment": ("/a/./b", None),
    "two dots": ("/a/../b", None),
    "two dots at the end": ("/a/..", None),
    "a dot segment with parameters": ("/a/..;x/b", None),
    "an empty segment": ("/a//b", None),
    "two slashes at the end": ("/a//", None),
    "two slashes in front": ("//a", None),
    "an encoded slash": ("/a%2Fb", None),
    "an encoded slash in lower case": ("/a%2fb", None),
    "an encoded backslash": ("/a%5Cb", None),
    "an encoded dot": ("/%2e%2e/a", None),
    "an encoded dot beside a dot": ("/.%2E/a", None),
    "an encoded NUL": ("/a%00", None),
    "an encoded line end": ("/me%0A", None),
    "an encoded line end in lower case": ("/me%0d%0a", None),
    "an encoded tab": ("/%09me", None),
    "an encoded DEL": ("/me%7F", None),
    "an encoded capital": ("/%41dmin", None),
    "an encoded letter": ("/%61dmin", None),
    "the last letters": ("/%7a%5A", None),
    "an encoded digit": ("/%30", None),
    "an encoded hyphen": ("/%2D", None),
    "an encoded underscore": ("/%5f", None),
    "a percent sign": ("/a%", None),
    "an escape cut off": ("/a%2", None),
    "an escape that is none": ("/a%zz", None),
    "a backslash": ("/a\\b", None),
    "a blank": ("/a b", None),
    "a control character": ("/a\x01", None),
    "a line end": ("/a\n", None),
    "a letter beyond ASCII": ("/é", None),
    "a query": ("/a?b", None),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.values(), ids=PATHS)
def test_fold_path(path: str, expected: str | None) -> None:
    """A path that can be read in one way only is brought into the form of a match; any other is refused."""
    assert expected == fold_path(path)


def test_characters_of_a_path() -> None:
    """A path may hold what a match may, and some characters that find no match, and none of them is changed."""
    found = {char: fold_path(f"/x{char}x") for char in CHARS}
    assert {char: f"/x{char}x" for char in PLAIN | set("/*;|[]^")} == {
        char: path for char, path in found.items() if path is not None
    }


@pytest.mark.parametrize("digits", ["{:02X}", "{:02x}"])
def test_escape_in_a_path(digits: str) -> None:
    """An escape is folded where a match may hold the character and clients encode it, refused where none would."""
    stay, folded, refused = "", "", ""
    for code in range(256):
        escape = f"%{digits.format(code)}"
        found = fold_path(f"/x{escape}x")
        if found is None:
            refused += chr(code)
        elif found == f"/x{chr(code)}x":
            folded += chr(code)
        else:
            assert found == f"/x{escape}x"
            stay += chr(code)
    assert folded == "!$&'()+,:=@~"
    controls, letters = "".join(map(chr, range(0x20))), string.ascii_uppercase + "\\_" + string.ascii_lowercase
    assert refused == controls + "-./" + string.digits + letters + "\x7f"
    assert len(stay) == 256 - len(folded) - len(refused)


@given(st.text(st.sampled_from("/.;%abcdefABCDEF0123456789~!"), max_size=12).map("/".__add__))
def test_folded_path(path: str) -> None:
    """A folded path has no dot segments and no empty ones, and folding it again changes nothing."""
    folded = fold_path(path)
    if folded is not None:
        segments = [segment.partition(";")[0] for segment in folded.split("/")]
        assert not {".", ".."} & set(segments)
        assert "//" not in folded
        assert folded == fold_path(folded)


@given(st.text(st.sampled_from("Az09._~!$&'()+,=:@-"), min_size=1, max_size=6))
def test_encoded_match_is_found(segment: str) -> None:
    """A segment that may stand in a match is the same where a client encodes all of its punctuation."""
    encoded = "".join(char if char.isalnum() or char in "._-" else f"%{ord(char):02X}" for char in segment)
    expected = None if segment in {".", ".."} else f"/{segment}/"
    assert expected == fold_path(f"/{encoded}/")


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
