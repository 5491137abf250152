"""Finds an origin of a stranger among those that an expression covers, or shows that there is none.

A host belongs to whoever has registered its domain: the name before a public suffix (https://publicsuffix.org). If an
expression leaves a character of that domain open, or how often something in it is repeated, a stranger can register
another domain that it covers. So each way through the automaton is followed from the end of an origin until its domain
is known; only ways on which something was left open go on, to the scheme.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final, NamedTuple

from cors_service.grammar.automaton import Automaton, TooLargeError, UnreadableError, Way
from cors_service.grammar.origin import DEFAULT_PORTS, read_origin
from cors_service.grammar.registrants import is_public_suffix, is_registrable, public_suffixes, registered
from cors_service.grammar.syntax import CHARS, DIGITS

_MOST_STATES: Final = 4_000
_MOST_AT_FIRST: Final = 1_000
# What registrars sell names of; the others are never a choice.
_IN_NAMES: Final = frozenset("abcdefghijklmnopqrstuvwxyz-") | DIGITS
# Of several characters, the first of these is taken.
_PREFERRED: Final = "xevilabcdfghjkmnopqrstuwyz0123456789"
_EVIL: Final = "evil"
# A repetition with several possible numbers.
_OPEN_NUMBER: Final = re.compile(r"\{[0-9]+,[0-9]*\}")
_KNOWN: Final = frozenset({"com", "org", "net", "io", "app"})


class _State(NamedTuple):
    """Where an origin was read to, from its end.

    Attributes:
        way: The way through the automaton.
        phase: `port`, `host`, `rest` once the domain is known and a stranger's, `scheme`.
        host: What was read of the host, as far as it matters to its domain; a dot, if the domain is known and that
            was read last; or of the scheme.
        is_open: Whether something of it was left open.
    """

    way: Way
    phase: str
    host: str
    is_open: bool


class Search(NamedTuple):
    """What a search has found.

    Attributes:
        witness: An origin of a stranger; nothing if none was found.
        is_safe: Whether there is none.
    """

    witness: str
    is_safe: bool


_NOT_KNOWN: Final = Search("", is_safe=False)


class _TooManyError(Exception):
    """There are more states than it is worth to look at."""


# An expression has at most 1,000 characters, so this takes a megabyte; policies use the same ones again and again.
@lru_cache(maxsize=1024)
def search(expression: str) -> Search:
    """Look for an origin of a stranger that an expression covers.

    Args:
        expression: The expression, which RE2 can compile.
    """
    try:
        automaton = Automaton.of(expression)
        # Most strangers are found under a suffix that everybody knows.
        found = _Searching(expression, automaton, _endings(_KNOWN)).run(_MOST_AT_FIRST)
        found = found or _Searching(expression, automaton, _endings(None)).run(_MOST_STATES) or _NOT_KNOWN
    except (UnreadableError, TooLargeError, _TooManyError):
        return _NOT_KNOWN
    # The automaton has each number of repetitions as a way of its own, as if all of them were written out.
    return _NOT_KNOWN if found.is_safe and _OPEN_NUMBER.search(expression) else found


class _Searching:
    def __init__(self, expression: str, automaton: Automaton, endings: frozenset[str]) -> None:
        self._expression = expression
        self._automaton = automaton
        self._endings = endings
        self._choices: dict[Way, list[tuple[str, bool, frozenset[Way]]]] = {}
        self._known_tries: dict[tuple[str, str, str], list[str]] = {}
        self._is_partial = endings is not _endings(None)
        # Whether there are ways of which this does not know whose they are: addresses, schemes without a network.
        self._is_unclear = False

    def run(self, most: int) -> Search | None:
        """Search; None if no origin of a stranger was found and there may be one."""
        first = [_State(way, phase, "", False) for way in self._automaton.ways() for phase in ("port", "host")]
        seen, waiting = set(first), deque((state, "") for state in first)
        while waiting:
            state, text = waiting.popleft()
            if state.phase == "scheme" and self._automaton.is_end(state.way) and (found := self._witness(text)):
                return Search(found, is_safe=False)
            for following, char in self._following(state):
                if following not in seen:
                    seen.add(following)
                    waiting.append((following, char + text))
            if len(seen) > most:
                raise _TooManyError
        return None if self._is_unclear or self._is_partial else Search("", is_safe=True)

    def _witness(self, text: str) -> str:
        """The origin, if it is one of a stranger; what was left open may spell out what it is about."""
        evil = text.replace("://x", f"://{_EVIL}", 1)
        secure = [f"https://{each.partition('://')[2]}" for each in (evil, text)]
        for candidate in (*secure, evil, text):
            origin = read_origin(candidate)
            if origin is None or not self._automaton.matches(candidate):
                continue
            host = origin.host.removesuffix(".")
            if origin.scheme in DEFAULT_PORTS and is_registrable(host) and not self._names(registered(host)):
                return candidate
        self._is_unclear = True
        return ""

    def _names(self, domain: str | None) -> bool:
        """Whether the expression has a domain written out, perhaps repeated: that is nobody's choice."""
        return domain is not None and any(domain.replace(".", dot) in self._expression for dot in (r"\.", "[.]"))

    def _following(self, state: _State) -> Iterator[tuple[_State, str]]:
        choices = self._choices.get(state.way)
        if choices is None:
            choices = self._choices[state.way] = [
                ("".join(some), is_looped or len(_IN_NAMES.intersection(some)) > 1, ways)
                for some, is_looped, ways in self._automaton.choices(state.way, CHARS)
            ]
        for some, is_open, ways in choices:
            for char in self._tried(some, state):
                after = self._after(state, char, is_open=is_open)
                if after is not None:
                    yield from ((after._replace(way=way), char) for way in ways)

    def _after(self, state: _State, char: str, *, is_open: bool) -> _State | None:
        """The state after a character; None if no origin goes on so, or none of a stranger."""
        if state.phase == "port":
            return state if char in DIGITS else state._replace(phase="host") if char == ":" else None
        if state.phase == "host":
            return self._in_host(state, char, is_open=is_open)
        if state.phase == "rest":
            if char in "./" and state.host == ".":
                return None  # no label is empty
            if char == "/":
                return state._replace(phase="//", host="")
            return state._replace(host=char if char == "." else "") if char in _IN_NAMES or char in "._" else None
        if state.phase in _BETWEEN:
            wanted, after = _BETWEEN[state.phase]
            return state._replace(phase=after) if char == wanted else None
        scheme = char + state.host
        if any(known.endswith(scheme) for known in DEFAULT_PORTS):
            return state._replace(host=scheme)
        self._is_unclear = self._is_unclear or char.isalnum()
        return None

    def _in_host(self, state: _State, char: str, *, is_open: bool) -> _State | None:
        host = state.host
        if char in _IN_NAMES:
            longer = char + host
            return state._replace(
                host=longer if longer in self._endings else _unknown(host), is_open=state.is_open or is_open
            )
        if char == "." and host == "":
            return state  # a trailing dot
        if char not in "./" or host[:1] in {"", "."}:
            self._is_unclear = self._is_unclear or char == "]"
            return None
        if "." not in host and host not in public_suffixes():
            # No registrar has this top-level domain: an address, or a name of a network of one's own.
            self._is_unclear = self._is_unclear or state.is_open or char == "."
            return None
        if is_public_suffix(host):
            self._is_unclear = self._is_unclear or (char == "/" and state.is_open)
            return state._replace(host=f".{host}") if char == "." else None
        if state.is_open and registered(host) == host:
            return state._replace(phase="rest", host=".") if char == "." else state._replace(phase="//", host="")
        # A domain that is written out can have public suffixes beneath, as amazonaws.com has.
        return state._replace(host=f".{host}") if char == "." and f".{host}" in self._endings else None

    def _tried(self, some: str, state: _State) -> list[str]:
        """The characters to go on with: all that a public suffix or a scheme goes on with, and one of the others."""
        if len(some) == 1:
            return [some]
        key = some, state.phase, state.host
        found = self._known_tries.get(key)
        if found is None:
            special = [char for char in some if char in "./:]"]
            if state.phase == "host":
                special += [char for char in some if char + state.host in self._endings]
            elif state.phase == "scheme":
                special += [char for char in some if any(known.endswith(char + state.host) for known in DEFAULT_PORTS)]
            others = [char for char in _PREFERRED if char in some and char not in special]
            others = others[:1] or [char for char in some if char not in special][:1]
            found = self._known_tries[key] = special + others
        return found


# What stands between host and scheme, and what follows.
_BETWEEN: Final = {"//": ("/", ":"), ":": (":", "scheme")}
_UNKNOWN: Final = "!"
"""Stands for a label that is no part of a public suffix, whatever is before it; no host has it."""


def _unknown(host: str) -> str:
    label, dot, rest = host.partition(".")
    return f"{_UNKNOWN}{dot}{rest}" if label or not host else f"{_UNKNOWN}{host}"


@cache
def _endings(suffixes: frozenset[str] | None) -> frozenset[str]:
    """All that some public suffixes end in, or all of them."""
    return frozenset(suffix[start:] for suffix in suffixes or public_suffixes() for start in range(len(suffix)))
