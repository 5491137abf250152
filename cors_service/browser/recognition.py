"""Recognises what people paste from a console: which engine printed it, about which step, with which facts.

What is pasted is rarely the sentence alone, or all of it: a file and a line stand before it, quotes around it, a
terminal has broken it into lines, a shell has eaten its quotes, a tracker has cut it off. So a text is searched for the
words of each sentence of the table; blanks, quotes and punctuation count little, and the beginning or the end of a
sentence is enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cors_service.browser.browsers import ENGINES, Behaviour
from cors_service.browser.sentences import (
    AFTER,
    ASKED,
    BEFORE,
    LOADING,
    OLDER,
    REDIRECTED,
    REDIRECTING,
    SENTENCES,
    Sentence,
)
from cors_service.browser.verdict import Step

MAX_TEXT: Final = 4_096
"""How many characters are looked at; a console prints less."""

_ENOUGH: Final = 14
"""How many characters of a sentence's beginning must be there if the rest is cut off."""
_ENOUGH_ELSE: Final = 18
"""The same for its end, and for what nothing surrounds: these are more like other texts."""

_SAME: Final = str.maketrans(dict.fromkeys('‘’‚‛“”„«»`´"', "'") | dict.fromkeys("\u200b\ufeff\\"))
"""Quotes of all kinds, and what copying adds."""

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_NAME: Final = r"[A-Z0-9_]{0,64}(?:\.[A-Z0-9_]{1,64})?"
"""The rest of the name of one of Chromium's errors."""


def _blocked_by(who: str) -> str:
    """An expression for the name of an error that says who blocked it; one that is cut off may be anybody's."""
    return rf"(?P<value>ERR_BLOCKED_BY(?:_?\b|_{who}{_NAME}))"


_LEFT_OPEN: Final = {
    "api": r"(?P<api>Fetch API|[A-Za-z]{1,32})",
    "what": r"(?P<api>[A-Za-z]{1,32}(?: [A-Za-z]{1,32}){0,2})",
    "blocked_by_network": _blocked_by("(?:LOCAL|PRIVATE)_NETWORK_"),
    "blocked_by_orb": _blocked_by("ORB"),
    "blocked_by_response": _blocked_by("RESPONSE"),
    "blocked_otherwise": _blocked_by("(?!(?:LOCAL|PRIVATE)_NETWORK_|ORB|RESPONSE)"),
    "directive": r"(?P<value>.{0,256}?)(?='?\.(?: |$)|$)",
    "error": rf"(?P<value>ERR_(?!TOO_MANY_|BLOCKED_BY){_NAME})",
    "fallback": r"(?: Note that .{0,128}? is used as a fallback\.?)?",
    "origin": r"(?P<origin>\S{1,512}?)",
    "by_xhr": r"(?: The credentials mode of requests initiated by the XMLHttpRequest .{0,64}attribute\.?)?",
    "host": r"\S{1,256}?",
    "kind": r"[A-Za-z]{1,32}(?: [A-Za-z]{1,32}){0,4}",
    "loading": rf"(?:{LOADING})?",
    "leads_to": r"\S{1,2048}?",
    "page": r"(?P<origin>[a-z]{1,16}://[^/\s']{1,256})\S{0,2048}?",
    "redirected": r"(?: \(redirected from \S{1,2048}?\))?",
    "redirected_from": r"(?P<redirected_from>\S{1,2048}?)",
    "schemes": r".{0,256}?isolated-app",
    "sent_origin": r"(?P<origin>\S{1,512}?)",
    "status": r"(?P<status>[0-9]{3}|\(null\))",
    "too_many_redirects": r"ERR_TOO_MANY_\w{1,32}",
    "url": r"'?(?P<url>\S{1,2048}?)'?",
    "value": r"(?P<value>.{0,256}?)",
    "with_credentials": r"\S{1,2048}?",
}

