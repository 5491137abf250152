"""Origin patterns: their parts, and how to take them apart.

Each pattern made here is valid in a rule without credentials, together with any others. `*`, which covers everything,
`null`, which needs a flag in the document, and `re:`, which needs an extra, are never made.

Choices are tuples, with the simplest members first because hypothesis shrinks towards them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from random import Random

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
LONGEST_ORIGIN = 350

# What patterns are made of.

_SCHEMES = ("https", "http", "https", "http", "wss", "ws", "ftp", "app", "chrome-extension", "web+x.1-y")
_DOMAINS = (
    "example.com", "example.org", "example.co", "ample.com", "foo.com", "bar.com", "barfoo.com", "co.uk",
    "example.co.uk", "localhost", "test", "xn--bcher-kva.example", "d.c.b.a.example", "1.example", "1e3",
    "0x1.0.test",
)  # fmt: skip
# Names that nobody sells the sub-domains of.
_REGISTERED = (
    "example.com", "example.org", "foo.com", "localhost", "test", "example.co.uk", "vercel.app", "d.c.b.a.example",
)  # fmt: skip
_LABELS = ("a", "b", "www", "app", "a-b", "a_b", "0", "127", "1a", "xn--bcher-kva", "a" * 63)
_ADDRESSES = (
    "127.0.0.1", "1.0.0.0", "10.20.30.40", "255.255.255.255", "[::1]", "[::]", "[1::]", "[fe80::1]",
    "[::ffff:7f00:1]", "[2001:db8::1:0:0:1]", "[1:0:0:2::3]", "[1:0:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8]",
)  # fmt: skip
_SOME_PORTS = ("", "", ":8080", ":*", ":3000", ":8000-8999", ":1-65535")
_PORTS = (None, None, None, 8080, 8081, 3000, 8443, 80, 443, 21, 81, 0, 1, 65535)
_SEVERAL_PORTS = (
    ":*", ":8000-8999", ":8080-8081", ":3000-3001", ":79-81", ":80-443", ":442-444", ":444-65535", ":1-65535",
    ":1-79", ":20-22", ":65534-65535",
)  # fmt: skip
_GLOBS = ("app-*", "*-team", "a*", "*b", "a-*-b", "a*b", "_*", "pr-*-app", "xn--*")
_RANGES = (
    "0.0.0.0/0", "10.0.0.0/8", "127.0.0.0/8", "10.20.0.0/16", "10.20.30.0/24", "10.20.30.40/31", "10.20.30.40/32",
    "[::]/0", "[::]/127", "[fe80::]/10", "[2001:db8::]/32", "[2001:db8:0:0:1::]/80", "[1:2:3:4:5:6:7:8]/128",
)  # fmt: skip
_WITH_ALTERNATIVES = tuple(
    f"{scheme}://{labels}{domain}{port}"
    for port, domain, labels, scheme in product(
        ("", ":8080", "{:8080,}", ":{8080,8443}", ":*", ":{1-9,8000-8999}"),
        ("example.com", "example.{com,org}", "{foo,bar}.com", "{foo,bar,}foo.com", "exam{ple,}.com", "test"),
        ("", "{en,de}.", "{a.,}", "{*.,}", "{a,?}.", "*.{a,b}.", "a{b,-c,}.", "{a,b}.{c,d}.", "{a-*,b}.{c,d}."),
        ("https", "{http,https}", "http{s,}", "{https,wss,app}"),
    )
    if "{" in scheme + labels + domain + port
)


def written_port(scheme: str, port: int | None) -> str:
    """Write a port with its colon, as in an origin: nothing for the default."""
    return "" if port is None or port == DEFAULT_PORTS.get(scheme) else f":{port}"


def _serialised(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{host}{written_port(scheme, port)}"


def split(origin: str) -> tuple[str, str, str]:
    """Cut an origin or a pattern, perhaps a damaged one, into scheme, host, and port with its colon."""
    scheme, _, rest = origin.partition("://")
    colon = rest.find(":", rest.find("]") + 1)
    return (scheme, rest, "") if colon == -1 else (scheme, rest[:colon], rest[colon:])


def expansions(pattern: str) -> tuple[str, ...]:
    """Write out the alternatives of a pattern."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        return (pattern,)
    inside, _, after = rest.partition("}")
    return tuple(before + each + end for each in inside.split(",") for end in expansions(after))


