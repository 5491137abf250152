"""The pattern parser: it refuses with a reason and good advice, and what it takes covers what the oracle says.

An input is a pattern, and in further lines origins that it may or may not cover.
"""

from __future__ import annotations

import re

from cors_service.decision._origins import MALFORMED, OriginIndex
from cors_service.grammar.mistakes import CODES
from cors_service.grammar.pattern import MAX_ALTERNATIVES, REGEX, expand_pattern, is_exact
from cors_service.policy import PolicyError
from cors_service.policy._rules import _pattern_problem
from tests import naive

_SUGGESTION = re.compile(r'Write "(.*)"\.', re.DOTALL)
_LOWEST_PORT = re.compile(r"(:[0-9]+)-[0-9]+$")


def check(data: bytes) -> None:
    """Read a pattern; then hold the error to its promises, or what was read against the oracle."""
    pattern, *origins = data.decode("utf-8", "replace").split("\n")
    error = _pattern_problem(pattern)
    if error is not None:
        _check_error(error, pattern)
        return
    if not pattern.startswith(REGEX):
        _check_alternatives(pattern)
    index = OriginIndex([([pattern], True)])
    for origin in [*origins, *near(pattern)]:
        found = index.find(origin)
        assert (found == 0) == naive.covers(pattern, origin)
        assert (found == MALFORMED) == (not naive.is_origin(origin))


def near(pattern: str) -> list[str]:
    """Origins that a valid pattern covers or almost covers."""
    simple = [] if pattern.startswith(REGEX) else expand_pattern(pattern)[:4]
    covered = [
        _LOWEST_PORT.sub(r"\1", one.replace("*.", "a.b.", 1).replace("?.", "a.", 1).replace(":*", ":8080"))
        for one in simple
    ]
    return ["null", *covered, *(f"{origin}.evil.example" for origin in covered)]


def suggested(error: PolicyError) -> str | None:
    """What an error says to write, if it says that."""
    found = _SUGGESTION.search(error.hint)
    return found and found[1]


def _check_error(error: PolicyError, pattern: str) -> None:
    """An error has a known code and forges no line of a log, and what it says to write is not refused in turn."""
    assert error.code in CODES
    assert error.value == pattern
    assert str(error).isprintable()
    suggestion = suggested(error)
    if suggestion is not None:
        assert suggestion != pattern
        assert _pattern_problem(suggestion) is None, suggestion


def _check_alternatives(pattern: str) -> None:
    """Alternatives are written out as the oracle does it, each once, and they are not too many."""
    alternatives = expand_pattern(pattern)
    assert 1 <= len(alternatives) <= MAX_ALTERNATIVES
    assert alternatives == list(dict.fromkeys(naive.expansions(pattern)))
    if is_exact(pattern):
        assert alternatives == [pattern]
        assert naive.is_origin(pattern)
