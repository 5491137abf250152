"""Tests of the reading of origins, ports and addresses."""

import ipaddress
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cors_service.grammar.origin import (
    MAX_ORIGIN,
    NO_PORT,
    Origin,
    canonical_ipv4,
    canonical_ipv6,
    ends_in_number,
    is_canonical_ipv4,
    is_canonical_ipv6,
    is_common,
    is_label,
    parse_origin,
    parse_port,
    read_origin,
)
from cors_service.testing import strategies
from tests import naive

LETTERS = string.ascii_lowercase + string.digits
ORIGINS = {
    "https, no port": (b"https://app.example.com", Origin("https", "app.example.com", 443)),
    "http, no port": (b"http://a", Origin("http", "a", 80)),
    "ws, no port": (b"ws://a", Origin("ws", "a", 80)),
    "wss, no port": (b"wss://a", Origin("wss", "a", 443)),
    "ftp, no port": (b"ftp://a", Origin("ftp", "a", 21)),
    "a port": (b"http://localhost:3000", Origin("http", "localhost", 3000)),
    "port 0, which browsers send": (b"https://a:0", Origin("https", "a", 0)),
    "the highest port": (b"https://a:65535", Origin("https", "a", 65535)),
    "the default port of another scheme": (b"https://a:80", Origin("https", "a", 80)),
    "a scheme without a default port": (b"app://bundle", Origin("app", "bundle", NO_PORT)),
    "capitals in a host of such a scheme": (
        b"safari-web-extension://E5F6ABCD-12AB",
        Origin("safari-web-extension", "E5F6ABCD-12AB", NO_PORT),
    ),
    "a dot alone as a host of such a scheme": (b"app://.", Origin("app", ".", NO_PORT)),
    "a percent sign in a host of such a scheme": (b"app://a%20b", Origin("app", "a%20b", NO_PORT)),
    "files": (b"file://", Origin("file", "", NO_PORT)),
    "such a scheme with a port": (b"app://bundle:443", Origin("app", "bundle", 443)),
    "every character of a scheme": (f"{LETTERS}+-.://a".encode(), Origin(f"{LETTERS}+-.", "a", NO_PORT)),
    "every letter and digit in a host": (f"https://{LETTERS}.a".encode(), Origin("https", f"{LETTERS}.a", 443)),
    "an IPv4 address": (b"http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080)),
    "an IPv6 address": (b"http://[::1]", Origin("http", "[::1]", 80)),
    "an IPv6 address and a port": (b"http://[2001:db8::1]:8080", Origin("http", "[2001:db8::1]", 8080)),
    "a trailing dot": (b"https://a.", Origin("https", "a.", 443)),
    "an empty label": (b"https://a..b", Origin("https", "a..b", 443)),
    "a hyphen first": (b"https://-a", Origin("https", "-a", 443)),
    "what browsers send in hosts": (b"https://_-\"{}+`!~;&'(),$=*", Origin("https", "_-\"{}+`!~;&'(),$=*", 443)),
    "a number before the last label": (b"https://1.example", Origin("https", "1.example", 443)),
    "an opaque host that looks like a number": (b"app://127.1", Origin("app", "127.1", NO_PORT)),
    "the longest": (b"https://" + b"a" * (MAX_ORIGIN - 8), Origin("https", "a" * (MAX_ORIGIN - 8), 443)),
}


@pytest.mark.parametrize(("raw", "origin"), ORIGINS.values(), ids=ORIGINS)
def test_origin(raw: bytes, origin: Origin) -> None:
    """What a browser may serialise is taken apart into scheme, host and effective port."""
    assert origin == parse_origin(raw)


NO_ORIGINS = {
    "nothing": b"",
    "null, which is no tuple origin": b"null",
    "no scheme": b"app.example.com",
    "an empty scheme": b"://a",
    "one slash": b"https:/a",
    "an upper-case scheme": b"HTTPS://a",
    "upper case inside a scheme": b"httpS://a",
    "a scheme that begins with a digit": b"1a://a",
    "a scheme that begins with a sign": b"+a://a",
    "an underscore in a scheme": b"a_b://a",
    "a blank before": b" https://a",
    "no host": b"https://",
    "no host but a port": b"https://:80",
    "an upper-case host": b"https://A",
    "an upper-case scheme without a network": b"App://a",
    "an upper-case host of ftp": b"ftp://A",
    "no host in a scheme without a network": b"app://",
    "a path of files": b"file:///",
    "a host of files": b"file://a",
    "a port of files": b"file://:80",
    "an address of files": b"file://[::1]",
    "a bar in an opaque host": b"app://a|b",
    "a caret in an opaque host": b"app://a^b",
    "a path": b"https://a/",
    "a query": b"https://a?",
    "a fragment": b"https://a#",
    "a backslash": b"https://a\\b",
    "user information": b"https://u@a",
    "a percent sign": b"https://%61",
    "angle brackets": b"https://<a>",
    "a bar": b"https://a|b",
    "a caret": b"https://a^b",
    "a bracket in a name": b"https://a]",
    "a blank": b"https://a b",
    "a tab": b"https://a\tb",
    "a line end": b"https://a\n",
    "a NUL": b"https://a\0",
    "a DEL": b"https://a\x7f",
    "UTF-8": "https://é".encode(),
    "Latin-1": b"https://\xe9",
    "an empty port": b"https://a:",
    "the default port": b"https://a:443",
    "the default port of http": b"http://a:80",
    "a zero before the port": b"https://a:08",
    "a sign before the port": b"https://a:+8",
    "a port that is too large": b"https://a:65536",
    "two ports": b"https://a:8:8",
    "letters for a port": b"https://a:b",
    "a short IPv4 address": b"https://127.1",
    "a large number for a host": b"https://2130706433",
    "a hexadecimal address": b"https://0x7f.0.0.1",
    "a bare 0x": b"https://a.0x",
    "an octal address": b"https://127.0.0.01",
    "an address out of range": b"https://127.0.0.256",
    "an address with a trailing dot": b"https://127.0.0.1.",
    "an address of five parts": b"https://1.2.3.4.5",
    "a long IPv6 address": b"https://[0:0:0:0:0:0:0:1]",
    "an upper-case IPv6 address": b"https://[2001:DB8::1]",
    "an IPv6 address in dotted form": b"https://[::127.0.0.1]",
    "an IPv6 zone": b"https://[fe80::1%25eth0]",
    "an open bracket": b"https://[::1",
    "empty brackets": b"https://[]",
    "a name behind an IPv6 address": b"https://[::1]evil",
    "digits behind an IPv6 address": b"https://[::1]8080",
    "a port behind something else than a colon": b"https://[::1]x8080",
    "the default port behind an IPv6 address": b"https://[::1]:443",
    "an empty port behind an IPv6 address": b"https://[::1]:",
    "a byte too many": b"https://" + b"a" * (MAX_ORIGIN - 7),
}


@pytest.mark.parametrize("raw", NO_ORIGINS.values(), ids=NO_ORIGINS)
def test_no_origin(raw: bytes) -> None:
    """What no browser serialises so is no origin, and nothing of it is repaired."""
    assert parse_origin(raw) is None


@given(strategies.patterns().flatmap(strategies.near_misses))
def test_origin_agrees_with_the_oracle(text: str) -> None:
    """A value is read as an origin if and only if the oracle takes it for one."""
    expected = text != "null" and naive.is_origin(text)
    assert expected == (parse_origin(text.encode()) is not None)


@given(strategies.exact_origins())
def test_origin_is_whole(text: str) -> None:
    """What an origin is taken apart into makes up its serialisation again."""
    origin = parse_origin(text.encode())
    assert origin is not None
    port = "" if parse_origin(f"{origin.scheme}://{origin.host}".encode()) == origin else f":{origin.port}"
    assert text == f"{origin.scheme}://{origin.host}{port}"


@given(
    strategies.patterns().flatmap(strategies.near_misses)
    | st.text(st.sampled_from("a1-_.:A\n"), max_size=8).map("https://".__add__)
)
@example("https://a\n")
@example("https://1.a.0x1")
@example("https://" + "a." * 171)
@example("https://" + "a" * 342)
@example("https://" + "a" * 343)
@example("https://\u0430")
def test_origin_in_text(text: str) -> None:
    """A text is read as its bytes are; what is not ASCII is no origin."""
    assert parse_origin(text.encode()) == read_origin(text)


@given(st.binary(max_size=12) | st.binary(max_size=12).map(b"https://[".__add__))
def test_any_bytes(raw: bytes) -> None:
    """No bytes whatever make the parser fail."""
    assert isinstance(parse_origin(raw), Origin | None)


COMMON = {
    "a label": f"https://{LETTERS}-",
    "labels": f"https://{LETTERS}-.-.0.a0-",
    **{f"{letter} first in the last label": f"https://0.{letter}" for letter in string.ascii_lowercase},
    "the longest": "https://" + "a" * 342,
}
NOT_COMMON = {
    "nothing": "",
    "no host": "https://",
    "a dot alone": "https://.",
    "a dot first": "https://.a",
    "an empty label": "https://a..b",
    "a trailing dot": "https://a.",
    "a digit first in the last label": "https://a.0b",
    "a hyphen first in the last label": "https://a.-b",
    "an underscore": "https://a_b.c",
    "an upper-case letter": "https://A.b",
    "another character for a dot": "https://a~b",
    "another scheme": "http://a",
    "a scheme behind a letter": "xhttps://a",
    "two colons": "https:://a",
    "one slash": "https:/a",
    "three slashes": "https:///a",
    "a port": "https://a:1",
    "a path": "https://a/",
    "a line end": "https://a\n",
    "a character too many": "https://" + "a" * 343,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [*((text, True) for text in COMMON.values()), *((text, False) for text in NOT_COMMON.values())],
    ids=[*COMMON, *NOT_COMMON],
)
def test_common(text: str, *, expected: bool) -> None:
    """A common origin has https, labels of letters, digits and hyphens, a letter first in the last, and no port."""
    assert expected == is_common(text)


PORTS = {
    "zero": (b"0", 0),
    "one digit": (b"7", 7),
    "the highest": (b"65535", 65535),
    "nothing": (b"", None),
    "too large": (b"65536", None),
    "six digits": (b"100000", None),
    "a leading zero": (b"080", None),
    "two zeros": (b"00", None),
    "a plus sign": (b"+80", None),
    "a minus sign": (b"-1", None),
    "an underscore": (b"1_0", None),
    "a blank": (b" 80", None),
    "digits of another script": ("٣".encode(), None),
    "hexadecimal": (b"0x50", None),
}


@pytest.mark.parametrize(("raw", "port"), PORTS.values(), ids=PORTS)
def test_port(raw: bytes, port: int | None) -> None:
    """A port is read as it is serialised, and in no other form that `int` would take."""
    assert port == parse_port(raw)


LABELS = {"letters and digits": LETTERS.encode(), "upper case": string.ascii_uppercase.encode(), "others": b"-_-"}
NO_LABELS = {"nothing": b"", "a dot": b"a.b", "a star": b"*", "a letter beyond ASCII": b"\xe9"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [*((raw, True) for raw in LABELS.values()), *((raw, False) for raw in NO_LABELS.values())],
    ids=[*LABELS, *NO_LABELS],
)
def test_label(raw: bytes, *, expected: bool) -> None:
    """A label is made of letters, digits, hyphens and underscores, at least one of them."""
    assert expected == is_label(raw)


IPV4 = {
    "as browsers write it": ("127.0.0.1", "127.0.0.1"),
    "zeros": ("0.0.0.0", "0.0.0.0"),
    "the highest": ("255.255.255.255", "255.255.255.255"),
    "two parts": ("127.1", "127.0.0.1"),
    "three parts": ("1.2.772", "1.2.3.4"),
    "one part": ("2130706433", "127.0.0.1"),
    "hexadecimal": ("0x7f.1", "127.0.0.1"),
    "hexadecimal in upper case": ("0X7F.1", "127.0.0.1"),
    "a bare 0x, which is zero": ("1.0x", "1.0.0.0"),
    "octal": ("0177.0.0.01", "127.0.0.1"),
    "a trailing dot": ("127.0.0.1.", "127.0.0.1"),
    "the last part fills the rest": ("1.0xffffff", "1.255.255.255"),
    "nothing": ("", None),
    "a name": ("example.com", None),
    "a number at the end of a name": ("a.1", None),
    "five parts": ("1.2.3.4.5", None),
    "six parts": ("1.2.3.4.5.6", None),
    "five parts, the last of them zero": ("1.2.3.4.0", None),
    "six parts, the last of them zero": ("1.2.3.4.5.0", None),
    "an empty part": ("1..2", None),
    "a part that is too large": ("256.0.0.1", None),
    "a last part that is too large": ("1.2.3.256", None),
    "a rest that is too large": ("1.16777216", None),
    "an address that is too large": ("4294967296", None),
    "an octal digit that is none": ("08.0.0.1", None),
    "a sign": ("+1.0.0.1", None),
    "an underscore": ("1_0.0.0.1", None),
    "digits of another script": ("٣.0.0.1", None),
    "the prefix of Python's octal numbers": ("0o17", None),
    "a prefix twice": ("0x0x1", None),
    "a prefix twice, in upper case": ("0x0X1", None),
    "more digits than Python converts": ("9" * 5000, None),
}


@pytest.mark.parametrize(("host", "expected"), IPV4.values(), ids=IPV4)
def test_canonical_ipv4(host: str, expected: str | None) -> None:
    """Each form of an IPv4 address that URL parsers take is written as browsers do; nothing else is one."""
    assert expected == canonical_ipv4(host)


@given(st.ip_addresses(v=4), st.sampled_from(["{0}", "0x{0:x}", "0{0:o}"]))
def test_canonical_ipv4_of_a_number(address: ipaddress.IPv4Address, form: str) -> None:
    """An address that is written as one number, in any base, is the address of that number."""
    assert str(address) == canonical_ipv4(form.format(int(address)))
    assert is_canonical_ipv4(str(address).encode())


NO_IPV4 = [b"127.1", b"1.2.3.4.5", b"1.2.3.256", b"1.2.3.04", b"1.2.3.", b"1.2.3.4.", b"a.b.c.d"]


@pytest.mark.parametrize("host", NO_IPV4)
def test_not_canonical_ipv4(host: bytes) -> None:
    """An IPv4 address has four decimal numbers to 255, without leading zeros, and nothing behind them."""
    assert not is_canonical_ipv4(host)


NUMBERS = {
    "decimal": b"a.0123456789",
    "hexadecimal": b"a.0x0123456789abcdef",
    "a bare 0x": b"0x",
    "a dot behind": b"1.",
    "zeros": b"00",
}
NO_NUMBERS = {
    "a name": b"example.com",
    "a letter behind a digit": b"1a",
    "a digit before the last label": b"1.a",
    "no hexadecimal digit": b"0xg",
    "two dots behind": b"1..",
    "a dot alone": b".",
    "nothing": b"",
}


@pytest.mark.parametrize(
    ("host", "expected"),
    [*((host, True) for host in NUMBERS.values()), *((host, False) for host in NO_NUMBERS.values())],
    ids=[*NUMBERS, *NO_NUMBERS],
)
def test_ends_in_number(host: bytes, *, expected: bool) -> None:
    """URL parsers take a host for an IPv4 address where its last label is a decimal or hexadecimal number."""
    assert expected == ends_in_number(host)


IPV6 = {
    "all zeros": (b"[0:0:0:0:0:0:0:0]", b"[::]"),
    "zeros first": (b"[0:0:0:0:0:0:0:1]", b"[::1]"),
    "zeros last": (b"[1:0:0:0:0:0:0:0]", b"[1::]"),
    "leading zeros": (b"[2001:0db8::0001]", b"[2001:db8::1]"),
    "upper case": (b"[2001:DB8::1]", b"[2001:db8::1]"),
    "the longest run of zeros": (b"[1:0:0:2:0:0:0:3]", b"[1:0:0:2::3]"),
    "the first of two runs": (b"[1:0:0:2:3:0:0:4]", b"[1::2:3:0:0:4]"),
    "a single zero stays": (b"[1::2:3:4:5:6:7]", b"[1:0:2:3:4:5:6:7]"),
    "no zeros": (b"[1:2:3:4:5:6:7:8]", b"[1:2:3:4:5:6:7:8]"),
    "a mapped IPv4 address": (b"[::ffff:127.0.0.1]", b"[::ffff:7f00:1]"),
    "a zone": (b"[fe80::1%eth0]", None),
    "an encoded zone": (b"[fe80::1%25eth0]", None),
    "nothing": (b"[]", None),
    "two runs": (b"[1::2::3]", None),
    "nine pieces": (b"[1:2:3:4:5:6:7:8:9]", None),
    "a piece of five digits": (b"[::12345]", None),
    "a length of a network": (b"[::1/64]", None),
    "a letter beyond ASCII": (b"[::\xe9]", None),
}


@pytest.mark.parametrize(("host", "expected"), IPV6.values(), ids=IPV6)
def test_canonical_ipv6(host: bytes, expected: bytes | None) -> None:
    """Each form of an IPv6 address is written as the URL standard serialises it; nothing else is one."""
    assert expected == canonical_ipv6(host)
    assert (host == expected) == is_canonical_ipv6(host)


@given(st.lists(st.sampled_from(["0", "0", "1", "ff", "abcd"]), min_size=8, max_size=8))
def test_canonical_ipv6_agrees_with_the_oracle(pieces: list[str]) -> None:
    """The serialisation of an address is the one form of it that the oracle takes for an origin."""
    canonical = canonical_ipv6(f"[{':'.join(pieces)}]".encode())
    assert canonical is not None
    assert naive.is_origin(f"https://{canonical.decode()}")
    assert ipaddress.IPv6Address(":".join(pieces)) == ipaddress.IPv6Address(canonical[1:-1].decode())
