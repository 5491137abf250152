"""Three services for all frameworks, which differ in how long their decisions are good; a process for each of both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemons import wait_for
from tests.e2e.frameworks.framework import Framework, running
from tests.e2e.frameworks.further import LONG, NEVER, SOON
from tests.e2e.frameworks.registry import FRAMEWORKS
from tests.e2e.frameworks.world import Asking, Decider, deciding

Subjects = dict[int, Asking]
"""Applications that run, by the seconds for which their decisions are good."""


@pytest.fixture(scope="session")
def deciders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Decider]]:
    """The services, by the seconds for which their decisions are good."""
    with (
        deciding(tmp_path_factory.mktemp("never"), NEVER) as never,
        deciding(tmp_path_factory.mktemp("soon"), SOON) as soon,
        deciding(tmp_path_factory.mktemp("long"), LONG) as long,
    ):
        yield {decider.ttl: decider for decider in (never, soon, long)}


@pytest.fixture(scope="session", params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework."""
    chosen: Framework = request.param
    return chosen


@pytest.fixture(scope="session")
def subjects(framework: Framework, deciders: dict[int, Decider]) -> Iterator[Subjects]:
    """An application of the framework for each service."""
    with (
        running(framework, deciders[NEVER].switch.port) as never,
        running(framework, deciders[SOON].switch.port) as soon,
        running(framework, deciders[LONG].switch.port) as long,
    ):
        ports = {NEVER: never, SOON: soon, LONG: long}
        asking = {ttl: Asking(port, deciders[ttl]) for ttl, port in ports.items()}
        for subject in asking.values():
            wait_for(subject.is_warm, f"a first decision in {framework.name}")
        yield asking
