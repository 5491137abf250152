"""Tests that a host has one reading: no other spelling of it finds another policy."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.policy import read_document
from tests import naive
from tests.examples import examples

GUARDED = {"a.example": "name", "api.a.example": "name", "127.0.0.1": "address", "[::1]": "address6"}
"""The hosts with a policy of their own, and its name; any other host is open to all."""

EVIL = "https://evil.example"


def policies(port: str = "") -> ActivePolicies:
    """Policies: one for each guarded host, and one for all hosts."""
    own = {
        name: {
            "origins": ["https://app.example"],
            "match": [f"{host}{port}/" for host in GUARDED if GUARDED[host] == name],
        }
        for name in set(GUARDED.values())
    }
    every = {"open": {"origins": ["*"], "match": ["*/"]}}
    return ActivePolicies(read_document({"version": 1, "policies": own | every}))


DEFAULT, ON_A_PORT = policies(), policies(":8443")


def policy_of(active: ActivePolicies, url: str) -> str | None:
    """The policy that a URL finds; None where it is refused."""
    try:
        return active.policy_for(url)
    except BadQuery:
        return None


SPELLINGS = {
    "a.example": [
        "a.example.",
        "A.EXAMPLE",
        "A.Example.",
        "a.example:443",
        "a.example.:443",
        "a.example:0443",
        "a.example:",
        "a.example.:",
        "a.example..",
        "a%2eexample",
        "%61.example",
        "a.example%2e",
        "a\u3002example",
        "a\uff0eexample",
        "a.example\uff61",
        "user@a.example",
        "evil.example@a.example",
        "evil.example:443@a.example.",
        "\uff41.example",
        "a.example\t",
        " a.example",
    ],
    "127.0.0.1": [
        "127.0.0.1.",
        "127.1",
        "127.1.",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.0x1",
        "127.0.0.1:0443",
        "127.0.0.1.:443",
        "%31%32%37.0.0.1",
    ],
    "[::1]": [
        "[0:0:0:0:0:0:0:1]",
        "[::0001]",
        "[::0.0.0.1]",
        "[0::1]",
        "[::1].",
        "[::1]:443",
        "[::1].:443",
        "[::1]:",
        "[::1%25lo]",
        "[%3a%3a1]",
        "::1",
    ],
}


@pytest.mark.parametrize(("host", "spelling"), [(host, each) for host, found in SPELLINGS.items() for each in found])
def test_spelling(host: str, spelling: str) -> None:
    """Another spelling of a host finds the policy of that host, or is refused."""
    assert policy_of(DEFAULT, f"https://{spelling}/secret") in {GUARDED[host], None}


def test_trailing_dot() -> None:
    """One trailing dot, which browsers send and servers ignore, is decided by the policy of the host without it."""
    found = {host: policy_of(DEFAULT, f"https://{host}./secret") for host in GUARDED if host[0] != "["}
    assert found == {host: name for host, name in GUARDED.items() if host[0] != "["}
    decision = DEFAULT.decide(Query("GET", url="https://a.example./secret", origins=(EVIL,)))
    assert (decision.policy, decision.allowed) == ("name", False)


@pytest.mark.parametrize(
    ("url", "origin", "own"),
    [
        ("https://a.example/", "https://a.example", True),
        ("https://a.example./", "https://a.example.", True),
        ("https://a.example./", "https://a.example", False),
        ("https://a.example/", "https://a.example.", False),
        ("https://A.EXAMPLE:443/", "https://a.example", True),
        ("https://a.example/", "https://A.EXAMPLE", False),
        ("https://a.example/", "https://a.example:443", False),
    ],
)
@pytest.mark.parametrize("policy", ["name", None])
def test_own_origin(url: str, origin: str, own: bool, policy: str | None) -> None:
    """A host with a dot at its end is another origin to browsers than the one without, so it is here."""
    decision = DEFAULT.decide(Query("POST", policy, url, (origin,)))
    assert (decision.kind == "same-origin") == own


LETTERS = string.ascii_letters + string.digits


@st.composite
def authorities(draw: DrawFn) -> str:
    """Authorities that are near those of guarded hosts."""
    host = draw(st.sampled_from([each for found in SPELLINGS.values() for each in found] + [*GUARDED]))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(host)))
        host = host[:place] + draw(near()) + host[place + draw(st.integers(0, 1)) :]
    return draw(st.sampled_from(["", "", "", "@", "u@", "u:p@"])) + host + draw(ports())


def near() -> SearchStrategy[str]:
    """What stands in the place of a character, or beside it."""
    return st.sampled_from(
        [".", "..", "0", "0x", "00", "a", "A", "%2e", "%61", "\u3002", "\uff0e", ":", "1", "7f", "-"]
    )


def ports() -> SearchStrategy[str]:
    """Ports, near the one that is meant."""
    return st.sampled_from(
        ["", "", "", ".", ":", ":443", ":80", ":0443", ":8443", ".:8443", ":08443", ":+443", ": 443"]
    )


@examples(2_000)
@given(authorities(), st.sampled_from(["http", "https", "HTTPS"]))
def test_no_spelling_finds_another_policy(authority: str, scheme: str) -> None:
    """However a host is written, it finds the policy of the host that the most lenient server reads, or is refused."""
    host = naive.same_host(scheme.lower(), authority)
    known = {naive.same_host("https", each): each for each in GUARDED}
    for active, port in ((DEFAULT, ""), (ON_A_PORT, ":8443")):
        found = policy_of(active, f"{scheme}://{authority}/secret")
        if host is not None and host.endswith(port) and (guarded := known.get(host.removesuffix(port))):
            assert found in {GUARDED[guarded], None}
        else:
            assert found in {"open", None}
