"""What a line of the decision log says of what came from outside: only what an allow-list knows.

A fault of masking drops the field, and never the line or the decision.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from typing import Final

from msgspec import UNSET, UnsetType

from cors_service.grammar.origin import read_origin
from cors_service.grammar.site import site_of
from cors_service.observe.lines import Maybe
from cors_service.observe.words import Form

_DAY: Final = 86_400
_KEY_BYTES: Final = 32
# Of 10^6 origins in a day, two have the same digest with a probability of less than 10^-7.
_DIGITS: Final = 16
# What is not an origin, as far as it looks like one: a path, a query or user information can be a secret. As browsers
# read it, user information goes up to the last @ before the path; where it could go further, there is no host.
_LIKE_AN_ORIGIN: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)(?:[^/?#\\\s]*@)?([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{0,5})?"
    r"(?=[/?#]|,?\s[^@]*\Z|\Z)"
)
# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")


class Masking:
    """Writes what came from outside in one form.

    Attributes:
        form: `full`; `site`, the scheme and the registered domain; or `hashed`, by a key that nobody knows and that
            changes each day.
    """

    def __init__(
        self,
        form: Form,
        clock: Callable[[], float],
        say: Callable[[str], object],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Make one.

        Args:
            form: See the attribute.
            clock: Gives the seconds since 1970.
            say: Takes a sentence about the first fault.
            random: Gives so many random bytes.
        """
        self.form = form
        self._clock = clock
        self._say = say
        self._random = random
        self._day = -1
        self._key = b""
        self._has_failed = False

    @property
    def named(self) -> str | UnsetType:
        """What a line says of the form; nothing if origins are written in full."""
        return UNSET if self.form == "full" else self.form

    def origin(self, text: str | None) -> Maybe:
        """Write an origin."""
        # `null` is the origin of many, and names nobody.
        if text is None or text == "null":
            return text
        try:
            return self._origin(text)
        except Exception as error:  # noqa: BLE001 - whatever it is, what can't be masked is not written
            self._failed(error)
            return UNSET

    def method(self, text: str) -> Maybe:
        """Write a method."""
        return text if _TOKEN.fullmatch(text) else UNSET

    def _origin(self, text: str) -> Maybe:
        match self.form:
            case "hashed":
                digest = hmac.new(self._todays_key(), text.encode("utf-8", "surrogatepass"), hashlib.sha256)
                return digest.hexdigest()[:_DIGITS]
            case "site":
                site = site_of(text)
                return UNSET if site is None else "://".join(site)
            case "full":
                return text if read_origin(text) is not None else _beginning(text)

    def _todays_key(self) -> bytes:
        day = int(self._clock() // _DAY)
        if day != self._day:
            self._day, self._key = day, self._random(_KEY_BYTES)
        return self._key

    def _failed(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            # Not the text of the error, which may hold what was to be masked.
            self._say(f"The decision log leaves out an origin that can't be masked ({type(error).__name__})")


def _beginning(text: str) -> Maybe:
    match = _LIKE_AN_ORIGIN.match(text)
    if match is None:
        return UNSET
    kept = "".join(match.groups(default=""))
    return kept if kept == text else f"{kept}…"
