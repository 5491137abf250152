"""Tests of the header names that a preflight asks for, and of those it is told."""

import pytest

from cors_service.decision import Query
from cors_service.decision.query import MAX_HEADER_BYTES, MAX_HEADER_NAMES
from tests.decision.queries import (
    ACAC,
    ACAH,
    PAGE,
    PREFLIGHT_VARY,
    asked,
    flat,
    names_in,
    preflight,
    value_of,
)

LISTED = ["content-type", "X-B", "x-a"]
PREFIXED = ["x-catalogue-*", "Accept"]

# What the rule lists as request_headers, the lines asked, and what Access-Control-Allow-Headers says.
GRANTED: dict[str, tuple[list[str], tuple[str, ...], str | None]] = {
    "nothing of nothing": ([], (), None),
    "nothing of a list": (LISTED, (), "content-type, x-a, x-b"),
    "nothing of *": (["*"], (), None),
    "nothing of a prefix": (PREFIXED, (), None),
    "an empty line of nothing": ([], ("",), None),
    "an empty line of *": (["*"], ("",), None),
    "one of a list": (LISTED, ("x-a",), "content-type, x-a, x-b"),
    "all of a list": (LISTED, ("content-type,x-a,x-b",), "content-type, x-a, x-b"),
    "any": (["*"], ("x-b,x-a",), "x-b, x-a"),
    "any, and one by name": (["*", "authorization"], ("authorization,x-a",), "authorization, x-a"),
    "of a prefix": (PREFIXED, ("x-catalogue-a,x-catalogue-b-c",), "x-catalogue-a, x-catalogue-b-c"),
    "of a prefix, and by name": (PREFIXED, ("accept,x-catalogue-a",), "accept, x-catalogue-a"),
    "by name, where there is a prefix": (PREFIXED, ("accept",), "accept"),
    "of one of two prefixes": (["x-a-*", "x-b-*"], ("x-b-1",), "x-b-1"),
    "of a prefix without a hyphen": (["x*"], ("xy",), "xy"),
    "authorization by name": (["authorization"], ("authorization",), "authorization"),
    "upper case": (["*"], ("X-A,Content-Type",), "x-a, content-type"),
    "upper case of a list": (LISTED, ("X-A,Content-TYPE",), "content-type, x-a, x-b"),
    "upper case of a prefix": (PREFIXED, ("X-Catalogue-A",), "x-catalogue-a"),
    "blanks and tabs": (["*"], (" x-a ,\tx-b\t , \tx-c",), "x-a, x-b, x-c"),
    "empty members": (["*"], (",x-a,, ,\t,x-b,",), "x-a, x-b"),
    "several lines": (["*"], ("x-a", "x-b,x-c"), "x-a, x-b, x-c"),
    "several lines of a list": (LISTED, ("x-a", "content-type"), "content-type, x-a, x-b"),
    "an empty line between": (["*"], ("x-a", "", "x-b"), "x-a, x-b"),
    "a name twice": (["*"], ("x-a,x-a",), "x-a"),
    "a name twice in two cases": (["*"], ("x-a,X-A",), "x-a"),
    "a name twice in two lines": (["*"], ("x-a", "x-a"), "x-a"),
    "a listed name twice, beside a prefix": (PREFIXED, ("accept,accept",), "accept"),
    "every character of a token": (["*"], ("!#$%&'*+-.^_`|~09az",), "!#$%&'*+-.^_`|~09az"),
    "the most names": (["*"], (",".join(f"x-{n}" for n in range(64)),), ", ".join(f"x-{n}" for n in range(64))),
    "the most lines": (["*"], tuple(f"x-{n}" for n in range(64)), ", ".join(f"x-{n}" for n in range(64))),
    "the longest": (["*"], ("a" * 4096,), "a" * 4096),
    "the longest lines": (["*"], ("a" * 2048, "b" * 2048), f"{'a' * 2048}, {'b' * 2048}"),
    "the most empty members": (["*"], ("," * 63,), None),
}


@pytest.mark.parametrize(("names", "lines", "value"), GRANTED.values(), ids=GRANTED)
def test_granted(names: list[str], lines: tuple[str, ...], value: str | None) -> None:
    """A preflight is told the rule's names, or where it has `*` or prefixes the names asked for, each once."""
    decision = preflight(flat(request_headers=names), "GET", *lines)
    assert (True, value) == (decision.allowed, value_of(decision.headers, ACAH))


