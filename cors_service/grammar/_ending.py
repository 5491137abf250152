"""In which domains the origins that an expression covers can end, proven on the expression as RE2 reads it.

What is said of an expression holds of more texts than the expression matches, and never of fewer: a class of characters
stands for any text, and anchors for nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cors_service.grammar.origin import ends_in_number, is_loopback
from cors_service.grammar.registrants import has_strangers, is_registrable
from cors_service.grammar.syntax import DIGITS, Chars, Choice, Edge, Node, NotReadError, Sequence, parse

_MAX_ENDINGS: Final = 256
_MAX_LENGTH: Final = 512

# Stands for any number of digits, none included.
_NUMBER: Final = "\0"
_PORT: Final = re.compile(rf":[0-9{_NUMBER}]*\Z")
_HOST: Final = re.compile(r"[a-z0-9._-]+\Z")


class _Ending(NamedTuple):
    """How a text ends.

    Attributes:
        text: Its last characters; `_NUMBER` among them.
        is_whole: Whether these are all of it.
    """

    text: str
    is_whole: bool


_Endings = frozenset[_Ending]
_NOTHING: Final[_Endings] = frozenset({_Ending("", is_whole=True)})
_ANYTHING: Final[_Endings] = frozenset({_Ending("", is_whole=False)})


def may_be_strangers(expression: str) -> bool:
    """Say whether an expression may cover origins of domains that its author did not write.

    Args:
        expression: The expression, which RE2 can compile.

    Returns:
        False if each origin that it covers is proven to be of a host that is written out, or of a domain that is
        written out and that somebody has registered, on any port.
    """
    try:
        node = parse(expression)
    except NotReadError:
        return True
    return not all(map(_is_bound, _endings(node)))


def _is_bound(ending: _Ending) -> bool:
    """Say whether all origins that end so are of one domain that is written out."""
    _, separator, host = _PORT.sub("", ending.text).rpartition("://")
    _, number, rest = host.rpartition(_NUMBER)
    if not number and (separator or ending.is_whole):
        # A host that is written out, or no origin at all.
        return True
    # The first label may go on to the left.
    domain = rest.partition(".")[2].removesuffix(".")
    if not _HOST.match(domain) or ends_in_number(domain.encode()):
        return False
    return is_loopback(domain) or (is_registrable(domain) and not has_strangers(domain, any_depth=True))


def _endings(node: Node) -> _Endings:
    if isinstance(node, Edge):
        return _NOTHING
    if isinstance(node, Chars):
        return _endings_of(node.chars)
    if isinstance(node, Sequence):
        return _endings_of_sequence(node.parts)
    if isinstance(node, Choice):
        return _bounded(frozenset[_Ending]().union(*map(_endings, node.parts)))
    return _many(_endings(node.part), node.least, node.most)


def _endings_of(chars: frozenset[str]) -> _Endings:
    # Of the two cases of a letter, the one that hosts have is of interest.
    written = chars if len(chars) == 1 else {char.lower() for char in chars}
    if len(written) == 1:
        return frozenset(_Ending(char, is_whole=True) for char in written)
    # Of several characters each is written out, but nobody means `[a-z]` as a list of domains.
    return frozenset({_Ending(_NUMBER, is_whole=True)}) if chars and chars <= DIGITS else _ANYTHING


def _endings_of_sequence(parts: tuple[Node, ...]) -> _Endings:
    endings = _NOTHING
    for part in reversed(parts):
        if not any(ending.is_whole for ending in endings):
            break
        endings = _joined(_endings(part), endings)
    return endings


def _many(endings: _Endings, least: int, most: int | None) -> _Endings:
    """The endings of texts that follow each other, so many times."""
    if all(ending.is_whole and not ending.text.strip(_NUMBER) for ending in endings):
        return endings
    if most is None or most > 1:
        endings = frozenset(_Ending(ending.text, is_whole=False) for ending in endings)
    if most == 0:
        return _NOTHING
    return endings if least else endings | _NOTHING


def _joined(before: _Endings, behind: _Endings) -> _Endings:
    """The endings of texts that are made of two."""
    if len(before) * len(behind) > _MAX_ENDINGS:
        return frozenset(_Ending(text, is_whole=False) for text, _ in behind)
    joined: set[_Ending] = set()
    for ending in behind:
        if ending.is_whole:
            joined.update(_Ending(text + ending.text, is_whole) for text, is_whole in before)
        else:
            joined.add(ending)
    return _bounded(frozenset(joined))


def _bounded(endings: _Endings) -> _Endings:
    """Say less, and nothing wrong, where there is too much to say."""
    if len(endings) > _MAX_ENDINGS:
        return _ANYTHING
    return frozenset(_Ending(text[-_MAX_LENGTH:], is_whole and len(text) <= _MAX_LENGTH) for text, is_whole in endings)
