"""Puts the headers of a decision on an answer, in the place of the application's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

Lines = Sequence[tuple[str, str]]
"""Header lines: names and values."""

_CORS: Final = "access-control-"


def decorate(lines: Iterable[tuple[str, str]], decided: Lines) -> list[tuple[str, str]]:
    """Put the headers of a decision on an answer.

    Every `Access-Control-*` header of the application is removed, whatever was decided: one place decides about them.
    Others are replaced if the decision has them. `Vary` stays, and gets what the decision depends on
    (RFC 9110, 12.5.5), on one line.

    Args:
        lines: The header lines of the application's answer.
        decided: Those of the decision.

    Returns:
        The lines to send.
    """
    replaced = {name.lower() for name, _ in decided} - {"vary"}
    kept = [line for line in lines if not (key := line[0].lower()).startswith(_CORS) and key not in replaced]
    together = [*kept, *decided]
    vary = _merged(value for name, value in together if name.lower() == "vary")
    others = [line for line in together if line[0].lower() != "vary"]
    return [*others, ("Vary", vary)] if vary else others


def _merged(values: Iterable[str]) -> str:
    members: dict[str, str] = {}
    for value in values:
        for member in value.split(","):
            if name := member.strip():
                members.setdefault(name.lower(), name)
    return "*" if "*" in members else ", ".join(members.values())
