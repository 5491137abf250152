"""Recorded sessions of real browsers are explained as the browsers saw them, without anything secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from cors_service.cli import main
from cors_service.decision import ActivePolicies, Query
from cors_service.explain.har import read_har
from cors_service.policy import Source, read_sources
from tests.e2e.requirements import need

from .sessions import recorded_by_chromium, recorded_by_firefox

POLICIES: Final = """\
version = 1

[policies.api]
match = ["api.localhost:{port}/"]
origins = ["http://app.localhost:{port}"]
methods = ["GET", "PUT"]
request_headers = ["authorization", "content-type"]
credentials = true
dangerously_allow = ["insecure-origins"]
"""
SECRET: Final = "a-secret"
ASKED: Final = [
    ["/read", {}],
    ["/with-cookies", {"credentials": "include"}],
    [
        f"/changed?token={SECRET}",
        {
            "method": "PUT",
            "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"},
            "body": f'{{"password": "{SECRET}"}}',
        },
    ],
    ["/removed", {"method": "DELETE"}],
    ["/traced", {"headers": {"X-Trace": SECRET}}],
    ["/embedded", {"mode": "no-cors"}],
    ["/kept", {}],
    ["/kept", {"cache": "no-cache"}],
    ["/other-site", {"credentials": "include"}],
]
SCRIPT: Final = """(async asked => {
    const seen = {};
    for (const [url, options] of asked) {
        try {
            const response = await fetch(url, options);
            seen[new URL(url).pathname] = response.type === "opaque" ? "opaque" : "readable";
        } catch {
            seen[new URL(url).pathname] = "blocked";
        }
    }
    return seen;
})(ASKED)"""


class Handler(BaseHTTPRequestHandler):
    """Serves a page, and an API whose headers are decided."""

    active: ActivePolicies
    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        host = self.headers["Host"]
        status, headers, body = 200, [("Content-Type", "text/html")], b"<!doctype html><link rel=icon href=data:,>"
        if host.startswith("api."):
            query = Query.received(self.command, self.headers.items(), url=f"http://{host}{self.path}")
            decision = self.active.decide(query)
            status, headers = decision.status or 200, list(decision.headers)
            headers.append(("Set-Cookie", f"session={SECRET}; Path=/"))
            body = b"" if decision.status else b"{}"
            if self.path == "/kept":
                headers.append(("ETag", '"1"'))
                if self.headers["If-None-Match"]:
                    # As servers do that write CORS headers only beside a body.
                    status, headers, body = 304, [("ETag", '"1"')], b""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of the site and of its API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port: int = server.server_address[1]
        text = POLICIES.replace("{port}", str(port))
        Handler.active = ActivePolicies(read_sources([Source("policies.toml", "toml", text)]))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield port
        server.shutdown()
        thread.join()


def pages_of(port: int) -> list[tuple[str, str]]:
    """The pages to open, each with its script."""
    api, app = f"http://api.localhost:{port}", f"http://app.localhost:{port}"
    asked = [[f"{api}{path}", options] for path, options in ASKED if path != "/other-site"]
    asked += [[f"http://other.localhost:{port}/other-site", {}]]
    return [(f"{api}/login", "1"), (f"{app}/", SCRIPT.replace("ASKED", json.dumps(asked)))]


def explained(har: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """Explain a recording by the command."""
    assert main(["explain", "--json", "--har", str(har), *options]) == 2
    exchanges: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["exchanges"]
    return exchanges


@pytest.mark.parametrize("engine", ["chromium", "firefox"])
def test_recorded(
    engine: str,
    port: int,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a page could read, by its own account, is what the explanation of the recording says, by policies too."""
    program, record = {
        "chromium": ("chromium", recorded_by_chromium),
        "firefox": ("firefox-esr", recorded_by_firefox),
    }[engine]
    # The path of a socket in it may not be long.
    (path_of_browser,) = need(program)
    seen, har = record(path_of_browser, tmp_path_factory.mktemp("b"), pages_of(port))
    assert SECRET.encode() in har
    assert SECRET not in repr(read_har(har))
    (path := tmp_path / "session.har").write_bytes(har)
    document = tmp_path / "policies.toml"
    document.write_text(POLICIES.replace("{port}", str(port)))
    app = f"http://app.localhost:{port}"
    for options in ((), ("--policies", str(document))):
        exchanges = explained(path, capsys, *options)
        assert SECRET not in json.dumps(exchanges)
        asked = [one for one in exchanges if one["exchange"]["page"] == app and one["exchange"]["mode"] != "navigate"]
        assert [one["exchange"]["url"] for one in asked].count(f"http://api.localhost:{port}/kept") == 2
        found = {f"/{one['exchange']['url'].rpartition('/')[2]}": one["engines"][engine]["outcome"] for one in asked}
        assert found == seen
    mended = {one["exchange"]["url"].rpartition("/")[2] for one in exchanges if one["mending"]}
    assert mended == {"removed", "traced"}
