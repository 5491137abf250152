"""Callers that are known: by what, and what each may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

from msgspec import Struct

Verb = Literal["decide", "read"]
"""What a caller may do: ask for decisions, or read policies and status."""

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)


class Caller(Struct, frozen=True, kw_only=True):
    """A caller that is known.

    Attributes:
        name: Of its token, or the subject of its certificate.
        verbs: What it may do.
        policies: Prefixes of the names of the policies that it may ask about; None for all policies.
    """

    name: str
    verbs: frozenset[str]
    policies: tuple[str, ...] | None = None


class Token(Struct, frozen=True):
    """A token; only its hash is known.

    Attributes:
        digest: The SHA-256 of the token, as hexadecimal digits in lower case.
        caller: Shows it.
    """

    digest: str
    caller: Caller


class Access(Struct, frozen=True):
    """Who may ask for what.

    Attributes:
        tokens: The tokens.
        certificates: Callers by the subject of their certificate (RFC 4514), as `cryptography` writes it.
    """

    tokens: tuple[Token, ...] = ()
    certificates: Mapping[str, Caller] = MappingProxyType({})

    def by_token(self, token: bytes) -> Caller | None:
        """Find the caller that has a token; None if nobody has.

        How long it takes depends on the number of tokens alone: all of them are compared, in constant time.
        """
        digest = hashlib.sha256(token).hexdigest()
        found = None
        for known in self.tokens:
            if hmac.compare_digest(known.digest, digest):
                found = known.caller
        return found

    def by_subject(self, subject: str) -> Caller | None:
        """Find the caller that has a certificate of this subject; None if nobody has."""
        return self.certificates.get(subject)
