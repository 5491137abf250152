"""What an answer's headers become: the application's own of CORS are gone, the decision's are there, Vary is merged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.asking.headers import Lines, decorate

ALLOWED: Lines = (("Access-Control-Allow-Origin", "https://a.example"), ("Vary", "Origin"))
REFUSED: Lines = (("Vary", "Origin"),)
PUBLIC: Lines = (("Access-Control-Allow-Origin", "*"),)

CASES: dict[str, tuple[Lines, Lines, Lines]] = {
    "an application without CORS": ([("X-A", "1")], ALLOWED, [("X-A", "1"), *ALLOWED]),
    "nothing at all": ([], (), []),
    "every header of CORS goes, in any case": (
        [
            ("Access-Control-Allow-Origin", "*"),
            ("access-control-allow-origin", "null"),
            ("ACCESS-CONTROL-ALLOW-CREDENTIALS", "true"),
            ("aCCESS-cONTROL-Allow-Private-Network", "true"),
            ("Access-Control-Of-Tomorrow", "1"),
            ("X-Access-Control-Allow-Origin", "1"),
        ],
        REFUSED,
        [("X-Access-Control-Allow-Origin", "1"), ("Vary", "Origin")],
    ),
    "what else is decided replaces": (
        [("timing-allow-origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin"), ("ETag", "1")],
        [("Timing-Allow-Origin", "https://a.example"), ("Cross-Origin-Resource-Policy", "same-site")],
        [("ETag", "1"), ("Timing-Allow-Origin", "https://a.example"), ("Cross-Origin-Resource-Policy", "same-site")],
    ),
    "and stays where nothing is decided": (
        [("Timing-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin")],
        PUBLIC,
        [("Timing-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin"), *PUBLIC],
    ),
    "Vary of both": ([("Vary", "Accept-Encoding")], REFUSED, [("Vary", "Accept-Encoding, Origin")]),
    "Vary of several lines, with doubles and gaps": (
        [("vary", "Cookie,accept , "), ("VARY", "ORIGIN"), ("Vary", "cookie")],
        [("Vary", "Origin, Access-Control-Request-Method")],
        [("Vary", "Cookie, accept, ORIGIN, Access-Control-Request-Method")],
    ),
    "Vary of everything": ([("Vary", "Cookie, *")], REFUSED, [("Vary", "*")]),
    "Vary of the application alone": ([("Vary", "Cookie")], PUBLIC, [*PUBLIC, ("Vary", "Cookie")]),
    "Vary of nothing": ([("Vary", " , ")], PUBLIC, [*PUBLIC]),
    "cookies stay apart": (
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        (),
        [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
    ),
}


@pytest.mark.parametrize(("lines", "decided", "expected"), CASES.values(), ids=CASES.keys())
def test_cases(lines: Lines, decided: Lines, expected: Lines) -> None:
    """Each case ends as it should."""
    assert list(expected) == decorate(lines, decided)


NAMES = st.sampled_from(
    [
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
        "Access-Control-X",
        "Vary",
        "Timing-Allow-Origin",
        "Cross-Origin-Resource-Policy",
        "Set-Cookie",
        "X-A",
    ]
).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper(), name.swapcase()]))
VALUES = st.text("abO*, -", max_size=8) | st.sampled_from(["*", "Origin", "origin, Cookie"])
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def members(lines: Lines) -> set[str]:
    """What all lines of Vary name."""
    return {
        member.strip().lower()
        for name, value in lines
        if name.lower() == "vary"
        for member in value.split(",")
        if member.strip()
    }


@given(LINES, LINES)
def test_whatever_the_application_says(lines: Lines, decided: Lines) -> None:
    """CORS is the decision's alone, each other line is where it was, and Vary loses nothing."""
    result = decorate(lines, decided)
    cors = [line for line in result if line[0].lower().startswith("access-control-")]
    assert [line for line in decided if line[0].lower().startswith("access-control-")] == cors
    replaced = {name.lower() for name, _ in decided}
    own = [line for line in lines if line[0].lower() not in replaced and not line[0].lower().startswith("access-")]
    assert [line for line in own if line[0].lower() != "vary"] == [
        line for line in result if line[0].lower() not in {*replaced, "vary"} and line not in cors
    ]
    both = members(lines) | members(decided)
    assert members(result) == ({"*"} if "*" in both else both)
    assert [name for name, _ in result].count("Vary") == bool(both)
    assert decorate(result, decided) == result, "twice is once"
