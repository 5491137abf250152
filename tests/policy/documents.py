"""Short ways to write policy documents, and to read what is wrong with them."""

from collections.abc import Callable
from typing import Any

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


def _mistakes(read: Callable[[], object]) -> list[PolicyError]:
    try:
        read()
    except InvalidPolicies as invalid:
        return list(invalid.mistakes)
    return []
