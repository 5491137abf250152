"""What a guard gets to see where a site's own service worker passes requests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from cors_service.browser import Behaviour
from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document

from .engines import running_engine
from .guard_rows import FOREIGN, LINK, POST_FORM
from .recording import Recorder, recording

POLICIES: Final = read_document(
    {
        "version": 1,
        "policies": {"site": {"origins": ["https://a.example"], "guard": {"hosts": ["*.guard.localhost:*"]}}},
    }
)
_REGISTER: Final = """
const [worker, done] = arguments;
navigator.serviceWorker.register(worker).then(() => navigator.serviceWorker.ready).then(() => done("ready"), done);
"""
# What a guard makes of a link and of a form on a foreign page: where the worker answers all, and where it leaves
# navigations to the browser.
LEFT: Final = ["navigation", "origin-not-allowed"]
FOUND: Final = {
    "chromium": {"/worker": ["cross-site", "origin-not-allowed"], "/worker?leave": LEFT},
    "firefox": {"/worker": ["own-page", "same-origin"], "/worker?leave": LEFT},
    "webkit": {"/worker": LEFT, "/worker?leave": LEFT},
}


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """The site that keeps what it gets."""
    with recording() as running:
        yield running


@pytest.mark.parametrize("engine", FOUND)
def test_a_worker_that_passes_requests_on(
    engine: str, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In Chromium and Firefox it hides where a navigation comes from, unless it leaves that to the browser."""
    found: dict[str, list[str]] = {worker: [] for worker in FOUND[engine]}
    with running_engine(Behaviour(engine), tmp_path_factory.mktemp(engine)) as browser:
        for number, (worker, codes) in enumerate(found.items()):
            site = f"http://site{number}.guard.localhost:{recorder.port}"
            browser.open(f"{site}/page")
            browser.run(_REGISTER, worker)
            for name, action in (("link", LINK), ("form", POST_FORM)):
                path = f"/asked/{engine}/{number}/{name}"
                browser.open(f"http://{FOREIGN}:{recorder.port}/page")
                browser.run(f"const [url, done] = arguments; {action} done();", f"{site}{path}")
                recorded = recorder.received(path)
                query = Query.received(recorded.method, recorded.lines, policy="site", url=f"{site}{path}")
                guard = ActivePolicies(POLICIES).decide(query).guard
                assert guard is not None
                codes.append(guard.reason.code)
    assert found == FOUND[engine]
