"""twisted.web as it comes, with json of the library, and the dictionary of starlette_api: `... PORT ANSWERS`."""

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from benchmarks.servers.starlette_api import facts


class Decisions(Resource):
    """Answers by a dictionary."""

    isLeaf = True

    def __init__(self, pairs: list[tuple[dict[str, Any], Any]]) -> None:
        super().__init__()
        self._answers = {facts(query): answer for query, answer in pairs}

    def render_POST(self, request: Request) -> bytes:
        """Look it up."""
        assert request.content is not None
        answer = self._answers[facts(json.load(request.content))]
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"x-content-type-options", b"nosniff")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps(answer).encode()


class QuietSite(Site):
    """A site without an access log."""

    def log(self, request: http.Request) -> None:
        """Write nothing."""


if __name__ == "__main__":
    site = QuietSite(Decisions(json.loads(Path(sys.argv[2]).read_text())))
    site.noisy = False
    TCP4ServerEndpoint(reactor, int(sys.argv[1]), interface="127.0.0.1").listen(site)
    reactor.run()
