"""What only Express does: it writes to the log by itself, and passes on headers of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.answering import free_port
from tests.e2e.daemons import Process, wait_for
from tests.e2e.frameworks.express import FRAMEWORK
from tests.e2e.frameworks.framework import built, running
from tests.e2e.frameworks.further import NEVER
from tests.e2e.frameworks.world import Asking, Decider
from tests.e2e.gateways.gateway import BOUND, accepts
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, State


@contextmanager
def example(decider: Decider) -> Iterator[tuple[Asking, Process]]:
    """Run the application of the example until the block ends."""
    programs, directory = built(FRAMEWORK)
    port = free_port()
    environment = ["/usr/bin/env", f"PORT={port}", f"CORS_SERVICE=http://127.0.0.1:{decider.switch.port}"]
    process = Process([*BOUND, *environment, *FRAMEWORK.example(programs, directory)], directory)
    try:
        wait_for(lambda: accepts(port), "the application")
        yield Asking(port, decider), process
    finally:
        process.kill()


def test_log(deciders: dict[int, Decider]) -> None:
    """A healthy start leaves nothing in the log, so the first outage leaves a line, and just one."""
    with example(deciders[NEVER]) as (subject, process):
        wait_for(subject.is_warm, "a first decision")
        assert process.err == []
    before = deciders[NEVER].switch.connections
    with example(deciders[NEVER]) as (subject, process):
        wait_for(lambda: deciders[NEVER].switch.connections > before, "the first question")
        with subject.service(State.DOWN):
            for _ in range(3):
                assert subject.ask("GET", PATH, [("Origin", PARTNER)]).cors == {}
            wait_for(lambda: process.err, "a line in the log")
        assert sum("can't be asked" in line for line in process.err) == 1
        assert "TypeError" not in "".join(process.err)


def test_headers_of_the_same_name(deciders: dict[int, Decider]) -> None:
    """Where an application gives the head as a list, none of its headers is lost, but for those of CORS."""
    with running(FRAMEWORK, deciders[NEVER].switch.port) as port:
        subject = Asking(port, deciders[NEVER])
        wait_for(subject.is_warm, "a first decision")
        answer = subject.ask("GET", "/catalogue/repeated", [("Origin", PARTNER)])
    assert [value for name, value in answer.lines if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert set(answer.vary) == {"accept-encoding", "origin", "x-language"}
    assert answer.cors == DECIDED[PARTNER]


def test_an_answer_that_comes_while_the_process_is_blocked(deciders: dict[int, Decider]) -> None:
    """It counts: timers come before sockets, but the answer was there in time."""
    with running(FRAMEWORK, deciders[NEVER].switch.port) as port:
        subject = Asking(port, deciders[NEVER])
        wait_for(subject.is_warm, "a first decision")
        for _ in range(3):
            assert subject.ask("GET", "/catalogue/blocking", [("Origin", PARTNER)]).cors == DECIDED[PARTNER]
