"""Every scenario against every framework: it does what it should, or what it is said to do instead."""

from __future__ import annotations

import re

import pytest

from cors_service.browser import preflight_check, preflight_headers
from tests.e2e.daemons import wait_for
from tests.e2e.frameworks.conftest import Subjects
from tests.e2e.frameworks.framework import EXAMPLES, Framework, running
from tests.e2e.frameworks.further import FURTHER, LONG, NEVER, Further
from tests.e2e.frameworks.matrix import SHARED
from tests.e2e.frameworks.world import Asking, Decider
from tests.e2e.gateways.gateway import accepts
from tests.e2e.scenarios import PARTNER, PATH, Scenario, Subject, page, preflight

WITH_SERVICE = [scenario for scenario in SHARED if scenario.number != 10]
"""The scenarios in which nobody replaces the service, so that what was decided once holds throughout."""


def run(row: Scenario | Further, framework: Framework, subject: Asking) -> None:
    """Hold a framework to what it can do, and to what it is said not to do."""
    cannot = framework.cannot.get(row.name)
    if cannot is None:
        row.check(subject)
    else:
        with pytest.raises(AssertionError, match=cannot.instead):
            row.check(subject)


@pytest.mark.parametrize("scenario", SHARED, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, framework: Framework, subjects: Subjects) -> None:
    """A framework that asks about every request does what it should."""
    run(scenario, framework, subjects[NEVER])


@pytest.mark.parametrize("scenario", WITH_SERVICE, ids=lambda scenario: scenario.name)
def test_scenario_of_kept_decisions(scenario: Scenario, framework: Framework, subjects: Subjects) -> None:
    """The same holds for decisions that are used again: none is taken for another's."""
    for _ in range(2):
        run(scenario, framework, subjects[LONG])


@pytest.mark.parametrize("further", FURTHER, ids=lambda further: further.name)
def test_further(further: Further, framework: Framework, subjects: Subjects) -> None:
    """What an application answers in other ways, and what it keeps, is as it should be."""
    run(further, framework, subjects[further.ttl])


def test_connections_to_the_service(subjects: Subjects, deciders: dict[int, Decider]) -> None:
    """They are kept alive."""
    switch, times = deciders[NEVER].switch, 20
    before = switch.connections
    with subjects[NEVER].connected() as connection:
        for _ in range(times):
            connection.ask("GET", PATH, [("Origin", PARTNER)])
            connection.ask("OPTIONS", PATH, preflight_headers(page(PARTNER, "PUT")))
    assert switch.connections - before < times / 2


def test_example(framework: Framework, deciders: dict[int, Decider]) -> None:
    """The application of the example starts as it is, does CORS by the policy, and leaves nothing behind."""
    with running(framework, deciders[NEVER].switch.port, example=True) as port:
        subject = Asking(port, deciders[NEVER])
        wait_for(subject.is_warm, "a first decision")
        assert_does_cors(subject)
    wait_for(lambda: not accepts(port), f"the end of {framework.name}")


def assert_does_cors(subject: Subject) -> None:
    """It asks for the policy `catalogue`."""
    answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.cors["access-control-allow-origin"]) == (200, PARTNER)
    request = page(PARTNER, "PUT", "content-type", credentials=True)
    asked = preflight(subject, request)
    assert preflight_check(request, asked.status, asked.lines).allowed


def test_what_is_copied_is_short(framework: Framework) -> None:
    """A team that copies a file can read it: 100 lines at most besides comments, blank lines and imports."""
    readme = (EXAMPLES / framework.name / "README.md").read_text(encoding="utf-8")
    [name] = re.findall(r"^Copy \[[^\]]*\]\(([^)]+)\)", readme, re.MULTILINE)
    text = (EXAMPLES / framework.name / name).read_text(encoding="utf-8")
    code = re.sub(r'"""[\s\S]*?"""|/\*[\s\S]*?\*/|^\s*(#|//|import |from ).*$', "", text, flags=re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= 100