# What the rule lists as request_headers, the lines asked, and the code of the reason.
REFUSED: dict[str, tuple[list[str], tuple[str, ...], str]] = {
    "any of nothing": ([], ("x-a",), "header-not-allowed"),
    "another": (LISTED, ("x-c",), "header-not-allowed"),
    "another beside one listed": (LISTED, ("x-a,x-c",), "header-not-allowed"),
    "another before one listed": (LISTED, ("x-c,x-a",), "header-not-allowed"),
    "another in the second line": (LISTED, ("x-a", "x-c"), "header-not-allowed"),
    "another in the last of many lines": (LISTED, (*("x-a",) * 20, "x-c"), "header-not-allowed"),
    "a part of a name": (LISTED, ("content-typ",), "header-not-allowed"),
    "more than a name": (LISTED, ("content-types",), "header-not-allowed"),
    "a part of a prefix": (PREFIXED, ("x-catalogue",), "header-not-allowed"),
    "a prefix elsewhere": (PREFIXED, ("y-x-catalogue-a",), "header-not-allowed"),
    "safelisted, but asked for": (LISTED, ("accept",), "header-not-allowed"),
    "authorization of *": (["*"], ("authorization",), "header-not-allowed"),
    "authorization of * in another case": (["*"], ("x-a,Authorization",), "header-not-allowed"),
    "authorization of a prefix": (["auth*"], ("authorization",), "header-not-allowed"),
    "authorization of its longest prefix": (["authorizatio*", "*"], ("authorization",), "header-not-allowed"),
    "* of *": (["*"], ("*",), "header-not-allowed"),
    "* of a list": (LISTED, ("*",), "header-not-allowed"),
    "* of a prefix": (["x-*"], ("*",), "header-not-allowed"),
    "* of * in a second line": (["*"], ("x-a", " * "), "header-not-allowed"),
    "a blank inside": (["*"], ("x a",), "header-malformed"),
    "a colon": (["*"], ("x-a:",), "header-malformed"),
    "a quote": (["*"], ('"x-a"',), "header-malformed"),
    "a semicolon for a comma": (["*"], ("x-a;x-b",), "header-malformed"),
    "a line end": (["*"], ("x-a\r\nx-b",), "header-malformed"),
    "a line end at the end": (["*"], ("x-a\n",), "header-malformed"),
    "a vertical tab around": (["*"], ("\x0bx-a",), "header-malformed"),
    "a NUL": (["*"], ("x-a\0",), "header-malformed"),
    "a blank that is not ASCII": (["*"], ("x-a\u00a0",), "header-malformed"),
    "a letter that lower-cases into ASCII": (["*"], ("x-\u212a",), "header-malformed"),
    "the same, of a list": (["x-k"], ("x-\u212a",), "header-malformed"),
    "half a character": (["*"], ("x-\ud800",), "header-malformed"),
    "malformed behind good ones": (["*"], ("x-a,x-b", "x-c,(x)"), "header-malformed"),
    "a name too many": (["*"], (",".join(f"x-{n}" for n in range(65)),), "too-many-headers"),
    "a name too many in lines": (["*"], tuple(f"x-{n}" for n in range(65)), "too-many-headers"),
    "a name too many in two lines": (["*"], (",".join(["x-a"] * 60), ",".join(["x-b"] * 5)), "too-many-headers"),
    "an empty member too many": (["*"], ("," * 64,), "too-many-headers"),
    "an empty line too many": (["*"], ("",) * 65, "too-many-headers"),
    "a character too many": (["*"], ("a" * 4097,), "too-many-headers"),
    "a character too many in two lines": (["*"], ("a" * 4096, "b"), "too-many-headers"),
    "a blank too many": (["*"], (" " * 4097,), "too-many-headers"),
    "too many listed ones": (LISTED, (",".join(["x-a"] * 65),), "too-many-headers"),
}


@pytest.mark.parametrize(("names", "lines", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(names: list[str], lines: tuple[str, ...], code: str) -> None:
    """One name of any line that is malformed, not granted or one too many refuses the preflight as a whole."""
    decision = preflight(flat(request_headers=names), "GET", *lines)
    expected = (False, 403, code, (PREFLIGHT_VARY,))
    assert expected == (decision.allowed, decision.status, decision.reason.code, decision.headers)


def test_bounds() -> None:
    """The bounds are 64 names and 4096 characters."""
    assert (MAX_HEADER_NAMES, MAX_HEADER_BYTES) == (64, 4096)


@pytest.mark.parametrize("names", [["*"], ["x-*"], ["*", "x-*"], ["*", "x-a"]], ids=str)
@pytest.mark.parametrize("credentials", [False, True])
def test_star_is_never_told(names: list[str], credentials: bool) -> None:
    """No preflight is ever told `*`, with credentials or without: browsers let Authorization pass by it."""
    policies = flat(request_headers=names, credentials=credentials)
    for lines in ((), ("",), ("x-a",), ("x-a,x-b", "x-c"), ("*",), ("x-*",)):
        assert "*" not in names_in(preflight(policies, "GET", *lines).headers, ACAH)


def test_credentials_change_nothing_else() -> None:
    """A rule with credentials tells a preflight what one without does, and Allow-Credentials."""
    query = asked(PAGE, "PUT", "x-a")
    keys = {"methods": ["*"], "request_headers": ["*"], "max_age": 1}
    without, with_them = (flat(**keys, credentials=value).decide(query).headers for value in (False, True))
    assert (*without[:1], ACAC, *without[1:]) == with_them


def test_names_do_not_matter_to_actual_requests() -> None:
    """Header names that an actual request lists by mistake change nothing."""
    query = Query("GET", "a", origins=(PAGE,), request_headers=("x-other", "(", "a," * 100))
    assert flat().decide(query).allowed


def test_method_comes_first() -> None:
    """Where both the method and a header are refused, the method is named."""
    decision = preflight(flat(request_headers=["x-a"]), "PATCH", "x-b")
    assert decision.reason.code == "method-not-allowed"
