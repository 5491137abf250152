"""Tests of the ports of origins: as they are written, and as they are meant."""

from hypothesis import given
from hypothesis import strategies as st

from cors_service.algebra._walk import _usable
from cors_service.grammar.origin import DEFAULT_PORTS, NO_PORT, read_origin

PORTS = st.sets(st.sampled_from([NO_PORT, 0, 1, 21, 22, 79, 80, 81, 442, 443, 444, 65535])).map(sorted)


@given(st.sampled_from([*DEFAULT_PORTS, "app"]), PORTS)
def test_usable_ports(scheme: str, ports: list[int]) -> None:
    """Of ports as they are written, those count that an origin has; its default port is one that is not written."""
    origins = [f"{scheme}://a" if port == NO_PORT else f"{scheme}://a:{port}" for port in ports]
    read = [origin for text in origins if (origin := read_origin(text)) is not None]
    given_ports = ports.copy()
    assert _usable(scheme, given_ports) == sorted(origin.port for origin in read)
    # They are those of other schemes, too.
    assert given_ports == ports
