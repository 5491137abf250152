"""Who decides in this process: by policies, or as a test tells."""

from __future__ import annotations

import subprocess
import sys

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cors_service.client import Decider
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import InvalidPolicies, read_document
from cors_service.stopped import UNDECIDED
from cors_service.store import LivePolicies, MemoryPolicyStore
from cors_service.testing.client import MemoryClient
from tests.answering import CHANGED, DOCUMENT

QUERY = Query("GET", "app", None, ("https://a.example",))
UNKNOWN = Query("GET", "nothing", None, ("https://a.example",))


def now(deferred: Deferred[Decision]) -> Decision:
    """What a Deferred has to give at once."""
    results: list[Decision] = []
    deferred.addCallback(results.append)
    [result] = results
    return result


def test_a_policy_set_decides() -> None:
    """As the pure function does."""
    policies = read_document(DOCUMENT)
    assert now(Decider(policies).decide(QUERY)) == ActivePolicies(policies).decide(QUERY)


def test_live_policies_decide_by_what_is_active() -> None:
    """None at first, then whatever was activated last."""
    live = LivePolicies(MemoryPolicyStore({}), Clock())
    decider = Decider(live)
    decision = now(decider.decide(QUERY))
    assert (decision.reason.code, decision.allowed) == (UNDECIDED, False)
    live.activate(read_document(DOCUMENT))
    assert now(decider.decide(QUERY)).allowed
    live.activate(read_document(CHANGED))
    assert not now(decider.decide(QUERY)).allowed


def test_a_query_without_a_decision() -> None:
    """It is refused, and says why."""
    decision = now(Decider(read_document(DOCUMENT)).decide(UNKNOWN))
    assert (decision.reason.code, decision.reason.message) == (UNDECIDED, "There is no policy 'nothing'.")


def test_memory_client() -> None:
    """It decides as the service would, notes what it is asked, and can be told to be down."""
    client = MemoryClient(DOCUMENT)
    assert now(client.decide(QUERY)) == ActivePolicies(read_document(DOCUMENT)).decide(QUERY)
    assert now(client.decide(UNKNOWN)).reason.code == UNDECIDED
    client.is_down = True
    assert now(client.decide(QUERY)).reason.code == UNDECIDED
    client.is_down = False
    with pytest.raises(InvalidPolicies):
        client.replace({})
    assert now(client.decide(QUERY)).allowed
    client.replace(CHANGED)
    decisions: list[list[Decision]] = []
    client.decide_all([QUERY, UNKNOWN]).addCallback(decisions.append)
    assert [decision.allowed for decision in decisions[0]] == [False, False]
    assert client.asked == [QUERY, UNKNOWN, QUERY, QUERY, QUERY, UNKNOWN]
    assert not client.is_closed
    client.close()
    assert client.is_closed


def run(program: str) -> str:
    """Run a program in a process of its own, and give what it says."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return f"{done.stdout}{done.stderr}".strip()


def test_the_double_is_imported_by_whoever_wants_it() -> None:
    """The rest of `cors_service.testing` stays without Twisted."""
    assert run("import sys, cors_service.testing; print('twisted' in sys.modules)") == "False"


def test_without_treq() -> None:
    """A site that embeds its policies needs no treq; a client says what to install."""
    hide = "import sys; sys.modules['treq'] = sys.modules['OpenSSL'] = None\n"
    assert run(f"{hide}import cors_service.protect.site, cors_service.testing.client") == ""
    said = run(f"{hide}from cors_service.client import DecisionClient; DecisionClient('http://a.example')")
    assert said.endswith('ImportError: DecisionClient needs treq: pip install "cors-service[client]"')
