"""What the author of a refused pattern probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cors_service.grammar._correction import corrected
from cors_service.grammar._near_expression import as_expression, with_stars
from cors_service.grammar._near_range import near_range
from cors_service.grammar.addresses import is_range
from cors_service.grammar.alternatives import expand
from cors_service.grammar.expression import REGEX
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import FILE
from cors_service.grammar.single import read_single

# Nobody reads a longer one.
_LONGEST: Final = 700
# How people write everything.
_ANYTHING: Final = re.compile(r"<all_urls>|\*\*+|\*\.\*|\*:\*|\*/\*?|all|any", re.IGNORECASE)
# What stands between origins for those who write several in one string.
_BETWEEN: Final = re.compile(r"[,;|\s]+")
_LISTING: Final = re.compile(r"[,;|]")
# A wildcard in a scheme, and what it stands for.
_FOR_BOTH: Final = {
    **dict.fromkeys(("*", "http*", "http?", "https?"), "http,https"),
    **dict.fromkeys(("ws*", "ws?", "wss?"), "ws,wss"),
}
# Where other routers write a name of one label.
_PLACEHOLDER: Final = re.compile(
    r"(?:(?<=://)|(?<=\.)|\A)(?:\$?\{NAME\}|\{\{NAME\}\}|\[NAME\]|:NAME)(?=\.)".replace("NAME", "([a-z][a-z0-9_-]{2,})")
)
_BOUND: Final = re.compile("<[^>]+>")
# What no origin will do for.
_REFUSE: Final = "Write a rule before all others, with this origin and refuse = true."
_OTHERWISE: Final = tuple(
    (re.compile(sign, re.IGNORECASE), hint)
    for sign, hint in (
        (r"[\"']?(?:self|same-?origin)[\"']?", "Remove it: the pages of the service's own origin need no rule."),
        (
            r"(?:https?://)?(?:\$\{?\w+\}?|%\w+%|\{\{[^{}]*\}\}|(?:process|import\.meta)\.env\.\w+)",
            "Write the origin itself: documents have no variables.",
        ),
        (r"(?:!|-|not\s+)\s*(?:https?://)?[a-z0-9*?].*", _REFUSE),
    )
)
# Slips of the pen, and what mends them.
_REPAIRS: Final = tuple(
    (re.compile(slip, re.IGNORECASE), mended)
    for slip, mended in (
        # what was around it in a list, a shell or another language
        (r"\A[\s\"'`\[,;]+(?=[a-z*])|(?<=[\w*/.])[\s\"'`\],;]+\Z", ""),
        # `https:/`, `https//`, two schemes
        (r"\A(https?|wss?)(?!://)[:;]?[/\\]{1,3}(?=[a-z0-9*\[])", r"\1://"),
        (r"\A(?:[a-z]+://)+(?=https?://)", ""),
        # more than one star, or none, or no dot, where `*.` was meant
        (r"\A([a-z][a-z0-9+.-]*://|)(?:(?:\*+\.){2,}|\*{2,}\.|\.+|\*+(?=[a-z0-9]))", r"\1*."),
        # a star for a path or a port
        (r"(\.[a-z]+)\*+\Z", r"\1"),
        # a question mark within a label
        (r"(?<=[a-z0-9-])\?(?=[a-z0-9-]*\.)", "*"),
        # several ports, in brackets as Spring has them
        (r":\[?([0-9]+(?:,\s*[0-9]+)+)\]?\Z", r":{\1}"),
        (r":\[(\*|[0-9]+-[0-9]+)\]\Z", r":\1"),
        # a scheme alone, as a Content Security Policy has it
        (r"\A(https?|wss?):?\Z", r"\1://*"),
        # any extension, any application
        (r"\A(?!(?:https?|wss?|ftp|file):)([a-z][a-z0-9+.-]*)(?:://|(?<=-extension):)/?\*?/?\Z", r"\1://*"),
        # an IPv6 address without brackets
        (r"\A((?:https?|wss?)://|)([0-9a-f]*:[0-9a-f]*:[0-9a-f:]*)\Z", r"\1[\2]"),
    )
)
# What is no host, though it could be one.
_NOBODY: Final = frozenset({"null", "none", "undefined", "self", "true", "false", "file"})


def suggestion(text: str, code: str) -> str:
    """Say what the author probably meant, or nothing: a suggestion must itself be right.

    Args:
        text: The pattern.
        code: Of its mistake.
    """
    if len(text) > _LONGEST:
        return ""
    for sign, hint in _OTHERWISE:
        if sign.fullmatch(text):
            return hint
    if origins := _several(text):
        return f"Write {origins}."
    scheme, _, authority = text.partition("://")
    candidate = _for_both_schemes(scheme.lower(), authority)
    if not _is_right(candidate):
        if expression := as_expression(text):
            return f"Write '{expression}'."
        candidate = next((one for one in _candidates(text) if one != text and _is_right(one)), "")
    if candidate:
        binding = f", where match binds {found[0]}" if (found := _BOUND.search(candidate)) else ""
        return f'Write "{candidate}"{binding}.'
    expression = with_stars(text) if code == "wildcard-misplaced" else ""
    return expression and f"Write '{expression}'."


def _candidates(text: str) -> Iterator[str]:
    if _ANYTHING.fullmatch(text):
        yield "*"
    if text.lower().startswith("file:"):
        yield FILE
    yield near_range(text)
    named = _PLACEHOLDER.sub(lambda found: f"<{found[found.lastindex or 0]}>", text, count=1)
    if named != text:
        yield corrected(named)
    # A hint that corrects one alternative would drop the others, and an address is not a range.
    if "{" in text or "}" in text or is_range(text) or text.lower().strip("\"'") in _NOBODY:
        return
    for slip, mended in _REPAIRS:
        if slip.search(text):
            yield corrected(slip.sub(mended, text))
    yield corrected(text)


def _several(text: str) -> str:
    """Each of several origins in one string, corrected."""
    written = list(filter(None, _BETWEEN.split(text)))
    if len(written) < 2 or not all("." in one or ":" in one for one in written) or "{" in text or "}" in text:
        return ""
    # A blank within a name parts it: the rest is no origin of its author.
    if len({"://" in one for one in written}) > 1 and not _LISTING.search(text):
        return ""
    origins = [one if _is_right(one) else corrected(one) for one in written]
    return ", ".join(f'"{one}"' for one in origins) if all(map(_is_right, origins)) else ""


def _for_both_schemes(scheme: str, authority: str) -> str:
    schemes = _FOR_BOTH.get(scheme)
    if schemes is None:
        return ""
    rests = {corrected(f"{one}://{authority}").partition("://")[2] for one in schemes.split(",")}
    # A default port belongs to one scheme only.
    return f"{{{schemes}}}://{rests.pop()}" if len(rests) == 1 else ""


def _is_right(text: str) -> bool:
    if text.startswith(REGEX):
        return False  # it is an expression, even where it could be an origin of that scheme
    try:
        for one in expand(text):
            if one != "*":
                read_single(one)
    except PolicyError:
        return False
    return True
