"""Origin patterns as values: read once from the text of a document, and written back byte for byte.

To add a form of pattern, add its type to `OriginPattern`, a branch to `read_pattern`, and the answers to the two
questions about dangers. Then teach `decision/_origins.py`, which finds the rule for an origin, and
`policy/_coverage.py`, which finds rules that can never decide, which origins it covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from msgspec import Struct

from cors_service.grammar._suggestion import suggestion
from cors_service.grammar.expression import REGEX, Expression, read_expression
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import is_common, is_insecure_origin, read_origin
from cors_service.grammar.wildcard import Wildcard, expand, is_host, read_wildcard

NULL: Final = "null"
"""The serialisation of every opaque origin."""

_SET: Final = "@"


class AnyOrigin(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`*`: every origin, `null` too."""

    text: ClassVar[str] = "*"
    is_insecure: ClassVar[bool] = False
    spans_registrants: ClassVar[bool] = False


class Alternatives(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """`https://{en,de}.example.com`: several origins or wildcards.

    Attributes:
        text: As written.
        expanded: What it stands for, each once.
    """

    text: str
    expanded: tuple[str | Wildcard, ...]

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
        return f"{_SET}{self.name}"


OriginPattern = str | Wildcard | Alternatives | Expression | AnyOrigin
"""A pattern that covers origins. An exact origin is its serialisation, since there may be a million; so is `null`."""
Pattern = OriginPattern | SetName
"""What a rule may list."""

ANY: Final = AnyOrigin()


def read_pattern(text: str) -> Pattern:
    """Read a pattern of a rule.

    Raises:
        PolicyError: It is not a pattern; the code says what is wrong, and the hint what to write.
    """
    if is_common(text) or text == NULL:
        return text
    if text == ANY.text:
        return ANY
    if text[:1] == _SET:
        return SetName(text[1:])
    if text.startswith(REGEX):
        return read_expression(text)
    if "{" in text or "}" in text:
        return _read_alternatives(text)
    return _read_single(text)


def write_pattern(pattern: Pattern) -> str:
    """Write a pattern as it was read."""
    return pattern if isinstance(pattern, str) else pattern.text


def is_insecure(pattern: OriginPattern) -> bool:
    """Say whether anybody on the network can speak for an origin that the pattern covers."""
    return is_insecure_origin(pattern) if isinstance(pattern, str) else pattern.is_insecure


def spans_registrants(pattern: OriginPattern) -> bool:
    """Say whether the pattern covers domains that anybody can register."""
    return not isinstance(pattern, str) and pattern.spans_registrants


def expanded(patterns: Iterable[OriginPattern]) -> Iterator[str | Wildcard | Expression | AnyOrigin]:
    """The patterns, with alternatives written out."""
    for pattern in patterns:
        if isinstance(pattern, Alternatives):
            yield from pattern.expanded
        else:
            yield pattern


def is_exact(text: str) -> bool:
    """Say whether this is one origin that a policy may list, as browsers serialise it.

    Policies allow fewer characters in hosts than browsers do: letters, digits, `.`, `-` and `_`. So a slip of the pen
    (`https://a.example,b.example`) is refused, and the characters of patterns stay free.
    """
    origin = read_origin(text)
    return (
        origin is not None
        and origin.scheme != "file"
        and (origin.host[0] == "[" or is_host(origin.host.encode("ascii")))
    )


def _read_single(text: str) -> str | Wildcard:
    if is_exact(text):
        return text
    try:
        return read_wildcard(text)
    except PolicyError as error:
        raise PolicyError(error.code, error.message, hint=error.hint or suggestion(text), value=text) from None


def _read_alternatives(text: str) -> Alternatives:
    texts = expand(text)
    try:
        return Alternatives(text, tuple(map(_read_single, texts)))
    except PolicyError as error:
        # A hint that corrects one alternative would drop the others.
        hint = "" if error.hint.startswith("Write ") else error.hint
        raise PolicyError(error.code, error.message, hint=hint, value=text) from None
