"""A bare Protocol of Twisted on httptools, which parses all of a request and answers a constant: `... PORT ANSWER`."""

import sys
from pathlib import Path
from typing import Any

import httptools
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol


class Constant(Protocol):
    """A connection on which every request gets the same answer.

    Attributes:
        answer: It, head and body.
    """

    transport: Any
    answer = b""

    def connectionMade(self) -> None:
        """Begin to parse."""
        self._parser = httptools.HttpRequestParser(self)
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """Keep the URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Answer."""
        self.transport.write(self.answer)


if __name__ == "__main__":
    Constant.answer = Path(sys.argv[2]).read_bytes()
    TCP4ServerEndpoint(reactor, int(sys.argv[1]), interface="127.0.0.1").listen(Factory.forProtocol(Constant))
    reactor.run()
