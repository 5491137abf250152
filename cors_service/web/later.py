"""Answers that take longer than other callers should wait for them: made in turns, and sent no faster than read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import TaskFinished, TaskStopped
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from zope.interface import implementer

from cors_service.web.answer import Answer
from cors_service.web.turns import Turns

PIECE: Final = 65_536
"""Bytes that are handed over for sending at once."""

Steps = Generator[Deferred[None] | None, None, Answer]
"""Short steps that lead to an answer; one yields a Deferred if there is nothing to do until that fires."""


class Later:
    """What an endpoint gives in the place of an answer that takes long.

    Attributes:
        turns: Where the steps are taken.
        steps: They have not begun, and may raise what an endpoint raises.
    """

    def __init__(self, turns: Turns, steps: Steps) -> None:
        self.turns = turns
        self.steps = steps


@implementer(IPushProducer)
class Reply:
    """Makes one such answer, and sends it.

    Attributes:
        held: Bytes that are kept for this answer alone until its client reads them.
    """

    _log: Final = Logger()

    def __init__(
        self,
        request: IRequest,
        later: Later,
        begin: Callable[[Answer], None],
        failed: Callable[[Exception], Answer],
    ) -> None:
        """Begin.

        Args:
            request: What is answered.
            later: Leads to the answer.
            begin: Sets the status and the headers of an answer.
            failed: Gives the answer to a request that led to an error.
        """
        self.held = 0
        # It has more methods than its interface says.
        self._request = cast(Any, request)
        self._later = later
        self._begin = begin
        self._failed = failed
        self._is_paused = False
        self._is_over = False
        self._steps = self._run()
        self._request.notifyFinish().addErrback(lambda _: self.stopProducing())
        self._request.registerProducer(self, True)
        self._task = later.turns.take(self._steps)
        self._task.whenDone().addErrback(self._ended)

    def pauseProducing(self) -> None:
        """Go on neither with the answer nor with sending it: the client has to read first."""
        # A transport asks for that each time that it is given more than it likes.
        if not self._is_paused and not self._is_over:
            self._is_paused = True
            self._task.pause()

    def resumeProducing(self) -> None:
        """Go on."""
        if self._is_paused and not self._is_over:
            self._is_paused = False
            self._task.resume()

    def stopProducing(self) -> None:
        """Give up: the client is gone."""
        if self._is_over:
            return
        self._is_over, self.held = True, 0
        try:
            self._task.stop()
        except TaskFinished:
            return
        self._steps.close()

    def _run(self) -> Generator[Deferred[None] | None, None, None]:
        try:
            answer = yield from self._later.steps
        except Exception as error:  # noqa: BLE001 - as in an answer that is given at once
            answer = self._failed(error)
        self._begin(answer)
        if self._request.method == b"HEAD":
            self._request.write(b"")
        else:
            yield from self._send(answer)
        self._is_over, self.held = True, 0
        self._request.unregisterProducer()
        self._request.finish()

    def _send(self, answer: Answer) -> Iterator[None]:
        self.held = len(answer.body)
        pieces = _cut(answer.body) if answer.pieces is None else answer.pieces
        is_shared = answer.pieces is not None
        for piece in pieces:
            if not is_shared:
                self.held -= len(piece)
            self._request.write(piece)
            yield None

    def _ended(self, failure: Failure) -> None:
        """Break the connection after an answer that can't be completed."""
        if failure.check(TaskStopped) is not None:
            return
        self._is_over, self.held = True, 0
        self._log.failure("Can't complete an answer", failure=failure)
        self._request.unregisterProducer()
        self._request.loseConnection()


def _cut(body: bytes) -> Iterator[bytes]:
    # An empty piece, too, has the head sent.
    yield body[:PIECE]
    for at in range(PIECE, len(body), PIECE):
        yield body[at : at + PIECE]
