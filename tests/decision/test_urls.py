"""Tests of the reading of URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cors_service.decision import BadQuery
from cors_service.decision._urls import URL, parse_site, parse_url
from tests.examples import examples

MAX_URL = 8192

URLS: dict[str, tuple[str, URL]] = {
    "https": ("https://a.example/x", URL("https://a.example", "a.example", 443, True, "/x")),
    "http": ("http://a.example/x", URL("http://a.example", "a.example", 80, True, "/x")),
    "a port": ("https://a.example:8443/x", URL("https://a.example:8443", "a.example", 8443, False, "/x")),
    "the default port": ("https://a.example:443/x", URL("https://a.example", "a.example", 443, True, "/x")),
    "the default port of http": ("http://a.example:80/", URL("http://a.example", "a.example", 80, True, "/")),
    "the default port of https": ("http://a.example:443/", URL("http://a.example:443", "a.example", 443, False, "/")),
    "port 0": ("http://a.example:0/", URL("http://a.example:0", "a.example", 0, False, "/")),
    "upper case": ("HTTPS://A.Example/X", URL("https://a.example", "a.example", 443, True, "/X")),
    "no path": ("https://a.example", URL("https://a.example", "a.example", 443, True, "/")),
    "no path but a port": ("https://a.example:1", URL("https://a.example:1", "a.example", 1, False, "/")),
    "a query": ("https://a.example/x?../;%2f", URL("https://a.example", "a.example", 443, True, "/x")),
    "a query and no path": ("https://a.example?/x", URL("https://a.example", "a.example", 443, True, "/")),
    "a fragment": ("https://a.example/x#/../", URL("https://a.example", "a.example", 443, True, "/x")),
    "a fragment and no path": ("https://a.example#@b", URL("https://a.example", "a.example", 443, True, "/")),
    "user information in a query": ("https://a.example?@b", URL("https://a.example", "a.example", 443, True, "/")),
    "a sign of user information in the path": (
        "https://a.example/@b",
        URL("https://a.example", "a.example", 443, True, "/@b"),
    ),
    "a colon in the path": ("https://a.example/b:c", URL("https://a.example", "a.example", 443, True, "/b:c")),
    "an IPv4 address": ("http://127.0.0.1:1/", URL("http://127.0.0.1:1", "127.0.0.1", 1, False, "/")),
    "an IPv6 address": ("http://[::1]/", URL("http://[::1]", "[::1]", 80, True, "/")),
    "an IPv6 address and a port": ("http://[::1]:1/", URL("http://[::1]:1", "[::1]", 1, False, "/")),
    "an upper-case IPv6 address": ("http://[FE80::1]/", URL("http://[fe80::1]", "[fe80::1]", 80, True, "/")),
    "a trailing dot": ("https://a.example./", URL("https://a.example.", "a.example", 443, True, "/")),
    "a trailing dot and a port": (
        "https://A.example.:8443/",
        URL("https://a.example.:8443", "a.example", 8443, False, "/"),
    ),
    "an address with a trailing dot": ("http://127.0.0.1./", URL("http://127.0.0.1.", "127.0.0.1", 80, True, "/")),
    "a name with 0x in it": ("http://0xide.example/", URL("http://0xide.example", "0xide.example", 80, True, "/")),
    "an underscore": ("https://a_b/", URL("https://a_b", "a_b", 443, True, "/")),
    "parameters": ("https://a.example/x;y=1", URL("https://a.example", "a.example", 443, True, "/x;y=1", False)),
    "dots that are no dot segments": (
        "https://a.example/.../.a/a./..a/a..b",
        URL("https://a.example", "a.example", 443, True, "/.../.a/a./..a/a..b"),
    ),
    "a trailing slash": ("https://a.example/x/", URL("https://a.example", "a.example", 443, True, "/x/")),
    "reserved characters": (
        "https://a.example/!$&'()*+,=:@~|^[]",
        URL("https://a.example", "a.example", 443, True, "/!$&'()*+,=:@~|^[]"),
    ),
    "reserved characters, encoded": (
        "https://a.example/%21%24%26%27%28%29%2B%2C%3D%3A%40%7E",
        URL("https://a.example", "a.example", 443, True, "/!$&'()+,=:@~"),
    ),
    "the same in lower case": (
        "https://a.example/%2b%2c%3d%3a%7e",
        URL("https://a.example", "a.example", 443, True, "/+,=:~"),
    ),
    "escapes that stay": (
        "https://a.example/%20%22%25%2A%3B%3F%23%c3%a9",
        URL("https://a.example", "a.example", 443, True, "/%20%22%25%2A%3B%3F%23%C3%A9", False),
    ),
    "an escaped escape": ("https://a.example/%252e", URL("https://a.example", "a.example", 443, True, "/%252e", False)),
    "escapes with one reading": (
        "https://a.example/%20%22%2a%3C%3e%5B%5d%5E%60%7B%7c%7D%c3%a9",
        URL("https://a.example", "a.example", 443, True, "/%20%22%2A%3C%3E%5B%5D%5E%60%7B%7C%7D%C3%A9"),
    ),
    "characters that browsers encode": (
        'https://a.example/"<{`}>',
        URL("https://a.example", "a.example", 443, True, "/%22%3C%7B%60%7D%3E"),
    ),
    "characters beyond ASCII": (
        "https://a.example/caf\u00e9/\u65e5\U0001f600?\u00e9",
        URL("https://a.example", "a.example", 443, True, "/caf%C3%A9/%E6%97%A5%F0%9F%98%80"),
    ),
    "a slash that is not ASCII": (
        "https://a.example/a\uff0fb",
        URL("https://a.example", "a.example", 443, True, "/a%EF%BC%8Fb"),
    ),
    "a scheme of sockets": ("wss://a.example/x", URL("https://a.example", "a.example", 443, True, "/x")),
    "a scheme of sockets in clear text": ("ws://a.example", URL("http://a.example", "a.example", 80, True, "/")),
    "a scheme of sockets in upper case": ("WSS://A.example", URL("https://a.example", "a.example", 443, True, "/")),
    "the default port of sockets": ("wss://a.example:443/", URL("https://a.example", "a.example", 443, True, "/")),
    "a port of sockets": ("ws://a.example:443/", URL("http://a.example:443", "a.example", 443, False, "/")),
    "the longest host": (f"https://{'a' * 255}/", URL(f"https://{'a' * 255}", "a" * 255, 443, True, "/")),
    "the longest": (
        "https://a.example/" + "a" * (MAX_URL - 18),
        URL("https://a.example", "a.example", 443, True, "/" + "a" * (MAX_URL - 18)),
    ),
}


@pytest.mark.parametrize(("text", "url"), URLS.values(), ids=URLS)
def test_url(text: str, url: URL) -> None:
    """Of a URL the origin as browsers serialise it is known, and its path, folded, in the case it came in."""
    assert url == parse_url(text)


NO_URLS = {
    "nothing": "",
    "a path": "/catalogue/",
    "a host": "api.example/catalogue/",
    "no scheme": "//api.example/",
    "another scheme": "ftp://api.example/",
    "a scheme that is longer than that of sockets": "wsss://api.example/",
    "a scheme of files": "file://api.example/",
    "a scheme within another": "xhttps://api.example/",
    "a scheme that is longer": "httpss://api.example/",
    "one slash": "https:/api.example/",
    "three slashes": "https:///api.example/",
    "backslashes": "https:\\\\api.example/",
    "a blank before": " https://api.example/",
    "a line end before": "\nhttps://api.example/",
    "no host": "https://",
    "no host but a path": "https:///",
    "no host but a query": "https://?x",
    "no host but a port": "https://:443/",
    "no host but user information": "https://@/",
    "a user": "https://user@api.example/",
    "a user and a password": "https://user:8080@api.example/",
    "a user that looks like a host": "https://app.example@api.example/",
    "a user and no path": "https://app.example@api.example",
    "an empty user": "https://@api.example/",
    "two users": "https://a@b@api.example/",
    "a blank in the host": "https://api .example/",
    "a blank behind the host": "https://api.example /",
    "a tab in the host": "https://api.exa\tmple/",
    "a line end behind the host": "https://api.example\n",
    "a NUL in the host": "https://api\0.example/",
    "an escape in the host": "https://api%2eexample/",
    "a host that is not ASCII": "https://\u00e4pi.example/",
    "a letter that lower-cases into ASCII": "https://\u212a.example/",
    "a full stop that is not ASCII": "https://api\u3002example/",
    "an empty label": "https://api..example/",
    "a dot first": "https://.example/",
    "a dot alone": "https://./",
    "a wildcard": "https://*.example/",
    "a comma": "https://a,b/",
    "two hosts": "https://a.example, b.example/",
    "an empty port": "https://api.example:/",
    "a port of letters": "https://api.example:http/",
    "a port with a zero before": "https://api.example:0443/",
    "a port with a sign": "https://api.example:+443/",
    "a negative port": "https://api.example:-1/",
    "a port that is too large": "https://api.example:65536/",
    "a port of digits that are not ASCII": "https://api.example:\u0664\u0664\u0663/",
    "two ports": "https://api.example:443:443/",
    "an IPv6 address without brackets": "https://::1/",
    "an open bracket": "https://[::1/",
    "a name in brackets": "https://[api.example]/",
    "a name behind brackets": "https://[::1]api.example/",
    "a long IPv6 address": "https://[0:0:0:0:0:0:0:1]/",
    "two trailing dots": "https://api.example../",
    "an IPv6 address with a trailing dot": "https://[::1].:443/",
    "a short IPv4 address": "https://127.1/",
    "a number for an IPv4 address": "https://2130706433/",
    "a hexadecimal IPv4 address": "https://0x7f000001/",
    "an IPv4 address with a hexadecimal end": "https://127.0.0.0x1/",
    "an octal IPv4 address": "https://0177.0.0.1/",
    "an IPv4 address with zeros before": "https://127.000.000.001/",
    "a short IPv4 address with a trailing dot": "https://127.1./",
    "an IPv4 address with a part that is too large": "https://127.0.0.256/",
    "an IPv4 address in digits that are not ASCII": "https://\uff11\uff12\uff17.0.0.1/",
    "a name that ends in a number": "https://a.1/",
    "a mapped IPv4 address": "https://[::ffff:127.0.0.1]/",
    "an IPv6 zone": "https://[fe80::1%25eth0]/",
    "a host with one character too many": f"https://{'a' * 256}/",
    "one character too many": "https://a.example/" + "a" * (MAX_URL - 17),
    "far too many": "https://" + "a" * 1_000_000,
}


@pytest.mark.parametrize("text", NO_URLS.values(), ids=NO_URLS)
def test_no_url(text: str) -> None:
    """What is not an absolute http or https URL, with a host that can be compared, is refused."""
    with pytest.raises(BadQuery) as caught:
        parse_url(text)
    assert caught.value.code == "url-malformed"


SEVERAL = {
    "a dot segment": "/a/./b",
    "a dot segment first": "/./a",
    "a dot segment last": "/a/.",
    "two dots": "/a/../b",
    "two dots first": "/../a",
    "two dots last": "/a/..",
    "two dots with a parameter": "/a/..;x/b",
    "two dots with an empty parameter": "/a/..;/b",
    "one dot with a parameter": "/a/.;x=1/b",
    "two slashes": "/a//b",
    "two slashes first": "//a",
    "two slashes last": "/a//",
    "an encoded dot": "/a/%2e/b",
    "encoded dots": "/a/%2E%2e/b",
    "one of two dots encoded": "/a/.%2e/b",
    "an encoded slash": "/a%2fb",
    "an encoded slash in upper case": "/a%2Fb",
    "an encoded backslash": "/a%5cb",
    "an encoded backslash in upper case": "/a%5Cb",
    "a backslash": "/a\\b",
    "an encoded letter": "/%61",
    "an encoded capital": "/%41",
    "the last letter, encoded": "/%7a",
    "an encoded digit": "/%30",
    "an encoded hyphen": "/a%2db",
    "an encoded underscore": "/a%5fb",
    "half an escape": "/a%2",
    "a percent sign": "/a%",
    "an escape that is none": "/a%zz",
    "an escape of Unicode": "/a%u002f",
    "an escape of other digits": "/a%\u0662\u0661",
    "a blank": "/a b",
    "parameters": "/a;b",
    "an encoded semicolon": "/a%3Bb",
    "an encoded question mark": "/a%3fb",
    "an encoded number sign": "/a%23b",
    "an encoded percent sign": "/a%25b",
    "a slash in two bytes": "/a%c0%afb",
    "a slash in three bytes": "/a%e0%80%afb",
    "a slash in four bytes": "/a%f0%80%80%afb",
}


@pytest.mark.parametrize("path", SEVERAL.values(), ids=SEVERAL)
def test_several_readings(path: str) -> None:
    """A path that can be read in more than one way is known as one, and is not changed beyond recognition."""
    url = parse_url(f"https://a.example{path}")
    assert not url.is_plain
    assert url.path.count("/") == path.count("/")


UNREADABLE = {
    "an encoded NUL": "/a%00",
    **{f"an encoded control character, {code:02x}": f"/me%{code:02X}" for code in range(0x20)},
    "an encoded DEL": "/me%7F",
    "an encoded DEL in lower case": "/%7fme",
    "an encoded line end within": "/a/me%0D%0a/b",
    "a tab": "/a\tb",
    "a line end": "/a\n",
    "a line end alone": "/\n",
    "a carriage return": "/a\rb",
    "a NUL": "/a\0",
    "a DEL": "/a\x7f",
    "half a character": "/\ud800",
    "what was not UTF-8": "/\ufffd",
}


@pytest.mark.parametrize("path", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_path(path: str) -> None:
    """A path with control characters, or with characters that are lost, is refused: no two servers read it alike."""
    with pytest.raises(BadQuery) as caught:
        parse_url(f"https://a.example{path}")
    assert caught.value.code == "url-ambiguous"


@pytest.mark.parametrize("path", ["\\a", "\\@api.example/", "\\"])
def test_backslash_behind_the_host(path: str) -> None:
    """A backslash behind the host is where some begin the path, and others look for the rest of the host."""
    with pytest.raises(BadQuery) as caught:
        parse_url(f"https://a.example{path}")
    assert caught.value.code == "url-malformed"
    assert parse_site(f"https://a.example{path}") is None


@pytest.mark.parametrize(("text", "url"), URLS.values(), ids=URLS)
def test_site(text: str, url: URL) -> None:
    """Where the path counts for nothing, the same is read but for the path."""
    assert parse_site(text) == replace(url, path="/", is_plain=True)


@pytest.mark.parametrize("path", [*SEVERAL.values(), *UNREADABLE.values(), "/" + "a" * MAX_URL, "?\0", "#\ud800"])
def test_site_of_any_path(path: str) -> None:
    """However odd or long a path is, what comes before it is read."""
    assert parse_site(f"https://a.example{path}") == URL("https://a.example", "a.example", 443, True)


@pytest.mark.parametrize("name", sorted(NO_URLS.keys() - {"one character too many"}))
def test_no_site(name: str) -> None:
    """What no browser takes for the host of a URL is the origin of no page."""
    assert parse_site(NO_URLS[name]) is None


@examples(2_000)
@given(st.text() | st.text("a./:@%;?#[]\\2eEfF5cC*-_ \t\n", max_size=30).map("https://a".__add__))
def test_any_text(text: str) -> None:
    """No text whatever makes the parser fail; what it reads has an origin that is written like the URL's."""
    site = parse_site(text)
    try:
        url = parse_url(text)
    except BadQuery:
        return
    assert site == replace(url, path="/", is_plain=True)
    assert url.path.startswith("/")
    assert text.lower().startswith(url.origin.removesuffix(f":{url.port}"))
    assert not url.host.endswith(".")
    assert parse_url(url.origin + url.path) == url
    assert parse_url(f"{url.origin}/") == URL(url.origin, url.host, url.port, url.is_default, "/")
