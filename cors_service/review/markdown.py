"""What a change of policies lets through, as a comment on a pull request."""

from __future__ import annotations

import re
from typing import Final

from cors_service.algebra import Comparison, Difference
from cors_service.review.text import MEANINGS, counted
from cors_service.review.words import ANY_SERVICE, answer_in_words, changed_headers, curl_for, query_in_words

_SHOWN: Final = 50
"""Differences of a direction that are written out: a comment has room for 65,536 characters."""
_SIGNS: Final = {"wider": "\N{WARNING SIGN}", "narrower": "\N{LOCK}", "other": "\N{INFORMATION SOURCE}"}
# What has a meaning in Markdown, or in the HTML in it. A document may hold anything.
_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>()#+!|~&@$]")
_TICKS: Final = re.compile("`+")


def in_markdown(comparison: Comparison, old: str, new: str, service: str | None = None) -> str:
    """Write a comparison for a pull request.

    Args:
        comparison: What was found.
        old: What the first set was read from.
        new: What the second set was read from.
        service: The address of a service with either set; None if there is none.
    """
    parts = [f"## CORS policies: {_code(old)} to {_code(new)}"]
    if not comparison.differences and not comparison.unknown:
        return "\n\n".join([*parts, "Both decide alike about every request."]) + "\n"
    parts.append(f"**{counted(comparison)}.**")
    for direction, meaning in MEANINGS.items():
        found = [one for one in comparison.differences if one.direction == direction]
        if found:
            parts.append(f"### {_SIGNS[direction]} {direction.capitalize()}: {meaning}")
            parts += [_difference(one, service or ANY_SERVICE) for one in found[:_SHOWN]]
        if len(found) > _SHOWN:
            parts.append(f"... and {len(found) - _SHOWN} more: run `cors-service diff`.")
    if comparison.unknown:
        parts.append("### Unknown, which counts as wider")
        parts += [f"- **{_escaped(one.policy)}**: {_escaped(one.sentence)}" for one in comparison.unknown[:_SHOWN]]
    return "\n\n".join(parts) + "\n"


def _difference(one: Difference, service: str) -> str:
    return f"""\
<details><summary><b>{_escaped(one.policy)}</b>: {_escaped(one.sentence)}</summary>

- Request: {_escaped(query_in_words(one.witness))}
- Before: {_escaped(answer_in_words(one.before))}
- After: {_escaped(answer_in_words(one.after))}

{_fenced(_headers(one), "diff")}
{_fenced(curl_for(one.witness, service), "sh")}

</details>"""


def _escaped(text: str) -> str:
    """A text without a meaning in Markdown and HTML, on one line."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def _code(text: str) -> str:
    return f"<code>{_escaped(text)}</code>"


def _headers(one: Difference) -> str:
    return "\n".join(f"{sign} {header}" for sign, header in changed_headers(one.before, one.after))


def _fenced(text: str, language: str) -> str:
    if not text:
        return ""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in _TICKS.findall(text)), 0)
    return f"{fence}{language}\n{text}\n{fence}"