def bound(matches: Iterable[str], url: str) -> dict[str, str]:
    """What the matches of a policy bind of the host of a URL, by its name in angle brackets."""
    host, colon, port = url.partition("://")[2].partition("/")[0].partition(":")
    found = {}
    for match in matches:
        name, closed, rest = match.partition("/")[0].partition(">")
        value, dot, parent = (host, "", "") if name == "<host" else host.partition(".")
        on_any_port = name == "<host" and rest == ""
        if closed and (on_any_port or rest == f"{dot}{parent}{colon}{port}"):
            found[f"{name}>"] = value
    return found


def bind(pattern: str, values: Mapping[str, str]) -> str:
    """Write what is bound in the place of its name."""
    for name, value in values.items():
        pattern = pattern.replace(name, value)
    return pattern


def exact_origin(random: Random) -> str:
    """Draw an origin as a browser serialises it."""
    host = random.choice(_ADDRESSES) if random.randrange(3) == 2 else _name(random)
    return _serialised(random.choice(_SCHEMES), host, random.choice(_PORTS))


def wildcard_pattern(random: Random) -> str:
    """Draw a pattern for the subdomains of a name."""
    return _serialised(random.choice(_SCHEMES), _wildcard_host(random), random.choice(_PORTS))


def glob_pattern(random: Random) -> str:
    """Draw a pattern for a label with a free part."""
    host = f"{random.choice(_GLOBS)}.{random.choice(_REGISTERED)}"
    return f"{random.choice(_SCHEMES)}://{host}{random.choice(_SOME_PORTS)}"


def range_pattern(random: Random) -> str:
    """Draw a pattern for a range of addresses."""
    scheme = random.choice(_SCHEMES[:7])
    return f"{scheme}://{random.choice(_RANGES)}{random.choice(_SOME_PORTS)}"


def any_host_pattern(random: Random) -> str:
    """Draw a pattern for any host; not for all of https, which would leave nothing to other rules."""
    scheme = random.choice(_SCHEMES)
    return f"{scheme}://*{random.choice((':8080', ':8000-8999') if scheme == 'https' else _SOME_PORTS)}"


def is_any_host(pattern: str) -> bool:
    """Say whether a pattern is for any host, of whatever scheme."""
    return split(pattern)[1] == "*"


def port_pattern(random: Random) -> str:
    """Draw a pattern for several ports."""
    kind = random.randrange(3)
    host = _name(random) if kind == 0 else random.choice(_ADDRESSES) if kind == 1 else _wildcard_host(random)
    return f"{random.choice(_SCHEMES)}://{host}{random.choice(_SEVERAL_PORTS)}"


def alternative_pattern(random: Random) -> str:
    """Draw a pattern with alternatives."""
    return random.choice(_WITH_ALTERNATIVES)


def any_pattern(random: Random) -> str:
    """Draw a pattern of any of these kinds."""
    return random.choice(_KINDS)(random)


def related_patterns(random: Random) -> list[str]:
    """Draw one to six different patterns: most lists are of one family, some of unrelated ones."""
    family: Sequence[str] | None = random.choice((*_FAMILIES, None))
    count = random.randrange(1, 7)
    drawn = (any_pattern(random) if family is None else random.choice(family) for _ in range(count))
    return list(dict.fromkeys(drawn))


_KINDS = (
    exact_origin, wildcard_pattern, port_pattern, alternative_pattern, exact_origin, wildcard_pattern, glob_pattern,
    range_pattern, port_pattern, alternative_pattern, glob_pattern, any_host_pattern,
)  # fmt: skip


def _name(random: Random) -> str:
    domain = random.choice(_DOMAINS)
    return f"{random.choice(_LABELS)}.{domain}" if random.randrange(2) else domain


def _wildcard_host(random: Random) -> str:
    return random.choice(("*.", "?.")) + _name(random)


def _family(domain: str) -> tuple[str, ...]:
    """Write patterns that differ only a little."""
    return tuple(
        f"{scheme}://{labels}{host}{port}"
        for port, host, labels, scheme in product(
            ("", ":8080", ":*", ":8081", ":8080-8090", ":1-65535"),
            (domain, f"x{domain}", f"{domain}.test", domain[1:]),
            ("", "*.", "?.", "{*.,}", "{a,b}.", "a.", "b.a.", "a-", "a*.", "{*-b,a-*}.", "a-*-b."),
            ("https", "http", "{http,https}", "app"),
        )
        # Of a name that somebody registers, no part may be free.
        if host != "co.uk" or labels in {"", "*.", "?."} or "*" not in labels.replace("{*.,}", "")
    )


_FAMILIES = tuple(map(_family, ("example.com", "foo.com", "co.uk", "localhost", "ab.example.org")))
