"""Tests of what is said and counted of requests that guards only report."""

from __future__ import annotations

from cors_service.decision import Decision, GuardVerdict, Reason
from cors_service.decision.decision import GuardMode
from cors_service.decision.reported import Reported


def decision(policy: str, code: str, *, passes: bool = False, mode: GuardMode = "report") -> Decision:
    """Make a decision with a verdict."""
    verdict = GuardVerdict(passes, mode, Reason(code, "Somebody asked."))
    return Decision("no-origin", None, None, Reason("no-origin", "."), (), policy, None, "", verdict)


def test_each_kind_is_said_once() -> None:
    """The first request of each policy and code is said, each is counted, and what passes or is stopped is neither."""
    said: list[str] = []
    reported = Reported(said.append)
    assert reported.as_dict() == {}
    for _ in range(3):
        for policy, code in (("a", "cross-site"), ("b", "cross-site"), ("a", "host-not-allowed")):
            reported.note(decision(policy, code))
        reported.note(decision("a", "own-page", passes=True))
        reported.note(decision("a", "cross-site", mode="enforce"))
    assert said == [
        "The guard of the policy a would stop requests (cross-site): Somebody asked.",
        "The guard of the policy b would stop requests (cross-site): Somebody asked.",
        "The guard of the policy a would stop requests (host-not-allowed): Somebody asked.",
    ]
    assert set(reported.counts.values()) == {3}


def test_kinds_are_bounded() -> None:
    """Behind a thousand kinds, no more are said; their requests are counted together."""
    said: list[str] = []
    reported = Reported(said.append)
    for number in range(1005):
        for _ in range(2):
            reported.note(decision(f"p{number}", "cross-site"))
    assert (len(said), len(reported.counts), reported.others) == (1000, 1000, 10)
