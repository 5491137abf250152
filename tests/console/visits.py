"""Visits pages of the console without a socket, as a browser does: with its cookies and its headers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import treq
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from cors_service.access import Access
from cors_service.console.attempts import Attempts
from cors_service.console.console import Console
from cors_service.console.ignored import IgnoredOrigins
from cors_service.console.proxies import NO_PROXY, SignInProxy
from cors_service.console.sessions import Sessions
from cors_service.console.tree import mount_console
from tests.admin.trees import Office
from tests.web.traversal import Answer, Caller

HOST = "localhost:8081"
"""A name that browsers trust without TLS: to another, they send no Sec-Fetch-Site then."""


class ConsoleOffice(Office):
    """An admin process with a console, without a socket.

    Attributes:
        console: What its pages share.
        live: Tells open pages what has changed.
    """

    def __init__(self, directory: Path, access: Access | None = None, proxy: SignInProxy = NO_PROXY) -> None:
        super().__init__(directory, access)
        self.console = Console(
            desk=self.desk,
            decisions=self.decisions,
            sessions=Sessions(self.data / "sessions.json", self.clock),
            attempts=Attempts(self.clock),
            ignored=IgnoredOrigins(self.data / "ignored.json"),
            proxy=proxy,
        )
        self.live = mount_console(self.tree, self.console)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and all that is due then be done."""
        self.clock.advance(seconds)
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def visitor(self, token: str | None = None) -> Visitor:
        """A browser; with a token, it is signed in."""
        visitor = Visitor(self)
        if token is not None:
            assert visitor.sign_in(token).status == 303
        return visitor


class Visitor(Caller):
    """A browser.

    Attributes:
        cookies: Those that it has.
    """

    def __init__(self, office: ConsoleOffice) -> None:
        super().__init__(office.tree)
        self._office = office
        self.cookies: dict[str, str] = {}

    def visit(self, path: str, **headers: str) -> Answer:
        """Open a page; underscores in names of headers stand for hyphens."""
        return self._send("GET", path, None, {"Sec-Fetch-Site": "same-origin", **_named(headers)})

    def submit(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Send a form of the page."""
        given = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://{HOST}",
            "Sec-Fetch-Site": "same-origin",
            **_named(headers),
        }
        return self._send("POST", path, urlencode(fields).encode("ascii"), given)

    def open(self, path: str) -> Stream:
        """Open a stream of events."""
        headers = Headers({"Host": [HOST], "Cookie": ["; ".join(f"{k}={v}" for k, v in self.cookies.items())]})
        uri = f"http://{HOST}{path}".encode("ascii")
        return Stream(self._agent, self._agent.request(b"GET", uri, headers))

    def sign_in(self, token: str, **fields: str) -> Answer:
        """Show a token."""
        return self.submit("/sign-in", {"token": token, **fields})

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = {"Host": HOST, **headers}
        answer = self.ask(method, path, body, [(name, value) for name, value in lines.items() if value])
        for line, value in answer.lines:
            if line.lower() == "set-cookie":
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
        return answer

    def _take_turns(self) -> None:
        clock = self._office.clock
        while any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
            clock.advance(0)
            self._agent.flush()


class Stream:
    """A stream of events that is open."""

    def __init__(self, agent: Any, responding: Deferred[Any]) -> None:
        self._agent = agent
        self._parts: list[bytes] = []
        responses: list[Any] = []
        responding.addCallback(responses.append)
        agent.flush()
        [self._response] = responses
        assert self._response.code == 200
        self._ended = treq.collect(self._response, self._parts.append)
        self._ended.addErrback(lambda _: None)
        assert self.events() == ": begun\n\n"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        self._agent.flush()
        return bool(self._ended.called)

    def events(self) -> str:
        """What came since the last call."""
        self._agent.flush()
        parts, self._parts[:] = list(self._parts), []
        return b"".join(parts).decode("utf-8")

    def leave(self) -> None:
        """Close the connection."""
        self._response._transport.loseConnection()
        self._agent.flush()


class Read(HTMLParser):
    """A page as somebody reads it.

    Attributes:
        elements: Each element's name and attributes.
        text: What is written on it.
    """

    def __init__(self, page: Answer) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self.feed(page.body.decode("utf-8"))
        self.close()

    @property
    def text(self) -> str:
        """With one blank for any white space."""
        return re.sub(r"\s+", " ", " ".join(self._texts)).strip()

    def all(self, tag: str, attribute: str) -> list[str]:
        """The values of an attribute of all elements of a kind that have it."""
        return [found[attribute] or "" for name, found in self.elements if name == tag and attribute in found]

    @property
    def fields(self) -> dict[str, str]:
        """The fields of its forms that are filled in."""
        return {
            str(found["name"]): str(found.get("value") or "")
            for name, found in self.elements
            if name == "input" and "name" in found
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Take a text."""
        self._texts.append(data)


def _named(headers: dict[str, str]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
