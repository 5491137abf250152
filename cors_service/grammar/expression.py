"""Regular expressions as origin patterns: `re:...`, matched by RE2 in linear time, against the whole origin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from cors_service.grammar._emptiness import idle
from cors_service.grammar._ending import may_be_strangers
from cors_service.grammar._strangers import search
from cors_service.grammar.mistakes import PolicyError, shown
from cors_service.grammar.origin import is_cleartext
from cors_service.grammar.syntax import beginning_of

REGEX: Final = "re:"
MAX_EXPRESSION: Final = 1000
"""Characters of an expression."""
MAX_SIZE: Final = 2000
"""Instructions that RE2 may make of an expression: `[a-z]{1,63}` takes 200."""

# RE2 does not go on beyond a multiple of what is allowed.
_MEMORY: Final = 1 << 17

# A cleartext scheme in an expression, unless a loopback host follows.
_CLEARTEXT: Final = re.compile(r"(?<![a-z])(?:http|ws|ftp)(?:s\?)?(?:[|)]|://(?!localhost\b|127\\?\.|\\\[::1))")
# A host that no author of a pattern had in mind.
_STRANGER: Final = "http://cqzjxkwvpy.com"
# A dot that is neither escaped nor repeated: most were meant as dots.
_DOT: Final = re.compile(r"((?:^|[^\\])(?:\\\\)*)\.(?![*+?{])")


class Expression(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """A regular expression that RE2 can compile.

    Attributes:
        text: As written, with its `re:`.
        is_insecure: Whether it is written for cleartext origins, or covers a stranger's.
        size: The instructions that RE2 makes of it.
    """

    text: str
    is_insecure: bool
    size: int = 1

    @property
    def spans_registrants(self) -> bool:
        """Whether it is not proven to cover hosts of written-out domains alone."""
        expression = self.text.removeprefix(REGEX)
        # The first proof is quicker, and tells more of hosts that are not names.
        return may_be_strangers(expression) and not search(expression).is_safe

    @property
    def may_be_cleartext(self) -> bool:
        """Whether it may match cleartext origins: it does not begin with another scheme, written out."""
        scheme, colon, _ = beginning_of(self.text.removeprefix(REGEX)).partition(":")
        return not colon or is_cleartext(scheme, "")

    @property
    def stranger(self) -> str:
        """An origin that it covers, of a domain that anybody can register; nothing if none is known."""
        return search(self.text.removeprefix(REGEX)).witness

    @property
    def with_escaped_dots(self) -> str:
        """The same with each dot that may have been meant as one escaped, if that makes it safe; otherwise nothing."""
        text = _DOT.sub(r"\1\.", self.text)
        return text if text != self.text and not may_be_strangers(text.removeprefix(REGEX)) else ""


def read_expression(text: str) -> Expression:
    """Read `re:...`.

    Raises:
        PolicyError: RE2 is not installed, or can't compile the expression, or it covers no origin, or is too large.
    """
    if len(text) > MAX_EXPRESSION:
        raise _too_large(text, f"has more than {MAX_EXPRESSION} characters")
    size = _size_of(text)
    if size > MAX_SIZE:
        raise _too_large(text, f"makes an automaton of more than {MAX_SIZE} instructions")
    covers = automaton_of([text]).Match
    _refuse_idle(text)
    is_insecure = _CLEARTEXT.search(text) is not None or bool(covers(_STRANGER))
    return Expression(text, is_insecure, size)


def _refuse_idle(text: str) -> None:
    """Refuse what covers no origin, or has an alternative that never does: it was meant for some.

    Raises:
        PolicyError: It has.
    """
    is_all, alternatives = idle(text.removeprefix(REGEX))
    if is_all:
        message = f"{shown(text)} covers no origin: an expression must match a whole origin, from the scheme on."
        hint = r"Let it begin as 're:https://[a-z0-9-]+\.example\.com' does, and end without a slash."
    elif alternatives:
        message = f"The alternative {shown(alternatives[0])} of {shown(text)} covers no origin."
        hint = "An origin has a lower-case host and ends without a slash. Correct the alternative, or take it out."
    else:
        return
    raise PolicyError("regex-covers-nothing", message, hint=hint, value=text)


def _size_of(text: str) -> int:
    """Count the instructions of an expression, up to some more than are allowed."""
    re2 = _re2(text)
    try:
        size: int = re2.compile(text.removeprefix(REGEX), _options(re2, _MEMORY)).programsize
    except re2.error as error:
        if b"too large" not in error.args[0]:
            raise _malformed(text) from None
        size = MAX_SIZE + 1
    return size


def automaton_of(texts: Sequence[str]) -> Any:
    """Compile several `re:...` into one automaton of RE2.

    Returns:
        An object with a method `Match`, which gives the positions of the expressions that cover a whole origin.

    Raises:
        PolicyError: RE2 is not installed, or can't compile them; it names the first that fails.
    """
    re2 = _re2(texts[0])
    automaton = re2.Set.FullMatchSet(_options(re2))
    text = texts[0]
    try:
        for text in texts:
            automaton.Add(text.removeprefix(REGEX))
        automaton.Compile()
    except re2.error:
        raise _malformed(text) from None
    return automaton


def _re2(text: str) -> Any:
    try:
        import re2
    except ImportError:
        raise PolicyError(
            "regex-unavailable",
            f"{shown(text)} needs RE2, which is not installed.",
            hint='Install it with: pip install "cors-service[regex]"',
            value=text,
        ) from None
    return re2


def _options(re2: Any, memory: int | None = None) -> Any:
    options = re2.Options()
    options.log_errors = False
    if memory is not None:
        options.max_mem = memory
    return options


def _malformed(text: str) -> PolicyError:
    # RE2's own message only repeats the whole expression.
    return PolicyError(
        "regex-malformed",
        f"{shown(text)} is not a regular expression that RE2 can compile.",
        hint="RE2 has neither look-around nor back-references: https://github.com/google/re2/wiki/Syntax",
        value=text,
    )


def _too_large(text: str, what: str) -> PolicyError:
    hint = "Repeat a class less often, or without a bound: `[a-z0-9-]+`; or write a wildcard, or list the origins."
    return PolicyError("regex-too-large", f"{shown(text)} {what}.", hint=hint, value=text)
