"""Reads the body of an answer, up to a limit, for as long as somebody waits for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse


def read_body(response: IResponse, longest: int) -> Deferred[bytes]:
    """Collect the body of an answer.

    Args:
        response: The answer; nothing of its body was read.
        longest: How many bytes the body may have.

    Returns:
        A Deferred of the body. It fails with ValueError if the body is longer. Then, and if it is cancelled, the
        connection is closed.
    """
    body = _Body(longest)
    response.deliverBody(body)
    return body.whole


class _Body(Protocol):
    transport: Any

    def __init__(self, longest: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self.transport.loseConnection())
        self._longest = longest
        self._received = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > self._longest and not self.whole.called:
            self.transport.loseConnection()
            self.whole.errback(ValueError("the answer is too long"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        # Without a length, the reader sees whether this is all of it: JSON says where it ends.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self._received))
        else:
            self.whole.errback(reason)
