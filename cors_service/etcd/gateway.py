"""Asks etcd: one member, and the next one when that does not answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final, TypeVar

from cors_service.etcd.address import Address
from cors_service.etcd.answers import Token
from cors_service.etcd.member import SECONDS, Member, OldToken, Question, Unanswered
from cors_service.etcd.refusals import Refused
from cors_service.ledger.kept import StoreUnavailable

_PATIENCE: Final = 6.0
_SIGNED_OUT: Final = "it forgets at once who has signed in"

_T = TypeVar("_T")


class Gateway:
    """A client of etcd. One thread asks it; another one may watch.

    Attributes:
        address: Where the store is.
        member: The member that answered last, or the one to try next.
    """

    def __init__(self, address: Address) -> None:
        """Make it; nothing is asked yet."""
        self.address = address
        self._members = [Member(address, endpoint) for endpoint in address.endpoints]
        self.member = self._members[0]
        self._token: str | None = None

    def call(self, path: str, body: Mapping[str, Any], kind: type[_T], seconds: float = SECONDS) -> _T:
        """Ask for something.

        It may be asked more than once, of several members.

        Args:
            path: What for: `kv/range`.
            body: The request.
            kind: What the answer is.
            seconds: How long each member has.

        Raises:
            Refused: Etcd answered with an error.
            StoreUnavailable: No member answered.
        """
        question = Question(path, body, kind, seconds)
        began = time.monotonic()
        problems: dict[Member, str] = {}
        for _ in self._members:
            member = self.member
            try:
                return self._ask(member, question)
            except Unanswered as error:
                problems[member] = str(error)
                self._leave(member)
            if time.monotonic() - began > max(_PATIENCE, seconds):
                break
        raise StoreUnavailable(self._sentence(problems))

    def watch(self, member: Member, body: Mapping[str, Any]) -> tuple[HTTPConnection, HTTPResponse]:
        """Begin to watch.

        Args:
            member: Where.
            body: The request.

        Returns:
            The connection, and what it answers line by line, for as long as it does.

        Raises:
            Unanswered: It does not answer.
            StoreUnavailable: It refuses, or can't be asked.
        """
        try:
            return member.watch(body, self._signed_in(member))
        except OldToken:
            self.forget_token()
            raise Unanswered(_SIGNED_OUT) from None

    def forget_token(self) -> None:
        """Sign in again before the next request."""
        self._token = None

    def close(self) -> None:
        """Close the connections that are kept."""
        for member in self._members:
            member.close()

    def __del__(self) -> None:
        # Whoever reads a ledger once does not close the store behind it.
        self.close()

    def _ask(self, member: Member, question: Question[_T]) -> _T:
        try:
            return member.ask(question, self._signed_in(member))
        except OldToken:
            self.forget_token()
        try:
            return member.ask(question, self._signed_in(member))
        except OldToken:
            raise Unanswered(_SIGNED_OUT) from None

    def _leave(self, member: Member) -> None:
        member.close()
        index = self._members.index(member)
        self.member = self._members[(index + 1) % len(self._members)]

    def _signed_in(self, member: Member) -> str:
        """Give the token to show; nothing if nobody has to sign in."""
        token = self._token
        if token is None:
            token = self._token = self._sign_in(member)
        return token

    def _sign_in(self, member: Member) -> str:
        private = self.address.private()
        if "user" not in private:
            return ""
        body = {"name": private["user"], "password": private["password"]}
        try:
            # By a connection of its own, since the thread of the watch does it, too.
            return member.ask_once(Question("auth/authenticate", body, Token)).token
        except Refused as error:
            if error.is_unused_user:
                return ""
            raise

    def _sentence(self, problems: Mapping[Member, str]) -> str:
        reasons = dict.fromkeys(problems.values())
        if len(reasons) == 1:
            return f"{self.address.name} does not answer: {next(iter(reasons))}."
        told = "; ".join(f"{member.endpoint}: {reason}" for member, reason in problems.items())
        return f"{self.address.name} does not answer: {told}."
