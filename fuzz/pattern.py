"""The pattern parser: it refuses with a reason and good advice, and what it takes covers what the oracle says.

An input is a pattern, and in further lines origins that it may or may not cover.
"""

from __future__ import annotations

import re

from cors_service.decision._origins import MALFORMED, OriginIndex
from cors_service.grammar.alternatives import MAX_ALTERNATIVES, expand
from cors_service.grammar.expression import REGEX
from cors_service.grammar.mistakes import CODES, PolicyError
from cors_service.grammar.pattern import SetName, read_pattern, write_pattern
from tests import naive

_SUGGESTIONS = re.compile(r"""Write (?:"(?P<patterns>.*)"|'(?P<expression>[^']*)')""", re.DOTALL)
# What stands for the wildcards of a pattern in an origin that it covers.
_FILLED = (
    (re.compile(r"(?<!/)/[0-9]+(?=:|$)"), ""),
    (re.compile(r":\*$"), ":8080"),
    (re.compile(r"(:[0-9]+)-[0-9]+$"), r"\1"),
    (re.compile(r"://\*\."), "://a.b."),
    (re.compile(r"://\?\."), "://a."),
    (re.compile(r"://\*(?=:|$)"), "://a.example"),
    (re.compile(r"\*"), "x"),
)


def check(data: bytes) -> None:
    """Read a pattern; then hold the error to its promises, or what was read against the oracle."""
    text, *origins = data.decode("utf-8", "replace").split("\n")
    try:
        pattern = read_pattern(text)
    except PolicyError as error:
        _check_error(error, text)
        return
    assert write_pattern(pattern) == text
    if isinstance(pattern, SetName):
        return
    if not text.startswith(REGEX):
        _check_alternatives(text)
    index = OriginIndex.of([([pattern], True)])
    for origin in [*origins, *near(text)]:
        found = index.find(origin)
        assert (found == 0) == naive.covers(text, origin)
        assert (found == MALFORMED) == (not naive.is_origin(origin))


def near(pattern: str) -> list[str]:
    """Origins that a valid pattern covers or almost covers."""
    simple = [] if pattern.startswith(REGEX) else expand(pattern)[:4]
    covered = [_filled(one) for one in simple]
    return ["null", *covered, *(f"{origin}.evil.example" for origin in covered)]


def _filled(pattern: str) -> str:
    for wildcard, instead in _FILLED:
        pattern = wildcard.sub(instead, pattern)
    return pattern


def suggested(error: PolicyError) -> list[str]:
    """Everything that an error says to write."""
    found = _SUGGESTIONS.search(error.hint)
    if found is None:
        return []
    return [found["expression"]] if found["patterns"] is None else found["patterns"].split('", "')


def _check_error(error: PolicyError, text: str) -> None:
    """An error has a known code and forges no line of a log, and what it says to write is not refused in turn."""
    assert error.code in CODES
    assert error.value == text
    assert str(error).isprintable()
    for suggestion in suggested(error):
        assert suggestion != text
        assert _is_pattern(suggestion), suggestion


def _is_pattern(text: str) -> bool:
    try:
        read_pattern(text)
    except PolicyError:
        return False
    return True


def _check_alternatives(text: str) -> None:
    """Alternatives are written out as the oracle does it, each once, and they are not too many."""
    alternatives = expand(text)
    assert 1 <= len(alternatives) <= MAX_ALTERNATIVES
    assert alternatives == list(dict.fromkeys(naive.expansions(text)))
    if read_pattern(text) == text and text != "null":
        assert alternatives == [text]
        assert naive.is_origin(text)
