"""Services for all integrations, which differ in how long their decisions are good; a process for each application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.frameworks.further import LONG, NEVER, SOON
from tests.e2e.frameworks.world import Asking, Decider, deciding
from tests.e2e.python.integrations import INTEGRATIONS, Embedded, Integration, running
from tests.e2e.scenarios import POLICIES


@pytest.fixture(scope="session")
def deciders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Decider]]:
    """The services, by the seconds for which their decisions are good."""
    with ExitStack() as stack:
        yield {
            ttl: stack.enter_context(deciding(tmp_path_factory.mktemp("service"), ttl)) for ttl in (NEVER, SOON, LONG)
        }


@pytest.fixture(scope="session", params=INTEGRATIONS, ids=lambda integration: integration.name)
def integration(request: pytest.FixtureRequest) -> Integration:
    """Each integration."""
    chosen: Integration = request.param
    return chosen


@pytest.fixture(scope="session")
def embedded(integration: Integration, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """An application with its policies in it."""
    directory = tmp_path_factory.mktemp("embedded")
    policies = directory / "policies.toml"
    policies.write_text(POLICIES, encoding="utf-8")
    with running(integration, "embedded", str(policies), directory) as port:
        yield Embedded(port)


@pytest.fixture(scope="session")
def remote(
    integration: Integration, deciders: dict[int, Decider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[int, Asking]]:
    """An application for each service."""
    with ExitStack() as stack:
        subjects: dict[int, Asking] = {}
        for ttl, decider in deciders.items():
            url = f"http://127.0.0.1:{decider.switch.port}"
            port = stack.enter_context(running(integration, "remote", url, tmp_path_factory.mktemp("remote")))
            subjects[ttl] = Asking(port, decider)
        yield subjects
