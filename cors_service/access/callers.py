"""Callers that are known: by what, and what each may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

from msgspec import Struct

Verb = Literal["decide", "read", "report", "propose", "approve", "write"]
"""What a caller may do: ask for decisions; read policies and status.

Where policies are administered, also: report what a replica has, propose changes, approve what others propose, and make
changes.
"""

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)


class Caller(Struct, frozen=True, kw_only=True):
    """A caller that is known.

    Attributes:
        name: Of its token or of the person, or the subject of its certificate.
        verbs: What it may do.
        policies: Prefixes of the names of the policies that it may ask about, or change; None for all policies.
        needs_second: Whether somebody else has to approve its changes where they let through what was not.
    """

    name: str
    verbs: frozenset[str]
    policies: tuple[str, ...] | None = None
    needs_second: bool = False

    def may_touch(self, policy: str) -> bool:
        """Whether a policy is one of those that are its own to ask about and to change."""
        return self.policies is None or policy.startswith(self.policies)


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
        people: Callers by the name under which a proxy signs them in.
    """

    tokens: tuple[Token, ...] = ()
    certificates: Mapping[str, Caller] = MappingProxyType({})
    people: Mapping[str, Caller] = MappingProxyType({})

    def by_token(self, token: bytes) -> Caller | None:
        """Find the caller that has a token; None if nobody has."""
        return self.by_digest(digest_of_token(token))

    def by_digest(self, digest: str) -> Caller | None:
        """Find the caller that has the token of a digest; None if nobody has.

        How long it takes depends on the number of tokens alone: all of them are compared, in constant time.
        """
        found = None
        for known in self.tokens:
            if hmac.compare_digest(known.digest, digest):
                found = known.caller
        return found

    def by_subject(self, subject: str) -> Caller | None:
        """Find the caller that has a certificate of this subject; None if nobody has."""
        return self.certificates.get(subject)

    def by_person(self, name: str) -> Caller | None:
        """Find a person by the name under which a proxy signs them in; None if it is not known."""
        return self.people.get(name)


def digest_of_token(token: bytes) -> str:
    """Give the SHA-256 of a token, as hexadecimal digits in lower case."""
    return hashlib.sha256(token).hexdigest()
