"""Tests of the proof that an expression, or an alternative in it, covers no origin."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cors_service.grammar._emptiness import idle
from cors_service.grammar.expression import automaton_of
from cors_service.policy import PolicyError
from cors_service.testing import strategies
from tests import naive
from tests.examples import examples

NOTHING = {
    "no scheme": r"a\.example\.com",
    "no scheme, but dots": r"[a-z]+\.example\.com(:[0-9]+)?",
    "nothing": r"",
    "a class of blanks": r"https://[ ]+",
    "a slash at the end": r"https://a\.example/",
    "a slash at the end, or not, behind one that is there": r"https://a\.example//?",
    "a path": r"https://.*\.example\.com/.*x",
    "slashes around it": r"/^https://a\.example$/",
    "quotes around it": r'"https://a\.example"',
    "one slash": r"https:/a\.example",
    "capitals in a domain": r"https://A\.example",
    "capitals in a class": r"https://[A-Z]+",
    "capitals in a scheme": r"HTTPS://a\.example",
    "a digit first": r"[0-9]+://.*",
    "a blank": r"https://a\.example b",
    "letters beyond ASCII": r"https://bücher\.example",
    "letters for a port": r"https://a\.example:[a-z]+",
    "no host": r"https://(:[0-9]+)?",
    "two ports": r"https://a\.example:1:2",
    "user information": r"https://.*@a\.example",
    "a null": r"null",
    "files": r"file://.*",
    "an anchor in the middle": r"https://a$\.example",
    "another anchor in the middle": r"https://^a\.example",
    "alternatives that are all dead": r"a\.example|https://b\.example/|null",
    "a percent sign in a domain": r"https://a%20b",
    "a query": r"https://a\.example\?x=.*",
}
SOMETHING = {
    "a host": r"https://a\.example",
    "anchors": r"^https://a\.example$",
    "other anchors": r"\Ahttps://a\.example\z",
    "anchors in an alternative": r"(^https://a\.example$|^https://b\.example$)",
    "anything": r".*",
    "anything within": r"h.*e",
    "one of several": r"null|a\.example|https://a",
    "a slash that may be missing": r"https://a\.example/?",
    "any case": r"(?i)HTTPS://A\.EXAMPLE",
    "an unknown scheme": r"[a-z-]+://[A-Z0-9-]+",
    "a scheme that begins like a known one": r"httpss://A",
    "a scheme that is the beginning of a known one": r"htt://A",
    "a scheme that files begin like": r"files://a|fil://a",
    "an address": r"http://\[::1\]:[0-9]+",
    "an address of a scheme without a network": r"app://\[[0-9a-f:]+\]",
    "a percent sign in a host that is no domain": r"app://a%20b",
    "classes": r"https://[[:alpha:]]+\.[^.]+",
    "a class with a bracket first": r"https://[]a]+",
    "a repetition of what is nothing": r"(?:^)*https://(?:a|)+b",
    "as many as there are": r"https://[a-z]{3,}\.example",
    "so many": r"https://[a-z]{1,63}\.example",
    "what is not read": r"https://\Qa\E",
    "a class of Unicode": r"https://\pL+",
    "a repetition behind nothing that is quoted": r"https://[[:^digit:]]é\Q\E*?\.com$",
    "too many states": r"a{1000}{1}b{1000}",
    "characters beyond ASCII that may be others in any case": "(?i)http\u017f://a",
    "a range that has them": "(?i)http[\u0100-\u0200]://a",
}


@pytest.mark.parametrize("expression", NOTHING.values(), ids=NOTHING)
def test_nothing(expression: str) -> None:
    """An expression that matches no origin is proven to."""
    assert idle(expression).is_all


@pytest.mark.parametrize("expression", SOMETHING.values(), ids=SOMETHING)
def test_something(expression: str) -> None:
    """Nothing is said of an expression that matches an origin, or that the proof does not read."""
    assert not idle(expression).is_all


ALTERNATIVES: dict[str, tuple[str, list[str]]] = {
    "none is idle": (r"https://(a|b|c\.d)\.example|http://localhost(:3000|:8080|)", []),
    "capitals": (r"https://(www\.|WWW\.)a\.example", [r"WWW\."]),
    "capitals in any case": (r"(?i)https://(www\.|WWW\.)a\.example", []),
    "a slash at the end": (r"^https://a\.example$|^https://b\.example/$", [r"^https://b\.example/$"]),
    "a host without its scheme": (r"https://a\.example|b\.example|null", [r"b\.example", "null"]),
    "one that is empty": (r"https://(|a)", [""]),
    "one in a repetition": (r"https://(a|b/)+\.example", ["b/"]),
    "one that is idle the first time, not the second": (r"(?:https://|\.?a){2}", []),
    "one within another": (r"https://(a(x|/)|b)\.example", ["/"]),
    "an idle one with others in it": (r"https://a|(x|y)/", ["x", "y", "(x|y)/"]),
    "the same text twice, idle once": (r"(https|A)://(A|b)", ["A", "A"]),
    "an edge that can't be": (r"https://a(\.b|$c)", ["$c"]),
}


@pytest.mark.parametrize(("expression", "alternatives"), ALTERNATIVES.values(), ids=ALTERNATIVES)
def test_alternatives(expression: str, alternatives: list[str]) -> None:
    """Each alternative that no covered origin takes is found, and no other."""
    assert idle(expression).alternatives == alternatives


PIECES = [
    *("https", "http", "app", "file", "[a-z]+", "h.*", "", ".", "s?", "(?:http|ws)s?", "[^/]*"),
    *("://", ":", "/", ":/+", "a", "b-1", r"\.", "A", "[A-Z]", r"[a-z0-9-]+", r"\d{1,3}", r"\w+", "(?:a|B)*"),
    *(":8080", "(?::[0-9]+)?", "$", "^", r"\[::1\]", r"\z", "é", "[é-ü]?", "(?:)", ".{2}", "[[:alnum:]]"),
]
EXPRESSIONS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join)
ORIGINS = [
    "https://a",
    "http://b-1:8080",
    "app://A",
    "app://B",
    "https://[::1]",
    "https://a.a",
    "a://b",
    "https://11.a",
]


@examples(2_000)
@given(EXPRESSIONS, strategies.exact_origins())
def test_whatever_covers_an_origin_is_not_dead(expression: str, origin: str) -> None:
    """No expression that RE2 finds to match an origin is proven to match none."""
    try:
        compiled = automaton_of([f"re:{expression}"])
    except PolicyError:
        assume(False)
    if any(compiled.Match(one) for one in (*ORIGINS, origin)):
        assert not idle(expression).is_all


@examples(1_000)
@given(st.data(), st.sampled_from(["", "(?i)"]), EXPRESSIONS)
def test_matches_of_a_dead_expression(data: st.DataObject, flags: str, expression: str) -> None:
    """Whatever else a dead expression matches is no origin."""
    try:
        automaton_of([f"re:{flags}{expression}"])
        compiled = re.compile(flags + expression.replace(r"\z", r"\Z").replace("[[:alnum:]]", "[A-Za-z0-9]"), re.ASCII)
    except (PolicyError, re.error):
        assume(False)
    if idle(flags + expression).is_all:
        text = data.draw(st.from_regex(compiled, fullmatch=True))
        assert text in {"null", "file://"} or not naive.is_origin(text)


@examples(1_000)
@given(
    st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    st.lists(EXPRESSIONS.filter(lambda text: "|" not in text), min_size=2, max_size=3, unique=True),
    st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    strategies.exact_origins(),
)
def test_an_idle_alternative_covers_nothing(before: str, alternatives: list[str], after: str, origin: str) -> None:
    """An expression with an alternative alone that is proven to cover no origin matches none."""
    try:
        found = idle(f"{before}({'|'.join(alternatives)}){after}").alternatives
        compiled = [automaton_of([f"re:{before}({each}){after}"]) for each in alternatives if each in found]
    except PolicyError:
        assume(False)
    assert not any(each.Match(one) for each in compiled for one in (*ORIGINS, origin))