_SURROUNDINGS: Final = (
    *(Sentence(engine, text) for engine in ENGINES for text in (BEFORE[engine], AFTER[engine]) if text),
    Sentence(Behaviour.CHROMIUM, ASKED, preflight=True),
    Sentence(Behaviour.CHROMIUM, REDIRECTED.strip()),
    Sentence(Behaviour.CHROMIUM, LOADING.strip()),
    Sentence(Behaviour.WEBKIT, REDIRECTING),
    Sentence(Behaviour.CHROMIUM, "TypeError: Failed to fetch"),
    Sentence(Behaviour.FIREFOX, "NetworkError when attempting to fetch resource."),
    Sentence(Behaviour.WEBKIT, "TypeError: Load failed"),
)
"""What surrounds sentences, or comes with them, and does not say why."""

_OF_PREFLIGHTS: Final = frozenset(
    {
        Step.PREFLIGHT_STATUS,
        Step.PREFLIGHT_REDIRECT,
        Step.ACAM_MALFORMED,
        Step.ACAH_MALFORMED,
        Step.METHOD_NOT_IN_ACAM,
        Step.AUTHORIZATION_NOT_IN_ACAH,
        Step.HEADER_NOT_IN_ACAH,
    }
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text says that was pasted from a console. A fact that it does not name is None.

    Attributes:
        engine: Who printed it.
        steps: The steps that it may be about, the usual one first; none if it does not say why.
        preflight: Whether it is about the answer to a preflight.
        url: The URL that was asked; of a redirected request, the last one.
        origin: The serialised origin of the page.
        value: What the step objects to.
        status: The status of the answer that failed.
        redirected_from: The first URL of a redirected request.
        api: What the page asked with, as the engine calls it.
    """

    engine: Behaviour
    steps: tuple[Step, ...]
    preflight: bool | None = None
    url: str | None = None
    origin: str | None = None
    value: str | None = None
    status: int | None = None
    redirected_from: str | None = None
    api: str | None = None


def recognise(text: str) -> Recognised | None:
    """Recognise a sentence that a console printed.

    Args:
        text: What somebody pasted; of several sentences, the first one that says why counts.

    Returns:
        What it says; None if no engine prints anything like it.
    """
    pasted = " ".join(text[:MAX_TEXT].translate(_SAME).split())
    found_all = list(_search(pasted))
    vague = [found for found in found_all if not found.says_why]
    # What begins like a sentence may be another one that does not say why.
    found_all = [found for found in found_all if not any(other.whole and found.lies_in(other) for other in vague)]
    if not found_all:
        return None
    around = {found.sentence.engine for found in vague}
    first, *others = sorted(found_all, key=lambda found: found.rank(around))
    own = [first, *(found for found in others if found.sentence.engine is first.sentence.engine)]
    # A sentence that is cut off early may be the beginning of several.
    alike = [found for found in own if found.rank(around) == first.rank(around)]
    steps = tuple(dict.fromkeys(step for found in alike if found.says_why for step in found.sentence.steps))
    return Recognised(first.sentence.engine, steps, _preflight(own, steps), **_facts(own, alike))


def _facts(own: list[_Found], alike: list[_Found]) -> dict[str, Any]:
    """The facts that sentences name, those of the first ones first; what a step objects to, only for that step."""
    facts: dict[str, Any] = {}
    for found in own:
        facts = {**found.facts, **facts}
    facts.pop("value", None)
    for found in alike:
        facts |= {name: fact for name, fact in found.facts.items() if name == "value" and "value" not in facts}
    status = facts.pop("status", "")
    return {**facts, "status": int(status)} if status.isdigit() else facts


def _preflight(own: list[_Found], steps: tuple[Step, ...]) -> bool | None:
    """Whether it is about a preflight; Chromium says so if it is, and the others do not say it of all."""
    if any(found.sentence.preflight for found in own if found.whole or found is own[0]) or (
        steps and _OF_PREFLIGHTS.issuperset(steps)
    ):
        return True
    whole = {found.sentence.text for found in own if found.whole}
    return False if BEFORE[Behaviour.CHROMIUM] in whole and steps else None


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a sentence was found.

    Attributes:
        sentence: The sentence.
        start: Where it begins.
        end: Where it ends.
        length: How many of its own characters are there.
        whole: Whether all of it is there.
        facts: What it leaves open.
    """

    sentence: Sentence
    start: int
    end: int
    length: int
    whole: bool
    facts: Mapping[str, str]

    @property
    def says_why(self) -> bool:
        """Whether it names a step; ERR_FAILED is what Chromium says of all that it blocks."""
        return bool(self.sentence.steps) and self.facts.get("value") != "ERR_FAILED"

    def lies_in(self, other: _Found) -> bool:
        """Whether it is a part of another one, and not all of it is there."""
        return not self.whole and other.start <= self.start and self.end <= other.end

    def rank(self, around: Collection[Behaviour] = ()) -> tuple[bool, bool, bool, int, int]:
        """What says why comes first, then what is whole, then what was printed first, or what is longest.

        Args:
            around: Engines of which there is something around it.
        """
        place = (self.start, -self.length) if self.whole else (-self.length, self.start)
        strange = bool(around) and self.sentence.engine not in around
        return (not self.says_why, strange, not self.whole, *place)


def _search(pasted: str) -> Iterator[_Found]:
    for sentence in (*SENTENCES, *OLDER, *_SURROUNDINGS):
        words = tuple(sentence.text.translate(_SAME).split())
        found = [_part(sentence, words, pasted, from_end=from_end) for from_end in (False, True)]
        yield from sorted(filter(None, found), key=_Found.rank)[:1]


def _part(sentence: Sentence, words: tuple[str, ...], pasted: str, *, from_end: bool) -> _Found | None:
    """Find as many words as there are of a sentence, from its beginning or from its end."""
    best = None
    enough = _ENOUGH_ELSE if from_end or sentence.alone else _ENOUGH
    # A word alone, such as the name of a header, is also in what others say in other languages.
    for count in range(min(2, len(words)), len(words) + 1):
        part = words[-count:] if from_end else words[:count]
        length = sum(len(_PLACEHOLDER.sub("", word)) for word in part)
        whole = count == len(words)
        if not whole and (length < enough or _PLACEHOLDER.search(part[0])):
            continue
        match = _pattern(part).search(pasted)
        if match is None:
            break
        # What stands where the sentence is cut off may be cut off, too.
        ends = {match.start(), len(pasted) - 1, len(pasted)} if not whole else set()
        facts = {name: fact for name, fact in match.groupdict().items() if ends.isdisjoint(match.span(name))}
        best = _Found(sentence, match.start(), match.end(), length, whole, facts)
    return best


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """An expression for words, which leaves quotes and the punctuation at the ends of words out of account."""
    pattern = " ".join(map(_word, words))
    end = r"(?=[.']{0,2}(?: |$))" if _PLACEHOLDER.search(words[-1]) else r"(?!\w)"
    if words[-1].rstrip("'").endswith("{value}"):
        end = r"(?= [A-Za-z]{1,32}(?: API)? cannot load |$)"
    return re.compile(r"(?<!\w)" + pattern + end, re.IGNORECASE)


def _word(word: str) -> str:
    parts = _PLACEHOLDER.split(word)
    # A value may contain blanks and brackets, so what comes after it has to be there.
    literals = [re.escape(part).replace("'", "'?") for part in parts[::2]]
    names = parts[1::2]
    literals[0] = literals[0].replace(r"\(", r"\(?")
    if "value" not in names:
        literals[-1] = literals[-1].replace(r"\)", r"\)?")
    literals[-1] = re.sub(r"(\\\.|:|,)$", r"\1?", literals[-1])
    opened = [_LEFT_OPEN[name] for name in names]
    return "".join(part for pair in zip(literals, [*opened, ""], strict=True) for part in pair)
