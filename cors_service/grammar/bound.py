"""Origin patterns that use what `match` has bound of the host of the request: `https://<tenant>.app.example.com`."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from cors_service.grammar._frame import interval_of, read_frame
from cors_service.grammar._punycode import has_impossible_label
from cors_service.grammar.origin import DEFAULT_PORTS, ends_in_number, is_cleartext, is_loopback
from cors_service.grammar.registrants import has_strangers
from cors_service.grammar.wildcard import is_host

WHOLE: Final = "host"
"""The name of the whole host of a request; every other name is that of its first label."""

# Whole labels before and after it.
_HOST: Final = re.compile(r"((?:[^<>]+\.)?)<([a-z][a-z0-9_-]*)>((?:\.[^<>]+)?)")


class BoundHost(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """The origins of one scheme, and of a host that is known when a request has come, on one or several ports.

    Attributes:
        scheme: Lower-case.
        before: The labels before what is bound, with their last dot; or nothing.
        name: What `match` binds.
        behind: The labels after it, with their first dot; or nothing.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    scheme: str
    before: str
    name: str
    behind: str
    port: str

    @property
    def text(self) -> str:
        """The pattern as written."""
        return f"{self.scheme}://{self.before}<{self.name}>{self.behind}{':' if self.port else ''}{self.port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest effective port; the lowest is NO_PORT if origins without a port are covered."""
        return interval_of(self.scheme, self.port)

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for these origins (W3C Secure Contexts, 3.1)."""
        return is_cleartext(self.scheme, f"a{self.behind}")

    @property
    def spans_registrants(self) -> bool:
        """Whether the host can belong to strangers who have registered it (publicsuffix.org)."""
        domain = self.behind.removeprefix(".").removesuffix(".")
        return not is_loopback(domain) and has_strangers(domain, any_depth=self.name == WHOLE)


def is_bound(text: str) -> bool:
    """Say whether a pattern is written as one that uses what is bound."""
    return "<" in text or ">" in text


def read_bound(text: str) -> BoundHost:
    """Read `scheme://<name>`, with labels before and after it, and a port, a range of ports, `:*` or none.

    Raises:
        PolicyError: It is something else.
    """
    frame = read_frame(text)
    found = _HOST.fullmatch(frame.host)
    if found is None:
        hint = (
            'Such a name is that of a label, as in "https://<tenant>.app.example.com", or "<host>": "http://<host>:*".'
        )
        frame.refuse("binding-malformed", "does not have one name in angle brackets, as a whole label.", hint)
    before, name, behind = found.groups()
    # With a label in its place, the rest has to be a pattern, too.
    host = f"{before}x{behind}"
    if not is_host(host.encode()):
        what = "has a host that is not made of labels of letters, digits, - and _, joined by dots."
        frame.refuse("origin-malformed", what)
    if frame.scheme in DEFAULT_PORTS and (ends_in_number(host.encode()) or has_impossible_label(host)):
        frame.refuse("origin-malformed", "has a host that no browser sends, whatever is bound.")
    return BoundHost(frame.scheme, before, name, behind, frame.port)
