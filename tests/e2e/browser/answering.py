"""A site that answers each request as its URL says, so that any step of an exchange can be made to fail.

It listens on one port, by whatever name it is called: the pages of one name are foreign to those of another. `/page` is
a blank page, which takes its `Content-Security-Policy` from the query; with `driven` in that, it does what it is told.
`/circle` leads to itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from queue import Queue
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from .serving import Answering, served

_PAGE: Final = b'<!doctype html><link rel="icon" href="data:,"><title>A page</title><body><script>%b</script></body>'
# Does what the site tells it, as long as it is shown; see `driven.py`.
_DRIVEN: Final = b"""
(async () => {
  for (;;) {
    const { script, parameters } = await (await fetch("/order")).json();
    const result = await new Promise(done => new Function(script)(...parameters, done));
    await fetch("/result", { method: "POST", body: JSON.stringify(result ?? null) });
  }
})();
"""

Lines = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """What a site answers.

    Attributes:
        lines: The (name, value) lines of its header.
        status: Its status; 0 if the connection is closed without an answer.
    """

    lines: Lines = ()
    status: int = 200


class AnsweringSite(ThreadingHTTPServer):
    """The running site.

    Attributes:
        port: Where it listens.
        orders: What a page that is driven shall do next.
        results: What came of it.
    """

    daemon_threads = True

    def __init__(self, tls: SSLContext | None = None, beside: AnsweringSite | None = None) -> None:
        """Bind it.

        Args:
            tls: With which certificate it serves, if it does.
            beside: The site whose pages do what those of this one are told, too.
        """
        super().__init__(("127.0.0.1", 0), _Answers)
        self.port: int = self.server_address[1]
        self.orders: Queue[dict[str, Any]] = Queue() if beside is None else beside.orders
        self.results: Queue[Any] = Queue() if beside is None else beside.results
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def origin(self, name: str) -> str:
        """The origin of the site by a name."""
        return f"{self._scheme}://{name}:{self.port}"

    def url(self, origin: str, path: str, actual: Answer, preflight: Answer | None = None) -> str:
        """The URL that is answered so.

        Args:
            origin: The origin to call the site by.
            path: Its path; the answer does not depend on it.
            actual: The answer to a request.
            preflight: The answer to its preflight.
        """
        answers = {"actual": actual, **({} if preflight is None else {"preflight": preflight})}
        query = {kind: json.dumps([answer.status, answer.lines]) for kind, answer in answers.items()}
        return f"{origin}{path}?{urlencode(query)}"


class _Answers(Answering):
    """Answers requests of any method."""

    server: AnsweringSite

    def do_GET(self) -> None:
        """Serve a page, drive it, or answer as the URL says."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        match url.path:
            case "/page":
                lines = [("Content-Type", "text/html"), ("Content-Security-Policy", parameters.get("policy", ""))]
                self.answer(200, _PAGE % (_DRIVEN if "driven" in parameters else b""), lines)
            case "/circle":
                self.answer(302, b"", [("Location", "/circle"), ("Access-Control-Allow-Origin", "*")])
            case "/order":
                self.answer(200, json.dumps(self.server.orders.get()).encode(), [])
            case "/result":
                self.server.results.put(json.loads(body))
                self.answer(204, b"", [])
            case _:
                self._answer_as_told(parameters)

    def _answer_as_told(self, parameters: dict[str, str]) -> None:
        is_preflight = self.command == "OPTIONS" and "Access-Control-Request-Method" in self.headers
        status, lines = json.loads(parameters["preflight" if is_preflight else "actual"])
        if status:
            self.answer(status, b"", lines)
        else:
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer any other method, too, whatever its case."""
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)


@contextmanager
def answering(tls: SSLContext | None = None, beside: AnsweringSite | None = None) -> Iterator[AnsweringSite]:
    """Run the site until the block ends.

    Args:
        tls: With which certificate it serves, if it does.
        beside: The site whose pages do what those of this one are told, too.
    """
    site = AnsweringSite(tls, beside)
    with served(site):
        yield site
