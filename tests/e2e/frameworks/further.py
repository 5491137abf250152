"""What must be so besides, where an application asks by itself: on all that it answers, and in what it keeps.

The checks take a subject whose decisions are good for as long as `Further.ttl` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cors_service.browser import preflight_check
from tests.e2e.daemons import wait_for
from tests.e2e.frameworks.world import Asking
from tests.e2e.scenarios import (
    DECIDED,
    PARTNER,
    PATH,
    POLICIES,
    READER,
    STRANGER,
    VARY,
    Answer,
    State,
    assert_served,
    page,
    preflight,
)
from tests.lies import LIES, WITHOUT_ORIGIN

NEVER: Final = 0
SOON: Final = 2
LONG: Final = 3600
"""Seconds for which decisions are good."""

KEPT: Final = 1000
"""Decisions that an application keeps at most."""

_SLACK: Final = 1.0
"""Seconds that a machine with much else to do may take for two requests."""

CHANGED: Final = POLICIES.replace(f'"{PARTNER}"', f'"{STRANGER}"')
"""The stranger may do what the partner might."""


PUBLIC: Final = """
version = 1

[policies.catalogue]
origins = ["*"]
preflight_status = 200
"""
"""Everybody may read."""


@dataclass(frozen=True)
class Further:
    """One row of the matrix, beside those of scenarios.py.

    Attributes:
        number: That of the list that all agreed on, or 13 for what is kept.
        name: How it is called in code, in tests and in what frameworks can't do.
        title: How it is called in documents.
        check: Asks a subject; raises AssertionError if it does not do what it should.
        ttl: For how many seconds the decisions of its service are good.
    """

    number: int
    name: str
    title: str
    check: Callable[[Asking], None]
    ttl: int


FURTHER: list[Further] = []
"""All of them, in order."""


def further(number: int, title: str, *, ttl: int) -> Callable[[Callable[[Asking], None]], Callable[[Asking], None]]:
    """Add a function to them, by its name."""

    def add(check: Callable[[Asking], None]) -> Callable[[Asking], None]:
        FURTHER.append(Further(number, check.__name__, title, check, ttl))
        return check

    return add


def is_allowed(subject: Asking, origin: str) -> bool:
    """Whether the preflight of a page is allowed."""
    request = page(origin, "PUT")
    answer = preflight(subject, request)
    return preflight_check(request, answer.status, answer.lines).allowed


@further(7, "Streamed answers, and those written with the lowest-level calls, are like all others", ttl=NEVER)
def other_ways_to_answer(subject: Asking) -> None:
    """Wherever the application set its headers of CORS, each is replaced, and `Vary` is merged."""
    for way in ("streamed", "raw"):
        for origin, decided in DECIDED.items():
            answer = subject.ask("GET", f"/catalogue/{way}", [("Origin", origin)])
            assert (way, 200, decided, VARY) == (way, answer.status, answer.cors, answer.vary)
            if origin != READER:  # whose rule says nothing about it
                assert (way, ["same-site"]) == (way, answer.resource_policies)
            assert answer.received["target"] == f"/catalogue/{way}"
        with subject.service(State.DOWN):
            answer = subject.ask("GET", f"/catalogue/{way}", [("Origin", PARTNER)])
            assert (way, 200, {}, VARY) == (way, answer.status, answer.cors, answer.vary)
            assert answer.is_of_application


@further(7, "Where everybody gets the same headers, answers do not vary", ttl=NEVER)
def public(subject: Asking) -> None:
    """And a preflight is answered with the status of the policy."""
    with subject.policies(PUBLIC):
        for lines in ((), [("Origin", STRANGER)]):
            answer = subject.ask("GET", PATH, lines)
            assert (answer.status, answer.cors) == (200, {"access-control-allow-origin": "*"})
            assert answer.vary == ["accept-encoding"]
        request = page(STRANGER, "POST")
        asked = preflight(subject, request)
        assert (asked.status, asked.body, asked.is_of_application) == (200, b"", False)
        assert preflight_check(request, asked.status, asked.lines).allowed


@further(10, "The service sends its answer byte by byte: the same as if it were slow", ttl=NEVER)
def service_drips(subject: Asking) -> None:
    """However lively the connection is, the answer is late."""
    with subject.dripping_service():
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert_served(answer, STRANGER)
        assert not is_allowed(subject, PARTNER)
    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)


@further(10, "An error from the service is not a decision, whatever it says; nor is a redirect", ttl=NEVER)
def errors_decide_nothing(subject: Asking) -> None:
    """Not even one with the body of a decision. Who else may be asked stands in the configuration."""
    for failing in (subject.failing_service, subject.redirecting_service):
        with failing():
            assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), STRANGER)
            assert not is_allowed(subject, PARTNER)
    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)


@further(10, "Whatever answers in the service's place can't do more than the service could", ttl=NEVER)
def nothing_else_is_believed(subject: Asking) -> None:
    """No header but those of a decision, for this origin and policy; no other status; not for longer than an hour."""
    asked = page(PARTNER, "PUT", credentials=True)
    with subject.lying_service() as say:
        assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)
        assert preflight(subject, asked).status == 204
        say(lambda _: {})
        undecided = told(subject.ask("GET", PATH, [("Origin", PARTNER)]))
        assert undecided[:4] == (200, {}, VARY, True)
        for name, lie in LIES.items():
            say(lie)
            answer, refused = subject.ask("GET", PATH, [("Origin", PARTNER)]), preflight(subject, asked)
            assert (name, undecided) == (name, told(answer))
            assert (name, 403, {}, False) == (name, refused.status, refused.cors, refused.is_of_application)
            names = {line.lower() for line, _ in (*answer.lines, *refused.lines)}
            assert (name, set()) == (name, names & {"set-cookie", "location", "content-security-policy"})
            assert answer.received["target"] == PATH
        for name, lie in WITHOUT_ORIGIN.items():
            say(lie)
            assert (name, undecided) == (name, told(subject.ask("GET", PATH)))
        say(dict)
        assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)


def told(answer: Answer) -> tuple[object, ...]:
    """What decisions can change."""
    return answer.status, answer.cors, answer.vary, answer.is_of_application, answer.resource_policies


@further(10, "A dead connection to the service causes no refusal", ttl=NEVER)
def connections_die(subject: Asking) -> None:
    """The question is asked again, over another."""
    with subject.dying_connections() as died:
        for _ in range(4):
            assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)
            assert is_allowed(subject, PARTNER)
        assert died() > 0, "no connection was used twice"
    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)


@further(13, "A changed policy takes effect within the `ttl` of decisions", ttl=SOON)
def changed_policy(subject: Asking) -> None:
    """Who was granted something has lost it by then, and who was refused has it; preflights too."""

    def follows() -> bool:
        answers = [subject.ask("GET", PATH, [("Origin", origin)]).cors for origin in (PARTNER, STRANGER)]
        allowed = [is_allowed(subject, origin) for origin in (PARTNER, STRANGER)]
        return answers[0] == {} and bool(answers[1]) and allowed == [False, True]

    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)
    assert_served(subject.ask("GET", PATH, [("Origin", STRANGER)]), STRANGER)
    assert is_allowed(subject, PARTNER)
    assert not is_allowed(subject, STRANGER)
    with subject.policies(CHANGED) as since:
        wait_for(follows, "the application to follow the policies")
        assert time.monotonic() - since <= subject.ttl + _SLACK


@further(13, "A decision is reused until then, even while the service is down", ttl=LONG)
def kept_decisions(subject: Asking) -> None:
    """For the same origin, method and requested headers, and for no other."""
    origins = (PARTNER, READER, STRANGER)
    for origin in origins:
        subject.ask("GET", PATH, [("Origin", origin)])
        is_allowed(subject, origin)
    with subject.service(State.DOWN):
        for origin in origins:
            assert_served(subject.ask("GET", PATH, [("Origin", origin)]), origin)
            assert is_allowed(subject, origin) == (origin == PARTNER)
        assert subject.ask("DELETE", PATH, [("Origin", PARTNER)]).cors == {}
        for request in (page(PARTNER, "DELETE"), page(PARTNER, "PUT", "x-catalogue-b")):
            answer = preflight(subject, request)
            assert (answer.status, answer.cors) == (403, {})


@further(13, "After that it is not reused, whatever else fails", ttl=SOON)
def old_decisions(subject: Asking) -> None:
    """The time is that of the service, in seconds."""
    origin = "https://old.example"
    with subject.policies(POLICIES.replace(PARTNER, origin)):
        wait_for(lambda: is_allowed(subject, origin), "the application to follow the policies")
        since = time.monotonic()
        assert subject.ask("DELETE", PATH, [("Origin", origin)]).cors
        with subject.service(State.DOWN):
            assert subject.ask("DELETE", PATH, [("Origin", origin)]).cors
            wait_for(lambda: not subject.ask("DELETE", PATH, [("Origin", origin)]).cors, "the end of its time")
            assert time.monotonic() - since <= subject.ttl + _SLACK


@further(13, "The first decision by changed policies discards all earlier ones", ttl=LONG)
def other_revision(subject: Asking) -> None:
    """Whatever it is about."""
    subject.ask("GET", PATH, [("Origin", PARTNER)])
    is_allowed(subject, PARTNER)
    with subject.policies(CHANGED):
        # Still kept: nothing has told the application.
        assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)
        assert subject.ask("DELETE", "/catalogue/1", [("Origin", "https://new.example")]).cors == {}
        assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), STRANGER)
        assert not is_allowed(subject, PARTNER)
    # Back to where it was, for whoever asks next.
    subject.ask("DELETE", "/catalogue/1", [("Origin", "https://newer.example")])


@further(13, f"At most {KEPT} decisions are kept", ttl=LONG)
def bounded(subject: Asking) -> None:
    """What was decided before that many others is asked about again."""
    with subject.connected() as connection:
        for origin in (PARTNER, *(f"https://{number}.example" for number in range(KEPT)), READER):
            connection.ask("GET", PATH, [("Origin", origin)])
    with subject.service(State.DOWN):
        assert_served(subject.ask("GET", PATH, [("Origin", READER)]), READER)
        assert_served(subject.ask("GET", PATH, [("Origin", PARTNER)]), STRANGER)
