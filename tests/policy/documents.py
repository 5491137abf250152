"""Short ways to write policy documents, and to read what is wrong with them."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from cors_service.grammar.mistakes import CODES
from cors_service.grammar.pattern import OriginPattern, SetName, read_pattern
from cors_service.policy import InvalidPolicies, PolicyError, Source, read_document, read_sources


def toml(text: str, name: str | None = "cors.toml") -> Source:
    """A TOML document."""
    return Source(name, "toml", text)


def json_text(text: str, name: str | None = "cors.json") -> Source:
    """A JSON document."""
    return Source(name, "json", text)


def policy(**keys: Any) -> dict[str, Any]:
    """A document with the one policy `a`."""
    return {"version": 1, "policies": {"a": keys}}


def rule(*origins: str, **keys: Any) -> dict[str, Any]:
    """A document with the one policy `a`, which has the one rule given, written flat."""
    return policy(origins=list(origins), **keys)


def origin_patterns(texts: Iterable[str]) -> list[OriginPattern]:
    """Patterns as values; none of them is a set."""
    patterns = [read_pattern(text) for text in texts]
    return [pattern for pattern in patterns if not isinstance(pattern, SetName)]


def mistakes_of(*sources: Source) -> list[PolicyError]:
    """What is wrong with some texts; nothing, where they are valid."""
    return _mistakes(lambda: read_sources(sources))


def mistakes_in(document: Any) -> list[PolicyError]:
    """What is wrong with a structure; nothing, where it is valid."""
    return _mistakes(lambda: read_document(document))


def codes_of(*sources: Source) -> list[str]:
    """The reason codes of what is wrong with some texts."""
    return [mistake.code for mistake in mistakes_of(*sources)]


def codes_in(document: Any) -> list[str]:
    """The reason codes of what is wrong with a structure."""
    return [mistake.code for mistake in mistakes_in(document)]


def suggested(mistake: PolicyError) -> str | None:
    """What the hint of a mistake says to write, where it says so; the first of several."""
    return next(iter(all_suggested(mistake)), None)


def all_suggested(mistake: PolicyError) -> list[str]:
    """Everything that the hint of a mistake says to write, in quotes of either kind."""
    if expression := re.search(r"Write '([^']*)'", mistake.hint):
        return [expression[1]]
    _, found, rest = mistake.hint.partition('Write "')
    return rest.rpartition('"')[0].split('", "') if found else []


def is_fine(mistake: PolicyError) -> bool:
    """Whether a mistake has a closed code, is a short line that forges no other, and can be written as JSON."""
    json.dumps(mistake.as_dict(), allow_nan=False)
    text = f"{mistake.message}{mistake.hint}"
    return mistake.code in CODES and text.isprintable() and len(text) < 1000 and str(mistake).isprintable()


def _mistakes(read: Callable[[], object]) -> list[PolicyError]:
    try:
        read()
    except InvalidPolicies as invalid:
        return list(invalid.mistakes)
    return []
