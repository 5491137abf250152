"""Origin patterns as values: read once from the text of a document, and written back byte for byte.

To add a form of pattern, add its type to `OriginPattern`, a branch to `read_pattern` or, if it may stand among
alternatives, to `read_single`, and the answers to the two questions about dangers. Then teach `decision/_origins.py`,
which finds the rule for an origin, and `policy/_coverage.py`, which finds rules that can never decide, which origins it
covers; and, for tests, `tests/naive.py` and `testing/_patterns.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from msgspec import Struct

from cors_service.grammar._near_range import is_lettered
from cors_service.grammar._suggestion import suggestion
from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.alternatives import expand
from cors_service.grammar.bound import BoundHost
from cors_service.grammar.expression import REGEX, Expression, read_expression
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import FILE, is_common, is_insecure_origin
from cors_service.grammar.single import Single, read_single
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard

NULL: Final = "null"
"""The serialisation of every opaque origin."""

SET: Final = "@"
"""What stands before the name of a set, of origins or of headers."""
_SIZE_OF_AN_ORIGIN: Final = 10
"""Instructions of an expression that cost as much as an origin does."""
_LABELS_OF_AN_ORIGIN: Final = 2


class AnyOrigin(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`*`: every origin, `null` too."""

    text: ClassVar[str] = "*"
    is_insecure: ClassVar[bool] = False
    spans_registrants: ClassVar[bool] = False


class Alternatives(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`https://{en,de}.example.com`: several patterns.

    Attributes:
        text: As written.
        expanded: What it stands for, each once.
    """

    text: str
    expanded: tuple[Single, ...]

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for one of them."""
        return any(map(is_insecure, self.expanded))

    @property
    def spans_registrants(self) -> bool:
        """Whether sub-domains that one of them covers can belong to strangers."""
        return any(map(spans_registrants, self.expanded))


class SetName(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`@partners`: the patterns of an origin set."""

    name: str

    @property
    def text(self) -> str:
        """As written."""
        return f"{SET}{self.name}"


OriginPattern = str | Wildcard | Glob | AnyHost | AddressRange | BoundHost | Alternatives | Expression | AnyOrigin
"""A pattern that covers origins. An exact origin is its serialisation, since there may be a million; so is `null`."""
Pattern = OriginPattern | SetName
"""What a rule may list."""

ANY: Final = AnyOrigin()


def read_pattern(text: str, *, hints: bool = True) -> Pattern:
    """Read a pattern of a rule.

    Args:
        text: The pattern.
        hints: Whether anybody reads what was meant, which takes longer to find than what is wrong.

    Raises:
        PolicyError: It is not a pattern; the code says what is wrong, and the hint what to write.
    """
    if is_ordinary(text) or text == NULL:
        return text
    if text == ANY.text:
        return ANY
    if text[:1] == SET:
        return SetName(text[1:])
    try:
        if text.startswith(REGEX):
            return read_expression(text)
        if "{" in text or "}" in text:
            return _read_alternatives(text)
        return read_single(text)
    except PolicyError as error:
        hint = (hints and suggestion(text, error.code)) or error.hint
        raise PolicyError(error.code, error.message, hint=hint, value=text) from None


def is_ordinary(text: str) -> bool:
    """Say whether this is an exact origin about which there is nothing more to ask, as nearly all of a million are."""
    # What begins with a letter has no number to leave open.
    return is_common(text) and "xn--" not in text and (text[8] > "9" or not is_lettered(text[8:]))


def write_pattern(pattern: Pattern) -> str:
    """Write a pattern as it was read."""
    return pattern if isinstance(pattern, str) else pattern.text


def is_insecure(pattern: OriginPattern) -> bool:
    """Say whether anybody on the network can speak for an origin that the pattern covers."""
    return is_insecure_origin(pattern) if isinstance(pattern, str) else pattern.is_insecure


def spans_registrants(pattern: OriginPattern) -> bool:
    """Say whether the pattern covers domains that anybody can register."""
    return not isinstance(pattern, str) and pattern.spans_registrants


def covers_files(pattern: OriginPattern) -> bool:
    """Say whether the pattern lists the origin of files."""
    return pattern == FILE or (isinstance(pattern, Alternatives) and FILE in pattern.expanded)


def names_used(pattern: OriginPattern) -> set[str]:
    """The names of what `match` has to bind for the pattern to cover anything."""
    return {one.name for one in expanded([pattern]) if isinstance(one, BoundHost)}


def weight(pattern: Pattern) -> int:
    """Say how much a pattern costs, in origins: what it stands for, and not how it is written."""
    if isinstance(pattern, str):
        return 1
    if isinstance(pattern, Alternatives):
        return sum(map(weight, pattern.expanded))
    if isinstance(pattern, Expression):
        return 1 + pattern.size // _SIZE_OF_AN_ORIGIN
    if isinstance(pattern, Wildcard):
        return 1 + pattern.host.count(".") // _LABELS_OF_AN_ORIGIN
    return 2 if isinstance(pattern, Glob | AddressRange | BoundHost) else 1


def expanded(patterns: Iterable[OriginPattern]) -> Iterator[Single | Expression | AnyOrigin]:
    """The patterns, with alternatives written out."""
    for pattern in patterns:
        if isinstance(pattern, Alternatives):
            yield from pattern.expanded
        else:
            yield pattern


def _read_alternatives(text: str) -> Alternatives:
    texts = expand(text)
    try:
        return Alternatives(text, tuple(map(read_single, texts)))
    except PolicyError as error:
        # A hint that corrects one alternative would drop the others.
        hint = "" if error.hint.startswith("Write ") else error.hint
        raise PolicyError(error.code, error.message, hint=hint, value=text) from None
