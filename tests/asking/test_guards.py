"""Who asks a service knows from its decisions which policies stop requests."""

from __future__ import annotations

from cors_service.asking.guards import Guards
from cors_service.decision import GuardVerdict, Query, Reason
from cors_service.decision.decision import GuardMode
from cors_service.wire.received import Received


def decision(policy: str, mode: GuardMode | None) -> Received:
    """Make a decision of a policy, with what its guard says."""
    guard = None if mode is None else GuardVerdict(True, mode, Reason("allowed", ""))
    return Received("actual", True, None, Reason("allowed", ""), (), policy, 1, "1", guard)


def test_by_name() -> None:
    """A policy that was seen to stop requests stops what can't be decided; others beside it do not."""
    guards = Guards()
    guards.note(decision("site", None))
    guards.note(decision("tools", "enforce"))
    assert guards.may_stop(Query("GET", "tools"))
    assert not guards.may_stop(Query("GET", "site"))


def test_by_url() -> None:
    """Where the URL finds the policy, it may be any."""
    guards, query = Guards(), Query("GET", None, "https://api.example/")
    assert not guards.may_stop(query)
    guards.note(decision("tools", "enforce"))
    assert guards.may_stop(query)


def test_what_it_unlearns() -> None:
    """A guard that only reports stops nothing any more; a decision about which a guard says nothing tells nothing."""
    guards = Guards()
    guards.note(decision("tools", "enforce"))
    guards.note(decision("tools", None))
    assert guards.may_stop(Query("GET", "tools"))
    guards.note(decision("tools", "report"))
    assert not guards.may_stop(Query("GET", "tools"))
