"""Origins that a pattern barely covers, or barely does not.

Bugs of origin matchers live a character away from what is allowed: `https://example.com.evil.com`,
`https://evilexample.com`, `https://a..example.com`, port 65536. Random texts never find them. So these
functions start with an origin that is covered, and damage it a little.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from random import Random

from cors_service.testing._patterns import DEFAULT_PORTS, LONGEST_ORIGIN, expansions, split, written_port

_Mutation = Callable[[str], str]

# Fillings for `*` as a label (`?` takes their first label only), and for `*` as a port.
_SUBDOMAINS = ("a", "b", "www", "0", "a-b", "a_b", "-a", "_", "xn--bcher-kva", "a.b", "a.b.c.d", "-._.0")
_ANY_PORTS = (None, 8080, 1, 65535, 0, 80, 443)
_FILLINGS = tuple(product(_SUBDOMAINS, range(len(_ANY_PORTS))))


def _covered_ports(scheme: str, port: str) -> tuple[str, ...]:
    if port == ":*":
        return tuple(written_port(scheme, number) for number in _ANY_PORTS)
    if "-" not in port:
        return (port,)
    lowest, highest = (int(number) for number in port[1:].split("-"))
    borders = (written_port(scheme, lowest), written_port(scheme, highest))
    return (*borders, "") if lowest <= DEFAULT_PORTS.get(scheme, -1) <= highest else borders


def _covered(pattern: str, filling: tuple[str, int]) -> str:
    """Fill in the wildcards of a pattern that has no alternatives."""
    if pattern == "null":
        return pattern
    scheme, host, port = split(pattern)
    subdomain, choice = filling
    label = subdomain.partition(".")[0]
    if host == "*":
        host = f"{subdomain}.example"
    elif "/" in host:
        host = _address_in(host, choice)
    elif host.startswith("*."):
        host = subdomain + host[1:]
    elif "*" in host:
        host = host.replace("*", label.replace("_", "0"))
    elif host.startswith("?."):
        host = label + host[1:]
    ports = _covered_ports(scheme, port)
    return f"{scheme}://{host}{ports[choice % len(ports)]}"


def _address_in(host: str, choice: int) -> str:
    """The first or the last address of a range."""
    network = ip_network(host.replace("[", "").replace("]", ""))
    address = network.network_address if choice % 2 else network.broadcast_address
    return f"[{address}]" if network.version == 6 else str(address)


# The mutations: functions from text to text, for a whole origin or, by way of `_in_part`, for a part of it.

_SCHEME, _HOST, _PORT = range(3)


def _in_part(part: int, change: _Mutation) -> _Mutation:
    def mutated(origin: str) -> str:
        parts = list(split(origin))
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
        scheme, host, port = split(origin)
        number = port[1:] or str(DEFAULT_PORTS.get(scheme, 0))
        moved = int(number) + distance if number.isascii() and number.isdigit() else distance
        return f"{scheme}://{host}:{moved}"

    return mutated


def _address_moved(distance: int) -> _Mutation:
    def mutated(host: str) -> str:
        try:
            address = ip_address(host.strip("[]")) + distance
        except ValueError:
            return host
        return f"[{address}]" if address.version == 6 else str(address)

    return mutated


def _default_port_written(origin: str) -> str:
    scheme, host, _ = split(origin)
    return f"{scheme}://{host}:{DEFAULT_PORTS.get(scheme, 443)}"


def _lengthened(length: int) -> _Mutation:
    return lambda origin: origin.replace("://", "://" + "a" * (length - len(origin)), 1)


def _look_alike(origin: str) -> str:
    """Change a letter into its twin in another script or by a case mapping."""
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
    _address_moved(1),
    _address_moved(-1),
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
    *map(_lengthened, (LONGEST_ORIGIN, LONGEST_ORIGIN + 1)),
    lambda origin: origin[1:],
    lambda origin: origin[:-1],
    lambda origin: origin.partition("://")[2],
    lambda origin: f"{origin},{origin}",
    str.upper,
    _look_alike,
)
# Weighted so that the many odd bytes do not crowd out the rest, and four draws of ten change nothing.
_MUTATIONS: tuple[_Mutation, ...] = (
    *(_unchanged,) * 270,
    *(_in_part(_HOST, change) for change in _TO_HOST * 2),
    *(_in_part(_PORT, change) for change in _TO_PORT * 2),
    *(_port_moved(1), _port_moved(-1), _default_port_written) * 6,
    *(_in_part(_SCHEME, change) for change in _TO_SCHEME * 3),
    *_TO_ORIGIN,
    *(_in_part(_HOST, change) for change in _ODD_BYTES_TO_HOST),
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
    if origin == "null":
        return origin
    scheme, host, port = split(origin)
    other_scheme, other_host, other_port = split(other)
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


def near_miss(random: Random, pattern: str) -> str:
    """Draw an origin close to a pattern: one that it covers, then none, one or two small mutations.

    Args:
        random: Where the choices come from.
        pattern: Any valid pattern, except a regular expression or the name of an origin set.
    """
    return mutated(random, covered(random, random.choice(plain_patterns(pattern))))


def covered(random: Random, pattern: str) -> str:
    """Draw an origin that a pattern without alternatives covers."""
    return _covered(pattern, random.choice(_FILLINGS))


def near_miss_of_several(random: Random, pattern: str, patterns: Sequence[str]) -> str:
    """Draw an origin close to a pattern, perhaps with parts of another.

    Args:
        random: Where the choices come from.
        pattern: One without alternatives; neither `*` nor a regular expression nor the name of an origin set.
        patterns: The others, of the same kind.
    """
    filling = random.choice(_FILLINGS)
    origin, other = _covered(pattern, filling), _covered(random.choice(patterns), filling)
    return mutated(random, _crossed(origin, other, random.choice(_CROSSINGS)))


def mutated(random: Random, origin: str) -> str:
    """Damage an origin, perhaps a damaged one, in none, one or two places."""
    return random.choice(_MUTATIONS)(random.choice(_MUTATIONS)(origin))


def plain_patterns(pattern: str) -> tuple[str, ...]:
    """Write out the alternatives of a pattern.

    Raises:
        ValueError: The pattern does not show what it covers.
    """
    if pattern.startswith(("re:", "@")):
        raise ValueError(f"no origins can be derived from {pattern!r}")
    return ("https://example.com", "null", "app://a") if pattern == "*" else expansions(pattern)
