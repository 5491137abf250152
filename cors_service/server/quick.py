"""A client's connection that answers plain requests at once, and leaves the rest to the channel beneath.

For each request, Twisted makes objects for lines, headers, cookies, arguments and producers, which costs several times
as much as a decision. A plain request goes to the same resource without them.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final, Protocol

from twisted.web.resource import IResource, getChildForRequest

from cors_service.observe.tally import samples
from cors_service.server.channel import ChannelSite, DecisionChannel
from cors_service.server.plain import PlainRequest, read_plain
from cors_service.web.endpoint import Endpoint
from cors_service.web.later import Later
from cors_service.web.problem import Problem


class QuickSite(ChannelSite, Protocol):
    """What a quick connection needs of its site; `DecisionSite` has it."""

    resource: IResource

    @property
    def date_line(self) -> bytes:
        """The Date header of an answer that is given now."""

    def log_plain(self, request: PlainRequest, channel: DecisionChannel, status: int, length: int) -> None:
        """Write a line on a request, if there is an access log."""


class QuickChannel(DecisionChannel):
    """A connection of `DecisionSite` that reads plain requests in one go."""

    site: QuickSite
    _samples: Final = samples()

    def __init__(self) -> None:
        super().__init__()
        # The beginning of a plain request without all of its body, and its length with it.
        self._begun = bytearray()
        self._awaited = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request was received that is not answered yet."""
        return not self._begun and super().is_idle

    @property
    def held(self) -> int:
        """Bytes that are kept for this connection."""
        return len(self._begun) + super().held

    def dataReceived(self, data: bytes) -> None:
        """Answer the plain requests at the beginning of data; read the rest line by line."""
        if self.is_refused:
            return
        self.resetTimeout()
        if self._begun:
            self._begun += data
            if len(self._begun) < self._awaited:
                self.site.weigh(self)
                return
            data = bytes(self._begun)
            self._begun.clear()
            self._cancel_deadline()
        # Nothing is begun by now. An empty line that was read line by line counts towards the head.
        if super().is_idle and not (self._head_bytes or self.site.draining):
            data = data[self._answer_plain(data) :]
            if not data:
                return
        # Behind a pause there may be something to read although nothing came.
        elif not (data or self.unread):
            return
        super().dataReceived(data)

    def refuse(self, problem: Problem) -> None:
        """Answer a request without reading the rest of it, and close."""
        begun = bytes(self._begun)
        self._begun.clear()
        if begun:
            # The access log needs the first line.
            super().dataReceived(begun)
        super().refuse(problem)

    def _answer_plain(self, data: bytes) -> int:
        """Answer the plain requests at the beginning of data, and give the number of bytes that they take."""
        taken = 0
        while taken < len(data) and not self.paused:
            began = perf_counter() if next(self._samples) else None
            request, end = read_plain(data, taken, self.site.limits)
            if request is not None:
                resource = getChildForRequest(self.site.resource, request)
                # Somebody else's resource needs one of Twisted's requests, and so does an answer that takes long.
                if not (isinstance(resource, Endpoint) and self._answer(request, resource, began)):
                    break
                taken = end
                if taken < len(data):
                    self.answered_one()
            elif end:
                self._begun += data[taken:]
                self._awaited = end - taken
                self._start_deadline()
                self.site.weigh(self)
                taken = len(data)
            else:
                break
        return taken

    def _answer(self, request: PlainRequest, endpoint: Endpoint, began: float | None) -> bool:
        """Answer a request; say whether that was done, since it is not where the answer takes long.

        Args:
            request: The request.
            endpoint: Where it is answered.
            began: When it was read, if it is to be counted how long it takes.
        """
        if endpoint.wants_transport:
            request.transport = self.transport
        answer = endpoint.answer(request)
        if isinstance(answer, Later):
            return False
        endpoint.requests.answered(answer.status)
        self.site.touch(self)
        own = b"".join([b"%b: %b\r\n" % line for line in endpoint.own_headers(request)])
        body = b"" if request.method == b"HEAD" else answer.body
        if not self.write_at_once(b"%b%b%b\r\n%b" % (answer.head(), self.site.date_line, own, body)):
            self.site.weigh(self)
        self.site.log_plain(request, self, answer.status, len(body))
        if began is not None:
            endpoint.requests.took(perf_counter() - began)
        return True
