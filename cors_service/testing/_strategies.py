"""Hypothesis strategies for origin patterns, and for origins that a pattern barely covers or barely does not.

Bugs of origin matchers live a character away from what is allowed: `https://example.com.evil.com`,
`https://evilexample.com`, `https://a..example.com`, port 65536. Random texts never find them. So these
strategies start with an origin that is covered, and damage it a little.

Each pattern drawn here is valid in a rule without credentials, together with any others. Never drawn are
`*`, which covers everything, `null`, which needs a flag in the document, and `re:`, which needs an extra.

Speed counts, since a matcher is worth tens of thousands of examples. So what can be enumerated is a tuple for
one draw to sample, the simplest members first because hypothesis shrinks towards them; no draw needs another.
"""

from collections.abc import Callable
from itertools import product

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_Mutation = Callable[[str], str]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_LONGEST_ORIGIN = 350

# What patterns are made of.

_SCHEMES = ("https", "http", "https", "http", "wss", "ws", "ftp", "app", "chrome-extension", "web+x.1-y")
_DOMAINS = (
    "example.com", "example.org", "example.co", "ample.com", "foo.com", "bar.com", "barfoo.com", "co.uk",
    "example.co.uk", "localhost", "test", "xn--bcher-kva.example", "d.c.b.a.example", "1.example", "1e3",
    "0x1.0.test",
)  # fmt: skip
_LABELS = ("a", "b", "www", "app", "a-b", "a_b", "0", "127", "1a", "xn--bcher-kva", "a" * 63)
_ADDRESSES = (
    "127.0.0.1", "1.0.0.0", "10.20.30.40", "255.255.255.255", "[::1]", "[::]", "[1::]", "[fe80::1]",
    "[::ffff:7f00:1]", "[2001:db8::1:0:0:1]", "[1:0:0:2::3]", "[1:0:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8]",
)  # fmt: skip
_PORTS = (None, None, None, 8080, 8081, 3000, 8443, 80, 443, 21, 81, 0, 1, 65535)
_SEVERAL_PORTS = (
    ":*", ":8000-8999", ":8080-8081", ":3000-3001", ":79-81", ":80-443", ":442-444", ":444-65535", ":1-65535",
    ":1-79", ":20-22", ":65534-65535",
)  # fmt: skip
_WITH_ALTERNATIVES = tuple(
    f"{scheme}://{labels}{domain}{port}"
    for port, domain, labels, scheme in product(
        ("", ":8080", "{:8080,}", ":{8080,8443}", ":*", ":{1-9,8000-8999}"),
        ("example.com", "example.{com,org}", "{foo,bar}.com", "{foo,bar,}foo.com", "exam{ple,}.com", "test"),
        ("", "{en,de}.", "{a.,}", "{*.,}", "{a,?}.", "*.{a,b}.", "a{b,-c,}.", "{a,b}.{c,d}."),
        ("https", "{http,https}", "http{s,}", "{https,wss,app}"),
    )
    if "{" in scheme + labels + domain + port
)

# What stands for `*` as a label, where `?` takes the first label alone, and for `*` as a port.

_SUBDOMAINS = ("a", "b", "www", "0", "a-b", "a_b", "-a", "_", "xn--bcher-kva", "a.b", "a.b.c.d", "-._.0")
_ANY_PORTS = (None, 8080, 1, 65535, 0, 80, 443)
_FILLINGS = st.sampled_from(tuple(product(_SUBDOMAINS, range(len(_ANY_PORTS)))))


def _written(scheme: str, port: int | None) -> str:
    return "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"


