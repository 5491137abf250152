"""What holds for every test: no failure of a Deferred goes unheard, nothing is left in the reactor."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from twisted.internet import reactor
from twisted.logger import LogEvent

from tests.observing import observed_by

# No example of a property has a time limit of its own: the processor is shared, and a test has a limit as a whole.
settings.register_profile("test", deadline=None)
# Before a commit few examples are enough, and the same ones each time; `tests.examples` has the tests that need more.
settings.register_profile("check", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("test")


TESTS: Final = Path(__file__).parent
LONGEST: Final = (
    "e2e/frameworks/test_frameworks.py",
    "e2e/test_workers.py",
    "algebra/test_brute_force.py",
    "e2e/gateways/test_guard.py",
    "e2e/frameworks/test_spring_and_ktor.py",
    "e2e/python/test_integrations.py",
    "e2e/gateways/test_instances.py",
    "e2e/console/test_pages.py",
    "e2e/test_dist.py",
    "decision/test_origins.py",
    "e2e/test_image.py",
    "docs/test_site.py",
    "test_pairs.py",
    "e2e/test_daemon.py",
    "docs/test_examples.py",
    "e2e/console/journeys/test_journeys.py",
    "e2e/test_install.py",
    "e2e/test_systemd.py",
    "algebra/test_planted_faults.py",
    "e2e/console/test_journeys.py",
    "e2e/browser/test_max_age.py",
    "e2e/load/test_reload_under_load.py",
    "e2e/test_teams.py",
    "e2e/load/test_kill.py",
    "e2e/gateways/test_gateways.py",
    "e2e/test_decision_log.py",
    "e2e/load/test_greedy_callers.py",
    "e2e/browser/test_decisions.py",
    "e2e/load/test_hostile_documents.py",
    "store/test_reader_store.py",
    "decision/test_router.py",
    "algebra/test_urls.py",
    "algebra/test_many_policies.py",
    "e2e/test_prometheus.py",
    "e2e/browser/test_guard.py",
    "e2e/test_access.py",
    "e2e/test_admin.py",
    "decision/test_readings.py",
    "e2e/stores/postgresql/test_service.py",
    "e2e/stores/etcd/test_failures.py",
    "e2e/stores/test_bundle.py",
    "server/test_channels_agree.py",
)
"""The modules that take longest begin first, so that no core is idle in the end."""


@pytest.fixture(scope="session", autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no process that a test starts compile what another has compiled, where Python leaves no bytecode behind."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers, and put the modules in order."""
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    for item in items:
        if TESTS / "e2e" in item.path.parents:
            item.add_marker("e2e")
            # A server serves many tests, and is started again wherever another comes between them.
            item.add_marker(pytest.mark.random_order(disabled=True))


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collect no garbage while tests are imported: next to nothing of it is, and looking takes a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was imported out of the collections that follow each test: it is most of what there is."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[list[LogEvent]]:
    """Fail a test behind which a failure was logged, or a delayed call or a reader is left in the reactor.

    A test that provokes a failure takes it out of the list that this fixture gives.
    """
    before = _in_reactor()
    with _failures() as failures:
        yield failures
        # A Deferred reports its unhandled failure when it is collected, and what a test leaves is young.
        gc.collect(1)
    _expect_none(failures)
    left = _in_reactor() - before
    assert left == set()


@pytest.fixture(autouse=True, scope="module")
def nothing_left_behind_by_module() -> Iterator[None]:
    """Fail the last test of a module if a failure is found in what grew old while the module's tests ran."""
    yield
    with _failures() as failures:
        gc.collect()
    _expect_none(failures)
    # What is still there belongs to no test: no later collection has to look at it.
    gc.freeze()


@contextmanager
def _failures() -> Iterator[list[LogEvent]]:
    """Collect the failures that are logged until the block ends."""
    failures: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(event)

    with observed_by(observe):
        yield failures


def _expect_none(failures: list[LogEvent]) -> None:
    assert [event["log_failure"].getTraceback() for event in failures] == []


def _in_reactor() -> set[Any]:
    core: Any = reactor
    # The waker of the reactor and the thread pool's business are not a test's.
    return {call for call in core.getDelayedCalls() if call.active()} | {
        reader for reader in core.getReaders() if type(reader).__name__ not in {"_UnixWaker", "_SIGCHLDWaker"}
    }
