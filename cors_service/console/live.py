"""`/events`: tells open overviews what has changed, as server-sent events (https://html.spec.whatwg.org/#sse)."""

from __future__ import annotations

from typing import Any, Final, cast

import htpy as h
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from twisted.web.server import NOT_DONE_YET

from cors_service.access.callers import Caller
from cors_service.console.console import Console
from cors_service.console.layout import HEADERS
from cors_service.console.overview import draw_parts, read_span
from cors_service.console.page import Page
from cors_service.console.viewers import callers_of
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

SECONDS: Final = 5.0
"""Between two events."""
MOST_STREAMS: Final = 100
MOST_OF_ONE: Final = 20
"""Streams of somebody who is known by name."""
_MEDIA_TYPE: Final = "text/event-stream"

_Scope = tuple[tuple[str, ...] | None, str]
"""The prefixes of the policies that a caller may see, and the time that is shown."""


class Stream:
    """An overview that is open somewhere.

    Attributes:
        request: Its request, which is answered bit by bit.
        viewer: The name of whoever looks.
        span: The time that it shows.
        sent: What it has, by the ids of the parts.
    """

    def __init__(self, request: Any, viewer: str, span: str) -> None:
        self.request = request
        self.viewer = viewer
        self.span = span
        self.sent: dict[str, str] = {}

    def send(self, parts: dict[str, str]) -> None:
        """Send the parts that it does not have."""
        new = {key: text for key, text in parts.items() if self.sent.get(key) != text}
        self.sent = parts
        lines = "".join(new.values()).splitlines() if new else []
        data = "".join(f"data: {line}\n" for line in lines)
        # Without anything new, a comment keeps the connection.
        self.request.write(f"event: parts\n{data}\n".encode() if data else b": nothing new\n\n")


class Live(Service):
    """Keeps the streams, and tells them what is new."""

    _log: Final = Logger()

    def __init__(self, console: Console) -> None:
        """Make one without streams.

        Args:
            console: What pages share.
        """
        self._console = console
        self._streams: list[Stream] = []
        self._telling = LoopingCall(self.tell)
        self._telling.clock = console.desk.clock

    def __len__(self) -> int:
        return len(self._streams)

    def of(self, viewer: str) -> int:
        """Say how many streams somebody has."""
        return sum(one.viewer == viewer for one in self._streams)

    def startService(self) -> None:
        """Begin to tell."""
        super().startService()
        self._telling.start(SECONDS, now=False)

    def stopService(self) -> None:
        """End all streams."""
        super().stopService()
        if self._telling.running:
            self._telling.stop()
        for one in list(self._streams):
            one.request.finish()

    def add(self, stream: Stream) -> None:
        """Keep a stream until its browser leaves."""
        self._streams.append(stream)
        stream.request.notifyFinish().addBoth(lambda _: self._streams.remove(stream))

    def tell(self) -> Deferred[None]:
        """Tell all streams what is new; end those of people who are signed in no longer."""
        return Deferred.fromCoroutine(self._tell()).addErrback(
            lambda failure: self._log.failure("Can't tell what is new", failure=failure)
        )

    async def _tell(self) -> None:
        drawn: dict[_Scope, dict[str, str]] = {}
        for stream in list(self._streams):
            # Its browser may have left while another waited.
            if stream not in self._streams:
                continue
            known = [one for one in callers_of(self._console, stream.request, is_use=False) if "read" in one.verbs]
            if not known:
                stream.request.finish()
                continue
            scope = known[0].policies, stream.span
            if scope not in drawn:
                drawn[scope] = written(await draw_parts(self._console, known[0], stream.span))
            if stream in self._streams:
                stream.send(drawn[scope])


class EventsEndpoint(Page):
    """The resource."""

    def __init__(self, console: Console, live: Live) -> None:
        super().__init__(console)
        self._live = live

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Answer:
        """Begin a stream."""
        span = read_span(request)
        if len(self._live) >= MOST_STREAMS:
            raise Problem(503, "too-many-streams", "Too many overviews are open.", {"Retry-After": "60"})
        if self.desk.access is not None and self._live.of(caller.name) >= MOST_OF_ONE:
            raise Problem(503, "too-many-streams", "You have too many overviews open.", {"Retry-After": "60"})
        self._live.add(Stream(request, caller.name, span))
        return Answer(200, _MEDIA_TYPE, b": begun\n\n", dict(HEADERS), is_measured=False)

    def render(self, request: IRequest) -> int:
        """Answer a request, and leave the answer open if it is a stream."""
        answer = self.answer(cast(AnyRequest, request))
        assert not isinstance(answer, Later)
        self._begin(request, answer)
        is_stream = answer.media_type == _MEDIA_TYPE and request.method != b"HEAD"
        request.write(b"" if request.method == b"HEAD" else answer.body)
        if not is_stream:
            request.finish()
        return NOT_DONE_YET


def written(parts: dict[str, h.Element]) -> dict[str, str]:
    """Write the parts of a page."""
    return {key: str(part) for key, part in parts.items()}