def _origin(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{host}{_written(scheme, port)}"


def _split(origin: str) -> tuple[str, str, str]:
    """Cut an origin, a pattern or a ruin of either into scheme, host, and port with its colon."""
    scheme, _, rest = origin.partition("://")
    colon = rest.find(":", rest.find("]") + 1)
    return (scheme, rest, "") if colon == -1 else (scheme, rest[:colon], rest[colon:])


def _expansions(pattern: str) -> tuple[str, ...]:
    before, brace, rest = pattern.partition("{")
    if not brace:
        return (pattern,)
    inside, _, after = rest.partition("}")
    return tuple(before + each + end for each in inside.split(",") for end in _expansions(after))


def _covered_ports(scheme: str, port: str) -> tuple[str, ...]:
    if port == ":*":
        return tuple(_written(scheme, number) for number in _ANY_PORTS)
    if "-" not in port:
        return (port,)
    lowest, highest = (int(number) for number in port[1:].split("-"))
    borders = (_written(scheme, lowest), _written(scheme, highest))
    return (*borders, "") if lowest <= _DEFAULT_PORTS.get(scheme, -1) <= highest else borders


def _covered(pattern: str, filling: tuple[str, int]) -> str:
    """Fill in the wildcards of a pattern that has no alternatives."""
    if pattern == "null":
        return pattern
    scheme, host, port = _split(pattern)
    subdomain, choice = filling
    if host.startswith("*."):
        host = subdomain + host[1:]
    elif host.startswith("?."):
        host = subdomain.partition(".")[0] + host[1:]
    ports = _covered_ports(scheme, port)
    return f"{scheme}://{host}{ports[choice % len(ports)]}"


# The mutations: functions from text to text, for a whole origin or, by way of `_in_part`, for a part of it.

_SCHEME, _HOST, _PORT = range(3)


def _in_part(part: int, change: _Mutation) -> _Mutation:
    def mutated(origin: str) -> str:
        parts = list(_split(origin))
        parts[part] = change(parts[part])
        return "{}://{}{}".format(*parts)

    return mutated


def _around(before: str, after: str) -> _Mutation:
    return lambda text: before + text + after


def _instead(new: str) -> _Mutation:
    return lambda _: new


def _first(old: str, new: str) -> _Mutation:
    return lambda text: text.replace(old, new, 1)


def _last(old: str, new: str) -> _Mutation:
    return lambda text: new.join(text.rsplit(old, 1))


def _port_moved(distance: int) -> _Mutation:
    def mutated(origin: str) -> str:
        scheme, host, port = _split(origin)
        number = port[1:] or str(_DEFAULT_PORTS.get(scheme, 0))
        moved = int(number) + distance if number.isascii() and number.isdigit() else distance
        return f"{scheme}://{host}:{moved}"

    return mutated


def _default_port_written(origin: str) -> str:
    scheme, host, _ = _split(origin)
    return f"{scheme}://{host}:{_DEFAULT_PORTS.get(scheme, 443)}"


def _lengthened(length: int) -> _Mutation:
    return lambda origin: origin.replace("://", "://" + "a" * (length - len(origin)), 1)


def _look_alike(origin: str) -> str:
    """Change a letter that another script, or a case mapping, has a twin of."""
    for letter, twin in (("a", "\u0430"), ("o", "\u043e"), ("k", "\u212a"), ("1", "\u0661"), ("s", "\u017f")):
        if letter in origin:
            return origin.replace(letter, twin, 1)
    return origin + "\u00ad"


def _unchanged(origin: str) -> str:
    return origin


_TO_HOST = (
    *(_around("", end) for end in (".evil.com", "evil.com", "-.evil.com", ".com", ".", "..", ".1", ".0x7f")),
    *(_around(start, "") for start in ("evil", "evil-", "evil.", "evil.com.", "b.a.", ".", "a..", "-", "*.")),
    *(_first(".", new) for new in ("", "..", "-.", "-", "_", "x")),
    *(_last(".", new) for new in ("", "..", "x")),
    lambda host: host.partition(".")[2],
    lambda host: host.rpartition(".")[0],
    lambda host: host.rpartition(".")[2],
    lambda host: host.partition(".")[0] + "." + host,
    lambda host: f"{host}.{host}",
    lambda host: host[1:],
    lambda host: host[:-1],
    lambda host: host[1:-1],
    str.upper,
    str.title,
    _around("[", "]"),
    _first(":", ":0:"),
    _first("0", "00"),
    _first("]", "%25eth0]"),
    *map(_instead, ("", ".", "*", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.01", "127.0.0.256")),
    *map(_instead, ("1.2.3.4.5", "[::1]", "[::1", "[::0001]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]")),
    *map(_instead, ("[FE80::1]", "[1::2::3]")),
)
_ODD_BYTES = "_-\"{}+`!~;&'(),$=*"
_ODD_BYTES_TO_HOST = (
    *(_first(".", f"{byte}.") for byte in _ODD_BYTES),
    *(_around(byte, "") for byte in _ODD_BYTES),
    *(_around("", byte) for byte in _ODD_BYTES),
    *(_around("", f"{byte}.evil.com") for byte in _ODD_BYTES),
)
_TO_SCHEME = (
    *map(_instead, ("http", "https", "ws", "wss", "ftp", "app", "file", "")),
    *(_around("", end) for end in ("s", "+x", ":")),
    *(_around(start, "") for start in ("x", "1", "view-source:")),
    str.upper,
    str.title,
)
_TO_PORT = (
    *map(_instead, ("", ":80", ":443", ":8080", ":8081", ":0", ":1", ":65535", ":65536", ":99999")),
    *map(_instead, (":100000", ":", ":*", ":-1", ":+80", ":8_0", ":0x50", ":8e1")),
    *map(_instead, (":\u0668\u0660", ":\uff18\uff10", ":\u00b2")),
    *(_first(":", new) for new in (":0", "::", ": ")),
    *(_around("", end) for end in ("0", " ", ":80")),
    lambda port: port[:-1],
)
_TO_ORIGIN = (
    *(_around("", end) for end in ("/", "/x", "\\", "?", "?x", "#", "%2e", "*", "@evil.com", ".evil.com")),
    *(_around("", end) for end in (" ", "\t", "\n", "\r", "\r\nX: 1", "\0", "\x1f", "\x7f", "\u00a0")),
    *(_around("", end) for end in ("\u3002", ",https://evil.com", ", null", " https://evil.com")),
    *(_around(start, "") for start in (" ", "\t", "\n", "\0", "\ufeff", "null,", "https://evil.com,", "//")),
    *(_first("://", new) for new in (":", ":/", "//", "", ":///", ":\\\\", "://user@", "://a:b@", "://@")),
    *(_first(".", new) for new in (".\t", ".\n", "\r.", " .", "/", "\\", "@", "%2e")),
    *(_first(".", new) for new in ("\u3002", "\uff0e", "\u200b.")),
    *map(_instead, ("null", "NULL", "null ", "nul", "", "*", "://", "https://", "app.example.com")),
    *map(_lengthened, (_LONGEST_ORIGIN, _LONGEST_ORIGIN + 1)),
    lambda origin: origin[1:],
    lambda origin: origin[:-1],
    lambda origin: origin.partition("://")[2],
    lambda origin: f"{origin},{origin}",
    str.upper,
    _look_alike,
)
# Weighed so that the many odd bytes do not crowd out the rest, and four draws of ten change nothing.
_MUTATIONS = st.sampled_from(
    (
        *(_unchanged,) * 270,
        *(_in_part(_HOST, change) for change in _TO_HOST * 2),
        *(_in_part(_PORT, change) for change in _TO_PORT * 2),
        *(_port_moved(1), _port_moved(-1), _default_port_written) * 6,
        *(_in_part(_SCHEME, change) for change in _TO_SCHEME * 3),
        *_TO_ORIGIN,
        *(_in_part(_HOST, change) for change in _ODD_BYTES_TO_HOST),
    )
)

_NAMES = st.one_of(
    st.sampled_from(_DOMAINS),
    st.builds("{}.{}".format, st.sampled_from(_LABELS), st.sampled_from(_DOMAINS)),
)
_WILDCARD_HOSTS = st.builds("{}{}".format, st.sampled_from(("*.", "?.")), _NAMES)


def exact_origins() -> SearchStrategy[str]:
    """Draw origins as a browser serialises them, which are also patterns that cover just themselves.

    Returns:
        A strategy of origins: names, canonical IPv4 and IPv6 addresses, no default port; never `null`.
    """
    hosts = st.one_of(_NAMES, st.sampled_from(_ADDRESSES))
    return st.builds(_origin, st.sampled_from(_SCHEMES), hosts, st.sampled_from(_PORTS))


def wildcard_patterns() -> SearchStrategy[str]:
    """Draw patterns for the subdomains of a name, such as `https://*.example.com` and `app://?.foo.com:8080`.

    Returns:
        A strategy of patterns with a wildcard for a first label; the suffix may be public or a single label.
    """
    return st.builds(_origin, st.sampled_from(_SCHEMES), _WILDCARD_HOSTS, st.sampled_from(_PORTS))


def port_patterns() -> SearchStrategy[str]:
    """Draw patterns for several ports, such as `http://localhost:*` and `https://*.example.com:8000-8999`.

    Returns:
        A strategy of patterns that end in `:*` or a range, which may take in the default port of the scheme.
    """
    hosts = st.one_of(_NAMES, st.sampled_from(_ADDRESSES), _WILDCARD_HOSTS)
    return st.builds("{}://{}{}".format, st.sampled_from(_SCHEMES), hosts, st.sampled_from(_SEVERAL_PORTS))


def alternative_patterns() -> SearchStrategy[str]:
    """Draw patterns with alternatives, such as `{http,https}://{*.,}example.com`.

    Returns:
        A strategy of patterns with one to five groups, of far fewer than 256 combinations.
    """
    return st.sampled_from(_WITH_ALTERNATIVES)


def patterns() -> SearchStrategy[str]:
    """Draw patterns of any of these kinds: exact, with wildcards, for several ports, with alternatives.

    Returns:
        A strategy of patterns.
    """
    return st.one_of(exact_origins(), wildcard_patterns(), port_patterns(), alternative_patterns())


def pattern_lists(min_size: int = 1, max_size: int = 8) -> SearchStrategy[list[str]]:
    """Draw what a rule may list as its `origins`.

    Args:
        min_size: how many patterns at least.
        max_size: how many patterns at most.

    Returns:
        A strategy of lists of different patterns.
    """
    return st.lists(patterns(), min_size=min_size, max_size=max_size, unique=True)


def _near_miss(pattern: str, filling: tuple[str, int], first: _Mutation, second: _Mutation) -> str:
    return second(first(_covered(pattern, filling)))


def near_misses(pattern: str) -> SearchStrategy[str]:
    """Draw origins close to a pattern: one that it covers, then none, one or two small mutations.

    A mutation may leave the origin covered, put it out by a hair, or make of it what no browser sends.

    Args:
        pattern: any valid pattern but a regular expression or the name of an origin set.

    Returns:
        A strategy of values of `Origin`.

    Raises:
        ValueError: the pattern does not show what it covers.
    """
    if pattern.startswith(("re:", "@")):
        raise ValueError(f"no origins can be derived from {pattern!r}")
    simple = ("https://example.com", "null", "app://a") if pattern == "*" else _expansions(pattern)
    return st.builds(_near_miss, st.sampled_from(simple), _FILLINGS, _MUTATIONS, _MUTATIONS)


def _family(domain: str) -> tuple[str, ...]:
    """Write patterns that share all but a little with each other."""
    return tuple(
        f"{scheme}://{labels}{host}{port}"
        for port, host, labels, scheme in product(
            ("", ":8080", ":*", ":8081", ":8080-8090", ":1-65535"),
            (domain, f"x{domain}", f"{domain}.test", domain[1:]),
            ("", "*.", "?.", "{*.,}", "{a,b}.", "a.", "b.a.", "a-"),
            ("https", "http", "{http,https}", "app"),
        )
    )


# Most lists are of one family; some are of strangers.
_LISTS = st.one_of(
    *(
        st.lists(st.sampled_from(_family(domain)), min_size=1, max_size=6, unique=True)
        for domain in ("example.com", "foo.com", "co.uk", "localhost", "ab.example.org")
    ),
    pattern_lists(max_size=6),
)

# Origins made of parts of two, or of the first alone.
_CROSSINGS = (
    *("{scheme}://{host}{port}",) * 12,
    "{other_scheme}://{host}{port}",
    "{scheme}://{other_host}{port}",
    "{scheme}://{host}{other_port}",
    "{scheme}://{label}.{other_host}{port}",
    "{scheme}://{label}.{other_parent}{port}",
    "{scheme}://{host}{other_host}{port}",
    "{scheme}://{host}.{other_host}{port}",
)


def _crossed(origin: str, other: str, crossing: str) -> str:
    scheme, host, port = _split(origin)
    other_scheme, other_host, other_port = _split(other)
    return crossing.format(
        scheme=scheme,
        host=host,
        port=port,
        label=host.partition(".")[0],
        other_scheme=other_scheme,
        other_host=other_host,
        other_port=other_port,
        other_parent=other_host.partition(".")[2],
    )


def _matching_case(
    listed: list[str],
    pick: int,
    filling: tuple[str, int],
    crossing: str,
    first: _Mutation,
    second: _Mutation,
) -> tuple[list[str], str]:
    """Make an origin of the pattern picked and its neighbour in the list."""
    turn, index = divmod(pick, len(listed))
    simple = _expansions(listed[index])
    origin = _covered(simple[turn % len(simple)], filling)
    other = _covered(_expansions(listed[index - 1])[0], filling)
    return listed, second(first(_crossed(origin, other, crossing)))


def matching_cases() -> SearchStrategy[tuple[list[str], str]]:
    """Draw patterns that are near misses of each other, and an origin which is a near miss of one of them.

    The patterns share suffixes, prefixes, schemes and ports; the origin may have parts of two of them.
    In almost half of the cases a pattern covers it.

    Returns:
        A strategy of pairs: patterns, and a value of `Origin`.
    """
    return st.builds(
        _matching_case,
        _LISTS,
        st.integers(0, 359),
        _FILLINGS,
        st.sampled_from(_CROSSINGS),
        _MUTATIONS,
        _MUTATIONS,
    )
