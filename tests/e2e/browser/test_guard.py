"""What real browsers send for whatever a page does, and what a guard makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from cors_service.browser import Behaviour
from cors_service.decision.decision import PASSES
from tests.e2e.gateways import nginx
from tests.e2e.gateways.gateway import running as running_gateway
from tests.e2e.gateways.guarding import ON

from .engines import Browser, running_engine
from .guard_rows import LISTED, PLAIN, ROWS, SITE, Row, Sent
from .guard_table import PLACE, TABLE
from .processes import running_service
from .recording import Recorded, Recorder, recording

POLICIES: Final = f"""
version = 1

[policies.tools]
origins = ["http://{LISTED}:*"]

[policies.tools.guard]
hosts = ["{SITE}:*", "{PLAIN}:*"]
"""
Asked = Mapping[str, Recorded]
"""What a browser sent, by the names of rows."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """The site that keeps what it gets."""
    with recording() as running:
        yield running


# WebKit fetches nothing ahead, and asks the system where a name leads.
ENGINES: Final = {
    "chromium": ROWS,
    "firefox": ROWS,
    "webkit": tuple(row for row in ROWS if row.name != "prefetch" and row.host == SITE),
}
each_row = pytest.mark.parametrize(
    ("engine", "row"),
    [pytest.param(engine, row, id=f"{engine}-{row.name}") for engine, rows in ENGINES.items() for row in rows],
    indirect=["engine"],
    scope="module",
)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """Each browser."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def asked(engine: str, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """What one browser sent for all rows."""
    directory = tmp_path_factory.mktemp(engine)
    with running_engine(Behaviour(engine), directory) as browser:
        return _asked(browser, ENGINES[engine], recorder)


def _asked(browser: Browser, rows: tuple[Row, ...], recorder: Recorder) -> Asked:
    recorder.requests.clear()
    found = {}
    for row in rows:
        path = f"/asked/{row.name}"
        url = f"http://{row.host}:{recorder.port}{path}"
        if row.page is None:
            browser.open(url)
        else:
            browser.open(f"http://{row.page}:{recorder.port}/page?referrer={row.referrer}")
            led = f"http://{row.through}:{recorder.port}/to?url={url}" if row.through else url
            browser.run(f"const [url, done] = arguments; {row.action} done();", led)
        found[row.name] = recorder.received(path)
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service with the guarded policy."""
    directory: Path = tmp_path_factory.mktemp("guarded")
    (directory / "policies.toml").write_text(POLICIES)
    with running_service(directory / "policies.toml", directory) as port:
        yield port


@each_row
def test_what_browsers_send(row: Row, engine: str, asked: Asked, recorder: Recorder) -> None:
    """A browser says where a request comes from as the row has it, by the name that the page called."""
    recorded, sent = asked[row.name], row.sent_by(engine)
    origin = f"http://{sent.origin}:{recorder.port}" if sent.origin not in {None, "null"} else sent.origin
    names = ("origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
    assert Sent(origin, *sent[1:]) == Sent(*(recorded.one(name) for name in names))
    assert recorded.one("host") == f"{row.host}:{recorder.port}"
    assert (recorded.one("upgrade") == "websocket") == row.name.endswith("websocket")


@each_row
def test_what_a_guard_makes_of_it(row: Row, asked: Asked, service: int) -> None:
    """A request passes or is refused for the reason of its row."""
    recorded = asked[row.name]
    url = f"http://{recorded.one('host')}{recorded.target}"
    query = {"policy": "tools", "method": recorded.method, "url": url, "headers": recorded.lines}
    with closing(HTTPConnection("127.0.0.1", service, timeout=30)) as connection:
        connection.request("POST", "/v1/decision", json.dumps(query), {"Content-Type": "application/json"})
        guard: dict[str, Any] = json.loads(connection.getresponse().read())["guard"]
    assert (guard["pass"], guard["mode"], guard["reason"]["code"]) == (row.code in PASSES, "enforce", row.code)


@pytest.fixture(scope="module")
def gateway(service: int, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx with the guard on, before the site that keeps what it gets."""
    changes = {**ON["nginx"], **nginx.GATEWAY.patient, "catalogue": "tools"}
    directory = tmp_path_factory.mktemp("gateway")
    with running_gateway(nginx.GATEWAY, directory, recorder.port, service, changes, second=service) as port:
        yield port


@each_row
def test_what_gets_through_a_gateway(row: Row, asked: Asked, gateway: int, recorder: Recorder) -> None:
    """What passes the guard reaches the site behind a gateway; what does not is answered with a 403 before that."""
    recorded, target = asked[row.name], f"/asked/{row.name}/again"
    recorder.requests.clear()
    with closing(HTTPConnection("127.0.0.1", gateway, timeout=30)) as connection:
        connection.putrequest(recorded.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in recorded.lines:
            connection.putheader(name, "0" if name.lower() == "content-length" else value)
        connection.endheaders()
        status = connection.getresponse().status
    reached = [found.target for found in recorder.requests]
    assert reached == ([target] if row.code in PASSES else [])
    assert row.code in PASSES or status == 403


def test_document() -> None:
    """The table of the page about guards is made of these rows."""
    assert PLACE.table == TABLE
