"""Expressions, taken apart and read from the end, match what RE2 says that they match."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar import automaton
from cors_service.grammar.automaton import Automaton, TooLargeError, UnreadableError
from cors_service.grammar.syntax import _CATEGORIES, _POSIX, CHARS
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
    *("[[:punct:]]", r"\pN", r"\P{Common}", r"\p{Any}", r"\D", r"\s", r"[^\S]", "k", "(?i:k)", "_"),
)
# Flags, what is empty, and what looks like a repetition.
_ODDITIES = (
    *("(?m)", "(?s)", "(?U)", "(?)", "(?i-i)", "(?-i)", "(?im-sU)", "(?-U)", r"\Q\E", r"\Q", r"\E", "()", "(?:)"),
    *("(?i:)", "(?P<n>)", "(|)", "{", "}", "{0}", "{01}", "{,2}", "{ 2}", "[]", "(?^)"),
)
_GROUPS = ("(", "(?:", "(?i:", "(?-i:", "(?s:", "(?P<n>", "(?<o>", "(?i-i:", "(?mU:")
_REPETITIONS = (
    *("*", "+", "?", "{2}", "{1,2}", "{0,}", "{0}", "*?", "+?", "{0,1}?", "{3}", "??", "{2,}?", "{00}", "{0,02}"),
    *("{40}", "{1001}", "{10000000000}", "{1,00000000001}"),
)
_TEXT = "abcABkx0.-:/_9Z!"
TEXTS = 20


def expression(random: Random, depth: int = 0) -> str:
    """Draw an expression; RE2 can compile most."""
    kind = random.randrange(12)
    if depth > 3 or kind < 4:
        return random.choice(_ODDITIES if kind == 0 else _ATOMS)
    first = expression(random, depth + 1)
    if kind < 6:
        return first + expression(random, depth + 1)
    if kind == 6:
        return f"{random.choice(_GROUPS)}{first})"
    if kind == 7:
        return f"{first}|{expression(random, depth + 1)}"
    if kind == 8:
        return first + random.choice(_ODDITIES) + random.choice(_REPETITIONS)
    if kind == 9:
        return first + random.choice(_REPETITIONS)
    return f"(?:{first}){random.choice(_REPETITIONS)}"


def text_for(random: Random, written: str) -> str:
    """Draw a text: of any characters, of those in an expression, or what is left of it without some."""
    kind = random.randrange(3)
    if kind == 0:
        return "".join(char for char in written if char in CHARS and random.randrange(3))
    return "".join(random.choice(_TEXT if kind == 1 else written) for _ in range(random.randrange(6)) if written)


def both(written: str) -> tuple[Any, Automaton] | None:
    """Read an expression as RE2 does and as this project does; None where one of the two can't."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(written, options), Automaton.of(written)
    except (re2.error, UnreadableError, TooLargeError):
        return None


def judge(seed: int) -> int:
    """Hold an expression against RE2, and give the number of texts that were tried."""
    random = Random(seed)
    written = expression(random)
    read = both(written)
    if read is None:
        return 0
    compiled, ours = read
    for _ in range(TEXTS):
        text = "".join(char for char in text_for(random, written) if char in CHARS)
        assert (compiled.fullmatch(text) is not None) == ours.matches(text), (seed, written, text)
    return TEXTS


@examples(5_000, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_as_re2(seed: int) -> None:
    """What is taken apart matches the same texts."""
    judge(seed)


_SOME = tuple(map(chr, range(0x20, 0x7F)))
_NEGATED = tuple((case, negated) for case in "pP" for negated in ("", "^"))
_CLASSES = (
    *(f"[:{negated}{name}:]" for negated in ("", "^") for name in _POSIX),
    *(
        rf"\{case}{{{negated}{name}}}"
        for case, negated in _NEGATED
        for name in ("Any", "Common", "Latin", *_CATEGORIES)
    ),
    *(rf"\{case}{name}" for case in "pP" for name in _CATEGORIES if len(name) == 1),
    *_SOME,
    *(rf"\{char}" for char in _SOME),
    *(rf"\x{code:02x}" for code in range(0x80)),
    *(rf"\x{{{code:x}}}" for code in (0, 0x41, 0x7A, 0xE9, 0x17F, 0x212A, 0x10FFFF)),
    *(f"\\{code:o}" for code in range(0, 0o1000, 3)),
    *(f"\\0{code:o}" for code in range(0, 0o100, 5)),
    *("a-z", "A-Z", "!-~", "A-z", r"\x00-k", "k-\u212a", "\u0100-\u0200", "+--", r"\--a", r"a-\-", r"\n-a", "--a"),
    *("[-a", "]-a", r"\d-z", "a-c-e", "[:a", "[.a.]", "[=a=]", "&&b", "\u017f", "é"),
)


@pytest.mark.parametrize("flags", ["", "(?i)", "(?i-i)"])
@pytest.mark.parametrize("place", ["{}", "[{}]", "[^{}]", "[^k{}.]"])
def test_classes(flags: str, place: str) -> None:
    """Each class and each escape, within brackets and without, stands for the same characters."""
    for written in (flags + place.replace("{}", members) for members in _CLASSES):
        if (read := both(written)) is not None:
            compiled, ours = read
            for text in ("", *CHARS, "k-", "[a]"):
                assert (compiled.fullmatch(text) is not None) == ours.matches(text), (written, text)


NOT_READ = {
    "a repetition behind a flag, which repeats what is before it": r"https://.*\.(?m){0}example\.com",
    "a repetition behind nothing that is quoted": r"https://.*\.\Q\E{0}example\.com",
    "a repetition of a repetition, behind a flag": "a*(?i)+",
    "a repetition behind flags, one after the other": "a(?m)(?s)?",
    "a number of repetitions that is text, because of its first digit": "a{01}",
    "a largest number that is text": "a{0,00}",
    "a number that is text, because it is so large": "(){10000000000}",
    "a script that has no character of an origin": r"\p{Greek}",
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
