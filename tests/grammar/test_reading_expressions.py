"""Expressions, taken apart and read from the end, match what RE2 says that they match."""

from __future__ import annotations

from random import Random

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar import automaton
from cors_service.grammar.automaton import Automaton, TooLargeError, UnreadableError
from tests.examples import examples

_ATOMS = (
    *(
        "a",
        "b",
        r"\.",
        ".",
        "[ab]",
        "[^a]",
        "[a-c]",
        r"\d",
        r"\w",
        r"\W",
        "-",
        ":",
        "/",
        "A",
        "(?i)",
        "(?-i)",
        "^",
        "$",
    ),
    *(r"\b", r"\B", r"\pL", r"\PL", r"\p{Lu}", r"\p{^Lu}", "[[:lower:]]", "[[:^lower:]]", r"[\d-]", r"[^\w]", r"\x61"),
    *(r"\x{2e}", r"\056", r"\Qa.\E", r"\Qab", r"[\x61-\x63]", r"\p{Latin}", r"[\p{Lu}0]", "[[:^upper:]x]", r"\n"),
    *(r"[^\n]", r"\A", r"\z", "é", "[à-é]", r"\C", "[]a]", "[a-]", r"[\]]", r"\-", r"[\-a]", "(?s).", "(?U)a*"),
    *("[[:punct:]]", r"\pN", r"\P{Greek}", r"\p{Any}", r"\D", r"\s", r"[^\S]", "k", "(?i:k)", "_"),
)
_GROUPS = ("(", "(?:", "(?i:", "(?-i:", "(?s:")
_REPETITIONS = ("*", "+", "?", "{2}", "{1,2}", "{0,}", "{0}", "*?", "+?", "{0,1}?", "{3}")
_TEXT = "abcABkx0.-:/_9Z!"
TEXTS = 20


def expression(random: Random, depth: int = 0) -> str:
    """Draw an expression; RE2 can compile most."""
    kind = random.randrange(10)
    if depth > 3 or kind < 4:
        return random.choice(_ATOMS)
    first = expression(random, depth + 1)
    if kind < 6:
        return first + expression(random, depth + 1)
    if kind == 6:
        return f"{random.choice(_GROUPS)}{first})"
    if kind == 7:
        return f"{first}|{expression(random, depth + 1)}"
    return f"(?:{first}){random.choice(_REPETITIONS)}"


def judge(seed: int) -> int:
    """Hold an expression against RE2, and give the number of texts that were tried."""
    random = Random(seed)
    written = expression(random)
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(written, options)
        ours = Automaton.of(written)
    except (re2.error, UnreadableError):
        return 0
    for _ in range(TEXTS):
        text = "".join(random.choice(_TEXT) for _ in range(random.randrange(6)))
        assert (compiled.fullmatch(text) is not None) == ours.matches(text), (seed, written, text)
    return TEXTS


@examples(2_000, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_as_re2(seed: int) -> None:
    """What is taken apart matches the same texts."""
    judge(seed)


NOT_READ = {
    "characters that are others in another case": "(?i)\u017f",
    "too many groups within each other": "(?:" * 60 + "a" + ")" * 60,
    "a class within a class that POSIX does not have": "[[:a]",
}


@pytest.mark.parametrize("written", NOT_READ.values(), ids=NOT_READ)
def test_not_read(written: str) -> None:
    """What is not taken apart is said to be so, and never guessed."""
    with pytest.raises(UnreadableError):
        Automaton.of(written)


def test_too_many_parts() -> None:
    """The automaton of an expression is bounded before it is made."""
    with pytest.raises(TooLargeError):
        Automaton.of("(?:a{100}){100}")


def test_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its states are bounded as they are made."""
    monkeypatch.setattr(automaton, "MAX_STATES", 10)
    with pytest.raises(TooLargeError):
        Automaton.of("[ab]{8}a[ab]*").matches("abababababaaab" * 4)
